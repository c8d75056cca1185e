//! Keeping within `maxmemory`: the worker that is about to write evicts keys, and so does the tick
//! of one worker when the limit has been lowered.
//!
//! What counts is what the allocator has handed out: keys and values, what clients send, queue and
//! leave unread. What there was before any data does not count, nor does what is about to be freed,
//! saved by a snapshot or written to the log: no key would have to go for it. But a request waits
//! while much is about to be freed or saved.
//!
//! The sum is taken when the requests since the last one could have used up what was left, seldom
//! more than once a millisecond. So the path of a request only adds up the bytes of its arguments;
//! what a request adds beyond them (SETRANGE, COPY, a script) is estimated by the time that has
//! passed. When the sum is too large, keys are evicted until some room is free, so that the next
//! sum is not due at once; at most so many keys at a time: then the request waits, others are
//! served, and it goes on. A key is chosen among a few that lie beside each other in a place drawn
//! at random, which says nothing of their use as their hashes are random, and the best that were
//! drawn before for the same request and are still there.

use crate::memory::pool::{Candidate, Pool};
use crate::memory::popularity::Popularity;
use crate::memory::reclaim::{Reclaimer, bytes_of as bytes_of_garbage};
use crate::memory::watermarks::Watermarks;
use crate::system::allocator::{self, Thrift};
use redstart_config::{Config, Setting};
use redstart_engine::aging::Rule;
use redstart_engine::commands::key::EVICT;
use redstart_engine::hasher::{SHARDS, shard_of};
use redstart_engine::keyspace::db::Db;
use redstart_engine::keyspace::quotas::{Of, Policy, Quotas, Rank};
use redstart_engine::storage::entry::Entry;
use redstart_engine::{Engine, KeyAt, Now, Prepared, WorkerState};
use redstart_protocol::{Args, Protocol, Reply, Span};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Keys evicted at a time: a request for which these are too few waits while others are served.
const KEYS_MAX: usize = 256;
/// What an entry may take beside its bytes.
const ENTRY_BYTES: usize = 64;
/// What memory is taken to grow by in a millisecond, beside the bytes of arguments.
const GROWTH_PER_MS: usize = 1 << 20;
/// How long the next try waits when there was nothing to evict, in milliseconds.
const STUCK_MS: u64 = 100;
/// Bytes of requests after which the sum is taken anew although no time has passed.
const SUM_BYTES: usize = 256 * 1024;
/// The most room that is made beyond what is asked for, in bytes.
const SPARE_MAX: usize = 64 * 1024;
/// Below this limit few resident bytes are worth more than speed, in bytes.
const SMALL_LIMIT: usize = 1 << 30;
/// By which part of the limit the process may be larger than that before it counts.
const SLACK_FREE_PART: usize = 20;
/// How much it is taken to grow yet, as its pages come to be partly used, in bytes.
const SLACK_GROWTH: usize = 4 << 20;
/// What the process has beyond the limit and this part of it counts several times: where blocks of
/// another size come than those that go, pages stay partly used for long.
const SLACK_FAR_PART: usize = 6;
const SLACK_FAR_TIMES: usize = 3;
/// Which part of the limit may go to that at most, and which part comes back at a time.
const SLACK_MAX_PART: usize = 3;
/// Below this limit the program itself is most of the process, in bytes.
const SLACK_LIMIT_MIN: usize = 32 << 20;
const SLACK_STEP_PART: usize = 1024;
/// A request waits while more than this part of the limit waits to be freed or saved.
const LEAVING_PART: usize = 16;
/// Entries looked at in a shard for keys that fit.
const NEAR_MAX: usize = 32;

/// The rank that was stored as a number.
fn rank_of(stored: u8) -> Rank {
    let ranks = [Rank::Stale, Rank::Random, Rank::Deadline];
    ranks.into_iter().find(|rank| *rank as u8 == stored).unwrap_or(Rank::Never)
}

/// Whether there is room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Enough,
    /// There will be: more has to be evicted first.
    Later,
    /// There is none, and none can be made.
    None,
}

/// The limit, and how near it is.
pub struct Evictor {
    watermarks: &'static Watermarks,
    reclaimer: &'static Reclaimer,
    /// `maxmemory`; zero is no limit.
    limit: AtomicUsize,
    /// A [`Rank`].
    rank: AtomicU8,
    has_quotas: AtomicBool,
    /// Whether only keys with a deadline may go.
    volatile_only: AtomicBool,
    /// Keys that one is chosen from (`maxmemory-samples`).
    samples: AtomicUsize,
    /// The last sum, in bytes.
    used: AtomicUsize,
    /// Bytes of arguments since the last sum.
    since: AtomicUsize,
    /// When the last sum was taken, in monotonic milliseconds.
    taken_ms: AtomicU64,
    /// Whether nothing could be evicted after the last sum.
    stuck: AtomicBool,
    /// Whether much was about to be freed or saved then.
    crowded: AtomicBool,
    /// What the process has of the system beyond its share, as far as that counts, in bytes.
    slack: AtomicUsize,
    /// Whether the process has so much that workers should give back what they can.
    bloated: AtomicBool,
    /// What the policies of `tinylfu` know.
    popularity: Popularity,
}

impl Evictor {
    /// No limit yet.
    pub fn new(watermarks: &'static Watermarks, reclaimer: &'static Reclaimer) -> Evictor {
        Evictor {
            watermarks,
            reclaimer,
            limit: AtomicUsize::new(0),
            rank: AtomicU8::new(Rank::Never as u8),
            has_quotas: AtomicBool::new(false),
            volatile_only: AtomicBool::new(false),
            samples: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            since: AtomicUsize::new(0),
            taken_ms: AtomicU64::new(0),
            stuck: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
            slack: AtomicUsize::new(0),
            bloated: AtomicBool::new(false),
            popularity: Popularity::default(),
        }
    }

    /// Follows the configuration.
    pub fn configure(&self, config: &Config) {
        let policy = config.choice(Setting::MaxmemoryPolicy);
        let policy = Policy::of_name(policy);
        self.rank.store(policy.rank as u8, Relaxed);
        self.volatile_only.store(policy.volatile_only, Relaxed);
        self.has_quotas.store(!config.quotas().is_empty(), Relaxed);
        self.samples.store(config.count(Setting::MaxmemorySamples), Relaxed);
        self.popularity.reset(config.count(Setting::Threads));
        let limit = config.count(Setting::Maxmemory);
        self.limit.store(limit, Relaxed);
        self.slack.store(0, Relaxed);
        allocator::set_short(false);
        allocator::set_thrift(match limit {
            1..SMALL_LIMIT => Thrift::Small,
            _ => Thrift::Fast,
        });
        self.since.store(usize::MAX / 2, Relaxed);
        self.taken_ms.store(0, Relaxed);
    }

    fn rank(&self) -> Rank {
        rank_of(self.rank.load(Relaxed))
    }

    /// Whether requests that need memory have to ask for room.
    #[inline]
    pub fn is_asked(&self) -> bool {
        self.is_on() || self.has_quotas.load(Relaxed)
    }

    /// Whether there is a limit.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.limit.load(Relaxed) != 0
    }

    /// Notes how many bytes of the system's memory the process has; called by every tick.
    ///
    /// Pages that are partly used, or not given back yet, are memory, too, and so is the program. A
    /// process that has more than a bit beyond the limit is to do with less data, at once, because
    /// pages that have come do not go as quickly; and within bounds, because keys that go may leave
    /// pages partly used.
    pub fn note_resident(&self, bytes: impl FnOnce() -> Option<usize>) {
        let limit = self.limit.load(Relaxed);
        let Some(bytes) = (limit > 0).then(bytes).flatten() else { return };
        let excess = (bytes + SLACK_GROWTH).saturating_sub(limit + limit / SLACK_FREE_PART);
        let (slack, step) = (self.slack.load(Relaxed), limit / SLACK_STEP_PART);
        let most = if limit < SLACK_LIMIT_MIN { 0 } else { limit / SLACK_MAX_PART };
        let far = bytes.saturating_sub(limit + limit / SLACK_FAR_PART);
        let aim = (excess + far * (SLACK_FAR_TIMES - 1)).min(most);
        self.slack.store(aim.max(slack.saturating_sub(step)), Relaxed);
        self.bloated.store(bytes > limit, Relaxed);
        allocator::set_short(excess > 0);
        if aim > slack {
            // What was the last sum is too little.
            self.since.fetch_max(limit, Relaxed);
        }
    }

    /// Whether workers should give memory back that they do not use.
    pub fn is_bloated(&self) -> bool {
        self.is_on() && self.bloated.load(Relaxed)
    }

    /// Whether requests wait until the memory of what has gone is there again.
    pub fn is_crowded(&self) -> bool {
        self.crowded.load(Relaxed)
    }

    /// Whether the last sum was beyond the limit.
    pub fn is_over(&self) -> bool {
        self.is_on() && self.used.load(Relaxed) > self.limit.load(Relaxed)
    }

    /// Makes room for a request of so many bytes; so many wait to be written to the log. Never
    /// called during a pause, which keeps every key.
    pub fn make_room(
        &self,
        engine: &'static Engine,
        local: &mut WorkerState,
        bytes: usize,
        log_bytes: usize,
        now: Now,
    ) -> Room {
        let limit = self.limit.load(Relaxed);
        self.popularity.settle(engine, local);
        let since = self.note(bytes, now);
        if self.used.load(Relaxed).saturating_add(since) <= limit {
            return Room::Enough;
        }
        let is_fresh = self.taken_ms.swap(now.mono_ms, Relaxed) == now.mono_ms;
        if is_fresh && self.since.load(Relaxed) < SUM_BYTES {
            if self.stuck.load(Relaxed) {
                return Room::None;
            }
            return if self.is_crowded() { Room::Later } else { Room::Enough };
        }
        self.since.store(0, Relaxed);
        let kept = || engine.keyspace.kept_for_snapshot();
        let leaves_much = || kept() + self.reclaimer.bytes_waiting() > limit / LEAVING_PART;
        let mut used = self.sum(log_bytes + kept() + bytes_of_garbage(&local.garbage));
        // Some room beyond what is asked for, so that the next sum is not due at once; little, so
        // that few keys have to go at a time.
        let spare = (limit / 64).min(SPARE_MAX);
        let mut room = Room::Enough;
        if used > limit.saturating_sub(spare / 2) {
            let (mut evicted, mut pool) = (0, Pool::default());
            if let Rule::Popularity { .. } = engine.options.aging() {
                self.popularity.begin(engine);
            }
            // A key that a snapshot keeps leaves no room yet.
            while used > limit.saturating_sub(spare) && evicted < KEYS_MAX && !leaves_much() {
                let Some(freed) = self.evict(engine, local, &mut pool, now) else { break };
                used = used.saturating_sub(freed);
                evicted += 1;
            }
            local.stats.evicted_keys.add(evicted as u64);
            if evicted == KEYS_MAX {
                // There is more to do: the next request goes on at once.
                self.taken_ms.store(0, Relaxed);
            }
            room = match evicted {
                _ if used <= limit => Room::Enough,
                0 => Room::None,
                _ => Room::Later,
            };
        }
        let crowded = leaves_much();
        if crowded {
            room = Room::Later;
        }
        self.crowded.store(crowded, Relaxed);
        self.used.store(used, Relaxed);
        self.stuck.store(room == Room::None, Relaxed);
        room
    }

    /// What counts, but for so many bytes.
    fn sum(&self, but: usize) -> usize {
        let not_counted = self.watermarks.startup() + self.reclaimer.bytes_waiting() + but;
        allocator::allocated().saturating_sub(not_counted) + self.slack.load(Relaxed)
    }

    /// Notes a request of so many bytes, where zero is no request. Returns by how many bytes memory
    /// may have grown since the last sum.
    fn note(&self, bytes: usize, now: Now) -> usize {
        let more = if bytes == 0 { 0 } else { bytes + ENTRY_BYTES };
        let since = self.since.fetch_add(more, Relaxed).saturating_add(more);
        if since == 0 {
            return 0;
        }
        let elapsed_ms = now.mono_ms.saturating_sub(self.taken_ms.load(Relaxed));
        let elapsed_ms = usize::try_from(elapsed_ms).unwrap_or(usize::MAX);
        since.saturating_add(elapsed_ms.saturating_mul(GROWTH_PER_MS))
    }

    /// Evicts what is too much although no client writes; true when there is more to do at once.
    /// Never called during a pause.
    pub fn shrink(
        &self,
        engine: &'static Engine,
        local: &mut WorkerState,
        log_bytes: usize,
        now: Now,
    ) -> bool {
        let waits = self.stuck.load(Relaxed)
            && now.mono_ms < self.taken_ms.load(Relaxed).saturating_add(STUCK_MS);
        let search = Search::of_all(self, engine);
        if !self.is_on() || search.rank == Rank::Never || waits {
            return false;
        }
        self.make_room(engine, local, 0, log_bytes, now);
        self.taken_ms.load(Relaxed) == 0 && self.used.load(Relaxed) > self.limit.load(Relaxed)
    }

    /// Removes the best of a few keys. Returns the bytes that it took, or None when no
    /// key may go.
    fn evict(
        &self,
        engine: &'static Engine,
        local: &mut WorkerState,
        pool: &mut Pool,
        now: Now,
    ) -> Option<usize> {
        let drawn = self.choose(engine, pool, &Search::of_all(self, engine), now);
        let (gone, way) = if let Rule::Popularity { .. } = engine.options.aging() {
            let only = (self.volatile_only.load(Relaxed), now);
            let (gone, way) = self.popularity.judge(engine, local, pool, drawn, only)?;
            (gone, Some(way))
        } else {
            (drawn?, None)
        };
        let hash = engine.keyspace.hasher().hash(&gone.key);
        if let Some(way) = way {
            self.popularity.remember(engine, &gone, hash, way);
        }
        Some(remove(engine, local, gone, hash, now))
    }

    /// Makes room for a key in its quota, where a request of so many bytes writes it.
    pub fn make_room_in_quota(
        &self,
        engine: &'static Engine,
        local: &mut WorkerState,
        (db, key): (usize, &[u8]),
        bytes: usize,
        now: Now,
    ) -> Room {
        let Some(quotas) = engine.keyspace.quotas() else { return Room::Enough };
        let Some(index) = quotas.of_key(db, key) else { return Room::Enough };
        let quota = quotas.at(index);
        let more = (bytes + ENTRY_BYTES) as u64;
        let hasher = engine.keyspace.hasher();
        let is_short = || {
            quota.lacks_bytes(more) || quota.lacks_keys() && !has(engine, db, key, hasher.hash(key))
        };
        let search = Search::of_quota(engine, quotas, index);
        let (mut evicted, mut pool) = (0, Pool::default());
        while is_short() {
            if evicted == KEYS_MAX {
                return Room::Later;
            }
            let found = match quota.is_stuck(now.mono_ms) {
                true => None,
                false => self.choose(engine, &mut pool, &search, now),
            };
            let Some(gone) = found else {
                quota.note_stuck(now.mono_ms + STUCK_MS);
                quota.refused.fetch_add(1, Relaxed);
                return Room::None;
            };
            let hash = hasher.hash(&gone.key);
            remove(engine, local, gone, hash, now);
            quota.evicted.fetch_add(1, Relaxed);
            local.stats.evicted_keys.add(1);
            evicted += 1;
        }
        Room::Enough
    }

    /// The best of a few keys and of those in the pool.
    fn choose(
        &self,
        engine: &'static Engine,
        pool: &mut Pool,
        search: &Search<'_>,
        now: Now,
    ) -> Option<Candidate> {
        let wanted = match search.rank {
            Rank::Never => return None,
            // The first is as good as any other.
            Rank::Random => 1,
            Rank::Stale | Rank::Deadline => self.samples.load(Relaxed),
        };
        let near = pool.places.next(&engine.keyspace, wanted);
        let (mut drawn, mut at) = (0, shard_of(near));
        for _ in 0..SHARDS {
            drawn += draw(engine, (at, near), search, now, wanted - drawn, pool);
            if drawn >= wanted {
                break;
            }
            at = (at + 1) % SHARDS;
        }
        pool.take()
    }
}

/// Draws up to `wanted` keys of a shard, near a hash; returns how many there were that may go.
fn draw(
    engine: &'static Engine,
    (at, near): (usize, u64),
    search: &Search<'_>,
    now: Now,
    wanted: usize,
    pool: &mut Pool,
) -> usize {
    let volatile_only = search.volatile_only;
    // Freed after the unlock.
    let _stale;
    let Ok(mut locked) = engine.keyspace.lock_shard_unless_busy(at) else { return 0 };
    let shard = locked.shard_at(at);
    // Values whose time is over go first.
    _stale = shard.leases.take_stale();
    let fits = |&(index, db): &(usize, &Db)| {
        !db.table().is_empty()
            && (!volatile_only || db.expires().volatile() > 0)
            && search.db.is_none_or(|only| only == index)
    };
    let dbs = shard.dbs().filter(fits).count();
    let chosen = shard.dbs().filter(fits).nth(fastrand::usize(..dbs.max(1)));
    let Some((index, db)) = chosen else { return 0 };
    let aging = engine.options.aging();
    let mut consider = |entry: &Entry| consider(index, entry, search, aging, now, pool);
    let drawn = if volatile_only {
        // They may be few: one of a shard is enough.
        let (_, slots) = db.table().capacity();
        let start = fastrand::usize(..slots);
        let mut all = (0..slots).filter_map(|n| db.table().nth((start + n) % slots));
        usize::from(all.any(&mut consider))
    } else {
        let near = db.table().near(near).take(NEAR_MAX);
        near.filter(|entry| consider(entry)).take(wanted).count()
    };
    if drawn > 0 { drawn } else { usize::from(db.table().iter().any(consider)) }
}

/// Offers an entry to the pool if it may go; returns whether it may.
fn consider(
    db: usize,
    entry: &Entry,
    search: &Search<'_>,
    aging: Rule,
    now: Now,
    pool: &mut Pool,
) -> bool {
    let score = match search.rank_of(db, entry) {
        Rank::Never => return false,
        Rank::Stale => aging.staleness(entry.age(), now).into(),
        Rank::Deadline => u64::MAX - entry.deadline_ms(),
        Rank::Random => 0,
    };
    if aging.is_newcomer(entry.age()) {
        return false;
    }
    pool.offer_entry(score, (db, entry), aging, now);
    true
}

/// Removes a key for the sake of memory. Returns the bytes that its entry took, if it was there.
fn remove(
    engine: &'static Engine,
    local: &mut WorkerState,
    gone: Candidate,
    hash: u64,
    now: Now,
) -> usize {
    let Candidate { db, key, bytes, .. } = gone;
    let name = EVICT.spec.name.as_bytes();
    let mut text = SmallVec::<[u8; 64]>::from_slice(name);
    text.extend_from_slice(&key);
    let spans = [(0, name.len()), (name.len(), key.len())];
    let spans = spans.map(|(start, len)| Span { start: start as u32, len: len as u32 });
    let prepared = Prepared {
        command: &EVICT.spec,
        run: EVICT.run,
        args: Args::new(&text, &spans),
        keys: &[KeyAt { arg: 1, hash }],
        db,
    };
    let (before_it, changes) = (local.changes.stale.len(), local.stats.changes.value());
    engine.run(local, prepared, now, &mut Reply::new(Protocol::Resp2));
    // No client has asked for this change.
    local.changes.stale[before_it..].iter_mut().for_each(|stale| stale.by_request = false);
    if local.stats.changes.value() > changes { bytes } else { 0 }
}

/// Which keys may go, and which of them first.
struct Search<'a> {
    rank: Rank,
    volatile_only: bool,
    /// What is said of keys without a quota.
    policy: Policy,
    quotas: Option<&'a Quotas>,
    /// The quota, or the database, whose keys alone are meant.
    only: Option<usize>,
    db: Option<usize>,
}

impl Search<'_> {
    /// All keys, as far as no quota of theirs keeps them.
    fn of_all(evictor: &Evictor, engine: &'static Engine) -> Search<'static> {
        let volatile_only = evictor.volatile_only.load(Relaxed);
        let policy = Policy { name: "", rank: evictor.rank(), volatile_only };
        let quotas = engine.keyspace.quotas();
        let rank = match policy.rank {
            // What quotas let go makes room for the others.
            Rank::Never if quotas.is_some_and(Quotas::any_evicts) => Rank::Stale,
            rank => rank,
        };
        let volatile_only = volatile_only && quotas.is_none();
        Search { rank, volatile_only, policy, quotas, only: None, db: None }
    }

    /// The keys of a quota.
    fn of_quota(engine: &'static Engine, quotas: &'static Quotas, index: usize) -> Search<'static> {
        let quota = quotas.at(index);
        let policy = quota.policy;
        let db = match quota.of {
            Of::Db(db) => Some(db),
            Of::Prefix(_) => None,
        };
        let quotas = engine.keyspace.quotas();
        let Policy { rank, volatile_only, .. } = policy;
        Search { rank, volatile_only, policy, quotas, only: Some(index), db }
    }

    /// By what an entry may go.
    #[inline]
    fn rank_of(&self, db: usize, entry: &Entry) -> Rank {
        let quota = self.quotas.and_then(|quotas| quotas.of_key(db, entry.key()));
        let policy = match (quota, self.only) {
            (quota, Some(only)) if quota != Some(only) => return Rank::Never,
            (Some(quota), _) => self.quotas.map_or(self.policy, |all| all.at(quota).policy),
            (None, _) => self.policy,
        };
        if policy.admits(entry) { policy.rank } else { Rank::Never }
    }
}

/// Whether a key is there.
fn has(engine: &'static Engine, db: usize, key: &[u8], hash: u64) -> bool {
    let Ok(mut view) = engine.keyspace.lock_one_unless_busy(hash) else { return true };
    view.shard(hash).db(db).is_some_and(|part| part.table().find(hash, key).is_some())
}
