//! Pass 3: the requests of a batch are run in order, each through the gate, and accounted for.

use crate::clients::client::NO_TOUCH;
use crate::clients::held::UNCOUNTED;
use crate::clients::output_limits::Verdict;
use crate::dispatch::account::Account;
use crate::dispatch::after_unlock::take_out_garbage;
use crate::dispatch::batch::{Request, Source, What, arguments, put_back, wait_for_room};
use crate::dispatch::gate::{gate, memory_gate, pause_holds};
use crate::dispatch::worker::Worker;
use crate::dispatch::{is_full, rights};
use crate::durability;
use crate::memory::evict::Room;
use crate::server::Server;
use crate::session::transaction::NOT_IN_MULTI;
use crate::session::{Context, Quiet, Session, blocked, tracking, transaction};
use redstart_engine::run::command::{DataRun, Runner};
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::{IN_MULTI_AT_ONCE, NO_MULTI, REPLIES_ARE_PUSHED, RUNS_QUEUE};
use redstart_engine::{Command, Error, KeyAt, Now, Prepared};
use redstart_protocol::{Args, Mark};
use std::sync::atomic::Ordering::Relaxed;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// It ran or was refused: its reply is written.
    Done,
    /// It waits for the end of a pause, and so do the requests behind it.
    Postponed,
    /// It waits until more was evicted, and so do the requests behind it.
    Crowded,
    /// It waits until its value was made apart, and so do the requests behind it.
    Apart,
}

/// Pass 3.
pub fn execute_batch(session: &mut Session, worker: &mut Worker, source: Source<'_>) {
    worker.lend(&mut session.out);
    let server = session.server;
    let now_ns = server.clock.mono_ns();
    worker.turns.batch(now_ns);
    let mut now = session.begin_batch(server.clock.moment(now_ns));
    let no_touch = session.info.marks.load(Relaxed) & NO_TOUCH != 0;
    worker.local.begin_batch(&server.engine.keyspace, no_touch);
    let mut batch = std::mem::take(&mut worker.batch);
    let mut account = Account::open(session, now_ns, std::mem::take(&mut worker.ran));
    let mut clear = is_clear(session, &account);
    for (place, request) in batch.iter().enumerate() {
        let clear_now = clear && is_still_clear(session);
        let plain = if clear_now { plain(server, request) } else { None };
        let before = account.before(session, &worker.local.stats, request.is_short(server));
        let mark = plain.is_none().then(|| session.out.mark());
        let flow = match plain {
            Some((registered, run)) => {
                execute_plain(session, worker, registered, run, request, source, now, &mut account)
            }
            None => execute(session, worker, request, source, &mut now, &mut account),
        };
        if flow != Flow::Done {
            wait_for(flow, session, worker, &batch[place..], source);
            batch.truncate(place);
            break;
        }
        let Worker { local, spans, .. } = &mut *worker;
        account.after(session, &local.stats, before, request.id(), || {
            arguments(spans, request, source)
        });
        if let Some(mark) = mark {
            silence(session, request, before.errors, mark);
        }
        // A client that is closed because it does not read loses its last replies.
        if session.out.len() > UNCOUNTED && session.note_output() == Verdict::Closes {
            session.closing = true;
        }
        if mark.is_some() {
            if session.tracks {
                let ran = request.command().map(|id| server.registry.at(id));
                tracking::after_request(session, local, ran);
            }
            clear = is_clear(session, &account);
        }
        if session.closing {
            break;
        }
        // What has used up its output or its time lets others have their turn.
        let spent = is_full(&session.out) || before.alone && account.is_long();
        if spent && place + 1 < batch.len() && !session.is_waiting() {
            put_back(session, worker, &batch[place + 1..], source);
            batch.truncate(place + 1);
            break;
        }
    }
    worker.ran = account.close(session, &worker.local.stats, || {
        // A reply that ends the connection may have left the rest of the batch alone.
        let last = batch.last().filter(|_| !session.closing);
        last.map(|request| arguments(&worker.spans, request, source))
    });
    session.log_mark = session.log_mark.max(durability::take_mark());
    note(session, &batch);
    worker.batch = batch;
    if !worker.local.changes.is_empty() {
        tracking::settle(server, &mut worker.local, Some(session));
    }
    take_out_garbage(worker, server);
}

/// Lets the requests of a batch wait from the first one on that did not run.
#[cold]
fn wait_for(
    flow: Flow,
    session: &mut Session,
    worker: &Worker,
    rest: &[Request],
    source: Source<'_>,
) {
    match flow {
        Flow::Crowded => wait_for_room(session, worker, rest, source),
        _ => put_back(session, worker, rest, source),
    }
    session.postponed = flow == Flow::Postponed;
}

/// Takes back the reply of a request, which begins at `mark`, if CLIENT REPLY silences it.
fn silence(session: &mut Session, request: &Request, errors_before: u32, mark: Mark) {
    if session.quiet != Quiet::No {
        let listens = session.out.errors() == errors_before && is_listening(session, request);
        session.keep_quiet((!listens).then_some(mark));
    }
}

/// Whether nothing stands between the client's requests and data commands: no gate is shut, and
/// nobody wants to know of them. It is asked once for the plain requests of a batch that follow
/// each other; what they must not miss is in [`is_still_clear`].
fn is_clear(session: &Session, account: &Account) -> bool {
    let server = session.server;
    let of_server = !server.engine.keyspace.busy.is_set()
        && !server.durability.refuses()
        && !server.replication.lacks_replicas()
        && !server.evictor.is_asked()
        && !server.replication.is_replica();
    let of_client = session.apart.is_none()
        && session.queue.is_none()
        && session.quiet == Quiet::No
        && !session.listens()
        && !session.tracks;
    (of_server || session.master.is_some()) && of_client && !account.is_monitored()
}

/// Whether nobody has changed the users, or paused commands: once that was replied to, nothing runs
/// by the old rules. It is asked for each request.
#[inline(always)]
fn is_still_clear(session: &Session) -> bool {
    session.free_version == session.access.version() && !session.server.pause.is_on()
}

/// A request's command and what runs it, if it is a data command that never waits.
#[inline(always)]
fn plain(server: &'static Server, request: &Request) -> Option<(&'static Registered, DataRun)> {
    let What::Command(id) = request.what else { return None };
    let registered = server.registry.at(id);
    match registered.runner {
        Runner::Data(run, None) => Some((registered, run)),
        _ => None,
    }
}

/// Runs a plain request, where [`is_clear`] and [`is_still_clear`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn execute_plain(
    session: &mut Session,
    worker: &mut Worker,
    registered: &Registered,
    run: DataRun,
    request: &Request,
    source: Source<'_>,
    now: Now,
    account: &mut Account,
) -> Flow {
    account.count(&worker.local.stats, registered.id);
    let args = arguments(&worker.spans, request, source);
    let keys = &worker.keys[request.keys.clone()];
    let prepared = Prepared { command: registered.command, run, args, keys, db: session.db };
    session.server.engine.run(&mut worker.local, prepared, now, &mut session.out);
    if worker.local.apart.is_some() {
        session.apart = worker.local.apart.take();
        account.uncount(&worker.local.stats, registered.id);
        return Flow::Apart;
    }
    Flow::Done
}

/// Runs one request of the batch, whatever it is, and writes its reply.
#[inline(never)]
fn execute(
    session: &mut Session,
    worker: &mut Worker,
    request: &Request,
    source: Source<'_>,
    now: &mut Now,
    account: &mut Account,
) -> Flow {
    if session.apart.is_none() {
        return execute_once(session, worker, request, source, now, account);
    }
    // This is the request that something was made for.
    worker.local.offered = session.apart.take();
    let flow = execute_once(session, worker, request, source, now, account);
    if matches!(flow, Flow::Postponed | Flow::Crowded) {
        session.apart = worker.local.offered.take();
    } else if let Some(refused) = worker.local.offered.take() {
        session.give_up(*refused);
    }
    flow
}

#[inline]
fn execute_once(
    session: &mut Session,
    worker: &mut Worker,
    request: &Request,
    source: Source<'_>,
    now: &mut Now,
    account: &mut Account,
) -> Flow {
    let server = session.server;
    let id = match request.what {
        What::Command(id) => id,
        what => {
            worker.local.stats.errors.add(1);
            if let Some(queue) = &mut session.queue {
                queue.fail();
            }
            refuse(session, what, arguments(&worker.spans, request, source));
            return Flow::Done;
        }
    };
    let registered = server.registry.at(id);
    if session.free_version != session.access.version() {
        let args = arguments(&worker.spans, request, source);
        if let Err(error) = rights::check(session, &mut worker.local, registered, args) {
            return reject(session, worker, registered.command, error);
        }
    }
    if let Err(error) = gate(session, registered) {
        return reject(session, worker, registered.command, error);
    }
    if server.evictor.is_asked() && session.master.is_none() {
        match memory_gate(session, worker, request, source, registered, *now) {
            Room::Enough => {}
            Room::Later => return Flow::Crowded,
            Room::None => {
                return reject(session, worker, registered.command, Error::OUT_OF_MEMORY);
            }
        }
    }
    let args = arguments(&worker.spans, request, source);
    if server.pause.is_on()
        && pause_holds(session, registered.command, args, *now)
        && server.pause.wait(&session.info)
    {
        return Flow::Postponed;
    }
    let keys = &worker.keys[request.keys.clone()];
    if session.queue.is_some() && !registered.command.is(IN_MULTI_AT_ONCE) {
        enqueue(session, id, args, keys);
        return Flow::Done;
    }
    account.count(&worker.local.stats, id);
    let mut context = Context { session, local: &mut worker.local, now: *now, held: None };
    run_one(&mut context, registered, args, keys);
    *now = context.now;
    if let Some(apart) = worker.local.apart.take() {
        session.apart = Some(apart);
        account.uncount(&worker.local.stats, id);
        return Flow::Apart;
    }
    Flow::Done
}

/// Replies to a request that must not run.
#[cold]
fn reject(session: &mut Session, worker: &Worker, command: &Command, error: Error) -> Flow {
    worker.local.stats.errors.add(1);
    transaction::refuse(session, command, error).write(&mut session.out);
    Flow::Done
}

/// Runs one command and writes its reply: with locks of its own or, where the context holds the
/// locks of a transaction, under those. What the client reads is noted where it tracks.
#[inline(always)]
pub fn run_one(context: &mut Context<'_>, registered: &Registered, args: Args<'_>, keys: &[KeyAt]) {
    let Context { session, local, now, held } = context;
    let (engine, command) = (session.server.engine, registered.command);
    let Runner::Data(run, serve) = registered.runner else {
        return run_session_command(context, registered, args, keys);
    };
    let prepared = Prepared { command, run, args, keys, db: session.db };
    if let Some(view) = held {
        engine.run_in(view, local, prepared, *now, &mut session.out);
        if session.tracks && session.notes_reads_of(command) {
            tracking::note_request(session, view, args, keys);
        }
    } else if let Some(serve) = serve {
        blocked::run(session, local, prepared, serve, *now);
        rights::check_wait(session);
    } else if session.tracks && session.notes_reads_of(command) {
        tracking::run(session, local, prepared, *now);
    } else {
        engine.run(local, prepared, *now, &mut session.out);
    }
}

/// Runs a session command, which takes its locks itself if it needs any; an error that its handler
/// returns is its reply.
fn run_session_command(
    context: &mut Context<'_>,
    registered: &Registered,
    args: Args<'_>,
    keys: &[KeyAt],
) {
    let in_transaction = context.held.is_some();
    if !in_transaction {
        context.session.info.last_command.store(registered.id, Relaxed);
        tracking::note_session(context.session, registered.command, args, keys);
    }
    let handlers = context.session.handlers;
    if let Err(error) = handlers.run(registered.id, context, args) {
        context.local.stats.errors.add(1);
        error.write(&mut context.session.out);
    }
    if !in_transaction {
        tracking::note_session(context.session, registered.command, args, keys);
        // The handler may have taken long.
        context.now = context.session.moment(context.session.server.clock.now());
    }
}

/// Whether a request is answered by messages instead of a reply: CLIENT REPLY does not silence
/// those.
fn is_listening(session: &Session, request: &Request) -> bool {
    let Some(id) = request.command() else { return false };
    session.server.registry.at(id).command.is(REPLIES_ARE_PUSHED)
}

/// Queues a request until EXEC.
fn enqueue(session: &mut Session, id: u16, args: Args<'_>, keys: &[KeyAt]) {
    let command = session.server.registry.at(id).command;
    let Some(queue) = &mut session.queue else { return };
    if command.is(NO_MULTI) {
        queue.fail();
        return session.out.error(NOT_IN_MULTI);
    }
    queue.push(id, args, keys);
    let queued = queue.bytes;
    session.note_transaction();
    session.out.simple("QUEUED");
    let clients = session.server.clients;
    clients.evict_if_large(&session.info);
    if clients.input_limits.exceeds(queued, session.authenticated) {
        session.info.kill();
    }
    if session.info.is_ended() {
        session.closing = true;
    }
}

/// Notes for CLIENT LIST the last command and the number of requests.
fn note(session: &Session, batch: &[Request]) {
    let requests = session.info.requests.load(Relaxed) + batch.len() as u64;
    session.info.requests.store(requests, Relaxed);
    if let Some(Request { what: What::Command(id), .. }) = batch.last() {
        session.info.last_command.store(*id, Relaxed);
    }
}

/// Replies to a request that names no command, or one with the wrong number of arguments.
#[cold]
fn refuse(session: &mut Session, what: What, args: Args<'_>) {
    let registry = &session.server.registry;
    if let What::WrongArity(id) = what
        && registry.at(id).command.is(RUNS_QUEUE)
    {
        // An EXEC that fails in any way ends the transaction, and its reply says so.
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
        What::UnknownSubcommand => {
            Error::unknown_subcommand(&String::from_utf8_lossy(&args[0]), &args[1])
        }
        What::Unknown | What::Command(_) => Error::unknown_command(args.iter()),
    };
    error.write(&mut session.out);
}

/// Whether the client is a browser, perhaps sent by a hostile page: the lines of an HTTP request
/// must not run as commands.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:")
}
