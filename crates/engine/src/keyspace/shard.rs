//! What one lock protects: a shard's part of every database.
//!
//! A key's name belongs to the same shard in all databases, so MOVE, COPY, SWAPDB and FLUSHALL
//! need no locks beyond the ones that their keys have. Database 0 lies in the shard itself; the
//! others are made when they are first written to.

use crate::keyspace::db::Db;
use crate::keyspace::ghosts::Ghosts;
use crate::keyspace::leases::{Leases, Place};
use crate::keyspace::locks::{Lock, Locks};
use crate::keyspace::prefixes::Gone;
use crate::keyspace::quotas::Quotas;
use crate::keyspace::snapshot::pending::{Queue, SnapshotItem};
use crate::keyspace::tracking::{Changes, Tracked};
use crate::keyspace::waiters::{Ready, Waiters};
use crate::keyspace::watch::Watches;
use crate::storage::entry::Entry;
use std::sync::Arc;

/// One shard: its part of every database. What leads to the buckets of database 0 is in one cache
/// line with the lock: of this, of `Db` and of the tables the first field lies first.
#[derive(Default)]
#[repr(C)]
pub struct Shard {
    first: Db,
    others: Vec<Option<Box<Db>>>,
    /// The keys of this shard that clients watch.
    pub watches: Watches,
    /// The keys of this shard that clients have in caches of their own.
    pub tracked: Tracked,
    /// The clients that wait for keys of this shard.
    pub waiters: Waiters,
    /// The keys of this shard that were evicted lately.
    pub ghosts: Ghosts,
    /// Who computes the values of which keys of this shard.
    pub leases: Leases,
    /// The locks of this shard that have fences.
    pub locks: Locks,
    /// How keys of this shard went, while that is counted.
    pub gone: Gone,
    quotas: Option<&'static Quotas>,
}

impl Shard {
    /// The part of database `index`, if it was ever written to.
    #[inline(always)]
    pub fn db(&self, index: usize) -> Option<&Db> {
        match index.checked_sub(1) {
            None => Some(&self.first),
            Some(other) => self.others.get(other)?.as_deref(),
        }
    }

    /// The part of database `index`, made if need be.
    #[inline(always)]
    pub fn db_mut(&mut self, index: usize) -> &mut Db {
        match index.checked_sub(1) {
            None => &mut self.first,
            Some(other) => self.other_mut(other),
        }
    }

    #[inline(never)]
    fn other_mut(&mut self, other: usize) -> &mut Db {
        if self.others.len() <= other {
            self.others.resize_with(other + 1, || None);
        }
        let quotas = self.quotas;
        self.others[other].get_or_insert_with(|| Box::new(Db::of_quotas(quotas, other + 1)))
    }

    /// Counts keys and bytes by quotas from now on; nothing is there yet.
    pub(crate) fn set_quotas(&mut self, quotas: &'static Quotas) {
        assert!(self.others.is_empty() && self.first.table().is_empty(), "no key is there yet");
        self.quotas = Some(quotas);
        self.first = Db::of_quotas(self.quotas, 0);
    }

    /// Every database's part, with its index.
    pub fn dbs(&self) -> impl Iterator<Item = (usize, &Db)> {
        let others = self.others.iter().enumerate();
        let others = others.filter_map(|(n, db)| Some((n + 1, db.as_deref()?)));
        std::iter::once((0, &self.first)).chain(others)
    }

    /// The indices of the databases that exist here.
    pub fn indices(&self) -> Vec<usize> {
        self.dbs().map(|(index, _)| index).collect()
    }

    /// A key has changed: breaks the watches of it, and collects the clients that cache it.
    #[inline]
    pub fn touch(&mut self, db: usize, key: &[u8], by_request: bool, changes: &mut Changes) {
        self.watches.touch(db, key);
        self.tracked.touch(key, by_request, changes);
    }

    /// The earliest noted deadline of all databases, leases and locks.
    pub fn next_ms(&self) -> u64 {
        let keys = self.dbs().filter_map(|(_, db)| db.expires().next_ms());
        let others = [self.leases.next_ms(), self.locks.next_ms()].into_iter().flatten();
        keys.chain(others).min().unwrap_or(u64::MAX)
    }

    /// One more than the highest index of a database that exists here.
    pub fn db_limit(&self) -> usize {
        1 + self.others.len()
    }

    /// Takes a database's part away, if there is anything in it.
    pub fn take_db(&mut self, index: usize) -> Option<Db> {
        let part = match index.checked_sub(1) {
            None => {
                let empty = Db::of_quotas(self.quotas, 0);
                Some(std::mem::replace(&mut self.first, empty))
            }
            Some(other) => self.others.get_mut(other)?.take().map(|part| *part),
        };
        // An empty part owes a snapshot nothing that the snapshot's queue does not have.
        let part = part.filter(|part| !part.table().is_empty())?;
        part.leave_quotas();
        self.watches.touch_table(index, part.table(), 0);
        Some(part)
    }

    /// The time of a key is over: its value is kept if it may still be given for a while. Returns
    /// it if not, else until when it is kept.
    #[inline]
    pub(crate) fn keep_stale(
        &mut self,
        db: usize,
        hash: u64,
        entry: Entry,
        now_ms: u64,
    ) -> Result<u64, Entry> {
        if self.leases.is_empty() || entry.is_dropped() {
            return Err(entry);
        }
        let key: Box<[u8]> = entry.key().into();
        self.leases.keep(Place { db, hash, key: &key }, entry, now_ms)
    }

    /// Ends leases whose time is over, and tells who waits for one. Returns values to be dropped.
    pub(crate) fn expire_leases(&mut self, now_ms: u64, ready: &mut Vec<Ready>) -> Vec<Entry> {
        let waiters = &self.waiters;
        self.leases.expire(now_ms, |db, hash, key| waiters.note_gone(db, hash, key, ready))
    }

    /// Whether a lock is held, as far as its key tells.
    pub(crate) fn holds(&self, lock: &Lock) -> bool {
        let table = self.db(lock.db).map(Db::table);
        let entry = table.and_then(|table| Some(table.get(lock.hash, &lock.name)?.1));
        entry.is_some_and(|entry| lock.is_held_in(entry))
    }

    /// Forgets locks that are not held any more.
    pub(crate) fn expire_locks(&mut self, now_ms: u64) {
        let mut locks = std::mem::take(&mut self.locks);
        locks.expire(now_ms, |place| {
            let table = self.db(place.db)?.table();
            Some(table.get(place.hash, place.key)?.1)
        });
        self.locks = locks;
    }

    /// Exchanges two databases. A key that comes past its deadline breaks no watch.
    pub fn swap(&mut self, a: usize, b: usize, now_ms: u64) {
        let (from_a, from_b) = (self.take_db(a), self.take_db(b));
        for (index, part) in [(a, from_b), (b, from_a)] {
            if let Some(part) = part {
                self.watches.touch_table(index, part.table(), now_ms);
                *self.db_mut(index) = part;
                self.db_mut(index).join_quotas(index);
            }
        }
    }

    /// Lets every part owe all of its entries to a snapshot. Returns how many there are.
    pub(crate) fn owe(&mut self, shard: usize, queue: &Arc<Queue>) -> usize {
        self.indices().into_iter().map(|db| self.db_mut(db).owe(db, shard, queue)).sum()
    }

    /// Passes to `f` what is owed of one segment; false when the shard owes nothing any more.
    pub(crate) fn save_segment(&mut self, f: &mut dyn FnMut(SnapshotItem<'_>)) -> bool {
        self.indices().into_iter().any(|db| self.db_mut(db).save_segment(f))
    }
}
