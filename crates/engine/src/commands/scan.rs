//! What SCAN and its relatives on collections share: the cursor and the pattern.

use crate::glob::{Case, matches};
use redstart_protocol::parse_i64;

/// A pattern that names are held against; by default all pass.
#[derive(Default)]
pub struct Filter<'a>(Option<&'a [u8]>);

impl<'a> Filter<'a> {
    /// The filter by a pattern. `*` lets every name pass, the empty one too, which no other star
    /// matches.
    pub fn new(pattern: &'a [u8]) -> Filter<'a> {
        Filter((pattern != b"*").then_some(pattern))
    }

    /// Whether a name matches the pattern.
    pub fn passes(&self, name: &[u8]) -> bool {
        self.0.is_none_or(|pattern| matches(pattern, name, Case::Sensitive))
    }
}

/// A cursor as Redis takes it: a number that is not negative, or what C's `strtoul` takes, so that
/// blanks and a sign may stand before it.
pub fn parse_cursor(text: &[u8]) -> Option<u64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if let Some(number) = parse_i64(text) {
        return u64::try_from(number).ok();
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_blank(byte))?;
    let (negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if negative { number.wrapping_neg() } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_redis_reads_them() {
        let good = [("0", 0), ("+7", 7), (" -1", u64::MAX), ("007", 7), (" 0", 0), ("5\0x", 5)];
        for (text, number) in good {
            assert_eq!(parse_cursor(text.as_bytes()), Some(number), "{text:?}");
        }
        for text in ["", "-", "+", "-1", "+ 0", "0 ", "1.5", "abc", "--1", "18446744073709551616"] {
            assert_eq!(parse_cursor(text.as_bytes()), None, "{text:?}");
        }
    }
}
