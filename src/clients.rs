//! What is known of every connected client, for CLIENT LIST and KILL and for INFO.
//!
//! Each connection writes its own line with relaxed stores; others read it. Killing sets a flag
//! and wakes the connection's task, which then ends by itself.

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering};

/// What others may know of a client.
pub struct ClientInfo {
    /// Counts from 1 over all connections.
    pub id: u64,
    /// Where the client is.
    pub addr: SocketAddr,
    /// Where it connected to.
    pub laddr: SocketAddr,
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
    /// What the client said of itself.
    pub names: Mutex<Names>,
    killed: AtomicBool,
    waker: AtomicWaker,
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
}

impl ClientInfo {
    /// Ends the connection: its task is woken and stops.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether the connection is to end. Registers the task to be woken when that is said.
    #[inline]
    pub fn is_killed(&self, waker: &std::task::Waker) -> bool {
        self.waker.register(waker);
        self.killed.load(Ordering::Acquire)
    }
}

/// All connected clients.
#[derive(Default)]
pub struct Clients {
    list: Mutex<BTreeMap<u64, Arc<ClientInfo>>>,
    next_id: AtomicU64,
    /// Connections taken since the start.
    pub accepted: AtomicU64,
    /// Connections refused because there were too many.
    pub rejected: AtomicU64,
}

impl Clients {
    /// Adds a client, if there are fewer than `max`.
    pub fn add(
        &self,
        addr: SocketAddr,
        laddr: SocketAddr,
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
        let client = Arc::new(ClientInfo {
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
            names: Mutex::default(),
            killed: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        list.insert(id, client.clone());
        Some(client)
    }

    /// Removes a client that has gone.
    pub fn remove(&self, id: u64) {
        self.list.lock().remove(&id);
    }

    /// All clients, the oldest first.
    pub fn all(&self) -> Vec<Arc<ClientInfo>> {
        self.list.lock().values().cloned().collect()
    }

    /// The number of clients.
    pub fn len(&self) -> usize {
        self.list.lock().len()
    }
}
