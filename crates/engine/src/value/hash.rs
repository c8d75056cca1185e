//! A hash: fields with values.

use hashbrown::HashMap;

/// A hash.
#[derive(Clone, Debug, Default)]
pub struct Hash {
    map: HashMap<Box<[u8]>, Box<[u8]>>,
}

impl Hash {
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The name of the encoding.
    pub fn encoding(&self) -> &'static str {
        "hashtable"
    }

    /// The bytes taken.
    pub fn allocated(&self) -> usize {
        self.map.allocation_size()
    }

    /// The earliest deadline of a field, zero when there is none.
    pub fn next_deadline_ms(&self) -> u64 {
        0
    }
}
