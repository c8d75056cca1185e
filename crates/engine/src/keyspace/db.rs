//! One shard's part of one database: its entries, and what it owes to a running snapshot.
//!
//! Every way to change or remove an entry leads through here, because a snapshot that has yet to
//! save an entry gets it first.

use crate::hasher::Hasher;
use crate::keyspace::quotas::{Counts, Quotas};
use crate::keyspace::snapshot::pending::{Queue, Saving, SnapshotItem};
use crate::storage::entry::{Entry, NewValue};
use crate::storage::expires::Expires;
use crate::storage::table::{Slot, Table};
use crate::storage::timed_table::TimedTable;
use crate::storage::value::Type;
use std::sync::Arc;

/// One shard's part of one database.
#[derive(Default)]
#[repr(C)]
pub struct Db {
    entries: TimedTable,
    /// The epoch of every entry that no running snapshot is owed.
    epoch: bool,
    /// What the running snapshot is owed; None while there is none, or once it has all.
    saving: Option<Saving>,
    /// What it has of each quota, if there are any.
    counts: Option<Box<Counts>>,
}

/// What has been removed because its time had come.
pub enum Due {
    /// A whole entry.
    Entry(Entry),
    /// Some fields of a hash, or members of a set.
    Parts {
        /// The value's key.
        key: Box<[u8]>,
        /// Its type.
        of: Type,
        /// The parts' names.
        parts: Vec<Box<[u8]>>,
        /// The value itself, which goes with the last of its parts.
        emptied: Option<Entry>,
    },
}

impl Db {
    /// An empty part of a database, which counts what it has of quotas.
    pub(crate) fn of_quotas(quotas: Option<&'static Quotas>, db: usize) -> Db {
        let counts = quotas.map(|quotas| Box::new(Counts::new(quotas, db)));
        Db { counts, ..Db::default() }
    }

    /// The part was taken away from its database.
    pub(crate) fn leave_quotas(&self) {
        self.counts.iter().for_each(|counts| counts.leave());
    }

    /// The part came to a database.
    pub(crate) fn join_quotas(&mut self, db: usize) {
        self.counts.iter_mut().for_each(|counts| counts.join(db));
    }

    /// The bytes of an entry that is about to change; nothing where nobody asks.
    #[inline]
    fn counted(&self, slot: Slot) -> usize {
        if self.counts.is_some() { self.table().at(slot).allocated() } else { 0 }
    }

    /// Counts an entry that has changed.
    #[inline]
    fn recount(&mut self, slot: Slot, before: usize) {
        if let Some(counts) = &mut self.counts {
            let entry = self.entries.table().at(slot);
            counts.add(entry.key(), entry.allocated() as i64 - before as i64, 0);
        }
    }

    /// Counts an entry that was taken out.
    #[inline]
    fn discount(&mut self, entry: &Entry) {
        if let Some(counts) = &mut self.counts {
            counts.add(entry.key(), -(entry.allocated() as i64), -1);
        }
    }

    /// The table of the entries.
    #[inline]
    pub fn table(&self) -> &Table {
        self.entries.table()
    }

    /// The table, for what changes nothing that is saved: the ages of entries.
    #[inline]
    pub(crate) fn table_mut(&mut self) -> &mut Table {
        self.entries.table_mut()
    }

    /// The deadlines of this part.
    #[inline]
    pub fn expires(&self) -> &Expires {
        self.entries.expires()
    }

    /// The bytes that entries, buckets and deadlines take.
    #[inline]
    pub fn allocated(&self) -> usize {
        self.entries.allocated()
    }

    /// The bytes that the table and the deadlines take without the entries.
    #[inline]
    pub fn overhead(&self) -> usize {
        self.entries.overhead()
    }

    /// Makes room for so many entries, if there are none yet.
    pub fn reserve(&mut self, entries: usize) {
        self.entries.reserve(entries);
    }

    /// Puts a new entry in; its key is not there yet.
    #[inline]
    pub fn insert(&mut self, hash: u64, entry: Entry, hasher: &Hasher) -> Slot {
        if let Some(counts) = &mut self.counts {
            counts.add(entry.key(), entry.allocated() as i64, 1);
        }
        self.entries.insert(hash, entry, self.epoch, hasher)
    }

    /// Overwrites an entry's value and deadline. Returns the old entry, to be dropped, unless it
    /// was reused or a snapshot has it now; see [`Entry::replace`].
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
        let hands_over = self.saving.is_some() && self.table().at(slot).object().is_some();
        if !hands_over {
            self.keep(slot);
        }
        let before = self.counted(slot);
        let old = self.entries.replace(hash, slot, value, deadline_ms, self.epoch, hasher);
        self.recount(slot, before);
        if hands_over { old.and_then(|old| self.hand_over_old(old)) } else { old }
    }

    /// Changes an entry in place by `f`, which may change its size but not its deadline.
    #[inline]
    pub fn modify<R>(&mut self, slot: Slot, f: impl FnOnce(&mut Entry) -> R) -> R {
        self.keep(slot);
        let before = self.counted(slot);
        let result = self.entries.modify(slot, self.epoch, f);
        self.recount(slot, before);
        result
    }

    /// As [`Db::modify`], for a value that may have deadlines inside.
    #[inline]
    pub fn modify_timed<R>(
        &mut self,
        hash: u64,
        slot: Slot,
        hasher: &Hasher,
        f: impl FnOnce(&mut Entry) -> R,
    ) -> R {
        self.keep(slot);
        let before = self.counted(slot);
        let result = self.entries.modify_timed(hash, slot, self.epoch, hasher, f);
        self.recount(slot, before);
        result
    }

    /// Changes an entry's deadline; zero takes it away.
    #[inline]
    pub fn set_deadline(&mut self, hash: u64, slot: Slot, deadline_ms: u64, hasher: &Hasher) {
        self.keep(slot);
        let before = self.counted(slot);
        self.entries.set_deadline(hash, slot, deadline_ms, self.epoch, hasher);
        self.recount(slot, before);
    }

    /// Takes an entry out.
    #[inline]
    pub fn take(&mut self, hash: u64, slot: Slot, hasher: &Hasher) -> Entry {
        self.keep(slot);
        let entry = self.entries.take(hash, slot, hasher);
        self.discount(&entry);
        entry
    }

    /// Removes an entry. Returns it, to be dropped, unless a snapshot has it now.
    #[inline]
    pub fn remove(&mut self, hash: u64, slot: Slot, hasher: &Hasher) -> Option<Entry> {
        let entry = self.entries.take(hash, slot, hasher);
        self.discount(&entry);
        self.hand_over_old(entry)
    }

    /// Called before an entry changes or goes: a snapshot that has yet to save it gets it first.
    #[inline]
    fn keep(&mut self, slot: Slot) {
        if let Some(saving) = &self.saving {
            saving.keep(self.entries.table_mut().at_mut(slot), self.epoch);
        }
    }

    /// Called with an entry that was taken out for good: a snapshot that has yet to save it gets
    /// the entry itself, which for a large one is far cheaper than a copy.
    #[inline]
    fn hand_over_old(&self, old: Entry) -> Option<Entry> {
        match &self.saving {
            Some(saving) => saving.keep_owned(old, self.epoch),
            None => Some(old),
        }
    }

    /// Removes one entry that is due, or some of its parts, at most `limit`; None when nothing
    /// is due.
    pub fn expire_one(&mut self, now_ms: u64, hasher: &Hasher, limit: usize) -> Option<Due> {
        loop {
            let parts = self.entries.pop_due(now_ms)?;
            let found = self.entries.find_due(parts, now_ms, hasher);
            let removed =
                found.and_then(|(hash, slot)| self.expire_at(hash, slot, now_ms, hasher, limit));
            self.entries.note_again(parts, hasher);
            if removed.is_some() {
                return removed;
            }
        }
    }

    /// Removes the entry in a slot if it is due, else at most `limit` of its parts that are, and
    /// the entry with the last of them. None when nothing was due after all.
    pub fn expire_at(
        &mut self,
        hash: u64,
        slot: Slot,
        now_ms: u64,
        hasher: &Hasher,
        limit: usize,
    ) -> Option<Due> {
        if (1..=now_ms).contains(&self.table().at(slot).deadline_ms()) {
            return Some(Due::Entry(self.take(hash, slot, hasher)));
        }
        let mut parts = Vec::new();
        let emptied = self.modify_timed(hash, slot, hasher, |entry| {
            let object = entry.object_mut();
            object.is_some_and(|it| it.expire(now_ms, limit, hasher, |it| parts.push(it.into())))
        });
        if parts.is_empty() {
            return None;
        }
        let entry = self.table().at(slot);
        let (key, of) = (entry.key().into(), entry.kind());
        let emptied = emptied.then(|| self.take(hash, slot, hasher));
        Some(Due::Parts { key, of, parts, emptied })
    }

    /// Turns the epoch over: every entry of this part, which is `db` in `shard`, is owed to a
    /// snapshot from now on. Returns how many there are.
    pub(crate) fn owe(&mut self, db: usize, shard: usize, queue: &Arc<Queue>) -> usize {
        assert!(self.saving.is_none(), "one snapshot at a time");
        if !self.table().is_empty() {
            self.epoch = !self.epoch;
            self.saving = Some(Saving::all(db, shard, queue));
        }
        self.table().len()
    }

    /// Passes to `f` what is owed of one segment; false when nothing is owed any more.
    pub(crate) fn save_segment(&mut self, f: &mut dyn FnMut(SnapshotItem<'_>)) -> bool {
        let Some(saving) = &mut self.saving else { return false };
        let more = saving.save_segment(self.entries.table_mut(), self.epoch, f);
        if !more {
            self.saving = None;
        }
        more
    }

    /// Hands a part that was taken out of its shard to the snapshot that it owes. Returns it when
    /// it owes nothing.
    pub(crate) fn hand_over(mut self) -> Option<Db> {
        let Some(saving) = self.saving.take() else { return Some(self) };
        saving.keep_table(self.entries, self.epoch);
        None
    }

    /// Drops a segment; see [`Table::shed`].
    pub(crate) fn shed(&mut self, heavy: &mut Vec<Entry>) -> bool {
        self.entries.shed(heavy)
    }
}
