//! An element of a list, and the ends that it can be added to or taken from.

use bytes::Bytes;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where index 0 is, the left.
    Head,
    /// The right.
    Tail,
}

/// An element, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Element<'a> {
    /// Bytes among others.
    Bytes(&'a [u8]),
    /// A large element, which a reply may keep.
    Shared(&'a Bytes),
}

impl<'a> Element<'a> {
    /// The bytes.
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Element::Bytes(bytes) => bytes,
            Element::Shared(bytes) => bytes,
        }
    }
}
