//! Pass 3: the requests of a batch are run in order, each through the gate, and accounted for.

use crate::clients::TOUCH_NOT;
use crate::dispatch::after_unlock::take_out_garbage;
use crate::dispatch::batch::{Request, Source, What, arguments, put_back};
use crate::dispatch::gate::gate;
use crate::dispatch::worker::Worker;
use crate::durability;
use crate::metrics::errors;
use crate::metrics::timing::Stopwatch;
use crate::session::{Context, Quiet, Session, blocked, tracking, transaction};
use redstart_engine::keyspace::LockedShards;
use redstart_engine::run::call::KeyAt;
use redstart_engine::run::execute::Prepared;
use redstart_engine::spec::{Group, NO_MULTI, Run};
use redstart_engine::{Command, Error, Now};
use redstart_protocol::Args;
use std::sync::atomic::Ordering::Relaxed;

/// Output that no limit is about, in bytes: what Redis keeps in a client's own buffer.
const UNCOUNTED_OUTPUT: usize = 16 * 1024;

/// Pass 3.
pub fn execute_batch(session: &mut Session, worker: &mut Worker, source: Source<'_>) {
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
pub const ENDS_QUEUE: [&str; 4] = ["exec", "discard", "quit", "reset"];

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
