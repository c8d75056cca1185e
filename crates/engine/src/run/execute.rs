//! Runs one prepared request: locks what its keys need, calls the handler, hands on the effects,
//! unlocks, and only then frees.

use crate::aging::Rule;
use crate::clock::Now;
use crate::error::Error;
use crate::hasher::{SHARDS, hash_in};
use crate::keyspace::db::Due;
use crate::keyspace::garbage::Garbage;
use crate::keyspace::tracking::Changes;
use crate::keyspace::{Keyspace, LockedShards};
use crate::options::Options;
use crate::run::blocking::{Ready, Wait};
use crate::run::call::{Call, Key, KeyAccess, KeyAt};
use crate::run::effects::{Effects, Sink};
use crate::run::event_classes::Classes;
use crate::run::events::Event;
use crate::run::registry::{KeyShape, Registered};
use crate::spec::keys::{each_key, reaches_anywhere};
use crate::spec::{Command, DataRun, TAKES_KEEPTTL, WALKS, WHOLE_KEYSPACE, WRITE};
use crate::stats::Stats;
use crate::storage::entry::Entry;
use redstart_protocol::{Args, Reply};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// The data model as a whole: what all workers share.
pub struct Engine {
    /// All keys and values.
    pub keyspace: Keyspace,
    /// Settings that handlers read.
    pub options: Options,
    sink: OnceLock<Arc<dyn Sink>>,
    listening: AtomicBool,
    events: AtomicU16,
    all_changes: AtomicBool,
    waiters: AtomicU64,
}

/// What one worker has for itself.
pub struct WorkerState {
    /// Its counters.
    pub stats: Arc<Stats>,
    /// What it has to drop. Whoever runs requests empties it after the unlock, on another thread
    /// where that is worth it.
    pub garbage: Vec<Garbage>,
    pub(crate) random: fastrand::Rng,
    pub(crate) effects: Effects,
    /// Changes of keys that clients keep copies of. Whoever runs requests tells them after the
    /// unlock.
    pub changes: Changes,
    /// Keys that have come to be in this unit and that somebody waits for.
    pub(crate) ready: Vec<Ready>,
    /// Whether the request that runs may wait.
    pub(crate) may_wait: bool,
    /// What it wants to wait for.
    pub(crate) wait: Option<Wait>,
    /// Whether the command that runs may write.
    pub(crate) writes: bool,
    /// What the count of changes was before the command that runs.
    pub(crate) changes_before: u64,
    /// What the ages of entries mean.
    pub(crate) aging: Rule,
    /// Whether what runs is no use of the keys that it reads and changes (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// Whether memory was short when the script or transaction that runs was asked for.
    pub lacks_room: bool,
}

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
            writes: false,
            changes_before: 0,
            aging: Rule::Idle,
            no_touch: false,
            lacks_room: false,
        }
    }

    /// What has happened to keys since this was last asked, to be published. Asked after the
    /// unlock.
    #[inline]
    pub fn take_events(&mut self) -> Option<Vec<Event>> {
        let events = &mut self.effects.events;
        if events.is_empty() { None } else { Some(events.take()) }
    }

    /// As [`WorkerState::take_events`], in the midst of a unit: for who tells something of its own now.
    pub fn take_events_so_far(&mut self) -> Option<Vec<Event>> {
        self.effects.events.finish();
        self.take_events()
    }

    /// Notes a use of an entry.
    #[inline]
    pub(crate) fn note_use(&mut self, entry: &mut Entry, now: Now) {
        if !self.no_touch {
            entry.touch(self.aging.used(entry.age(), now, &mut self.random));
        }
    }

    /// Drops an entry: at once when it is small, after the unlock when that takes time.
    #[inline]
    pub(crate) fn discard(&mut self, entry: Entry) {
        if entry.is_heavy() {
            self.garbage.push(Garbage::Entry(entry));
        }
    }
}

/// A request whose command is known, whose arity is right and whose keys are hashed.
#[derive(Clone, Copy)]
pub struct Prepared<'a> {
    /// The command.
    pub command: &'static Command,
    /// Its handler.
    pub run: DataRun,
    /// The arguments.
    pub args: Args<'a>,
    /// The keys, in the order of the command's specs.
    pub keys: &'a [KeyAt],
    /// The selected database.
    pub db: usize,
}

impl Engine {
    /// An empty data model.
    pub fn new(seed: [u64; 2]) -> Engine {
        Engine {
            keyspace: Keyspace::new(seed),
            options: Options::default(),
            sink: OnceLock::new(),
            listening: AtomicBool::new(false),
            events: AtomicU16::new(0),
            all_changes: AtomicBool::new(false),
            waiters: AtomicU64::new(0),
        }
    }

    /// Lets a sink listen to the effects from now on. At most one, for good.
    pub fn listen(&self, sink: Arc<dyn Sink>) {
        assert!(self.sink.set(sink).is_ok(), "the effects have a listener already");
        self.set_listening(true);
    }

    /// Whether the sink listens from now on. To be exact about "now", hold all shards.
    pub fn set_listening(&self, listening: bool) {
        self.listening.store(listening, Relaxed);
    }

    /// The classes of keyspace events that are wanted from now on.
    pub fn set_events(&self, wanted: Classes) {
        self.events.store(wanted, Relaxed);
    }

    /// The classes of keyspace events that are wanted.
    pub fn events(&self) -> Classes {
        self.events.load(Relaxed)
    }

    /// Says whether all changes of keys are to be told from now on, whoever has read them.
    pub fn want_all_changes(&self, wanted: bool) {
        self.all_changes.store(wanted, Relaxed);
    }

    /// Appends the keys of a request, hashed, to `keys`.
    ///
    /// # Errors
    /// When the keys cannot be told from the arguments; the handler then says what is wrong, and
    /// runs without any.
    #[inline]
    pub fn hash_keys(
        &self,
        registered: &Registered,
        args: Args<'_>,
        keys: &mut Vec<KeyAt>,
    ) -> Result<(), Error> {
        let hasher = self.keyspace.hasher();
        self.hash_keys_by(registered, args, keys, |key| hasher.hash(key))
    }

    /// As [`Engine::hash_keys`], by `hash`, which may know the hashes of some keys.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn hash_keys_by(
        &self,
        registered: &Registered,
        args: Args<'_>,
        keys: &mut Vec<KeyAt>,
        hash: impl Fn(&[u8]) -> u64,
    ) -> Result<(), Error> {
        match registered.keys {
            KeyShape::None => Ok(()),
            KeyShape::First => {
                keys.push(KeyAt { arg: 1, hash: hash(&args[1]) });
                Ok(())
            }
            KeyShape::Specs => {
                each_key(registered.command, args, |at, _| {
                    keys.push(KeyAt { arg: at as u32, hash: hash(&args[at]) });
                })?;
                if reaches_anywhere(registered.command, args) {
                    // Behind the keys that are named, something in every shard.
                    keys.extend((0..SHARDS).map(|index| KeyAt { arg: 0, hash: hash_in(index) }));
                }
                Ok(())
            }
        }
    }

    /// Locks what a request needs.
    ///
    /// # Errors
    /// When a script holds it for too long.
    #[inline]
    pub fn lock(&'static self, command: &Command, keys: &[KeyAt]) -> Result<LockedShards, Error> {
        if let [key] = keys
            && !command.is(WHOLE_KEYSPACE | WALKS)
        {
            self.keyspace.lock_one_unless_busy(key.hash)
        } else if command.is(WHOLE_KEYSPACE) {
            self.keyspace.lock_all_unless_busy()
        } else if command.is(WALKS) {
            Ok(self.keyspace.walk())
        } else {
            self.keyspace.lock_unless_busy(keys.iter().map(|key| key.hash))
        }
    }

    /// Runs a request as a unit of its own.
    #[inline]
    pub fn run(
        &'static self,
        local: &mut WorkerState,
        request: Prepared<'_>,
        now: Now,
        reply: &mut Reply,
    ) {
        let mut view = match self.lock(request.command, request.keys) {
            Ok(view) => view,
            Err(busy) => return busy.write(reply),
        };
        let mark = request.command.is(WALKS).then(|| reply.mark());
        self.begin(local);
        self.run_in(&mut view, local, request, now, reply);
        self.commit(local);
        if let Some(mark) = mark
            && let Some(busy) = view.gave_up()
        {
            reply.rewind(mark);
            busy.write(reply);
        }
        self.serve(view, local, now);
    }

    /// The next waiter's place in its queues; the shards of its keys are locked.
    pub(crate) fn next_waiter(&self) -> u64 {
        self.waiters.fetch_add(1, Relaxed) + 1
    }

    /// Begins a unit of the effect stream; the shards that it needs are locked.
    #[inline]
    pub fn begin(&self, local: &mut WorkerState) {
        local.effects.begin(self.listening.load(Relaxed), self.events.load(Relaxed));
        local.changes.want_all(self.all_changes.load(Relaxed));
    }

    /// Ends a unit of the effect stream, with the shards still locked.
    #[inline]
    pub fn commit(&self, local: &mut WorkerState) {
        local.effects.commit(self.sink.get().map(|sink| &**sink));
    }

    /// Runs a request under locks that its caller has taken, as a part of the caller's unit.
    #[inline]
    pub fn run_in(
        &self,
        view: &mut LockedShards,
        local: &mut WorkerState,
        request: Prepared<'_>,
        now: Now,
        reply: &mut Reply,
    ) {
        if local.effects.events_wanted() {
            let has = |words: &[&str]| {
                let is = |arg: &[u8]| words.iter().any(|w| arg.eq_ignore_ascii_case(w.as_bytes()));
                request.args.iter().skip(3).any(is)
            };
            // As an option's argument the word is refused, or overruled by what follows.
            let keeps_ttl = request.command.is(TAKES_KEEPTTL)
                && has(&["KEEPTTL"])
                && !has(&["EX", "PX", "EXAT", "PXAT"]);
            local.effects.events.begin(request.command.name, keeps_ttl);
        }
        local.writes = request.command.is(WRITE);
        local.changes_before = local.stats.changes.value();
        local.aging = self.options.aging();
        let mut call = Call {
            command: request.command,
            args: request.args,
            reply,
            space: KeyAccess { now, db: request.db, view, local },
            options: &self.options,
            keys: request.keys,
        };
        if let Err(error) = (request.run)(&mut call) {
            call.space.local.stats.errors.add(1);
            error.write(call.reply);
        }
    }

    /// Removes a key if its deadline has passed, under its lock. Returns whether it is still there
    /// although it has.
    pub fn expire_if_due(
        &self,
        view: &mut LockedShards,
        local: &mut WorkerState,
        now: Now,
        db: usize,
        key: Key<'_>,
    ) -> bool {
        self.begin(local);
        local.writes = false;
        let mut space = KeyAccess { now, db, view, local };
        let is_left = space.find(key).is_none() && space.has(key);
        self.commit(local);
        is_left
    }

    /// Removes what has expired in one shard, at most `limit` keys and fields, under its lock.
    /// Returns how many there were.
    pub fn expire_shard(
        &'static self,
        local: &mut WorkerState,
        index: usize,
        now: Now,
        limit: usize,
    ) -> usize {
        let (mut removed, mut count) = (Vec::new(), 0);
        // What a script holds for too long is looked at when it is free again.
        let Ok(mut view) = self.keyspace.lock_shard_unless_busy(index) else { return 0 };
        self.begin(local);
        for db in view.shard_at(index).indices() {
            while count < limit {
                let db_part = view.shard_at(index).db_mut(db);
                let hasher = self.keyspace.hasher();
                match db_part.expire_one(now.mono_ms, hasher, limit - count) {
                    Some(Due::Entry(entry)) => {
                        view.shard_at(index).touch(db, entry.key(), false, &mut local.changes);
                        local.effects.push_expired(db, entry.key());
                        removed.push(entry);
                        count += 1;
                    }
                    Some(Due::Fields { key, fields }) => {
                        view.shard_at(index).touch(db, &key, false, &mut local.changes);
                        local.effects.push_removed_fields(db, &key, &fields);
                        count += fields.len();
                    }
                    None => break,
                }
            }
        }
        self.commit(local);
        view.publish(index);
        drop(view);
        local.stats.expired_keys.add(removed.len() as u64);
        local.garbage.extend(removed.into_iter().filter(Entry::is_heavy).map(Garbage::Entry));
        count
    }

    /// Removes what has expired in the shards that fall to worker `worker` of `workers`. Returns
    /// whether something is left because there was too much for one call.
    pub fn expire(
        &'static self,
        local: &mut WorkerState,
        worker: usize,
        workers: usize,
        now: Now,
    ) -> bool {
        const PER_LOCK: usize = 64;
        const PER_CALL: usize = 4096;
        let mut removed = 0;
        for index in (worker..SHARDS).step_by(workers) {
            while self.keyspace.next_ms(index) <= now.mono_ms {
                let count = self.expire_shard(local, index, now, PER_LOCK);
                removed += count;
                if removed >= PER_CALL {
                    return true;
                }
                if count == 0 {
                    break;
                }
            }
        }
        false
    }
}
