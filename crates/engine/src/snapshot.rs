//! A point in time of the whole keyspace, taken while it goes on being changed, without a fork.
//!
//! Every entry has an epoch bit, and every part of a database an epoch. At the flip, with all
//! shards held for a moment, each part turns its epoch over: from then on an entry whose bit
//! differs from its part's is one that the snapshot has yet to save.
//!
//! ```text
//!            before the flip        after it
//!   part     epoch 0                epoch 1
//!   entry    bit 0                  bit 0: owed      bit 1: saved, or newer than the flip
//! ```
//!
//! Two meet every owed entry once. The walk goes through the shards, one segment of a table under
//! one short lock, saves what is owed and turns the bit. A writer that comes first keeps a copy of
//! the old value, which the walk picks up from a queue before it goes on; so what is kept is
//! bounded by how far the walk's output is behind the writers, not by how much they write.
//! A part that is flushed goes to the queue as it is, without a copy; one that is swapped takes
//! its debt along, under the index that it had at the flip.
//!
//! While no snapshot runs, a writer pays one branch.
//!
//! Deliberately absent: threads and files. Whoever runs a snapshot calls [`Snapshot::step`] until
//! it says that all is told; one that is given up must be walked to its end all the same.

use crate::entry::Entry;
use crate::hasher::{SHARDS, shard_of};
use crate::keyspace::Keyspace;
use crate::shard::{Db, Shard};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Old values that a writer gathers before it touches the queue.
const BATCH: usize = 64;
/// Entries that are put in between two looks at the memory of their buckets.
const RESTORE_BATCH: usize = 64;

/// What a part of a database owes to the running snapshot.
pub(crate) struct Saving {
    /// The database's index at the flip.
    db: usize,
    /// The first segment that was not walked yet.
    segment: usize,
    /// Old values on their way to the queue.
    kept: Vec<Entry>,
    queue: Arc<Queue>,
}

impl Saving {
    /// Keeps an entry that is about to change or go, if the snapshot has yet to save it.
    #[cold]
    pub(crate) fn keep(&mut self, entry: &Entry, epoch: bool) {
        if entry.epoch() != epoch {
            self.kept.push(entry.clone());
            if self.kept.len() >= BATCH || entry.is_heavy() {
                self.hand_over();
            }
        }
    }

    /// As [`Saving::keep`], for an entry that nobody else wants: comes back with it if it is not
    /// owed.
    #[cold]
    pub(crate) fn keep_owned(&mut self, entry: Entry, epoch: bool) -> Option<Entry> {
        if entry.epoch() == epoch {
            return Some(entry);
        }
        let is_heavy = entry.is_heavy();
        self.kept.push(entry);
        if self.kept.len() >= BATCH || is_heavy {
            self.hand_over();
        }
        None
    }

    fn hand_over(&mut self) {
        if !self.kept.is_empty() {
            let kept = std::mem::take(&mut self.kept);
            self.queue.0.lock().push(Kept::Entries(self.db, kept));
        }
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        self.hand_over();
    }
}

impl Clone for Saving {
    /// A copy of a part is no part of the keyspace, and owes nothing.
    fn clone(&self) -> Saving {
        Saving { kept: Vec::new(), segment: usize::MAX, queue: self.queue.clone(), ..*self }
    }
}

/// What writers keep for the walk.
enum Kept {
    /// Old values, of a database by its index at the flip.
    Entries(usize, Vec<Entry>),
    /// A part that was emptied before it was walked.
    Part(Db),
}

#[derive(Default)]
struct Queue(Mutex<Vec<Kept>>);

impl Db {
    fn owe(&mut self, db: usize, queue: &Arc<Queue>) {
        assert!(self.saving.is_none(), "one snapshot at a time");
        if !self.table.is_empty() {
            self.epoch = !self.epoch;
            let (kept, queue) = (Vec::new(), queue.clone());
            self.saving = Some(Box::new(Saving { db, segment: 0, kept, queue }));
        }
    }

    /// Tells what is owed of one segment; false when nothing is owed any more.
    fn tell_segment(&mut self, f: &mut dyn FnMut(usize, &Entry)) -> bool {
        let Some(saving) = &mut self.saving else { return false };
        let Some(entries) = self.table.segment_mut(saving.segment) else {
            // What is still kept goes to the queue.
            self.saving = None;
            return false;
        };
        for entry in entries.filter(|entry| entry.epoch() != self.epoch) {
            f(saving.db, entry);
            entry.set_epoch(self.epoch);
        }
        saving.segment += 1;
        true
    }

    /// Hands a part that nobody reaches any more to the snapshot that it owes. Comes back with it
    /// when it owes nothing.
    pub(crate) fn hand_over(self) -> Option<Db> {
        let Some(saving) = &self.saving else { return Some(self) };
        let queue = saving.queue.clone();
        queue.0.lock().push(Kept::Part(self));
        None
    }
}

impl Shard {
    fn owe(&mut self, queue: &Arc<Queue>) {
        for index in self.indices() {
            self.db_mut(index).owe(index, queue);
        }
    }

    /// Tells what is owed of one segment; false when the whole shard has told all.
    fn tell_segment(&mut self, f: &mut dyn FnMut(usize, &Entry)) -> bool {
        let indices = self.indices();
        indices.into_iter().any(|index| self.db_mut(index).tell_segment(f))
    }
}

impl Keyspace {
    /// Begins a snapshot of this moment. `at_flip` runs while all shards are held: nothing
    /// happens between what it sees and what the snapshot holds.
    ///
    /// # Panics
    /// When another snapshot has not been walked to its end.
    pub fn begin_snapshot<R>(&'static self, at_flip: impl FnOnce() -> R) -> (Snapshot, R) {
        let queue = Arc::<Queue>::default();
        let mut view = self.lock_all();
        for index in 0..SHARDS {
            view.shard_at(index).owe(&queue);
        }
        let result = at_flip();
        (Snapshot { keyspace: self, queue, kept: VecDeque::new(), shard: 0 }, result)
    }

    /// Drops every key of every database. No snapshot may be under way.
    pub fn clear(&'static self) {
        let mut view = self.lock_all();
        for index in 0..SHARDS {
            let shard = view.shard_at(index);
            let parts: Vec<Db> = (0..shard.db_limit()).filter_map(|db| shard.take_db(db)).collect();
            view.publish(index);
            drop(parts);
        }
    }

    /// Puts entries in that were saved, each with its database, and empties `entries`. Returns
    /// false when a key was there already: then what was saved is not one keyspace.
    pub fn restore(&'static self, entries: &mut Vec<(usize, Entry)>) -> bool {
        let hasher = self.hasher();
        let mut whole = true;
        let mut hashes = [0; RESTORE_BATCH];
        let mut entries = entries.drain(..);
        while entries.len() > 0 {
            let batch = RESTORE_BATCH.min(entries.len());
            for (hash, (db, entry)) in hashes.iter_mut().zip(&entries.as_slice()[..batch]) {
                *hash = hasher.hash(entry.key());
                self.prefetch_bucket(*db, *hash);
            }
            for (&hash, (db, entry)) in hashes[..batch].iter().zip(&mut entries) {
                let wake_ms = entry.wake_ms();
                let mut view = self.lock_shard(shard_of(hash));
                let part = view.shard(hash).db_mut(db);
                if part.table.find(hash, entry.key()).is_some() {
                    whole = false;
                    continue;
                }
                part.insert(hash, entry, hasher);
                if wake_ms != 0 {
                    view.publish_earlier(shard_of(hash), wake_ms);
                }
            }
        }
        whole
    }
}

/// A snapshot on its way out.
pub struct Snapshot {
    keyspace: &'static Keyspace,
    queue: Arc<Queue>,
    /// What was taken from the queue and not told yet.
    kept: VecDeque<Kept>,
    /// The shard that is walked.
    shard: usize,
}

impl Snapshot {
    /// Takes one step: calls `f` with some entries as they were at the flip, each with its
    /// database's index. `f` may run under a lock: it only copies. False when all have been told.
    pub fn step(&mut self, f: &mut dyn FnMut(usize, &Entry)) -> bool {
        if self.kept.is_empty() {
            self.kept.extend(std::mem::take(&mut *self.queue.0.lock()));
        }
        match self.kept.pop_front() {
            Some(Kept::Entries(db, entries)) => {
                entries.iter().for_each(|entry| f(db, entry));
                return true;
            }
            Some(Kept::Part(mut part)) => {
                // What it kept comes through the queue.
                if part.tell_segment(f) {
                    self.kept.push_front(Kept::Part(part));
                }
                return true;
            }
            None => {}
        }
        if self.shard == SHARDS {
            return false;
        }
        if !self.keyspace.lock_shard(self.shard).shard_at(self.shard).tell_segment(f) {
            self.shard += 1;
        }
        true
    }

    /// How much of the keyspace has been walked, from 0 to 1.
    pub fn progress(&self) -> f64 {
        self.shard as f64 / SHARDS as f64
    }

    /// How many batches of old values writers have kept that were not told yet.
    pub fn backlog(&self) -> usize {
        self.kept.len() + self.queue.0.lock().len()
    }

    /// Walks to the end without telling anybody: the way to give a snapshot up.
    pub fn abandon(mut self) {
        while self.step(&mut |_, _| {}) {}
    }
}
