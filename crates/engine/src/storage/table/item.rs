//! What a table holds: entries, or words that stand for themselves.

use crate::hasher::Hasher;
use crate::storage::entry::Entry;

/// Something that lies in a table at a place that follows from itself alone.
pub trait Item: Clone {
    /// The hash that says where.
    fn hash(&self, hasher: &Hasher) -> u64;

    /// Asks the processor to fetch what is needed to compare it.
    #[inline]
    fn prefetch(&self) {}

    /// Whether dropping it is worth a thread of its own.
    fn is_heavy(&self) -> bool {
        false
    }
}

impl Item for Entry {
    #[inline]
    fn hash(&self, hasher: &Hasher) -> u64 {
        hasher.hash(self.key())
    }

    #[inline]
    fn prefetch(&self) {
        Entry::prefetch(self);
    }

    fn is_heavy(&self) -> bool {
        Entry::is_heavy(self)
    }
}
