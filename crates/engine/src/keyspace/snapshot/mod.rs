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

use crate::hasher::{SHARDS, shard_of};
use crate::keyspace::Keyspace;
use crate::keyspace::shard::{Db, Shard};
use crate::storage::entry::Entry;
use crate::storage::table::SEGMENT_MAX;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Writers of different shards seldom want the same buffer.
const STRIPES: usize = 16;
/// Bytes in a buffer when it is handed over.
const BATCH: usize = 4 * 1024;
/// Room for the value that fills it.
const ROOM: usize = 512;
/// Buffers that are kept from one snapshot to the next. Writers get that far ahead of a walk that
/// has half of their core.
const SPARE: usize = 384;
/// A buffer that has grown beyond this is not kept.
const SPARE_BYTES: usize = 8 * BATCH;
/// Entries that are put in between two looks at the memory of their buckets.
const RESTORE_BATCH: usize = 64;

/// Writes an entry of a database as bytes. Runs under locks: it only copies.
pub type Encode = Box<dyn Fn(usize, &Entry, &mut Vec<u8>) + Send + Sync>;

/// What a snapshot tells of.
pub enum Told<'a> {
    /// An entry as it was at the flip, with its database's index.
    Entry(usize, &'a Entry),
    /// So many of them, as a writer has encoded them.
    Encoded(u32, &'a [u8]),
}

/// What a part of a database owes to the running snapshot.
pub(crate) struct Saving {
    /// The database's index at the flip.
    db: usize,
    /// The first segment that was not walked yet.
    segment: usize,
    stripe: usize,
    queue: Arc<Queue>,
}

impl Saving {
    /// Keeps an entry that is about to change or go, if the snapshot has yet to save it.
    #[cold]
    pub(crate) fn keep(&self, entry: &mut Entry, epoch: bool) {
        if entry.epoch() == epoch {
            return;
        }
        if entry.is_bulky() {
            self.queue.entries.lock().push((self.db, entry.freeze()));
        } else {
            self.queue.encode(self.stripe, self.db, entry);
        }
    }

    /// As [`Saving::keep`], for an entry that nobody else wants: comes back with it unless it went
    /// to the queue.
    #[cold]
    pub(crate) fn keep_owned(&self, mut entry: Entry, epoch: bool) -> Option<Entry> {
        if entry.epoch() != epoch && entry.is_bulky() {
            self.queue.entries.lock().push((self.db, entry));
            return None;
        }
        self.keep(&mut entry, epoch);
        Some(entry)
    }
}

impl Clone for Saving {
    /// A copy of a part is no part of the keyspace, and owes nothing.
    fn clone(&self) -> Saving {
        let Saving { db, stripe, .. } = *self;
        Saving { db, segment: usize::MAX, stripe, queue: self.queue.clone() }
    }
}

/// Encoded entries.
#[derive(Default)]
struct Batch {
    count: u32,
    bytes: Vec<u8>,
}

impl Batch {
    fn sized() -> Batch {
        Batch { count: 0, bytes: Vec::with_capacity(BATCH + ROOM) }
    }

    /// One whose memory has been touched: only then does the system give it.
    fn touched() -> Batch {
        let mut batch = Batch::sized();
        batch.bytes.resize(batch.bytes.capacity(), 1);
        batch.bytes.clear();
        batch
    }
}

/// Buffers that nobody fills: those of them that are empty, and those that the walk has to tell.
#[derive(Default)]
pub(crate) struct Buffers {
    spare: Mutex<Vec<Batch>>,
    full: Mutex<Vec<Batch>>,
}

impl Buffers {
    fn take(&self) -> Batch {
        self.spare.lock().pop().unwrap_or_else(Batch::sized)
    }

    fn give_back(&self, mut batch: Batch) {
        let mut spare = self.spare.lock();
        if spare.len() < SPARE && batch.bytes.capacity() <= SPARE_BYTES {
            batch.count = 0;
            batch.bytes.clear();
            spare.push(batch);
        }
    }

    fn prepare(&self) {
        self.full.lock().reserve(SPARE);
        self.spare.lock().resize_with(SPARE, Batch::touched);
    }
}

struct Queue {
    encode: Encode,
    /// What writers of some shards fill.
    stripes: Vec<Mutex<Batch>>,
    /// Large old values, each of a database by its index at the flip.
    entries: Mutex<Vec<(usize, Entry)>>,
    /// Parts that were emptied before they were walked.
    parts: Mutex<Vec<Db>>,
    keyspace: &'static Keyspace,
}

impl Queue {
    fn encode(&self, stripe: usize, db: usize, entry: &Entry) {
        let filling = &mut *self.stripes[stripe].lock();
        (self.encode)(db, entry, &mut filling.bytes);
        filling.count += 1;
        if filling.bytes.len() >= BATCH {
            let full = std::mem::replace(filling, self.keyspace.buffers().take());
            self.keyspace.buffers().full.lock().push(full);
        }
    }

    /// A full buffer, or any that is not empty.
    fn take(&self, any: bool) -> Option<Batch> {
        let full = self.keyspace.buffers().full.lock().pop();
        if full.is_some() || !any {
            return full;
        }
        let mut stripes = self.stripes.iter().map(|stripe| stripe.lock());
        stripes.find(|filling| filling.count > 0).map(|mut filling| std::mem::take(&mut *filling))
    }
}

impl Db {
    /// From now on all entries are owed; how many there are.
    fn owe(&mut self, db: usize, stripe: usize, queue: &Arc<Queue>) -> usize {
        assert!(self.saving.is_none(), "one snapshot at a time");
        if !self.table.is_empty() {
            self.epoch = !self.epoch;
            let queue = queue.clone();
            self.saving = Some(Saving { db, segment: 0, stripe, queue });
        }
        self.table.len()
    }

    /// Tells what is owed of one segment; false when nothing is owed any more.
    fn tell_segment(&mut self, f: &mut dyn FnMut(Told<'_>)) -> bool {
        let Some(saving) = &mut self.saving else { return false };
        let Some(entries) = self.table.segment_mut(saving.segment) else {
            self.saving = None;
            return false;
        };
        for entry in entries.filter(|entry| entry.epoch() != self.epoch) {
            if entry.is_bulky() {
                // Told after the unlock: shared it costs next to nothing to keep.
                saving.keep(entry, self.epoch);
            } else {
                f(Told::Entry(saving.db, entry));
            }
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
        queue.parts.lock().push(self);
        None
    }
}

impl Shard {
    fn owe(&mut self, stripe: usize, queue: &Arc<Queue>) -> usize {
        let indices = self.indices();
        indices.into_iter().map(|index| self.db_mut(index).owe(index, stripe, queue)).sum()
    }

    /// Tells what is owed of one segment; false when the whole shard has told all.
    fn tell_segment(&mut self, f: &mut dyn FnMut(Told<'_>)) -> bool {
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
    pub fn begin_snapshot<R>(
        &'static self,
        encode: Encode,
        at_flip: impl FnOnce() -> R,
    ) -> (Snapshot, R) {
        // No memory is asked for while the shards are held: the system may take long to find it.
        let stripes = (0..STRIPES).map(|_| Mutex::new(self.buffers().take())).collect();
        let (entries, parts) = (Mutex::default(), Mutex::default());
        let queue = Arc::new(Queue { encode, stripes, entries, parts, keyspace: self });
        let mut view = self.lock_all();
        let result = at_flip();
        let owe = |index| view.shard_at(index).owe(index % STRIPES, &queue);
        let entries = (0..SHARDS).map(owe).sum();
        let walk = Walk { queue, next: Arc::default(), shard: None };
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
                if part.table.find(hash, entry.key()).is_some() {
                    let key = entry.key().into();
                    whole = whole.and(Err(Twice { place, db, key }));
                    continue;
                }
                part.insert(hash, entry, hasher);
                if part.table.take_moved() && db == 0 {
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
    queue: Arc<Queue>,
    /// The first shard that nobody has taken yet.
    next: Arc<AtomicUsize>,
    /// The shard that is walked.
    shard: Option<usize>,
}

impl Walk {
    /// Takes one step: calls `f`, under a lock, with what is owed of one segment, but for large
    /// values, which go to the queue. False when no shard is left.
    pub fn step(&mut self, f: &mut dyn FnMut(Told<'_>)) -> bool {
        let taken =
            || self.next.fetch_update(Relaxed, Relaxed, |at| (at < SHARDS).then_some(at + 1));
        let Some(shard) = self.shard.or_else(|| taken().ok()) else { return false };
        let keyspace = self.queue.keyspace;
        let more = keyspace.lock_shard(shard).shard_at(shard).tell_segment(f);
        self.shard = more.then_some(shard);
        true
    }

    /// How many large values wait in the queue. A writer that changes one has to copy it there, so
    /// that nobody should walk far ahead of who tells them.
    pub fn kept(&self) -> usize {
        self.queue.entries.lock().len()
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
    pub fn step(&mut self, f: &mut dyn FnMut(Told<'_>)) -> bool {
        if self.tell_full(f) {
            return true;
        }
        if let Some((db, entry)) = self.take_kept() {
            f(Told::Entry(db, &entry));
            return true;
        }
        let part = self.walk.queue.parts.lock().pop();
        if let Some(mut part) = part {
            if part.tell_segment(f) {
                self.walk.queue.parts.lock().push(part);
            }
            return true;
        }
        // When nobody owes anything, nothing is kept any more.
        self.walk.step(f) || self.tell_batch(true, f)
    }

    /// A walk beside [`Snapshot::step`]'s own, for somebody who helps. What step says is the end is
    /// the end only after that of every other walk.
    pub fn walk(&self) -> Walk {
        let Walk { queue, next, .. } = &self.walk;
        Walk { queue: queue.clone(), next: next.clone(), shard: None }
    }

    /// A large entry that waits to be told, with its database. [`Snapshot::step`] tells it at one
    /// go; whoever tells it otherwise takes it before.
    pub fn take_kept(&self) -> Option<(usize, Entry)> {
        self.walk.queue.entries.lock().pop()
    }

    /// Tells a full buffer of what writers have encoded; false if there is none.
    pub fn tell_full(&self, f: &mut dyn FnMut(Told<'_>)) -> bool {
        self.tell_batch(false, f)
    }

    /// Tells what writers have encoded: a full buffer of it, or any.
    fn tell_batch(&self, any: bool, f: &mut dyn FnMut(Told<'_>)) -> bool {
        let Some(batch) = self.walk.queue.take(any) else { return false };
        f(Told::Encoded(batch.count, &batch.bytes));
        self.walk.queue.keyspace.buffers().give_back(batch);
        true
    }

    /// How many entries it holds, told or not.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// How many bytes of old values writers have kept that were not told yet, at least.
    pub fn backlog(&self) -> usize {
        // The walk itself may just have found as many as a segment has.
        let entries = self.walk.kept().saturating_sub(SEGMENT_MAX);
        (self.walk.queue.keyspace.buffers().full.lock().len() + entries) * BATCH
    }

    /// Walks to the end without telling anybody: the way to give a snapshot up.
    pub fn abandon(mut self) {
        while self.step(&mut |_| {}) {}
    }
}
