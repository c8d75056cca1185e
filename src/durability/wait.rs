//! What waits for the log: replies before they leave, and WAITAOF.

use super::Durability;
use super::gate::{IS_LOGGING, IS_STOPPING, Policy};
use redstart_persistence::log::State;
use std::time::Duration;

/// How often a reply looks whether the server ends or goes on.
const STOPPING_POLL: Duration = Duration::from_millis(5);

/// What becomes of replies that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// They leave.
    Granted,
    /// They must never leave: what they confirm is not as durable as the policy promises.
    Denied,
}

impl Release {
    fn granted_if(granted: bool) -> Release {
        if granted { Release::Granted } else { Release::Denied }
    }
}

impl Durability {
    /// Waits until replies may leave, or must never leave; `mark` is the last record that their
    /// requests made.
    pub async fn release(&self, mark: u64) -> Release {
        while self.gate.has(IS_STOPPING) {
            tokio::time::sleep(STOPPING_POLL).await;
        }
        if !self.gate.has(IS_LOGGING) {
            return Release::Granted;
        }
        // The replies may show what other clients wrote, too; but while the log fails, reading
        // goes on.
        let target = self.log.appended();
        if self.log.write_out(target).is_err() {
            self.notice_log();
        }
        if self.log.written() < mark {
            return Release::Denied;
        }
        match self.gate.policy() {
            Policy::No => Release::Granted,
            Policy::Everysec => self.release_in_time(mark).await,
            Policy::Always => self.release_synced(mark, target).await,
        }
    }

    /// Waits until the log is synced up to `target`; while it fails, `mark` is enough.
    async fn release_synced(&self, mark: u64, target: u64) -> Release {
        let mut progress = self.syncs.progress();
        while self.log.synced() < target {
            if self.log.state() != State::Fine {
                self.notice_log();
                return Release::granted_if(self.log.synced() >= mark);
            }
            self.syncs.request();
            if progress.changed().await.is_err() {
                return Release::Denied;
            }
        }
        Release::Granted
    }

    /// Waits, if the sync of once a second is late, until it has caught up: so what a power cut
    /// takes was confirmed within the last second, however slow the disk is. Replies to requests
    /// that wrote nothing do not wait.
    async fn release_in_time(&self, mark: u64) -> Release {
        if mark == 0 || !self.syncs.is_late(self.parts.now_ms()) {
            return Release::Granted;
        }
        let mut progress = self.syncs.progress();
        while self.syncs.is_late(self.parts.now_ms()) && self.gate.policy() == Policy::Everysec {
            if self.log.state() != State::Fine {
                self.notice_log();
                return Release::granted_if(self.log.synced() >= mark);
            }
            if progress.changed().await.is_err() {
                return Release::Denied;
            }
        }
        Release::Granted
    }

    /// The number of the last record in the log: whatever another worker did for a client is not
    /// behind it.
    pub fn last_mark(&self) -> u64 {
        self.log.appended()
    }

    /// Whether the log is synced up to the record `target`. Nothing is while the log is off.
    pub fn is_safe(&self, target: u64) -> bool {
        self.is_logging() && self.log.synced() >= target
    }

    /// Has the log synced up to the record `target`, and ends when it is, when the log is turned
    /// off, or when `waits` says that no client waits any more. While the log is in trouble, that
    /// may take until the disk has room again.
    pub async fn wait_until_safe(&self, target: u64, waits: impl Fn() -> bool) {
        let mut progress = self.syncs.progress();
        while waits() && self.is_logging() && self.log.synced() < target {
            if self.log.state() == State::Fine {
                self.syncs.force();
            }
            if progress.changed().await.is_err() {
                return;
            }
        }
    }
}
