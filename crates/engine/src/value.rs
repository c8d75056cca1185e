//! The value types that are more than a string, behind one pointer in their entry.
//!
//! Each type has a packed form while it is small and a real structure when it is large, and knows
//! the bytes that it takes without counting them anew.

pub mod hash;
pub mod list;
pub mod packed;

use crate::hasher::Hasher;
use hash::Hash;
use list::List;

/// The type of a value, as TYPE tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A string.
    Str,
    /// A list.
    List,
    /// A hash.
    Hash,
}

impl Type {
    /// The name that TYPE replies.
    pub fn name(self) -> &'static str {
        match self {
            Type::Str => "string",
            Type::List => "list",
            Type::Hash => "hash",
        }
    }
}

/// A value that is more than a string.
#[derive(Clone, Debug)]
pub enum Object {
    /// A list.
    List(List),
    /// A hash.
    Hash(Hash),
}

impl Object {
    /// The type.
    pub fn kind(&self) -> Type {
        match self {
            Object::List(_) => Type::List,
            Object::Hash(_) => Type::Hash,
        }
    }

    /// The name of the encoding, as OBJECT ENCODING tells it.
    pub fn encoding(&self) -> &'static str {
        match self {
            Object::List(list) => list.encoding(),
            Object::Hash(hash) => hash.encoding(),
        }
    }

    /// The bytes that the value takes from the allocator. Constant time.
    pub fn allocated(&self) -> usize {
        match self {
            Object::List(list) => list.allocated(),
            Object::Hash(hash) => hash.allocated(),
        }
    }

    /// The number of parts, each of which has to be freed.
    pub fn parts(&self) -> usize {
        match self {
            Object::List(list) => list.parts(),
            Object::Hash(hash) => hash.parts(),
        }
    }

    /// The earliest deadline inside the value (of a hash's field), in monotonic milliseconds;
    /// zero when there is none.
    pub fn next_deadline_ms(&self) -> u64 {
        match self {
            Object::List(_) => 0,
            Object::Hash(hash) => hash.next_deadline_ms(),
        }
    }

    /// Asks the processor to fetch where a field's value begins to be searched. Returns whether
    /// [`Object::prefetch_field`] has more to fetch once that has come.
    #[inline]
    pub fn prefetch(&self, field: &[u8], hasher: &Hasher) -> bool {
        match self {
            Object::List(_) => false,
            Object::Hash(hash) => hash.prefetch(field, hasher),
        }
    }

    /// Asks the processor to fetch a field of a large value.
    #[inline]
    pub fn prefetch_field(&self, field: &[u8], hasher: &Hasher) {
        if let Object::Hash(hash) = self {
            hash.prefetch_field(field, hasher);
        }
    }
}
