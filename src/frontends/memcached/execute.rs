//! The requests of a batch are run in order, each through the gates, and accounted for.

use super::OUTPUT_FLUSH;
use super::answer::{self, Names};
use super::others;
use crate::clients::client::NO_TOUCH;
use crate::clients::held::UNCOUNTED;
use crate::clients::output_limits::Verdict;
use crate::dispatch::account::Account;
use crate::dispatch::after_unlock::take_out_garbage;
use crate::dispatch::batch::Source;
use crate::dispatch::gate::{gate, make_room, pause_holds};
use crate::dispatch::rights;
use crate::dispatch::worker::Worker;
use crate::durability;
use crate::memory::evict::Room;
use crate::session::{Session, tracking};
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::DENYOOM;
use redstart_engine::{Error, KeyAt, Now};
use redstart_protocol::Args;
use redstart_protocol::memcached::{Meta, Request, Requests, Verb, base64_encode, words};
use std::sync::atomic::Ordering::Relaxed;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// Its reply is written.
    Done,
    /// It waits, and so do those behind it: for the end of a pause, or for room.
    Waits,
    /// So many of its keys were replied to; the others wait until that is written.
    Partly(usize),
}

/// A request with all that belongs to it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The request.
    pub request: &'a Request,
    /// The flags of a meta command.
    pub meta: &'a Meta,
    /// Its words.
    pub args: Args<'a>,
    /// Its keys.
    pub keys: &'a [KeyAt],
}

/// Runs a batch.
pub fn run(session: &mut Session, worker: &mut Worker, source: Source<'_>) {
    worker.lend(&mut session.out);
    let server = session.server;
    let now_ns = server.clock.mono_ns();
    worker.turns.batch(now_ns);
    let now = server.clock.moment(now_ns);
    session.info.active_ms.store(now.mono_ms, Relaxed);
    let no_touch = session.info.marks.load(Relaxed) & NO_TOUCH != 0;
    worker.local.begin_batch(&server.engine.keyspace, no_touch);
    let batch = std::mem::take(&mut worker.foreign);
    let (spans, keys) = (std::mem::take(&mut worker.spans), std::mem::take(&mut worker.keys));
    let input = match source {
        Source::Borrowed(bytes) => bytes,
        Source::Shared(bytes) => bytes,
    };
    let args_of = |request: &Request| match source {
        Source::Borrowed(bytes) => Args::new(bytes, &spans[request.args.clone()]),
        Source::Shared(bytes) => Args::with_shared(bytes, &spans[request.args.clone()]),
    };
    let no_flags = Meta::default();
    let mut account = Account::open(session, now_ns, std::mem::take(&mut worker.ran));
    let (mut key_at, mut last) = (0, None);
    for (place, request) in batch.requests.iter().enumerate() {
        let own_keys = &keys[key_at..key_at + request.keys];
        key_at += request.keys;
        let meta = batch.metas.get(request.meta).unwrap_or(&no_flags);
        let asked = Asked { request, meta, args: args_of(request), keys: own_keys };
        let registered = Names::of(server.registry).of_request(&asked);
        let before = account.before(session, &worker.local.stats, true);
        let flow = match registered {
            Some(registered) => execute(session, worker, registered, asked, now, &mut account),
            None => {
                others::run(session, worker, asked, now);
                Flow::Done
            }
        };
        if flow != Flow::Waits {
            let id = registered.map(|registered| registered.id);
            account.after(session, &worker.local.stats, before, id, || asked.args);
            // What is about no data has no time of its own, and may hold a password.
            last = registered.map(|registered| (asked.args, registered)).or(last);
        }
        if session.out.len() > UNCOUNTED && session.note_output() == Verdict::Closes {
            session.closing = true;
        }
        if session.closing {
            break;
        }
        let waits = match flow {
            Flow::Done => is_full(session) && place + 1 < batch.requests.len(),
            Flow::Waits | Flow::Partly(_) => true,
        };
        if waits {
            let done = if let Flow::Partly(keys) = flow { keys } else { 0 };
            let from = if flow == Flow::Done { place + 1 } else { place };
            put_back(session, input, &batch, from, done, &args_of);
            break;
        }
    }
    let args = last.map(|(args, _)| args).filter(|_| !session.closing);
    worker.ran = account.close(session, &worker.local.stats, || args);
    session.log_mark = session.log_mark.max(durability::take_mark());
    note(session, batch.requests.len(), last.map(|(_, registered)| registered));
    (worker.foreign, worker.spans, worker.keys) = (batch, spans, keys);
    if !worker.local.changes.is_empty() {
        tracking::settle(server, &mut worker.local, Some(session));
    }
    take_out_garbage(worker, server);
}

/// Whether output has to be written before more of it is made.
fn is_full(session: &Session) -> bool {
    session.out.len() > OUTPUT_FLUSH
}

/// Runs a request that goes by a command's name.
fn execute(
    session: &mut Session,
    worker: &mut Worker,
    registered: &'static Registered,
    asked: Asked<'_>,
    now: Now,
    account: &mut Account,
) -> Flow {
    let server = session.server;
    if session.free_version != session.access.version()
        && let Err(error) = rights::check(session, &mut worker.local, registered, asked.args)
    {
        return reject(session, worker, &error);
    }
    if session.closing {
        return Flow::Done;
    }
    if let Err(error) = gate(session, registered) {
        return reject(session, worker, &error);
    }
    if server.evictor.is_asked() {
        match room(session, worker, registered, asked, now) {
            Room::Enough => {}
            Room::Later => {
                session.lacks_room = true;
                return Flow::Waits;
            }
            Room::None => {
                let mark = session.out.mark();
                answer::line(session, "SERVER_ERROR out of memory storing object");
                answer::silence(session, asked, mark);
                return Flow::Done;
            }
        }
    }
    if server.pause.is_on()
        && pause_holds(session, registered.command, asked.args, now)
        && server.pause.wait(&session.info)
    {
        session.postponed = true;
        return Flow::Waits;
    }
    account.count(&worker.local.stats, registered.id);
    let mark = session.out.mark();
    let ran = answer::run(session, worker, registered, asked, now);
    match ran {
        Ok(done) if done < asked.keys.len() => Flow::Partly(done),
        Ok(_) => {
            answer::silence(session, asked, mark);
            Flow::Done
        }
        Err(busy) => {
            session.out.rewind(mark);
            reject(session, worker, &busy)
        }
    }
}

/// Whether there is, or can be made, room for what a request stores.
#[cold]
fn room(
    session: &Session,
    worker: &mut Worker,
    registered: &Registered,
    asked: Asked<'_>,
    now: Now,
) -> Room {
    let server = session.server;
    if !registered.command.is(DENYOOM) || server.pause.is_on() {
        return Room::Enough;
    }
    make_room(server, &mut worker.local, asked.args, (0, asked.keys), now)
}

/// Replies to a request that must not run: Redis's words behind memcached's.
#[cold]
fn reject(session: &mut Session, worker: &Worker, error: &Error) -> Flow {
    worker.local.stats.errors.add(1);
    let text = String::from_utf8_lossy(error.as_bytes());
    if text.starts_with("NOAUTH") {
        answer::line(session, words::UNAUTHENTICATED);
    } else if text.starts_with("NOPERM") {
        answer::line(session, &format!("CLIENT_ERROR {text}"));
    } else {
        answer::line(session, &format!("SERVER_ERROR {text}"));
    }
    Flow::Done
}

/// Puts the requests of a batch from one on back into the session's input, which is empty; of the
/// first so many keys are done with.
#[cold]
fn put_back<'a>(
    session: &mut Session,
    input: &[u8],
    batch: &Requests,
    from: usize,
    done: usize,
    args_of: &dyn Fn(&Request) -> Args<'a>,
) {
    session.input_waits = true;
    session.wanted = 0;
    session.memcached = Some(Box::default());
    let (mut start, mut first) = (batch.requests.get(from).map_or(input.len(), |it| it.from), from);
    if let Some(request) = batch.requests.get(from)
        && matches!(request.verb, Verb::Get { .. } | Verb::Gat { .. })
    {
        // The keys that are left, or those of a line that became several requests.
        let args = args_of(request);
        session.input.extend_from_slice(args.at(0));
        let mut put = |word: &[u8]| {
            session.input.extend_from_slice(b" ");
            session.input.extend_from_slice(word);
        };
        if let Verb::Gat { .. } = request.verb {
            put(request.exptime.to_string().as_bytes());
            let same = batch.requests[from..].iter().take_while(|it| it.from == request.from);
            for request in same {
                put(args_of(request).at(1));
                first += 1;
            }
        } else {
            args.from(1 + done).iter().for_each(put);
            first += 1;
        }
        session.input.extend_from_slice(b"\r\n");
        start = batch.requests.get(first).map_or(input.len(), |request| request.from);
    }
    let at = session.input.len();
    session.input.extend_from_slice(&input[start..]);
    for request in batch.requests.get(first..).unwrap_or_default() {
        let is_binary = batch.metas.get(request.meta).is_some_and(|meta| meta.has(b'b'));
        if request.verb.is_meta() && is_binary && request.keys == 1 {
            // It was decoded where it lay.
            let mut text = Vec::new();
            base64_encode(args_of(request).at(1), &mut text);
            let key = at + place_of_key(&input[request.from..]) + request.from - start;
            session.input[key..key + text.len()].copy_from_slice(&text);
        }
    }
}

/// Where the key of a meta command begins: behind two letters and blanks.
fn place_of_key(line: &[u8]) -> usize {
    2 + line[2..].iter().take_while(|byte| **byte == b' ').count()
}

/// Notes for CLIENT LIST the last command and the number of requests.
fn note(session: &Session, count: usize, last: Option<&Registered>) {
    let requests = session.info.requests.load(Relaxed) + count as u64;
    session.info.requests.store(requests, Relaxed);
    if let Some(registered) = last {
        session.info.last_command.store(registered.id, Relaxed);
    }
}
