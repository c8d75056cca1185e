//! The part of the keyspace that a command declared, at one moment, in one database.

use crate::aging::Rule;
use crate::clock::Now;
use crate::error::Error;
use crate::hasher::{Hasher, SHARDS, shard_of};
use crate::keyspace::LockedShards;
use crate::keyspace::db::{Db, Due};
use crate::keyspace::garbage::Garbage;
use crate::keyspace::prefixes::Cause;
use crate::options::Options;
use crate::run::event_classes::{Classes, MISSED, NEW, OVERWRITTEN, TYPE_CHANGED};
use crate::run::worker_state::WorkerState;
use crate::spec::Key;
use crate::storage::entry::{Entry, NewValue, Value};
use crate::storage::table::Slot;
use crate::storage::value::hash::{Hash, Limits};
use crate::storage::value::{Object, ObjectRef, Type};

/// The hash in an entry.
#[inline]
fn hash_in(entry: &Entry) -> Result<&Hash, Error> {
    match entry.object() {
        Some(ObjectRef::Hash(hash)) => Ok(hash),
        _ => Err(Error::WRONG_TYPE),
    }
}

/// The part of the keyspace that a run may reach, at one moment, in one database.
pub struct KeyAccess<'a> {
    /// The moment.
    pub now: Now,
    /// The selected database.
    pub db: usize,
    pub(crate) view: &'a mut LockedShards,
    pub(crate) local: &'a mut WorkerState,
}

impl<'a> KeyAccess<'a> {
    /// The keyspace's own random source.
    pub fn random(&mut self) -> &mut fastrand::Rng {
        &mut self.local.random
    }

    /// The locked shards.
    pub fn view(&mut self) -> &mut LockedShards {
        self.view
    }

    /// A key that the command did not declare by position; its shard must be locked.
    pub fn key_of<'b>(&self, bytes: &'b [u8]) -> Key<'b> {
        Key { bytes, hash: self.view.keyspace().hasher().hash(bytes) }
    }

    #[inline]
    pub(super) fn db(&mut self, key: Key<'_>) -> &mut Db {
        self.view.shard(key.hash).db_mut(self.db)
    }

    /// Where the key's entry is. One that has expired is removed and not found.
    #[inline]
    pub fn find(&mut self, key: Key<'_>) -> Option<Slot> {
        let db = self.view.shard(key.hash).db(self.db)?;
        let (slot, entry) = db.table().get(key.hash, key.bytes)?;
        if entry.is_in_doubt(self.now.mono_ms) {
            return self.look_closer(key, slot);
        }
        Some(slot)
    }

    /// Where a key's entry is that has tags, or of which something is due.
    #[inline(never)]
    fn look_closer(&mut self, key: Key<'_>, slot: Slot) -> Option<Slot> {
        if self.tags().any_dropped() && self.is_dropped(key, slot) {
            return None;
        }
        let is_due = (1..=self.now.mono_ms).contains(&self.entry(key, slot).wake_ms());
        if is_due { self.expire(key, slot) } else { Some(slot) }
    }

    /// Whether there is an entry, be it past its deadline.
    pub(crate) fn has(&mut self, key: Key<'_>) -> bool {
        let db = self.view.shard(key.hash).db(self.db);
        db.is_some_and(|db| db.table().find(key.hash, key.bytes).is_some())
    }

    /// Removes what is due of an entry, so that no command sees it. Returns where the rest is.
    /// While expiry is paused or follows a master, a read leaves an entry where it is and does not
    /// see it.
    #[cold]
    fn expire(&mut self, key: Key<'_>, slot: Slot) -> Option<Slot> {
        let (hash, hasher, now_ms) = (key.hash, self.view.keyspace().hasher(), self.now.mono_ms);
        let follows = self.view.keyspace().expiry_follows() && !self.local.writes;
        let keeps = follows || self.view.keyspace().is_expiry_paused() && !self.local.writes;
        let db = self.view.shard(key.hash).db_mut(self.db);
        if keeps && (1..=now_ms).contains(&db.table().at(slot).deadline_ms()) {
            return None;
        }
        if follows {
            return Some(slot);
        }
        match db.expire_at(hash, slot, now_ms, hasher, usize::MAX) {
            Some(Due::Entry(entry)) => {
                self.local.stats.expired_keys.add(1);
                self.note_cause(hash, Cause::Expired);
                self.part_from(key, entry);
                let waiters = &self.view.shard(hash).waiters;
                waiters.note_gone(self.db, hash, key.bytes, &mut self.local.ready);
                self.local.effects.push_expired(self.db, key.bytes);
                self.note_change(key.hash, key.bytes, false);
                None
            }
            Some(Due::Parts { key, of, parts, emptied }) => {
                let is_emptied = emptied.is_some();
                self.local.stats.expired_subkeys.add(parts.len() as u64);
                self.local.effects.push_expired_parts(self.db, &key, of, &parts, is_emptied);
                self.note_change(hash, &key, false);
                emptied.into_iter().for_each(|entry| self.local.discard(entry));
                (!is_emptied).then_some(slot)
            }
            None => Some(slot),
        }
    }

    /// The entry in a slot that `find` gave.
    #[inline]
    pub fn entry(&mut self, key: Key<'_>, slot: Slot) -> &Entry {
        self.db(key).table().at(slot)
    }

    /// The entry of a key that was looked up before, so that what was due of it is gone.
    pub fn peek(&self, key: Key<'_>) -> Option<&Entry> {
        let db = self.view.shard_ref(key.hash).db(self.db)?;
        Some(db.table().get(key.hash, key.bytes)?.1)
    }

    /// Fetches for reading: counts a hit or a miss and notes the access.
    #[inline]
    pub fn read(&mut self, key: Key<'_>) -> Option<&Entry> {
        let slot = self.find_counted(key)?;
        let entry = self.view.shard(key.hash).db_mut(self.db).table_mut().at_mut(slot);
        self.local.note_use(entry, self.now);
        Some(entry)
    }

    /// Where a key is, of which more than its value is needed: counts a hit or a miss and notes the
    /// access.
    pub fn find_to_read(&mut self, key: Key<'_>) -> Option<Slot> {
        let slot = self.find_counted(key)?;
        self.note_left(key, slot);
        Some(slot)
    }

    /// Notes a use of what a command that writes has found and leaves as it is.
    pub fn note_left(&mut self, key: Key<'_>, slot: Slot) {
        let entry = self.view.shard(key.hash).db_mut(self.db).table_mut().at_mut(slot);
        self.local.note_use(entry, self.now);
    }

    /// Notes a use of a key, even for a client that sent CLIENT NO-TOUCH. Returns whether the key
    /// is there.
    pub fn touch(&mut self, key: Key<'_>) -> bool {
        let no_touch = std::mem::take(&mut self.local.no_touch);
        let is_there = self.read(key).is_some();
        self.local.no_touch = no_touch;
        is_there
    }

    /// Fetches for a look that is no access (TTL, TYPE): counts a hit or a miss.
    #[inline]
    pub fn look(&mut self, key: Key<'_>) -> Option<&Entry> {
        let slot = self.find_counted(key)?;
        Some(self.entry(key, slot))
    }

    #[inline]
    fn find_counted(&mut self, key: Key<'_>) -> Option<Slot> {
        let slot = self.find(key);
        self.count(slot.is_some());
        if slot.is_none() {
            self.note_miss(key);
        }
        slot
    }

    /// Notes the event that a key was looked for in vain.
    #[inline]
    pub fn note_miss(&mut self, key: Key<'_>) {
        self.note_event(MISSED, "keymiss", key);
    }

    /// Notes an event that the effect does not show.
    pub(crate) fn note_event(&mut self, class: Classes, name: &'static str, key: Key<'_>) {
        if self.local.effects.events_wanted() {
            self.local.effects.events.note(class, self.db, name, key.bytes);
        }
    }

    /// The command that runs leaves the deadlines of the keys as they are: there is no event of
    /// them.
    pub(crate) fn note_kept_ttl(&mut self) {
        self.local.effects.events.keep_ttl();
    }

    /// The event of the command that runs has another name than the command.
    pub(crate) fn name_event(&mut self, name: &'static str) {
        self.local.effects.events.name_event(name);
    }

    /// Counts a change of the key, and notes it for clients that watch it or keep a copy.
    #[inline]
    pub(crate) fn touch_watches(&mut self, key: Key<'_>) {
        self.local.stats.changes.add(1);
        self.note_change(key.hash, key.bytes, true);
    }

    /// Sets how many changes the command has made, where that is not one for each time that it
    /// stored, changed or removed an entry. Called last: what follows counts again.
    #[inline]
    pub fn count_changes(&mut self, n: usize) {
        self.local.stats.changes.set(self.local.changes_before + n as u64);
    }

    #[inline]
    fn note_change(&mut self, hash: u64, key: &[u8], by_request: bool) {
        let shard = self.view.shard(hash);
        shard.touch(self.db, key, by_request, &mut self.local.changes);
        if by_request && !shard.leases.is_empty() {
            self.void_lease(Key { bytes: key, hash });
        }
    }

    /// Counts a hit or a miss.
    #[inline]
    pub fn count(&mut self, hit: bool) {
        match hit {
            true => self.local.stats.keyspace_hits.add(1),
            false => self.local.stats.keyspace_misses.add(1),
        }
    }

    /// Takes a hit or a miss back: the request will read the key again.
    pub(crate) fn uncount(&mut self, hit: bool) {
        let stats = &self.local.stats;
        let counter = if hit { &stats.keyspace_hits } else { &stats.keyspace_misses };
        counter.set(counter.value().wrapping_sub(1));
    }

    /// Fetches a string for reading; WRONGTYPE when it is something else.
    #[inline]
    pub fn read_string(&mut self, key: Key<'_>) -> Result<Option<Value<'_>>, Error> {
        self.read(key).map(Entry::string).transpose()
    }

    /// Stores a value under the key: overwrites the entry in `slot`, or adds one. A deadline of
    /// zero is none.
    #[inline]
    pub fn put(
        &mut self,
        key: Key<'_>,
        slot: Option<Slot>,
        value: NewValue<'_>,
        deadline_ms: u64,
    ) -> Slot {
        let hasher = self.view.keyspace().hasher();
        let is_new = slot.is_none();
        let shard = self.view.shard(key.hash);
        self.local.stats.changes.add(1);
        shard.touch(self.db, key.bytes, true, &mut self.local.changes);
        let shard = if shard.leases.is_empty() {
            shard
        } else {
            self.void_lease(key);
            self.view.shard(key.hash)
        };
        shard.waiters.note(self.db, key.hash, key.bytes, &mut self.local.ready);
        let age = match slot {
            Some(_) => self.local.aging.fresh(self.now),
            None => self.local.fresh_age(shard, self.db, key.hash, self.now),
        };
        let db = shard.db_mut(self.db);
        let (slot, old) = match slot {
            Some(slot) => (slot, db.replace(key.hash, slot, value, deadline_ms, hasher)),
            None => {
                if self.local.effects.events_wanted() {
                    self.local.effects.events.note(NEW, self.db, "new", key.bytes);
                }
                let entry = Entry::new(key.bytes, value, deadline_ms);
                (db.insert(key.hash, entry, hasher), None)
            }
        };
        let entry = db.table_mut().at_mut(slot);
        // Another value is a new one by its idle time, but as popular as the key has been.
        match self.local.aging {
            Rule::Frequency { .. } | Rule::Popularity { .. } if !is_new => {
                self.local.note_use(entry, self.now);
            }
            _ => entry.touch(age),
        }
        let wake_ms = entry.wake_ms();
        let moved = db.table_mut().take_moved() && self.db == 0;
        if moved {
            self.view.publish_hints(shard_of(key.hash));
        }
        if wake_ms != 0 {
            self.view.publish_earlier(shard_of(key.hash), wake_ms);
        }
        if let Some(old) = old {
            self.local.discard(old);
        }
        slot
    }

    /// Notes that the value in a slot, if there is one, is to be replaced by one of a type.
    #[inline]
    pub fn note_overwrite(&mut self, key: Key<'_>, slot: Option<Slot>, new: Type) {
        if let Some(slot) = slot
            && self.local.effects.events_wanted()
        {
            let old = self.entry(key, slot).kind();
            self.note_overwritten(key, old, new);
        }
    }

    /// Notes that a value of the type `old` was replaced by one of the type `new`.
    #[cold]
    pub fn note_overwritten(&mut self, key: Key<'_>, old: Type, new: Type) {
        if self.local.effects.events_wanted() {
            let events = &mut self.local.effects.events;
            events.note(OVERWRITTEN, self.db, "overwritten", key.bytes);
            if old != new {
                events.note(TYPE_CHANGED, self.db, "type_changed", key.bytes);
            }
        }
    }

    /// The type of the value under the key, if there is one.
    pub fn kind_of(&mut self, key: Key<'_>) -> Option<Type> {
        let slot = self.find(key)?;
        Some(self.entry(key, slot).kind())
    }

    /// Changes an entry in place; its deadline must stay.
    #[inline]
    pub fn modify<R>(&mut self, key: Key<'_>, slot: Slot, f: impl FnOnce(&mut Entry) -> R) -> R {
        self.touch_watches(key);
        let KeyAccess { now, db, view, local } = self;
        view.shard(key.hash).db_mut(*db).modify(slot, |entry| {
            local.note_change(entry, *now);
            f(entry)
        })
    }

    /// Notes that a list or a stream has grown, or that readers of a stream have to look at it: a
    /// client may wait for that.
    #[inline]
    pub fn note_grown(&mut self, key: Key<'_>) {
        let KeyAccess { db, view, local, .. } = self;
        view.shard(key.hash).waiters.note(*db, key.hash, key.bytes, &mut local.ready);
    }

    /// What waiters count of a key that was looked up: the elements of a list, one of anything
    /// else.
    pub(crate) fn len_of(&self, key: Key<'_>) -> usize {
        match self.peek(key).map(Entry::object) {
            Some(Some(ObjectRef::List(list))) => list.len(),
            Some(_) => 1,
            None => 0,
        }
    }

    /// Changes how an entry is kept in memory, but neither its value nor its age.
    pub fn reshape<R>(&mut self, key: Key<'_>, slot: Slot, f: impl FnOnce(&mut Entry) -> R) -> R {
        self.db(key).modify(slot, f)
    }

    /// Fetches a hash for reading; WRONGTYPE when it is something else.
    #[inline]
    pub fn read_hash(&mut self, key: Key<'_>) -> Result<Option<&Hash>, Error> {
        self.read(key).map(hash_in).transpose()
    }

    /// Where the key's hash is; WRONGTYPE when it is something else.
    #[inline]
    pub fn find_hash(&mut self, key: Key<'_>) -> Result<Option<Slot>, Error> {
        let Some(slot) = self.find(key) else { return Ok(None) };
        hash_in(self.entry(key, slot))?;
        Ok(Some(slot))
    }

    /// The hash in a slot that `find_hash` gave.
    ///
    /// # Panics
    /// When it is something else.
    #[inline]
    pub fn hash(&mut self, key: Key<'_>, slot: Slot) -> &Hash {
        hash_in(self.entry(key, slot)).expect("the slot was found to hold a hash")
    }

    /// Changes the hash in a slot, or makes one; one that is empty afterwards is removed. `f`
    /// returns whether it changed anything; if so, watches of the key are broken.
    #[inline]
    pub fn change_hash(
        &mut self,
        key: Key<'_>,
        slot: Option<Slot>,
        f: impl FnOnce(&mut Hash) -> bool,
    ) {
        let Some(slot) = slot else {
            let mut hash = Hash::default();
            f(&mut hash);
            if !hash.is_empty() {
                self.put(key, None, NewValue::Object(Box::new(Object::Hash(hash))), 0);
            }
            return;
        };
        self.change_parts(key, slot, |entry| {
            let Some(Object::Hash(hash)) = entry.object_mut() else {
                panic!("the slot was found to hold a hash")
            };
            (f(hash), hash.is_empty())
        });
    }

    /// Changes a value that is made of parts, which may have deadlines; one that is empty
    /// afterwards is removed. `f` returns whether it changed anything, and whether nothing is left.
    #[inline]
    pub fn change_parts(
        &mut self,
        key: Key<'_>,
        slot: Slot,
        f: impl FnOnce(&mut Entry) -> (bool, bool),
    ) {
        let hasher = self.view.keyspace().hasher();
        let KeyAccess { now, db, view, local } = self;
        let db = view.shard(key.hash).db_mut(*db);
        let (changed, is_empty, wake_ms) = db.modify_timed(key.hash, slot, hasher, |entry| {
            let (changed, is_empty) = f(entry);
            match changed {
                true => local.note_change(entry, *now),
                false => local.note_use(entry, *now),
            }
            (changed, is_empty, entry.inner_deadline_ms())
        });
        if is_empty {
            self.remove(key, slot);
        } else if changed {
            self.touch_watches(key);
            if wake_ms != 0 {
                self.view.publish_earlier(shard_of(key.hash), wake_ms);
            }
        }
    }

    /// The keyspace's hasher.
    #[inline]
    pub fn hasher(&self) -> &'a Hasher {
        self.view.keyspace().hasher()
    }

    /// Up to what a hash stays packed.
    #[inline]
    pub fn hash_limits(&self, options: &Options) -> Limits<'a> {
        Limits {
            fields: options.hash_packed_fields_max(),
            bytes: options.hash_packed_bytes_max(),
            hasher: self.view.keyspace().hasher(),
        }
    }

    /// Changes an entry's deadline; zero takes it away.
    pub fn set_deadline(&mut self, key: Key<'_>, slot: Slot, deadline_ms: u64) {
        let hasher = self.view.keyspace().hasher();
        self.touch_watches(key);
        let db = self.view.shard(key.hash).db_mut(self.db);
        db.set_deadline(key.hash, slot, deadline_ms, hasher);
        // By the other rules it was a use already to find it.
        if self.local.aging == Rule::Modified {
            self.local.note_change(db.table_mut().at_mut(slot), self.now);
        }
        if deadline_ms != 0 {
            self.view.publish_earlier(shard_of(key.hash), deadline_ms);
        }
    }

    /// Removes an entry; what is large about it is freed after the unlock.
    pub fn remove(&mut self, key: Key<'_>, slot: Slot) {
        let hasher = self.view.keyspace().hasher();
        self.touch_watches(key);
        self.note_cause(key.hash, Cause::Deleted);
        let shard = self.view.shard(key.hash);
        shard.waiters.note_gone(self.db, key.hash, key.bytes, &mut self.local.ready);
        if let Some(entry) = shard.db_mut(self.db).remove(key.hash, slot, hasher) {
            self.local.discard(entry);
        }
        if self.local.effects.events_wanted() {
            self.local.effects.events.note_removed(self.db, key.bytes);
        }
    }

    /// Takes an entry out.
    pub fn take(&mut self, key: Key<'_>, slot: Slot) -> Entry {
        let hasher = self.view.keyspace().hasher();
        self.touch_watches(key);
        self.note_cause(key.hash, Cause::Deleted);
        let shard = self.view.shard(key.hash);
        shard.waiters.note_gone(self.db, key.hash, key.bytes, &mut self.local.ready);
        shard.db_mut(self.db).take(key.hash, slot, hasher)
    }

    /// A move to another name is a use by the idle time, and none by the frequency.
    pub(crate) fn note_moved(&mut self, entry: &mut Entry) {
        if !matches!(self.local.aging, Rule::Frequency { .. } | Rule::Popularity { .. }) {
            self.local.note_change(entry, self.now);
        }
    }

    /// Stores an entry that was made under this key, in place of any other.
    pub fn place(&mut self, key: Key<'_>, entry: Entry) {
        if let Some(slot) = self.find(key) {
            self.remove(key, slot);
        }
        let (hasher, wake_ms) = (self.view.keyspace().hasher(), entry.wake_ms());
        self.touch_watches(key);
        if self.local.effects.events_wanted() {
            self.local.effects.events.note(NEW, self.db, "new", key.bytes);
        }
        let shard = self.view.shard(key.hash);
        shard.waiters.note(self.db, key.hash, key.bytes, &mut self.local.ready);
        shard.db_mut(self.db).insert(key.hash, entry, hasher);
        if wake_ms != 0 {
            self.view.publish_earlier(shard_of(key.hash), wake_ms);
        }
    }

    /// Two databases were exchanged: keys of either that clients wait for may be there now.
    pub fn note_exchanged(&mut self, a: usize, b: usize) {
        self.tags().swap_dbs(a, b);
        self.forget_leases(|db| db == a || db == b);
        for index in 0..SHARDS {
            let waiters = &self.view.shard_at(index).waiters;
            [a, b].iter().for_each(|db| waiters.note_db(*db, &mut self.local.ready));
        }
    }

    /// Drops a value that no key has any more, after the unlock when it is large.
    pub fn discard(&mut self, value: NewValue<'_>) {
        self.local.discard(Entry::new(b"", value, 0));
    }

    /// One database was emptied, or all: all copies that clients keep are stale.
    pub fn note_flushed(&mut self, only: Option<usize>) {
        self.forget_leases(|db| only.is_none_or(|only| only == db));
        self.tags().forget_dbs(|db| only.is_none_or(|only| only == db));
        for index in 0..SHARDS {
            let shard = self.view.shard_at(index);
            shard.tracked.clear(&mut self.local.changes);
            shard.waiters.note_all_gone(&mut self.local.ready);
        }
        self.local.changes.flushed = true;
    }

    /// Keeps something to be dropped after the unlock.
    pub fn discard_db(&mut self, db: Db) {
        self.local.stats.changes.add(db.table().len() as u64);
        let db = db.hand_over().map(Garbage::Db);
        self.local.garbage.extend(db);
    }

    /// Emits what was done, as a command that does it again; made only if effects are wanted.
    #[inline]
    pub fn emit<'b, I: IntoIterator<Item = &'b [u8]>>(&mut self, args: impl FnOnce() -> I) {
        self.local.effects.push(self.db, args);
    }

    /// As [`KeyAccess::emit`], of what is no event.
    pub fn emit_unseen<'b, I: IntoIterator<Item = &'b [u8]>>(&mut self, args: impl FnOnce() -> I) {
        self.local.effects.push_unseen(self.db, args);
    }

    /// Emits a string entry as a whole: `SET k v [PXAT t]`.
    pub fn emit_set(&mut self, key: Key<'_>, slot: Slot) {
        let now = self.now;
        let entry = self.entry(key, slot);
        let (value, deadline_ms) = (entry.value().to_vec(), entry.deadline_ms());
        let at = now.wall(deadline_ms).to_string();
        let mut args = vec![b"SET", key.bytes, &value];
        if deadline_ms != 0 {
            args.extend([&b"PXAT"[..], at.as_bytes()]);
        }
        self.emit(|| args);
    }

    /// Whether effects are wanted.
    #[inline]
    pub fn listened_to(&self) -> bool {
        self.local.effects.made()
    }
}
