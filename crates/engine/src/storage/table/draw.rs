//! Drawing entries at random.

use super::{SLOTS, Slot, Table};
use crate::storage::entry::Entry;

impl Table {
    /// What lies in the `nth` of all slots, which is below the capacity. An entry stays in its
    /// slot until the table is changed, so a slot drawn evenly is an entry drawn evenly.
    pub fn nth(&self, nth: usize) -> Option<&Entry> {
        // Segments are as large as each other: as long as one can double, it is the only one.
        let slots = self.segments.first()?.buckets.len() * SLOTS;
        let (segment, slot) = (nth / slots, nth % slots);
        self.segments[segment].buckets[slot / SLOTS].entries[slot % SLOTS].as_ref()
    }

    /// The slot that [`Table::nth`] looks at.
    pub fn nth_slot(&self, nth: usize) -> Option<Slot> {
        let slots = self.segments.first()?.buckets.len() * SLOTS;
        let (segment, slot) = (nth / slots, nth % slots);
        Some(Slot::new(segment, slot / SLOTS, slot % SLOTS))
    }

    /// The entries of a hash's segment from the hash's home on, those before it last. As hashes are
    /// random, those that come first for a random one are drawn at random, too.
    pub fn near(&self, hash: u64) -> impl Iterator<Item = &Entry> {
        let segment = self.segment_index(hash).map(|index| &self.segments[index]);
        segment.into_iter().flat_map(move |segment| {
            let (before, behind) = segment.buckets.split_at(segment.home(hash));
            behind.iter().chain(before).flat_map(|bucket| bucket.entries.iter().flatten())
        })
    }
}
