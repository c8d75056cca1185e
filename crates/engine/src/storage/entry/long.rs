//! A string too long to lie behind its key: in one piece, or, when it is very long, in parts.
//!
//! Pieces are reference-counted, so that replies, copies and snapshots share them. A change of a
//! shared piece copies it first. That must not take long even for 512 MB, so a string
//! longer than [`WHOLE_MAX`] is kept in parts, and a change copies the parts that it touches.
//!
//! ```text
//!  Whole   [ up to 1 MiB ]
//!
//!  Parts   [ 256 KiB ][ 256 KiB ][ 256 KiB ] ... [ the rest, never empty ]
//! ```
//!
//! A string that came in one request is cut into slices of that request's buffer, without a copy;
//! a gap that SETRANGE leaves is made of one page of zeros, shared by all. There is no way back to
//! one piece: strings do not shrink in place.

use crate::storage::bits::ones;
use crate::storage::memory::size_class;
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::mem::take;
use std::ops::Range;

/// The longest string in one piece, in bytes.
pub const WHOLE_MAX: usize = 4 * PART_BYTES;
/// A part's length in bytes; the last one of a string may be shorter.
pub const PART_BYTES: usize = 256 * 1024;

static ZEROS: [u8; PART_BYTES] = [0; PART_BYTES];

/// A long string.
#[derive(Clone, Debug)]
pub struct Long(Form);

#[derive(Clone, Debug)]
enum Form {
    Whole(Bytes),
    Parts(Box<Parts>),
}

const _: () = assert!(size_of::<Long>() == size_of::<Bytes>());

impl From<Bytes> for Long {
    fn from(bytes: Bytes) -> Long {
        Long(if bytes.len() > WHOLE_MAX {
            Form::Parts(Box::new(Parts::cut(&bytes)))
        } else {
            Form::Whole(bytes)
        })
    }
}

impl Long {
    /// The length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Whole(bytes) => bytes.len(),
            Form::Parts(parts) => parts.len,
        }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A string of `len` bytes, of which `more` appends those of a range to what it is given: a
    /// part at a time.
    pub fn made_of(len: usize, mut more: impl FnMut(Range<usize>, &mut Vec<u8>)) -> Long {
        let mut piece = |range: Range<usize>| {
            let mut bytes = Vec::with_capacity(range.len());
            more(range.clone(), &mut bytes);
            debug_assert_eq!(bytes.len(), range.len());
            Bytes::from(bytes)
        };
        if len <= WHOLE_MAX {
            return Long(Form::Whole(piece(0..len)));
        }
        let begins = (0..len).step_by(PART_BYTES);
        let list = begins.map(|at| piece(at..len.min(at + PART_BYTES))).collect();
        Long(Form::Parts(Box::new(Parts { list, len, ones: Vec::new() })))
    }

    /// The byte at an index.
    #[inline]
    pub fn at(&self, index: usize) -> Option<u8> {
        match &self.0 {
            Form::Whole(bytes) => bytes.get(index).copied(),
            Form::Parts(parts) => {
                parts.list.get(index / PART_BYTES)?.get(index % PART_BYTES).copied()
            }
        }
    }

    /// How many bits of a range of bytes are set. Of a whole part this is kept until the part
    /// changes.
    pub fn count_ones(&mut self, range: Range<usize>) -> u64 {
        match &mut self.0 {
            Form::Whole(bytes) => ones(&bytes[range]),
            Form::Parts(parts) => parts.count_ones(range),
        }
    }

    /// The bytes taken from the allocator, about: a part may be a slice of something larger.
    pub fn allocated(&self) -> usize {
        size_of::<Long>()
            + match &self.0 {
                Form::Whole(bytes) => size_class(bytes.len()),
                Form::Parts(parts) => {
                    let list = parts.list.capacity() * size_of::<Bytes>();
                    size_of::<Parts>() + list + parts.ones.capacity() * 4 + parts.len
                }
            }
    }

    /// Whether the string is in parts.
    pub fn is_cut(&self) -> bool {
        matches!(self.0, Form::Parts(_))
    }

    /// Calls `f` with the bytes in one piece, which costs a copy when they are in parts.
    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&self.joined())
    }

    /// The bytes in one piece, copied only if they are in parts.
    pub fn joined(&self) -> Cow<'_, [u8]> {
        match &self.0 {
            Form::Whole(bytes) => Cow::Borrowed(bytes),
            Form::Parts(_) => Cow::Owned(self.to_vec()),
        }
    }

    /// The bytes, copied.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.len());
        self.range(0..self.len()).for_each(|piece| text.extend_from_slice(&piece));
        text
    }

    /// The bytes of a range that lies in the string, piece by piece, by reference.
    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = Bytes> {
        let (pieces, length) = match &self.0 {
            Form::Whole(bytes) => (std::slice::from_ref(bytes), bytes.len().max(1)),
            Form::Parts(parts) => (&parts.list[..], PART_BYTES),
        };
        (range.start / length..range.end.div_ceil(length)).map(move |index| {
            let begin = index * length;
            let (first, behind) = (range.start.max(begin), range.end.min(begin + length));
            pieces[index].slice(first - begin..behind - begin)
        })
    }

    /// Overwrites the string from `at` on: it grows as far as it has to, with zeros before `at`.
    /// A shared piece is copied first. A string in one piece grows by a size class, so that a
    /// series of appends copies each byte a few times.
    pub fn write_at(&mut self, at: usize, bytes: &[u8]) {
        let len = self.len().max(at + bytes.len());
        if let Form::Whole(whole) = &mut self.0 {
            if len <= WHOLE_MAX {
                return write_piece(whole, at, bytes, size_class(len));
            }
            self.0 = Form::Parts(Box::new(Parts::cut(whole)));
        }
        if let Form::Parts(parts) = &mut self.0 {
            parts.write_at(at, bytes);
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Parts {
    list: Vec<Bytes>,
    len: usize,
    /// How many bits of each part are set, or [`UNKNOWN`]; parts beyond its end are unknown, too.
    ones: Vec<u32>,
}

const UNKNOWN: u32 = u32::MAX;

impl Parts {
    fn cut(bytes: &Bytes) -> Parts {
        let begins = (0..bytes.len()).step_by(PART_BYTES);
        let part = |at: usize| bytes.slice(at..bytes.len().min(at + PART_BYTES));
        Parts { list: begins.map(part).collect(), len: bytes.len(), ones: Vec::new() }
    }

    fn count_ones(&mut self, range: Range<usize>) -> u64 {
        self.ones.resize(self.list.len(), UNKNOWN);
        let mut sum = 0;
        for index in range.start / PART_BYTES..range.end.div_ceil(PART_BYTES) {
            let (begin, part) = (index * PART_BYTES, &self.list[index]);
            let (first, behind) = (range.start.max(begin), range.end.min(begin + part.len()));
            if behind - first < part.len() {
                sum += ones(&part[first - begin..behind - begin]);
                continue;
            }
            if self.ones[index] == UNKNOWN {
                self.ones[index] = ones(part) as u32;
            }
            sum += u64::from(self.ones[index]);
        }
        sum
    }

    fn write_at(&mut self, at: usize, bytes: &[u8]) {
        let (first, behind) = (at.min(self.len) / PART_BYTES, at + bytes.len());
        let known = self.ones.iter_mut().take(behind.div_ceil(PART_BYTES)).skip(first);
        known.for_each(|ones| *ones = UNKNOWN);
        while self.len < at {
            let (index, from) = (self.len / PART_BYTES, self.len % PART_BYTES);
            let more = (at - self.len).min(PART_BYTES - from);
            match self.list.get_mut(index) {
                Some(part) => write_piece(part, from, &ZEROS[..more], PART_BYTES),
                None => self.list.push(Bytes::from_static(&ZEROS[..more])),
            }
            self.len += more;
        }
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let (index, from) = (at / PART_BYTES, at % PART_BYTES);
            let (now, later) = rest.split_at(rest.len().min(PART_BYTES - from));
            if index == self.list.len() {
                self.list.push(Bytes::new());
            }
            write_piece(&mut self.list[index], from, now, PART_BYTES);
            (at, rest) = (at + now.len(), later);
        }
        self.len = self.len.max(at);
    }
}

/// Overwrites a piece from `at` on, with zeros before that if it ends earlier. One that is shared
/// or full is copied; if it grows, to where there is `room`.
fn write_piece(piece: &mut Bytes, at: usize, bytes: &[u8], room: usize) {
    let len = piece.len().max(at + bytes.len());
    let copied = |old: &[u8]| {
        let room = if len > old.len() { room } else { len };
        let mut copy = BytesMut::with_capacity(room);
        copy.extend_from_slice(old);
        copy
    };
    let mut own = match take(piece).try_into_mut() {
        Ok(own) if own.capacity() >= len => own,
        Ok(full) => copied(&full),
        Err(shared) => copied(&shared),
    };
    own.resize(len, 0);
    own[at..at + bytes.len()].copy_from_slice(bytes);
    *piece = own.freeze();
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: usize = PART_BYTES;

    /// Pieces of the whole, and of ranges around every seam, are the model's.
    fn agrees(long: &Long, model: &[u8]) {
        assert_eq!(long.len(), model.len());
        assert!(long.to_vec() == model && long.with(|text| text == model));
        assert_eq!(long.is_cut(), model.len() > WHOLE_MAX);
        let seams = (0..=model.len() / PART).map(|index| index * PART);
        let edges: Vec<usize> = seams.flat_map(|at| [at, at + 1, at + PART - 1]).collect();
        for &first in edges.iter().filter(|&&first| first < model.len()) {
            for behind in [first + 1, first + PART, model.len()] {
                let behind = behind.min(model.len());
                let pieces: Vec<Bytes> = long.range(first..behind).collect();
                assert!(pieces.concat() == model[first..behind], "{first}..{behind}");
                assert!(pieces.iter().all(|piece| !piece.is_empty()));
            }
        }
    }

    #[test]
    fn writing_anywhere_agrees_with_a_vector() {
        let (mut long, mut model) = (Long::from(Bytes::from_static(b"begin")), b"begin".to_vec());
        let mut random = fastrand::Rng::with_seed(7);
        let mut shared = Vec::new();
        for round in 0..60u8 {
            let growth = random.usize(..PART / 2);
            let at = match round % 4 {
                0 => model.len(),
                1 => model.len() + growth,
                _ => random.usize(..model.len()),
            };
            let bytes = vec![round + 1; random.usize(1..PART)];
            model.resize(model.len().max(at + bytes.len()), 0);
            model[at..at + bytes.len()].copy_from_slice(&bytes);
            long.write_at(at, &bytes);
            if round % 3 == 0 {
                shared.push((long.clone(), model.clone()));
            }
        }
        agrees(&long, &model);
        // No copy has changed.
        shared.iter().for_each(|(long, model)| agrees(long, model));
    }

    #[test]
    fn a_string_at_once_is_cut_without_a_copy() {
        let bytes = Bytes::from((0..WHOLE_MAX + 7).map(|n| n as u8).collect::<Vec<_>>());
        let long = Long::from(bytes.clone());
        agrees(&long, &bytes);
        assert_eq!(long.range(PART..PART + 9).next().map(|part| part.as_ptr()), {
            Some(bytes[PART..].as_ptr())
        });
        agrees(&Long::from(bytes.slice(7..)), &bytes[7..]);
        agrees(&Long::from(bytes.slice(..PART)), &bytes[..PART]);
    }

    #[test]
    fn a_gap_and_a_change_take_no_more_than_the_parts_that_they_touch() {
        let mut long = Long::from(Bytes::from_static(b"x"));
        long.write_at((512 << 20) - 1, b"y");
        let zeros = |part: Bytes| part.as_ptr() == ZEROS.as_ptr();
        assert_eq!(long.range(0..long.len()).filter(|part| zeros(part.clone())).count(), 2046);
        let copy = long.clone();
        long.write_at(300 << 20, b"z");
        let same = long.range(0..long.len()).zip(copy.range(0..copy.len()));
        assert_eq!(same.filter(|(one, other)| one.as_ptr() != other.as_ptr()).count(), 1);
    }
}
