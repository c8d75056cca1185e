//! What others may know of one client, and how they reach it.
//!
//! The connection writes its own facts with relaxed stores; other threads read them. Killing a
//! client sets a flag and wakes the connection's task, which then ends by itself.

use crate::clients::address::Address;
use crate::clients::held::{Counted, Held, UNCOUNTED};
use crate::clients::kind::ClientKind;
use crate::clients::outbox::Outbox;
use crate::clients::output_limits::{OutputLimits, SoftLimitState, Verdict};
use crate::clients::tracking_mode::TrackingMode;
use crate::system::log;
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use parking_lot::Mutex;
use redstart_engine::keyspace::leases::Holder;
use redstart_engine::keyspace::waiters::{Waiter, Wake};
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering,
};
use std::sync::{Arc, OnceLock, Weak};

/// A mark: the client stays when memory is short (CLIENT NO-EVICT).
pub const NO_EVICT: u8 = 1;
/// A mark: the client's commands do not count as use of a key (CLIENT NO-TOUCH).
pub const NO_TOUCH: u8 = 2;
/// A mark: the client is shown all commands (MONITOR).
pub const MONITORS: u8 = 4;
/// A mark: it is the server that this one follows.
pub const MASTER: u8 = 8;
/// A mark: the client is a replica.
pub const REPLICA: u8 = 16;

/// What something small takes in a list or a map beside its bytes, roughly.
pub const NODE_BYTES: usize = 64;

/// Whether what is shown of a text can stand in a line of CLIENT LIST: printable ASCII without
/// spaces.
pub fn is_plain(text: &[u8]) -> bool {
    shown(text).iter().all(|byte| (b'!'..=b'~').contains(byte))
}

/// What CLIENT LIST shows of a text: as in Redis, what stands before its first zero byte.
pub fn shown(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A connection, as far as other clients may end it.
pub trait Hangup: Send + Sync {
    /// Lets the client see the end of its connection, unless a worker is serving it for long.
    fn hang_up(&self);
}

/// A connection that asks to become a client.
pub struct Arrival {
    /// Where the client is.
    pub addr: Address,
    /// Where it connected to.
    pub laddr: Address,
    /// The socket's file descriptor.
    pub fd: i32,
    /// When it connected, in monotonic milliseconds.
    pub now_ms: u64,
    /// The marks that it begins with.
    pub marks: u8,
}

/// What others may know of a client.
pub struct ClientInfo {
    /// Counts from 1 over all connections.
    pub id: u64,
    /// Where the client is.
    pub addr: Address,
    /// Where it connected to.
    pub laddr: Address,
    /// The socket's file descriptor.
    pub fd: i32,
    /// When it connected, in monotonic milliseconds.
    pub connected_ms: u64,
    /// When it last sent a request, in monotonic milliseconds.
    pub active_ms: AtomicU64,
    /// The selected database.
    pub db: AtomicUsize,
    /// 2 or 3.
    pub resp: AtomicU8,
    /// The id of the last command in the registry, `u16::MAX` before the first.
    pub last_command: AtomicU16,
    /// Requests so far.
    pub requests: AtomicU64,
    /// Bytes of input that wait for the rest of their request.
    pub input_bytes: AtomicUsize,
    /// Bytes of output that wait to be written.
    pub output_bytes: AtomicUsize,
    /// Those of them that no value shares.
    own_output_bytes: AtomicUsize,
    /// [`NO_EVICT`], [`NO_TOUCH`], [`MONITORS`], [`MASTER`].
    pub marks: AtomicU8,
    /// What the client said of itself.
    pub names: Mutex<Names>,
    /// Messages that others push to it.
    pub outbox: Outbox,
    /// Channels, patterns and shard channels that it listens to.
    pub listening: [AtomicUsize; 3],
    /// Requests that its transaction has queued; -1 without one.
    pub queued: AtomicI64,
    /// Keys that it watches.
    pub watched: AtomicUsize,
    /// Bytes that are kept for it, by [`KeptFor`].
    kept_bytes: [AtomicUsize; 4],
    /// What it waits in, if its command does.
    pub waiter: Mutex<Option<Arc<Waiter>>>,
    /// The leases that it holds, once it has held one.
    pub leases: OnceLock<Arc<Holder>>,
    /// Whether it waits for the end of a pause.
    pub postponed: AtomicBool,
    /// How it tracks the keys that it keeps copies of.
    pub tracking: Mutex<TrackingMode>,
    output_limits: Arc<OutputLimits>,
    soft_limit: SoftLimitState,
    /// What all clients leave unread, and what this one has added to it.
    held: Arc<Held>,
    counted: Counted,
    killed: AtomicBool,
    waker: AtomicWaker,
    /// Its connection, as long as there is one.
    connection: OnceLock<Weak<dyn Hangup>>,
}

/// What bytes are kept for.
#[derive(Clone, Copy, Debug)]
pub enum KeptFor {
    /// The names that the client listens to.
    Names,
    /// What it watches and has queued.
    Transaction,
    /// The prefixes that it follows.
    Prefixes,
    /// The fields of hashes that it has named.
    Fieldsets,
}

/// What a client said of itself.
#[derive(Default)]
pub struct Names {
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub library: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub version: Vec<u8>,
    /// The user that it is.
    pub user: Vec<u8>,
}

impl Wake for ClientInfo {
    fn wake(&self) {
        self.waker.wake();
    }

    fn holder(&self) -> Option<Arc<Holder>> {
        Some(self.leases.get_or_init(Arc::default).clone())
    }
}

impl ClientInfo {
    /// A client that has just connected.
    pub fn new(
        id: u64,
        arrival: Arrival,
        output_limits: Arc<OutputLimits>,
        held: Arc<Held>,
    ) -> ClientInfo {
        let Arrival { addr, laddr, fd, now_ms, marks } = arrival;
        ClientInfo {
            id,
            addr,
            laddr,
            fd,
            connected_ms: now_ms,
            active_ms: AtomicU64::new(now_ms),
            db: AtomicUsize::new(0),
            resp: AtomicU8::new(2),
            last_command: AtomicU16::new(u16::MAX),
            requests: AtomicU64::new(0),
            input_bytes: AtomicUsize::new(0),
            output_bytes: AtomicUsize::new(0),
            own_output_bytes: AtomicUsize::new(0),
            marks: AtomicU8::new(marks),
            names: Mutex::new(Names { user: b"default".to_vec(), ..Names::default() }),
            outbox: Outbox::default(),
            listening: Default::default(),
            queued: AtomicI64::new(-1),
            watched: AtomicUsize::new(0),
            kept_bytes: Default::default(),
            waiter: Mutex::default(),
            leases: OnceLock::new(),
            postponed: AtomicBool::new(false),
            tracking: Mutex::default(),
            output_limits,
            soft_limit: SoftLimitState::default(),
            held,
            counted: Counted::default(),
            killed: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            connection: OnceLock::new(),
        }
    }

    /// Stands for a client where commands run without one.
    pub fn nobody() -> Arc<ClientInfo> {
        let nowhere = Address::Unix("".into());
        let arrival =
            Arrival { addr: nowhere.clone(), laddr: nowhere, fd: -1, now_ms: 0, marks: 0 };
        Arc::new(ClientInfo::new(0, arrival, Arc::default(), Arc::default()))
    }

    /// Ends the connection: its task is woken and stops. False when it was ended before.
    pub fn kill(&self) -> bool {
        let first = !self.killed.swap(true, Ordering::AcqRel);
        // From now on no element of a list is handed to it.
        if let Some(waiter) = &*self.waiter.lock() {
            waiter.claim();
        }
        self.waker.wake();
        self.recount();
        first
    }

    /// Sets a mark: [`REPLICA`] and its like.
    pub fn mark(&self, mark: u8) {
        self.marks.fetch_or(mark, Ordering::Relaxed);
    }

    /// Connects the client with its connection, once.
    pub fn belongs_to(&self, connection: Weak<dyn Hangup>) {
        let _ = self.connection.set(connection);
    }

    /// As [`ClientInfo::kill`], for another client than the one that is served here. That client
    /// sees the end of its connection before this returns, unless a worker is serving it for long.
    pub fn kill_at_once(&self) -> bool {
        let first = self.kill();
        if let Some(connection) = self.connection.get().and_then(Weak::upgrade) {
            connection.hang_up();
        }
        first
    }

    /// Whether it is this user.
    pub fn is_user(&self, name: &[u8]) -> bool {
        self.names.lock().user == name
    }

    /// Wakes the connection's task.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Whether it waits, in a command or for the end of a pause.
    pub fn is_blocked(&self) -> bool {
        self.postponed.load(Ordering::Acquire) || self.waiter.lock().is_some()
    }

    /// Whether its wait ends by itself.
    pub fn times_out(&self) -> bool {
        self.waiter.lock().as_ref().is_some_and(|waiter| waiter.deadline_ms != 0)
    }

    /// Pushes a message: the client's task writes it between two replies. A client that leaves too
    /// much unread is closed.
    pub fn deliver(&self, message: &Bytes) {
        let waiting = self.outbox.put(message);
        self.check_output(waiting + self.output_bytes.load(Ordering::Relaxed));
        if waiting >= UNCOUNTED {
            self.recount();
        }
        self.waker.wake();
    }

    /// Bytes that wait to be read by the client.
    pub fn unread(&self) -> usize {
        self.output_bytes.load(Ordering::Relaxed) + self.outbox.bytes()
    }

    /// Sets how many bytes of replies wait for the socket, and how many of these no value shares.
    #[cold]
    pub fn set_output(&self, bytes: usize, own_bytes: usize) -> Verdict {
        self.output_bytes.store(bytes, Ordering::Relaxed);
        self.own_output_bytes.store(own_bytes, Ordering::Relaxed);
        self.recount();
        self.check_output(self.unread())
    }

    /// Sets how many bytes of input wait.
    #[inline]
    pub fn set_input(&self, bytes: usize) {
        self.input_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Brings the sum of all clients up to date. A client that is to end counts no more: what it
    /// holds goes as soon as its worker sees that.
    #[cold]
    fn recount(&self) {
        let output = match self.is_ended() {
            true => 0,
            false => self.own_output_bytes.load(Ordering::Relaxed) + self.outbox.bytes(),
        };
        self.held.count(&self.counted, output);
    }

    /// What the client held is freed: it counts for nothing any more.
    pub fn release(&self) {
        self.held.count(&self.counted, 0);
    }

    /// The output that counts for all clients' limit.
    pub fn counted_output(&self) -> usize {
        self.counted.output()
    }

    /// Closes the client if so many unread bytes are too many.
    #[inline]
    pub fn check_output(&self, bytes: usize) -> Verdict {
        let verdict = self.output_limits.check(&self.soft_limit, self.kind(), bytes);
        if verdict == Verdict::Closes {
            self.close_for_output(bytes);
        }
        verdict
    }

    /// Closes the client if it has been beyond its soft limit for too long; called by every tick.
    pub fn check_soft_limit(&self, now_ms: u64) {
        let bytes = self.unread();
        if self.check_output(bytes) == Verdict::Stays
            && self.output_limits.check_time(&self.soft_limit, self.kind(), now_ms)
                == Verdict::Closes
        {
            self.close_for_output(bytes);
        }
    }

    /// The client is gone: it is not beyond any limit any more.
    pub fn forget_output(&self) {
        self.output_limits.forget(&self.soft_limit);
    }

    /// Ends the client because of so much output.
    #[cold]
    pub fn close_for_output(&self, bytes: usize) {
        if self.kill() {
            self.output_limits.closed.fetch_add(1, Ordering::Relaxed);
            let Self { id, addr, .. } = self;
            log::warning(format_args!(
                "Client id={id} addr={addr} omem={bytes} closed for overcoming of output buffer \
                 limits."
            ));
        }
    }

    /// The id of the client that its invalidations go to: zero is itself, -1 that it does not
    /// track.
    pub fn redirect(&self) -> i64 {
        let mode = self.tracking.lock();
        if mode.on { mode.redirect as i64 } else { -1 }
    }

    /// The bytes that the client takes.
    pub fn memory(&self) -> usize {
        let kept: usize = self.kept_bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum();
        let input = self.input_bytes.load(Ordering::Relaxed);
        size_of::<ClientInfo>() + input + kept + self.unread()
    }

    /// How many bytes are kept for the client.
    pub fn kept(&self, what: KeptFor) -> usize {
        self.kept_bytes[what as usize].load(Ordering::Relaxed)
    }

    /// Sets how many bytes are kept for the client.
    pub fn set_kept(&self, what: KeptFor, bytes: usize) {
        self.kept_bytes[what as usize].store(bytes, Ordering::Relaxed);
    }

    /// What the client uses its connection for.
    pub fn kind(&self) -> ClientKind {
        if self.marks.load(Ordering::Relaxed) & MASTER != 0 {
            return ClientKind::Master;
        }
        if self.marks.load(Ordering::Relaxed) & REPLICA != 0 {
            return ClientKind::Replica;
        }
        let listens = self.listening.iter().any(|count| count.load(Ordering::Relaxed) > 0);
        if listens { ClientKind::PubSub } else { ClientKind::Normal }
    }

    /// Whether the client is closed when it is idle for longer than `timeout`.
    pub fn may_time_out(&self) -> bool {
        let monitors = self.marks.load(Ordering::Relaxed) & MONITORS != 0;
        self.kind() == ClientKind::Normal && !self.is_blocked() && !monitors
    }

    /// The letters of CLIENT LIST's `flags`.
    pub fn flags(&self) -> String {
        let marks = self.marks.load(Ordering::Relaxed);
        let tracking = self.tracking.lock();
        let letters = [
            ('O', marks & MONITORS != 0),
            ('M', marks & MASTER != 0),
            ('S', marks & REPLICA != 0),
            ('P', self.kind() == ClientKind::PubSub),
            ('x', self.queued.load(Ordering::Relaxed) >= 0),
            ('b', self.is_blocked()),
            ('t', tracking.on),
            ('R', tracking.is_broken),
            ('B', tracking.broadcast),
            ('e', marks & NO_EVICT != 0),
            ('T', marks & NO_TOUCH != 0),
        ];
        let set: String =
            letters.iter().filter(|(_, set)| *set).map(|(letter, _)| letter).collect();
        if set.is_empty() { "N".into() } else { set }
    }

    /// Whether the connection is to end, or has ended so.
    pub fn is_ended(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Whether the connection is to end. Registers the task to be woken when it is.
    #[inline]
    pub fn is_killed(&self, waker: &std::task::Waker) -> bool {
        self.waker.register(waker);
        self.is_ended()
    }
}

impl Drop for ClientInfo {
    fn drop(&mut self) {
        self.release();
    }
}
