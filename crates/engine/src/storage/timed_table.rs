//! A table whose entries may expire: entries, the index of their deadlines, and the bytes that
//! they take, kept in step. It is what a shard has of a database, and what a large hash is.
//!
//! Each entry that is put in or changed is stamped with the epoch bit that the owner passes
//! ([`Entry::epoch`]): the keyspace knows by it what a running snapshot has yet to save. A large
//! hash always passes the same one.
//!
//! Deliberately absent: effects, events and watches. What is due is found and taken out here; what
//! follows from that is the caller's.

use crate::hasher::Hasher;
use crate::storage::entry::{Entry, NewValue};
use crate::storage::expires::{Expires, fingerprint};
use crate::storage::table::{Slot, Table};

/// The parts of a hash that the index of deadlines keeps, of a deadline that has passed.
#[derive(Clone, Copy, Debug)]
pub struct DueParts(u64);

/// A table of entries with their deadlines.
#[derive(Clone, Default)]
#[repr(C)]
pub struct TimedTable {
    table: Table,
    expires: Expires,
    /// Bytes of the entries as allocated.
    entry_bytes: usize,
}

impl TimedTable {
    /// The table of the entries.
    #[inline]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The table, for what neither adds nor removes entries and changes no size and no deadline.
    #[inline]
    pub fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    /// The deadlines.
    pub fn expires(&self) -> &Expires {
        &self.expires
    }

    /// The bytes that entries, buckets and deadlines take.
    pub fn allocated(&self) -> usize {
        self.entry_bytes + self.overhead()
    }

    /// The bytes that the table and the deadlines take without the entries.
    pub fn overhead(&self) -> usize {
        self.table.overhead() + self.expires.allocated()
    }

    /// A copy to be read from end to end: it shares the entries, and knows no deadlines but theirs.
    pub fn freeze(&mut self) -> TimedTable {
        let (table, entry_bytes) = (self.table.share(), self.entry_bytes);
        TimedTable { table, expires: Expires::default(), entry_bytes }
    }

    /// A copy that shares the entries until either is changed.
    pub fn copy(&mut self) -> TimedTable {
        TimedTable { expires: self.expires.clone(), ..self.freeze() }
    }

    /// Drops a segment; see [`Table::shed`].
    pub fn shed(&mut self, heavy: &mut Vec<Entry>) -> bool {
        self.table.shed(heavy)
    }

    /// Makes room for so many entries, if there are none yet; see [`Table::reserve`].
    pub fn reserve(&mut self, entries: usize) {
        self.table.reserve(entries);
    }

    /// Puts a new entry in; its key is not there yet.
    pub fn insert(&mut self, hash: u64, mut entry: Entry, epoch: bool, hasher: &Hasher) -> Slot {
        entry.set_epoch(epoch);
        self.entry_bytes += entry.allocated();
        let (deadline_ms, inner_ms) = (entry.deadline_ms(), entry.inner_deadline_ms());
        let slot = self.table.insert(hash, entry, hasher);
        if deadline_ms != 0 {
            self.change_deadline(hash, 0, deadline_ms, hasher);
        }
        self.change_inner(hash, 0, inner_ms, hasher);
        slot
    }

    /// Overwrites an entry's value and deadline. Returns the old entry unless it was reused; see
    /// [`Entry::replace`].
    #[inline]
    pub fn replace(
        &mut self,
        hash: u64,
        slot: Slot,
        value: NewValue<'_>,
        deadline_ms: u64,
        epoch: bool,
        hasher: &Hasher,
    ) -> Option<Entry> {
        let entry = self.table.at_mut(slot);
        let old_ms = entry.deadline_ms();
        let old_entry = entry.replace(value, deadline_ms);
        entry.set_epoch(epoch);
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
        old_entry
    }

    /// Changes an entry in place by `f`, which may change its size but not its deadline.
    #[inline]
    pub fn modify<R>(&mut self, slot: Slot, epoch: bool, f: impl FnOnce(&mut Entry) -> R) -> R {
        let entry = self.table.at_mut(slot);
        let before = entry.allocated();
        let result = f(entry);
        entry.set_epoch(epoch);
        self.entry_bytes = self.entry_bytes + entry.allocated() - before;
        result
    }

    /// As [`TimedTable::modify`], for a value that may have deadlines inside.
    #[inline]
    pub fn modify_timed<R>(
        &mut self,
        hash: u64,
        slot: Slot,
        epoch: bool,
        hasher: &Hasher,
        f: impl FnOnce(&mut Entry) -> R,
    ) -> R {
        let entry = self.table.at_mut(slot);
        let (before, before_ms) = (entry.allocated(), entry.inner_deadline_ms());
        let result = f(entry);
        entry.set_epoch(epoch);
        let after_ms = entry.inner_deadline_ms();
        self.entry_bytes = self.entry_bytes + entry.allocated() - before;
        self.change_inner(hash, before_ms, after_ms, hasher);
        result
    }

    /// Changes an entry's deadline; zero takes it away.
    pub fn set_deadline(
        &mut self,
        hash: u64,
        slot: Slot,
        deadline_ms: u64,
        epoch: bool,
        hasher: &Hasher,
    ) {
        let entry = self.table.at_mut(slot);
        let (old_ms, before) = (entry.deadline_ms(), entry.allocated());
        entry.set_deadline(deadline_ms);
        entry.set_epoch(epoch);
        self.entry_bytes = self.entry_bytes + entry.allocated() - before;
        self.change_deadline(hash, old_ms, deadline_ms, hasher);
    }

    /// Takes an entry out.
    pub fn take(&mut self, hash: u64, slot: Slot, hasher: &Hasher) -> Entry {
        let entry = self.table.take(hash, slot);
        self.entry_bytes -= entry.allocated();
        if entry.deadline_ms() != 0 {
            self.change_deadline(hash, entry.deadline_ms(), 0, hasher);
        }
        self.change_inner(hash, entry.inner_deadline_ms(), 0, hasher);
        entry
    }

    /// Makes the table of a value smaller, if that is due where an entry was taken out; see
    /// [`Table::shrink`].
    #[inline]
    pub fn shrink(&mut self, hash: u64, hasher: &Hasher) {
        self.table.shrink(hash, hasher);
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

    /// Takes the earliest deadline off the index, if it has passed. After what is due was removed,
    /// [`TimedTable::note_again`] has to be called with it.
    pub fn pop_due(&mut self, now_ms: u64) -> Option<DueParts> {
        self.expires.pop_due(now_ms).map(DueParts)
    }

    /// The hash and the slot of an entry that has these parts, and is due or holds something that
    /// is. None when it has gone, or lives longer by now.
    pub fn find_due(&self, parts: DueParts, now_ms: u64, hasher: &Hasher) -> Option<(u64, Slot)> {
        let is_due = |entry: &Entry| (1..=now_ms).contains(&entry.wake_ms());
        let slot = self.table.find_where(parts.0, is_due)?;
        Some((hasher.hash(self.table.at(slot).key()), slot))
    }

    /// Puts a deadline into the index for the entries that still have these parts: what was popped
    /// may have stood for several.
    pub fn note_again(&mut self, parts: DueParts, hasher: &Hasher) {
        let later_ms = earliest(&self.table, parts.0, hasher);
        if later_ms != 0 {
            self.expires.note(parts.0, later_ms);
        }
    }

    /// Takes one entry out that is due; None when nothing is. For values without deadlines inside.
    pub fn take_due(&mut self, now_ms: u64, hasher: &Hasher) -> Option<Entry> {
        loop {
            let parts = self.pop_due(now_ms)?;
            let found = self.find_due(parts, now_ms, hasher);
            let taken = found.map(|(hash, slot)| self.take(hash, slot, hasher));
            self.note_again(parts, hasher);
            if taken.is_some() {
                return taken;
            }
        }
    }
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
