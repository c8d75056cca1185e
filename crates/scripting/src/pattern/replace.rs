//! The string by which gsub replaces matches: texts, and captures of the match.

use super::matcher::{Capture, PLACE};
use memchr::memchr;

/// What stands for each match, as it is written.
pub struct Replacement<'a> {
    /// What stands before the first `%`.
    start: &'a [u8],
    /// The rest.
    rest: &'a [u8],
}

/// A replacement that names a capture that is not there.
pub struct NoCapture;

impl<'a> Replacement<'a> {
    /// Takes it as it is: `%1` stands for a capture, and a letter behind a `%` for itself.
    pub fn new(by: &'a [u8]) -> Replacement<'a> {
        let (start, rest) = by.split_at(memchr(b'%', by).unwrap_or(by.len()));
        Replacement { start, rest }
    }

    /// Writes what stands for a match.
    ///
    /// # Errors
    /// When a capture that it names is not there.
    pub fn write(
        &self,
        whole: (usize, usize),
        captures: &[Capture],
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), NoCapture> {
        out.extend_from_slice(self.start);
        let mut rest = self.rest;
        while let Some((_, behind)) = rest.split_first() {
            // Behind a `%` at the end C finds the zero that ends each string.
            let letter = behind.first().copied().unwrap_or(0);
            let capture = match letter {
                // Without captures the first one is the match.
                b'1' if captures.is_empty() => None,
                b'0' => None,
                b'1'..=b'9' => Some(captures.get(usize::from(letter - b'1')).ok_or(NoCapture)?),
                _ => {
                    out.push(letter);
                    rest = copy_text(behind, out);
                    continue;
                }
            };
            match capture {
                None => out.extend_from_slice(&text[whole.0..whole.1]),
                Some(Capture { start, end: PLACE }) => {
                    out.extend_from_slice((start + 1).to_string().as_bytes());
                }
                Some(Capture { start, end }) => {
                    out.extend_from_slice(&text[*start as usize..*end as usize]);
                }
            }
            rest = copy_text(behind, out);
        }
        Ok(())
    }
}

/// Writes the text behind a letter up to the next `%`. Returns what is left from there on.
fn copy_text<'a>(letter: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let text = letter.get(1..).unwrap_or_default();
    let (plain, rest) = text.split_at(memchr(b'%', text).unwrap_or(text.len()));
    out.extend_from_slice(plain);
    rest
}
