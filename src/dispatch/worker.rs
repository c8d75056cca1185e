//! What the connections of a worker share: buffers, counters, the random source.
//!
//! Connections of a worker run one at a time on its thread, so none of this needs a lock: it lies
//! in a thread-local that a connection borrows while it runs requests.

use crate::dispatch::batch::Request;
use redstart_engine::{KeyAt, WorkerState};
use redstart_protocol::memcached::Requests;
use redstart_protocol::{Reply, Span};
use std::cell::RefCell;

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
    pub batch: Vec<Request>,
    /// The same, of a batch in memcached's protocol.
    pub foreign: Requests,
    /// Commands of the batch that ran and whose time is not noted yet.
    pub ran: Vec<u16>,
    /// Output buffers that no connection needs now.
    pub spare: Vec<Vec<u8>>,
    /// Which connections read in this turn of the event loop.
    pub turns: ReadTurns,
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
            foreign: Requests::default(),
            ran: Vec::new(),
            spare: Vec::new(),
            turns: ReadTurns::default(),
        }
    }

    /// Gives an output without a buffer a spare one.
    #[inline]
    pub fn lend(&mut self, out: &mut Reply) {
        if out.buf_mut().capacity() == 0
            && let Some(spare) = self.spare.pop()
        {
            *out.buf_mut() = spare;
        }
    }
}

/// Decides whether a connection waits for others before it writes. Waiting makes one
/// batch of all that are ready, but costs a connection that is alone a system call.
#[derive(Default)]
pub struct ReadTurns {
    last: u64,
    reads: u64,
    alone: u32,
    /// When the first batch of this turn began, and when the last one did, in nanoseconds.
    batches_ns: Option<(u64, u64)>,
}

/// A turn that has lasted longer ends before the next batch, in nanoseconds.
pub const TURN_NS: u64 = 1_000_000;

/// Writes without waiting after a connection was found alone, before it waits again to see.
const ALONE_WRITES: u32 = 32;

impl ReadTurns {
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

    /// The connection has waited; `reads` is what [`ReadTurns::should_wait`] returned.
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

/// Makes this thread a worker's.
pub fn install(worker: Worker) {
    WORKER.set(Some(worker));
}

/// Runs `f` with this thread's worker.
///
/// # Panics
/// On a thread that is no worker, or inside another call of this function.
#[inline]
pub fn with<R>(f: impl FnOnce(&mut Worker) -> R) -> R {
    WORKER.with_borrow_mut(|worker| f(worker.as_mut().expect("connections run on workers")))
}
