//! What an encoding of a type is, and what is read in it. Each type's file lists its own.

use super::input::Input;
use crate::fault::ReadError;
use crate::record::Builder;
use bytes::Bytes;
use redstart_engine::storage::entry::{Entry, INLINE_MAX, NewValue};
use redstart_engine::storage::value::Object;

/// A value that was read.
pub enum Loaded {
    /// A string.
    Text(Vec<u8>),
    /// A string that is a number's digits.
    Number(i64),
    /// Anything else.
    Object(Box<Object>),
}

impl Loaded {
    /// Whether it has no elements, which no value of a key may be without. Some servers wrote such
    /// values nevertheless.
    pub fn is_empty(&self) -> bool {
        match self {
            Loaded::Text(_) | Loaded::Number(_) => false,
            Loaded::Object(object) => match &**object {
                Object::List(list) => list.is_empty(),
                Object::Hash(hash) => hash.is_empty(),
                Object::SortedSet(set) => set.is_empty(),
                Object::Set(set) => set.is_empty(),
                // A stream may be without entries.
                Object::Stream(_) => false,
            },
        }
    }

    /// The value under its key.
    pub fn into_entry(self, key: &[u8], deadline_ms: u64) -> Entry {
        match self {
            Loaded::Text(bytes) if bytes.len() > INLINE_MAX => {
                Entry::new(key, NewValue::Shared(Bytes::from(bytes)), deadline_ms)
            }
            Loaded::Text(bytes) => Entry::new(key, NewValue::Str(&bytes), deadline_ms),
            Loaded::Number(n) => Entry::new(key, NewValue::Int(n), deadline_ms),
            Loaded::Object(object) => Entry::new(key, NewValue::Object(object), deadline_ms),
        }
    }
}

/// Reads a value.
pub type Read = fn(&mut Input<'_>, Builder<'_>) -> Result<Loaded, ReadError>;

/// An encoding of a type.
pub struct Encoding {
    /// Its number.
    pub kind: u8,
    /// What reads it.
    pub read: Read,
}

/// An encoding by its number and what reads it.
pub const fn encoding(kind: u8, read: Read) -> Encoding {
    Encoding { kind, read }
}
