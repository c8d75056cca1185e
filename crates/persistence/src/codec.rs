//! The only module that names bincode: version 2.0.1, little endian, variable-length integers. The
//! crate is no longer developed, so no other module may depend on it.

use bincode::config::{Configuration, standard};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::io;

const CONFIG: Configuration = standard();

/// A byte string: copied as a whole, and borrowed when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob<'a>(pub &'a [u8]);

impl Serialize for Blob<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Blob<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = &'de [u8];
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<&'de [u8], E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_bytes(Borrowed).map(Blob)
    }
}

struct Into<'a>(&'a mut Vec<u8>);

impl Writer for Into<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Appends a value to `to`.
pub fn encode(value: &impl Serialize, to: &mut Vec<u8>) {
    let encoded = bincode::serde::encode_into_writer(value, Into(to), CONFIG);
    encoded.expect("lengths are known, and a vector takes what it is given");
}

/// A writer whose target may fail, and how it failed.
struct Through<'a> {
    to: &'a mut dyn FnMut(&[u8]) -> io::Result<()>,
    failed: Option<io::Error>,
}

impl Writer for Through<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        (self.to)(bytes).map_err(|error| {
            self.failed = Some(error);
            EncodeError::Other("the bytes could not be passed on")
        })
    }
}

/// Passes a value's bytes to `to`, some at a time.
///
/// # Errors
/// When `to` fails; it is not called any more then.
pub fn encode_through(
    value: &impl Serialize,
    to: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut through = Through { to, failed: None };
    let encoded = bincode::serde::encode_into_writer(value, &mut through, CONFIG);
    match (encoded, through.failed) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(error)) => Err(error),
        (Err(error), None) => Err(io::Error::other(error)),
    }
}

/// Reads a value from the beginning of `from`; returns how many bytes it took.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode<'de, T: Deserialize<'de>>(from: &'de [u8]) -> Result<(T, usize), String> {
    bincode::serde::borrow_decode_from_slice(from, CONFIG).map_err(|error| error.to_string())
}

/// Reads a value that is all of `from`.
///
/// # Errors
/// What is wrong with the bytes, or that there are more of them.
pub fn decode_all<'de, T: Deserialize<'de>>(from: &'de [u8]) -> Result<T, String> {
    match decode(from)? {
        (value, used) if used == from.len() => Ok(value),
        (_, used) => Err(format!("{} bytes too many", from.len() - used)),
    }
}
