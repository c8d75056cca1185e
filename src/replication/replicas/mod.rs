//! The replicas of this server: who they are, how far each is, who waits for them.
//!
//! ```text
//!   mod      the list
//!   said     what a replica says of itself
//!   serve    the conversation with one replica
//!   sync     full syncs: one walk for all that wait
//!   send     wakes those who send
//!   tick     what is due: pings, timeouts, the end of the backlog
//!   wait     clients that wait for replicas
//! ```
//!
//! One thread with a runtime of its own serves them all.

pub mod said;
pub mod send;
pub mod serve;
pub mod sync;
pub mod tick;
pub mod wait;

use crate::clients::client::ClientInfo;
use parking_lot::Mutex;
use said::Said;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::*};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

/// A connection to a replica.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// Registers a connection with the runtime of the thread that calls it.
pub type Open = Box<dyn FnOnce() -> io::Result<Box<dyn Transport>> + Send>;

/// What a replica asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Everything (SYNC). Such a replica says nothing any more.
    All,
    /// To go on with the stream of an id, at an offset that counts from one; else everything.
    From(Vec<u8>, i64),
}

/// A client that becomes a replica.
pub struct Newcomer {
    /// Its connection, which has left its worker.
    pub open: Open,
    /// What others know of it.
    pub info: Arc<ClientInfo>,
    /// What it said of itself.
    pub said: Said,
    /// What it asks for.
    pub asks: Ask,
}

/// How far a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// It waits for the beginning of a full sync.
    Waits,
    /// It is sent one.
    Syncs,
    /// It gets the stream.
    Online,
    /// It has had the file that it wanted.
    Done,
}

impl State {
    const ALL: [State; 4] = [State::Waits, State::Syncs, State::Online, State::Done];

    /// Its name in INFO.
    pub fn name(self) -> &'static str {
        match self {
            State::Waits => "wait_bgsave",
            State::Syncs => "send_bulk",
            State::Online => "online",
            State::Done => "rdb_transmitted",
        }
    }
}

/// It needs nothing of the stream.
const NOTHING: u64 = u64::MAX;

/// A replica.
pub struct Replica {
    /// What others know of it as a client.
    pub info: Arc<ClientInfo>,
    /// What it said of itself.
    pub said: Said,
    state: AtomicU8,
    /// What it was sent of the stream; [`NOTHING`] before that begins.
    position: AtomicU64,
    /// What it said it has.
    acked: AtomicU64,
    /// What it said is safe on its disk.
    acked_disk: AtomicU64,
    /// When it last said so, in monotonic milliseconds.
    acked_ms: AtomicU64,
    /// Whether it says so at all.
    acks: bool,
    /// There is more of the stream.
    more: Notify,
}

impl Replica {
    fn new(newcomer: &Newcomer, now_ms: u64) -> Replica {
        Replica {
            info: newcomer.info.clone(),
            said: newcomer.said.clone(),
            state: AtomicU8::new(State::Waits as u8),
            position: AtomicU64::new(NOTHING),
            acked: AtomicU64::new(0),
            acked_disk: AtomicU64::new(0),
            acked_ms: AtomicU64::new(now_ms),
            acks: newcomer.asks != Ask::All,
            more: Notify::new(),
        }
    }

    /// How far it is.
    pub fn state(&self) -> State {
        State::ALL[self.state.load(Acquire) as usize]
    }

    fn set_state(&self, state: State) {
        self.state.store(state as u8, Release);
    }

    /// Where it can be reached.
    pub fn ip(&self) -> String {
        let own = || match &self.info.addr {
            crate::clients::address::Address::Tcp(addr) => addr.ip().to_canonical().to_string(),
            crate::clients::address::Address::Unix(path) => path.to_string(),
        };
        self.said.ip.clone().unwrap_or_else(own)
    }

    /// What it said it has.
    pub fn acked(&self) -> u64 {
        self.acked.load(Acquire)
    }

    /// For how long it has said nothing, in seconds.
    pub fn lag_s(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.acked_ms.load(Relaxed)) / 1000
    }

    /// Whether it has the stream up to an offset, safe on its disk if that is asked for.
    fn has(&self, offset: u64, on_disk: bool) -> bool {
        let acked = if on_disk { &self.acked_disk } else { &self.acked };
        self.state() == State::Online && acked.load(Acquire) >= offset
    }
}

/// All replicas.
#[derive(Default)]
pub struct Replicas {
    list: Mutex<Vec<Arc<Replica>>>,
    /// Full syncs, and partial ones that could be, and could not be.
    pub full: AtomicU64,
    /// See [`Replicas::full`].
    pub partial: AtomicU64,
    /// See [`Replicas::full`].
    pub refused: AtomicU64,
    /// Bytes that were sent to replicas.
    pub sent: AtomicU64,
}

impl Replicas {
    /// All of them, in the order in which they came.
    pub fn all(&self) -> Vec<Arc<Replica>> {
        self.list.lock().clone()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.lock().len()
    }

    fn add(&self, replica: &Arc<Replica>) {
        self.list.lock().push(replica.clone());
    }

    fn remove(&self, replica: &Arc<Replica>) {
        self.list.lock().retain(|other| !Arc::ptr_eq(other, replica));
    }

    /// Ends all connections: who was connected finds out what has changed.
    pub fn disconnect(&self) {
        for replica in self.all() {
            replica.info.kill();
        }
    }

    /// The least that a replica was sent, if one needs the stream.
    fn needed(&self) -> Option<u64> {
        let list = self.list.lock();
        let positions = list.iter().map(|replica| replica.position.load(Acquire));
        positions.min().filter(|least| *least != NOTHING)
    }

    /// How many have the stream up to an offset.
    pub fn having(&self, offset: u64, on_disk: bool) -> usize {
        self.list.lock().iter().filter(|replica| replica.has(offset, on_disk)).count()
    }

    /// How many said within so many seconds how far they are.
    pub fn good(&self, now_ms: u64, lag_max_s: u64) -> usize {
        let list = self.list.lock();
        let is_good = |replica: &&Arc<Replica>| {
            replica.state() == State::Online && replica.lag_s(now_ms) <= lag_max_s
        };
        list.iter().filter(is_good).count()
    }
}
