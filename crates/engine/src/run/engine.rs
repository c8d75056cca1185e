//! The data model as a whole, and what surrounds every run: the locks of its keys, and the unit of
//! the effect stream that it is a part of.

use crate::error::Error;
use crate::hasher::{SHARDS, hash_in};
use crate::keyspace::{Keyspace, LockedShards};
use crate::options::Options;
use crate::run::effect::{Listener, Sink};
use crate::run::event_classes::Classes;
use crate::run::registry::{KeyShape, Registered};
use crate::run::worker_state::WorkerState;
use crate::spec::{Command, KeyAt, REACHES, WALKS, WHOLE_KEYSPACE, each_key, reaches_anywhere};
use redstart_protocol::Args;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// The data model as a whole: what all workers share.
pub struct Engine {
    /// All keys and values.
    pub keyspace: Keyspace,
    /// Settings that handlers read.
    pub options: Options,
    sinks: [OnceLock<Arc<dyn Sink>>; Listener::ALL.len()],
    /// Those that get effects now, by their bits.
    listening: AtomicU8,
    events: AtomicU16,
    all_changes: AtomicBool,
    waiters: AtomicU64,
}

impl Engine {
    /// An empty data model.
    pub fn new(seed: [u64; 2]) -> Engine {
        Engine {
            keyspace: Keyspace::new(seed),
            options: Options::default(),
            sinks: Default::default(),
            listening: AtomicU8::new(0),
            events: AtomicU16::new(0),
            all_changes: AtomicBool::new(false),
            waiters: AtomicU64::new(0),
        }
    }

    /// Sends the effects to a sink from now on. Each listener has at most one, for good.
    pub fn listen(&self, listener: Listener, sink: Arc<dyn Sink>) {
        let set = self.sinks[listener as usize].set(sink);
        assert!(set.is_ok(), "{listener:?} has a sink already");
        self.set_listening(listener, true);
    }

    /// Sets whether a listener's sink gets effects from now on. To be exact about "now", hold all
    /// shards.
    pub fn set_listening(&self, listener: Listener, listening: bool) {
        match listening {
            true => self.listening.fetch_or(listener.bit(), Relaxed),
            false => self.listening.fetch_and(!listener.bit(), Relaxed),
        };
    }

    /// Whether a listener's sink gets effects.
    pub fn is_listening(&self, listener: Listener) -> bool {
        self.listening.load(Relaxed) & listener.bit() != 0
    }

    /// The classes of keyspace events that are wanted from now on.
    pub fn set_events(&self, wanted: Classes) {
        self.events.store(wanted, Relaxed);
    }

    /// The classes of keyspace events that are wanted.
    pub fn events(&self) -> Classes {
        self.events.load(Relaxed)
    }

    /// Sets whether all changes of keys are noted from now on, even if no client has read them.
    pub fn want_all_changes(&self, wanted: bool) {
        self.all_changes.store(wanted, Relaxed);
    }

    /// Appends the keys of a request, hashed, to `keys`.
    ///
    /// # Errors
    /// When the arguments do not say where the keys are. The handler then runs without any, and
    /// returns the error.
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
                each_key(registered.command.keys, args, |at, _| {
                    keys.push(KeyAt { arg: at as u32, hash: hash(&args[at]) });
                })?;
                let Command { keys: specs, .. } = registered.command;
                if registered.command.is(REACHES) && reaches_anywhere(specs, args) {
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

    /// Locks what a request needs, however long a script holds it.
    #[cold]
    pub fn lock_at_last(&'static self, command: &Command, keys: &[KeyAt]) -> LockedShards {
        match command.is(WHOLE_KEYSPACE | WALKS) {
            true => self.keyspace.lock_all(),
            false => self.keyspace.lock(keys.iter().map(|key| key.hash)),
        }
    }

    /// The next waiter's place in its queues; the shards of its keys are locked.
    pub(crate) fn next_waiter(&self) -> u64 {
        self.waiters.fetch_add(1, Relaxed) + 1
    }

    /// Begins a unit of the effect stream; the shards that it needs are locked.
    #[inline(always)]
    pub fn begin(&self, local: &mut WorkerState) {
        local.effects.begin(self.listening.load(Relaxed), self.events.load(Relaxed));
        local.changes.want_all(self.all_changes.load(Relaxed));
    }

    /// Ends a unit of the effect stream, with the shards still locked.
    #[inline(always)]
    pub fn commit(&self, local: &mut WorkerState) {
        local.effects.commit(&self.sinks);
    }
}
