//! Requests on their way from bytes to handlers, a batch at a time.
//!
//! ```text
//! pass 1   parse, look the command up, check arity, hash the keys, fetch their buckets
//! pass 2   match tags, fetch the entries, and of hashes the fields
//! pass 3   execute in order: gates, locks, handler, reply
//! ```
//!
//! By pass 3 everything that the batch touches is in the cache or on its way. A request is one of
//! a batch even when it is alone. The batch ends early where the rest could depend on what runs.

pub mod after_unlock;
pub mod exec;
pub mod replay;
pub mod worker;

use crate::clients::TOUCH_NOT;
use crate::dispatch::after_unlock::take_out_garbage;
use crate::dispatch::worker::Worker;
use crate::durability;
use crate::metrics::errors;
use crate::metrics::timing::Stopwatch;
use crate::notify::monitor;
use crate::server::Server;
use crate::session::blocked;
use crate::session::{Context, Quiet, Session};
use crate::session::{tracking, transaction};
use bytes::{Bytes, BytesMut};
use redstart_engine::keyspace::LockedShards;
use redstart_engine::run::call::KeyAt;
use redstart_engine::run::execute::Prepared;
use redstart_engine::run::registry::{KeyShape, Registered};
use redstart_engine::spec::{ALLOW_BUSY, DENYOOM, Group, NO_AUTH, NO_MULTI, Run, WRITE};
use redstart_engine::{Command, Error, Now};
use redstart_protocol::{Args, Parser, Protocol, Span, Step};
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

/// Requests that are overlapped at most, and arguments beyond which a batch ends.
const BATCH_MAX: usize = 64;
const BATCH_ARGS: usize = 1024;
/// Output beyond which no further batch runs before it is written, in bytes.
const OUTPUT_FLUSH: usize = 1 << 20;
/// Output that no limit is about, in bytes: what Redis keeps in a client's own buffer.
const UNCOUNTED_OUTPUT: usize = 16 * 1024;
/// An argument from this size on may be kept by reference to the input, in bytes.
const SHARED_MIN: u32 = 64 * 1024;

/// What a client that listens may still say in RESP2, where replies and messages look alike.
const LISTENER_COMMANDS: [&str; 9] = [
    "subscribe",
    "psubscribe",
    "ssubscribe",
    "unsubscribe",
    "punsubscribe",
    "sunsubscribe",
    "ping",
    "quit",
    "reset",
];

/// A request of the batch.
pub struct Request {
    what: What,
    args: Range<usize>,
    keys: Range<usize>,
}

impl Request {
    /// The command that it is, if its number of arguments is right.
    fn command(&self) -> Option<u16> {
        if let What::Command(id) = self.what { Some(id) } else { None }
    }

    /// Whether it may share a reading of the clock with others.
    #[inline]
    fn is_short(&self, server: &Server) -> bool {
        match self.what {
            What::Command(id) => server.short.is(id, self.args.len()),
            _ => true,
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy)]
enum What {
    /// A command, by its id, with the right number of arguments.
    Command(u16),
    /// A command, by its id, with the wrong number of arguments.
    WrongArity(u16),
    /// A name that is no command's.
    Unknown,
    /// A container without such a subcommand.
    UnknownSubcommand(&'static Command),
    /// A breach of the protocol, and where in the input it begins.
    Breach(redstart_protocol::ProtocolError, usize),
}

/// Where the batch's bytes are.
#[derive(Clone, Copy)]
enum Source<'a> {
    Borrowed(&'a [u8]),
    Shared(&'a Bytes),
}

/// Runs the requests in the worker's buffer; what is left of it is kept by the session.
pub fn run_shared(session: &mut Session, worker: &mut Worker, input: &mut [u8]) {
    let mut used = 0;
    while let Some(end) = parse_batch(session, worker, input, used) {
        used = end;
        execute_batch(session, worker, Source::Borrowed(input));
        if session.closing {
            return;
        }
        if session.out.len() > OUTPUT_FLUSH || session.is_waiting() || worker.turns.is_over() {
            session.input_waits = true;
            break;
        }
    }
    session.input.extend_from_slice(&input[used..]);
    if session.input.is_empty() {
        session.input_waits = false;
        session.wanted = 0;
        session.input = BytesMut::new();
    }
    session.info.input_bytes.store(session.input.len(), Relaxed);
}

/// Runs the requests in the session's own input.
pub fn run_kept(session: &mut Session, worker: &mut Worker) {
    session.input_waits = false;
    let mut input = std::mem::take(&mut session.input);
    while let Some(end) = parse_batch(session, worker, &mut input, 0) {
        if worker.spans.iter().any(|span| span.len >= SHARED_MIN) {
            let shared = input.split_to(end).freeze();
            execute_batch(session, worker, Source::Shared(&shared));
        } else {
            execute_batch(session, worker, Source::Borrowed(&input));
            bytes::Buf::advance(&mut input, end);
        }
        if session.closing {
            return;
        }
        if session.postponed {
            session.input.extend_from_slice(&input);
            input = std::mem::take(&mut session.input);
        }
        let stops = session.out.len() > OUTPUT_FLUSH || session.is_waiting();
        if (stops || worker.turns.is_over()) && !input.is_empty() {
            session.input_waits = true;
            break;
        }
    }
    if input.is_empty() {
        session.wanted = 0;
    } else {
        session.input = input;
    }
    session.info.input_bytes.store(session.input.len(), Relaxed);
}

/// Passes 1 and 2. Returns where the batch's last request ends, or None when there is none.
fn parse_batch(
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
        match session.parser.parse(input, at, spans, &limits) {
            Ok(Step::Complete { end }) => at = end,
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
        let args = Args::new(input, &spans[first..]);
        let first_key = keys.len();
        let what = match server.registry.resolve(args) {
            Ok(Some(found)) if found.command.arity.accepts(args.len()) => {
                // Arguments that tell no keys are the handler's to refuse.
                if server.engine.hash_keys(found, args, keys).is_err() {
                    keys.truncate(first_key);
                }
                parts |= found.command.group == Group::Hash;
                if found.keys != KeyShape::None {
                    for key in &keys[first_key..] {
                        server.engine.keyspace.prefetch_bucket(session.db, key.hash);
                    }
                }
                What::Command(found.id)
            }
            Ok(Some(found)) => What::WrongArity(found.id),
            Ok(None) => What::Unknown,
            Err(container) => What::UnknownSubcommand(container),
        };
        batch.push(Request { what, args: first..spans.len(), keys: first_key..keys.len() });
        // What stands behind a command that waits is not even looked at before the wait ends.
        if let What::Command(id) = what
            && blocked::may_block(server.registry.at(id).command)
        {
            break;
        }
    }
    if keys.len() > 1 {
        for key in keys.iter() {
            server.engine.keyspace.prefetch_entry(session.db, key.hash);
        }
        if parts {
            fetch_fields(session, worker, input);
        }
    }
    (at > from).then_some(at)
}

/// What pass 2 does for requests about hashes besides: fetches the hash that the key's entry
/// points at, and in a large one the field's entry.
fn fetch_fields(session: &Session, worker: &Worker, input: &[u8]) {
    let server = session.server;
    let keyspace = &server.engine.keyspace;
    let each = |f: &mut dyn FnMut(u64, &[u8])| {
        for request in &worker.batch {
            let What::Command(id) = request.what else { continue };
            let is_hash = server.registry.at(id).command.group == Group::Hash;
            if let (true, Some(key)) = (is_hash, worker.keys[request.keys.clone()].first()) {
                let args = Args::new(input, &worker.spans[request.args.clone()]);
                f(key.hash, args.get(2).unwrap_or_default());
            }
        }
    };
    let mut more = false;
    each(&mut |hash, field| more |= keyspace.prefetch_value(session.db, hash, field));
    if more {
        each(&mut |hash, field| keyspace.prefetch_field(session.db, hash, field));
    }
}

/// Pass 3.
fn execute_batch(session: &mut Session, worker: &mut Worker, source: Source<'_>) {
    worker.lend(&mut session.out);
    let server = session.server;
    let now_ns = server.clock.mono_ns();
    worker.turns.batch(now_ns);
    let (mut watch, mut now) = (Stopwatch::start(server, now_ns), server.clock.moment(now_ns));
    session.info.active_ms.store(now.mono_ms, Relaxed);
    worker.local.touches_not = session.info.marks.load(Relaxed) & TOUCH_NOT != 0;
    let mut batch = std::mem::take(&mut worker.batch);
    let mut ran = std::mem::take(&mut worker.ran);
    let mut monitored = server.monitors.is_on();
    for (place, request) in batch.iter().enumerate() {
        let (mark, start) = (session.out.mark(), session.out.buf_mut().len());
        let errors = session.out.errors();
        let alone = watch.is_precise() || !request.is_short(server);
        if alone && !ran.is_empty() {
            watch.settle(session, &worker.local.stats, &mut ran, None);
        }
        let before = ran.len();
        if !execute(session, worker, request, source, &mut now, &mut ran) {
            put_back(session, worker, &batch[place..], source);
            batch.truncate(place);
            break;
        }
        if session.out.errors() != errors {
            let failed = match request.what {
                What::Command(id) | What::WrongArity(id) => Some((id, ran.len() > before)),
                _ => None,
            };
            let reply = &session.out.buf_mut()[start..];
            errors::count(server, &worker.local.stats, failed, reply);
        }
        monitored |= session.monitors;
        if monitored && ran.len() > before {
            let command = server.registry.at(ran[before]).command;
            session.show_to_monitors(command, arguments(&worker.spans, request, source));
        }
        if alone && !ran.is_empty() {
            let args = arguments(&worker.spans, request, source);
            watch.settle(session, &worker.local.stats, &mut ran, Some(args));
        }
        if session.quiet != Quiet::No {
            let listens = session.out.errors() == errors && is_listening(session, request);
            session.keep_quiet((!listens).then_some(mark));
        }
        // A client that is closed for what it does not read has its last replies taken away.
        if session.out.len() > UNCOUNTED_OUTPUT && session.info.check_output(session.out.len()) {
            session.closing = true;
        }
        if session.tracks {
            let ran = request.command().map(|id| server.registry.at(id));
            tracking::after_request(session, &mut worker.local, ran);
        }
        if session.closing {
            break;
        }
    }
    if !ran.is_empty() {
        // A reply that ends the connection may have left the rest of the batch alone.
        let last = batch.last().filter(|_| !session.closing);
        let args = last.map(|request| arguments(&worker.spans, request, source));
        watch.settle(session, &worker.local.stats, &mut ran, args);
    }
    session.log_mark = session.log_mark.max(durability::take_mark());
    note(session, &batch);
    (worker.batch, worker.ran) = (batch, ran);
    if !worker.local.changes.is_empty() {
        tracking::settle(server, &mut worker.local, Some(session));
    }
    take_out_garbage(worker, server);
}

/// A request's arguments.
#[inline]
fn arguments<'a>(spans: &'a [Span], request: &Request, source: Source<'a>) -> Args<'a> {
    let spans = &spans[request.args.clone()];
    match source {
        Source::Borrowed(bytes) => Args::new(bytes, spans),
        Source::Shared(bytes) => Args::with_shared(bytes, spans),
    }
}

/// Puts requests that have to wait for the end of a pause back into the session's input, which is
/// empty; what follows them there is to be parsed from its beginning.
#[cold]
fn put_back(session: &mut Session, worker: &Worker, rest: &[Request], source: Source<'_>) {
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
    session.postponed = true;
    session.wanted = 0;
    session.parser = Parser::default();
}

/// Runs one request of the batch and writes its reply; its command is added to `ran` unless it is
/// refused. False when it has to wait for the end of a pause.
#[inline]
fn execute(
    session: &mut Session,
    worker: &mut Worker,
    request: &Request,
    source: Source<'_>,
    now: &mut Now,
    ran: &mut Vec<u16>,
) -> bool {
    let server = session.server;
    let id = match request.what {
        What::Command(id) => id,
        what => {
            worker.local.stats.errors.add(1);
            if let Some(queue) = &mut session.queue {
                queue.fail();
            }
            refuse(session, what, arguments(&worker.spans, request, source));
            return true;
        }
    };
    let registered = server.registry.at(id);
    if let Err(error) = gate(session, worker, request, source, registered, *now) {
        worker.local.stats.errors.add(1);
        let error = transaction::refuse(session, registered.command, error);
        error.write(&mut session.out);
        return true;
    }
    let args = arguments(&worker.spans, request, source);
    if server.pause.is_on()
        && server.pause.holds(session, registered.command, args, *now)
        && server.pause.wait(&session.info)
    {
        return false;
    }
    let stats = &worker.local.stats;
    let keys = &worker.keys[request.keys.clone()];
    if session.queue.is_some() && queues(registered.command) {
        enqueue(session, id, args, keys);
        return true;
    }
    stats.calls[id as usize].add(1);
    ran.push(id);
    match registered.command.run {
        Run::Data(run) => {
            let command = registered.command;
            let prepared = Prepared { command, run, args, keys, db: session.db };
            if blocked::may_block(command) {
                blocked::run(session, &mut worker.local, prepared, *now);
            } else if session.tracks && session.notes_reads_of(command) {
                tracking::run(session, &mut worker.local, prepared, *now);
            } else {
                server.engine.run(&mut worker.local, prepared, *now, &mut session.out);
            }
        }
        Run::Session | Run::Subcommands(_) => {
            session.info.last_command.store(id, Relaxed);
            tracking::note_session(session, registered.command, args, keys);
            let mut context = Context { session, local: &mut worker.local, now: *now, held: None };
            run_session(&mut context, id, args, None);
            tracking::note_session(session, registered.command, args, keys);
            // It may have taken its time.
            *now = server.clock.now();
        }
    }
    true
}

/// Whether the client may run a command now: it is known, says what a listener may say, and there
/// is a disk and memory for it.
#[inline]
fn gate(
    session: &Session,
    worker: &mut Worker,
    request: &Request,
    source: Source<'_>,
    registered: &Registered,
    now: Now,
) -> Result<(), Error> {
    let (server, command) = (session.server, registered.command);
    if !session.authenticated && !command.is(NO_AUTH) {
        return Err(Error::NO_AUTH);
    }
    if session.listens()
        && session.out.protocol() == Protocol::Resp2
        && !LISTENER_COMMANDS.contains(&command.name)
    {
        return Err(Error::listening(&registered.full_name()));
    }
    if session.monitors && monitor::is_refused(command) {
        return Err(Error::MONITORS);
    }
    if server.engine.keyspace.busy.is_set() && !command.is(ALLOW_BUSY) {
        return Err(server.engine.keyspace.busy.error());
    }
    if server.durability.refuses()
        && let Some(error) = server.durability.refusal(command).or_else(|| {
            let writes = command.name == "exec" && session.queues_any(WRITE);
            server.durability.disk_error().filter(|_| writes)
        })
    {
        return Err(error);
    }
    if server.evictor.is_on() {
        // What is queued takes room, whatever it is.
        let queued = session.queue.is_some() && !ENDS_QUEUE.contains(&command.name);
        let needs =
            queued || command.is(DENYOOM) || command.name == "exec" && session.queues_any(DENYOOM);
        let may_need = command.name == "exec" || command.group == Group::Scripting;
        if needs || may_need {
            let lacks = !has_room(server, worker, request, source, now);
            // What a script does is refused as it comes.
            worker.local.lacks_room = lacks;
            if needs && lacks {
                return Err(Error::OUT_OF_MEMORY);
            }
        }
    }
    Ok(())
}

/// Whether there is, or can be made, room for a request that needs some.
#[cold]
fn has_room(
    server: &'static Server,
    worker: &mut Worker,
    request: &Request,
    source: Source<'_>,
    now: Now,
) -> bool {
    let bytes = arguments(&worker.spans, request, source).iter().map(<[u8]>::len).sum();
    server.evictor.make_room(server, worker, bytes, now)
}

/// Whether what a request is answered with are messages and no reply: they come whatever the
/// client wants to be answered.
fn is_listening(session: &Session, request: &Request) -> bool {
    let Some(id) = request.command() else { return false };
    let command = session.server.registry.at(id).command;
    command.group == Group::PubSub && command.name.ends_with("subscribe")
}

/// Runs a session command; `held` are the shards that a transaction holds.
pub fn run_session(
    context: &mut Context<'_>,
    id: u16,
    args: Args<'_>,
    held: Option<&mut LockedShards>,
) {
    let Context { session, local, now, .. } = context;
    let handlers = &session.server.handlers;
    let mut context = Context { session, local, now: *now, held };
    if let Err(error) = handlers.run(id, &mut context, args) {
        context.local.stats.errors.add(1);
        error.write(&mut context.session.out);
    }
}

/// What may end a transaction, and so gives back what is queued.
const ENDS_QUEUE: [&str; 4] = ["exec", "discard", "quit", "reset"];

/// Whether a command waits for EXEC inside a transaction.
fn queues(command: &Command) -> bool {
    !matches!(command.name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}

/// Queues a request until EXEC.
fn enqueue(session: &mut Session, id: u16, args: Args<'_>, keys: &[KeyAt]) {
    let command = session.server.registry.at(id).command;
    let Some(queue) = &mut session.queue else { return };
    if command.is(NO_MULTI) {
        queue.fail();
        return session.out.error("ERR Command not allowed inside a transaction");
    }
    queue.push(id, args, keys);
    session.note_transaction();
    session.out.simple("QUEUED");
}

/// What CLIENT LIST tells: the last command, and how many there were.
fn note(session: &Session, batch: &[Request]) {
    let requests = session.info.requests.load(Relaxed) + batch.len() as u64;
    session.info.requests.store(requests, Relaxed);
    if let Some(Request { what: What::Command(id), .. }) = batch.last() {
        session.info.last_command.store(*id, Relaxed);
    }
}

/// Answers a request that is no command's.
#[cold]
fn refuse(session: &mut Session, what: What, args: Args<'_>) {
    let registry = &session.server.registry;
    if let What::WrongArity(id) = what
        && registry.at(id).command.name == "exec"
    {
        // An EXEC that fails in any way ends the transaction, and says so.
        session.discard();
        let reason = "EXECABORT Transaction discarded because of: wrong number of arguments for \
                      'exec' command";
        return session.out.error(reason);
    }
    let error = match what {
        What::Breach(breach, _) => {
            session.closing = true;
            return breach.reply(&mut session.out);
        }
        What::Unknown if is_http(&args[0]) => {
            session.closing = true;
            return;
        }
        What::WrongArity(id) => Error::wrong_arity(&registry.at(id).full_name()),
        What::UnknownSubcommand(container) => Error::unknown_subcommand(container.name, &args[1]),
        What::Unknown | What::Command(_) => Error::unknown_command(args.iter()),
    };
    error.write(&mut session.out);
}

/// Whether a browser is at the other end, or a web page that makes one speak to us: the lines of
/// its request must not run as commands.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:")
}
