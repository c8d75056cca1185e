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
//! Every owed entry is saved once, by the walk or by a writer. The walk goes through the shards,
//! one segment of a table under one short lock, saves what is owed and turns the bit. A writer that
//! comes first encodes the old value into a buffer, which the walk picks up before it goes on; so
//! what is kept is bounded by how far the walk's output is behind the writers, not by how much they
//! write. The buffers are few and used again, by the next snapshot, too: a writer touches no new
//! memory, for which the system would make it wait.
//!
//! Neither of them encodes a large value under a lock. A copy of it that shares its parts goes to
//! the queue ([`Entry::freeze`]), and a writer copies the parts that it changes while the queue has
//! them. A database's part that is flushed goes to the queue, too; one that is swapped keeps its
//! debt, under the index that it had at the flip.
//!
//! While no snapshot runs, a writer pays one branch.
//!
//! Deliberately absent: threads and files. The snapshot thread calls [`Snapshot::step`] until all
//! is saved; a snapshot that is given up must be walked to its end all the same. Helper threads may
//! walk, too ([`Snapshot::walk`]), each in shards of its own; the snapshot thread finishes last.

pub(crate) mod pending;

use crate::hasher::SHARDS;
use crate::keyspace::Keyspace;
use crate::storage::entry::Entry;
use crate::storage::table::SEGMENT_MAX;
use pending::{BATCH_BYTES, Fill, Queue};
pub use pending::{Encode, SnapshotItem};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

impl Keyspace {
    /// Begins a snapshot of this moment. `at_flip` runs while all shards are locked: nothing
    /// changes between what it sees and what the snapshot holds.
    ///
    /// # Panics
    /// When another snapshot has not been walked to its end.
    pub fn begin_snapshot<R>(
        &'static self,
        encode: Encode,
        at_flip: impl FnOnce() -> R,
    ) -> (Snapshot, R) {
        // Allocated before the shards are locked: the system may take long to find memory.
        let queue = Arc::new(Queue::new(encode, self.buffers()));
        let mut view = self.lock_all();
        let result = at_flip();
        queue.set_drops(self.tags.drops());
        let entries = (0..SHARDS).map(|index| view.shard_at(index).owe(index, &queue)).sum();
        let walk = Walk { keyspace: self, queue, next: Arc::default(), shard: None };
        (Snapshot { walk, entries }, result)
    }

    /// Makes the buffers that writers fill while a snapshot is taken, about 2 MB: clients would
    /// have to wait for memory that is found only then. Without this call they are made when
    /// needed.
    pub fn prepare_snapshots(&self) {
        self.buffers().prepare();
    }
}

/// A walk through shards. Walks of the same snapshot share its shards out among them.
pub struct Walk {
    keyspace: &'static Keyspace,
    queue: Arc<Queue>,
    /// The first shard that no walk has taken yet.
    next: Arc<AtomicUsize>,
    /// The shard that is walked.
    shard: Option<usize>,
}

impl Walk {
    /// Takes one step: calls `f`, under a lock, with what is owed of one segment, but for large
    /// values, which go to the queue. False when no shard is left.
    pub fn step(&mut self, f: &mut dyn FnMut(SnapshotItem<'_>)) -> bool {
        let taken =
            || self.next.fetch_update(Relaxed, Relaxed, |at| (at < SHARDS).then_some(at + 1));
        let Some(shard) = self.shard.or_else(|| taken().ok()) else { return false };
        let more = self.keyspace.lock_shard(shard).shard_at(shard).save_segment(f);
        self.shard = more.then_some(shard);
        true
    }

    /// How many large values wait in the queue. A writer that changes one has to copy parts of it,
    /// so no helper should walk far ahead of the snapshot thread.
    pub fn large_waiting(&self) -> usize {
        self.queue.entries()
    }
}

/// A snapshot under way.
pub struct Snapshot {
    walk: Walk,
    /// Entries that there were at the flip.
    entries: usize,
}

impl Snapshot {
    /// Takes one step: calls `f` with some entries as they were at the flip. `f` may run under a
    /// lock: it only copies. False when all have been saved.
    pub fn step(&mut self, f: &mut dyn FnMut(SnapshotItem<'_>)) -> bool {
        if self.save_full(f) {
            return true;
        }
        if let Some((db, entry)) = self.take_large() {
            f(SnapshotItem::Entry(db, &entry));
            return true;
        }
        // When nothing is owed any more, no writer keeps anything.
        self.walk.queue.save_part(f)
            || self.walk.step(f)
            || self.walk.queue.save_buffer(Fill::Any, f)
    }

    /// A walk beside [`Snapshot::step`]'s own, for a helper thread. Once step has returned false,
    /// it has to be called again after the end of every other walk.
    pub fn walk(&self) -> Walk {
        let Walk { keyspace, queue, next, .. } = &self.walk;
        Walk { keyspace, queue: queue.clone(), next: next.clone(), shard: None }
    }

    /// Takes out a large entry that waits to be saved, with its database. [`Snapshot::step`] passes
    /// such an entry on whole; a caller that saves it piece by piece takes it out before.
    pub fn take_large(&self) -> Option<(usize, Entry)> {
        self.walk.queue.take_entry()
    }

    /// Passes a full buffer of what writers have encoded to `f`; false if there is none.
    pub fn save_full(&self, f: &mut dyn FnMut(SnapshotItem<'_>)) -> bool {
        self.walk.queue.save_buffer(Fill::Full, f)
    }

    /// How many entries it holds, saved or not.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// How many bytes of old values writers have kept that were not saved yet, at least.
    pub fn backlog(&self) -> usize {
        // The walk itself may just have found as many as a segment has.
        let entries = self.walk.large_waiting().saturating_sub(SEGMENT_MAX);
        self.walk.queue.buffers().kept_bytes() + entries * BATCH_BYTES
    }

    /// Gives the snapshot up: walks to its end and saves nothing.
    pub fn abandon(mut self) {
        while self.step(&mut |_| {}) {}
    }
}
