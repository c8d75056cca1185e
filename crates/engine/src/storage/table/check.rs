//! The table's invariants, checked against its content. For tests and fuzzers: a lookup still finds
//! everything when a bucket counts too many displaced entries, only more and more slowly.

use super::{BUCKETS_MAX, SLOTS, Segment, Table};
use crate::hasher::{Hasher, PREFIX_BITS, prefix_of, tag_of};
use crate::storage::part::Part;

impl Table {
    /// Checks every invariant of the table against its content.
    ///
    /// # Panics
    /// When one is broken.
    pub fn check(&self, hasher: &Hasher) {
        let len: usize = self.segments.iter().map(|segment| segment.len as usize).sum();
        assert_eq!(len, self.len, "the table's count");
        assert!(self.directory.is_empty() || self.directory.len().is_power_of_two());
        let mut covered = vec![0; self.segments.len()];
        for &index in &self.directory {
            covered[index as usize] += 1;
        }
        for (index, segment) in self.segments.iter().enumerate() {
            let span = self.directory.len() >> segment.depth;
            assert_eq!(covered[index], span, "directory entries of segment {index}");
            assert!(segment.buckets.len() == BUCKETS_MAX || self.segments.len() == 1);
            segment.check(hasher);
            for entry in segment.entries() {
                let hash = entry.hash(hasher);
                assert_eq!(self.segment_index(hash), Some(index), "an entry's segment");
            }
        }
    }

    /// How many segments there are, and how many of them may be shared with a frozen copy.
    pub fn segments(&self) -> (usize, usize) {
        let shared = |segment: &&Segment| matches!(segment.buckets, Part::Shared(_));
        (self.segments.len(), self.segments.iter().filter(shared).count())
    }

    /// How many buckets count so many displaced entries that they have stopped counting.
    pub fn stuck_buckets(&self) -> usize {
        let buckets = self.segments.iter().flat_map(|segment| segment.buckets.iter());
        buckets.filter(|bucket| bucket.displaced() == u8::MAX).count()
    }
}

impl Segment {
    fn check(&self, hasher: &Hasher) {
        let mask = self.buckets.len() - 1;
        let mut passed = vec![0usize; self.buckets.len()];
        let (mut len, mut prefixes) = (0, Vec::new());
        for (at, bucket) in self.buckets.iter().enumerate() {
            for slot in 0..SLOTS {
                let tag = (bucket.meta >> (slot * 8)) as u8;
                let Some(entry) = &bucket.entries[slot] else {
                    assert_eq!(tag, 0, "an empty slot's tag");
                    continue;
                };
                let hash = entry.hash(hasher);
                assert_eq!(tag, tag_of(hash), "an entry's tag");
                len += 1;
                prefixes.push(prefix_of(hash) as u64 >> (PREFIX_BITS - self.depth));
                let mut on_the_way = self.home(hash);
                while on_the_way != at {
                    passed[on_the_way] += 1;
                    on_the_way = (on_the_way + 1) & mask;
                }
            }
        }
        assert_eq!(len, self.len, "the segment's count");
        assert!(prefixes.windows(2).all(|pair| pair[0] == pair[1]), "one segment, one prefix");
        for (bucket, passed) in self.buckets.iter().zip(passed) {
            let counted = bucket.displaced();
            let stuck = counted == u8::MAX;
            assert!(stuck || counted as usize == passed, "{counted} counted, {passed} displaced");
        }
    }
}
