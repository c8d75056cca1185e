//! Clients that wait until replicas have what they wrote (WAIT, WAITAOF).

use crate::replication::Replication;
use crate::replication::stream::request;
use parking_lot::Mutex;
use redstart_engine::keyspace::waiters::Waiter;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};

/// A client that waits.
pub struct Wait {
    /// What ends its wait, and writes the reply.
    pub waiter: Arc<Waiter>,
    /// The offset that replicas have to have.
    pub offset: u64,
    /// How many.
    pub wanted: usize,
    /// Whether it has to be safe on their disks.
    pub on_disk: bool,
}

/// All that wait.
#[derive(Default)]
pub struct Waits {
    list: Mutex<Vec<Wait>>,
    len: AtomicUsize,
}

impl Waits {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len.load(SeqCst) == 0
    }
}

impl Replication {
    /// Ends the wait when enough replicas have said that they have the stream up to the offset.
    /// They are asked.
    pub fn await_acks(&self, wait: Wait) {
        {
            let mut list = self.waits.list.lock();
            list.push(wait);
            self.waits.len.store(list.len(), SeqCst);
        }
        self.ask_for_acks();
        // It may have come before the client waited.
        self.settle_waits();
    }

    /// Asks all replicas how far they are.
    pub fn ask_for_acks(&self) {
        if !self.is_replica() && self.replicas.len() > 0 {
            let mut bytes = Vec::new();
            request(&[b"REPLCONF", b"GETACK", b"*"], &mut bytes);
            self.stream.append_aside(&bytes);
            self.nudge();
        }
    }

    /// Ends the waits of clients that have what they want.
    pub(super) fn settle_waits(&self) {
        if self.waits.is_empty() {
            return;
        }
        let mut list = self.waits.list.lock();
        list.retain(|wait| {
            let has = self.replicas.having(wait.offset, wait.on_disk) >= wait.wanted;
            if has {
                wait.waiter.time_out();
            }
            !has && wait.waiter.is_waiting()
        });
        self.waits.len.store(list.len(), SeqCst);
    }
}
