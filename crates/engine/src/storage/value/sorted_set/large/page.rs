//! A page: some kilobyte of members with their scores, in order.
//!
//! ```text
//!  body    tags        lengths     scores          texts
//!         +-----------+-----------+---------------+-------------------------------+------+
//!         | u8 x n    | u8 x n    | f64 x n       | one behind another            | free |
//!         +-----------+-----------+---------------+-------------------------------+------+
//! ```
//!
//! All pages have one size, so that the allocator has no holes that do not fit. A member is found
//! by its tag, a byte of its hash; the scores are searched by halves. A member longer than
//! [`INLINE_MAX`] lies outside, its length is [`OUTSIDE`], and its turn among those outside says
//! which one it is.
//!
//! The invariants: `count` and `used` describe the body; entries are in order of score, then text.

use crate::storage::memory::prefetch;
use crate::storage::value::dense::Numbered;
use bytes::Bytes;

/// Bytes of a page's columns.
pub const BODY: usize = 992;
/// The longest member that lies in the page, in bytes.
pub const INLINE_MAX: usize = 120;
/// The length of a member that lies outside.
const OUTSIDE: u8 = 255;
/// The width of a page whose members are not all of one length.
const MIXED: u8 = 255;
/// Bytes of an entry beside its text: tag, length, score.
const ENTRY: usize = 10;
/// No page.
pub const NONE: u32 = u32::MAX;

const _: () = assert!(size_of::<Page>() == 1024);

/// A page of members.
#[derive(Clone)]
#[repr(C)]
pub struct Page {
    /// The node above, [`NONE`] for the root.
    pub parent: u32,
    /// The page behind.
    pub next: u32,
    /// The page before.
    pub prev: u32,
    number: u32,
    used: u16,
    count: u8,
    /// The length of all members, or [`MIXED`].
    width: u8,
    #[allow(clippy::box_collection, reason = "a page has eight bytes for what few pages have")]
    longs: Option<Box<Vec<Bytes>>>,
    body: [u8; BODY],
}

impl Default for Page {
    fn default() -> Page {
        Page {
            parent: NONE,
            next: NONE,
            prev: NONE,
            number: NONE,
            used: 0,
            count: 0,
            width: MIXED,
            longs: None,
            body: [0; BODY],
        }
    }
}

impl Numbered for Page {
    fn number(&self) -> u32 {
        self.number
    }
    fn set_number(&mut self, number: u32) {
        self.number = number;
    }
}

/// The bytes that a member takes in a page.
pub fn entry_len(member: &[u8]) -> usize {
    ENTRY + if member.len() > INLINE_MAX { 0 } else { member.len() }
}

/// Entries on their way from pages to pages.
#[derive(Clone, Default)]
pub struct Run {
    tags: Vec<u8>,
    lengths: Vec<u8>,
    scores: Vec<[u8; 8]>,
    texts: Vec<u8>,
    longs: Vec<Bytes>,
}

impl Run {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// The bytes that the entries take in pages.
    pub fn bytes(&self) -> usize {
        self.len() * ENTRY + self.texts.len()
    }

    /// Empties the run.
    pub fn clear(&mut self) {
        self.tags.clear();
        self.lengths.clear();
        self.scores.clear();
        self.texts.clear();
        self.longs.clear();
    }

    /// Puts an entry behind all others.
    pub fn push(&mut self, tag: u8, score: f64, member: &[u8]) {
        self.tags.push(tag);
        self.scores.push(score.to_le_bytes());
        if member.len() > INLINE_MAX {
            self.lengths.push(OUTSIDE);
            self.longs.push(Bytes::copy_from_slice(member));
        } else {
            self.lengths.push(member.len() as u8);
            self.texts.extend_from_slice(member);
        }
    }

    /// Puts an entry before the one at `at`.
    pub fn insert(&mut self, at: usize, tag: u8, score: f64, member: &[u8]) {
        let before = &self.lengths[..at];
        let text: usize = before.iter().map(|&length| text_len(length)).sum();
        let turn = before.iter().filter(|&&length| length == OUTSIDE).count();
        self.tags.insert(at, tag);
        self.scores.insert(at, score.to_le_bytes());
        if member.len() > INLINE_MAX {
            self.lengths.insert(at, OUTSIDE);
            self.longs.insert(turn, Bytes::copy_from_slice(member));
        } else {
            self.lengths.insert(at, member.len() as u8);
            self.texts.splice(text..text, member.iter().copied());
        }
    }

    /// The bytes of each entry in a page.
    pub fn entry_lens(&self) -> impl Iterator<Item = usize> {
        self.lengths.iter().map(|&length| ENTRY + text_len(length))
    }

    /// All members.
    pub fn members(&self) -> impl Iterator<Item = &[u8]> {
        let (mut at, mut longs) = (0, self.longs.iter());
        self.lengths.iter().map(move |&length| {
            if length == OUTSIDE {
                return longs.next().map_or(&[][..], |long| long);
            }
            at += length as usize;
            &self.texts[at - length as usize..at]
        })
    }
}

#[inline]
fn text_len(length: u8) -> usize {
    if length == OUTSIDE { 0 } else { length as usize }
}

impl Page {
    /// The number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// The bytes of the body that are taken.
    #[inline]
    pub fn used(&self) -> usize {
        self.used as usize
    }

    #[inline]
    fn lengths(&self) -> &[u8] {
        &self.body[self.len()..2 * self.len()]
    }

    /// The score of an entry.
    #[inline]
    pub fn score(&self, i: usize) -> f64 {
        let at = 2 * self.len() + 8 * i;
        f64::from_le_bytes(self.body[at..at + 8].try_into().expect("the slice is eight bytes long"))
    }

    /// Overwrites the score of an entry, whose place stays the same.
    #[inline]
    pub fn set_score(&mut self, i: usize, score: f64) {
        let at = 2 * self.len() + 8 * i;
        self.body[at..at + 8].copy_from_slice(&score.to_le_bytes());
    }

    /// Where the text of an entry begins in the body; the end of the texts for the entry behind
    /// the last.
    #[inline]
    fn text_at(&self, i: usize) -> usize {
        if self.width != MIXED {
            return ENTRY * self.len() + i * self.width as usize;
        }
        let before = &self.lengths()[..i];
        let texts: usize = match self.longs {
            None => sum(before),
            Some(_) => before.iter().map(|&length| text_len(length)).sum(),
        };
        ENTRY * self.len() + texts
    }

    /// The text of an entry.
    #[inline]
    pub fn member(&self, i: usize) -> &[u8] {
        let length = if self.width == MIXED { self.lengths()[i] } else { self.width };
        if length == OUTSIDE {
            return self.long(i);
        }
        let at = self.text_at(i);
        &self.body[at..at + length as usize]
    }

    #[cold]
    fn long(&self, i: usize) -> &[u8] {
        let turn = self.turn(i);
        self.longs.as_ref().map_or(&[], |longs| &longs[turn])
    }

    /// How many of the entries before this one lie outside.
    fn turn(&self, i: usize) -> usize {
        self.lengths()[..i].iter().filter(|&&length| length == OUTSIDE).count()
    }

    /// An entry, with where its text lies, for going through entries one after another.
    #[inline]
    pub fn entry(&self, i: usize) -> (&[u8], f64) {
        (self.member(i), self.score(i))
    }

    /// Entries from one on, forwards.
    pub fn entries(&self, from: usize) -> impl Iterator<Item = (&[u8], f64)> {
        let from = from.min(self.len());
        let mut at = self.text_at(from);
        (from..self.len()).map(move |i| {
            let length = self.lengths()[i];
            if length == OUTSIDE {
                return (self.long(i), self.score(i));
            }
            at += length as usize;
            (&self.body[at - length as usize..at], self.score(i))
        })
    }

    /// Entries before one, backwards.
    pub fn entries_back(&self, behind: usize) -> impl Iterator<Item = (&[u8], f64)> {
        let mut at = self.text_at(behind);
        (0..behind).rev().map(move |i| {
            let length = self.lengths()[i];
            if length == OUTSIDE {
                return (self.long(i), self.score(i));
            }
            at -= length as usize;
            (&self.body[at..at + length as usize], self.score(i))
        })
    }

    /// Calls `f` with the places of the entries that have a tag, until it answers true.
    #[inline]
    pub fn each_tagged(&self, tag: u8, mut f: impl FnMut(usize) -> bool) {
        const LOW: u64 = u64::from_ne_bytes([1; 8]);
        const HIGH: u64 = u64::from_ne_bytes([128; 8]);
        let wanted = LOW * tag as u64;
        // What lies behind the tags is more of the body: a match there is passed over.
        for (chunk, bytes) in
            self.body[..self.len().next_multiple_of(8)].chunks_exact(8).enumerate()
        {
            let word = u64::from_le_bytes(bytes.try_into().expect("the chunk is eight bytes long"));
            let x = word ^ wanted;
            let mut matches = x.wrapping_sub(LOW) & !x & HIGH;
            while matches != 0 {
                let i = chunk * 8 + matches.trailing_zeros() as usize / 8;
                if i >= self.len() {
                    return;
                }
                if self.body[i] == tag && f(i) {
                    return;
                }
                matches &= matches - 1;
            }
        }
    }

    /// The place of a member.
    #[inline]
    pub fn find(&self, tag: u8, member: &[u8]) -> Option<usize> {
        let mut found = None;
        self.each_tagged(tag, |i| {
            let same = self.member(i) == member;
            if same {
                found = Some(i);
            }
            same
        });
        found
    }

    /// The first entry with a tag: nearly always the only one.
    #[inline]
    pub fn guess(&self, tag: u8) -> Option<usize> {
        let mut guess = None;
        self.each_tagged(tag, |i| {
            guess = Some(i);
            true
        });
        guess
    }

    /// Whether an entry lies before a score and text.
    #[inline]
    pub fn is_before(&self, i: usize, score: f64, member: &[u8]) -> bool {
        let own = self.score(i);
        own < score || own == score && self.member(i) < member
    }

    /// Whether an entry lies behind a score and text.
    #[inline]
    pub fn is_behind(&self, i: usize, score: f64, member: &[u8]) -> bool {
        let own = self.score(i);
        own > score || own == score && self.member(i) > member
    }

    /// Whether a member with another score stays where it is, as far as this page shows.
    #[inline]
    pub fn stays(&self, i: usize, score: f64, member: &[u8]) -> bool {
        (i == 0 || self.is_before(i - 1, score, member))
            && (i + 1 == self.len() || self.is_behind(i + 1, score, member))
    }

    /// The number of entries before a score and text.
    #[inline]
    pub fn lower(&self, score: f64, member: &[u8]) -> usize {
        let first = self.scores_below(|s| s < score);
        let behind = first + self.scores_from(first, |s| s == score);
        self.texts_below(first, behind, |text| text < member)
    }

    /// The number of entries at the front whose score is `below`.
    #[inline]
    pub fn scores_below(&self, below: impl Fn(f64) -> bool) -> usize {
        partition(0, self.len(), |i| below(self.score(i)))
    }

    #[inline]
    fn scores_from(&self, first: usize, equal: impl Fn(f64) -> bool) -> usize {
        if first == self.len() || !equal(self.score(first)) {
            return 0;
        }
        partition(first, self.len(), |i| equal(self.score(i))) - first
    }

    /// The number of entries at the front of which all up to `first` are, and none from `behind`
    /// on is, whose text is `below`.
    pub fn texts_below(&self, first: usize, behind: usize, below: impl Fn(&[u8]) -> bool) -> usize {
        partition(first, behind, |i| below(self.member(i)))
    }

    /// Whether an entry of so many bytes still fits.
    #[inline]
    pub fn fits(&self, bytes: usize) -> bool {
        self.used() + bytes <= BODY
    }

    /// Puts an entry in, which fits.
    pub fn insert(&mut self, i: usize, tag: u8, score: f64, member: &[u8]) {
        let (n, end, at) = (self.len(), self.used(), self.text_at(i));
        let long = member.len() > INLINE_MAX;
        let text = if long { &[][..] } else { member };
        let body = &mut self.body;
        body.copy_within(at..end, at + ENTRY + text.len());
        body.copy_within(ENTRY * n..at, ENTRY * (n + 1));
        body.copy_within(2 * n + 8 * i..ENTRY * n, 2 * n + 2 + 8 * (i + 1));
        body.copy_within(2 * n..2 * n + 8 * i, 2 * n + 2);
        body.copy_within(n + i..2 * n, n + i + 2);
        body.copy_within(n..n + i, n + 1);
        body.copy_within(i..n, i + 1);
        let n = n + 1;
        body[i] = tag;
        body[n + i] = if long { OUTSIDE } else { text.len() as u8 };
        body[2 * n + 8 * i..2 * n + 8 * i + 8].copy_from_slice(&score.to_le_bytes());
        body[at + ENTRY..at + ENTRY + text.len()].copy_from_slice(text);
        self.count = n as u8;
        self.used += (ENTRY + text.len()) as u16;
        let length = if long { MIXED } else { text.len() as u8 };
        self.width = if n == 1 || self.width == length { length } else { MIXED };
        if long {
            let turn = self.turn(i);
            self.longs.get_or_insert_default().insert(turn, Bytes::copy_from_slice(member));
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, i: usize) {
        self.remove_range(i, i + 1);
    }

    /// Takes entries out.
    pub fn remove_range(&mut self, from: usize, to: usize) {
        let (n, end, k) = (self.len(), self.used(), to - from);
        let (at, behind) = (self.text_at(from), self.text_at(to));
        if self.longs.is_some() {
            let (first, last) = (self.turn(from), self.turn(to));
            if let Some(longs) = &mut self.longs {
                longs.drain(first..last);
            }
            self.longs.take_if(|longs| longs.is_empty());
        }
        let body = &mut self.body;
        body.copy_within(to..n, from);
        body.copy_within(n..n + from, n - k);
        body.copy_within(n + to..2 * n, n - k + from);
        body.copy_within(2 * n..2 * n + 8 * from, 2 * (n - k));
        body.copy_within(2 * n + 8 * to..ENTRY * n, 2 * (n - k) + 8 * from);
        body.copy_within(ENTRY * n..at, ENTRY * (n - k));
        body.copy_within(behind..end, at - ENTRY * k);
        self.count -= k as u8;
        self.used -= (behind - at + ENTRY * k) as u16;
    }

    /// Moves an entry with a new score from place `from` to before the entry at place `to`.
    pub fn shift(&mut self, from: usize, to: usize, tag: u8, score: f64, member: &[u8]) {
        self.remove(from);
        self.insert(if to > from { to - 1 } else { to }, tag, score, member);
    }

    /// Adds copies of all entries to a run, which takes over what lies outside.
    pub fn drain_into(&mut self, run: &mut Run) {
        let n = self.len();
        run.tags.extend_from_slice(&self.body[..n]);
        run.lengths.extend_from_slice(&self.body[n..2 * n]);
        run.scores.extend_from_slice(self.body[2 * n..ENTRY * n].as_chunks().0);
        run.texts.extend_from_slice(&self.body[ENTRY * n..self.used()]);
        if let Some(longs) = self.longs.take() {
            run.longs.extend(*longs);
        }
        (self.count, self.used) = (0, 0);
    }

    /// Takes `n` entries of a run, from entry `at.0`, text byte `at.1` and long member `at.2` on.
    /// Returns where the next begins.
    pub fn fill(
        &mut self,
        run: &Run,
        at: (usize, usize, usize),
        n: usize,
    ) -> (usize, usize, usize) {
        let lengths = &run.lengths[at.0..at.0 + n];
        let text: usize = lengths.iter().map(|&length| text_len(length)).sum();
        let longs = lengths.iter().filter(|&&length| length == OUTSIDE).count();
        self.body[..n].copy_from_slice(&run.tags[at.0..at.0 + n]);
        self.body[n..2 * n].copy_from_slice(lengths);
        self.body[2 * n..ENTRY * n].copy_from_slice(run.scores[at.0..at.0 + n].as_flattened());
        self.body[ENTRY * n..ENTRY * n + text].copy_from_slice(&run.texts[at.1..at.1 + text]);
        self.longs = (longs > 0).then(|| Box::new(run.longs[at.2..at.2 + longs].to_vec()));
        (self.count, self.used) = (n as u8, (ENTRY * n + text) as u16);
        let first = lengths.first().copied().unwrap_or(MIXED);
        self.width = if lengths.iter().all(|&length| length == first) { first } else { MIXED };
        (at.0 + n, at.1 + text, at.2 + longs)
    }

    /// Has the page's head, tags and lengths fetched.
    #[inline]
    pub fn prefetch_head(&self) {
        let at = self as *const Page as *const u8;
        (0..2).for_each(|line| prefetch(at.wrapping_add(64 * line)));
    }

    /// Has the scores fetched.
    #[inline]
    pub fn prefetch_scores(&self) {
        let at = self.body.as_ptr();
        (1..7).for_each(|line| prefetch(at.wrapping_add(64 * line)));
    }

    /// Has the score and the text of an entry fetched. What is before the scores is there.
    #[inline]
    pub fn prefetch_entry(&self, i: usize) {
        let (at, text) = (self.body.as_ptr(), self.text_at(i));
        prefetch(at.wrapping_add(2 * self.len() + 8 * i));
        prefetch(at.wrapping_add(text));
        prefetch(at.wrapping_add(text + 24));
    }

    /// Has most of the page fetched.
    #[inline]
    pub fn prefetch_all(&self) {
        let at = self as *const Page as *const u8;
        (0..16).for_each(|line| prefetch(at.wrapping_add(64 * line)));
    }
}

/// The sum of lengths, eight at a time.
#[inline]
fn sum(lengths: &[u8]) -> usize {
    let (words, rest) = lengths.as_chunks::<8>();
    let mut total = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let even = word & 0x00ff_00ff_00ff_00ff;
        let odd = (word >> 8) & 0x00ff_00ff_00ff_00ff;
        total += (even + odd).wrapping_mul(0x0001_0001_0001_0001) >> 48;
    }
    total as usize + rest.iter().map(|&length| length as usize).sum::<usize>()
}

/// The first place from `from` on, before `to`, for which `below` is false.
#[inline]
fn partition(mut from: usize, mut to: usize, below: impl Fn(usize) -> bool) -> usize {
    while from < to {
        let middle = (from + to) / 2;
        if below(middle) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    from
}
