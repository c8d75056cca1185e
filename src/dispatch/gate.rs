//! What stands between a request and its command, beside its user's rights: subscriptions, a busy
//! server, a failing disk; and memory, where that has a limit.

use crate::clients::pause::PauseMode;
use crate::dispatch::batch::{Request, Source, arguments};
use crate::dispatch::worker::Worker;
use crate::memory::evict::Room;
use crate::notify::monitor;
use crate::replication::LACKS_REPLICAS;
use crate::server::Server;
use crate::session::Session;
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::{
    ALLOW_BUSY, DENYOOM, Group, MAY_REPLICATE, READONLY, RUNS_DIGEST, RUNS_FUNCTION, RUNS_QUEUE,
    RUNS_TEXT, WHILE_SUBSCRIBED, WRITE,
};
use redstart_engine::{Command, Error, KeyAt, Now, WorkerState};
use redstart_protocol::{Args, Protocol};
use redstart_scripting::{shebang, unhex};

/// Whether a command may run now: it is allowed while the client is subscribed, no script holds the
/// server, and there is a disk for it.
#[inline]
pub fn gate(session: &Session, registered: &Registered) -> Result<(), Error> {
    let (server, command) = (session.server, registered.command);
    if session.master.is_some() {
        return Ok(());
    }
    if session.listens()
        && session.out.protocol() == Protocol::Resp2
        && !command.is(WHILE_SUBSCRIBED)
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
            let writes = command.is(RUNS_QUEUE) && session.queues_any(WRITE);
            server.durability.disk_error().filter(|_| writes)
        })
    {
        return Err(error);
    }
    if server.replication.is_replica()
        && let Some(error) = server.link.refusal(command, || session.queues_any(WRITE))
    {
        return Err(error);
    }
    if server.replication.lacks_replicas()
        && (command.is(WRITE) || command.is(RUNS_QUEUE) && session.queues_any(WRITE))
    {
        return Err(Error::text(LACKS_REPLICAS));
    }
    Ok(())
}

/// Whether there is, or can be made, room for a request, where memory has a limit.
#[cold]
pub fn memory_gate(
    session: &Session,
    worker: &mut Worker,
    request: &Request,
    source: Source<'_>,
    registered: &Registered,
    now: Now,
) -> Room {
    let (server, command) = (session.server, registered.command);
    // Reads are queued, and run, when memory is short: `client-query-buffer-limit` is theirs.
    let needs = command.is(DENYOOM) || command.is(RUNS_QUEUE) && session.queues_any(DENYOOM);
    let may_need = command.is(RUNS_QUEUE) || command.group == Group::Scripting;
    // A pause keeps every key.
    if !needs && !may_need || server.pause.is_on() || server.link.keeps_all() {
        return Room::Enough;
    }
    let args = arguments(&worker.spans, request, source);
    let written = match command.is(WRITE | MAY_REPLICATE) {
        true => &worker.keys[request.keys.clone()],
        false => &[],
    };
    let room = make_room(server, &mut worker.local, args, (session.db, written), now);
    // The calls of a script are refused one by one.
    worker.local.lacks_room = room == Room::None;
    if needs || room == Room::Later { room } else { Room::Enough }
}

/// Makes room for the arguments of a request, and in their quotas for the keys of a database that
/// it writes.
pub fn make_room(
    server: &'static Server,
    local: &mut WorkerState,
    args: Args<'_>,
    (db, written): (usize, &[KeyAt]),
    now: Now,
) -> Room {
    let (engine, evictor) = (server.engine, server.evictor);
    let bytes = args.iter().map(<[u8]>::len).sum();
    let log_bytes = server.durability.log_buffer();
    let mut room = match evictor.is_on() {
        true => evictor.make_room(engine, local, bytes, log_bytes, now),
        false => Room::Enough,
    };
    for key in written {
        if room == Room::Enough {
            let key = (db, &args[key.arg as usize]);
            room = evictor.make_room_in_quota(engine, local, key, bytes, now);
        }
    }
    room
}

/// Whether a pause holds a command of the session.
#[cold]
pub fn pause_holds(session: &Session, command: &Command, args: Args<'_>, now: Now) -> bool {
    let server = session.server;
    let Some((mode, _)) = server.pause.now() else { return false };
    let held = mode == PauseMode::All
        || match &session.queue {
            Some(queue) if command.is(RUNS_QUEUE) => queue
                .requests()
                .any(|(id, args)| may_write(server, server.registry.at(id).command, args)),
            _ => may_write(server, command, args),
        };
    held && server.pause.lasts(&server.engine.keyspace, now)
}

/// Whether a command may write, as far as its arguments say: the flags of a script count, and a
/// script without flags may write.
fn may_write(server: &Server, command: &Command, args: Args<'_>) -> bool {
    let scripts = &server.scripts;
    let flags = if command.is(RUNS_TEXT) {
        shebang::of_script(&args[1]).ok().flatten()
    } else if command.is(RUNS_DIGEST) {
        unhex(&args[1]).and_then(|digest| scripts.get(&digest)).and_then(|script| script.flags)
    } else if command.is(RUNS_FUNCTION) {
        scripts.functions.flags(&args[1])
    } else {
        return command.is(WRITE | MAY_REPLICATE);
    };
    match flags {
        Some(flags) => flags & shebang::NO_WRITES == 0,
        None => !command.is(READONLY),
    }
}
