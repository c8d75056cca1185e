//! The value types that are more than a string.
//!
//! Each type has a packed form while it is small and a structure with an index when it is large,
//! and knows the bytes that it takes without counting them anew.

pub mod hash;
pub mod list;
pub mod packed;
pub mod sorted_set;

use crate::hasher::Hasher;
use hash::Hash;
use list::{List, ListRef};
use sorted_set::SortedSet;

/// The type of a value, as TYPE replies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A string.
    Str,
    /// A list.
    List,
    /// A hash.
    Hash,
    /// A sorted set.
    SortedSet,
}

impl Type {
    /// The name that TYPE replies.
    pub fn name(self) -> &'static str {
        match self {
            Type::Str => "string",
            Type::List => "list",
            Type::Hash => "hash",
            Type::SortedSet => "zset",
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
    /// A sorted set.
    SortedSet(SortedSet),
}

/// A value that is more than a string, borrowed from wherever it is.
#[derive(Clone, Copy, Debug)]
pub enum ObjectRef<'a> {
    /// A list.
    List(ListRef<'a>),
    /// A hash.
    Hash(&'a Hash),
    /// A sorted set.
    SortedSet(&'a SortedSet),
}

impl Object {
    /// The value as it is read.
    #[inline]
    pub fn view(&self) -> ObjectRef<'_> {
        match self {
            Object::List(list) => ObjectRef::List(ListRef::Whole(list)),
            Object::Hash(hash) => ObjectRef::Hash(hash),
            Object::SortedSet(set) => ObjectRef::SortedSet(set),
        }
    }

    /// A copy to be read from end to end. Of a large value it shares the parts, which are copied
    /// one by one as either is changed.
    pub fn freeze(&mut self) -> Object {
        match self {
            Object::List(list) => Object::List(list.freeze()),
            Object::Hash(hash) => Object::Hash(hash.freeze()),
            Object::SortedSet(set) => Object::SortedSet(set.freeze()),
        }
    }

    /// Drops a part of a value that is not read any more; false when the rest is small.
    pub fn shed(&mut self) -> bool {
        match self {
            Object::List(list) => list.shed(),
            Object::Hash(hash) => hash.shed(),
            Object::SortedSet(set) => set.shed(),
        }
    }
}

impl ObjectRef<'_> {
    /// The type.
    pub fn kind(self) -> Type {
        match self {
            ObjectRef::List(_) => Type::List,
            ObjectRef::Hash(_) => Type::Hash,
            ObjectRef::SortedSet(_) => Type::SortedSet,
        }
    }

    /// The name of the encoding, as OBJECT ENCODING replies it.
    pub fn encoding(self) -> &'static str {
        match self {
            ObjectRef::List(list) => list.encoding(),
            ObjectRef::Hash(hash) => hash.encoding(),
            ObjectRef::SortedSet(set) => set.encoding(),
        }
    }

    /// The bytes that the value takes from the allocator. Constant time.
    pub fn allocated(self) -> usize {
        match self {
            ObjectRef::List(list) => list.allocated(),
            ObjectRef::Hash(hash) => hash.allocated(),
            ObjectRef::SortedSet(set) => set.allocated(),
        }
    }

    /// The number of parts, each of which has to be freed.
    pub fn parts(self) -> usize {
        match self {
            ObjectRef::List(list) => list.parts(),
            ObjectRef::Hash(hash) => hash.parts(),
            ObjectRef::SortedSet(set) => set.parts(),
        }
    }

    /// The earliest deadline inside the value (of a hash's field), in monotonic milliseconds;
    /// zero when there is none.
    pub fn next_deadline_ms(self) -> u64 {
        match self {
            ObjectRef::List(_) | ObjectRef::SortedSet(_) => 0,
            ObjectRef::Hash(hash) => hash.next_deadline_ms(),
        }
    }

    /// The same value, copied.
    pub fn to_object(self) -> Object {
        match self {
            ObjectRef::List(list) => Object::List(list.to_list()),
            ObjectRef::Hash(hash) => Object::Hash(hash.clone()),
            ObjectRef::SortedSet(set) => Object::SortedSet(set.clone()),
        }
    }

    /// Asks the processor to fetch where a field's value begins to be searched. Returns whether
    /// [`ObjectRef::prefetch_field`] has more to fetch once that has come.
    #[inline]
    pub fn prefetch(self, field: &[u8], hasher: &Hasher) -> bool {
        match self {
            ObjectRef::List(_) => false,
            ObjectRef::Hash(hash) => hash.prefetch(field, hasher),
            ObjectRef::SortedSet(set) => set.prefetch(field, hasher),
        }
    }

    /// Asks the processor to fetch a field of a large value.
    #[inline]
    pub fn prefetch_field(self, field: &[u8], hasher: &Hasher) {
        match self {
            ObjectRef::List(_) => {}
            ObjectRef::Hash(hash) => hash.prefetch_field(field, hasher),
            ObjectRef::SortedSet(set) => set.prefetch_member(field, hasher),
        }
    }
}
