//! The stream of a master as it is applied: by a worker, as the requests of a session.
//!
//! ```text
//!   link's thread   connects, receives the data set ... waits, acknowledges ... connects
//!                                | hands the socket over         ^ the session has ended
//!   worker                       +--> session: parse, run, count, pass on
//! ```
//!
//! Both share a [`Stream`]. What counts for the offset is whole: a transaction is held back until
//! its EXEC has run, so that a link that breaks in the middle of one goes on in front of it.

use crate::clients::client::ClientInfo;
use crate::replication::Replication;
use crate::system::log;
use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Failed commands that are logged one by one.
const LOGGED: u64 = 10;
/// The longest beginning of a name or a reply that is logged, in bytes.
const SHOWN: usize = 200;
/// What is acknowledged as long as nothing has failed.
const UNFROZEN: u64 = u64::MAX;

/// What the link's thread and the session of a stream share.
pub struct Stream {
    /// Whether it may be applied.
    is_live: AtomicBool,
    has_ended: Mutex<bool>,
    changed: Condvar,
    client: OnceLock<Arc<ClientInfo>>,
    /// When bytes came last, in monotonic milliseconds.
    last_io_ms: AtomicU64,
    /// The database that is selected at the offset.
    db: AtomicUsize,
    /// Commands that failed.
    failures: AtomicU64,
    /// What was applied when the first of them came; [`UNFROZEN`] before.
    frozen: AtomicU64,
}

impl Stream {
    /// A stream that is about to be applied, in this database; `failures` commands have failed
    /// since the last full sync, the first of them behind the offset `frozen`.
    pub fn new(now_ms: u64, db: usize, failed: Failed) -> Stream {
        Stream {
            is_live: AtomicBool::new(true),
            has_ended: Mutex::new(false),
            changed: Condvar::new(),
            client: OnceLock::new(),
            last_io_ms: AtomicU64::new(now_ms),
            db: AtomicUsize::new(db),
            failures: AtomicU64::new(failed.count),
            frozen: AtomicU64::new(failed.behind.unwrap_or(UNFROZEN)),
        }
    }

    /// Nothing of it is applied from now on, and its connection ends.
    pub fn cut(&self, replication: &Replication) {
        self.is_live.store(false, Release);
        // What is under way ends before.
        drop(replication.applying());
        if let Some(client) = self.client.get() {
            client.kill();
        }
    }

    /// Waits until the session has ended, for so long. Returns whether it has.
    pub fn wait_for_end(&self, patience: Duration) -> bool {
        let mut has_ended = self.has_ended.lock();
        if !*has_ended {
            self.changed.wait_for(&mut has_ended, patience);
        }
        *has_ended
    }

    /// When bytes came last, in monotonic milliseconds.
    pub fn last_io_ms(&self) -> u64 {
        self.last_io_ms.load(Relaxed)
    }

    /// The database that is selected at the offset.
    pub fn db(&self) -> usize {
        self.db.load(Relaxed)
    }

    /// What has failed of it.
    pub fn failed(&self) -> Failed {
        let behind = Some(self.frozen.load(Relaxed)).filter(|frozen| *frozen != UNFROZEN);
        Failed { count: self.failures.load(Relaxed), behind }
    }

    /// Sends what is acknowledged.
    pub fn acknowledge(&self, offset: u64) {
        if let Some(client) = self.client.get() {
            client.deliver(&Bytes::from(acknowledgement(self.failed().behind.unwrap_or(offset))));
        }
    }

    fn end(&self) {
        *self.has_ended.lock() = true;
        self.changed.notify_all();
    }
}

/// Commands of the master that failed here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failed {
    /// How many.
    pub count: u64,
    /// What was applied when the first of them came: no more than this is acknowledged.
    pub behind: Option<u64>,
}

/// `REPLCONF ACK` with an offset.
pub fn acknowledgement(offset: u64) -> Vec<u8> {
    let digits = offset.to_string();
    let len = digits.len();
    format!("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n${len}\r\n{digits}\r\n").into_bytes()
}

/// What the session of a stream has beside what every session has. When it is dropped, the stream
/// has ended.
pub struct Master {
    stream: Arc<Stream>,
    /// What has run of a transaction that has not.
    held: Vec<u8>,
    /// What came behind the handshake.
    pub first: Vec<u8>,
    /// Whether the master wants to know the offset.
    pub asks: bool,
}

impl Master {
    /// The session's part of a stream, whose first bytes have come already.
    pub fn new(stream: Arc<Stream>, first: Vec<u8>) -> Master {
        Master { stream, held: Vec::new(), first, asks: false }
    }

    /// Connects the stream with its client, once.
    pub fn belongs_to(&self, client: Arc<ClientInfo>) {
        // A stream has one session.
        let _ = self.stream.client.set(client);
    }

    /// The database that is selected where the stream begins.
    pub fn db(&self) -> usize {
        self.stream.db()
    }

    /// Bytes have come.
    pub fn heard(&self, now_ms: u64) {
        self.stream.last_io_ms.store(now_ms, Relaxed);
    }

    /// What has to be held while requests of the stream run; None when none may run any more.
    pub fn turn<'a>(&self, replication: &'a Replication) -> Option<MutexGuard<'a, ()>> {
        let applying = replication.applying();
        self.stream.is_live.load(Acquire).then_some(applying)
    }

    /// Requests have run, and left this database selected, within a transaction or not. The caller
    /// holds what [`Master::turn`] gave.
    pub fn ran(&mut self, bytes: &[u8], db: usize, in_transaction: bool, to: &Replication) {
        if in_transaction {
            return self.held.extend_from_slice(bytes);
        }
        self.stream.db.store(db, Relaxed);
        if self.held.is_empty() {
            to.pass_on(bytes, db);
        } else {
            self.held.extend_from_slice(bytes);
            to.pass_on(&std::mem::take(&mut self.held), db);
        }
    }

    /// A request of the stream was replied an error.
    #[cold]
    pub fn failed(&self, name: &[u8], reply: &[u8], offset: u64) {
        let stream = &self.stream;
        let _ = stream.frozen.compare_exchange(UNFROZEN, offset, Relaxed, Relaxed);
        let count = stream.failures.fetch_add(1, Relaxed) + 1;
        if count > LOGGED {
            return;
        }
        let line = reply.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let (name, line) = (shown(name), shown(line));
        let more = if count == LOGGED { ". What fails from here on is not logged" } else { "" };
        log::warning(format_args!(
            "{name} of the master failed here: {line}. This replica may differ from its master: it \
             acknowledges nothing from here on, until it is synced anew{more}"
        ));
    }

    /// What a master that has asked is told.
    pub fn answer(&mut self, offset: u64) -> Option<Vec<u8>> {
        let asks = std::mem::take(&mut self.asks);
        asks.then(|| acknowledgement(self.stream.failed().behind.unwrap_or(offset)))
    }
}

/// The beginning of a text, for the log.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]);
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl Drop for Master {
    fn drop(&mut self) {
        self.stream.end();
    }
}
