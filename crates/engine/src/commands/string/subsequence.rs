//! The longest common subsequence of two texts, 64 cells of the textbook table at a time.
//!
//! Neighbours in that table of lengths differ by one at most. So a row is kept as bits, one for
//! each byte of the longer text, and the next row is made by one addition over all of them. What
//! the walk back asks of a cell, whether the longer rest lies above, is a bit of that addition. So
//! the work of two texts is a sixty-fourth of their lengths' product, and of what the walk needs a
//! thirty-second of the table is kept.

use crate::error::Error;
use crate::storage::entry::Value;

/// Equal bytes, one behind the other in both texts.
#[derive(Debug, PartialEq, Eq)]
pub struct Match {
    /// Where they begin in the first text.
    pub a: usize,
    /// And in the second.
    pub b: usize,
    /// How many they are.
    pub len: u32,
}

/// What remains of the table of lengths. A row stands for a byte of the shorter text.
pub struct Table {
    /// The length of the longest common subsequence.
    pub len: u32,
    shorter: Vec<u8>,
    longer_len: usize,
    /// Whether the first text is the shorter one.
    first_is_shorter: bool,
    equal: Equal,
    /// For each row and each byte of the longer text, whether the walk back drops the first text's
    /// last byte. Without meaning where the two are equal.
    up: Vec<u64>,
}

impl Table {
    /// Fills the table row by row; what the walk back needs is kept only if it is wanted.
    pub fn new(a: Value<'_>, b: Value<'_>, keeps: bool) -> Result<Table, Error> {
        let first_is_shorter = a.len() <= b.len();
        let (shorter, longer) = if first_is_shorter { (a, b) } else { (b, a) };
        let shorter = shorter.to_vec();
        let equal = Equal::new(&shorter, longer)?;
        let words = equal.words;
        let mut up = room(if keeps { words * shorter.len() } else { 0 })?;
        let mut row = room(words)?;
        // A zero is a byte at which the length grows.
        row.resize(words, u64::MAX);
        for byte in &shorter {
            let mut carry = false;
            for (cells, equal) in row.iter_mut().zip(equal.to(*byte)) {
                let hits = *cells & equal;
                let (sum, over) = cells.overflowing_add(hits);
                let (sum, carried) = sum.overflowing_add(u64::from(carry));
                let before = *cells;
                *cells = sum | before & !equal;
                carry = over | carried;
                if keeps {
                    // Along the second text the row itself says it; along the first one, what this
                    // row has more than the one before, where the addition carries.
                    up.push(if first_is_shorter { !*cells } else { hits | before & !sum });
                }
            }
        }
        let len = row.iter().map(|cells| cells.count_zeros()).sum();
        Ok(Table { len, longer_len: longer.len(), shorter, first_is_shorter, equal, up })
    }

    /// The matches of one longest common subsequence, the last one first: the same that Redis
    /// chooses among several, since it walks back in the same way.
    pub fn ranges(&self) -> Vec<Match> {
        let mut ranges: Vec<Match> = Vec::new();
        let (mut row, mut at) = (self.shorter.len(), self.longer_len);
        let mut goes_on = false;
        while row > 0 && at > 0 {
            let (word, bit) = ((at - 1) / 64, (at - 1) % 64);
            if self.equal.to(self.shorter[row - 1])[word] >> bit & 1 == 1 {
                (row, at) = (row - 1, at - 1);
                let (a, b) = if self.first_is_shorter { (row, at) } else { (at, row) };
                match ranges.last_mut() {
                    Some(range) if goes_on => *range = Match { a, b, len: range.len + 1 },
                    _ => ranges.push(Match { a, b, len: 1 }),
                }
                goes_on = true;
                continue;
            }
            goes_on = false;
            let up = self.up[(row - 1) * self.equal.words + word] >> bit & 1 == 1;
            *(if up == self.first_is_shorter { &mut row } else { &mut at }) -= 1;
        }
        ranges
    }

    /// The bytes of a match.
    pub fn text(&self, found: &Match) -> &[u8] {
        let from = if self.first_is_shorter { found.a } else { found.b };
        &self.shorter[from..from + found.len as usize]
    }
}

/// Where the longer text has each byte of the shorter one.
struct Equal {
    /// The length of a line of bits.
    words: usize,
    lines: Vec<u64>,
    /// Which line is a byte's.
    line_of: [u8; 256],
}

impl Equal {
    fn new(shorter: &[u8], longer: Value<'_>) -> Result<Equal, Error> {
        let words = longer.len().div_ceil(64);
        let (mut line_of, mut bytes) = ([0; 256], Vec::new());
        for byte in shorter {
            if !bytes.contains(byte) {
                line_of[usize::from(*byte)] = bytes.len() as u8;
                bytes.push(*byte);
            }
        }
        let mut lines = room(words * bytes.len())?;
        for byte in bytes {
            let mut add =
                |piece: &[u8]| lines.extend(piece.chunks(64).map(|part| bits(part, byte)));
            match longer {
                // Pieces are multiples of 64 bytes long, but for the last one.
                Value::Large(long) => long.range(0..long.len()).for_each(|piece| add(&piece)),
                _ => longer.with(&mut add),
            }
        }
        Ok(Equal { words, lines, line_of })
    }

    /// A byte's line.
    #[inline]
    fn to(&self, byte: u8) -> &[u64] {
        let line = usize::from(self.line_of[usize::from(byte)]);
        &self.lines[line * self.words..][..self.words]
    }
}

/// Which of up to 64 bytes are this one.
#[inline]
fn bits(part: &[u8], byte: u8) -> u64 {
    let fold = |part: &[u8]| {
        let bits = part.iter().enumerate().map(|(at, other)| u64::from(*other == byte) << at);
        bits.fold(0, |bits, bit| bits | bit)
    };
    match <&[u8; 64]>::try_from(part) {
        // A length that is known is compared many bytes at a time.
        Ok(whole) => fold(whole),
        Err(_) => fold(part),
    }
}

fn room(words: usize) -> Result<Vec<u64>, Error> {
    let mut room = Vec::new();
    room.try_reserve_exact(words).map_err(|_| out_of_memory())?;
    Ok(room)
}

fn out_of_memory() -> Error {
    Error::text("ERR Insufficient memory, failed allocating transient memory for LCS")
}

#[cfg(test)]
mod tests {
    use super::{Match, Table};
    use crate::storage::entry::Value;
    use crate::storage::entry::long::Long;
    use bytes::Bytes;
    use proptest::prelude::*;

    /// The whole table of lengths, and the walk back through it.
    fn textbook(a: &[u8], b: &[u8]) -> (u32, Vec<Match>) {
        let mut lens = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                lens[i][j] = match a[i - 1] == b[j - 1] {
                    true => lens[i - 1][j - 1] + 1,
                    false => std::cmp::max(lens[i - 1][j], lens[i][j - 1]),
                };
            }
        }
        let mut pairs = Vec::new();
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                pairs.push((i, j));
            } else if lens[i - 1][j] > lens[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        let mut ranges: Vec<Match> = Vec::new();
        for (a, b) in pairs {
            match ranges.last_mut() {
                Some(last) if (last.a, last.b) == (a + 1, b + 1) => {
                    *last = Match { a, b, len: last.len + 1 };
                }
                _ => ranges.push(Match { a, b, len: 1 }),
            }
        }
        (lens[a.len()][b.len()], ranges)
    }

    fn agrees(a: &[u8], b: &[u8]) -> Result<(), TestCaseError> {
        let (len, ranges) = textbook(a, b);
        let (a, b) = (Value::Inline(a), Value::Inline(b));
        let table = Table::new(a, b, true).expect("memory for it");
        prop_assert_eq!(table.len, len);
        prop_assert_eq!(table.ranges(), ranges);
        prop_assert_eq!(Table::new(a, b, false).expect("memory for it").len, len);
        Ok(())
    }

    proptest! {
        #[test]
        fn it_is_the_textbook_table(a in "[abc]{0,300}", b in "[abcd]{0,300}") {
            agrees(a.as_bytes(), b.as_bytes())?;
            agrees(b.as_bytes(), a.as_bytes())?;
        }
    }

    #[test]
    fn texts_in_parts_are_looked_at_where_they_lie() {
        let mut text = vec![b'-'; 2 << 20];
        for (at, byte) in [(5, b'a'), (300_000, b'b'), (600_001, b'c'), (2_000_000, b'd')] {
            text[at] = byte;
        }
        let long = Long::from(Bytes::from(text));
        assert!(long.is_cut());
        let table = Table::new(Value::Inline(b"abxd"), Value::Large(&long), true);
        let table = table.expect("memory for it");
        let found = [(3, 2_000_000), (1, 300_000), (0, 5)];
        let found: Vec<_> = found.into_iter().map(|(a, b)| Match { a, b, len: 1 }).collect();
        assert_eq!((table.len, table.ranges()), (3, found));
    }
}
