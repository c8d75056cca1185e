//! Keeping within `maxmemory`: keys are evicted by the worker that is about to write, and by the
//! tick of one worker, should the limit have been lowered.
//!
//! Every shard counts its bytes; their sum is taken when the requests since the last one could
//! have used up what was left, at most once a millisecond. So the path of a request only adds up
//! the bytes of its arguments; what a request adds beyond them (SETRANGE, COPY, a script) is
//! reckoned by the time that has passed. When the sum is too large, keys are evicted until some
//! room is free, so that the next sum is not due at once; at most so many keys for one request,
//! and the next goes on. A key is chosen among a few that are drawn from shards drawn at random
//! and the best that were drawn before for the same request and are still there.

use crate::dispatch::worker::Worker;
use crate::server::Server;
use redstart_config::{Config, Setting};
use redstart_engine::Now;
use redstart_engine::commands::key::EVICT;
use redstart_engine::hasher::SHARDS;
use redstart_engine::run::call::KeyAt;
use redstart_engine::run::execute::Prepared;
use redstart_engine::spec::Run;
use redstart_protocol::{OwnedArgs, Protocol, Reply};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Keys evicted for one request at most.
const KEYS_MAX: usize = 64;
/// What an entry may take beside its bytes.
const ENTRY_BYTES: usize = 64;
/// What memory is taken to have grown by in a millisecond, beside the bytes of arguments.
const GROWTH_PER_MS: usize = 1 << 20;
/// Candidates kept for the next choice.
const POOL_MAX: usize = 16;
/// How long the next try waits when there was nothing to evict, in milliseconds.
const STUCK_MS: u64 = 100;
/// Slots looked at in a shard for one that fits.
const SLOTS_MAX: usize = 32;

/// Which key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Rank {
    /// None.
    Never,
    /// The one that was not used for longest, or is used least.
    Stale,
    /// Any.
    Random,
    /// The one that expires next.
    Deadline,
}

/// The limit, and how near it is.
#[derive(Default)]
pub struct Evictor {
    /// `maxmemory`; zero is no limit.
    limit: AtomicUsize,
    rank: AtomicU8,
    volatile_only: AtomicBool,
    samples: AtomicUsize,
    /// The last sum.
    used: AtomicUsize,
    /// Bytes of arguments since.
    since: AtomicUsize,
    /// When it was taken, in monotonic milliseconds.
    taken_ms: AtomicU64,
    /// Whether nothing could be evicted then.
    stuck: AtomicBool,
}

/// A key that may go.
struct Candidate {
    score: u64,
    db: usize,
    key: Vec<u8>,
}

/// The best of all candidates that were drawn for one request, the worst first. A few draws are a
/// poor sample of all keys; what they leave over makes the next one better.
#[derive(Default)]
struct Pool(Vec<Candidate>);

impl Pool {
    /// Keeps a candidate if it is among the best.
    fn offer(&mut self, drawn: Candidate) {
        if self.0.iter().any(|kept| kept.db == drawn.db && kept.key == drawn.key) {
            return;
        }
        let at = self.0.partition_point(|kept| kept.score < drawn.score);
        self.0.insert(at, drawn);
        if self.0.len() > POOL_MAX {
            self.0.remove(0);
        }
    }

    /// Takes the best.
    fn take(&mut self) -> Option<Candidate> {
        self.0.pop()
    }
}

impl Evictor {
    /// Follows the configuration.
    pub fn configure(&self, config: &Config) {
        let policy = config.choice(Setting::MaxmemoryPolicy);
        let rank = match policy.split_once('-') {
            Some((_, "lru" | "lfu")) => Rank::Stale,
            Some((_, "random")) => Rank::Random,
            Some((_, "ttl")) => Rank::Deadline,
            _ => Rank::Never,
        };
        self.rank.store(rank as u8, Relaxed);
        self.volatile_only.store(policy.starts_with("volatile"), Relaxed);
        self.samples.store(config.count(Setting::MaxmemorySamples), Relaxed);
        self.limit.store(config.count(Setting::Maxmemory), Relaxed);
        self.since.store(usize::MAX / 2, Relaxed);
        self.taken_ms.store(0, Relaxed);
    }

    /// Whether there is a limit.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.limit.load(Relaxed) != 0
    }

    /// Makes room for a request of so many bytes; false when there is none to be made.
    pub fn make_room(
        &self,
        server: &'static Server,
        worker: &mut Worker,
        bytes: usize,
        now: Now,
    ) -> bool {
        if server.pause.is_on() {
            return true;
        }
        let limit = self.limit.load(Relaxed);
        let since = self.note(bytes, now);
        if self.used.load(Relaxed).saturating_add(since) <= limit {
            return true;
        }
        if self.taken_ms.swap(now.mono_ms, Relaxed) == now.mono_ms {
            return !self.stuck.load(Relaxed);
        }
        let mut used = sum(server);
        self.since.store(0, Relaxed);
        // Some room beyond what is asked for, so that the next sum is not due at once.
        let room = (limit / 64).min(4 << 20);
        let mut made = true;
        if used > limit.saturating_sub(room / 2) {
            let (mut evicted, mut pool) = (0, Pool::default());
            while used > limit.saturating_sub(room) && evicted < KEYS_MAX {
                let Some(freed) = self.evict(server, worker, &mut pool, now) else { break };
                used = used.saturating_sub(freed);
                evicted += 1;
            }
            worker.local.stats.evicted_keys.add(evicted as u64);
            made = used <= limit || evicted > 0;
            if evicted == KEYS_MAX {
                // There is more to do: the next request goes on at once.
                self.taken_ms.store(0, Relaxed);
            }
        }
        self.used.store(used, Relaxed);
        self.stuck.store(!made, Relaxed);
        made
    }

    /// Notes a request of so many bytes, zero being none; returns what memory may have grown by
    /// since the last sum.
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

    /// Evicts what is too much though nobody writes; true when there is more to do at once.
    pub fn shrink(&self, server: &'static Server, worker: &mut Worker, now: Now) -> bool {
        let waits = self.stuck.load(Relaxed)
            && now.mono_ms < self.taken_ms.load(Relaxed).saturating_add(STUCK_MS);
        if !self.is_on() || self.rank.load(Relaxed) == Rank::Never as u8 || waits {
            return false;
        }
        self.make_room(server, worker, 0, now);
        self.taken_ms.load(Relaxed) == 0 && self.used.load(Relaxed) > self.limit.load(Relaxed)
    }

    /// Removes the best of a few keys; None when there is none that may go. Returns the bytes
    /// that its shard has lost.
    fn evict(
        &self,
        server: &'static Server,
        worker: &mut Worker,
        pool: &mut Pool,
        now: Now,
    ) -> Option<usize> {
        let Candidate { db, key, .. } = self.choose(server, pool, now)?;
        let Run::Data(run) = EVICT.run else { return None };
        let hash = server.engine.keyspace.hasher().hash(&key);
        let args = OwnedArgs::from_slices(&[b"EVICT", &key]);
        let shard = redstart_engine::hasher::shard_of(hash);
        let before = bytes_of(server, shard);
        let prepared = Prepared {
            command: &EVICT,
            run,
            args: args.as_args(),
            keys: &[KeyAt { arg: 1, hash }],
            db,
        };
        let told = worker.local.changes.stale.len();
        server.engine.run(&mut worker.local, prepared, now, &mut Reply::new(Protocol::Resp2));
        // It is no client's own doing.
        worker.local.changes.stale[told..].iter_mut().for_each(|stale| stale.by_request = false);
        Some(before.saturating_sub(bytes_of(server, shard)))
    }

    /// The best of a few keys and of those in the pool.
    fn choose(&self, server: &'static Server, pool: &mut Pool, now: Now) -> Option<Candidate> {
        let rank = self.rank.load(Relaxed);
        if rank == Rank::Never as u8 {
            return None;
        }
        // Where any will do, the first is as good as the best.
        let any = rank == Rank::Random as u8;
        let wanted = if any { 1 } else { self.samples.load(Relaxed) };
        let (mut drawn, mut at) = (0, fastrand::usize(..SHARDS));
        for _ in 0..SHARDS {
            if let Some(candidate) = self.draw(server, at, rank, now) {
                drawn += 1;
                pool.offer(candidate);
            }
            if drawn >= wanted {
                break;
            }
            at = (at + 1) % SHARDS;
        }
        pool.take()
    }

    /// Draws a key of a shard.
    fn draw(&self, server: &'static Server, at: usize, rank: u8, now: Now) -> Option<Candidate> {
        let volatile_only = self.volatile_only.load(Relaxed);
        let mut view = server.engine.keyspace.ask_shard(at).ok()?;
        let shard = view.shard_at(at);
        let fits = |db: &&(usize, &redstart_engine::keyspace::shard::Db)| {
            !db.1.table.is_empty() && (!volatile_only || db.1.expires().volatile() > 0)
        };
        let dbs = shard.dbs().filter(|db| fits(&db)).count();
        let (index, db) = shard.dbs().filter(|db| fits(&db)).nth(fastrand::usize(..dbs.max(1)))?;
        let (_, slots) = db.table.capacity();
        let start = fastrand::usize(..slots);
        let looked = if volatile_only { slots } else { SLOTS_MAX.min(slots) };
        let may_go = |entry: &&redstart_engine::storage::entry::Entry| {
            !volatile_only || entry.deadline_ms() != 0
        };
        let drawn = (0..looked).filter_map(|n| db.table.nth((start + n) % slots)).find(may_go);
        let entry = match drawn {
            Some(entry) => entry,
            None => db.table.iter().find(may_go)?,
        };
        let score = match rank {
            rank if rank == Rank::Stale as u8 => {
                server.engine.options.aging().staleness(entry.age(), now).into()
            }
            rank if rank == Rank::Deadline as u8 => u64::MAX - entry.deadline_ms(),
            _ => 0,
        };
        Some(Candidate { score, db: index, key: entry.key().to_vec() })
    }
}

/// The bytes that all data takes.
fn sum(server: &'static Server) -> usize {
    (0..SHARDS).map(|index| bytes_of(server, index)).sum()
}

/// The bytes that a shard's data takes.
fn bytes_of(server: &'static Server, index: usize) -> usize {
    let Ok(mut view) = server.engine.keyspace.ask_shard(index) else { return 0 };
    view.shard_at(index).dbs().map(|(_, db)| db.allocated()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(score: u64, key: &str) -> Candidate {
        Candidate { score, db: 0, key: key.into() }
    }

    #[test]
    fn a_pool_keeps_the_best_and_none_twice() {
        let mut pool = Pool::default();
        for score in (0..100).rev() {
            pool.offer(candidate(score, &score.to_string()));
            pool.offer(candidate(score, "twice"));
        }
        let taken: Vec<u64> = std::iter::from_fn(|| pool.take().map(|best| best.score)).collect();
        let best: Vec<u64> = [99].into_iter().chain((85..100).rev()).collect();
        assert_eq!(taken, best);
    }
}
