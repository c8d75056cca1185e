//! What SCAN and its relatives on collections share: the cursor and the pattern.

use crate::error::Error;
use crate::glob::{Case, matches_within};
use redstart_protocol::parse_i64;
use std::cell::Cell;

/// Steps of matching that a command may take beside those of a short pattern: some ten
/// milliseconds.
const STEPS_MAX: usize = 5_000_000;
/// Steps that matching a name may take without counting: there is data behind these.
const FREE_STEPS: usize = 256;

/// A pattern that names are held against; by default all pass.
pub struct Filter<'a> {
    pattern: Option<&'a [u8]>,
    /// Steps that are left; None once they were too few.
    left: Cell<Option<usize>>,
}

impl Default for Filter<'_> {
    fn default() -> Self {
        Filter { pattern: None, left: Cell::new(Some(STEPS_MAX)) }
    }
}

impl<'a> Filter<'a> {
    /// The filter by a pattern. `*` lets every name pass, the empty one too, which no other star
    /// matches.
    pub fn new(pattern: &'a [u8]) -> Filter<'a> {
        Filter { pattern: (pattern != b"*").then_some(pattern), ..Filter::default() }
    }

    /// Whether a name matches the pattern. Once that has taken too long none does.
    pub fn passes(&self, name: &[u8]) -> bool {
        let Some(pattern) = self.pattern else { return true };
        let Some(left) = self.left.get() else { return false };
        let mut steps = left + FREE_STEPS;
        let found = matches_within(pattern, name, Case::Sensitive, &mut steps);
        self.left.set(found.map(|_| left.min(steps)));
        found.unwrap_or(false)
    }

    /// Checks that the matching has not taken too long.
    ///
    /// # Errors
    /// When it has, so that what has passed is not all.
    pub fn check(&self) -> Result<(), Error> {
        self.left.get().map(drop).ok_or(Error::PATTERN_TOO_LONG)
    }
}

/// How many elements are to be visited: a hint, of which the most is what takes some ten
/// milliseconds.
pub fn parse_count(text: &[u8]) -> Result<u64, Error> {
    const MOST: u64 = 1 << 16;
    let count = parse_i64(text).ok_or(Error::NOT_INTEGER)?;
    if count < 1 { Err(Error::SYNTAX) } else { Ok(MOST.min(count as u64)) }
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
    fn a_filter_gives_up_and_says_so() {
        let filter = Filter::new(b"k*y");
        assert!((0..100_000).all(|_| filter.passes(b"key") && !filter.passes(b"value")));
        assert_eq!(filter.check(), Ok(()));
        let pattern = [&b"*"[..], &b"a".repeat(2000), b"b"].concat();
        let (filter, name) = (Filter::new(&pattern), b"a".repeat(4000));
        assert!((0..10).all(|_| !filter.passes(&name)));
        assert_eq!(filter.check(), Err(Error::PATTERN_TOO_LONG));
        assert!(!filter.passes(&[&b"a".repeat(2000)[..], b"b"].concat()));
    }

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
