//! Waiting for a shard out of order.
//!
//! A script that has written and then needs a shard that it did not declare can neither begin again
//! nor be sure that the shard's holder does not wait for it. It notes here what it holds and what
//! it wants, and waits. Three kinds of threads could stand in its way:
//!
//! - A thread that holds all its shards runs, waits for no other, and ends.
//! - A thread that takes shards in order and waits while it holds some sees that a script waits
//!   here, unlocks what it has, and begins again when no script waits any more: it has changed
//!   nothing yet.
//! - A script that waits here, too, has written, too. Each wants one shard and each shard has one
//!   holder, so what follows from a wait is a chain. Where it would lead back to the script that is
//!   about to wait, scripts have crossed; that script has to end, and its locks fall free.
//!
//! A shard that happens to be free is taken without a note: what does not wait blocks no other.

use crate::sync::{AtomicBool, Condvar, Mutex, Ordering::Relaxed};
use std::time::Duration;

/// How often a thread that waits for a shard while it holds others looks whether to give way.
pub const PATIENCE: Duration = Duration::from_millis(1);

/// Scripts would wait for each other's shards, so that one must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossed;

/// The scripts that wait out of order.
#[derive(Default)]
pub struct Escalation {
    /// Whether there is any. A hint to look at often, without the lock.
    raised: AtomicBool,
    waiting: Mutex<Vec<Waiting>>,
    changed: Condvar,
}

struct Waiting {
    wanted: usize,
    /// Never empty: a script that holds nothing can wait in order.
    held: Vec<usize>,
}

impl Escalation {
    /// Calls `wait`, which waits for the shard `wanted` while the shards `held` are locked.
    ///
    /// # Errors
    /// When it would wait for ever.
    #[cold]
    pub fn wait<R>(
        &self,
        wanted: usize,
        held: Vec<usize>,
        wait: impl FnOnce() -> R,
    ) -> Result<R, Crossed> {
        let me = *held.first().expect("a script that holds nothing waits in order");
        let mut waiting = self.waiting.lock();
        if crosses(&waiting, wanted, &held) {
            return Err(Crossed);
        }
        waiting.push(Waiting { wanted, held });
        self.raised.store(true, Relaxed);
        drop(waiting);
        let result = wait();
        let mut waiting = self.waiting.lock();
        waiting.retain(|other| other.held[0] != me);
        if waiting.is_empty() {
            self.raised.store(false, Relaxed);
            self.changed.notify_all();
        }
        Ok(result)
    }

    /// Whether threads that wait for a shard while they hold others have to unlock those.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Relaxed)
    }

    /// Waits, as long as `goes_on` says so, until no script waits out of order; for a thread that
    /// holds nothing. Returns whether none waits.
    #[cold]
    pub fn wait_until_over(&self, goes_on: impl Fn() -> bool) -> bool {
        while goes_on() {
            let mut waiting = self.waiting.lock();
            if waiting.is_empty() {
                return true;
            }
            self.changed.wait_for(&mut waiting, PATIENCE);
        }
        false
    }
}

/// Whether a wait for the shard `wanted` would be, by way of the scripts that wait already, a wait
/// for one of the shards `held`.
fn crosses(waiting: &[Waiting], mut wanted: usize, held: &[usize]) -> bool {
    // The scripts that wait do not cross among themselves, so the chain has an end.
    while let Some(holder) = waiting.iter().find(|other| other.held.contains(&wanted)) {
        wanted = holder.wanted;
        if held.contains(&wanted) {
            return true;
        }
    }
    false
}
