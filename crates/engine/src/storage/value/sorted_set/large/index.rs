//! From a member's hash to the number of the page that it is in.
//!
//! Linear hashing: the lower bits of a hash choose a segment, 16 upper bits a line in it and what
//! is compared. A line is one cache line of ten slots:
//!
//! ```text
//!  0          10         20       21     24                             64
//! +----------+----------+--------+------+------------------------------+
//! | tag x 10 | more x10 | passed |      | page number u32 x 10         |
//! +----------+----------+--------+------+------------------------------+
//! ```
//!
//! `passed` counts the entries that found their line full and lie in a later one, so that nothing
//! marks where an entry was removed. The index grows by one segment at a time: a sweep makes one
//! segment after the other larger, in four steps, and at last splits each in two. It shrinks the
//! same way back. Only a split needs whole hashes, and asks for them.
//!
//! Slots may name a page that the member is not in any more (`stale`), after very many members
//! were removed together. A search passes them, since it compares the member; [`Index::clean`]
//! takes them out.

use super::page::NONE;
use crate::storage::memory::{prefetch, size_class};

const SLOTS: usize = 10;
/// Lines of a segment, in each of the steps between two splits.
const STEPS: [usize; 4] = [16, 20, 24, 28];
/// Lines of the only segment, and of one that has more than its share: sizes that the allocator
/// has without waste.
const ROOMS: [usize; 24] =
    [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128];

#[derive(Clone)]
#[repr(C)]
struct Line {
    tags: [u8; SLOTS],
    more: [u8; SLOTS],
    passed: u8,
    pages: [u32; SLOTS],
}

const _: () = assert!(size_of::<Line>() == 64);

const EMPTY: Line = Line { tags: [0; SLOTS], more: [0; SLOTS], passed: 0, pages: [NONE; SLOTS] };

/// 16 bits of a hash: the lower byte is the tag, never zero.
pub fn bits(hash: u64) -> u16 {
    let bits = (hash >> 48) as u16;
    if bits & 255 == 0 { bits | 1 } else { bits }
}

/// The tag of a hash.
pub fn tag(hash: u64) -> u8 {
    bits(hash) as u8
}

impl Line {
    /// The slots with a tag, as bits.
    #[inline]
    fn tagged(&self, tag: u8) -> u32 {
        const LOW: u64 = u64::from_ne_bytes([1; 8]);
        const REST: u64 = u64::from_ne_bytes([127; 8]);
        let [first @ .., eighth, ninth] = self.tags;
        let x = u64::from_le_bytes(first) ^ (LOW * tag as u64);
        // The highest bit of each byte that is zero in `x`, then those bits side by side.
        let zero = !(((x & REST) + REST) | x | REST);
        let eight = ((zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32;
        eight | u32::from(eighth == tag) << 8 | u32::from(ninth == tag) << 9
    }
}

#[derive(Clone, Default)]
struct Segment {
    lines: Box<[Line]>,
    count: usize,
}

impl Segment {
    fn new(lines: usize) -> Segment {
        Segment { lines: vec![EMPTY; lines].into_boxed_slice(), count: 0 }
    }

    #[inline]
    fn home(&self, bits: u16) -> usize {
        (bits as usize * self.lines.len()) >> 16
    }

    /// Puts an entry into the first free slot from its home on. There is one.
    fn put(&mut self, bits: u16, page: u32) {
        let mut at = self.home(bits);
        loop {
            let line = &mut self.lines[at];
            let free = line.tagged(0);
            if free != 0 {
                let slot = free.trailing_zeros() as usize;
                line.tags[slot] = bits as u8;
                line.more[slot] = (bits >> 8) as u8;
                line.pages[slot] = page;
                self.count += 1;
                return;
            }
            line.passed = line.passed.saturating_add(1);
            at = if at + 1 == self.lines.len() { 0 } else { at + 1 };
        }
    }

    /// Calls `f` with the line, the slot and the page of the entries with these bits until it
    /// answers true.
    #[inline]
    fn probe(&self, bits: u16, mut f: impl FnMut(usize, usize, u32) -> bool) {
        let mut at = self.home(bits);
        for _ in 0..self.lines.len() {
            let line = &self.lines[at];
            let mut found = line.tagged(bits as u8);
            while found != 0 {
                let slot = found.trailing_zeros() as usize;
                if line.more[slot] == (bits >> 8) as u8 && f(at, slot, line.pages[slot]) {
                    return;
                }
                found &= found - 1;
            }
            if line.passed == 0 {
                return;
            }
            at = if at + 1 == self.lines.len() { 0 } else { at + 1 };
        }
    }

    /// Takes the entry out that [`Segment::probe`] found there.
    fn take(&mut self, bits: u16, line: usize, slot: usize) {
        self.lines[line].tags[slot] = 0;
        let mut at = self.home(bits);
        while at != line {
            let passed = &mut self.lines[at].passed;
            // What has been counted up to the most is not known any more.
            if *passed != u8::MAX {
                *passed -= 1;
            }
            at = if at + 1 == self.lines.len() { 0 } else { at + 1 };
        }
        self.count -= 1;
    }

    /// All entries.
    fn entries(&self) -> impl Iterator<Item = (u16, u32)> {
        self.lines.iter().flat_map(|line| {
            (0..SLOTS).filter(|&slot| line.tags[slot] != 0).map(|slot| {
                (line.tags[slot] as u16 | (line.more[slot] as u16) << 8, line.pages[slot])
            })
        })
    }

    fn bytes(&self) -> usize {
        size_class(self.lines.len() * size_of::<Line>())
    }
}

/// Whole hashes of members, by what a slot knows of them.
pub trait Hashes {
    /// Asks the processor to fetch the head of a page.
    fn warm(&self, page: u32);
    /// The same for the member with these bits, when the head has come.
    fn warm_more(&self, page: u32, bits: u16);
    /// Adds the hashes of the members of a page that have these bits.
    fn with_bits(&self, page: u32, bits: u16, hashes: &mut Vec<u64>);
}

/// The index.
#[derive(Clone)]
pub struct Index {
    segments: Vec<Segment>,
    /// How many bits of a hash choose a segment, before the sweep that splits.
    level: u32,
    /// Which step segments before `swept` are being brought to, after `level` splits; the last
    /// one is the split.
    step: usize,
    swept: usize,
    count: usize,
    slots: usize,
    /// How many entries are in no page, at most.
    stale: usize,
    /// How many segments are still to be cleaned.
    dirty: usize,
    bytes: usize,
}

impl Default for Index {
    fn default() -> Index {
        Index::of_segments(0, 0, 0, vec![Segment::new(1)])
    }
}

/// The least room for so many entries, at most nine tenths full.
fn room_for(count: usize) -> usize {
    let lines = (count * 10).div_ceil(SLOTS * 9).max(1);
    ROOMS.iter().copied().find(|&room| room >= lines).unwrap_or(lines.next_multiple_of(16))
}

impl Index {
    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        self.bytes + self.segments.capacity() * size_of::<Segment>()
    }

    /// The number of allocations.
    pub fn parts(&self) -> usize {
        self.segments.len()
    }

    /// An index with room for so many members: as large as one that has grown to them.
    pub fn with_room(members: usize) -> Index {
        let lines = (members * 100 / 82).div_ceil(SLOTS) + 1;
        if lines <= STEPS[3] {
            let room = ROOMS.iter().copied().find(|&room| room >= lines).unwrap_or(lines);
            return Index::of_segments(0, 0, 0, vec![Segment::new(room)]);
        }
        let mut level = (lines / STEPS[0]).ilog2().max(1);
        let mut step = (1..4).rev().find(|&step| STEPS[step] << level <= lines).unwrap_or(0);
        // A step of one segment is four lines.
        let mut swept = lines.saturating_sub(STEPS[step] << level).div_ceil(4);
        if swept == 1 << level {
            (swept, level, step) = (0, level + u32::from(step == 3), (step + 1) % 4);
        }
        let (count, next) = match step {
            3 => ((1 << level) + swept, STEPS[0]),
            _ => (1 << level, STEPS[step + 1]),
        };
        let is_swept = |at: usize| at < swept || at >= 1 << level;
        let room = |at: usize| if is_swept(at) { next } else { STEPS[step] };
        Index::of_segments(
            level,
            step,
            swept,
            (0..count).map(|at| Segment::new(room(at))).collect(),
        )
    }

    fn of_segments(level: u32, step: usize, swept: usize, segments: Vec<Segment>) -> Index {
        let slots = segments.iter().map(|segment| segment.lines.len() * SLOTS).sum();
        let bytes = segments.iter().map(Segment::bytes).sum();
        Index { segments, level, step, swept, count: 0, slots, stale: 0, dirty: 0, bytes }
    }

    /// An index without memory, for a copy that is only read in order.
    pub fn none() -> Index {
        Index { segments: Vec::new(), slots: 0, bytes: 0, ..Index::default() }
    }

    /// Drops some segments; false when none is left.
    pub fn shed(&mut self) -> bool {
        let rest = self.segments.len().saturating_sub(CHUNK_SEGMENTS);
        self.segments.truncate(rest);
        rest > 0
    }

    #[inline]
    fn segment_of(&self, hash: u64) -> usize {
        let wide = hash as usize & ((2 << self.level) - 1);
        if wide < self.segments.len() { wide } else { wide & ((1 << self.level) - 1) }
    }

    #[inline]
    fn segment(&self, hash: u64) -> &Segment {
        &self.segments[self.segment_of(hash)]
    }

    /// Asks the processor to fetch the line of a hash.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let segment = self.segment(hash);
        prefetch(segment.lines.as_ptr().wrapping_add(segment.home(bits(hash))) as *const u8);
    }

    /// The page of the first entry whose bits agree: nearly always the right one.
    #[inline]
    pub fn guess(&self, hash: u64) -> Option<u32> {
        let mut guess = None;
        self.segment(hash).probe(bits(hash), |_, _, page| {
            guess = Some(page);
            true
        });
        guess
    }

    /// Calls `f` with the pages that may have the member, until it answers true.
    #[inline]
    pub fn find(&self, hash: u64, mut f: impl FnMut(u32) -> bool) {
        self.segment(hash).probe(bits(hash), |_, _, page| f(page));
    }

    /// The member is in page `new` now. Only these two are told apart: which of two entries with
    /// the same bits and page is changed makes no difference.
    pub fn replace(&mut self, hash: u64, old: u32, new: u32) {
        let at = self.segment_of(hash);
        let mut found = None;
        self.segments[at].probe(bits(hash), |line, slot, page| {
            if page == old {
                found = Some((line, slot));
            }
            page == old
        });
        let (line, slot) = found.expect("every member is in the index");
        self.segments[at].lines[line].pages[slot] = new;
    }

    /// Takes a member out that was in page `old`.
    pub fn remove(&mut self, hash: u64, old: u32) {
        let at = self.segment_of(hash);
        let mut found = None;
        self.segments[at].probe(bits(hash), |line, slot, page| {
            if page == old {
                found = Some((line, slot));
            }
            page == old
        });
        let (line, slot) = found.expect("every member is in the index");
        self.segments[at].take(bits(hash), line, slot);
        self.count -= 1;
        if self.count * 16 < self.slots * 9 {
            self.narrow();
        }
    }

    /// Adds a member that is in `page`.
    pub fn insert(&mut self, hash: u64, page: u32, hashes: &impl Hashes) {
        let at = self.segment_of(hash);
        if self.segments[at].count + 1 > self.segments[at].lines.len() * SLOTS * 19 / 20 {
            let room = room_for(self.segments[at].count + 1);
            self.resize(at, room.max(self.segments[at].lines.len() + 1));
        }
        self.segments[at].put(bits(hash), page);
        self.count += 1;
        if self.count * 100 > self.slots * 82 {
            self.widen(hashes);
        }
    }

    /// Makes room for so many members, that adding them asks for no hashes: they may come to a page
    /// together, and a split would find those there that are not in the index yet.
    pub fn reserve(&mut self, members: usize, hashes: &impl Hashes) {
        while (self.count + members) * 100 > self.slots * 82 {
            self.widen(hashes);
        }
    }

    /// So many members are in no page any more that were not taken out.
    pub fn leave(&mut self, members: usize) {
        self.stale += members;
        self.dirty = self.segments.len();
    }

    /// Takes what is stale out of one more segment, if there may be any.
    #[inline]
    pub fn clean(&mut self, hashes: &impl Hashes) {
        if self.dirty > 0 {
            self.clean_one(hashes);
        }
    }

    /// From the last segment to the first: an upper half that is merged into its lower one is
    /// cleaned there.
    #[cold]
    fn clean_one(&mut self, hashes: &impl Hashes) {
        let at = self.dirty.min(self.segments.len()) - 1;
        let before = self.segments[at].count;
        let (kept, _) = self.sort_out(at, hashes, |_| false);
        self.put_all(at, self.lines(at), &kept);
        let gone = before - kept.len();
        self.count -= gone;
        self.stale -= gone.min(self.stale);
        self.dirty = if self.stale == 0 { 0 } else { at };
        if self.dirty == 0 {
            self.stale = 0;
        }
        if self.count * 16 < self.slots * 9 {
            self.narrow();
        }
    }

    /// Grows by a step of one segment.
    #[cold]
    fn widen(&mut self, hashes: &impl Hashes) {
        if self.level == 0 && self.segments.len() == 1 && self.lines(0) < STEPS[3] {
            let room = ROOMS.iter().copied().find(|&room| room > self.lines(0));
            return self.resize(0, room.unwrap_or(STEPS[3]));
        }
        if self.level == 0 && self.segments.len() == 1 {
            self.step = 3;
        }
        let at = self.swept;
        if self.step < 3 {
            let room = STEPS[self.step + 1].max(room_for(self.segments[at].count));
            self.resize(at, room);
        } else {
            self.split(at, hashes);
        }
        self.swept += 1;
        if self.swept == 1 << self.level {
            self.swept = 0;
            self.level += u32::from(self.step == 3);
            self.step = (self.step + 1) % 4;
        }
    }

    /// Shrinks by a step of one segment: [`Index::widen`] backwards.
    #[cold]
    fn narrow(&mut self) {
        if self.level == 0 && self.segments.len() == 1 {
            let room = room_for(self.segments[0].count * 5 / 4);
            return if room < self.lines(0) {
                self.resize(0, room)
            };
        }
        if self.swept == 0 {
            if self.step == 0 {
                self.level -= 1;
                self.step = 3;
            } else {
                self.step -= 1;
            }
            self.swept = 1 << self.level;
        }
        self.swept -= 1;
        let at = self.swept;
        if self.step < 3 {
            let room = STEPS[self.step].max(room_for(self.segments[at].count));
            self.resize(at, room);
        } else {
            let Some(upper) = self.segments.pop() else { return };
            self.slots -= upper.lines.len() * SLOTS;
            self.bytes -= upper.bytes();
            let all: Vec<_> = self.segments[at].entries().chain(upper.entries()).collect();
            self.put_all(at, STEPS[3].max(room_for(all.len())), &all);
        }
    }

    fn lines(&self, at: usize) -> usize {
        self.segments[at].lines.len()
    }

    fn resize(&mut self, at: usize, lines: usize) {
        let entries: Vec<_> = self.segments[at].entries().collect();
        self.put_all(at, lines, &entries);
    }

    /// Makes a segment anew, with these entries.
    fn put_all(&mut self, at: usize, lines: usize, entries: &[(u16, u32)]) {
        let mut segment = Segment::new(lines.max(room_for(entries.len())));
        entries.iter().for_each(|&(bits, page)| segment.put(bits, page));
        self.slots += segment.lines.len() * SLOTS;
        self.bytes += segment.bytes();
        let old = std::mem::replace(&mut self.segments[at], segment);
        self.slots -= old.lines.len() * SLOTS;
        self.bytes -= old.bytes();
    }

    fn split(&mut self, at: usize, hashes: &impl Hashes) {
        let (before, level) = (self.segments[at].count, self.level);
        let (lower, upper) = self.sort_out(at, hashes, |hash| hash >> level & 1 == 1);
        let gone = before - lower.len() - upper.len();
        self.count -= gone;
        self.stale -= gone.min(self.stale);
        self.put_all(at, STEPS[0], &lower);
        let empty = Segment::default();
        self.segments.push(empty);
        let last = self.segments.len() - 1;
        self.put_all(last, STEPS[0], &upper);
    }

    /// Asks for the hashes of a segment's entries, and deals the entries out. Those that are stale
    /// are left out.
    #[allow(clippy::type_complexity)]
    fn sort_out(
        &self,
        at: usize,
        hashes: &impl Hashes,
        is_upper: impl Fn(u64) -> bool,
    ) -> (Vec<(u16, u32)>, Vec<(u16, u32)>) {
        let all: Vec<(u16, u32)> = self.segments[at].entries().collect();
        let (mut lower, mut upper) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
        let (mut found, mut many) = (Vec::new(), Vec::new());
        for entries in all.chunks(32) {
            entries.iter().for_each(|&(_, page)| hashes.warm(page));
            entries.iter().for_each(|&(bits, page)| hashes.warm_more(page, bits));
            for &(bits, page) in entries {
                found.clear();
                hashes.with_bits(page, bits, &mut found);
                found.retain(|&hash| self.segment_of(hash) == at);
                // Two members of one page with the same bits are met twice, and so is one that has
                // a stale namesake.
                if found.len() > 1 || self.stale > 0 {
                    if many.contains(&(bits, page)) {
                        continue;
                    }
                    many.push((bits, page));
                }
                for &hash in &found {
                    let half = if is_upper(hash) { &mut upper } else { &mut lower };
                    half.push((bits, page));
                }
            }
        }
        (lower, upper)
    }

    /// The pages of the entries of the segment that a place in scan order is in, the place behind
    /// that segment, or None when it is the last. The order is that of the reversed hashes.
    pub fn scan(&self, place: u64, mut f: impl FnMut(u16, u32)) -> Option<u64> {
        let at = self.segment_of(place.reverse_bits());
        self.segments[at].entries().for_each(|(bits, page)| f(bits, page));
        let split = self.segments.len() - (1 << self.level);
        let bits = if at % (1 << self.level) < split { self.level + 1 } else { self.level };
        if bits == 0 {
            return None;
        }
        let width = 1u64 << (64 - bits);
        (place & !(width - 1)).checked_add(width)
    }

    /// Whether a hash belongs to the segment that a place in scan order is in.
    pub fn is_near(&self, place: u64, hash: u64) -> bool {
        self.segment_of(place.reverse_bits()) == self.segment_of(hash)
    }
}

/// Segments that are dropped together.
const CHUNK_SEGMENTS: usize = 64;
