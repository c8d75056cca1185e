//! Syncs of the log: what the log thread, which makes them, shares with the tasks that wait for
//! them.
//!
//! ```text
//!  task        request() ----------------------------> log thread
//!              progress().changed() <-- note_progress()  write, sync
//! ```

use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::Duration;
use tokio::sync::watch;

/// Under `everysec`, replies to writes leave as long as the oldest unsynced write is no older.
const LATE_MS: u64 = 900;

/// See the module.
#[derive(Default)]
pub struct Syncs {
    /// Whether a task waits for a sync; `wake` then wakes the log thread.
    requested: Mutex<bool>,
    wake: Condvar,
    /// Whether a sync is wanted whatever the policy.
    forced: AtomicBool,
    /// Changes whenever the log got further, or into trouble.
    progress: watch::Sender<()>,
    /// Everything written before this moment, in monotonic milliseconds, is synced, or was written
    /// before `everysec` promised anything.
    synced_through_ms: AtomicU64,
    /// The value of `synced_through_ms` at the last late sync, so that each counts once.
    late_sync_of_ms: AtomicU64,
    /// How many syncs were late.
    late: AtomicU64,
}

impl Syncs {
    /// Wakes the log thread, which syncs if the policy is `always`.
    pub fn request(&self) {
        let mut requested = self.requested.lock();
        if !*requested {
            *requested = true;
            self.wake.notify_one();
        }
    }

    /// Has the log thread sync whatever the policy.
    pub fn force(&self) {
        self.forced.store(true, Release);
        self.request();
    }

    /// Waits for a request, `patience` at most.
    pub fn wait_for_request(&self, patience: Duration) {
        let mut requested = self.requested.lock();
        if !*requested {
            self.wake.wait_for(&mut requested, patience);
        }
        *requested = false;
    }

    /// Whether a sync was forced since this was last asked.
    pub fn take_forced(&self) -> bool {
        self.forced.swap(false, AcqRel)
    }

    /// Wakes the tasks that wait for the log.
    pub fn note_progress(&self) {
        self.progress.send_replace(());
    }

    /// Tells of progress from now on.
    pub fn progress(&self) -> watch::Receiver<()> {
        self.progress.subscribe()
    }

    /// Everything written before `mono_ms` is synced.
    pub fn note_synced(&self, mono_ms: u64) {
        self.synced_through_ms.store(mono_ms, Release);
    }

    /// Whether the sync of once a second is late at `mono_ms`. Counts and logs each that is.
    pub fn is_late(&self, mono_ms: u64) -> bool {
        let through_ms = self.synced_through_ms.load(Acquire);
        if mono_ms.saturating_sub(through_ms) < LATE_MS {
            return false;
        }
        if self.late_sync_of_ms.swap(through_ms, Relaxed) != through_ms {
            self.late.fetch_add(1, Relaxed);
            crate::system::log::warning(
                "A sync of the log takes too long (disk is busy?). Replies to writes wait for it.",
            );
        }
        true
    }

    /// How many syncs were late since the start or CONFIG RESETSTAT.
    pub fn late(&self) -> u64 {
        self.late.load(Relaxed)
    }

    /// Sets the count back.
    pub fn reset_late(&self) {
        self.late.store(0, Relaxed);
    }
}
