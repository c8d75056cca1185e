//! Fields with their values in one allocation: the form of a hash while it is small.
//!
//! Pairs lie behind one another in the order in which they were added. A head holds the two
//! lengths, in one byte where both are short:
//!
//! ```text
//!  head                       lengths            field    value
//! +--------------------------+------------------+--------+--------+
//! | 0..252: field * 21 + val |                  |  0..11 |  0..20 |
//! | 252                      | u8, u8           |        |        |
//! | 253                      | u32, u32         |        |        |
//! +--------------------------+------------------+--------+--------+
//! | 254, deadline u64        | then a head of one of the kinds above
//! +--------------------------+
//! ```
//!
//! So a pair costs one byte above its text, three when it is longer, and only a field that
//! expires has room for a deadline. There is no count and no index: a search passes the fields
//! before the one that it looks for, which a hash of this size allows.
//!
//! The invariant: `bytes` is a whole number of pairs. Capacity is a size class of the allocator,
//! so that growing within it is free and what is counted is what is taken.

use crate::storage::memory::{prefetch, size_class};
use std::ops::Range;

/// Longest field whose length fits in the head, and one more.
const FIELDS: usize = 12;
/// Longest value whose length fits in the head, and one more.
const VALUES: usize = 21;
const BYTES: u8 = 252;
const WORDS: u8 = 253;
const TIMED: u8 = 254;

const _: () = assert!(FIELDS * VALUES == BYTES as usize);

/// Pairs of field and value, packed.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    bytes: Vec<u8>,
}

/// One pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The field's name.
    pub field: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
    /// When it expires, in monotonic milliseconds; zero for never.
    pub deadline_ms: u64,
    /// Where the pair lies, for [`Packed::replace`] and [`Packed::remove`].
    pub place: Range<usize>,
}

/// What a head holds: the deadline, the lengths, and where the field begins.
struct Head {
    deadline_ms: u64,
    field_len: usize,
    value_len: usize,
    start: usize,
}

impl Head {
    #[inline]
    fn read(bytes: &[u8], at: usize) -> Head {
        let head = bytes[at];
        if head < BYTES {
            let (field_len, value_len) = (head as usize / VALUES, head as usize % VALUES);
            return Head { deadline_ms: 0, field_len, value_len, start: at + 1 };
        }
        Head::read_long(bytes, at)
    }

    fn read_long(bytes: &[u8], at: usize) -> Head {
        let word = |at: usize| {
            let bytes = bytes[at..at + 4].try_into().expect("the slice is four bytes long");
            u32::from_le_bytes(bytes) as usize
        };
        match bytes[at] {
            BYTES => Head {
                deadline_ms: 0,
                field_len: bytes[at + 1] as usize,
                value_len: bytes[at + 2] as usize,
                start: at + 3,
            },
            WORDS => Head {
                deadline_ms: 0,
                field_len: word(at + 1),
                value_len: word(at + 5),
                start: at + 9,
            },
            _ => {
                let deadline = bytes[at + 1..at + 9].try_into();
                let deadline = deadline.expect("the slice is eight bytes long");
                let head = Head::read(bytes, at + 9);
                Head { deadline_ms: u64::from_le_bytes(deadline), ..head }
            }
        }
    }

    fn end(&self) -> usize {
        self.start + self.field_len + self.value_len
    }
}

/// The bytes of a pair with these lengths.
pub fn pair_len(field_len: usize, value_len: usize, deadline_ms: u64) -> usize {
    let lengths = if field_len < FIELDS && value_len < VALUES {
        1
    } else if field_len <= u8::MAX as usize && value_len <= u8::MAX as usize {
        3
    } else {
        9
    };
    lengths + if deadline_ms == 0 { 0 } else { 9 } + field_len + value_len
}

impl Packed {
    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The number of pairs, counted.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// The bytes that this takes from the allocator.
    pub fn allocated(&self) -> usize {
        size_class(self.bytes.capacity())
    }

    /// All pairs in their order.
    pub fn iter(&self) -> impl Iterator<Item = Pair<'_>> + Clone {
        let mut at = 0;
        std::iter::from_fn(move || {
            (at < self.bytes.len()).then(|| {
                let pair = self.pair(at);
                at = pair.place.end;
                pair
            })
        })
    }

    fn pair(&self, at: usize) -> Pair<'_> {
        let head = Head::read(&self.bytes, at);
        let (field, value) = self.bytes[head.start..head.end()].split_at(head.field_len);
        Pair { field, value, deadline_ms: head.deadline_ms, place: at..head.end() }
    }

    /// The pair of a field; if there is none, the number of pairs.
    #[inline]
    pub fn find(&self, field: &[u8]) -> Result<Pair<'_>, usize> {
        let (mut at, mut passed) = (0, 0);
        while at < self.bytes.len() {
            let head = Head::read(&self.bytes, at);
            if head.field_len == field.len() && self.bytes[head.start..].starts_with(field) {
                return Ok(self.pair(at));
            }
            at = head.end();
            passed += 1;
        }
        Err(passed)
    }

    /// Asks the processor to fetch the first lines of the pairs.
    #[inline]
    pub fn prefetch(&self) {
        for line in self.bytes.chunks(64).take(4) {
            prefetch(line.as_ptr());
        }
    }

    /// Makes room for so many bytes of pairs at once.
    pub fn reserve(&mut self, bytes: usize) {
        let needed = self.bytes.len() + bytes;
        if needed > self.bytes.capacity() {
            self.bytes.reserve_exact(size_class(needed) - self.bytes.len());
        }
    }

    /// Adds a pair whose field is not there yet.
    pub fn push(&mut self, field: &[u8], value: &[u8], deadline_ms: u64) {
        let end = self.bytes.len();
        self.replace(end..end, field, value, deadline_ms);
    }

    /// Puts a pair in the place of another one.
    pub fn replace(&mut self, place: Range<usize>, field: &[u8], value: &[u8], deadline_ms: u64) {
        let len = pair_len(field.len(), value.len(), deadline_ms);
        self.resize(place.clone(), len);
        let mut rest = &mut self.bytes[place.start..place.start + len];
        let mut put = |bytes: &[u8]| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            head.copy_from_slice(bytes);
            rest = tail;
        };
        if deadline_ms != 0 {
            put(&[TIMED]);
            put(&deadline_ms.to_le_bytes());
        }
        if field.len() < FIELDS && value.len() < VALUES {
            put(&[(field.len() * VALUES + value.len()) as u8]);
        } else if let (Ok(field_len), Ok(value_len)) =
            (u8::try_from(field.len()), u8::try_from(value.len()))
        {
            put(&[BYTES, field_len, value_len]);
        } else {
            put(&[WORDS]);
            put(&(field.len() as u32).to_le_bytes());
            put(&(value.len() as u32).to_le_bytes());
        }
        put(field);
        put(value);
    }

    /// Takes a pair out.
    pub fn remove(&mut self, place: Range<usize>) {
        self.resize(place, 0);
        let fitting = size_class(self.bytes.len());
        if fitting < self.bytes.capacity() {
            self.bytes.shrink_to(fitting);
        }
    }

    /// Makes what lies at `place` `len` bytes long; what is behind it moves.
    fn resize(&mut self, place: Range<usize>, len: usize) {
        let (old_end, old_len) = (self.bytes.len(), place.len());
        if len > old_len {
            self.reserve(len - old_len);
            self.bytes.resize(old_end + len - old_len, 0);
            self.bytes.copy_within(place.end..old_end, place.start + len);
        } else if len < old_len {
            self.bytes.copy_within(place.end.., place.start + len);
            self.bytes.truncate(old_end - (old_len - len));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_costs_one_byte_three_or_nine_above_its_text() {
        assert_eq!(pair_len(2, 16, 0), 19);
        assert_eq!(pair_len(11, 20, 0), 32);
        assert_eq!(pair_len(12, 20, 0), 35);
        assert_eq!(pair_len(0, 21, 0), 24);
        assert_eq!(pair_len(256, 0, 0), 265);
        assert_eq!(pair_len(2, 16, 7), 28);
    }

    #[test]
    fn every_kind_of_head_reads_as_it_was_written() {
        let text = [b'x'; 70_000];
        let lengths = [0, 1, 11, 12, 20, 21, 255, 256, 70_000];
        let mut packed = Packed::default();
        let mut model = Vec::new();
        for (n, &field) in lengths.iter().enumerate() {
            for (m, &value) in lengths.iter().enumerate() {
                let deadline_ms = ((n + m) % 3) as u64;
                packed.push(&text[..field], &text[..value], deadline_ms);
                model.push((field, value, deadline_ms));
            }
        }
        let seen: Vec<_> =
            packed.iter().map(|p| (p.field.len(), p.value.len(), p.deadline_ms)).collect();
        assert_eq!(seen, model);
        while packed.count() > 1 {
            let place = packed.iter().nth(1).map(|pair| pair.place).unwrap();
            packed.remove(place);
            model.remove(1);
            let last = packed.iter().last().map(|p| (p.field.len(), p.value.len(), p.deadline_ms));
            assert_eq!(last, model.last().copied());
        }
        assert_eq!(packed.count(), 1);
    }

    #[test]
    fn a_hash_of_ten_short_fields_has_one_byte_a_pair_to_carry() {
        let mut packed = Packed::default();
        for n in 0..10 {
            packed.push(format!("f{n}").as_bytes(), &[b'v'; 16], 0);
        }
        assert_eq!((packed.bytes.len(), packed.allocated()), (190, 192));
    }
}
