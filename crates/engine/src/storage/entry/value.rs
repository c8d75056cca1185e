//! A value on its way into an entry, a value as it is read there, and how a string is written to.

use super::long::Long;
use super::note::{long_with, with};
use super::{EMBSTR_MAX, Entry, INLINE_MAX, KIND_INLINE, KIND_LARGE, KIND_OBJECT, Note, RAW};
use crate::storage::bits::ones;
use crate::storage::value::{Object, ObjectRef, Type};
use bytes::Bytes;
use std::ops::{ControlFlow, Range};

/// From so many bytes on, an entry may be bulky; see [`Entry::is_bulky`].
const BULKY_MIN: usize = 4096;

/// A value to be stored.
#[derive(Clone, Debug)]
pub enum NewValue<'a> {
    /// A string that is copied.
    Str(&'a [u8]),
    /// A string that was changed in place: the same, but never an `embstr` again.
    Raw(&'a [u8]),
    /// An integer.
    Int(i64),
    /// A long string that is taken as it is.
    Shared(Bytes),
    /// The same, as an entry has it.
    Long(Long),
    /// A string with a note.
    Noted(Note, &'a [u8]),
    /// A long string with a note.
    NotedLong(Note, Long),
    /// A value that is more than a string.
    Object(Box<Object>),
}

/// A stored value, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A string in the entry.
    Inline(&'a [u8]),
    /// An integer, which reads as its decimal string.
    Int(i64),
    /// A long, reference-counted string.
    Large(&'a Long),
}

impl Value<'_> {
    /// The length of the string in bytes.
    pub fn len(&self) -> usize {
        match self {
            Value::Inline(bytes) => bytes.len(),
            Value::Large(long) => long.len(),
            Value::Int(n) => itoa::Buffer::new().format(*n).len(),
        }
    }

    /// Whether the string is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `f` with the string's bytes.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Value::Inline(bytes) => f(bytes),
            Value::Large(long) => long.with(f),
            Value::Int(n) => f(itoa::Buffer::new().format(*n).as_bytes()),
        }
    }

    /// The byte at an index.
    #[inline]
    pub fn at(&self, index: usize) -> Option<u8> {
        match self {
            Value::Inline(bytes) => bytes.get(index).copied(),
            Value::Large(long) => long.at(index),
            Value::Int(_) => self.with(|bytes| bytes.get(index).copied()),
        }
    }

    /// Calls `f` with the bytes of a range, piece by piece without a copy, until it breaks off.
    pub fn walk<R>(
        &self,
        range: Range<usize>,
        mut f: impl FnMut(&[u8]) -> ControlFlow<R>,
    ) -> Option<R> {
        let broken = match self {
            Value::Large(long) => long.range(range).try_for_each(|piece| f(&piece)),
            _ => self.with(|bytes| f(&bytes[range])),
        };
        broken.break_value()
    }

    /// The string's bytes, copied.
    pub fn to_vec(&self) -> Vec<u8> {
        match self {
            Value::Large(long) => long.to_vec(),
            _ => self.with(<[u8]>::to_vec),
        }
    }
}

/// Strings too long for inline become shared ones.
pub fn own_if_large(value: NewValue<'_>) -> NewValue<'_> {
    match value {
        NewValue::Str(bytes) | NewValue::Raw(bytes) if bytes.len() > INLINE_MAX => {
            NewValue::Long(Long::from(Bytes::copy_from_slice(bytes)))
        }
        NewValue::Shared(bytes) => NewValue::Long(Long::from(bytes)),
        NewValue::Noted(note, bytes) if bytes.len() > INLINE_MAX => {
            NewValue::NotedLong(note, Long::from(Bytes::copy_from_slice(bytes)))
        }
        other => other,
    }
}

impl Entry {
    /// The type.
    pub fn kind(&self) -> Type {
        self.object().map_or(Type::Str, ObjectRef::kind)
    }

    /// The value, to be stored once more: long strings by reference, objects copied.
    pub fn clone_value(&self) -> NewValue<'_> {
        match self.object() {
            Some(object) => NewValue::Object(Box::new(object.to_object())),
            None => match self.value() {
                Value::Int(n) => NewValue::Int(n),
                Value::Large(long) => long_with(self.note(), long.clone()),
                Value::Inline(bytes) if !self.note().is_empty() => with(self.note(), bytes),
                // What has not been an `embstr` under one name is none under another.
                Value::Inline(bytes) if self.is_raw(bytes) => NewValue::Raw(bytes),
                Value::Inline(bytes) => NewValue::Str(bytes),
            },
        }
    }

    /// The name of the encoding, as OBJECT ENCODING replies it.
    pub fn encoding(&self) -> &'static str {
        if let Some(object) = self.object() {
            return object.encoding();
        }
        match self.value() {
            Value::Int(_) => "int",
            Value::Inline(bytes) if !self.is_raw(bytes) => "embstr",
            _ => "raw",
        }
    }

    /// Whether a string that is inline counts as `raw`.
    fn is_raw(&self, bytes: &[u8]) -> bool {
        self.flags() & RAW != 0 || self.key().len() + bytes.len() > EMBSTR_MAX
    }

    /// Whether this is the key.
    #[inline(always)]
    pub fn has_key(&self, key: &[u8]) -> bool {
        let own = self.key();
        // What is as long as most keys are is compared without a call.
        match (own.first_chunk::<8>(), own.last_chunk::<8>()) {
            (Some(first), Some(last)) if own.len() == key.len() && own.len() <= 16 => {
                key.first_chunk() == Some(first) && key.last_chunk() == Some(last)
            }
            _ => own == key,
        }
    }

    /// Whether dropping this entry is worth a thread of its own.
    pub fn is_heavy(&self) -> bool {
        self.object().map_or_else(|| self.is_cut(), |object| object.parts() >= 64)
    }

    /// Whether a snapshot keeps the entry as it is and not as bytes: it is large, and
    /// [`Entry::freeze`] costs little.
    pub fn is_bulky(&self) -> bool {
        match self.shape().kind {
            KIND_LARGE => self.value().len() >= BULKY_MIN,
            KIND_OBJECT => {
                self.whole().is_some_and(|it| it.view().parts() > 1 && it.allocated() >= BULKY_MIN)
            }
            _ => false,
        }
    }

    /// A copy to be read from end to end, which shares what is large; see [`Object::freeze`].
    pub fn freeze(&mut self) -> Entry {
        let Some(object) = self.object_mut() else { return self.clone() };
        let object = NewValue::Object(Box::new(object.freeze()));
        let mut frozen = Entry::new(self.key(), object, self.deadline_ms());
        self.share_tags(&mut frozen);
        frozen
    }

    /// Whether the value is a string in parts.
    pub fn is_cut(&self) -> bool {
        self.shape().kind == KIND_LARGE && matches!(self.value(), Value::Large(l) if l.is_cut())
    }

    /// How many bits of a range of bytes of the string are set.
    pub fn count_ones(&mut self, range: Range<usize>) -> u64 {
        match self.large_mut() {
            Some(long) => long.count_ones(range),
            None => self.value().with(|bytes| ones(&bytes[range])),
        }
    }

    /// Overwrites the string from `at` on and returns its length: it grows as far as it has to,
    /// with zeros before `at`, and is `raw` from then on. See [`Long::write_at`].
    pub fn write_at(&mut self, at: usize, bytes: &[u8]) -> usize {
        let len = self.value().len().max(at + bytes.len());
        if let Some(large) = self.large_mut() {
            large.write_at(at, bytes);
        } else if self.shape().kind == KIND_INLINE && len <= INLINE_MAX {
            self.grow_inline(len)[at..at + bytes.len()].copy_from_slice(bytes);
        } else {
            let mut long = Long::from(Bytes::from(self.value().to_vec()));
            long.write_at(at, bytes);
            let text = if len <= INLINE_MAX { long.to_vec() } else { Vec::new() };
            let note = self.note();
            let value = match text.is_empty() {
                true => long_with(note, long),
                false if note.is_empty() => NewValue::Raw(&text),
                false => with(note, &text),
            };
            let mut new = Entry::new(self.key(), value, self.deadline_ms());
            new.touch(self.age());
            self.share_tags(&mut new);
            *self = new;
        }
        len
    }
}
