//! Wakes those who send, when there is more of the stream.
//!
//! Whoever feeds the stream holds shards, and wakes nobody. Workers do so before they write their
//! replies ([`Replication::nudge`]): a load of an atomic, and a wake-up only if the thread of the
//! replicas sleeps. It gathers for a moment what comes, unless a client waits for it.

use crate::replication::Replication;
use std::sync::atomic::Ordering::*;
use std::time::{Duration, Instant};

/// How long more of the stream is gathered before it is sent.
const GATHERS: Duration = Duration::from_millis(1);

impl Replication {
    /// Has what was fed sent.
    #[inline]
    pub fn nudge(&self) {
        if self.asleep.load(SeqCst) && self.stream.end() != self.seen.load(Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if self.asleep.swap(false, SeqCst) {
            self.fed.notify_one();
        }
    }

    /// Waits until all replicas that are online were sent everything, for so long at most.
    pub async fn drain(&self, patience: Duration) {
        let began = Instant::now();
        self.nudge();
        let lacks = || self.replicas.needed().is_some_and(|least| least < self.stream.end());
        while lacks() && began.elapsed() < patience {
            tokio::time::sleep(GATHERS).await;
        }
    }

    /// Wakes those who send as long as the thread lives.
    pub(in crate::replication) async fn keep_sending(&'static self) {
        loop {
            self.asleep.store(true, SeqCst);
            if self.stream.end() == self.seen.load(Relaxed) {
                self.fed.notified().await;
            }
            self.asleep.store(false, SeqCst);
            self.seen.store(self.stream.end(), Relaxed);
            let replicas = self.replicas.all();
            replicas.iter().for_each(|replica| replica.more.notify_one());
            if self.waits.is_empty() && !replicas.is_empty() {
                tokio::time::sleep(GATHERS).await;
            } else {
                tokio::task::yield_now().await;
            }
            drop(self.stream.trim(self.replicas.needed()));
        }
    }
}
