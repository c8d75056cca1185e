//! What one client watches (WATCH): its keys, over all shards, and whether one of them changed.
//!
//! Each key is noted twice: here, for its client, and in its shard ([`Watches`]), where a change
//! finds it. A watch ends in both places, except in a shard that a script holds for too long:
//! there it is left over, and is removed later ([`LeftoverWatches`]).
//!
//! [`Watches`]: crate::keyspace::watch::Watches

use crate::keyspace::watch::Watch;
use crate::keyspace::{Keyspace, LockedShards};
use crate::spec::Key;
use crate::sync::Mutex;

/// The keys that a client watches.
#[derive(Default)]
pub struct ClientWatches {
    watch: Watch,
    keys: Vec<WatchedKey>,
}

struct WatchedKey {
    db: usize,
    hash: u64,
    name: Box<[u8]>,
    /// Whether it was there when its watch began: only then its expiry is a change.
    was_there: bool,
}

impl ClientWatches {
    /// The number of watched keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is watched.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the client watches a key of database `db` already.
    pub fn contains(&self, db: usize, key: &[u8]) -> bool {
        self.keys.iter().any(|other| other.db == db && *other.name == *key)
    }

    /// The hashes of all watched keys.
    pub fn hashes(&self) -> impl Iterator<Item = u64> {
        self.keys.iter().map(|key| key.hash)
    }

    /// Watches a key whose shard is locked. If its time has passed it was removed before: that it
    /// is gone is no change.
    pub fn add(&mut self, view: &mut LockedShards, db: usize, key: Key<'_>) {
        let shard = view.shard(key.hash);
        let was_there =
            shard.db(db).is_some_and(|part| part.table().find(key.hash, key.bytes).is_some());
        shard.watches.add(db, key.hash, key.bytes, &self.watch);
        self.push(db, key, was_there);
    }

    /// Watches a key that counts as changed: a script holds its shard for too long, and may have
    /// changed it by the time of EXEC.
    pub fn add_broken(&mut self, db: usize, key: Key<'_>) {
        self.watch.break_off();
        self.push(db, key, true);
    }

    fn push(&mut self, db: usize, key: Key<'_>, was_there: bool) {
        self.keys.push(WatchedKey { db, hash: key.hash, name: key.bytes.into(), was_there });
    }

    /// Ends the watch of every key. What is in a shard that a script holds for too long goes to
    /// `leftover`.
    pub fn clear(&mut self, keyspace: &'static Keyspace, leftover: &LeftoverWatches) {
        let ClientWatches { watch, keys } = std::mem::take(self);
        for WatchedKey { db, hash, name, .. } in keys {
            match keyspace.lock_one_unless_busy(hash) {
                Ok(mut view) => view.shard(hash).watches.remove(db, &name, &watch),
                Err(_) => leftover.add(LeftoverWatch { db, hash, name, watch: watch.clone() }),
            }
        }
    }

    /// Ends the watch of every key, whose shards are all locked. Returns whether any of the keys
    /// has changed, or was there and `is_expired` by now.
    pub fn is_broken(
        self,
        view: &mut LockedShards,
        mut is_expired: impl FnMut(&mut LockedShards, usize, Key<'_>) -> bool,
    ) -> bool {
        let mut expired = false;
        for WatchedKey { db, hash, name, was_there } in &self.keys {
            // SWAPDB may have brought one whose time was over: that is as good as none.
            if *was_there {
                expired |= is_expired(view, *db, Key { bytes: name, hash: *hash });
            }
            view.shard(*hash).watches.remove(*db, name, &self.watch);
        }
        expired || self.watch.is_broken()
    }
}

/// A watch that has ended, but is still noted in its shard.
struct LeftoverWatch {
    db: usize,
    hash: u64,
    name: Box<[u8]>,
    watch: Watch,
}

/// Watches that ended while a script held their shards for too long.
#[derive(Default)]
pub struct LeftoverWatches(Mutex<Vec<LeftoverWatch>>);

impl LeftoverWatches {
    fn add(&self, leftover: LeftoverWatch) {
        self.0.lock().push(leftover);
    }

    /// Removes those whose shards are free now.
    pub fn remove(&self, keyspace: &'static Keyspace) {
        self.0.lock().retain(|LeftoverWatch { db, hash, name, watch }| {
            let Ok(mut view) = keyspace.lock_one_unless_busy(*hash) else { return true };
            view.shard(*hash).watches.remove(*db, name, watch);
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyspace() -> &'static Keyspace {
        Box::leak(Box::new(Keyspace::new([1, 2])))
    }

    fn key(keyspace: &Keyspace) -> Key<'static> {
        Key { bytes: b"k", hash: keyspace.hasher().hash(b"k") }
    }

    #[test]
    fn a_change_breaks_a_watch_until_it_is_cleared() {
        let keyspace = keyspace();
        let (key, leftover) = (key(keyspace), LeftoverWatches::default());
        let mut view = keyspace.lock([key.hash].into_iter());
        let mut watches = ClientWatches::default();
        watches.add(&mut view, 0, key);
        assert!(watches.contains(0, b"k") && !watches.contains(1, b"k"));
        view.shard(key.hash).watches.touch(0, b"k");
        drop(view);
        watches.clear(keyspace, &leftover);
        let mut view = keyspace.lock([key.hash].into_iter());
        watches.add(&mut view, 0, key);
        assert!(!std::mem::take(&mut watches).is_broken(&mut view, |_, _, _| true));
        watches.add(&mut view, 0, key);
        view.shard(key.hash).watches.touch(0, b"k");
        assert!(watches.is_broken(&mut view, |_, _, _| false));
    }

    #[test]
    fn a_watch_in_a_busy_shard_is_left_over_until_the_shard_is_free() {
        let keyspace = keyspace();
        let (key, leftover) = (key(keyspace), LeftoverWatches::default());
        keyspace.busy.watch(|| ());
        let mut watches = ClientWatches::default();
        let mut held = keyspace.lock([key.hash].into_iter());
        watches.add(&mut held, 0, key);
        keyspace.busy.enter(false);
        watches.clear(keyspace, &leftover);
        leftover.remove(keyspace);
        assert_eq!((watches.len(), leftover.0.lock().len()), (0, 1));
        watches.add_broken(0, key);
        assert!(watches.is_broken(&mut held, |_, _, _| false));
        drop(held);
        leftover.remove(keyspace);
        assert!(leftover.0.lock().is_empty());
    }
}
