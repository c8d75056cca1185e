//! What one lock protects: a shard's part of every database.
//!
//! A key's name belongs to the same shard in all databases, so MOVE, COPY, SWAPDB and FLUSHALL
//! need no locks beyond the ones that their keys have. Database 0 lies in the shard itself; the
//! others are made when they are first written to.

use crate::hasher::Hasher;
use crate::keyspace::snapshot::Saving;
use crate::keyspace::tracking::{Changes, Tracked};
use crate::keyspace::watch::Watches;
use crate::run::blocking::Waiters;
use crate::storage::entry::{Entry, NewValue};
use crate::storage::expires::{Expires, fingerprint};
use crate::storage::table::{Slot, Table};
use crate::storage::value::Object;

/// One shard's part of one database.
#[derive(Clone, Default)]
pub struct Db {
    /// The entries.
    pub table: Table,
    expires: Expires,
    /// Bytes of the entries as allocated.
    entry_bytes: usize,
    /// The epoch of every entry that no running snapshot is owed.
    pub(crate) epoch: bool,
    /// What the running snapshot is owed; None while there is none, or once it has all.
    pub(crate) saving: Option<Saving>,
}

impl Db {
    /// Called with an entry that is gone and that nobody wants: a snapshot that has yet to save it
    /// gets the entry itself, which for a large one is far cheaper than a copy.
    #[inline]
    fn hand_over_old(&mut self, old: Entry) -> Option<Entry> {
        match &mut self.saving {
            Some(saving) => saving.keep_owned(old, self.epoch),
            None => Some(old),
        }
    }

    /// Called before an entry changes or goes: a snapshot that has yet to save it gets it first.
    #[inline]
    fn keep(&mut self, slot: Slot) {
        if let Some(saving) = &mut self.saving {
            saving.keep(self.table.at_mut(slot), self.epoch);
        }
    }

    /// The bytes that entries, buckets and deadlines take.
    pub fn allocated(&self) -> usize {
        self.entry_bytes + self.table.overhead() + self.expires.allocated()
    }

    /// The bytes that the table and the deadlines take without the entries.
    pub fn overhead(&self) -> usize {
        self.table.overhead() + self.expires.allocated()
    }

    /// A copy to be read from end to end: it shares the entries, and knows no deadlines but theirs.
    pub(crate) fn freeze(&mut self) -> Db {
        Db { table: self.table.share(), entry_bytes: self.entry_bytes, ..Db::default() }
    }

    /// The deadlines of this part.
    pub fn expires(&self) -> &Expires {
        &self.expires
    }

    /// Puts a new entry in; its key is not there yet.
    pub fn insert(&mut self, hash: u64, mut entry: Entry, hasher: &Hasher) -> Slot {
        entry.set_epoch(self.epoch);
        self.entry_bytes += entry.allocated();
        let (deadline_ms, inner_ms) = (entry.deadline_ms(), entry.inner_deadline_ms());
        let slot = self.table.insert(hash, entry, hasher);
        if deadline_ms != 0 {
            self.change_deadline(hash, 0, deadline_ms, hasher);
        }
        self.change_inner(hash, 0, inner_ms, hasher);
        slot
    }

    /// Overwrites an entry's value and deadline; see [`Entry::replace`].
    #[inline]
    pub fn replace(
        &mut self,
        hash: u64,
        slot: Slot,
        value: NewValue<'_>,
        deadline_ms: u64,
        hasher: &Hasher,
    ) -> Option<Entry> {
        // A large value is never overwritten in place: it is handed over below.
        let hands_over = self.saving.is_some() && self.table.at(slot).object().is_some();
        if !hands_over {
            self.keep(slot);
        }
        let entry = self.table.at_mut(slot);
        let old_ms = entry.deadline_ms();
        let old_entry = entry.replace(value, deadline_ms);
        entry.set_epoch(self.epoch);
        let mut inner_ms = (0, 0);
        if let Some(old) = &old_entry {
            self.entry_bytes += entry.allocated();
            self.entry_bytes -= old.allocated();
            inner_ms = (old.inner_deadline_ms(), entry.inner_deadline_ms());
        }
        if old_ms != deadline_ms {
            self.change_deadline(hash, old_ms, deadline_ms, hasher);
        }
        self.change_inner(hash, inner_ms.0, inner_ms.1, hasher);
        if hands_over { old_entry.and_then(|old| self.hand_over_old(old)) } else { old_entry }
    }

    /// Changes an entry in place by `f`, which may change its size but not its deadline.
    pub fn modify<R>(&mut self, slot: Slot, f: impl FnOnce(&mut Entry) -> R) -> R {
        self.keep(slot);
        let entry = self.table.at_mut(slot);
        let before = entry.allocated();
        let result = f(entry);
        entry.set_epoch(self.epoch);
        self.entry_bytes = self.entry_bytes + entry.allocated() - before;
        result
    }

    /// As [`Db::modify`], for a value that may have deadlines inside.
    pub fn modify_timed<R>(
        &mut self,
        hash: u64,
        slot: Slot,
        hasher: &Hasher,
        f: impl FnOnce(&mut Entry) -> R,
    ) -> R {
        self.keep(slot);
        let entry = self.table.at_mut(slot);
        let (before, before_ms) = (entry.allocated(), entry.inner_deadline_ms());
        let result = f(entry);
        entry.set_epoch(self.epoch);
        let after_ms = entry.inner_deadline_ms();
        self.entry_bytes = self.entry_bytes + entry.allocated() - before;
        self.change_inner(hash, before_ms, after_ms, hasher);
        result
    }

    /// Changes an entry's deadline; zero takes it away.
    pub fn set_deadline(&mut self, hash: u64, slot: Slot, deadline_ms: u64, hasher: &Hasher) {
        self.keep(slot);
        let entry = self.table.at_mut(slot);
        let (old_ms, before) = (entry.deadline_ms(), entry.allocated());
        entry.set_deadline(deadline_ms);
        entry.set_epoch(self.epoch);
        self.entry_bytes = self.entry_bytes + entry.allocated() - before;
        self.change_deadline(hash, old_ms, deadline_ms, hasher);
    }

    /// Takes an entry out.
    pub fn take(&mut self, hash: u64, slot: Slot, hasher: &Hasher) -> Entry {
        self.keep(slot);
        self.take_kept(hash, slot, hasher)
    }

    /// Removes an entry. Comes back with it, to be dropped, unless a snapshot has it now.
    pub fn remove(&mut self, hash: u64, slot: Slot, hasher: &Hasher) -> Option<Entry> {
        let entry = self.take_kept(hash, slot, hasher);
        self.hand_over_old(entry)
    }

    fn take_kept(&mut self, hash: u64, slot: Slot, hasher: &Hasher) -> Entry {
        let entry = self.table.take(hash, slot);
        self.entry_bytes -= entry.allocated();
        if entry.deadline_ms() != 0 {
            self.change_deadline(hash, entry.deadline_ms(), 0, hasher);
        }
        self.change_inner(hash, entry.inner_deadline_ms(), 0, hasher);
        entry
    }

    fn change_deadline(&mut self, hash: u64, old_ms: u64, new_ms: u64, hasher: &Hasher) {
        self.expires.change(hash, old_ms, new_ms);
        self.rebuild_if_stale(hasher);
    }

    #[inline]
    fn change_inner(&mut self, hash: u64, old_ms: u64, new_ms: u64, hasher: &Hasher) {
        if old_ms != new_ms {
            self.expires.change_inner(hash, old_ms, new_ms);
            self.rebuild_if_stale(hasher);
        }
    }

    fn rebuild_if_stale(&mut self, hasher: &Hasher) {
        if self.expires.is_stale() {
            let table = &self.table;
            self.expires.rebuild(|hash| earliest(table, hash, hasher));
        }
    }

    /// Takes out one entry that is due, or None when nothing is. Fields that are due go with it.
    pub fn pop_due(&mut self, now_ms: u64, hasher: &Hasher) -> Option<Entry> {
        loop {
            if let Due::Entry(entry) = self.expire_one(now_ms, hasher, usize::MAX)? {
                return Some(entry);
            }
        }
    }

    /// Removes one entry that is due, or some of its fields, at most `limit`; None when nothing
    /// is due.
    pub fn expire_one(&mut self, now_ms: u64, hasher: &Hasher, limit: usize) -> Option<Due> {
        loop {
            let hash = self.expires.pop_due(now_ms)?;
            let due = |entry: &Entry| (1..=now_ms).contains(&entry.wake_ms());
            let found = self.table.find_where(hash, due).and_then(|slot| {
                let hash = hasher.hash(self.table.at(slot).key());
                self.expire_at(hash, slot, now_ms, hasher, limit)
            });
            // The popped item may have stood for others that share these parts of the hash.
            let later_ms = earliest(&self.table, hash, hasher);
            if later_ms != 0 {
                self.expires.note(hash, later_ms);
            }
            if found.is_some() {
                return found;
            }
        }
    }

    /// Removes the entry in a slot if it is due, else at most `limit` of its fields that are, and
    /// the entry with the last of them. None when nothing was due after all.
    pub fn expire_at(
        &mut self,
        hash: u64,
        slot: Slot,
        now_ms: u64,
        hasher: &Hasher,
        limit: usize,
    ) -> Option<Due> {
        if (1..=now_ms).contains(&self.table.at(slot).deadline_ms()) {
            return Some(Due::Entry(self.take(hash, slot, hasher)));
        }
        let mut fields = Vec::new();
        let emptied = self.modify_timed(hash, slot, hasher, |entry| match entry.object_mut() {
            Some(Object::Hash(of)) => {
                of.expire(now_ms, limit, hasher, |field| fields.push(field.into()));
                of.is_empty()
            }
            _ => false,
        });
        if emptied {
            return Some(Due::Entry(self.take(hash, slot, hasher)));
        }
        let key = || self.table.at(slot).key().into();
        (!fields.is_empty()).then(|| Due::Fields { key: key(), fields })
    }
}

/// What has been removed because its time had come.
pub enum Due {
    /// A whole entry.
    Entry(Entry),
    /// Some fields of a hash.
    Fields {
        /// The hash's key.
        key: Box<[u8]>,
        /// The fields' names.
        fields: Vec<Box<[u8]>>,
    },
}

/// The earliest deadline among the entries that share the parts of `hash`; zero for none.
fn earliest(table: &Table, hash: u64, hasher: &Hasher) -> u64 {
    let mut earliest_ms = 0;
    table.find_where(hash, |entry| {
        let deadline_ms = entry.wake_ms();
        let same = || fingerprint(hasher.hash(entry.key())) == fingerprint(hash);
        if deadline_ms != 0 && (earliest_ms == 0 || deadline_ms < earliest_ms) && same() {
            earliest_ms = deadline_ms;
        }
        false
    });
    earliest_ms
}

/// One shard: its part of every database.
#[derive(Default)]
pub struct Shard {
    first: Db,
    others: Vec<Option<Box<Db>>>,
    /// Who watches keys of this shard.
    pub watches: Watches,
    /// Who has read keys of this shard and wants to hear when they change.
    pub tracked: Tracked,
    /// Who waits for keys of this shard.
    pub waiters: Waiters,
}

impl Shard {
    /// The part of database `index`, if it was ever written to.
    #[inline]
    pub fn db(&self, index: usize) -> Option<&Db> {
        match index.checked_sub(1) {
            None => Some(&self.first),
            Some(other) => self.others.get(other)?.as_deref(),
        }
    }

    /// The part of database `index`, made if need be.
    #[inline]
    pub fn db_mut(&mut self, index: usize) -> &mut Db {
        let Some(other) = index.checked_sub(1) else { return &mut self.first };
        if self.others.len() <= other {
            self.others.resize_with(other + 1, || None);
        }
        self.others[other].get_or_insert_default()
    }

    /// Every database's part, with its index.
    pub fn dbs(&self) -> impl Iterator<Item = (usize, &Db)> {
        let others = self.others.iter().enumerate();
        let others = others.filter_map(|(n, db)| Some((n + 1, db.as_deref()?)));
        std::iter::once((0, &self.first)).chain(others)
    }

    /// The indices of the databases that exist here.
    pub fn indices(&self) -> Vec<usize> {
        self.dbs().map(|(index, _)| index).collect()
    }

    /// A key has changed: tells those who watch it, and notes who keeps a copy.
    #[inline]
    pub fn touch(&mut self, db: usize, key: &[u8], by_request: bool, changes: &mut Changes) {
        self.watches.touch(db, key);
        self.tracked.touch(key, by_request, changes);
    }

    /// The earliest noted deadline of all databases.
    pub fn next_ms(&self) -> u64 {
        self.dbs().filter_map(|(_, db)| db.expires.next_ms()).min().unwrap_or(u64::MAX)
    }

    /// One more than the highest index of a database that exists here.
    pub fn db_limit(&self) -> usize {
        1 + self.others.len()
    }

    /// Takes a database's part away, if there is anything in it.
    pub fn take_db(&mut self, index: usize) -> Option<Db> {
        let part = match index.checked_sub(1) {
            None => Some(std::mem::take(&mut self.first)),
            Some(other) => self.others.get_mut(other)?.take().map(|part| *part),
        };
        // An empty part hands what it kept for a snapshot over when it is dropped.
        let part = part.filter(|part| !part.table.is_empty())?;
        self.watches.touch_table(index, &part.table, 0);
        Some(part)
    }

    /// Exchanges two databases; who watches a key does not care if one comes whose time is over.
    pub fn swap(&mut self, a: usize, b: usize, now_ms: u64) {
        let (from_a, from_b) = (self.take_db(a), self.take_db(b));
        for (index, part) in [(a, from_b), (b, from_a)] {
            if let Some(part) = part {
                self.watches.touch_table(index, &part.table, now_ms);
                *self.db_mut(index) = part;
            }
        }
    }
}
