//! A value on its way into an entry, and as it is seen there.

use super::INLINE_MAX;
use super::long::Long;
use crate::value::Object;
use bytes::Bytes;

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

impl<'a> Value<'a> {
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

    /// The string's bytes, copied.
    pub fn to_vec(&self) -> Vec<u8> {
        match self {
            Value::Large(long) => long.to_vec(),
            _ => self.with(<[u8]>::to_vec),
        }
    }

    /// The same value, to be stored again.
    pub fn to_new(&self) -> NewValue<'a> {
        match self {
            Value::Inline(bytes) => NewValue::Str(bytes),
            Value::Int(n) => NewValue::Int(*n),
            Value::Large(long) => NewValue::Long((*long).clone()),
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
        other => other,
    }
}
