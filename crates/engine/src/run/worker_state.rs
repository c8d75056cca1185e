//! What one worker has for itself while it runs requests.

use crate::aging::Rule;
use crate::clock::Now;
use crate::keyspace::garbage::Garbage;
use crate::keyspace::ghosts::{Recalled, Way};
use crate::keyspace::leases::Granted;
use crate::keyspace::prefixes::Known;
use crate::keyspace::shard::Shard;
use crate::keyspace::tracking::Changes;
use crate::keyspace::waiters::{Ready, Wait};
use crate::run::apart::Apart;
use crate::run::effects::Effects;
use crate::run::events::Event;
use crate::run::fieldset::Fieldset;
use crate::run::prefixes::CountingAt;
use crate::run::tags::FreeingAt;
use crate::stats::Stats;
use crate::storage::entry::Entry;
use std::collections::VecDeque;
use std::sync::Arc;

/// What one worker has for itself.
pub struct WorkerState {
    /// Its counters.
    pub stats: Arc<Stats>,
    /// What it has to drop, after the unlock, on another thread where that is worth it.
    pub garbage: Vec<Garbage>,
    pub(crate) random: fastrand::Rng,
    pub(crate) effects: Effects,
    /// Changes of keys that clients keep copies of, to be sent after the unlock.
    pub changes: Changes,
    /// Keys that have come to be in this unit and that clients wait for.
    pub(crate) ready: Vec<Ready>,
    /// Whether the request that runs may wait.
    pub(crate) may_wait: bool,
    /// What the request waits for, if it has found nothing.
    pub(crate) wait: Option<Wait>,
    /// The lease that the request that ran last was granted.
    pub(crate) granted: Option<Granted>,
    /// What the request that runs has made before.
    pub offered: Option<Box<Apart>>,
    /// What the request is going to make, before it runs again.
    pub apart: Option<Box<Apart>>,
    /// The fields whose values the request names, if the client has prepared them.
    pub fieldset: Option<Arc<Fieldset>>,
    /// Whether the command that runs may write.
    pub(crate) writes: bool,
    /// What the count of changes was before the command that runs.
    pub(crate) changes_before: u64,
    /// What the ages of entries mean.
    pub(crate) aging: Rule,
    /// Whether reads and changes of keys do not count as uses of them (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// Whether memory was short when the running script or transaction began.
    pub lacks_room: bool,
    /// Whether a script runs the command.
    pub in_script: bool,
    /// Which keys the client may learn of that the command does not name; None where all.
    pub reach: Option<Arc<dyn Reach>>,
    /// Whether the request waits for its shards however long a script holds them: what a master has
    /// sent must run.
    pub insists: bool,
    /// What this worker knows of prefixes, while runs are counted by them; and of which rule.
    pub(crate) prefixes: Option<Box<Known>>,
    pub(crate) prefixes_version: u64,
    /// Where it counts what there is of each prefix.
    pub(crate) counting: Option<CountingAt>,
    /// Where this worker frees keys of dropped tags.
    pub(crate) freeing: Option<FreeingAt>,
    /// What this worker knows of newcomers.
    pub newcomers: Newcomers,
}

/// Which keys a client may read.
pub trait Reach: Send + Sync {
    /// Whether it may read a key of this name.
    fn reads(&self, key: &[u8]) -> bool;
}

/// The keys that a worker has added lately, where eviction goes by [`Rule::Popularity`].
#[derive(Default)]
pub struct Newcomers {
    /// Their hashes, the oldest first.
    pub hashes: VecDeque<u64>,
    /// How many there may be before the oldest is compared; zero while nothing is evicted.
    pub most: usize,
    /// How many may be added meanwhile: those beyond are forgotten.
    pub room: usize,
    /// Uses of keys since they were last counted.
    pub uses: u64,
    /// By how many keys all newcomers should be more, or fewer.
    pub wish: i64,
}

impl Newcomers {
    /// Notes a key that is added, and what is known of it.
    fn add(&mut self, hash: u64, recalled: Recalled) {
        self.uses += 1;
        self.wish += match recalled.soon {
            Some(Way::Refused) => WISH,
            Some(Way::Displaced) => -WISH,
            None => 0,
        };
        if self.most > 0 {
            self.hashes.push_back(hash);
            if self.hashes.len() > self.most + self.room {
                self.hashes.pop_front();
            }
        }
    }
}

/// By how many keys one that came back soon changes the wish.
const WISH: i64 = 5;

impl WorkerState {
    /// A worker's part, with its random source's seed.
    pub fn new(stats: Arc<Stats>, seed: u64) -> WorkerState {
        WorkerState {
            stats,
            garbage: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            effects: Effects::default(),
            changes: Changes::default(),
            ready: Vec::new(),
            may_wait: false,
            wait: None,
            granted: None,
            offered: None,
            apart: None,
            fieldset: None,
            writes: false,
            changes_before: 0,
            aging: Rule::Idle,
            no_touch: false,
            lacks_room: false,
            in_script: false,
            reach: None,
            insists: false,
            prefixes: None,
            prefixes_version: 0,
            counting: None,
            freeing: None,
            newcomers: Newcomers::default(),
        }
    }

    /// Takes the events that have happened since the last call, to be published after the unlock.
    #[inline]
    pub fn take_events(&mut self) -> Option<Vec<Event>> {
        let events = &mut self.effects.events;
        if events.is_empty() { None } else { Some(events.take()) }
    }

    /// As [`WorkerState::take_events`], in the midst of a unit: before PUBLISH sends its message.
    pub fn take_events_so_far(&mut self) -> Option<Vec<Event>> {
        self.effects.events.finish();
        self.take_events()
    }

    /// Notes a use of an entry that stays as it is.
    #[inline(always)]
    pub(crate) fn note_use(&mut self, entry: &mut Entry, now: Now) {
        if self.aging != Rule::Modified && !self.no_touch {
            self.count_and_touch(entry, now);
        }
    }

    /// Notes a change of an entry, which is a use of it.
    #[inline]
    pub(crate) fn note_change(&mut self, entry: &mut Entry, now: Now) {
        if self.aging == Rule::Modified || !self.no_touch {
            self.count_and_touch(entry, now);
        }
    }

    #[inline(always)]
    fn count_and_touch(&mut self, entry: &mut Entry, now: Now) {
        match self.aging {
            Rule::Idle => entry.touch(now.access_clock()),
            _ => self.count_and_touch_by_rule(entry, now),
        }
    }

    #[inline(never)]
    fn count_and_touch_by_rule(&mut self, entry: &mut Entry, now: Now) {
        self.count_use();
        entry.touch(self.aging.used(entry.age(), now, &mut self.random));
    }

    #[inline]
    fn count_use(&mut self) {
        if let Rule::Popularity { .. } = self.aging {
            self.newcomers.uses += 1;
        }
    }

    /// The age of an entry that is added to a shard.
    #[inline]
    pub(crate) fn fresh_age(&mut self, shard: &mut Shard, db: usize, hash: u64, now: Now) -> u32 {
        let Rule::Popularity { moment } = self.aging else { return self.aging.fresh(now) };
        let keys = shard.db(db).map_or(0, |db| db.table().len());
        let recalled = shard.ghosts.recall(hash, keys, moment);
        self.newcomers.add(hash, recalled);
        Rule::returned(moment, recalled.uses, self.newcomers.most > 0)
    }

    /// Drops an entry: at once when it is small, after the unlock when that takes time.
    #[inline]
    pub(crate) fn discard(&mut self, entry: Entry) {
        if entry.is_heavy() {
            self.garbage.push(Garbage::Entry(entry));
        }
    }
}
