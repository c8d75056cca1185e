//! Waiting for a shard out of order.
//!
//! A script that has written and then needs a shard that it did not declare can neither begin again
//! nor be sure that those who hold the shard do not wait for it. It says here what it holds and
//! what it wants, and waits. Three kinds of threads could stand in its way:
//!
//! - Who holds all its shards runs, waits for nobody, and ends.
//! - Who takes shards in order and waits with some in hand sees that somebody waits here, lets go
//!   of what it has, and begins again when nobody waits any more: it has changed nothing yet.
//! - Who waits here, too, has written, too. Each wants one shard and each shard has one holder, so
//!   what follows from a wait is a chain. Where it would lead back to who asks, scripts have
//!   crossed, and the one that asks is told to end; then its locks fall free.
//!
//! A shard that happens to be free is taken without a word: who does not wait is in nobody's way.

use super::PATIENCE;
use crate::sync::{AtomicBool, Condvar, Mutex, Ordering::Relaxed};

/// Others wait out of order for a shard that is held here, so that somebody must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossed;

/// Who waits out of order.
#[derive(Default)]
pub struct Escalation {
    /// Whether anybody does. A hint to look at often, without the lock.
    raised: AtomicBool,
    waiting: Mutex<Vec<Waiting>>,
    changed: Condvar,
}

struct Waiting {
    wanted: usize,
    /// Never empty: who holds nothing can wait in order.
    held: Vec<usize>,
}

impl Escalation {
    /// Calls `wait`, which waits for the shard `wanted` with the shards `held` in hand.
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
        let me = *held.first().expect("who holds nothing waits in order");
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

    /// Whether those who wait for a shard with others in hand have to let go of them.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Relaxed)
    }

    /// Waits until nobody waits out of order, as long as `goes_on`; for who holds nothing. Returns
    /// whether it did.
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

/// Whether a wait for a shard would be, by way of those who wait already, one for a shard that is
/// held by who asks.
fn crosses(waiting: &[Waiting], mut wanted: usize, held: &[usize]) -> bool {
    // Those who wait do not cross among themselves, so the chain has an end.
    while let Some(holder) = waiting.iter().find(|other| other.held.contains(&wanted)) {
        wanted = holder.wanted;
        if held.contains(&wanted) {
            return true;
        }
    }
    false
}
