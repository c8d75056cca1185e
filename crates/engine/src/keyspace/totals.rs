//! What the keyspace holds, summed over all shards: for INFO, MEMORY and the like.

use crate::Error;
use crate::hasher::SHARDS;
use crate::keyspace::{Keyspace, LockedShards};

/// What a database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DbTotals {
    /// Keys.
    pub keys: usize,
    /// Keys with a deadline.
    pub volatile: usize,
    /// Keys with deadlines inside their values.
    pub timed: usize,
    /// The sum of the deadlines, in monotonic milliseconds.
    pub deadline_sum_ms: u128,
    /// Bytes of the table without its entries.
    pub main_bytes: usize,
    /// Bytes of the index of deadlines.
    pub expires_bytes: usize,
}

/// Sums over all shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What each database holds.
    pub dbs: Vec<DbTotals>,
    /// Bytes of entries, tables and deadlines.
    pub used_bytes: usize,
    /// The part of it that is not in entries.
    pub overhead_bytes: usize,
    /// Keys that clients watch.
    pub watched_keys: usize,
    /// Keys that clients wait for.
    pub awaited_keys: usize,
    /// Locks with a fence; those whose keys are gone count until they are looked at.
    pub locks: usize,
    /// Keys with a lease, or with what is known for the next one.
    pub leases: usize,
}

impl Totals {
    /// Adds everything up, under the locks that are held or one lock at a time.
    ///
    /// # Errors
    /// When a script holds a shard for too long.
    pub fn of(
        keyspace: &'static Keyspace,
        held: Option<&mut LockedShards>,
    ) -> Result<Totals, Error> {
        let mut totals = Totals::default();
        let mut walk = None;
        let view = match held {
            Some(view) => view,
            None => walk.insert(keyspace.walk()),
        };
        for shard in 0..SHARDS {
            let shard = view.shard_at(shard);
            totals.watched_keys += shard.watches.len();
            totals.awaited_keys += shard.waiters.keys();
            totals.locks += shard.locks.iter().count();
            totals.leases += shard.leases.len();
            for (index, db) in shard.dbs() {
                if totals.dbs.len() <= index {
                    totals.dbs.resize(index + 1, DbTotals::default());
                }
                let sum = &mut totals.dbs[index];
                sum.keys += db.table().len();
                sum.volatile += db.expires().volatile();
                sum.timed += db.expires().timed();
                sum.deadline_sum_ms += db.expires().deadline_sum();
                sum.main_bytes += db.table().overhead();
                sum.expires_bytes += db.expires().allocated();
                totals.used_bytes += db.allocated();
                totals.overhead_bytes += db.overhead();
            }
        }
        view.gave_up().map_or(Ok(totals), Err)
    }

    /// The keys of all databases.
    pub fn keys(&self) -> usize {
        self.dbs.iter().map(|db| db.keys).sum()
    }
}
