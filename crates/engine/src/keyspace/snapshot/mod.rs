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
//! one short lock, saves what is owed and turns the bit. A writer that comes first encodes the old
//! value into a buffer, which the walk picks up before it goes on; so what is kept is bounded by
//! how far the walk's output is behind the writers, not by how much they write. The buffers are
//! few and used again, by the next snapshot, too: a writer touches no new memory, which the system
//! would make it wait for.
//!
//! A large value is not encoded under a lock, by either of them. A copy of it that shares its parts
//! goes to the queue ([`Entry::freeze`]), and a writer copies the parts that it changes while the
//! queue has them. A part that is flushed goes to the queue, too; one that is swapped takes its
//! debt along, under the index that it had at the flip.
//!
//! While no snapshot runs, a writer pays one branch.
//!
//! Deliberately absent: threads and files. Whoever runs a snapshot calls [`Snapshot::step`] until
//! it says that all is told; one that is given up must be walked to its end all the same. Others
//! may help him to walk ([`Snapshot::walk`]), each in shards of his own; he comes to the end last.

pub(crate) mod pending;

use crate::hasher::{SHARDS, shard_of};
use crate::keyspace::Keyspace;
use crate::keyspace::db::Db;
use crate::storage::entry::Entry;
use crate::storage::table::SEGMENT_MAX;
use pending::{BATCH_BYTES, Fill, Queue};
pub use pending::{Encode, SnapshotItem};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Entries that are put in between two looks at the memory of their buckets.
const RESTORE_BATCH: usize = 64;

impl Keyspace {
    /// Begins a snapshot of this moment. `at_flip` runs while all shards are held: nothing
    /// happens between what it sees and what the snapshot holds.
    ///
    /// # Panics
    /// When another snapshot has not been walked to its end.
    pub fn begin_snapshot<R>(
        &'static self,
        encode: Encode,
        at_flip: impl FnOnce() -> R,
    ) -> (Snapshot, R) {
        // No memory is asked for while the shards are held: the system may take long to find it.
        let queue = Arc::new(Queue::new(encode, self.buffers()));
        let mut view = self.lock_all();
        let result = at_flip();
        let entries = (0..SHARDS).map(|index| view.shard_at(index).owe(index, &queue)).sum();
        let walk = Walk { keyspace: self, queue, next: Arc::default(), shard: None };
        (Snapshot { walk, entries }, result)
    }

    /// Makes the buffers that writers fill while a snapshot is taken, about 2 MB: memory that has
    /// to be found then would make clients wait. Without it they are made when they are needed.
    pub fn prepare_snapshots(&self) {
        self.buffers().prepare();
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

    /// Puts entries in that were saved, each with its database, and empties `entries`.
    ///
    /// # Errors
    /// The first whose key was there already: then what was saved is not one keyspace.
    pub fn restore(&'static self, entries: &mut Vec<(usize, Entry)>) -> Result<(), Twice> {
        let hasher = self.hasher();
        let (mut whole, count) = (Ok(()), entries.len());
        let mut hashes = [0; RESTORE_BATCH];
        let mut entries = entries.drain(..);
        while entries.len() > 0 {
            let batch = RESTORE_BATCH.min(entries.len());
            for (hash, (db, entry)) in hashes.iter_mut().zip(&entries.as_slice()[..batch]) {
                *hash = hasher.hash(entry.key());
                self.prefetch_bucket(*db, *hash);
            }
            for &hash in &hashes[..batch] {
                let place = count - entries.len();
                let Some((db, entry)) = entries.next() else { break };
                let wake_ms = entry.wake_ms();
                let mut view = self.lock_shard(shard_of(hash));
                let part = view.shard(hash).db_mut(db);
                if part.table().find(hash, entry.key()).is_some() {
                    let key = entry.key().into();
                    whole = whole.and(Err(Twice { place, db, key }));
                    continue;
                }
                part.insert(hash, entry, hasher);
                if part.table_mut().take_moved() && db == 0 {
                    view.publish_hints(shard_of(hash));
                }
                if wake_ms != 0 {
                    view.publish_earlier(shard_of(hash), wake_ms);
                }
            }
        }
        whole
    }
}

/// An entry whose key was there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twice {
    /// How many entries came before it.
    pub place: usize,
    /// Its database.
    pub db: usize,
    /// Its key.
    pub key: Box<[u8]>,
}

/// A way through the shards, on which nobody meets who walks the same snapshot.
pub struct Walk {
    keyspace: &'static Keyspace,
    queue: Arc<Queue>,
    /// The first shard that nobody has taken yet.
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

    /// How many large values wait in the queue. A writer that changes one has to copy it there, so
    /// that nobody should walk far ahead of who tells them.
    pub fn large_waiting(&self) -> usize {
        self.queue.entries()
    }
}

/// A snapshot on its way out.
pub struct Snapshot {
    walk: Walk,
    /// Entries that there were at the flip.
    entries: usize,
}

impl Snapshot {
    /// Takes one step: calls `f` with some entries as they were at the flip. `f` may run under a
    /// lock: it only copies. False when all have been told.
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

    /// A walk beside [`Snapshot::step`]'s own, for somebody who helps. What step says is the end is
    /// the end only after that of every other walk.
    pub fn walk(&self) -> Walk {
        let Walk { keyspace, queue, next, .. } = &self.walk;
        Walk { keyspace, queue: queue.clone(), next: next.clone(), shard: None }
    }

    /// A large entry that waits to be told, with its database. [`Snapshot::step`] tells it at one
    /// go; whoever tells it otherwise takes it before.
    pub fn take_large(&self) -> Option<(usize, Entry)> {
        self.walk.queue.take_entry()
    }

    /// Tells a full buffer of what writers have encoded; false if there is none.
    pub fn save_full(&self, f: &mut dyn FnMut(SnapshotItem<'_>)) -> bool {
        self.walk.queue.save_buffer(Fill::Full, f)
    }

    /// How many entries it holds, told or not.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// How many bytes of old values writers have kept that were not told yet, at least.
    pub fn backlog(&self) -> usize {
        // The walk itself may just have found as many as a segment has.
        let entries = self.walk.large_waiting().saturating_sub(SEGMENT_MAX);
        (self.walk.queue.buffers().full() + entries) * BATCH_BYTES
    }

    /// Walks to the end without telling anybody: the way to give a snapshot up.
    pub fn abandon(mut self) {
        while self.step(&mut |_| {}) {}
    }
}
