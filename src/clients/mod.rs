//! What is known of every connected client, for CLIENT LIST and KILL and for INFO.
//!
//! Each connection writes its own line with relaxed stores; others read it. Killing sets a flag
//! and wakes the connection's task, which then ends by itself.

pub mod outbox;
pub mod output_limits;
pub mod pause;

use crate::clients::outbox::Outbox;
use crate::clients::output_limits::{Limits, Standing};
use crate::network::connection::Connection;
use crate::network::socket::Address;
use crate::notify::invalidation::Mode;
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use parking_lot::Mutex;
use redstart_engine::Error;
use redstart_engine::run::blocking::Waiter;
use std::collections::BTreeMap;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering,
};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// A mark: the client stays when memory is short (CLIENT NO-EVICT).
pub const EVICTABLE_NOT: u8 = 1;
/// A mark: the client's commands are no use of a key (CLIENT NO-TOUCH).
pub const TOUCH_NOT: u8 = 2;
/// A mark: the client is shown all commands (MONITOR).
pub const MONITORS: u8 = 4;

/// What a client is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sends commands.
    Normal,
    /// The server that this one follows.
    Master,
    /// A server that follows this one.
    Replica,
    /// Listens.
    PubSub,
}

impl Kind {
    /// Reads a kind as CLIENT LIST and KILL name it.
    ///
    /// # Errors
    /// When there is no such kind.
    pub fn of(name: &[u8]) -> Result<Kind, Error> {
        match &name.to_ascii_lowercase()[..] {
            b"normal" => Ok(Kind::Normal),
            b"master" => Ok(Kind::Master),
            b"slave" | b"replica" => Ok(Kind::Replica),
            b"pubsub" => Ok(Kind::PubSub),
            _ => Err(Error::quoting("ERR Unknown client type '", name, "'")),
        }
    }
}

/// Whether a text can stand in a line of CLIENT LIST: printable ASCII without spaces.
pub fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
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
    /// [`EVICTABLE_NOT`], [`TOUCH_NOT`].
    pub marks: AtomicU8,
    /// What the client said of itself.
    pub names: Mutex<Names>,
    /// What others sent to it.
    pub mail: Outbox,
    /// Channels, patterns and shard channels that it listens to.
    pub listening: [AtomicUsize; 3],
    /// Requests that its transaction has queued; -1 without one.
    pub queued: AtomicI64,
    /// Keys that it watches.
    pub watched: AtomicUsize,
    /// Bytes that are kept for it: the names that it listens to, what its transaction watches and
    /// has queued, the prefixes that it follows.
    pub kept_bytes: [AtomicUsize; 3],
    /// What it waits in, if its command does.
    pub waiter: Mutex<Option<Arc<Waiter>>>,
    /// What it may leave unread.
    pub limits: Arc<Limits>,
    /// How it stands to that.
    pub standing: Standing,
    /// Whether it waits for the end of a pause.
    pub postponed: AtomicBool,
    /// How it tracks the keys that it keeps copies of.
    pub tracking: Mutex<Mode>,
    killed: AtomicBool,
    waker: AtomicWaker,
    /// Its connection, as long as there is one.
    connection: OnceLock<Weak<Mutex<Connection>>>,
}

/// What [`ClientInfo::kept_bytes`] are kept for.
#[derive(Clone, Copy, Debug)]
pub enum Kept {
    /// Names that it listens to.
    Names,
    /// What it watches and has queued.
    Transaction,
    /// Prefixes that it follows.
    Prefixes,
}

/// How long it is waited for a client that is being served on another worker. Two that end each
/// other wait for so long.
const END_PATIENCE: Duration = Duration::from_millis(5);

/// What something small takes in a list or a map beside its bytes, roughly.
pub const NODE_BYTES: usize = 64;

/// What a client said of itself.
#[derive(Default)]
pub struct Names {
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub library: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub version: Vec<u8>,
}

impl ClientInfo {
    fn new(
        id: u64,
        addr: Address,
        laddr: Address,
        fd: i32,
        now_ms: u64,
        limits: Arc<Limits>,
    ) -> ClientInfo {
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
            marks: AtomicU8::new(0),
            names: Mutex::default(),
            mail: Outbox::default(),
            listening: Default::default(),
            queued: AtomicI64::new(-1),
            watched: AtomicUsize::new(0),
            kept_bytes: Default::default(),
            waiter: Mutex::default(),
            limits,
            standing: Standing::default(),
            postponed: AtomicBool::new(false),
            tracking: Mutex::default(),
            killed: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            connection: OnceLock::new(),
        }
    }

    /// A client that there is not, for what runs without one.
    pub fn nobody() -> Arc<ClientInfo> {
        let nowhere = Address::Unix("".into());
        Arc::new(ClientInfo::new(0, nowhere.clone(), nowhere, -1, 0, Arc::default()))
    }

    /// Ends the connection: its task is woken and stops. False when that was already asked for.
    pub fn kill(&self) -> bool {
        let first = !self.killed.swap(true, Ordering::AcqRel);
        // Nothing is given to it from now on.
        if let Some(waiter) = &*self.waiter.lock() {
            waiter.claim();
        }
        self.waker.wake();
        first
    }

    /// Says which connection is the client's.
    pub fn belongs_to(&self, connection: &Arc<Mutex<Connection>>) {
        // It is said once.
        let _ = self.connection.set(Arc::downgrade(connection));
    }

    /// As [`ClientInfo::kill`] for another client than the one that is served here; and it sees the
    /// end of its connection before this returns, unless it is being served for long just then.
    pub fn kill_at_once(&self) -> bool {
        let first = self.kill();
        let connection = self.connection.get().and_then(Weak::upgrade);
        if let Some(connection) = connection.as_ref().and_then(|it| it.try_lock_for(END_PATIENCE)) {
            connection.stream.end();
        }
        first
    }

    /// Lets the connection's task look what there is.
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

    /// Sends bytes to the client: its task writes them between two replies. One that lets too
    /// much pile up is ended.
    pub fn deliver(&self, message: &Bytes) {
        self.check_output(self.mail.put(message) + self.output_bytes.load(Ordering::Relaxed));
        self.waker.wake();
    }

    /// The client that hears what becomes stale: zero is itself, -1 that it does not track.
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

    /// Says how much is kept for the client.
    pub fn set_kept(&self, kept: Kept, bytes: usize) {
        self.kept_bytes[kept as usize].store(bytes, Ordering::Relaxed);
    }

    /// What the client is there for.
    pub fn kind(&self) -> Kind {
        let listens = self.listening.iter().any(|count| count.load(Ordering::Relaxed) > 0);
        if listens { Kind::PubSub } else { Kind::Normal }
    }

    /// Whether `timeout` is about this client.
    pub fn may_time_out(&self) -> bool {
        let monitors = self.marks.load(Ordering::Relaxed) & MONITORS != 0;
        self.kind() == Kind::Normal && !self.is_blocked() && !monitors
    }

    /// The letters of CLIENT LIST's `flags`.
    pub fn flags(&self) -> String {
        let marks = self.marks.load(Ordering::Relaxed);
        let tracking = self.tracking.lock();
        let letters = [
            ('O', marks & MONITORS != 0),
            ('P', self.kind() == Kind::PubSub),
            ('x', self.queued.load(Ordering::Relaxed) >= 0),
            ('b', self.is_blocked()),
            ('t', tracking.on),
            ('R', tracking.is_broken),
            ('B', tracking.broadcast),
            ('e', marks & EVICTABLE_NOT != 0),
            ('T', marks & TOUCH_NOT != 0),
        ];
        let set: String =
            letters.iter().filter(|(_, set)| *set).map(|(letter, _)| letter).collect();
        if set.is_empty() { "N".into() } else { set }
    }

    /// Whether the connection is to end, or has ended so.
    fn is_ended(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Whether the connection is to end. Registers the task to be woken when that is said.
    #[inline]
    pub fn is_killed(&self, waker: &std::task::Waker) -> bool {
        self.waker.register(waker);
        self.is_ended()
    }
}

/// All connected clients. One that was ended is told of no more, though its task may need a moment
/// to see that.
#[derive(Default)]
pub struct Clients {
    list: Mutex<BTreeMap<u64, Arc<ClientInfo>>>,
    next_id: AtomicU64,
    /// What clients may leave unread.
    pub limits: Arc<Limits>,
    /// Clients that were closed because a request of theirs was too long.
    pub too_long: AtomicU64,
    /// Clients that were closed because all of them took too much memory.
    pub evicted: AtomicU64,
    /// Connections taken since the start.
    pub accepted: AtomicU64,
    /// Connections refused because there were too many.
    pub rejected: AtomicU64,
}

impl Clients {
    /// Adds a client, if there are fewer than `max`.
    pub fn add(
        &self,
        addr: Address,
        laddr: Address,
        fd: i32,
        now_ms: u64,
        max: usize,
    ) -> Option<Arc<ClientInfo>> {
        let mut list = self.list.lock();
        if list.len() >= max {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let limits = self.limits.clone();
        let client = Arc::new(ClientInfo::new(id, addr, laddr, fd, now_ms, limits));
        list.insert(id, client.clone());
        Some(client)
    }

    /// Removes a client that has gone.
    pub fn remove(&self, id: u64) {
        if let Some(client) = self.list.lock().remove(&id) {
            client.forget_output();
        }
    }

    /// A client by its number.
    pub fn find(&self, id: u64) -> Option<Arc<ClientInfo>> {
        self.list.lock().get(&id).filter(|client| !client.is_ended()).cloned()
    }

    /// All clients, the oldest first.
    pub fn all(&self) -> Vec<Arc<ClientInfo>> {
        self.list.lock().values().filter(|client| !client.is_ended()).cloned().collect()
    }

    /// Closes the clients that take most until all together take no more than `bytes_max`; those
    /// that asked to be kept are, and do not count.
    pub fn evict(&self, bytes_max: usize) {
        let mut evictable = self.all();
        evictable.retain(|client| client.marks.load(Ordering::Relaxed) & EVICTABLE_NOT == 0);
        let mut sized: Vec<_> = evictable.iter().map(|client| (client.memory(), client)).collect();
        let mut sum: usize = sized.iter().map(|(bytes, _)| bytes).sum();
        if sum <= bytes_max {
            return;
        }
        sized.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, client) in sized {
            if sum <= bytes_max {
                break;
            }
            sum -= bytes;
            if client.kill() {
                self.evicted.fetch_add(1, Ordering::Relaxed);
                let ClientInfo { id, addr, .. } = &**client;
                crate::system::log::notice(format_args!(
                    "Evicting client id={id} addr={addr} tot-mem={bytes}: maxmemory-clients"
                ));
            }
        }
    }

    /// The number of clients.
    pub fn len(&self) -> usize {
        self.list.lock().values().filter(|client| !client.is_ended()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_ended_is_told_of_no_more() {
        let (clients, nowhere) = (Clients::default(), Address::Unix("".into()));
        let add =
            || clients.add(nowhere.clone(), nowhere.clone(), -1, 0, 9).expect("there is room");
        let (one, two) = (add(), add());
        assert!(clients.len() == 2 && clients.find(two.id).is_some());
        assert!(two.kill() && !two.kill());
        assert!(clients.len() == 1 && clients.find(two.id).is_none());
        assert!(clients.all().iter().map(|client| client.id).eq([one.id]));
        // Its task has yet to end.
        clients.remove(two.id);
        assert_eq!(clients.len(), 1);
    }
}
