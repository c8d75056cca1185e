//! A table that is made as large as it will be, because how many entries come is known: then none
//! of them is moved, and hashed anew, by a split.

use super::{BUCKETS_MAX, SEGMENT_FULL, SLOTS, Segment, Table};
use crate::hasher::PREFIX_BITS;

/// Entries of a segment, on average, up to which a table need not have more segments: so few that
/// it is seldom one of many that gets full.
const SEGMENT_FILLED: usize = SEGMENT_FULL * 15 / 16;

impl Table {
    /// Makes room for so many entries with evenly spread hashes. Does nothing once there is an
    /// entry or room for one.
    pub fn reserve(&mut self, entries: usize) {
        if !self.directory.is_empty() || entries == 0 {
            return;
        }
        let (mut buckets, mut depth) = (1, 0);
        while buckets < BUCKETS_MAX && buckets * SLOTS * 3 / 4 < entries {
            buckets *= 2;
        }
        while depth < PREFIX_BITS && SEGMENT_FILLED << depth < entries {
            depth += 1;
        }
        let count = 1 << depth;
        self.segments = (0..count).map(|_| Segment::new(buckets, depth)).collect();
        self.directory = (0..count as u32).collect();
        self.buckets = count * buckets;
        self.moved = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hasher::Hasher;
    use crate::storage::entry::{Entry, NewValue};

    #[test]
    fn what_is_reserved_is_as_large_as_what_grows_and_holds_the_same() {
        let hasher = Hasher::new([1, 2]);
        for entries in [1, 5, 60, 400, 500, 5000, 40_000] {
            let (mut reserved, mut grown) = (Table::default(), Table::default());
            reserved.reserve(entries);
            for table in [&mut reserved, &mut grown] {
                for n in 0..entries {
                    let entry = Entry::new(format!("key:{n}").as_bytes(), NewValue::Int(1), 0);
                    table.insert(entry.hash(&hasher), entry, &hasher);
                }
            }
            for n in 0..entries {
                let key = format!("key:{n}").into_bytes();
                assert!(reserved.find(hasher.hash(&key), &key).is_some(), "{entries}: {n}");
            }
            let (slots, grown_slots) = (reserved.capacity().1, grown.capacity().1);
            assert!(slots <= grown_slots * 2 && grown_slots <= slots * 2, "{entries}: {slots}");
            reserved.check(&hasher);
        }
    }

    #[test]
    fn a_table_that_has_entries_is_left_alone() {
        let hasher = Hasher::new([1, 2]);
        let mut table = Table::default();
        let entry = Entry::new(b"key", NewValue::Int(1), 0);
        table.insert(entry.hash(&hasher), entry, &hasher);
        let before = table.capacity();
        table.reserve(1_000_000);
        assert_eq!(table.capacity(), before);
    }
}
