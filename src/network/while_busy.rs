//! Serves a worker's clients while the worker is held up.
//!
//! A script that runs for too long keeps its worker from its other clients; so does a wait for a
//! shard that such a script holds. From inside the script, and from inside such waits, [`serve`] is
//! called every few milliseconds: it takes new connections on, reads what there is, and runs the
//! requests. Nearly all get -BUSY; SCRIPT KILL and the few that go with it run.
//!
//! ```text
//!   EVAL --> Luau --> interrupt --> serve --> other connections: -BUSY, SCRIPT KILL, ...
//!   GET  --> lock of another worker's script --> given up: -BUSY
//!   walk --> the same, but the lock must be had --> serve
//! ```
//!
//! The connection whose request holds the worker up is locked, and so passed over. [`serve`] never
//! waits: not for a socket, and not for a shard.

use crate::dispatch::worker::Worker;
use crate::frontends;
use crate::network::connection::{self, Connection};
use crate::network::handover::Handover;
use crate::network::handshake;
use crate::server::Server;
use crate::session::handlers::Handlers;
use parking_lot::Mutex;
use redstart_engine::WorkerState;
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
struct Connections {
    handlers: &'static Handlers,
    arriving: UnboundedReceiver<Handover>,
    load: Arc<AtomicUsize>,
    stats: Arc<Stats>,
    connections: BTreeMap<u64, Weak<Mutex<Connection>>>,
}

thread_local! {
    static CONNECTIONS: RefCell<Option<Connections>> = const { RefCell::new(None) };
    /// When [`serve`] last looked, in monotonic milliseconds.
    static LOOKED_MS: Cell<u64> = const { Cell::new(0) };
}

/// Makes this thread's connections known here.
pub fn open(
    handlers: &'static Handlers,
    arriving: UnboundedReceiver<Handover>,
    load: Arc<AtomicUsize>,
    stats: Arc<Stats>,
) {
    CONNECTIONS.set(Some(Connections {
        handlers,
        arriving,
        load,
        stats,
        connections: BTreeMap::new(),
    }));
}

/// Runs `f` with what this thread knows of its connections; None on a thread that is no worker.
fn with<R>(f: impl FnOnce(&mut Connections) -> R) -> Option<R> {
    CONNECTIONS.with_borrow_mut(|own| own.as_mut().map(f))
}

/// Waits for the next connection of this worker.
pub fn poll_handover(cx: &mut Context<'_>) -> Poll<Option<Handover>> {
    with(|own| own.arriving.poll_recv(cx)).unwrap_or(Poll::Ready(None))
}

/// Takes a connection on.
pub fn take_on(server: &'static Server, handover: Handover) {
    let Some((handlers, load)) = with(|own| (own.handlers, own.load.clone())) else { return };
    let own = load.clone();
    let on_end = move |id| {
        with(|own| own.connections.remove(&id));
        own.fetch_sub(1, Relaxed);
    };
    match connection::start(server, handlers, handover, on_end) {
        Some((id, connection)) => {
            with(|own| own.connections.insert(id, Arc::downgrade(&connection)));
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
    if now_ms.saturating_sub(LOOKED_MS.get()) < INTERVAL_MS {
        return;
    }
    LOOKED_MS.set(now_ms);
    while let Some(Ok(handover)) = with(|own| own.arriving.try_recv()) {
        take_on(server, handover);
    }
    let Some((stats, connections)) = with(|own| {
        let connections: Vec<_> = own.connections.values().filter_map(Weak::upgrade).collect();
        (own.stats.clone(), connections)
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

/// Reads once, runs what is whole, and writes what the socket takes; the task does the rest.
fn serve_one(connection: &mut Connection, worker: &mut Worker) {
    if !handshake::is_over(connection) {
        return;
    }
    // Replies from before the worker was held up may have to wait for the log.
    let holds = connection.session.server.durability.holds_replies();
    let holds = holds || !connection.session.wait.is_zero();
    if !connection.session.out.is_empty() && (holds || !write(connection, worker)) {
        return;
    }
    let Connection { stream, session, .. } = &mut *connection;
    // What a master sends would wait for what this thread holds.
    if session.is_waiting() || session.closing || session.master.is_some() {
        return;
    }
    // What was read before goes first: much of it is taken in pieces.
    if !session.input_waits {
        let mut bytes = [0; READ_BYTES];
        // An error of the socket is left to its task.
        let Ok(read @ 1..) = stream.read_now(&mut bytes) else { return };
        worker.local.stats.read(read);
        session.input.extend_from_slice(&bytes[..read]);
    }
    worker.turns.resume();
    frontends::run_kept(session, worker);
    if !session.wait.is_zero() {
        // It is the task that waits.
        return session.info.wake();
    }
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
    // The rest of a reply is left to the task.
    let all = *written == replies.len() && !session.out.has_rest();
    if all {
        session.out.clear();
        session.info.set_output(0, 0);
        *written = 0;
    }
    all
}
