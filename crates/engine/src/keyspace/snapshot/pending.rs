//! What a running snapshot is still owed, and what writers have kept for it.
//!
//! A part of a database that owes something holds a [`Saving`]; all of them share the snapshot's
//! [`Queue`]. A writer that is about to change an entry puts the old value there: encoded into a
//! buffer, or a large one as it is. The buffers outlive the snapshot ([`Buffers`]).

use crate::storage::entry::Entry;
use crate::storage::table::Table;
use crate::storage::timed_table::TimedTable;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Writers of different shards seldom want the same buffer.
const STRIPES: usize = 16;
/// Bytes in a buffer when it is handed over.
pub const BATCH_BYTES: usize = 4 * 1024;
/// Room for the value that fills it, in bytes.
const ROOM_BYTES: usize = 512;
/// Buffers that are kept from one snapshot to the next. Writers get that far ahead of a walk that
/// has half of their core.
const SPARE: usize = 384;
/// A buffer that has grown beyond this is not kept.
const SPARE_BYTES_MAX: usize = 8 * BATCH_BYTES;

/// Writes an entry of a database as bytes. Runs under locks: it only copies.
pub type Encode = Box<dyn Fn(usize, &Entry, &mut Vec<u8>) + Send + Sync>;

/// A piece of a snapshot.
pub enum SnapshotItem<'a> {
    /// An entry as it was at the flip, with its database's index.
    Entry(usize, &'a Entry),
    /// So many entries, as writers have encoded them.
    Encoded(u32, &'a [u8]),
}

/// What a part of a database owes to the running snapshot.
pub struct Saving {
    /// The database's index at the flip.
    db: usize,
    /// The first segment that was not walked yet.
    segment: usize,
    stripe: usize,
    queue: Arc<Queue>,
}

impl Saving {
    /// What database `db` of shard `shard` owes when the snapshot begins: everything.
    pub fn all(db: usize, shard: usize, queue: &Arc<Queue>) -> Saving {
        Saving { db, segment: 0, stripe: shard % STRIPES, queue: queue.clone() }
    }

    /// Whether a key was gone at the flip, with a tag that was dropped.
    #[inline]
    fn is_gone(&self, entry: &Entry) -> bool {
        entry.is_tagged() && entry.is_dropped_by(self.queue.drops.load(Relaxed))
    }

    /// Keeps an entry that is about to change or go, if the snapshot has yet to save it.
    #[cold]
    pub fn keep(&self, entry: &mut Entry, epoch: bool) {
        if entry.epoch() == epoch || self.is_gone(entry) {
            return;
        }
        if entry.is_bulky() {
            // A string in one piece is copied by whoever changes it; of others most stays shared.
            let is_left = entry.object().is_none() && !entry.is_cut();
            self.queue.keep(self.db, entry.freeze(), if is_left { Of::Snapshot } else { Of::Both });
        } else {
            self.queue.encode(self.stripe, self.db, entry);
        }
    }

    /// As [`Saving::keep`], for an entry that was taken out: returns it unless it went to the
    /// queue.
    #[cold]
    pub fn keep_owned(&self, mut entry: Entry, epoch: bool) -> Option<Entry> {
        if entry.epoch() != epoch && entry.is_bulky() && !self.is_gone(&entry) {
            self.queue.keep(self.db, entry, Of::Snapshot);
            return None;
        }
        self.keep(&mut entry, epoch);
        Some(entry)
    }

    /// Keeps all entries of a part that was emptied.
    pub fn keep_table(self, entries: TimedTable, epoch: bool) {
        let queue = self.queue.clone();
        queue.parts.lock().push(EmptiedPart { saving: self, entries, epoch });
    }

    /// Passes to `f` what is owed of one segment, but for large values, which go to the queue;
    /// false when no segment is left.
    pub fn save_segment(
        &mut self,
        table: &mut Table,
        epoch: bool,
        f: &mut dyn FnMut(SnapshotItem<'_>),
    ) -> bool {
        let Some(entries) = table.segment_mut(self.segment) else { return false };
        for entry in entries.filter(|entry| entry.epoch() != epoch) {
            if self.is_gone(entry) {
                // Only its memory was left at the flip.
            } else if entry.is_bulky() {
                // Encoded after the unlock: shared it costs next to nothing to keep.
                self.queue.keep(self.db, entry.freeze(), Of::Both);
            } else {
                f(SnapshotItem::Entry(self.db, entry));
            }
            entry.set_epoch(epoch);
        }
        self.segment += 1;
        true
    }
}

/// Whose a large value is that waits to be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// The snapshot's alone.
    Snapshot,
    /// The keyspace still has it, or most of it.
    Both,
}

/// A large value that waits to be saved.
struct Kept {
    /// Its database's index at the flip.
    db: usize,
    entry: Entry,
    /// The bytes that only the snapshot has.
    bytes: usize,
}

/// A part that was emptied before all of it was saved.
struct EmptiedPart {
    saving: Saving,
    entries: TimedTable,
    epoch: bool,
}

/// Encoded entries.
#[derive(Default)]
struct Batch {
    count: u32,
    bytes: Vec<u8>,
}

impl Batch {
    fn sized() -> Batch {
        Batch { count: 0, bytes: Vec::with_capacity(BATCH_BYTES + ROOM_BYTES) }
    }

    /// One whose memory has been touched: only then does the system give it.
    fn touched() -> Batch {
        let mut batch = Batch::sized();
        batch.bytes.resize(batch.bytes.capacity(), 1);
        batch.bytes.clear();
        batch
    }
}

/// Buffers that no writer fills: the empty ones, and the full ones that wait to be saved.
#[derive(Default)]
pub struct Buffers {
    spare: Mutex<Vec<Batch>>,
    full: Mutex<Vec<Batch>>,
    /// The bytes of large old values that wait and that only a snapshot has.
    large_bytes: AtomicUsize,
}

impl Buffers {
    /// The bytes that wait to be saved and are part of no value any more.
    pub fn kept_bytes(&self) -> usize {
        self.full() * (BATCH_BYTES + ROOM_BYTES) + self.large_bytes.load(Relaxed)
    }

    /// Makes the spare buffers before they are needed.
    pub fn prepare(&self) {
        self.full.lock().reserve(SPARE);
        self.spare.lock().resize_with(SPARE, Batch::touched);
    }

    /// How many full buffers wait to be saved.
    pub fn full(&self) -> usize {
        self.full.lock().len()
    }

    fn take(&self) -> Batch {
        self.spare.lock().pop().unwrap_or_else(Batch::sized)
    }

    fn give_back(&self, mut batch: Batch) {
        let mut spare = self.spare.lock();
        if spare.len() < SPARE && batch.bytes.capacity() <= SPARE_BYTES_MAX {
            batch.count = 0;
            batch.bytes.clear();
            spare.push(batch);
        }
    }
}

/// What writers have kept for one snapshot.
pub struct Queue {
    encode: Encode,
    /// What writers of some shards fill.
    stripes: Vec<Mutex<Batch>>,
    /// Large old values.
    entries: Mutex<Vec<Kept>>,
    parts: Mutex<Vec<EmptiedPart>>,
    buffers: &'static Buffers,
    /// How many drops of tags there had been at the flip.
    drops: AtomicU64,
}

impl Queue {
    /// An empty queue, with buffers to fill.
    pub fn new(encode: Encode, buffers: &'static Buffers) -> Queue {
        let stripes = (0..STRIPES).map(|_| Mutex::new(buffers.take())).collect();
        let (entries, parts) = (Mutex::default(), Mutex::default());
        Queue { encode, stripes, entries, parts, buffers, drops: AtomicU64::new(0) }
    }

    /// Sets how many drops of tags there have been, at the flip.
    pub fn set_drops(&self, drops: u64) {
        self.drops.store(drops, Relaxed);
    }

    fn encode(&self, stripe: usize, db: usize, entry: &Entry) {
        let filling = &mut *self.stripes[stripe].lock();
        (self.encode)(db, entry, &mut filling.bytes);
        filling.count += 1;
        if filling.bytes.len() >= BATCH_BYTES {
            let full = std::mem::replace(filling, self.buffers.take());
            self.buffers.full.lock().push(full);
        }
    }

    /// Keeps a large entry.
    fn keep(&self, db: usize, entry: Entry, of: Of) {
        let bytes = if of == Of::Snapshot { entry.allocated() } else { 0 };
        self.buffers.large_bytes.fetch_add(bytes, Relaxed);
        self.entries.lock().push(Kept { db, entry, bytes });
    }

    /// Takes a large entry out, with its database.
    pub fn take_entry(&self) -> Option<(usize, Entry)> {
        let Kept { db, entry, bytes } = self.entries.lock().pop()?;
        self.buffers.large_bytes.fetch_sub(bytes, Relaxed);
        Some((db, entry))
    }

    /// How many large entries there are.
    pub fn entries(&self) -> usize {
        self.entries.lock().len()
    }

    /// The buffers of this and of other snapshots.
    pub fn buffers(&self) -> &'static Buffers {
        self.buffers
    }

    /// Passes to `f` a segment of a part that was emptied; false if there is no such part.
    pub fn save_part(&self, f: &mut dyn FnMut(SnapshotItem<'_>)) -> bool {
        let part = self.parts.lock().pop();
        let Some(mut part) = part else { return false };
        if part.saving.save_segment(part.entries.table_mut(), part.epoch, f) {
            self.parts.lock().push(part);
        }
        true
    }

    /// Passes a buffer to `f`: one that is full or, if there is none and `fill` says so, any that
    /// is not empty. False if there is none.
    pub fn save_buffer(&self, fill: Fill, f: &mut dyn FnMut(SnapshotItem<'_>)) -> bool {
        let mut batch = self.buffers.full.lock().pop();
        if batch.is_none() && fill == Fill::Any {
            batch = self.take_unfilled();
        }
        let Some(batch) = batch else { return false };
        f(SnapshotItem::Encoded(batch.count, &batch.bytes));
        self.buffers.give_back(batch);
        true
    }

    fn take_unfilled(&self) -> Option<Batch> {
        let mut stripes = self.stripes.iter().map(|stripe| stripe.lock());
        stripes.find(|filling| filling.count > 0).map(|mut filling| std::mem::take(&mut *filling))
    }
}

/// A snapshot that has failed leaves entries behind.
impl Drop for Queue {
    fn drop(&mut self) {
        while self.take_entry().is_some() {}
    }
}

/// Which buffers are worth saving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Those that are full.
    Full,
    /// All that are not empty.
    Any,
}
