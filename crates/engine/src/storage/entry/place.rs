//! Where an entry lies.

use super::Entry;
use crate::storage::memory::prefetch;

impl Entry {
    /// Fetches the first two lines of the block.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self.0.as_ptr());
        prefetch(self.0.as_ptr().wrapping_add(64));
    }

    /// Fetches the line that says how old the entry is, and has a short key.
    #[inline]
    pub fn prefetch_head(&self) {
        prefetch(self.0.as_ptr());
    }

    /// Where the entry lies, which no other entry does at the same time.
    pub fn address(&self) -> usize {
        self.0.as_ptr().addr()
    }
}
