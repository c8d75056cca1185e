//! A sign of life from every worker, between two requests: whether what it ran before has ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often a worker that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// How often each worker has come around between two requests.
pub struct Heartbeats(Box<[AtomicU64]>);

impl Heartbeats {
    /// Counters for so many workers.
    pub fn new(workers: usize) -> Heartbeats {
        Heartbeats((0..workers).map(|_| AtomicU64::new(0)).collect())
    }

    /// A worker has come around.
    pub fn beat(&self, worker: usize) {
        self.0[worker].fetch_add(1, Ordering::AcqRel);
    }

    /// Waits until every worker but `own` has come around. What the caller wrote before is seen by
    /// every request that a worker runs afterwards.
    pub fn wait_for_others(&self, own: usize) {
        let others = self.0.iter().enumerate().filter(|(worker, _)| *worker != own);
        for (_, beats) in others {
            // Read and written at once: the next beat is behind what the caller wrote.
            let seen = beats.fetch_add(0, Ordering::AcqRel);
            while beats.load(Ordering::Acquire) == seen {
                std::thread::sleep(LOOK);
            }
        }
    }
}
