//! The keyspace: 1024 shards, each behind one lock, and the only place that locks them.
//!
//! The laws:
//!
//! 1. A key belongs to one shard in every database, by the upper bits of its hash.
//! 2. A thread locks all shards that it needs before it reads or changes anything, in ascending
//!    order, and unlocks them together at its end. So no two threads wait for each other. One
//!    exception: a script that has written may need further shards, and then waits for them out of
//!    order, while threads that have changed nothing yet give way ([`Escalation`]).
//! 3. [`LockedShards`] is the only way to a key. It panics when it is asked for a shard that it
//!    did not lock: then the command declares its keys wrongly.
//! 4. Under a lock: no IO, no await, no large free. What is to be freed goes to the worker's
//!    garbage and is dropped after the unlock.
//! 5. The expiry index of a shard publishes its earliest deadline in an atomic beside the locks,
//!    never later than the true one, so that the expiry tick reads no lock in vain.
//!
//! A keyspace lives as long as its process, so that locked shards can be passed on freely.
//!
//! Deliberately absent: a lock for the whole keyspace (taking all shards is that), reader locks
//! (a read notes its access in the entry), and lock-free reads.

mod busy;
pub mod db;
mod escalation;
pub mod garbage;
pub mod ghosts;
pub mod leases;
mod locked;
pub mod locks;
pub mod prefixes;
pub mod quotas;
pub mod restore;
pub mod shard;
pub mod snapshot;
pub mod tags;
pub mod totals;
pub mod tracking;
pub mod versions;
pub mod waiters;
pub mod watch;
pub mod watching;

pub use busy::Busy;
pub use escalation::{Crossed, Escalation};
pub use locked::LockedShards;

use crate::Error;
use crate::hasher::{Hasher, SHARD_BITS, SHARDS, shard_of};
use crate::keyspace::db::Db;
use crate::keyspace::escalation::PATIENCE;
use crate::keyspace::locked::{Guards, Others, Walk};
use crate::keyspace::locks::Fences;
use crate::keyspace::prefixes::Prefixes;
use crate::keyspace::quotas::Quotas;
use crate::keyspace::shard::Shard;
use crate::keyspace::snapshot::pending::Buffers;
use crate::keyspace::tags::Tags;
use crate::keyspace::versions::VersionCounter;
use crate::storage::entry::Entry;
use crate::storage::memory::prefetch;
use crate::storage::table::prefetch_by_hint;
use crate::sync::{Mutex, MutexGuard};
use smallvec::SmallVec;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// How many bits of the hash below the shard's a hint is found by: exact up to 16 segments a
/// shard, which is five million keys; beyond that some prefetches are in vain.
const HINT_BITS: u32 = 4;

/// What `Wait::ToTheEnd` means, where it is relied on.
const PATIENT: &str = "a wait to the end does not give up";

type Guard = MutexGuard<'static, Shard>;

/// How long a thread waits for a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Until it is free.
    ToTheEnd,
    /// Until it is free, or a script holds shards for too long.
    UntilBusy,
}

/// Why a wait ended without the shard.
enum Stop {
    /// A script holds shards for too long.
    GivesUp,
    /// Another thread waits out of order, perhaps for a shard that this one has.
    GivesWay,
}

/// A shard on cache lines of its own.
#[repr(align(64))]
#[derive(Default)]
struct Padded(Mutex<Shard>);

/// All keys and values.
pub struct Keyspace {
    shards: Box<[Padded]>,
    /// The earliest deadline of each shard, as it is published.
    next_ms: Box<[AtomicU64]>,
    /// Where the buckets of database 0 lie, by the hash's first bits; see `Table::hint`.
    hints: Box<[AtomicUsize]>,
    hasher: Hasher,
    escalation: Escalation,
    expiry_paused: AtomicBool,
    /// Whether a master says when keys are gone whose time has come.
    expiry_follows: AtomicBool,
    /// What writers encode old values into for a snapshot.
    buffers: Buffers,
    /// Whether a script holds shards for so long that clients do not wait for them.
    pub busy: Busy,
    /// The last fence of a lock.
    pub fences: Fences,
    /// The tags of keys.
    pub tags: Tags,
    /// Statistics by prefix.
    pub prefixes: Prefixes,
    quotas: OnceLock<Quotas>,
    /// The counter of the versions of values.
    pub versions: VersionCounter,
}

impl Keyspace {
    /// An empty keyspace whose hash has the given seed.
    pub fn new(seed: [u64; 2]) -> Self {
        Keyspace {
            shards: (0..SHARDS).map(|_| Padded::default()).collect(),
            next_ms: (0..SHARDS).map(|_| AtomicU64::new(u64::MAX)).collect(),
            hints: (0..SHARDS << HINT_BITS).map(|_| AtomicUsize::new(0)).collect(),
            hasher: Hasher::new(seed),
            escalation: Escalation::default(),
            expiry_paused: AtomicBool::new(false),
            expiry_follows: AtomicBool::new(false),
            buffers: Buffers::default(),
            busy: Busy::default(),
            fences: Fences::default(),
            tags: Tags::default(),
            prefixes: Prefixes::default(),
            quotas: OnceLock::new(),
            versions: VersionCounter::default(),
        }
    }

    /// Pauses expiry, or lets it go on. While it is paused, only a write removes an entry whose
    /// time has come; a read does not see it all the same.
    pub fn set_expiry_paused(&self, paused: bool) {
        self.expiry_paused.store(paused, Relaxed);
    }

    /// Whether expired entries are left where they are.
    pub(crate) fn is_expiry_paused(&self) -> bool {
        self.expiry_paused.load(Relaxed)
    }

    /// Sets whether a master says when keys are gone whose time has come, as a replica's does.
    /// Until then such a key stays, though a read does not see it; fields and members that expire
    /// by themselves stay and are seen.
    pub fn set_expiry_follows(&self, follows: bool) {
        self.expiry_follows.store(follows, Relaxed);
    }

    /// Whether a master says when keys are gone whose time has come.
    pub(crate) fn expiry_follows(&self) -> bool {
        self.expiry_follows.load(Relaxed)
    }

    /// Sets the quotas, once, before any key is there.
    pub fn set_quotas(&'static self, quotas: Quotas) {
        let quotas = self.quotas.get_or_init(|| quotas);
        let mut view = self.lock_all();
        (0..SHARDS).for_each(|index| view.shard_at(index).set_quotas(quotas));
    }

    /// The quotas, if there are any.
    pub fn quotas(&self) -> Option<&Quotas> {
        self.quotas.get()
    }

    /// The bytes that are kept for a running snapshot and wait to be saved.
    pub fn kept_for_snapshot(&self) -> usize {
        self.buffers.kept_bytes()
    }

    /// The buffers of snapshots.
    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// The hasher of this keyspace's keys.
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    #[inline(always)]
    fn hint_of(&self, hash: u64) -> &AtomicUsize {
        &self.hints[(hash >> (64 - SHARD_BITS - HINT_BITS)) as usize]
    }

    /// First pass of a batch: fetch what leads to the key's home bucket.
    #[inline(always)]
    pub fn prefetch_shard(&self, hash: u64) {
        let hint: *const AtomicUsize = self.hint_of(hash);
        prefetch(hint.cast());
        let shard: *const Padded = &self.shards[shard_of(hash)];
        prefetch(shard.cast());
    }

    /// After it: fetch the bucket; in database 0 by a hint, without the lock.
    #[inline(always)]
    pub fn prefetch_bucket(&self, db: usize, hash: u64) {
        if db == 0 {
            prefetch_by_hint(self.hint_of(hash).load(Relaxed), hash);
        } else {
            self.glance(db, hash, |db| db.table().prefetch_bucket(hash));
        }
    }

    /// Second pass of a batch: fetch the entry. The bucket is in the cache by now.
    #[inline]
    pub fn prefetch_entry(&self, db: usize, hash: u64) {
        self.glance(db, hash, |db| db.table().prefetch_entry(hash));
    }

    /// Fetches what is asked of the first few entries that lie near a hash in database 0; see `Table::near`. Their
    /// bucket is in the cache by now.
    pub fn prefetch_near(&self, hash: u64, count: usize) {
        self.glance(0, hash, |db| db.table().near(hash).take(count).for_each(Entry::prefetch_head));
    }

    /// Third pass of a batch: fetch what of the value lies outside the entry, which is in the
    /// cache by now. Returns whether [`Keyspace::prefetch_field`] has more to fetch.
    #[inline]
    pub fn prefetch_value(&self, db: usize, hash: u64, field: Option<&[u8]>) -> bool {
        let mut more = false;
        self.glance(db, hash, |db| {
            db.table().each_candidate(hash, |entry| {
                more |= entry.prefetch_value(field, &self.hasher);
            });
        });
        more
    }

    /// Fourth pass of a batch, for large values: fetch the field.
    #[inline]
    pub fn prefetch_field(&self, db: usize, hash: u64, field: &[u8]) {
        self.glance(db, hash, |db| {
            db.table().each_candidate(hash, |entry| {
                if let Some(object) = entry.whole() {
                    object.prefetch_field(field, &self.hasher);
                }
            });
        });
    }

    /// Third and fourth pass for several fields of one key.
    pub fn prefetch_fields(&self, db: usize, hash: u64, fields: &[&[u8]]) {
        self.glance(db, hash, |db| {
            db.table().each_candidate(hash, |entry| {
                if let Some(object) = entry.whole() {
                    object.prefetch_all(fields, &self.hasher);
                }
            });
        });
    }

    /// Looks at a database's part of a shard, unless the shard is locked: a prefetch is not worth a
    /// wait.
    #[inline]
    fn glance(&self, db: usize, hash: u64, f: impl FnOnce(&Db)) {
        if let Some(shard) = self.shards[shard_of(hash)].0.try_lock()
            && let Some(db) = shard.db(db)
        {
            f(db);
        }
    }

    /// Locks the shard of one hash if it is free.
    #[inline(always)]
    pub fn try_lock_one(&'static self, hash: u64) -> Option<LockedShards> {
        let index = shard_of(hash);
        let guard = self.shards[index].0.try_lock()?;
        Some(LockedShards { keyspace: self, guards: Guards::One(index, guard) })
    }

    /// Locks the shard of one hash, unless a script holds it for too long.
    ///
    /// # Errors
    /// [`Busy::error`], then.
    #[inline]
    pub fn lock_one_unless_busy(&'static self, hash: u64) -> Result<LockedShards, Error> {
        self.lock_shard_unless_busy(shard_of(hash))
    }

    /// Locks the shards of the given hashes, ascending.
    #[inline]
    pub fn lock(&'static self, hashes: impl Iterator<Item = u64>) -> LockedShards {
        self.of_hashes(hashes, Wait::ToTheEnd).expect(PATIENT)
    }

    /// Locks the shards of the given hashes, unless a script holds one for too long.
    ///
    /// # Errors
    /// As [`Keyspace::lock_one_unless_busy`].
    #[inline]
    pub fn lock_unless_busy(
        &'static self,
        hashes: impl Iterator<Item = u64>,
    ) -> Result<LockedShards, Error> {
        self.of_hashes(hashes, Wait::UntilBusy).ok_or_else(|| self.busy.error())
    }

    #[inline]
    fn of_hashes(
        &'static self,
        mut hashes: impl Iterator<Item = u64>,
        wait: Wait,
    ) -> Option<LockedShards> {
        let first = hashes.next().map(shard_of);
        let guards = match (first, hashes.next().map(shard_of)) {
            (None, _) => Others::Several(Vec::new()).into(),
            (Some(index), None) => Guards::One(index, self.acquire(index, wait)?),
            (Some(first), Some(second)) => {
                let mut indices: SmallVec<[usize; 32]> = SmallVec::new();
                indices.extend([first, second]);
                indices.extend(hashes.map(shard_of));
                indices.sort_unstable();
                indices.dedup();
                let pair = |index, guard| (index, guard);
                Others::Several(self.lock_ascending(indices.iter().copied(), wait, pair)?).into()
            }
        };
        Some(LockedShards { keyspace: self, guards })
    }

    /// Locks all shards, ascending.
    pub fn lock_all(&'static self) -> LockedShards {
        self.all(Wait::ToTheEnd).expect(PATIENT)
    }

    /// Locks all shards, as [`Keyspace::lock_unless_busy`] does.
    ///
    /// # Errors
    /// As there.
    pub fn lock_all_unless_busy(&'static self) -> Result<LockedShards, Error> {
        self.all(Wait::UntilBusy).ok_or_else(|| self.busy.error())
    }

    fn all(&'static self, wait: Wait) -> Option<LockedShards> {
        let guards = self.lock_ascending(0..SHARDS, wait, |_, guard| guard)?;
        Some(LockedShards { keyspace: self, guards: Others::All(guards).into() })
    }

    /// Locks shards that are given in ascending order; None when it gave up.
    fn lock_ascending<G>(
        &'static self,
        indices: impl ExactSizeIterator<Item = usize> + Clone,
        wait: Wait,
        keep: impl Fn(usize, Guard) -> G,
    ) -> Option<Vec<G>> {
        let mut guards = Vec::with_capacity(indices.len());
        'anew: loop {
            for index in indices.clone() {
                let got = match self.shards[index].0.try_lock() {
                    Some(guard) => Ok(guard),
                    None => self.wait_in_order(index, guards.is_empty(), wait),
                };
                match got {
                    Ok(guard) => guards.push(keep(index, guard)),
                    Err(Stop::GivesUp) => return None,
                    Err(Stop::GivesWay) => {
                        guards.clear();
                        if !self.escalation.wait_until_over(|| self.waits_on(wait)) {
                            return None;
                        }
                        continue 'anew;
                    }
                }
            }
            return Some(guards);
        }
    }

    /// Locks one shard while none is held; None when it gave up.
    #[inline]
    fn acquire(&'static self, index: usize, wait: Wait) -> Option<Guard> {
        let free = self.shards[index].0.try_lock();
        free.or_else(|| self.wait_in_order(index, true, wait).ok())
    }

    /// Waits for a shard that another thread has. Gives way, unless `empty_handed`, while a thread
    /// waits out of order, perhaps for a shard that this one has.
    #[cold]
    fn wait_in_order(
        &'static self,
        index: usize,
        empty_handed: bool,
        wait: Wait,
    ) -> Result<Guard, Stop> {
        let shard = &self.shards[index].0;
        if empty_handed && !self.busy.is_watched() {
            return Ok(shard.lock());
        }
        while empty_handed || !self.escalation.is_raised() {
            if !self.waits_on(wait) {
                return Err(Stop::GivesUp);
            }
            if let Some(guard) = shard.try_lock_for(PATIENCE) {
                return Ok(guard);
            }
        }
        Err(Stop::GivesWay)
    }

    /// Whether the wait goes on. If a script takes long, this thread serves its other clients
    /// first.
    fn waits_on(&self, wait: Wait) -> bool {
        if self.busy.is_set() {
            match wait {
                Wait::UntilBusy => return false,
                Wait::ToTheEnd => self.busy.meanwhile(),
            }
        }
        true
    }

    /// Waits for a shard while others are held, whatever their order.
    fn wait_out_of_order(
        &'static self,
        index: usize,
        held: &[(usize, Guard)],
    ) -> Result<Guard, Crossed> {
        let shard = &self.shards[index].0;
        if let Some(guard) = shard.try_lock() {
            return Ok(guard);
        }
        let held: Vec<usize> = held.iter().map(|(index, _)| *index).collect();
        let lock = || {
            while self.busy.is_watched() {
                self.waits_on(Wait::ToTheEnd);
                if let Some(guard) = shard.try_lock_for(PATIENCE) {
                    return guard;
                }
            }
            shard.lock()
        };
        if held.is_empty() { Ok(lock()) } else { self.escalation.wait(index, held, lock) }
    }

    /// Locks the shard that is asked for, one at a time: for walks over the keyspace that need no
    /// single moment (SCAN, DBSIZE). See [`LockedShards::gave_up`].
    pub fn walk(&'static self) -> LockedShards {
        LockedShards { keyspace: self, guards: Others::Walking(Walk::default()).into() }
    }

    /// Locks one shard by its index.
    #[inline]
    pub fn lock_shard(&'static self, index: usize) -> LockedShards {
        let guard = self.acquire(index, Wait::ToTheEnd).expect(PATIENT);
        LockedShards { keyspace: self, guards: Guards::One(index, guard) }
    }

    /// Locks one shard by its index, as [`Keyspace::lock_unless_busy`] does.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn lock_shard_unless_busy(&'static self, index: usize) -> Result<LockedShards, Error> {
        let guard = self.acquire(index, Wait::UntilBusy).ok_or_else(|| self.busy.error())?;
        Ok(LockedShards { keyspace: self, guards: Guards::One(index, guard) })
    }

    /// The published earliest deadline of a shard, `u64::MAX` when there is none.
    #[inline]
    pub fn next_ms(&self, index: usize) -> u64 {
        self.next_ms[index].load(Relaxed)
    }
}
