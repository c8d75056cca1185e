//! The string by which gsub replaces matches: texts, and captures of the match.

use super::matcher::{Capture, PLACE};

/// A piece of what stands for a match.
enum Piece {
    /// These bytes.
    Text(Vec<u8>),
    /// The match, or a capture counted from one.
    Capture(usize),
}

/// What stands for each match.
pub struct Replacement(Vec<Piece>);

/// A replacement that names a capture that is not there.
pub struct NoCapture;

impl Replacement {
    /// Reads it: `%1` stands for a capture, and a letter behind a `%` for itself.
    pub fn new(by: &[u8]) -> Replacement {
        let (mut pieces, mut text) = (Vec::new(), Vec::new());
        let mut bytes = by.iter();
        while let Some(byte) = bytes.next() {
            if *byte != b'%' {
                text.push(*byte);
                continue;
            }
            // Behind a `%` at the end C finds the zero that ends each string.
            match bytes.next().copied().unwrap_or(0) {
                digit @ b'0'..=b'9' => {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                    pieces.push(Piece::Capture(usize::from(digit - b'0')));
                }
                letter => text.push(letter),
            }
        }
        pieces.push(Piece::Text(text));
        Replacement(pieces)
    }

    /// Writes what stands for a match.
    ///
    /// # Errors
    /// When a capture that it names is not there.
    pub fn write(
        &self,
        whole: &[u8],
        captures: &[Capture],
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), NoCapture> {
        for piece in &self.0 {
            let capture = match piece {
                Piece::Text(text) => {
                    out.extend_from_slice(text);
                    continue;
                }
                // Without captures the first one is the match.
                Piece::Capture(0 | 1) if captures.is_empty() => None,
                Piece::Capture(0) => None,
                Piece::Capture(n) => Some(captures.get(n - 1).ok_or(NoCapture)?),
            };
            match capture {
                None => out.extend_from_slice(whole),
                Some(Capture { start, end: PLACE }) => {
                    out.extend_from_slice((start + 1).to_string().as_bytes());
                }
                Some(Capture { start, end }) => {
                    out.extend_from_slice(&text[*start as usize..*end as usize]);
                }
            }
        }
        Ok(())
    }
}
