//! The patterns that a worker has compiled and remembers.

use super::items::{Pattern, Wrong};
use crate::pace::Pace;
use memchr::memmem::Finder;
use std::rc::Rc;

/// Places for patterns: so many rows of so many.
const ROWS: usize = 256;
const ROW: usize = 2;
/// A pattern that is longer is not remembered, in bytes.
const LENGTH_MAX: usize = 256;
/// Spreads the bits of what is multiplied by it.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// How a pattern is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As patterns are.
    Pattern,
    /// As in gmatch, where `^` is a letter.
    Unanchored,
    /// As a text.
    Plain,
}

/// A compiled pattern, and the only text that it matches, if there is only one.
pub struct Compiled {
    /// What is matched.
    pub pattern: Pattern,
    /// Finds the only text that the pattern matches.
    pub literal: Option<Finder<'static>>,
}

impl Compiled {
    fn new(text: &[u8], reading: Reading, pace: &Pace) -> Result<Compiled, Wrong> {
        let pattern = match reading {
            Reading::Plain => Pattern::plain(text)?,
            reading => Pattern::new(text, reading == Reading::Pattern, pace)?,
        };
        let literal = pattern.literal().map(|text| Finder::new(&text).into_owned());
        Ok(Compiled { pattern, literal })
    }
}

/// A pattern that is remembered: its text, how it is read, and what came of it.
type Known = (Box<[u8]>, Reading, Rc<Compiled>);

/// Compiled patterns. Each has a row of places by its text, and of a row the last ones stay.
pub struct Patterns(Box<[[Option<Known>; ROW]; ROWS]>);

impl Default for Patterns {
    fn default() -> Patterns {
        Patterns(Box::new([const { [const { None }; ROW] }; ROWS]))
    }
}

impl Patterns {
    /// A pattern, compiled.
    ///
    /// # Errors
    /// When it is malformed, or the script has to end.
    #[inline]
    pub fn compiled(
        &mut self,
        text: &[u8],
        reading: Reading,
        pace: &Pace,
    ) -> Result<Rc<Compiled>, Wrong> {
        if text.len() > LENGTH_MAX {
            return Compiled::new(text, reading, pace).map(Rc::new);
        }
        let row = &mut self.0[row_of(text)];
        for (known, as_what, compiled) in row.iter().flatten() {
            if **known == *text && *as_what == reading {
                return Ok(compiled.clone());
            }
        }
        let compiled = Rc::new(Compiled::new(text, reading, pace)?);
        row.rotate_right(1);
        row[0] = Some((text.into(), reading, compiled.clone()));
        Ok(compiled)
    }
}

/// The row of a text: by all its bytes, of which some count twice.
fn row_of(text: &[u8]) -> usize {
    let mut hash = text.len() as u64;
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        hash ^= u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29);
        for piece in text.as_chunks().0.iter().skip(1) {
            hash = hash.wrapping_mul(SPREAD) ^ u64::from_le_bytes(*piece);
        }
    } else if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let halves = [u32::from_le_bytes(*first), u32::from_le_bytes(*last)].map(u64::from);
        hash ^= halves[0] ^ halves[1] << 32;
    } else {
        text.iter().for_each(|byte| hash = hash << 8 ^ u64::from(*byte));
    }
    (hash.wrapping_mul(SPREAD) >> 56) as usize % ROWS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_known_by_its_text_and_how_it_is_read() {
        let (mut patterns, pace) = (Patterns::default(), Pace::unwatched());
        let mut compiled = |text: &[u8], reading| {
            patterns.compiled(text, reading, &pace).unwrap_or_else(|_| panic!("{text:?}"))
        };
        let first = compiled(b"^a+", Reading::Pattern);
        let as_text = compiled(b"^a+", Reading::Plain);
        assert!(first.literal.is_none() && as_text.literal.is_some());
        assert!(Rc::ptr_eq(&first, &compiled(b"^a+", Reading::Pattern)));
        // Many others take its place.
        for number in 0..10_000 {
            compiled(format!("%d{number}").as_bytes(), Reading::Pattern);
        }
        let again = compiled(b"^a+", Reading::Pattern);
        assert!(!Rc::ptr_eq(&first, &again));
        assert!(again.pattern.anchored);
    }
}
