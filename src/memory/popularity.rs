//! The policies of `tinylfu`: who stays is who is used more, whoever came first.
//!
//! A key that is added while memory is short is a newcomer: it is not drawn for eviction, but
//! stands in a queue of the worker that added it. When the queue is as long as the window, and a
//! key has to go, the oldest newcomer is held against the least popular key that was drawn. Who was
//! used less goes; what is known of it stays behind in the shard's
//! [`ghosts`](redstart_engine::keyspace::ghosts). So keys that are used once (a scan) pass through
//! the window and displace nothing, and keys that are used together in a loop that is too long
//! for the memory do not displace each other.
//!
//! ```text
//!  added --> window (newcomers) --oldest--> compared --loses--> ghost --comes back--> added
//!                                             |  ^
//!                                        wins v  | loses
//!                                      all other keys (drawn)
//! ```
//!
//! The window is one key in a hundred at first. It grows where newcomers that were refused come
//! back soon, and shrinks where displaced keys do: keys that are used for a while and never again
//! want a large one.
//!
//! After W-TinyLFU (Einziger, Friedman, Manes 2017), with draws in place of its lists and the
//! entries' own counters in place of its sketch.

use crate::memory::pool::{Candidate, Pool};
use redstart_engine::aging::Rule;
use redstart_engine::hasher::{SHARDS, shard_of};
use redstart_engine::keyspace::ghosts::Way;
use redstart_engine::keyspace::quotas::Rank;
use redstart_engine::storage::entry::Entry;
use redstart_engine::{Engine, Now, WorkerState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The least and the most that the window is, as parts of all keys in hundredths.
const WINDOW_LEAST: usize = 1;
const WINDOW_MOST: usize = 80;
/// Uses for each key that are a period, and the moments of a period.
const PERIOD_USES: u64 = 10;
const PERIOD_MOMENTS: u64 = 64;
/// By how much faster time passes when the window is all keys: what was popular counts less where
/// popularity does not last.
const HASTE: u64 = 5;
/// Uses are counted in so many parts.
const PARTS: u64 = 100;
/// Shards whose keys are counted to know how many there are in all.
const COUNTED: usize = 64;
/// Moments after which they are counted anew.
const COUNT_EVERY: u32 = 8;
/// Keys that a worker may add between two evictions: this part of all keys, and some.
const ROOM_PART: usize = 8;
const ROOM_MIN: usize = 1024;
/// A newcomer is compared with keys that were used at least so often only if it was used more often
/// than they by more than one: in a loop each comes to be one ahead of the others for a while.
const CLOSE_RACE: u8 = 2;

/// What all workers know together.
#[derive(Default)]
pub struct Popularity {
    /// How many newcomers there may be in all; zero while nothing is evicted.
    window: AtomicUsize,
    /// How many keys there are, about.
    keys: AtomicUsize,
    /// Parts of uses since the moment began.
    parts: AtomicU64,
    /// How many workers there are.
    workers: AtomicUsize,
}

impl Popularity {
    /// Forgets what was known: another policy or another limit.
    pub fn reset(&self, workers: usize) {
        self.workers.store(workers.max(1), Relaxed);
        self.window.store(0, Relaxed);
        self.keys.store(0, Relaxed);
    }

    /// Takes over what a worker has counted, and lets time pass.
    pub fn settle(&self, engine: &'static Engine, local: &mut WorkerState) {
        let Rule::Popularity { moment } = engine.options.aging() else { return };
        let newcomers = &mut local.newcomers;
        let (uses, wish) =
            (std::mem::take(&mut newcomers.uses), std::mem::take(&mut newcomers.wish));
        let (window, keys) = (self.window.load(Relaxed), self.keys.load(Relaxed));
        let share = window / self.workers.load(Relaxed).max(1);
        newcomers.most = if window > 0 { share.max(1) } else { 0 };
        newcomers.room = keys / ROOM_PART + ROOM_MIN;
        if uses == 0 {
            return;
        }
        if window > 0 {
            let least = (keys * WINDOW_LEAST / 100).max(1);
            let window = window.saturating_add_signed(wish as isize);
            self.window.store(window.clamp(least, (keys * WINDOW_MOST / 100).max(1)), Relaxed);
        }
        let haste = (HASTE * PARTS * window as u64).checked_div(keys as u64).unwrap_or(0);
        let more = uses * (PARTS + haste);
        let parts = self.parts.fetch_add(more, Relaxed) + more;
        let due = (keys as u64 * PERIOD_USES * PARTS / PERIOD_MOMENTS).max(PARTS);
        if parts < due {
            return;
        }
        // Two workers that come here at once let it pass twice, which does no harm.
        self.parts.fetch_sub(parts.min(due), Relaxed);
        let next = Rule::moment_after(moment, 1);
        engine.options.set_aging(Rule::Popularity { moment: next });
        if next.is_multiple_of(COUNT_EVERY) || keys == 0 {
            self.count_keys(engine);
        }
    }

    /// Notes that memory is short: from now on who is added is a newcomer.
    pub fn begin(&self, engine: &'static Engine) {
        if self.window.load(Relaxed) == 0 {
            let keys = self.count_keys(engine);
            self.window.store((keys * WINDOW_LEAST / 100).max(1), Relaxed);
        }
    }

    fn count_keys(&self, engine: &'static Engine) -> usize {
        let first = fastrand::usize(..SHARDS);
        let shards = (0..COUNTED).map(|n| (first + n * (SHARDS / COUNTED)) % SHARDS);
        let keys = shards.map(|at| match engine.keyspace.lock_shard_unless_busy(at) {
            Ok(mut locked) => locked.shard_at(at).dbs().map(|(_, db)| db.table().len()).sum(),
            Err(_) => 0,
        });
        let keys = keys.sum::<usize>() * (SHARDS / COUNTED);
        self.keys.store(keys, Relaxed);
        keys
    }

    /// Who goes: the least popular that was drawn, or a newcomer that is used less. The other one
    /// stays, the drawn one in the pool.
    pub fn judge(
        &self,
        engine: &'static Engine,
        local: &mut WorkerState,
        pool: &mut Pool,
        drawn: Option<Candidate>,
        (volatile_only, now): (bool, Now),
    ) -> Option<(Candidate, Way)> {
        let newcomers = &mut local.newcomers;
        let mut newcomer = None;
        while newcomers.hashes.len() > newcomers.most || drawn.is_none() {
            let Some(hash) = newcomers.hashes.pop_front() else { break };
            newcomer = settle_newcomer(engine, hash, volatile_only, now);
            if newcomer.is_some() {
                break;
            }
        }
        let uses = |candidate: &Candidate| candidate.uses;
        match (drawn, newcomer) {
            (Some(drawn), Some(newcomer)) => {
                let ahead = u8::from(uses(&drawn) >= CLOSE_RACE);
                if uses(&newcomer) > uses(&drawn) + ahead {
                    return Some((drawn, Way::Displaced));
                }
                pool.offer(drawn);
                Some((newcomer, Way::Refused))
            }
            (Some(drawn), None) => Some((drawn, Way::Displaced)),
            (None, newcomer) => newcomer.map(|newcomer| (newcomer, Way::Refused)),
        }
    }

    /// Notes who goes, by the hash of its name, and how.
    pub fn remember(&self, engine: &'static Engine, gone: &Candidate, hash: u64, way: Way) {
        let Rule::Popularity { moment } = engine.options.aging() else { return };
        let at = shard_of(hash);
        if let Ok(mut locked) = engine.keyspace.lock_shard_unless_busy(at) {
            let shard = locked.shard_at(at);
            let keys = shard.db(gone.db).map_or(0, |db| db.table().len());
            shard.ghosts.note(hash, gone.uses, way, keys, moment);
        }
    }
}

/// Whether a quota keeps a key whatever memory there is.
fn keeps(engine: &'static Engine, db: usize, entry: &Entry) -> bool {
    engine.keyspace.quotas().is_some_and(|quotas| {
        let quota = quotas.of_key(db, entry.key());
        quota.is_some_and(|quota| quotas.at(quota).policy.rank == Rank::Never)
    })
}

/// The newcomer with this hash, if it is still there: it is none any more.
fn settle_newcomer(
    engine: &'static Engine,
    hash: u64,
    volatile_only: bool,
    now: Now,
) -> Option<Candidate> {
    let (at, hasher, aging) = (shard_of(hash), engine.keyspace.hasher(), engine.options.aging());
    let mut locked = engine.keyspace.lock_shard_unless_busy(at).ok()?;
    let shard = locked.shard_at(at);
    for index in shard.indices() {
        let db = shard.db_mut(index);
        let Some(slot) = db.table().find_where(hash, |entry| entry.hash(hasher) == hash) else {
            continue;
        };
        let newcomer = db.modify(slot, |entry| {
            let is_newcomer = aging.is_newcomer(entry.age());
            entry.touch(Rule::settled(entry.age()));
            let is_kept = keeps(engine, index, entry);
            (is_newcomer && !is_kept && (!volatile_only || entry.deadline_ms() != 0))
                .then(|| Candidate::of(index, entry, aging, now))
        });
        if newcomer.is_some() {
            return newcomer;
        }
    }
    None
}
