//! A worker's desk: what serves its clients while the worker is held up.
//!
//! A script that runs for too long keeps its worker from its other clients, and those who wait for
//! a shard that it holds keep theirs. From inside the script, and from inside such waits, the desk
//! is asked every few milliseconds to look after the worker's connections: it takes new ones on,
//! reads what there is, and runs the requests. Nearly all are told that the server is busy; SCRIPT
//! KILL and the few that go with it do what they say.
//!
//! ```text
//!   EVAL --> Luau --> interrupt --> desk --> other connections: -BUSY, SCRIPT KILL, ...
//!   GET  --> lock of another worker's script --> given up: -BUSY
//!   walk --> the same, but it has to be had  --> desk
//! ```
//!
//! The connection whose request holds the worker up is locked, and so passed over. The desk never
//! waits: not for a socket, and not for a shard.

use crate::dispatch;
use crate::dispatch::worker::Worker;
use crate::network::connection::{self, Connection};
use crate::network::handover::Handover;
use crate::server::Server;
use parking_lot::Mutex;
use redstart_engine::run::execute::WorkerState;
use redstart_engine::stats::Stats;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use tokio::sync::mpsc::UnboundedReceiver;

/// Bytes read from a connection at a time.
const READ_BYTES: usize = 16 * 1024;
/// How often connections are looked at, in milliseconds.
const INTERVAL_MS: u64 = 5;

/// What a worker's thread knows of its connections.
struct Desk {
    arriving: UnboundedReceiver<Handover>,
    load: Arc<AtomicUsize>,
    stats: Arc<Stats>,
    connections: BTreeMap<u64, Weak<Mutex<Connection>>>,
}

thread_local! {
    static DESK: RefCell<Option<Desk>> = const { RefCell::new(None) };
    /// When the desk was last asked, in monotonic milliseconds.
    static ASKED_MS: Cell<u64> = const { Cell::new(0) };
}

/// Opens this worker's desk.
pub fn open(arriving: UnboundedReceiver<Handover>, load: Arc<AtomicUsize>, stats: Arc<Stats>) {
    DESK.set(Some(Desk { arriving, load, stats, connections: BTreeMap::new() }));
}

/// Runs `f` with this thread's desk, if it has one.
fn with<R>(f: impl FnOnce(&mut Desk) -> R) -> Option<R> {
    DESK.with_borrow_mut(|desk| desk.as_mut().map(f))
}

/// Waits for the next connection of this worker.
pub fn poll_handover(cx: &mut Context<'_>) -> Poll<Option<Handover>> {
    with(|desk| desk.arriving.poll_recv(cx)).unwrap_or(Poll::Ready(None))
}

/// Takes a connection on.
pub fn take_on(server: &'static Server, handover: Handover) {
    let Some(load) = with(|desk| desk.load.clone()) else { return };
    let own = load.clone();
    let on_end = move |id| {
        with(|desk| desk.connections.remove(&id));
        own.fetch_sub(1, Relaxed);
    };
    match connection::start(server, handover, on_end) {
        Some((id, connection)) => {
            with(|desk| desk.connections.insert(id, Arc::downgrade(&connection)));
        }
        None => {
            load.fetch_sub(1, Relaxed);
        }
    }
}

/// Serves this worker's connections, except the one that holds it up; on other threads nothing
/// happens.
#[cold]
pub fn serve(server: &'static Server) {
    let now_ms = server.clock.now().mono_ms;
    if now_ms.saturating_sub(ASKED_MS.get()) < INTERVAL_MS {
        return;
    }
    ASKED_MS.set(now_ms);
    while let Some(Ok(handover)) = with(|desk| desk.arriving.try_recv()) {
        take_on(server, handover);
    }
    let Some((stats, connections)) = with(|desk| {
        let connections: Vec<_> = desk.connections.values().filter_map(Weak::upgrade).collect();
        (desk.stats.clone(), connections)
    }) else {
        return;
    };
    let mut worker = Worker::new(WorkerState::new(stats, now_ms), Box::default());
    for connection in connections {
        if let Some(mut connection) = connection.try_lock() {
            serve_one(&mut connection, &mut worker);
        }
    }
}

/// Reads once, runs what is whole, and writes what the socket takes; the rest is the task's.
fn serve_one(connection: &mut Connection, worker: &mut Worker) {
    // What was answered before the worker was held up may have to wait for the log.
    let holds = connection.session.server.durability.holds_replies();
    if !connection.session.out.is_empty() && (holds || !write(connection, worker)) {
        return;
    }
    let Connection { stream, session, .. } = &mut *connection;
    if session.is_waiting() || session.closing {
        return;
    }
    // What was read before goes first: much of it is taken in pieces.
    if !session.input_waits {
        let mut bytes = [0; READ_BYTES];
        // Whatever is the matter with the socket, its task will see it.
        let Ok(read @ 1..) = stream.read_now(&mut bytes) else { return };
        worker.local.stats.read(read);
        session.input.extend_from_slice(&bytes[..read]);
    }
    worker.turns.resume();
    dispatch::run_kept(session, worker);
    let (closes, waits) = (session.closing, session.input_waits);
    let all = write(connection, worker);
    if all && closes {
        connection.stream.end();
    }
    if !all || closes || waits {
        connection.session.info.wake();
    }
}

/// Writes what the socket takes. Returns whether that was all.
fn write(connection: &mut Connection, worker: &mut Worker) -> bool {
    let Connection { stream, session, written } = connection;
    let replies = session.out.to_vec();
    while let Some(rest @ [_, ..]) = replies.get(*written..)
        && let Ok(count @ 1..) = stream.write_now(rest)
    {
        *written += count;
        worker.local.stats.wrote(count);
    }
    let all = *written == replies.len();
    if all {
        session.out.clear();
        *written = 0;
    }
    all
}
