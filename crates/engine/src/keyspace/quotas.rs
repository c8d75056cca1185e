//! Quotas (`quota` lines of the configuration): how much the keys of a database, or those with a
//! prefix, may take, and which of them go when that is too little. So a cache and a queue live in
//! one instance: each has room of its own, and the queue loses nothing for the cache.
//!
//! A key belongs to the first quota of a prefix that it begins with, in whatever database; else to
//! that of its database. Keys and bytes are counted where entries come, change and go
//! (`keyspace/db.rs`); each part of a database knows its own share, for the time when it is emptied
//! or exchanged as a whole. The quotas are fixed at the start, before any key is there.

use crate::storage::entry::Entry;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// The most quotas: each key that is written is compared with their prefixes.
pub const QUOTAS_MAX: usize = 16;

/// Whose the quota is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// Of a database, but for keys that another quota is of.
    Db(usize),
    /// Of the keys that begin so, in every database.
    Prefix(Box<[u8]>),
}

/// Which key goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rank {
    /// None goes.
    Never,
    /// The key that was not used or changed for longest, or is used least.
    Stale,
    /// Any.
    Random,
    /// The key that expires next.
    Deadline,
}

/// Which keys go when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: &'static str,
    /// Which goes first.
    pub rank: Rank,
    /// Whether only keys with a deadline may go.
    pub volatile_only: bool,
}

impl Policy {
    /// The policy of a name, as `maxmemory-policy` has them.
    pub fn of_name(name: &'static str) -> Policy {
        let rank = match name.split_once('-') {
            Some((_, "lru" | "lfu" | "lrm" | "tinylfu")) => Rank::Stale,
            Some((_, "random")) => Rank::Random,
            Some((_, "ttl")) => Rank::Deadline,
            _ => Rank::Never,
        };
        Policy { name, rank, volatile_only: name.starts_with("volatile") }
    }

    /// Whether an entry may go by it.
    #[inline]
    pub fn admits(&self, entry: &Entry) -> bool {
        self.rank != Rank::Never && (!self.volatile_only || entry.deadline_ms() != 0)
    }
}

/// One quota, and what is used of it.
#[derive(Debug)]
pub struct Quota {
    /// Whose it is.
    pub of: Of,
    /// The most bytes of entries; [`u64::MAX`] is no limit.
    pub bytes_max: u64,
    /// The most keys.
    pub keys_max: u64,
    /// Which keys go.
    pub policy: Policy,
    /// How many were evicted for it, and how many requests were refused.
    pub evicted: AtomicU64,
    /// See above.
    pub refused: AtomicU64,
    bytes: AtomicI64,
    keys: AtomicI64,
    /// Until when nothing is looked for that could go: there was none.
    stuck_ms: AtomicU64,
}

impl Quota {
    /// A quota of which nothing is used.
    pub fn new(of: Of, bytes_max: u64, keys_max: u64, policy: Policy) -> Quota {
        let (evicted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        let (bytes, keys) = (AtomicI64::new(0), AtomicI64::new(0));
        let stuck_ms = AtomicU64::new(0);
        Quota { of, bytes_max, keys_max, policy, evicted, refused, bytes, keys, stuck_ms }
    }

    /// The bytes that its entries take.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed).max(0) as u64
    }

    /// How many keys it has.
    pub fn keys(&self) -> u64 {
        self.keys.load(Relaxed).max(0) as u64
    }

    /// Whether so many bytes more are too many.
    pub fn lacks_bytes(&self, more: u64) -> bool {
        self.bytes().saturating_add(more) > self.bytes_max
    }

    /// Whether one key more is too many.
    pub fn lacks_keys(&self) -> bool {
        self.keys() >= self.keys_max
    }

    /// Whether nothing was found of late that could go.
    pub fn is_stuck(&self, now_ms: u64) -> bool {
        self.policy.rank == Rank::Never || now_ms < self.stuck_ms.load(Relaxed)
    }

    /// Nothing was found that could go; it is not looked for before then.
    pub fn note_stuck(&self, until_ms: u64) {
        self.stuck_ms.store(until_ms, Relaxed);
    }

    fn add(&self, share: Share) {
        self.bytes.fetch_add(share.bytes, Relaxed);
        self.keys.fetch_add(share.keys, Relaxed);
    }
}

/// All quotas.
#[derive(Debug)]
pub struct Quotas(Vec<Quota>);

impl Quotas {
    /// These quotas, [`QUOTAS_MAX`] at most.
    pub fn new(quotas: Vec<Quota>) -> Quotas {
        assert!(quotas.len() <= QUOTAS_MAX, "the configuration admits no more");
        Quotas(quotas)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Quota> {
        self.0.iter()
    }

    /// The quota at an index that [`Quotas::of_key`] gave.
    pub fn at(&self, index: usize) -> &Quota {
        &self.0[index]
    }

    /// Whether any of them lets keys go.
    pub fn any_evicts(&self) -> bool {
        self.iter().any(|quota| quota.policy.rank != Rank::Never)
    }

    fn of_prefix(&self, key: &[u8]) -> Option<usize> {
        self.iter()
            .position(|quota| matches!(&quota.of, Of::Prefix(prefix) if key.starts_with(prefix)))
    }

    fn of_db(&self, db: usize) -> Option<usize> {
        self.iter().position(|quota| quota.of == Of::Db(db))
    }

    /// The quota that a key of a database belongs to.
    pub fn of_key(&self, db: usize, key: &[u8]) -> Option<usize> {
        self.of_prefix(key).or_else(|| self.of_db(db))
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    bytes: i64,
    keys: i64,
}

impl Share {
    fn add(&mut self, bytes: i64, keys: i64) -> Share {
        self.bytes += bytes;
        self.keys += keys;
        Share { bytes, keys }
    }
}

/// What a part of a database has of each quota.
pub struct Counts {
    quotas: &'static Quotas,
    db: usize,
    by_prefix: [Share; QUOTAS_MAX],
    /// Of keys without a quota of their prefix.
    rest: Share,
}

impl Counts {
    /// Of a part of database `db`, which is empty.
    pub fn new(quotas: &'static Quotas, db: usize) -> Counts {
        Counts { quotas, db, by_prefix: [Share::default(); QUOTAS_MAX], rest: Share::default() }
    }

    /// A key has got so many bytes more, or less; `keys` is one if it has come, minus one if it has
    /// gone.
    pub fn add(&mut self, key: &[u8], bytes: i64, keys: i64) {
        if let Some(index) = self.quotas.of_prefix(key) {
            let share = self.by_prefix[index].add(bytes, keys);
            self.quotas.at(index).add(share);
        } else {
            let share = self.rest.add(bytes, keys);
            if let Some(index) = self.quotas.of_db(self.db) {
                self.quotas.at(index).add(share);
            }
        }
    }

    fn each(&self, sign: i64) {
        let signed = |share: Share| Share { bytes: share.bytes * sign, keys: share.keys * sign };
        for (quota, share) in self.quotas.iter().zip(self.by_prefix) {
            quota.add(signed(share));
        }
        if let Some(index) = self.quotas.of_db(self.db) {
            self.quotas.at(index).add(signed(self.rest));
        }
    }

    /// The part was taken away from its database.
    pub fn leave(&self) {
        self.each(-1);
    }

    /// The part came to a database.
    pub fn join(&mut self, db: usize) {
        self.db = db;
        self.each(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_its_prefix_before_its_database() {
        let policy = Policy::of_name("allkeys-lru");
        let quota = |of| Quota::new(of, 100, 2, policy);
        let all = vec![quota(Of::Db(1)), quota(Of::Prefix(b"a:".as_slice().into()))];
        let quotas: &'static Quotas = Box::leak(Box::new(Quotas::new(all)));
        assert_eq!(quotas.of_key(0, b"x"), None);
        assert_eq!(quotas.of_key(1, b"x"), Some(0));
        assert_eq!(quotas.of_key(1, b"a:x"), Some(1));
        let mut counts = Counts::new(quotas, 1);
        counts.add(b"x", 60, 1);
        counts.add(b"a:x", 30, 1);
        let used = || quotas.iter().map(|it| (it.bytes(), it.keys())).collect::<Vec<_>>();
        assert_eq!(used(), [(60, 1), (30, 1)]);
        counts.leave();
        assert_eq!(used(), [(0, 0), (0, 0)]);
        counts.join(2);
        assert_eq!(used(), [(0, 0), (30, 1)]);
        assert!(quotas.at(1).lacks_bytes(71) && !quotas.at(1).lacks_bytes(70));
        counts.add(b"a:y", 1, 1);
        assert!(quotas.at(1).lacks_keys());
    }
}
