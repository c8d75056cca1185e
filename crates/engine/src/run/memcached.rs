//! What the operations of the memcached port reach keys by, and how one is run: as a command of
//! Redis is, whose name it goes by.

use crate::clock::Now;
use crate::error::Error;
use crate::keyspace::leases::Leases;
use crate::run::call::Call;
use crate::run::engine::Engine;
use crate::run::key_access::KeyAccess;
use crate::run::prefixes::{Before, Ran};
use crate::run::worker_state::WorkerState;
use crate::spec::{Command, Key, KeyAt};
use crate::storage::entry::Note;
use crate::storage::table::Slot;
use redstart_protocol::{Args, Reply};

/// A request for one key that is written in another protocol.
#[derive(Clone, Copy)]
pub struct Foreign<'a> {
    /// The command that it goes by.
    pub command: &'static Command,
    /// Its words.
    pub args: Args<'a>,
    /// Its key.
    pub key: &'a KeyAt,
}

impl Engine {
    /// Runs a request for one key of database 0 as a unit of its own: `f` is its handler.
    ///
    /// # Errors
    /// When a script holds the key for too long.
    #[inline(always)]
    pub fn run_foreign<R>(
        &'static self,
        local: &mut WorkerState,
        request: Foreign<'_>,
        now: Now,
        reply: &mut Reply,
        f: impl FnOnce(&mut Call<'_>) -> R,
    ) -> Result<R, Error> {
        let hash = request.key.hash;
        let mut view = match self.keyspace.try_lock_one(hash) {
            Some(view) => view,
            None => self.keyspace.lock_one_unless_busy(hash)?,
        };
        let before = local.prefixes.is_some().then(|| Before::of(local, reply));
        self.begin(local);
        if local.effects.events_wanted() {
            local.effects.events.begin(request.command, false);
        }
        self.begin_command(local, request.command);
        let mut call = Call {
            command: request.command,
            args: request.args,
            reply: &mut *reply,
            space: KeyAccess { now, db: 0, view: &mut view, local },
            options: &self.options,
            keys: std::slice::from_ref(request.key),
        };
        let result = f(&mut call);
        if let Some(before) = before {
            let Foreign { command, args, key } = request;
            let ran = Ran { command, args, keys: std::slice::from_ref(key), db: 0 };
            self.count_run(&mut view, local, ran, before, reply);
        }
        self.commit(local);
        self.serve(view, local, now);
        Ok(result)
    }
}

impl KeyAccess<'_> {
    /// Fetches a string for reading, and notes that it was read; what is no string is not found.
    #[inline]
    pub(crate) fn fetch(&mut self, key: Key<'_>) -> Option<Slot> {
        let slot = self.find(key);
        let entry = slot.map(|slot| {
            let shard = self.view.shard(key.hash);
            shard.db_mut(self.db).table_mut().at_mut(slot)
        });
        let Some(entry) = entry.filter(|entry| entry.object().is_none()) else {
            self.count(false);
            self.note_miss(key);
            return None;
        };
        self.local.note_use(entry, self.now);
        entry.set_fetched(true);
        self.count(true);
        slot
    }

    /// The version of a key's value, which is given one if it has none.
    pub(crate) fn version(&mut self, key: Key<'_>) -> u64 {
        if let Some(known) = self.known_version(key) {
            return known;
        }
        let version = self.view.keyspace().versions.draw(self.now);
        self.set_version(key, version);
        version
    }

    /// The version of a key's value, if a client was told it.
    pub(crate) fn known_version(&mut self, key: Key<'_>) -> Option<u64> {
        let place = self.place_of(key);
        self.leases(key).version(place)
    }

    /// Gives a key's value a version.
    pub(crate) fn set_version(&mut self, key: Key<'_>, version: u64) {
        let place = self.place_of(key);
        self.leases(key).set_version(place, version);
    }

    /// Whether a client computes the key's value.
    pub(crate) fn is_leased(&mut self, key: Key<'_>) -> bool {
        let (place, now) = (self.place_of(key), self.now);
        self.leases(key).is_held(place, now)
    }

    /// Notes that a client computes the value of a key, until the value that is there is over. It
    /// does not end with the client's connection.
    pub(crate) fn lease_until(&mut self, key: Key<'_>, until_ms: u64) {
        let until_ms = if until_ms == 0 { u64::MAX } else { until_ms };
        self.grant_lease(key, until_ms);
        self.local.granted = None;
    }

    /// Changes the deadline of a value, which stays the same value: its version and its lease stay.
    pub(crate) fn touch_deadline(&mut self, key: Key<'_>, slot: Slot, deadline_ms: u64) {
        let shard = self.view.shard(key.hash);
        let leases: Leases = std::mem::take(&mut shard.leases);
        self.set_deadline(key, slot, deadline_ms);
        self.view.shard(key.hash).leases = leases;
    }

    /// The note of a value.
    pub(crate) fn note_of(&mut self, key: Key<'_>, slot: Slot) -> Note {
        self.entry(key, slot).note()
    }

    /// Gives a value another note: its version and its lease are void.
    pub(crate) fn set_note(&mut self, key: Key<'_>, slot: Slot, note: Note) {
        self.modify(key, slot, |entry| entry.set_note(note));
    }

    /// A value is a new one, which no client has read.
    pub(crate) fn mark_new(&mut self, key: Key<'_>, slot: Slot) {
        let shard = self.view.shard(key.hash);
        shard.db_mut(self.db).table_mut().at_mut(slot).set_fetched(false);
    }

    /// Notes that a client has read a value.
    pub(crate) fn mark_fetched(&mut self, key: Key<'_>, slot: Slot) {
        let shard = self.view.shard(key.hash);
        shard.db_mut(self.db).table_mut().at_mut(slot).set_fetched(true);
    }

    /// The command that runs has another event than its effect shows.
    pub(crate) fn own_event(&mut self, name: &'static str) {
        self.local.effects.events.own(name);
    }

    /// For how long a value was not used, in seconds, where that is known.
    pub(crate) fn idle_s(&mut self, key: Key<'_>, slot: Slot) -> u64 {
        let (aging, now) = (self.local.aging, self.now);
        let age = self.entry(key, slot).age();
        aging.idle_s(age, now).unwrap_or(0).into()
    }
}
