//! The value types that are more than a string.
//!
//! Each type has a packed form while it is small and a structure with an index when it is large,
//! and knows the bytes that it takes without counting them anew.

pub mod dense;
pub mod hash;
pub mod list;
pub mod packed;
pub mod set;
pub mod sorted_set;
pub mod stream;

use crate::hasher::Hasher;
use hash::Hash;
use list::{List, ListRef};
use set::{Set, SetRef};
use sorted_set::SortedSet;
use stream::Stream;

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
    /// A set.
    Set,
    /// A stream.
    Stream,
}

impl Type {
    /// The name that TYPE replies.
    pub fn name(self) -> &'static str {
        match self {
            Type::Str => "string",
            Type::List => "list",
            Type::Hash => "hash",
            Type::SortedSet => "zset",
            Type::Set => "set",
            Type::Stream => "stream",
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
    /// A set.
    Set(Set),
    /// A stream.
    Stream(Stream),
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
    /// A set.
    Set(SetRef<'a>),
    /// A stream.
    Stream(&'a Stream),
}

impl Object {
    /// The value as it is read.
    #[inline]
    pub fn view(&self) -> ObjectRef<'_> {
        match self {
            Object::List(list) => ObjectRef::List(ListRef::Whole(list)),
            Object::Hash(hash) => ObjectRef::Hash(hash),
            Object::SortedSet(set) => ObjectRef::SortedSet(set),
            Object::Set(set) => ObjectRef::Set(set.view()),
            Object::Stream(stream) => ObjectRef::Stream(stream),
        }
    }

    /// The earliest deadline inside the value (of a hash's field, of a set's member), in monotonic
    /// milliseconds; zero when there is none.
    #[inline]
    pub fn next_deadline_ms(&self) -> u64 {
        match self {
            Object::List(_) | Object::SortedSet(_) | Object::Stream(_) => 0,
            Object::Hash(hash) => hash.next_deadline_ms(),
            Object::Set(set) => set.next_deadline_ms(),
        }
    }

    /// The bytes that the value takes from the allocator. Constant time.
    #[inline]
    pub fn allocated(&self) -> usize {
        match self {
            Object::List(list) => list.allocated(),
            Object::Hash(hash) => hash.allocated(),
            Object::SortedSet(set) => set.allocated(),
            Object::Set(set) => set.view().allocated(),
            Object::Stream(stream) => stream.allocated(),
        }
    }

    /// Asks the processor to fetch a small value, or where a field of a large one begins to be
    /// searched, if one is looked for. Returns whether [`Object::prefetch_field`] has more to fetch
    /// once that has come.
    #[inline]
    pub fn prefetch(&self, field: Option<&[u8]>, hasher: &Hasher) -> bool {
        match self {
            Object::List(_) | Object::Stream(_) => false,
            Object::Hash(hash) => hash.prefetch(field, hasher),
            Object::SortedSet(set) => set.prefetch(field, hasher),
            Object::Set(set) => set.prefetch(field, hasher),
        }
    }

    /// Asks the processor to fetch a field of a large value.
    #[inline]
    pub fn prefetch_field(&self, field: &[u8], hasher: &Hasher) {
        match self {
            Object::List(_) | Object::Stream(_) => {}
            Object::Hash(hash) => hash.prefetch_field(field, hasher),
            Object::SortedSet(set) => set.prefetch_all(&[field], hasher),
            Object::Set(set) => set.prefetch_all(&[field], hasher),
        }
    }

    /// Both for several fields of one value.
    pub fn prefetch_all(&self, fields: &[&[u8]], hasher: &Hasher) {
        match self {
            Object::SortedSet(set) => return set.prefetch_all(fields, hasher),
            Object::Set(set) => return set.prefetch_all(fields, hasher),
            _ => {}
        }
        if fields.iter().fold(false, |more, field| self.prefetch(Some(field), hasher) | more) {
            fields.iter().for_each(|field| self.prefetch_field(field, hasher));
        }
    }

    /// A copy to be read from end to end. Of a large value it shares the parts, which are copied
    /// one by one as either is changed.
    pub fn freeze(&mut self) -> Object {
        match self {
            Object::List(list) => Object::List(list.freeze()),
            Object::Hash(hash) => Object::Hash(hash.freeze()),
            Object::SortedSet(set) => Object::SortedSet(set.freeze()),
            Object::Set(set) => Object::Set(set.freeze()),
            Object::Stream(stream) => Object::Stream(stream.freeze()),
        }
    }

    /// Another value that is the same. Of a large one it shares the parts, as [`Object::freeze`]
    /// does; what leads to them is copied.
    pub fn copy(&mut self) -> Object {
        match self {
            Object::List(list) => Object::List(list.freeze()),
            Object::Hash(hash) => Object::Hash(hash.copy()),
            Object::SortedSet(set) => Object::SortedSet(set.copy()),
            Object::Set(set) => Object::Set(set.copy()),
            Object::Stream(stream) => Object::Stream(stream.freeze()),
        }
    }

    /// Drops a part of a value that is not read any more; false when the rest is small.
    pub fn shed(&mut self) -> bool {
        match self {
            Object::List(list) => list.shed(),
            Object::Hash(hash) => hash.shed(),
            Object::SortedSet(set) => set.shed(),
            Object::Set(set) => set.shed(),
            Object::Stream(stream) => stream.shed(),
        }
    }

    /// Removes at most `limit` parts of the value (a hash's fields, a set's members) that are due,
    /// and calls `f` with their names. Returns whether nothing is left.
    pub fn expire(
        &mut self,
        now_ms: u64,
        limit: usize,
        hasher: &Hasher,
        f: impl FnMut(&[u8]),
    ) -> bool {
        match self {
            Object::List(_) | Object::SortedSet(_) | Object::Stream(_) => false,
            Object::Hash(hash) => {
                hash.expire(now_ms, limit, hasher, f);
                hash.is_empty()
            }
            Object::Set(set) => {
                set.expire(now_ms, limit, hasher, f);
                set.is_empty()
            }
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
            ObjectRef::Set(_) => Type::Set,
            ObjectRef::Stream(_) => Type::Stream,
        }
    }

    /// The name of the encoding, as OBJECT ENCODING replies it.
    pub fn encoding(self) -> &'static str {
        match self {
            ObjectRef::List(list) => list.encoding(),
            ObjectRef::Hash(hash) => hash.encoding(),
            ObjectRef::SortedSet(set) => set.encoding(),
            ObjectRef::Set(set) => set.encoding(),
            ObjectRef::Stream(_) => "stream",
        }
    }

    /// The number of parts, each of which has to be freed.
    pub fn parts(self) -> usize {
        match self {
            ObjectRef::List(list) => list.parts(),
            ObjectRef::Hash(hash) => hash.parts(),
            ObjectRef::SortedSet(set) => set.parts(),
            ObjectRef::Set(set) => set.parts(),
            ObjectRef::Stream(stream) => stream.parts(),
        }
    }

    /// The same value, copied.
    pub fn to_object(self) -> Object {
        match self {
            ObjectRef::List(list) => Object::List(list.to_list()),
            ObjectRef::Hash(hash) => Object::Hash(hash.clone()),
            ObjectRef::SortedSet(set) => Object::SortedSet(set.clone()),
            ObjectRef::Set(set) => Object::Set(set.to_set()),
            ObjectRef::Stream(stream) => Object::Stream(stream.clone()),
        }
    }
}
