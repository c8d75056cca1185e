//! Members with their scores in one allocation, in order: the form of a sorted set while it is
//! small.
//!
//! ```text
//!  block   room u16 | entry | entry | ... | room bytes that are free
//!
//!  entry   head                          score             text
//!         +-----------------------------+-----------------+-----------------+
//!         | form << 5 | length          | 1 to 8 bytes    | up to 31 bytes  |
//!         | LONG << 5 | form, u32       | 1 to 8 bytes    | longer          |
//!         +-----------------------------+-----------------+-----------------+
//! ```
//!
//! A score that is a whole number takes one to six bytes. So a member costs two to seven bytes
//! above its text, and nine when its score is a fraction. There is no count and no index: a search
//! passes the members before the one that it looks for.
//!
//! The invariant: between the room's length and the free bytes lies a whole number of entries, in
//! the order of score, then text.

use super::order;
use crate::storage::memory::{prefetch, size_class};
use std::cmp::Ordering;
use std::ops::Range;

/// Bytes of a score in each form: integers, then the two floating forms.
const FORMS: [usize; 7] = [1, 2, 3, 4, 6, 4, 8];
const SINGLE: usize = 5;
const DOUBLE: usize = 6;
const LONG: u8 = 7;
/// Longest text whose length fits in the head.
const SHORT_MAX: usize = 31;
/// Where the entries begin.
const START: usize = 2;

/// Members with scores, packed.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    block: Box<[u8]>,
}

/// One member.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The member.
    pub member: &'a [u8],
    /// Its score.
    pub score: f64,
    /// Where it lies.
    pub place: Range<usize>,
}

/// The form that has a score in the fewest bytes. Minus zero becomes zero, as in Redis's listpack.
fn form_of(score: f64) -> usize {
    let whole = score as i64;
    if whole as f64 == score {
        let fits = |bytes: usize| {
            let half = 1i64 << (8 * bytes - 1);
            (-half..half).contains(&whole)
        };
        if let Some(form) = (0..SINGLE).find(|&form| fits(FORMS[form])) {
            return form;
        }
    }
    let single = (score as f32) as f64;
    if single.to_bits() == score.to_bits() { SINGLE } else { DOUBLE }
}

fn read_score(form: usize, bytes: &[u8]) -> f64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    match form {
        SINGLE => f32::from_bits(u64::from_le_bytes(word) as u32) as f64,
        DOUBLE => f64::from_le_bytes(word),
        _ => {
            let unused = 64 - 8 * bytes.len();
            (i64::from_le_bytes(word) << unused >> unused) as f64
        }
    }
}

fn score_word(form: usize, score: f64) -> [u8; 8] {
    match form {
        SINGLE => ((score as f32).to_bits() as u64).to_le_bytes(),
        DOUBLE => score.to_le_bytes(),
        _ => (score as i64).to_le_bytes(),
    }
}

/// The bytes of an entry.
pub fn entry_len(member: &[u8], score: f64) -> usize {
    let head = if member.len() <= SHORT_MAX { 1 } else { 5 };
    head + FORMS[form_of(score)] + member.len()
}

impl Packed {
    /// Where the entries end.
    #[inline]
    fn end(&self) -> usize {
        match *self.block {
            [low, high, ..] => self.block.len() - u16::from_le_bytes([low, high]) as usize,
            _ => START,
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.end() == START
    }

    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        size_class(self.block.len())
    }

    /// The bytes of all entries.
    pub fn bytes(&self) -> usize {
        self.end() - START
    }

    /// The number of members, counted.
    pub fn len(&self) -> usize {
        let (mut at, end, mut count) = (START, self.end(), 0);
        while at < end {
            at = self.head(at).2;
            count += 1;
        }
        count
    }

    /// The form of the score, where it begins, and where the entry ends; the text is the rest.
    #[inline]
    fn head(&self, at: usize) -> (usize, usize, usize) {
        let head = self.block[at];
        let form = (head >> 5) as usize;
        if head >> 5 != LONG {
            return (form, at + 1, at + 1 + FORMS[form] + (head & 31) as usize);
        }
        let form = (head & 31) as usize;
        let len = self.block[at + 1..at + 5].try_into().expect("the slice is four bytes long");
        (form, at + 5, at + 5 + FORMS[form] + u32::from_le_bytes(len) as usize)
    }

    #[inline]
    fn entry(&self, at: usize) -> Entry<'_> {
        let (form, score_at, end) = self.head(at);
        let (score, member) = self.block[score_at..end].split_at(FORMS[form]);
        Entry { member, score: read_score(form, score), place: at..end }
    }

    /// All members in order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> + Clone {
        let (mut at, end) = (START, self.end());
        std::iter::from_fn(move || {
            (at < end).then(|| {
                let entry = self.entry(at);
                at = entry.place.end;
                entry
            })
        })
    }

    /// Where a member is, how many lie before it, and its score; if it is not there, how many
    /// there are.
    #[inline]
    pub fn find(&self, member: &[u8]) -> Result<(usize, Entry<'_>), usize> {
        let (mut at, end, mut passed) = (START, self.end(), 0);
        while at < end {
            let (form, score_at, behind) = self.head(at);
            let text = score_at + FORMS[form];
            if behind - text == member.len() && self.block[text..behind] == *member {
                return Ok((passed, self.entry(at)));
            }
            at = behind;
            passed += 1;
        }
        Err(passed)
    }

    /// Asks the processor to fetch the first lines.
    #[inline]
    pub fn prefetch(&self) {
        self.block.chunks(64).take(4).for_each(|line| prefetch(line.as_ptr()));
    }

    /// Adds a member that is not there, in its place.
    pub fn insert(&mut self, member: &[u8], score: f64) {
        let behind = |entry: &Entry<'_>| {
            order((entry.score, entry.member), (score, member)) == Ordering::Greater
        };
        let at = self.iter().find(behind).map_or(self.end(), |entry| entry.place.start);
        self.put(at, member, score);
    }

    /// Adds a member that belongs behind all others.
    pub fn push(&mut self, member: &[u8], score: f64) {
        self.put(self.end(), member, score);
    }

    fn put(&mut self, at: usize, member: &[u8], score: f64) {
        let (form, len) = (form_of(score), entry_len(member, score));
        self.resize(at..at, len);
        let mut rest = &mut self.block[at..at + len];
        let mut put = |bytes: &[u8]| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            head.copy_from_slice(bytes);
            rest = tail;
        };
        if member.len() <= SHORT_MAX {
            put(&[(form as u8) << 5 | member.len() as u8]);
        } else {
            put(&[LONG << 5 | form as u8]);
            put(&(member.len() as u32).to_le_bytes());
        }
        put(&score_word(form, score)[..FORMS[form]]);
        put(member);
    }

    /// Takes out what lies at `place`: whole entries.
    pub fn remove(&mut self, place: Range<usize>) {
        self.resize(place, 0);
    }

    /// Makes what lies at `place` `len` bytes long; what is behind it moves.
    fn resize(&mut self, place: Range<usize>, len: usize) {
        let (end, old_len) = (self.end(), place.len());
        let new_end = end - old_len + len;
        let fitting = size_class(new_end).min(new_end + u16::MAX as usize);
        if fitting != self.block.len() {
            let mut block = vec![0; fitting].into_boxed_slice();
            if !self.block.is_empty() {
                block[START..place.start].copy_from_slice(&self.block[START..place.start]);
                let tail = &self.block[place.end..end];
                block[place.start + len..new_end].copy_from_slice(tail);
            }
            self.block = block;
        } else {
            self.block.copy_within(place.end..end, place.start + len);
        }
        let room = (self.block.len() - new_end) as u16;
        self.block[..START].copy_from_slice(&room.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_is_read_as_it_was_written() {
        let mut scores = vec![0.5, 0.1, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e300];
        scores.extend([5e-324, 1.5f32 as f64, 9007199254740993.0, -9007199254740992.0]);
        for bits in [7, 15, 23, 31, 47, 52, 62] {
            let edge = 2f64.powi(bits);
            scores.extend([edge - 1.0, edge, edge + 1.0, -edge - 1.0, -edge, 1.0 - edge]);
        }
        for score in scores {
            let mut packed = Packed::default();
            packed.push(b"m", score);
            let seen = packed.iter().next().map(|entry| entry.score.to_bits());
            assert_eq!(seen, Some(score.to_bits()), "{score}");
        }
    }

    #[test]
    fn small_whole_scores_take_one_byte() {
        let lens: Vec<_> =
            [7.0, 300.0, 70e3, 17e6, 1.7e12, 0.5, 0.1].map(|score| entry_len(b"", score)).into();
        assert_eq!(lens, [2, 3, 4, 5, 7, 5, 9]);
    }

    #[test]
    fn agrees_with_a_sorted_vector() {
        let mut random = fastrand::Rng::with_seed(5);
        let (mut packed, mut model) = (Packed::default(), Vec::<(f64, Vec<u8>)>::new());
        for _ in 0..4000 {
            let n = random.usize(..60);
            let member = format!("{n}").repeat(n).into_bytes();
            let score = random.i32(-300..300) as f64 / if n.is_multiple_of(3) { 7.0 } else { 1.0 };
            match packed.find(&member) {
                Ok((rank, entry)) => {
                    assert_eq!(model[rank], (entry.score, member));
                    let place = entry.place;
                    packed.remove(place);
                    model.remove(rank);
                }
                Err(count) => {
                    assert_eq!(count, model.len());
                    packed.insert(&member, score);
                    let behind = |own: &(f64, Vec<u8>)| {
                        order((own.0, &own.1), (score, &member)) == Ordering::Less
                    };
                    model.insert(model.partition_point(behind), (score, member));
                }
            }
            let seen: Vec<_> =
                packed.iter().map(|entry| (entry.score, entry.member.to_vec())).collect();
            assert_eq!(seen, model);
            assert_eq!((packed.len(), packed.is_empty()), (model.len(), model.is_empty()));
        }
    }
}
