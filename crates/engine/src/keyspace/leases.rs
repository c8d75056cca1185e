//! Leases: who computes the value of a key that is not there, or will not be for long (LEASE.GET),
//! and values whose time is over and that are still given while somebody computes.
//!
//! A lease is a token, held until it is given back, its time is over, its holder's connection ends,
//! or the key is written to: then the token is void, and the value that was computed from what was
//! known before cannot come after a newer one. That the value expires voids nothing.
//!
//! Kept in the shard, behind its lock: a look at the key and the grant of the lease are one step. A
//! key without a lease has nothing here, and a shard without leases pays one branch for a write.
//!
//! ```text
//!   record   (database, key)  held: token, until when, by which client
//!                             grace: for how long the value is kept after its time
//!                             stale: such a value, until when
//!   due      (moment, record) leases and stale values whose time will be over, in their order
//!   versions what clients of the memcached port were told of a value's version (`versions.rs`)
//! ```
//!
//! Deliberately absent: leases on disk. After a restart all tokens are void, and so they should be.

use crate::clock::Now;
use crate::keyspace::versions::Versions;
use crate::keyspace::{Keyspace, LockedShards};
use crate::storage::entry::Entry;
use crate::sync::Mutex;
use hashbrown::{HashMap, HashTable};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A key of a database.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The database.
    pub db: usize,
    /// The key's hash.
    pub hash: u64,
    /// The key.
    pub key: &'a [u8],
}

/// A lease that a request was granted, and that may end with its client's connection.
#[derive(Debug)]
pub struct Granted {
    /// The database.
    pub db: usize,
    /// The key's hash.
    pub hash: u64,
    /// The key.
    pub key: Box<[u8]>,
    /// The token.
    pub token: u64,
}

impl Granted {
    /// Binds the lease to a client, if that is where it ends; its shard is still locked.
    pub(crate) fn bind(&self, view: &mut LockedShards, holder: Option<Arc<Holder>>) {
        if let Some(holder) = holder {
            let Granted { db, hash, key, token } = self;
            let place = Place { db: *db, hash: *hash, key };
            view.shard(*hash).leases.bind(place, *token, holder);
        }
    }
}

impl Keyspace {
    /// Ends the leases of a client whose connection has ended: who waits for one of the keys is
    /// served by the next tick.
    pub fn end_leases(&'static self, holder: &Holder) {
        for Granted { db, hash, key, token } in holder.take() {
            let mut view = self.lock([hash].into_iter());
            if view.shard(hash).leases.end(Place { db, hash, key: &key }, token) {
                view.publish_earlier(LockedShards::index_of(hash), ENDED_MS);
            }
        }
    }
}

/// The leases that one client holds, so that they end with its connection. A token stands here as
/// long as its lease is in a shard.
#[derive(Default)]
pub struct Holder(Mutex<HashMap<u64, Granted>>);

impl Holder {
    /// Takes out all leases.
    pub(crate) fn take(&self) -> Vec<Granted> {
        std::mem::take(&mut *self.0.lock()).into_values().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A lease that somebody holds.
struct Held {
    token: u64,
    until_ms: u64,
    holder: Option<Arc<Holder>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(holder) = &self.holder {
            holder.0.lock().remove(&self.token);
        }
    }
}

/// A value whose time is over.
struct Stale {
    entry: Entry,
    until_ms: u64,
}

/// What is known of a key.
struct Record {
    /// Counts from one over all records of the shard.
    id: u64,
    db: usize,
    hash: u64,
    key: Box<[u8]>,
    held: Option<Held>,
    grace_ms: u64,
    stale: Option<Stale>,
}

impl Record {
    fn is(&self, place: Place<'_>) -> bool {
        self.hash == place.hash && self.db == place.db && *self.key == *place.key
    }

    fn is_empty(&self) -> bool {
        self.held.is_none() && self.grace_ms == 0 && self.stale.is_none()
    }
}

#[derive(Default)]
struct Inner {
    records: HashTable<Record>,
    /// When a lease or a stale value is over, the record's id and its hash.
    due: BTreeSet<(u64, u64, u64)>,
    last_id: u64,
    versions: Versions,
}

/// The leases of a shard.
#[derive(Default)]
pub struct Leases(Option<Box<Inner>>);

impl Inner {
    fn record(&self, place: Place<'_>) -> Option<&Record> {
        self.records.find(place.hash, |record| record.is(place))
    }

    fn record_mut(&mut self, place: Place<'_>) -> Option<&mut Record> {
        self.records.find_mut(place.hash, |record| record.is(place))
    }

    /// The record of a key, made if need be.
    fn made(&mut self, place: Place<'_>) -> &mut Record {
        let Inner { records, last_id, .. } = self;
        let found = records.entry(place.hash, |record| record.is(place), |record| record.hash);
        let made = found.or_insert_with(|| {
            *last_id += 1;
            let Place { db, hash, key } = place;
            Record { id: *last_id, db, hash, key: key.into(), held: None, grace_ms: 0, stale: None }
        });
        made.into_mut()
    }

    /// Takes a record out, with what is due of it.
    fn take(&mut self, hash: u64, is: impl FnMut(&Record) -> bool) -> Option<Record> {
        let record = self.records.find_entry(hash, is).ok()?.remove().0;
        if let Some(held) = &record.held {
            self.due.remove(&(held.until_ms, record.id, hash));
        }
        if let Some(stale) = &record.stale {
            self.due.remove(&(stale.until_ms, record.id, hash));
        }
        Some(record)
    }
}

impl Leases {
    /// Whether nothing is known of any key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many keys something is known of.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |inner| inner.records.len())
    }

    /// When the next lease or stale value is over, in monotonic milliseconds.
    pub fn next_ms(&self) -> Option<u64> {
        self.0.as_ref()?.due.first().map(|(at_ms, ..)| *at_ms)
    }

    fn held(&self, place: Place<'_>, now: Now) -> Option<&Held> {
        let held = self.0.as_ref()?.record(place)?.held.as_ref();
        held.filter(|held| held.until_ms > now.mono_ms)
    }

    /// The version of a key's value that a client was told, if it is still the same value.
    pub(crate) fn version(&self, place: Place<'_>) -> Option<u64> {
        self.0.as_ref()?.versions.get(place)
    }

    /// A client is told that the value of a key, as long as it stays, is this version.
    pub(crate) fn set_version(&mut self, place: Place<'_>, version: u64) {
        self.0.get_or_insert_default().versions.set(place, version);
    }

    /// Whether a lease of the key is held.
    pub fn is_held(&self, place: Place<'_>, now: Now) -> bool {
        self.held(place, now).is_some()
    }

    /// Whether a lease of the key is held by this token.
    pub fn is_held_by(&self, place: Place<'_>, token: u64, now: Now) -> bool {
        self.held(place, now).is_some_and(|held| held.token == token)
    }

    /// The stale value of the key, if there is one and it may still be given.
    pub fn stale(&self, place: Place<'_>, now: Now) -> Option<&Entry> {
        let stale = self.0.as_ref()?.record(place)?.stale.as_ref()?;
        let lives = stale.until_ms > now.mono_ms && !stale.entry.is_dropped();
        lives.then_some(&stale.entry)
    }

    /// Gives the lease of a key to a token, in place of one whose time is over.
    pub fn grant(&mut self, place: Place<'_>, token: u64, until_ms: u64) {
        let inner = self.0.get_or_insert_default();
        let record = inner.made(place);
        let id = record.id;
        let before = record.held.replace(Held { token, until_ms, holder: None });
        if let Some(before) = before {
            inner.due.remove(&(before.until_ms, id, place.hash));
        }
        inner.due.insert((until_ms, id, place.hash));
    }

    /// The lease with this token ends with a client's connection.
    pub(crate) fn bind(&mut self, place: Place<'_>, token: u64, holder: Arc<Holder>) {
        let record = self.0.as_mut().and_then(|inner| inner.record_mut(place));
        let held = record.and_then(|record| record.held.as_mut());
        let Some(held) = held.filter(|held| held.token == token) else { return };
        let mut noted = holder.0.lock();
        if noted.len() < BOUND_MAX {
            let Place { db, hash, key } = place;
            noted.insert(token, Granted { db, hash, key: key.into(), token });
            drop(noted);
            held.holder = Some(holder);
        }
    }

    /// The time of the lease with this token is over, at once. Returns whether there was one.
    pub(crate) fn end(&mut self, place: Place<'_>, token: u64) -> bool {
        let Some(inner) = &mut self.0 else { return false };
        let Some(record) = inner.record_mut(place) else { return false };
        let id = record.id;
        let Some(held) = record.held.as_mut().filter(|held| held.token == token) else {
            return false;
        };
        let before_ms = std::mem::replace(&mut held.until_ms, ENDED_MS);
        inner.due.remove(&(before_ms, id, place.hash));
        inner.due.insert((ENDED_MS, id, place.hash));
        true
    }

    /// Takes the lease from this token; false if it does not hold it.
    pub fn release(&mut self, place: Place<'_>, token: u64, now: Now) -> bool {
        if !self.is_held_by(place, token, now) {
            return false;
        }
        let Some(inner) = &mut self.0 else { return false };
        let Some(record) = inner.record_mut(place) else { return false };
        let (id, held) = (record.id, record.held.take());
        let is_empty = record.is_empty();
        if let Some(held) = held {
            inner.due.remove(&(held.until_ms, id, place.hash));
        }
        if is_empty {
            self.forget(place);
        }
        true
    }

    /// The value of a key may be given for so long after its time.
    pub fn set_grace(&mut self, place: Place<'_>, grace_ms: u64) {
        self.0.get_or_insert_default().made(place).grace_ms = grace_ms;
    }

    /// The time of a key's value is over: keeps it if it may still be given. Returns the value if
    /// not, else until when it is kept.
    pub(crate) fn keep(
        &mut self,
        place: Place<'_>,
        entry: Entry,
        now_ms: u64,
    ) -> Result<u64, Entry> {
        let Some(inner) = &mut self.0 else { return Err(entry) };
        if inner.versions.forget(place) {
            self.tidy();
        }
        let Some(inner) = &mut self.0 else { return Err(entry) };
        let Some(record) = inner.record_mut(place) else { return Err(entry) };
        let grace_ms = std::mem::take(&mut record.grace_ms);
        let until_ms = entry.deadline_ms().saturating_add(grace_ms);
        if until_ms <= now_ms {
            if record.is_empty() {
                self.forget(place);
            }
            return Err(entry);
        }
        let id = record.id;
        record.stale = Some(Stale { entry, until_ms });
        inner.due.insert((until_ms, id, place.hash));
        Ok(until_ms)
    }

    /// The key is written to: its lease is void, and what is known of it is forgotten. Returns its
    /// stale value, to be dropped.
    #[cold]
    pub(crate) fn void(&mut self, place: Place<'_>) -> Option<Entry> {
        self.forget(place)
    }

    fn forget(&mut self, place: Place<'_>) -> Option<Entry> {
        let inner = self.0.as_mut()?;
        let record = inner.take(place.hash, |record| record.is(place));
        inner.versions.forget(place);
        self.tidy();
        record?.stale.map(|stale| stale.entry)
    }

    fn tidy(&mut self) {
        let is_empty = |inner: &Inner| inner.records.is_empty() && inner.versions.is_empty();
        if self.0.as_deref().is_some_and(is_empty) {
            self.0 = None;
        }
    }

    /// Databases are emptied or exchanged: forgets all keys of them. Returns stale values, to be
    /// dropped.
    pub(crate) fn forget_dbs(&mut self, is_gone: impl Fn(usize) -> bool) -> Vec<Entry> {
        let Some(inner) = &mut self.0 else { return Vec::new() };
        let gone = inner.records.iter().filter(|record| is_gone(record.db));
        let gone: Vec<(u64, u64)> = gone.map(|record| (record.id, record.hash)).collect();
        let mut dropped = Vec::new();
        for (id, hash) in gone {
            let record = inner.take(hash, |record| record.id == id);
            dropped.extend(record.and_then(|record| record.stale).map(|stale| stale.entry));
        }
        inner.versions.forget_dbs(is_gone);
        self.tidy();
        dropped
    }

    /// Takes out the stale values, because memory is short.
    pub fn take_stale(&mut self) -> Vec<Entry> {
        let Some(inner) = &mut self.0 else { return Vec::new() };
        let Inner { records, due, .. } = &mut **inner;
        let mut dropped = Vec::new();
        records.retain(|record| {
            if let Some(Stale { entry, until_ms }) = record.stale.take() {
                due.remove(&(until_ms, record.id, record.hash));
                dropped.push(entry);
            }
            !record.is_empty()
        });
        self.tidy();
        dropped
    }

    /// Ends what is over by `now_ms`: passes each key whose lease is free now to `freed`, with its
    /// database and hash. Returns stale values, to be dropped.
    pub(crate) fn expire(
        &mut self,
        now_ms: u64,
        mut freed: impl FnMut(usize, u64, &[u8]),
    ) -> Vec<Entry> {
        let mut dropped = Vec::new();
        while let Some(inner) = &mut self.0
            && let Some(&(at_ms, id, hash)) = inner.due.first()
            && at_ms <= now_ms
        {
            inner.due.pop_first();
            let Some(record) = inner.records.find_mut(hash, |record| record.id == id) else {
                continue;
            };
            if record.held.as_ref().is_some_and(|held| held.until_ms <= now_ms) {
                record.held = None;
                freed(record.db, record.hash, &record.key);
            }
            if record.stale.as_ref().is_some_and(|stale| stale.until_ms <= now_ms) {
                dropped.extend(record.stale.take().map(|stale| stale.entry));
            }
            if record.is_empty() {
                inner.take(hash, |record| record.id == id);
                self.tidy();
            }
        }
        dropped
    }
}

/// Leases that end with one connection: those beyond end by their time, so that nobody has to wait
/// for the end of a million of them.
const BOUND_MAX: usize = 10_000;

/// When a lease is over that was ended: before any moment of a request.
const ENDED_MS: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::entry::NewValue;

    fn at(ms: u64) -> Now {
        Now::new(ms, 0)
    }

    const K: Place<'static> = Place { db: 0, hash: 7, key: b"k" };

    #[test]
    fn a_lease_is_over_at_its_time_and_leaves_nothing() {
        let mut leases = Leases::default();
        leases.grant(K, 5, 100);
        assert!(leases.is_held_by(K, 5, at(99)) && !leases.is_held_by(K, 6, at(99)));
        assert!(!leases.is_held(K, at(100)));
        assert_eq!(leases.next_ms(), Some(100));
        let mut freed = Vec::new();
        leases.expire(99, |_, _, key| freed.push(key.to_vec()));
        assert!(freed.is_empty());
        leases.expire(100, |_, _, key| freed.push(key.to_vec()));
        assert_eq!(freed, [b"k"]);
        assert!(leases.is_empty());
    }

    #[test]
    fn a_client_knows_its_leases_as_long_as_they_last() {
        let (mut leases, holder) = (Leases::default(), Arc::new(Holder::default()));
        for (key, token) in [(b"a", 1), (b"b", 2), (b"c", 3)] {
            let place = Place { key, ..K };
            leases.grant(place, token, 100);
            leases.bind(place, token, holder.clone());
        }
        assert_eq!(holder.len(), 3);
        assert!(leases.release(Place { key: b"a", ..K }, 1, at(50)));
        leases.void(Place { key: b"b", ..K });
        let left: Vec<u64> = holder.take().iter().map(|granted| granted.token).collect();
        assert_eq!(left, [3]);
        assert!(leases.end(Place { key: b"c", ..K }, 3));
        assert!(!leases.is_held(Place { key: b"c", ..K }, at(2)));
        leases.expire(2, |_, _, _| ());
        assert!(leases.is_empty());
    }

    #[test]
    fn a_value_is_kept_for_its_grace() {
        let mut leases = Leases::default();
        let entry = || Entry::new(b"k", NewValue::Str(b"old"), 100);
        assert!(leases.keep(K, entry(), 100).is_err());
        leases.set_grace(K, 50);
        assert!(matches!(leases.keep(K, entry(), 120), Ok(150)));
        assert!(leases.stale(K, at(149)).is_some() && leases.stale(K, at(150)).is_none());
        assert_eq!(leases.expire(150, |_, _, _| ()).len(), 1);
        assert!(leases.is_empty());
        leases.set_grace(K, 50);
        assert!(leases.keep(K, entry(), 150).is_err());
        assert!(leases.is_empty());
    }

    #[test]
    fn emptied_databases_and_short_memory_drop_stale_values() {
        let mut leases = Leases::default();
        for db in [0, 1] {
            let place = Place { db, ..K };
            leases.set_grace(place, 50);
            assert!(leases.keep(place, Entry::new(b"k", NewValue::Str(b"old"), 100), 100).is_ok());
        }
        assert_eq!(leases.forget_dbs(|db| db == 1).len(), 1);
        assert_eq!(leases.len(), 1);
        leases.grant(K, 5, 200);
        assert_eq!(leases.take_stale().len(), 1);
        assert!(leases.is_held(K, at(150)));
        assert_eq!(leases.next_ms(), Some(200));
    }
}
