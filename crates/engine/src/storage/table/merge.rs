//! A table that has lost most of its entries becomes smaller, piece by piece.
//!
//! Two segments that one split has made are merged when few entries are left in both together; the
//! only segment halves. Neither moves more than half a segment's entries, and as many have been
//! removed before. So a slot drawn at random is seldom empty, however much was removed, and memory
//! goes back.
//!
//! Only for tables of values: a merge moves another segment to the place of the one that goes, and
//! a walk by their index ([`Table::segment_mut`]) could miss it.

use super::{BUCKETS_MAX, SEGMENT_MAX, SLOTS, Segment, Table};
use crate::hasher::{Hasher, PREFIX_BITS, prefix_of};

/// Entries of two segments up to which they become one. A merged segment can double its entries
/// before it splits again.
const MERGED_MAX: u32 = SEGMENT_MAX as u32 / 2;
/// The only segment is halved when there is room for so many times its entries.
const HALVED_BELOW: usize = 8;

impl Table {
    /// Makes the table smaller where an entry with this hash was taken out, if that is due. Entries
    /// move to other slots.
    #[inline]
    pub fn shrink(&mut self, hash: u64, hasher: &Hasher) {
        let Some(index) = self.segment_index(hash) else { return };
        let segment = &self.segments[index];
        let len = segment.len as usize;
        if segment.depth == 0 {
            let slots = segment.buckets.len() * SLOTS;
            if slots > super::SMALL_SLOTS && len * HALVED_BELOW < slots {
                self.halve(hasher);
            }
        } else if segment.len <= MERGED_MAX / 2 {
            self.merge(hash, hasher);
        }
    }

    /// Halves the only segment.
    fn halve(&mut self, hasher: &Hasher) {
        let buckets = self.segments[0].buckets.len() / 2;
        let old = std::mem::replace(&mut self.segments[0], Segment::new(buckets, 0));
        self.buckets = buckets;
        self.moved = true;
        for (hash, entry) in old.drain(hasher) {
            self.segments[0].insert(hash, entry);
        }
    }

    /// Merges the segment of a hash with its other half, as often as few entries are in both.
    fn merge(&mut self, hash: u64, hasher: &Hasher) {
        while let Some((keep, gone, first)) = self.halves(hash) {
            let last = self.segments.len() - 1;
            let depth = self.segments[keep].depth - 1;
            let span = self.directory.len() >> depth;
            self.directory[first..first + span].fill(keep as u32);
            if gone != last {
                let at = self.first_of(last, hasher);
                let span = self.directory.len() >> self.segments[last].depth;
                self.directory[at..at + span].fill(gone as u32);
            }
            let old = self.segments.swap_remove(gone);
            let kept =
                std::mem::replace(&mut self.segments[keep], Segment::new(BUCKETS_MAX, depth));
            for (hash, entry) in kept.drain(hasher).chain(old.drain(hasher)) {
                self.segments[keep].insert(hash, entry);
            }
            self.buckets -= BUCKETS_MAX;
            self.moved = true;
            self.shrink_directory();
        }
    }

    /// The segment of a hash and its other half, if few entries are in both: which of the two stays
    /// and which goes, and where their part of the directory begins.
    fn halves(&self, hash: u64) -> Option<(usize, usize, usize)> {
        let index = self.segment_index(hash)?;
        let segment = &self.segments[index];
        if segment.depth == 0 {
            return None;
        }
        let span = self.directory.len() >> segment.depth;
        let at = (prefix_of(hash) >> (PREFIX_BITS - self.directory_bits())) as usize;
        let first = at / (2 * span) * (2 * span);
        let half = if at < first + span { first + span } else { first };
        let other = self.directory[half] as usize;
        let is_half = self.segments[other].depth == segment.depth;
        let few = is_half && segment.len + self.segments[other].len <= MERGED_MAX;
        few.then_some((index.min(other), index.max(other), first))
    }

    /// Where a segment's part of the directory begins.
    fn first_of(&self, index: usize, hasher: &Hasher) -> usize {
        let segment = &self.segments[index];
        let span = self.directory.len() >> segment.depth;
        let entry = segment.entries().next();
        let at = match entry.map(|entry| prefix_of(entry.hash(hasher))) {
            Some(prefix) => (prefix >> (PREFIX_BITS - self.directory_bits())) as usize,
            // An empty one is told by its number alone.
            None => (0..self.directory.len())
                .step_by(span)
                .find(|at| self.directory[*at] == index as u32)
                .expect("every segment is in the directory"),
        };
        at / span * span
    }

    /// Halves a directory that is long for its segments, if none of them needs its length.
    fn shrink_directory(&mut self) {
        let (bits, segments) = (self.directory_bits(), self.segments.len());
        if segments * 4 < self.segments.capacity() {
            self.segments.shrink_to(segments * 2);
        }
        let is_long = segments * 4 <= self.directory.len();
        if is_long && self.segments.iter().all(|segment| segment.depth < bits) {
            self.directory = self.directory.iter().step_by(2).copied().collect();
        }
    }
}
