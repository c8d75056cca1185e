//! Which version a value is, as clients of the memcached port were told (`gets`): their `cas`
//! stores only over the version that they know.
//!
//! A version is given to a value when it is first asked for, and forgotten when the key is written
//! to, as a lease is; so a version that is not known any more is an older one, and a value that
//! nobody asks about costs nothing. One counter gives all of them out; it follows the wall clock,
//! so that none comes again after a restart, by which all are void.
//!
//! Keyed by the key's hash alone: should two keys share one, a write of either voids both, which
//! only refuses more than it has to.
//!
//! Deliberately absent: versions of other databases than the first, which the port is about.

use crate::clock::Now;
use crate::keyspace::leases::Place;
use hashbrown::HashTable;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The versions that can be given out in a millisecond without the counter's being ahead of time.
const PER_MS: u64 = 1000;

/// The counter of versions.
#[derive(Default)]
pub struct VersionCounter(AtomicU64);

impl VersionCounter {
    /// A version greater than any before.
    pub fn draw(&self, now: Now) -> u64 {
        let clock = u64::try_from(now.wall_ms).unwrap_or(0).saturating_mul(PER_MS);
        let next = |last: u64| Some((last + 1).max(clock));
        let last = self.0.fetch_update(Relaxed, Relaxed, next).unwrap_or_default();
        (last + 1).max(clock)
    }
}

/// The versions of a shard's values.
#[derive(Default)]
pub struct Versions(HashTable<(u64, u64)>);

/// The database whose values have versions.
const DB: usize = 0;

impl Versions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The version of a key's value, if a client was told it.
    pub fn get(&self, place: Place<'_>) -> Option<u64> {
        let found = self.0.find(place.hash, |(hash, _)| *hash == place.hash)?;
        (place.db == DB).then_some(found.1)
    }

    /// Sets the version of a key's value.
    pub fn set(&mut self, place: Place<'_>, version: u64) {
        if place.db == DB {
            let is = |known: &(u64, u64)| known.0 == place.hash;
            let entry = self.0.entry(place.hash, is, |known| known.0);
            entry.insert((place.hash, version));
        }
    }

    /// The key's value is another one. Returns whether a version was known.
    pub fn forget(&mut self, place: Place<'_>) -> bool {
        if place.db != DB {
            return false;
        }
        let found = self.0.find_entry(place.hash, |known| known.0 == place.hash);
        let is_known = found.is_ok();
        if let Ok(found) = found {
            found.remove();
        }
        is_known
    }

    /// Databases are emptied or exchanged.
    pub fn forget_dbs(&mut self, is_gone: impl Fn(usize) -> bool) {
        if is_gone(DB) {
            self.0 = HashTable::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_known_until_it_is_forgotten() {
        let place = |db| Place { db, hash: 7, key: b"k" };
        let mut versions = Versions::default();
        versions.set(place(0), 5);
        versions.set(place(1), 6);
        assert_eq!((versions.get(place(0)), versions.get(place(1))), (Some(5), None));
        assert!(!versions.forget(place(1)));
        assert!(versions.forget(place(0)) && !versions.forget(place(0)));
        versions.set(place(0), 8);
        versions.forget_dbs(|db| db == 1);
        assert_eq!(versions.get(place(0)), Some(8));
        versions.forget_dbs(|_| true);
        assert!(versions.is_empty());
    }

    #[test]
    fn versions_grow_even_if_the_clock_goes_back() {
        let counter = VersionCounter::default();
        let draws = [5, 5, 3, 900].map(|wall_ms| counter.draw(Now::new(1, wall_ms)));
        assert_eq!(draws, [5000, 5001, 5002, 900_000]);
    }
}
