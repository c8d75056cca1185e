//! The table of one shard of one database: an extendible hash table of cache-line buckets.
//!
//! A small directory, indexed by the hash bits below the shard's, points at segments. A segment is
//! an array of 64-byte buckets, each seven entry pointers with their one-byte tags:
//!
//! ```text
//!   directory            segment (1..64 buckets)          bucket (64 bytes)
//!  +----+----+----+----+     +--------+--------+---+     +-------------------+----------------+
//!  | 00 | 01 | 10 | 11 | --> | bucket | bucket |...| --> | 7 tags, displaced | 7 entry pointers|
//!  +----+----+----+----+     +--------+--------+---+     +-------------------+----------------+
//! ```
//!
//! An entry lives in its home bucket or, when that is full, in the next with room; every full
//! bucket that it passed counts it as displaced, so a search ends at the first bucket that no entry
//! passed. A full segment splits in two by the next bit of the hash; a table's only segment first
//! doubles up to the largest size. So growth never costs more than one segment's entries.
//!
//! Tables of values get smaller again (`merge.rs`). Deliberately absent: locks (the shard's),
//! deadlines (`timed_table.rs`), shrinking of a shard's table while entries remain. The table holds
//! no `unsafe`: slots are `Option<Entry>`.

mod check;
mod draw;
mod merge;
mod reserve;

use crate::hasher::{HOME_BITS, Hasher, PREFIX_BITS, home_of, prefix_of, tag_of};
use crate::storage::entry::Entry;
use crate::storage::memory::prefetch;
use crate::storage::part::Part;
use std::num::NonZeroU8;

/// Entries in one bucket.
const SLOTS: usize = 7;
/// Buckets in a segment of the largest size.
pub const BUCKETS_MAX: usize = 1 << HOME_BITS;
/// Entries that a segment of the largest size has room for.
pub const SEGMENT_MAX: usize = BUCKETS_MAX * SLOTS;
/// Entries at which it splits: 95 % full.
const SEGMENT_FULL: usize = SEGMENT_MAX * 95 / 100;

/// A table with no more slots than these stays when its last entry goes.
const SMALL_SLOTS: usize = 2 * SLOTS;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
/// The tag bytes of the word, without the count of the displaced.
const TAG_BYTES: u64 = 0x00ff_ffff_ffff_ffff;

/// One cache line.
#[derive(Clone)]
#[repr(C, align(64))]
struct Bucket {
    /// Bytes 0..7 are the slots' tags, zero when empty; byte 7 counts the entries that were
    /// displaced past this bucket and sticks at 255.
    meta: u64,
    entries: [Option<Entry>; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    const EMPTY: Bucket = Bucket { meta: 0, entries: [const { None }; SLOTS] };

    /// A bit per slot (bit 7 of its byte) whose tag may equal `tag`. False positives are only
    /// above a true match, and the key is compared anyway.
    #[inline]
    fn candidates(&self, tag: u8) -> u64 {
        let x = self.meta ^ (LOW * tag as u64);
        x.wrapping_sub(LOW) & !x & HIGH & TAG_BYTES
    }

    #[inline]
    fn free_slot(&self) -> Option<usize> {
        let empty = self.meta.wrapping_sub(LOW) & !self.meta & HIGH & TAG_BYTES;
        (empty != 0).then(|| empty.trailing_zeros() as usize / 8)
    }

    fn set_tag(&mut self, slot: usize, tag: u8) {
        self.meta = self.meta & !(0xff << (slot * 8)) | (tag as u64) << (slot * 8);
    }

    #[inline]
    fn displaced(&self) -> u8 {
        (self.meta >> 56) as u8
    }

    fn set_displaced(&mut self, count: u8) {
        self.meta = self.meta & TAG_BYTES | (count as u64) << 56;
    }
}

/// Where an entry lies. Valid until the table is next changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    segment: u32,
    bucket: u16,
    /// Counted from one, so that no slot takes no more room than a slot.
    nth: NonZeroU8,
}

const _: () = assert!(size_of::<Option<Slot>>() == 8);

impl Slot {
    #[inline(always)]
    fn new(segment: usize, bucket: usize, slot: usize) -> Slot {
        let nth = NonZeroU8::MIN.saturating_add(slot as u8);
        Slot { segment: segment as u32, bucket: bucket as u16, nth }
    }

    #[inline(always)]
    fn slot(self) -> usize {
        usize::from(self.nth.get()) - 1
    }
}

#[derive(Clone)]
struct Segment {
    /// Shared only in the table of a large value.
    buckets: Part<Box<[Bucket]>>,
    len: u32,
    /// How many directory bits the segment's entries share.
    depth: u32,
}

const _: () = assert!(size_of::<Segment>() == 24);

impl Segment {
    fn new(buckets: usize, depth: u32) -> Self {
        let buckets = Part::Own((0..buckets).map(|_| Bucket::EMPTY).collect());
        Segment { buckets, len: 0, depth }
    }

    /// The home bucket: the upper bits of the six, so that a small segment's bucket covers a
    /// contiguous range of the largest one's.
    #[inline(always)]
    fn home(&self, hash: u64) -> usize {
        (home_of(hash) * self.buckets.len()) >> HOME_BITS
    }

    /// The first entry with the hash's tag on its probe path that `is` accepts, and where it lies.
    #[inline(always)]
    fn find(
        &self,
        hash: u64,
        mut is: impl FnMut(&Entry) -> bool,
    ) -> Option<(usize, usize, &Entry)> {
        let buckets: &[Bucket] = &self.buckets;
        let mask = buckets.len() - 1;
        let (mut at, mut left) = (self.home(hash), buckets.len());
        loop {
            let bucket = &buckets[at];
            let mut candidates = bucket.candidates(tag_of(hash));
            while candidates != 0 {
                let slot = candidates.trailing_zeros() as usize / 8;
                if let Some(entry) = &bucket.entries[slot]
                    && is(entry)
                {
                    return Some((at, slot, entry));
                }
                candidates &= candidates - 1;
            }
            left -= 1;
            if bucket.displaced() == 0 || left == 0 {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    fn is_full(&self) -> bool {
        let slots = self.buckets.len() * SLOTS;
        self.len as usize >= if self.buckets.len() == BUCKETS_MAX { SEGMENT_FULL } else { slots }
    }

    /// Puts an entry in; the caller knows that there is room.
    fn insert(&mut self, hash: u64, entry: Entry) -> (usize, usize) {
        let mask = self.buckets.len() - 1;
        let mut at = self.home(hash);
        let buckets = self.buckets.own();
        loop {
            let bucket = &mut buckets[at];
            if let Some(slot) = bucket.free_slot() {
                bucket.entries[slot] = Some(entry);
                bucket.set_tag(slot, tag_of(hash));
                self.len += 1;
                return (at, slot);
            }
            bucket.set_displaced(bucket.displaced().saturating_add(1));
            at = (at + 1) & mask;
        }
    }

    fn take(&mut self, hash: u64, at: usize, slot: usize) -> Option<Entry> {
        let mask = self.buckets.len() - 1;
        let mut passed = self.home(hash);
        self.len -= 1;
        let buckets = self.buckets.own();
        while passed != at {
            let count = buckets[passed].displaced();
            if count != u8::MAX {
                buckets[passed].set_displaced(count - 1);
            }
            passed = (passed + 1) & mask;
        }
        buckets[at].set_tag(slot, 0);
        buckets[at].entries[slot].take()
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(|bucket| bucket.entries.iter().flatten())
    }

    /// Moves every entry out, with its hash. The keys are fetched ahead of being hashed.
    fn drain(self, hasher: &Hasher) -> impl Iterator<Item = (u64, Entry)> {
        self.entries().for_each(Entry::prefetch);
        into_entries(self.buckets.into_own()).map(move |entry| (entry.hash(hasher), entry))
    }
}

/// Takes the entries out of buckets.
fn into_entries(buckets: Box<[Bucket]>) -> impl Iterator<Item = Entry> {
    buckets.into_iter().flat_map(|bucket| bucket.entries.into_iter().flatten())
}

/// Fetches the home bucket of a hash by a hint. One that is out of date fetches in vain.
#[inline]
pub fn prefetch_by_hint(hint: usize, hash: u64) {
    if hint != 0 {
        let (buckets, bits) = (hint & !63, hint & 63);
        let home = (home_of(hash) << bits) >> HOME_BITS;
        prefetch(std::ptr::without_provenance(buckets + home * size_of::<Bucket>()));
    }
}

/// An extendible table of entries.
#[derive(Clone, Default)]
#[repr(C)]
pub struct Table {
    /// Segment indices, a power of two of them; empty until the first insertion.
    directory: Vec<u32>,
    segments: Vec<Segment>,
    /// Buckets in all segments.
    buckets: usize,
    len: usize,
    /// Whether buckets have moved since [`Table::take_moved`] was last asked.
    moved: bool,
}

/// A position in the order in which a table is scanned: by home bucket, then by prefix. It is a
/// property of the hash alone, so it means the same after any number of splits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The home bucket, 0..64.
    pub home: u32,
    /// The 30 hash bits below the shard's.
    pub prefix: u32,
}

impl Position {
    /// Where in the order what has this hash comes.
    pub fn of(hash: u64) -> Position {
        Position { home: home_of(hash) as u32, prefix: prefix_of(hash) }
    }

    /// The position as the number that is a collection's cursor.
    pub fn cursor(self) -> u64 {
        u64::from(self.home) << PREFIX_BITS | u64::from(self.prefix)
    }

    /// The position that a cursor is; none for one behind the last.
    pub fn of_cursor(cursor: u64) -> Option<Position> {
        let home = cursor >> PREFIX_BITS;
        let prefix = (cursor & ((1 << PREFIX_BITS) - 1)) as u32;
        (home >> HOME_BITS == 0).then_some(Position { home: home as u32, prefix })
    }
}

impl Table {
    /// Where the key's entry lies.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Slot> {
        self.find_where(hash, |entry| entry.has_key(key))
    }

    /// The key's entry, and where it lies.
    #[inline(always)]
    pub fn get(&self, hash: u64, key: &[u8]) -> Option<(Slot, &Entry)> {
        self.get_where(hash, |entry| entry.has_key(key))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of segments and of slots in them.
    pub fn capacity(&self) -> (usize, usize) {
        (self.segments.len(), self.buckets * SLOTS)
    }

    #[inline]
    fn directory_bits(&self) -> u32 {
        self.directory.len().trailing_zeros()
    }

    #[inline(always)]
    fn segment_index(&self, hash: u64) -> Option<usize> {
        if self.directory.is_empty() {
            return None;
        }
        let at = prefix_of(hash) >> (PREFIX_BITS - self.directory_bits());
        Some(self.directory[at as usize] as usize)
    }

    /// Whether buckets have moved since this was last asked, so that hints are out of date.
    #[inline]
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Where the buckets of a hash's segment lie, for a prefetch without the table: their address,
    /// and in its six low bits, which are zero, the binary logarithm of their number. Zero when
    /// there are none.
    pub fn hint(&self, hash: u64) -> usize {
        let Some(index) = self.segment_index(hash) else { return 0 };
        let buckets = &self.segments[index].buckets;
        buckets.as_ptr().addr() | buckets.len().trailing_zeros() as usize
    }

    /// Asks the processor to fetch the home bucket of a hash.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let Some(index) = self.segment_index(hash) {
            let segment = &self.segments[index];
            let bucket: *const Bucket = &segment.buckets[segment.home(hash)];
            prefetch(bucket.cast());
        }
    }

    /// Asks the processor to fetch the entries in the home bucket that may be the key's.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        self.each_candidate(hash, Entry::prefetch);
    }

    /// Calls `f` with the entries in the home bucket that may be the key's: mostly one, its own.
    #[inline]
    pub fn each_candidate(&self, hash: u64, mut f: impl FnMut(&Entry)) {
        let Some(index) = self.segment_index(hash) else { return };
        let segment = &self.segments[index];
        let bucket = &segment.buckets[segment.home(hash)];
        let mut candidates = bucket.candidates(tag_of(hash));
        while candidates != 0 {
            if let Some(entry) = &bucket.entries[candidates.trailing_zeros() as usize / 8] {
                f(entry);
            }
            candidates &= candidates - 1;
        }
    }

    /// Where the first entry lies that has the prefix, tag and home of `hash` and that `is`
    /// accepts. The expiry index keeps no more of a hash than these parts.
    #[inline]
    pub fn find_where(&self, hash: u64, is: impl FnMut(&Entry) -> bool) -> Option<Slot> {
        self.get_where(hash, is).map(|(slot, _)| slot)
    }

    #[inline(always)]
    fn get_where(&self, hash: u64, is: impl FnMut(&Entry) -> bool) -> Option<(Slot, &Entry)> {
        let segment = self.segment_index(hash)?;
        let (bucket, slot, entry) = self.segments[segment].find(hash, is)?;
        Some((Slot::new(segment, bucket, slot), entry))
    }

    /// The entry in a slot that `find` gave.
    #[inline(always)]
    pub fn at(&self, slot: Slot) -> &Entry {
        self.segments[slot.segment as usize].buckets[slot.bucket as usize].entries[slot.slot()]
            .as_ref()
            .expect("a slot that was found holds an entry until the table is changed")
    }

    /// The entry in a slot that `find` gave. The caller keeps its key.
    #[inline(always)]
    pub fn at_mut(&mut self, slot: Slot) -> &mut Entry {
        self.segments[slot.segment as usize].buckets.own()[slot.bucket as usize].entries
            [slot.slot()]
        .as_mut()
        .expect("a slot that was found holds an entry until the table is changed")
    }

    /// The entries of segment `index`, fetched ahead; None when there is no such segment. A split
    /// leaves half of a segment where it is and puts the other half behind all segments, so a walk
    /// by ascending index meets every entry that was there at its beginning and still is, in a
    /// table that is not shrunk.
    pub fn segment_mut(&mut self, index: usize) -> Option<impl Iterator<Item = &mut Entry>> {
        let segment = self.segments.get_mut(index)?;
        segment.entries().for_each(Entry::prefetch);
        Some(
            segment.buckets.own().iter_mut().flat_map(|bucket| bucket.entries.iter_mut().flatten()),
        )
    }

    /// Puts an entry in whose key is not there yet.
    pub fn insert(&mut self, hash: u64, entry: Entry, hasher: &Hasher) -> Slot {
        if self.directory.is_empty() {
            self.directory.push(0);
            self.segments.push(Segment::new(1, 0));
            self.buckets = 1;
            self.moved = true;
        }
        let segment = loop {
            let index = self.segment_index(hash).expect("the directory is not empty");
            if !self.segments[index].is_full() || !self.grow(index, hash, hasher) {
                break index;
            }
        };
        let (bucket, slot) = self.segments[segment].insert(hash, entry);
        self.len += 1;
        Slot::new(segment, bucket, slot)
    }

    /// Takes the entry out of a slot that `find` gave for the same hash.
    pub fn take(&mut self, hash: u64, slot: Slot) -> Entry {
        let entry = self.segments[slot.segment as usize]
            .take(hash, slot.bucket as usize, slot.slot())
            .expect("a slot that was found holds an entry until the table is changed");
        self.len -= 1;
        // A small table is kept: keys that come and go, as locks do, cost it nothing.
        if self.len == 0 && self.capacity().1 > SMALL_SLOTS {
            *self = Table::default();
        }
        entry
    }

    /// Doubles a small segment or splits a large one. False when neither is possible: all the
    /// prefix bits are used up, and the segment's last free slots have to do.
    fn grow(&mut self, index: usize, hash: u64, hasher: &Hasher) -> bool {
        self.moved = true;
        let (buckets, depth) = (self.segments[index].buckets.len(), self.segments[index].depth);
        if buckets < BUCKETS_MAX {
            let old = &mut self.segments[index];
            let old = std::mem::replace(old, Segment::new(buckets * 2, depth));
            self.buckets += buckets;
            for (hash, entry) in old.drain(hasher) {
                self.segments[index].insert(hash, entry);
            }
            return true;
        }
        if depth == PREFIX_BITS {
            let segment = &self.segments[index];
            assert!((segment.len as usize) < SEGMENT_MAX, "more equal hashes than slots");
            return false;
        }
        if depth == self.directory_bits() {
            self.directory = self.directory.iter().flat_map(|&at| [at, at]).collect();
        }
        self.split(index, hash, hasher);
        true
    }

    fn split(&mut self, index: usize, hash: u64, hasher: &Hasher) {
        let depth = self.segments[index].depth + 1;
        let new_index = self.segments.len();
        let bit = 1 << (PREFIX_BITS - depth);
        let old = std::mem::replace(&mut self.segments[index], Segment::new(BUCKETS_MAX, depth));
        self.segments.push(Segment::new(BUCKETS_MAX, depth));
        self.buckets += BUCKETS_MAX;
        for (hash, entry) in old.drain(hasher) {
            let to = if prefix_of(hash) & bit == 0 { index } else { new_index };
            self.segments[to].insert(hash, entry);
        }
        // The directory entries of the old segment are a contiguous run; its upper half moves.
        let span = 1usize << (self.directory_bits() + 1 - depth);
        let first = (prefix_of(hash) >> (PREFIX_BITS - self.directory_bits())) as usize / span;
        let run = first * span..(first + 1) * span;
        self.directory[run][span / 2..].fill(new_index as u32);
    }

    /// A copy that shares all segments with this table: each of the two copies a segment, of some
    /// hundred entries, before it changes it. Takes a fraction of a microsecond a segment.
    pub fn share(&mut self) -> Table {
        let share =
            |segment: &mut Segment| Segment { buckets: segment.buckets.share(), ..*segment };
        Table {
            directory: self.directory.clone(),
            segments: self.segments.iter_mut().map(share).collect(),
            ..*self
        }
    }

    /// Drops the last segment; what is heavy in it goes to `heavy`. False when there is none. From
    /// the first call on nothing is found any more.
    pub fn shed(&mut self, heavy: &mut Vec<Entry>) -> bool {
        self.directory.clear();
        let Some(segment) = self.segments.pop() else { return false };
        self.len -= segment.len as usize;
        self.buckets -= segment.buckets.len();
        if let Part::Own(buckets) = segment.buckets {
            heavy.extend(into_entries(buckets).filter(Entry::is_heavy));
        }
        true
    }

    /// Every entry, in no particular order; those of a segment are fetched ahead.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.segments.iter().flat_map(|segment| {
            segment.entries().for_each(Entry::prefetch);
            segment.entries()
        })
    }

    /// Visits one step of the scan: the entries whose home is `from.home` in the segment that
    /// `from.prefix` lies in. Returns where the next step begins, or None at the end.
    pub fn visit<'a>(
        &'a self,
        from: Position,
        hasher: &Hasher,
        mut f: impl FnMut(&'a Entry),
    ) -> Option<Position> {
        if self.directory.is_empty() {
            return None;
        }
        let at = (from.prefix >> (PREFIX_BITS - self.directory_bits())) as usize;
        let segment = &self.segments[self.directory[at] as usize];
        // A small segment's bucket stands for several homes; they are visited in one step, unless
        // the scan stands in the middle of one (the table was emptied and filled meanwhile).
        let homes = BUCKETS_MAX / segment.buckets.len();
        let first = from.home as usize;
        let last = if from.prefix == 0 { (first / homes + 1) * homes } else { first + 1 };
        let mask = segment.buckets.len() - 1;
        let mut at = first / homes;
        for _ in 0..=mask {
            for entry in segment.buckets[at].entries.iter().flatten() {
                let hash = entry.hash(hasher);
                if (first..last).contains(&home_of(hash)) && prefix_of(hash) >= from.prefix {
                    f(entry);
                }
            }
            if segment.buckets[at].displaced() == 0 {
                break;
            }
            at = (at + 1) & mask;
        }
        let span = 1u64 << (PREFIX_BITS - segment.depth);
        let next = (from.prefix as u64 / span + 1) * span;
        if next < 1 << PREFIX_BITS {
            Some(Position { home: from.home, prefix: next as u32 })
        } else if last < BUCKETS_MAX {
            Some(Position { home: last as u32, prefix: 0 })
        } else {
            None
        }
    }

    /// Visits what a scan that goes from `from` to `until`, or to the end, has to visit.
    pub fn visit_until<'a>(
        &'a self,
        from: Position,
        until: Option<Position>,
        hasher: &Hasher,
        mut f: impl FnMut(&'a Entry),
    ) {
        let mut at = Some(from);
        while let Some(from) = at.filter(|at| until.is_none_or(|until| *at < until)) {
            at = self.visit(from, hasher, |item| {
                if until.is_none_or(|until| Position::of(item.hash(hasher)) < until) {
                    f(item);
                }
            });
        }
    }

    /// The bytes that the table itself takes, without its entries. Constant time.
    pub fn overhead(&self) -> usize {
        self.buckets * size_of::<Bucket>()
            + self.segments.capacity() * size_of::<Segment>()
            + self.directory.capacity() * size_of::<u32>()
    }
}
