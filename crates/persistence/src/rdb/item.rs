//! What an element of a packed encoding is: bytes, or a number that stands for its digits.

/// An element of a packed encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// A number, which stands for its digits.
    Number(i64),
}

impl Item<'_> {
    /// Calls `f` with the element's bytes.
    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Item::Bytes(bytes) => f(bytes),
            Item::Number(n) => f(itoa::Buffer::new().format(*n).as_bytes()),
        }
    }
}

/// A number with a sign, its low byte first.
pub fn signed(bytes: &[u8]) -> i64 {
    let mut word = [0; 8];
    word[8 - bytes.len()..].copy_from_slice(bytes);
    i64::from_le_bytes(word) >> (64 - 8 * bytes.len())
}

/// The number whose digits are exactly this text.
pub fn short_number(text: &[u8]) -> Option<i64> {
    // Twenty characters hold every number of 64 bits.
    if text.len() > 20 { None } else { redstart_protocol::parse_i64(text) }
}
