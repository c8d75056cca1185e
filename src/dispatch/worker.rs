//! A worker: one thread with one runtime, its connections, and what they share on that thread.
//!
//! Connections of a worker run one at a time, so buffers, counters and the random source need no
//! lock: they lie in a thread-local that a connection borrows while it runs requests.

use crate::network::while_busy;
use crate::server::{Server, WorkerHandle};
use redstart_engine::run::call::KeyAt;
use redstart_engine::run::execute::WorkerState;
use redstart_protocol::{Reply, Span};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often expired keys are looked for, in milliseconds.
const TICK_MS: u64 = 10;
/// How often a worker gives way before it sleeps. The first time alone does not always move it
/// behind a thread that waits for its core; on an idle core all four cost a microsecond.
const YIELDS: usize = 4;
/// A worker's stack: scripts nest calls and values on it. Memory only where it is used.
const STACK_BYTES: usize = 16 << 20;
/// Bytes read from a socket at a time.
pub const READ_BYTES: usize = 256 * 1024;

/// Output buffers that are kept for the next connection that needs one.
pub const SPARE_MAX: usize = 128;

/// What the connections of a worker share.
pub struct Worker {
    /// The engine's part: counters, garbage, effects.
    pub local: WorkerState,
    /// Where sockets are read into.
    pub input: Box<[u8]>,
    /// Argument places of the batch that runs.
    pub spans: Vec<Span>,
    /// Keys of the batch that runs.
    pub keys: Vec<KeyAt>,
    /// Requests of the batch that runs.
    pub batch: Vec<crate::dispatch::Request>,
    /// Commands of the batch that ran and whose time is not noted yet.
    pub ran: Vec<u16>,
    /// Output buffers that no connection needs now.
    pub spare: Vec<Vec<u8>>,
    /// Who reads, and whether anybody else does.
    pub turns: Turns,
}

impl Worker {
    /// A worker's part.
    pub fn new(local: WorkerState, input: Box<[u8]>) -> Worker {
        Worker {
            local,
            input,
            spans: Vec::new(),
            keys: Vec::new(),
            batch: Vec::new(),
            ran: Vec::new(),
            spare: Vec::new(),
            turns: Turns::default(),
        }
    }

    /// Gives an output without a buffer one that somebody else has used.
    #[inline]
    pub fn lend(&mut self, out: &mut Reply) {
        if out.buf_mut().capacity() == 0
            && let Some(spare) = self.spare.pop()
        {
            *out.buf_mut() = spare;
        }
    }
}

/// Tells a connection whether it is worth waiting for others before it writes. Waiting makes one
/// batch of all that are ready, but costs a connection that is alone a system call.
#[derive(Default)]
pub struct Turns {
    last: u64,
    reads: u64,
    alone: u32,
    /// When the first batch of this turn began, and when the last one did, in nanoseconds.
    batches_ns: Option<(u64, u64)>,
}

/// A turn that has lasted longer ends before the next batch, in nanoseconds.
const TURN_NS: u64 = 1_000_000;

/// Writes without waiting after a connection was found alone, before it waits again to see.
const ALONE_WRITES: u32 = 32;

impl Turns {
    /// A connection goes on with what it has read before.
    pub fn resume(&mut self) {
        self.batches_ns = None;
    }

    /// A batch begins.
    #[inline]
    pub fn batch(&mut self, now_ns: u64) {
        let (first_ns, _) = self.batches_ns.unwrap_or((now_ns, 0));
        self.batches_ns = Some((first_ns, now_ns));
    }

    /// Whether a connection has run so many batches that others should have their turn.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.batches_ns.is_some_and(|(first_ns, last_ns)| last_ns - first_ns > TURN_NS)
    }

    /// A connection has read something.
    #[inline]
    pub fn read(&mut self, id: u64) {
        self.resume();
        self.reads += 1;
        if self.last != id {
            (self.last, self.alone) = (id, 0);
        }
    }

    /// Whether the connection that read last should let others read before it writes.
    #[inline]
    pub fn should_wait(&mut self) -> Option<u64> {
        if self.alone > 0 {
            self.alone -= 1;
            return None;
        }
        Some(self.reads)
    }

    /// The connection has waited; `reads` is what it was told before.
    #[inline]
    pub fn waited(&mut self, reads: u64) {
        if self.reads == reads {
            self.alone = ALONE_WRITES;
        }
    }
}

thread_local! {
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// Runs `f` with this thread's worker.
///
/// # Panics
/// On a thread that is no worker, or inside another call of this function.
#[inline]
pub fn with<R>(f: impl FnOnce(&mut Worker) -> R) -> R {
    WORKER.with_borrow_mut(|worker| f(worker.as_mut().expect("connections run on workers")))
}

/// Starts a worker's thread.
///
/// # Errors
/// When the system has no thread to give.
pub fn spawn(
    server: &'static Server,
    index: usize,
    workers: usize,
) -> io::Result<Arc<WorkerHandle>> {
    let (queue, connections) = mpsc::unbounded_channel();
    let load = Arc::new(AtomicUsize::new(0));
    let handle = Arc::new(WorkerHandle { queue, load: load.clone() });
    let seed = crate::system::random::seed()?[0];
    let runtime = runtime(workers)?;
    let thread = std::thread::Builder::new().name(format!("worker-{index}"));
    thread.stack_size(STACK_BYTES).spawn(move || {
        crate::system::log::serves();
        let input = vec![0; READ_BYTES].into();
        WORKER.set(Some(Worker::new(WorkerState::new(server.stats[index].clone(), seed), input)));
        while_busy::open(connections, load, server.stats[index].clone());
        runtime.block_on(async {
            tokio::spawn(tick(server, index, workers));
            receive(server).await;
        });
    })?;
    Ok(handle)
}

/// A worker's runtime. A worker that shares the cores with others lets them run before it sleeps:
/// where its client waits for the same core, more requests are there afterwards, and neither
/// side pays for a sleep and a wake-up per batch.
fn runtime(workers: usize) -> io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all();
    if workers > 1 {
        builder.on_thread_park(|| (0..YIELDS).for_each(|_| std::thread::yield_now()));
    }
    builder.build()
}

async fn receive(server: &'static Server) {
    while let Some(handover) = poll_fn(while_busy::poll_handover).await {
        while_busy::take_on(server, handover);
    }
}

/// Removes expired keys of this worker's shards, and goes on at once while there are more.
async fn tick(server: &'static Server, index: usize, workers: usize) {
    let mut interval = tokio::time::interval(Duration::from_millis(TICK_MS));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        server.beats[index].fetch_add(1, Ordering::AcqRel);
        // What is being loaded is not changed until all of it is there.
        if server.durability.is_loading() {
            continue;
        }
        if index == 0 {
            server.unwatched.remove(&server.engine.keyspace);
        }
        if server.live.expiry_waits.load(Ordering::Relaxed) || server.pause.is_on() {
            continue;
        }
        loop {
            let now = server.clock.now();
            let more = with(|worker| {
                let mut more = server.engine.expire(&mut worker.local, index, workers, now);
                more |= index == 0 && server.evictor.shrink(server, worker, now);
                take_out_garbage(worker, server);
                more
            });
            if !more {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Hands what is to be dropped to the thread that drops, and what has happened to keys to those who
/// listen.
#[inline]
pub fn take_out_garbage(worker: &mut Worker, server: &'static Server) {
    if !worker.local.garbage.is_empty() {
        server.reclaimer.drop_later(std::mem::take(&mut worker.local.garbage));
    }
    if !worker.local.changes.is_empty() {
        crate::notify::invalidation::settle(server, worker, None);
    }
    if let Some(events) = worker.local.take_events() {
        server.pubsub.publish_events(server.engine.events(), events);
    }
}
