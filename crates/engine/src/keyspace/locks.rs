//! Locks with a fence (LOCK.ACQUIRE): what is known of those that are held, beside their keys.
//!
//! A lock is a string key with its owner as the value, as locks by SET NX are, so that neither kind
//! gets what the other holds. Here stands its fence, a number that only grows: what the owner sends
//! with each write, so that storage can refuse an owner whose time was over without its knowledge.
//!
//! A fence is valid as long as the key holds the owner for whom it was drawn; whoever removes or
//! overwrites the key need not know of it. A record whose lock is gone is forgotten when the lock's
//! time would have been over.
//!
//! Fences are drawn from one counter for all locks. It is in the log and in snapshots, and never
//! behind the wall clock: a server that has lost its memory, or the end of its log, goes on above
//! what it gave before, as a clock that was set back goes on above the counter.

use crate::clock::Now;
use crate::hasher::SHARDS;
use crate::keyspace::leases::Place;
use crate::keyspace::{Keyspace, LockedShards};
use crate::storage::entry::Entry;
use hashbrown::HashTable;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many fences a millisecond of the wall clock has. So they stay below 2^53, which every client
/// can tell from its neighbour, for two centuries.
const PER_MS: u64 = 1024;
/// A lock that lasts for ever is looked at again after so many milliseconds.
const LATER_MS: u64 = 60_000;

/// The counter that fences are drawn from.
#[derive(Debug, Default)]
pub struct Fences(AtomicU64);

impl Fences {
    /// The next fence: greater than any before. The caller holds the lock's shard.
    pub fn draw(&self, now: Now) -> u64 {
        let clock = u64::try_from(now.present().wall_ms).unwrap_or(0).saturating_mul(PER_MS);
        let next = |last: u64| Some((last + 1).max(clock));
        let last = self.0.fetch_update(Relaxed, Relaxed, next).unwrap_or_default();
        (last + 1).max(clock)
    }

    /// A fence was drawn before: those to come are greater.
    pub fn raise(&self, fence: u64) {
        self.0.fetch_max(fence, Relaxed);
    }

    /// The last fence.
    pub fn last(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A lock that was held when it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The database.
    pub db: usize,
    /// The key's hash.
    pub hash: u64,
    /// The lock's name, which is the key.
    pub name: Box<[u8]>,
    /// Who holds it, which is the value.
    pub owner: Box<[u8]>,
    /// The fence.
    pub fence: u64,
}

impl Lock {
    fn is(&self, place: Place<'_>) -> bool {
        self.hash == place.hash && self.db == place.db && *self.name == *place.key
    }

    /// Whether an entry of the lock's name is this lock, held.
    pub fn is_held_in(&self, entry: &Entry) -> bool {
        entry.string().is_ok_and(|value| value.with(|owner| *owner == *self.owner))
    }
}

/// What is saved of locks: the last fence, and the locks that were held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedLocks {
    /// The last fence.
    pub last_fence: u64,
    /// The locks; their hashes are not saved.
    pub held: Vec<Lock>,
}

impl Keyspace {
    /// What is to be saved of locks, behind a snapshot of their keys. A lock that has come since
    /// its moment is no lock of the snapshot, whose key has another owner, or is not there.
    pub fn save_locks(&'static self) -> SavedLocks {
        let mut held = Vec::new();
        for index in 0..SHARDS {
            let mut view = self.lock_shard(index);
            let shard = view.shard_at(index);
            held.extend(shard.locks.iter().filter(|lock| shard.holds(lock)).cloned());
        }
        SavedLocks { last_fence: self.fences.last(), held }
    }

    /// Restores what was saved of locks, once their keys are there.
    pub fn restore_locks(&'static self, saved: SavedLocks) {
        self.fences.raise(saved.last_fence);
        for mut lock in saved.held {
            lock.hash = self.hasher().hash(&lock.name);
            let mut view = self.lock([lock.hash].into_iter());
            let shard = view.shard(lock.hash);
            if shard.holds(&lock) {
                let index = LockedShards::index_of(lock.hash);
                // When it is over is found at the first look.
                shard.locks.set(lock, FIRST_LOOK_MS);
                view.publish_earlier(index, FIRST_LOOK_MS);
            }
        }
    }
}

/// When a lock that was restored is looked at for the first time: at once.
const FIRST_LOOK_MS: u64 = 1;

struct Record {
    id: u64,
    lock: Lock,
    /// When it is looked at again.
    look_ms: u64,
}

#[derive(Default)]
struct Inner {
    records: HashTable<Record>,
    /// When a record is looked at again, its id and its hash.
    due: BTreeSet<(u64, u64, u64)>,
    last_id: u64,
}

/// The locks of a shard.
#[derive(Default)]
pub struct Locks(Option<Box<Inner>>);

impl Locks {
    /// What is known of a lock, be it held or not.
    pub fn get(&self, place: Place<'_>) -> Option<&Lock> {
        let inner = self.0.as_ref()?;
        inner.records.find(place.hash, |record| record.lock.is(place)).map(|record| &record.lock)
    }

    /// All locks, be they held or not.
    pub fn iter(&self) -> impl Iterator<Item = &Lock> {
        self.0.iter().flat_map(|inner| inner.records.iter().map(|record| &record.lock))
    }

    /// When a lock is to be looked at, in monotonic milliseconds.
    pub fn next_ms(&self) -> Option<u64> {
        self.0.as_ref()?.due.first().map(|(at_ms, ..)| *at_ms)
    }

    /// A lock is held until then.
    pub fn set(&mut self, lock: Lock, until_ms: u64) {
        self.forget(Place { db: lock.db, hash: lock.hash, key: &lock.name });
        let inner = self.0.get_or_insert_default();
        inner.last_id += 1;
        let (id, hash) = (inner.last_id, lock.hash);
        inner.due.insert((until_ms, id, hash));
        let record = Record { id, lock, look_ms: until_ms };
        inner.records.insert_unique(hash, record, |record| record.lock.hash);
    }

    /// A lock is not held any more.
    pub fn forget(&mut self, place: Place<'_>) {
        let Some(inner) = &mut self.0 else { return };
        let found = inner.records.find_entry(place.hash, |record| record.lock.is(place));
        let Ok(found) = found else { return };
        let record = found.remove().0;
        inner.due.remove(&(record.look_ms, record.id, place.hash));
        if inner.records.is_empty() {
            self.0 = None;
        }
    }

    /// Looks at the locks whose time may be over by `now_ms`; `entry` finds what is under a name.
    pub(crate) fn expire<'a>(
        &mut self,
        now_ms: u64,
        entry: impl Fn(Place<'_>) -> Option<&'a Entry>,
    ) {
        while let Some(inner) = &mut self.0
            && let Some(&(at_ms, id, hash)) = inner.due.first()
            && at_ms <= now_ms
        {
            inner.due.pop_first();
            let Ok(mut found) = inner.records.find_entry(hash, |record| record.id == id) else {
                continue;
            };
            let Lock { db, name, .. } = &found.get().lock;
            let held = entry(Place { db: *db, hash, key: name });
            match held.filter(|held| found.get().lock.is_held_in(held)).map(Entry::deadline_ms) {
                // One whose time is over is removed by expiry, or by who comes upon it.
                Some(until_ms) => {
                    let later_ms = now_ms.saturating_add(LATER_MS);
                    let look_ms = if until_ms > now_ms { until_ms } else { later_ms };
                    found.get_mut().look_ms = look_ms;
                    inner.due.insert((look_ms, id, hash));
                }
                None => {
                    found.remove();
                }
            }
            if inner.records.is_empty() {
                self.0 = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::entry::NewValue;

    const PLACE: Place<'static> = Place { db: 0, hash: 7, key: b"l" };

    fn lock(fence: u64) -> Lock {
        Lock { db: 0, hash: 7, name: b"l".as_slice().into(), owner: b"me".as_slice().into(), fence }
    }

    #[test]
    fn fences_grow_whatever_the_clock_does() {
        let fences = Fences::default();
        let first = fences.draw(Now::new(1, 1_000));
        assert_eq!(first, 1_000 * PER_MS);
        assert_eq!(fences.draw(Now::new(2, 1_000)), first + 1);
        assert_eq!(fences.draw(Now::new(3, 10)), first + 2);
        assert!(fences.draw(Now::new(4, 2_000)) > first + 2);
        fences.raise(1 << 40);
        fences.raise(5);
        assert_eq!(fences.draw(Now::new(5, 2_000)), (1 << 40) + 1);
        assert!(fences.draw(Now::new(6, 1_800_000_000_000)) < 1 << 53);
    }

    #[test]
    fn a_record_goes_with_its_lock() {
        let mut locks = Locks::default();
        locks.set(lock(1), 100);
        locks.set(lock(2), 200);
        assert_eq!((locks.iter().count(), locks.next_ms()), (1, Some(200)));
        let longer = Entry::new(b"l", NewValue::Str(b"me"), 300);
        locks.expire(200, |_| Some(&longer));
        assert_eq!((locks.get(PLACE), locks.next_ms()), (Some(&lock(2)), Some(300)));
        let others = Entry::new(b"l", NewValue::Str(b"you"), 900);
        locks.expire(300, |_| Some(&others));
        assert_eq!((locks.get(PLACE), locks.next_ms()), (None, None));
        locks.set(lock(3), 400);
        locks.forget(PLACE);
        assert!(locks.0.is_none());
    }
}
