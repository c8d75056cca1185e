//! Passes 1 and 2: a batch of requests is parsed, looked up, and what it will touch is prefetched.

use crate::dispatch::worker::Worker;
use crate::server::Server;
use crate::session::{Session, blocked};
use bytes::Bytes;
use redstart_engine::run::registry::KeyShape;
use redstart_engine::spec::{FAST, Group};
use redstart_engine::{Command, KeyAt};
use redstart_protocol::{Args, Parser, Span, Step};
use std::ops::Range;

/// Requests that are overlapped at most, and arguments beyond which a batch ends.
const BATCH_MAX: usize = 64;
const BATCH_ARGS: usize = 1024;

/// A request of this size is a batch of its own, in bytes: it may be kept by reference, and may
/// have to wait for room.
const LARGE_REQUEST: usize = 64 * 1024;

/// A request of the batch.
pub struct Request {
    /// What it asks for.
    pub what: What,
    /// Its arguments among the spans of the batch.
    pub args: Range<usize>,
    /// Its keys among those of the batch.
    pub keys: Range<usize>,
}

impl Request {
    /// The command that it is, if its number of arguments is right.
    pub fn command(&self) -> Option<u16> {
        if let What::Command(id) = self.what { Some(id) } else { None }
    }

    /// The command that it names, whatever its number of arguments.
    pub fn id(&self) -> Option<u16> {
        match self.what {
            What::Command(id) | What::WrongArity(id) => Some(id),
            _ => None,
        }
    }

    /// Whether it takes so little time that it may share a reading of the clock with others.
    #[inline]
    pub fn is_short(&self, server: &Server) -> bool {
        let command = self.command().map(|id| server.registry.at(id).command);
        command.is_none_or(|command| command.is_short(self.args.len()))
    }
}

/// What a request asks for.
#[derive(Clone, Copy)]
pub enum What {
    /// A command, by its id, with the right number of arguments.
    Command(u16),
    /// A command, by its id, with the wrong number of arguments.
    WrongArity(u16),
    /// A name that is no command's.
    Unknown,
    /// A container without such a subcommand.
    UnknownSubcommand,
    /// A breach of the protocol, and where in the input it begins.
    Breach(redstart_protocol::ProtocolError, usize),
}

/// Where the batch's bytes are.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// In a buffer that is read into again.
    Borrowed(&'a [u8]),
    /// In a buffer that arguments may be kept in by reference.
    Shared(&'a Bytes),
}

/// Passes 1 and 2. Returns where the batch's last request ends, or None when there is none.
pub fn parse_batch(
    session: &mut Session,
    worker: &mut Worker,
    input: &mut [u8],
    from: usize,
) -> Option<usize> {
    let server = session.server;
    let limits = session.limits();
    // A client that has yet to authenticate is taken one request at a time, because the limits
    // change when it does.
    let most = if limits.authenticated { BATCH_MAX } else { 1 };
    let Worker { spans, keys, batch, .. } = worker;
    spans.clear();
    keys.clear();
    batch.clear();
    let (mut at, mut parts) = (from, false);
    while batch.len() < most && spans.len() < BATCH_ARGS && at < input.len() {
        let first = spans.len();
        let (name, step) = match session.parser.parse_plain(input, at, spans, &limits) {
            Some((name, end)) => (name, Ok(Step::Complete { end })),
            None => (0, session.parser.parse(input, at, spans, &limits)),
        };
        let is_large;
        match step {
            Ok(Step::Complete { end }) => {
                is_large = end - at >= LARGE_REQUEST;
                if is_large && !batch.is_empty() {
                    spans.truncate(first);
                    break;
                }
                at = end;
            }
            Ok(Step::Incomplete { need }) => {
                session.wanted = need;
                break;
            }
            Err(breach) => {
                spans.truncate(first);
                let none = Request { what: What::Breach(breach, at), args: 0..0, keys: 0..0 };
                batch.push(none);
                at = input.len();
                break;
            }
        }
        if spans.len() == first {
            continue;
        }
        let first_key = keys.len();
        let (what, ends) =
            look_up(session, name, Args::new(input, &spans[first..]), keys, &mut parts);
        batch.push(Request { what, args: first..spans.len(), keys: first_key..keys.len() });
        if is_large || ends {
            break;
        }
    }
    if keys.len() > 1 {
        for key in keys.iter() {
            server.engine.keyspace.prefetch_bucket(session.db, key.hash);
        }
        let mut last = None;
        for key in keys.iter().filter(|key| last.replace(key.hash) != Some(key.hash)) {
            server.engine.keyspace.prefetch_entry(session.db, key.hash);
        }
        if parts {
            fetch_fields(session, worker, input);
        }
    }
    (at > from).then_some(at)
}

/// Finds a request's command, hashes its keys, and fetches what leads to their buckets; `name` is
/// the command's, as [`Parser::parse_plain`] gave it, or zero. `parts` becomes true if the value
/// has parts that are looked up. Returns also whether the batch ends here.
#[inline(always)]
pub fn look_up(
    session: &Session,
    name: u64,
    args: Args<'_>,
    keys: &mut Vec<KeyAt>,
    parts: &mut bool,
) -> (What, bool) {
    let server = session.server;
    let found = match server.registry.get_short(name) {
        Some(found) => found,
        None => match server.registry.resolve(args) {
            Ok(Some(found)) => found,
            Ok(None) => return (What::Unknown, false),
            Err(_) => return (What::UnknownSubcommand, false),
        },
    };
    if !found.command.arity.accepts(args.len()) {
        return (What::WrongArity(found.id), false);
    }
    let keyspace = &server.engine.keyspace;
    if found.keys == KeyShape::First {
        let hash = keyspace.hasher().hash(args.at(1));
        keys.push(KeyAt { arg: 1, hash });
        keyspace.prefetch_shard(hash);
    } else if found.keys == KeyShape::Specs {
        let first = keys.len();
        // Arguments that name no keys are refused by the handler.
        if server.engine.hash_keys(found, args, keys).is_err() {
            keys.truncate(first);
        }
        for key in &keys[first..] {
            keyspace.prefetch_shard(key.hash);
        }
    }
    *parts |= has_parts(found.command.group);
    // What stands behind a command that waits is not even looked at before the wait ends.
    (What::Command(found.id), blocked::may_block(found.command, args))
}

/// Whether values of a group's type have parts: fields, members.
fn has_parts(group: Group) -> bool {
    matches!(group, Group::Hash | Group::Set | Group::SortedSet)
}

/// The part that a request looks up, if it looks up one: what does is fast. A score stands before
/// the member of a sorted set.
fn part_of<'a>(command: &Command, args: Args<'a>) -> Option<&'a [u8]> {
    let at = if command.group == Group::SortedSet && args.len() > 3 { args.len() - 1 } else { 2 };
    args.get(at).filter(|_| command.is(FAST))
}

/// What pass 2 does for requests about such values besides: fetches the value that the key's entry
/// points at, and in a large one the part's entry; for neighbours with one key, all of them
/// together.
#[inline(never)]
fn fetch_fields<'a>(session: &Session, worker: &'a Worker, input: &'a [u8]) {
    let server = session.server;
    let keyspace = &server.engine.keyspace;
    let each = |f: &mut dyn FnMut(u64, Option<&'a [u8]>)| {
        for request in &worker.batch {
            let What::Command(id) = request.what else { continue };
            let command = server.registry.at(id).command;
            if let (true, Some(key)) =
                (has_parts(command.group), worker.keys[request.keys.clone()].first())
            {
                let args = Args::new(input, &worker.spans[request.args.clone()]);
                f(key.hash, part_of(command, args));
            }
        }
    };
    let (mut more, mut last, mut count) = (false, None, 0);
    let mut fields: [&[u8]; BATCH_MAX] = [&[]; BATCH_MAX];
    let mut fetch = |hash: Option<u64>, fields: &[&[u8]]| match (hash, fields) {
        (None, _) => {}
        (Some(hash), [] | [_]) => {
            more |= keyspace.prefetch_value(session.db, hash, fields.first().copied());
        }
        (Some(hash), fields) => keyspace.prefetch_fields(session.db, hash, fields),
    };
    each(&mut |hash, field| {
        if last != Some(hash) {
            fetch(last, &fields[..count]);
            (last, count) = (Some(hash), 0);
        }
        if let Some(field) = field {
            fields[count] = field;
            count += 1;
        }
    });
    fetch(last, &fields[..count]);
    if more {
        each(&mut |hash, field| {
            if let Some(field) = field {
                keyspace.prefetch_field(session.db, hash, field);
            }
        });
    }
}

/// A request's arguments.
#[inline]
pub fn arguments<'a>(spans: &'a [Span], request: &Request, source: Source<'a>) -> Args<'a> {
    let spans = &spans[request.args.clone()];
    match source {
        Source::Borrowed(bytes) => Args::new(bytes, spans),
        Source::Shared(bytes) => Args::with_shared(bytes, spans),
    }
}

/// Lets the requests of a batch that have not run wait for room. A large one is not copied:
/// it stays where it is.
#[cold]
pub fn wait_for_room(session: &mut Session, worker: &Worker, rest: &[Request], source: Source<'_>) {
    session.lacks_room = true;
    let bytes = |request: &Request| -> usize {
        arguments(&worker.spans, request, source).iter().map(<[u8]>::len).sum()
    };
    // It is alone, and no inline command: those are changed as they are parsed.
    if let [request] = rest
        && worker.spans.len() == request.args.len()
        && bytes(request) >= LARGE_REQUEST
    {
        session.crowded = true;
        session.input_waits = true;
        session.wanted = 0;
        session.parser = Parser::default();
    } else {
        put_back(session, worker, rest, source);
    }
}

/// Puts requests that have to wait back into the session's input, which is empty; what follows them
/// there is to be parsed from its beginning.
#[cold]
pub fn put_back(session: &mut Session, worker: &Worker, rest: &[Request], source: Source<'_>) {
    for request in rest {
        if let What::Breach(_, from) = request.what {
            let bytes = match source {
                Source::Borrowed(bytes) => bytes,
                Source::Shared(bytes) => bytes,
            };
            session.input.extend_from_slice(&bytes[from..]);
            continue;
        }
        let args = arguments(&worker.spans, request, source);
        session.input.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
        for arg in args.iter() {
            session.input.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            session.input.extend_from_slice(arg);
            session.input.extend_from_slice(b"\r\n");
        }
    }
    session.input_waits = true;
    session.wanted = 0;
    session.parser = Parser::default();
}
