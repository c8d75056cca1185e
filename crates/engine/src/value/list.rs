//! A list: elements in order, cheap at both ends.

use std::collections::VecDeque;

/// A list.
#[derive(Clone, Debug, Default)]
pub struct List {
    elements: VecDeque<Box<[u8]>>,
}

impl List {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The name of the encoding.
    pub fn encoding(&self) -> &'static str {
        "quicklist"
    }

    /// The bytes taken.
    pub fn allocated(&self) -> usize {
        self.elements.capacity() * size_of::<Box<[u8]>>()
    }
}
