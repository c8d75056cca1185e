//! A sorted set: members with scores, in the order of score, then text.
//!
//! While it is small it is packed: one allocation, in order, searched from its beginning. A set
//! with many members, or a long one, is a tree of pages with an index; see [`large`]. There is no
//! way back: a set that has grown is likely to grow again.
//!
//! Zero and minus zero are equal scores, and are told apart when they are replied; a packed set has
//! only zero. A score is never "not a number"; the commands see to that.
//!
//! The large form has no hasher of its own: every call passes the keyspace's, always the same.

pub mod large;
mod packed;

use crate::hasher::Hasher;
use large::Large;
use packed::Packed;
use std::cmp::Ordering;
use std::ops::Range;

/// A sorted set.
#[derive(Clone)]
pub struct SortedSet(Form);

#[derive(Clone)]
enum Form {
    Packed(Packed),
    Large(Box<Large>),
}

const _: () = assert!(size_of::<SortedSet>() == 16);

/// Up to what a sorted set stays packed, and the hasher of the large form.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// The most members.
    pub members: usize,
    /// The longest member, in bytes.
    pub bytes: usize,
    /// The keyspace's hasher.
    pub hasher: &'a Hasher,
}

/// The order of a sorted set: by score, then by text. Zero and minus zero are equal.
pub fn order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal).then_with(|| a.1.cmp(b.1))
}

impl Default for SortedSet {
    fn default() -> SortedSet {
        SortedSet(Form::Packed(Packed::default()))
    }
}

impl std::fmt::Debug for SortedSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a {} of {} members", self.encoding(), self.len())
    }
}

impl SortedSet {
    /// The number of members: of a packed set they are counted.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.len(),
            Form::Large(large) => large.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Packed(packed) => packed.is_empty(),
            Form::Large(large) => large.is_empty(),
        }
    }

    /// Whether it is in its packed form.
    pub fn is_packed(&self) -> bool {
        matches!(self.0, Form::Packed(_))
    }

    /// The name of the encoding, as OBJECT ENCODING replies it.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Packed(_) => "listpack",
            Form::Large(_) => "skiplist",
        }
    }

    /// The bytes taken from the allocator. Constant time.
    pub fn allocated(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.allocated(),
            Form::Large(large) => large.allocated(),
        }
    }

    /// See [`crate::storage::value::Object::freeze`]. The copy is read by [`SortedSet::iter`] from
    /// its beginning, and by nothing else.
    pub fn freeze(&mut self) -> SortedSet {
        match &mut self.0 {
            Form::Packed(packed) => SortedSet(Form::Packed(packed.clone())),
            Form::Large(large) => SortedSet(Form::Large(Box::new(large.freeze()))),
        }
    }

    /// As [`SortedSet::freeze`]; the copy is read by ranks.
    pub fn freeze_ranked(&mut self) -> SortedSet {
        match &mut self.0 {
            Form::Packed(packed) => SortedSet(Form::Packed(packed.clone())),
            Form::Large(large) => SortedSet(Form::Large(Box::new(large.freeze_ranked()))),
        }
    }

    /// See [`crate::storage::value::Object::copy`].
    pub fn copy(&mut self) -> SortedSet {
        match &mut self.0 {
            Form::Packed(packed) => SortedSet(Form::Packed(packed.clone())),
            Form::Large(large) => SortedSet(Form::Large(Box::new(large.copy()))),
        }
    }

    /// See [`crate::storage::value::Object::shed`].
    pub fn shed(&mut self) -> bool {
        match &mut self.0 {
            Form::Packed(_) => false,
            Form::Large(large) => large.shed(),
        }
    }

    /// The number of allocations that have to be freed, about.
    pub fn parts(&self) -> usize {
        match &self.0 {
            Form::Packed(_) => 1,
            Form::Large(large) => large.parts(),
        }
    }

    /// See [`crate::storage::value::Object::prefetch`].
    #[inline]
    pub fn prefetch(&self, member: Option<&[u8]>, hasher: &Hasher) -> bool {
        match (&self.0, member) {
            (Form::Packed(packed), _) => packed.prefetch(),
            (Form::Large(large), Some(member)) => {
                large.prefetch(member, hasher);
                return true;
            }
            (Form::Large(_), None) => {}
        }
        false
    }

    /// See [`crate::storage::value::Object::prefetch_all`].
    #[inline]
    pub fn prefetch_all(&self, members: &[&[u8]], hasher: &Hasher) {
        match &self.0 {
            Form::Packed(packed) => packed.prefetch(),
            Form::Large(large) => large.prefetch_all(members, hasher),
        }
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8], hasher: &Hasher) -> Option<f64> {
        match &self.0 {
            Form::Packed(packed) => packed.find(member).ok().map(|(_, entry)| entry.score),
            Form::Large(large) => large.score(member, hasher),
        }
    }

    /// How many members lie before a member, and its score.
    #[inline]
    pub fn rank(&self, member: &[u8], hasher: &Hasher) -> Option<(usize, f64)> {
        match &self.0 {
            Form::Packed(packed) => {
                packed.find(member).ok().map(|(rank, entry)| (rank, entry.score))
            }
            Form::Large(large) => large.rank(member, hasher),
        }
    }

    /// Sets the score of a member. Returns the one that it had.
    #[inline]
    pub fn set(&mut self, member: &[u8], score: f64, limits: Limits<'_>) -> Option<f64> {
        self.update(member, limits, |_| Some(score))
    }

    /// Gives a member the score that `f` makes of the one that it has, if it makes one. Returns the
    /// one that it had. An equal score changes nothing, be it minus zero.
    #[inline]
    pub fn update(
        &mut self,
        member: &[u8],
        limits: Limits<'_>,
        f: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Option<f64> {
        let packed = match &mut self.0 {
            Form::Packed(packed) => packed,
            Form::Large(large) => return large.update(member, limits.hasher, f),
        };
        match packed.find(member) {
            Ok((_, entry)) => {
                let (old, place) = (entry.score, entry.place);
                if let Some(score) = f(Some(old)).filter(|score| *score != old) {
                    packed.remove(place);
                    packed.insert(member, score);
                }
                Some(old)
            }
            Err(count) => {
                let score = f(None)?;
                if count < limits.members && member.len() <= limits.bytes {
                    packed.insert(member, score);
                    return None;
                }
                self.enlarge(0, limits.hasher);
                let Form::Large(large) = &mut self.0 else { return None };
                large.update(member, limits.hasher, |_| Some(score))
            }
        }
    }

    /// Adds a member that belongs behind all others: how a set is built that comes in order.
    pub fn push(&mut self, member: &[u8], score: f64, limits: Limits<'_>) {
        if member.len() > limits.bytes {
            self.enlarge(0, limits.hasher);
        }
        match &mut self.0 {
            Form::Packed(packed) => {
                packed.push(member, score);
                if packed.bytes() > 2 * limits.members && packed.len() > limits.members {
                    self.enlarge(0, limits.hasher);
                }
            }
            Form::Large(large) => large.push(member, score, limits.hasher),
        }
    }

    /// Adds members that belong behind all others, in order.
    pub fn extend<'m>(
        &mut self,
        mut members: impl Iterator<Item = (&'m [u8], f64)>,
        limits: Limits<'_>,
    ) {
        loop {
            if let Form::Large(large) = &mut self.0 {
                return large.extend(members, limits.hasher);
            }
            let Some((member, score)) = members.next() else { return };
            self.push(member, score, limits);
        }
    }

    /// Becomes large if so many members, of which the longest has so many bytes, are too much for
    /// a packed set.
    pub fn fit(&mut self, members: usize, longest: usize, limits: Limits<'_>) {
        if members > limits.members || longest > limits.bytes {
            self.enlarge(members, limits.hasher);
        }
    }

    /// Removes a member. Returns the score that it had.
    pub fn remove(&mut self, member: &[u8], hasher: &Hasher) -> Option<f64> {
        match &mut self.0 {
            Form::Packed(packed) => {
                let (_, entry) = packed.find(member).ok()?;
                let (score, place) = (entry.score, entry.place);
                packed.remove(place);
                Some(score)
            }
            Form::Large(large) => large.remove(member, hasher),
        }
    }

    /// Removes the members with these ranks, which are there.
    pub fn remove_range(&mut self, ranks: Range<usize>, hasher: &Hasher) {
        match &mut self.0 {
            Form::Packed(packed) => {
                let mut found = packed.iter().skip(ranks.start).take(ranks.len());
                let Some(first) = found.next() else { return };
                let end = found.last().map_or(first.place.end, |last| last.place.end);
                let start = first.place.start;
                packed.remove(start..end);
            }
            Form::Large(large) => large.remove_range(ranks, hasher),
        }
    }

    /// The members from a rank on, in order.
    pub fn iter(&self, rank: usize) -> impl Iterator<Item = (&[u8], f64)> {
        let (packed, large) = self.forms();
        let packed = packed.into_iter().flat_map(Packed::iter).skip(rank);
        let packed = packed.map(|entry| (entry.member, entry.score));
        packed.chain(large.into_iter().flat_map(move |large| large.iter(rank)))
    }

    /// The members up to a rank, the last one first.
    pub fn iter_back(&self, rank: usize) -> impl Iterator<Item = (&[u8], f64)> {
        let (packed, large) = self.forms();
        let mut all = Vec::new();
        if let Some(packed) = packed {
            all.extend(packed.iter().take(rank + 1).map(|entry| (entry.member, entry.score)));
        }
        let large = large.into_iter().flat_map(move |large| large.iter_back(rank));
        all.into_iter().rev().chain(large)
    }

    fn forms(&self) -> (Option<&Packed>, Option<&Large>) {
        match &self.0 {
            Form::Packed(packed) => (Some(packed), None),
            Form::Large(large) => (None, Some(large)),
        }
    }

    /// The number of members whose score is `below`, which is true at the front only.
    pub fn count_scores(&self, below: impl Fn(f64) -> bool) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.iter().take_while(|entry| below(entry.score)).count(),
            Form::Large(large) => large.count_scores(below),
        }
    }

    /// The number of members whose text is `below`, which is true at the front only: of a set in
    /// which all scores are equal. Of another one the number means nothing, but is at most
    /// [`SortedSet::len`].
    pub fn count_texts(&self, below: impl Fn(&[u8]) -> bool) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.iter().take_while(|entry| below(entry.member)).count(),
            Form::Large(large) => large.count_texts(below),
        }
    }

    /// Visits members from `cursor` on until about `count` were seen, and returns where to go on,
    /// zero for the end. A packed set is visited whole.
    pub fn scan<'s>(
        &'s self,
        cursor: u64,
        count: usize,
        hasher: &Hasher,
        mut f: impl FnMut(&'s [u8], f64),
    ) -> u64 {
        match &self.0 {
            Form::Packed(packed) => {
                packed.iter().for_each(|entry| f(entry.member, entry.score));
                0
            }
            Form::Large(large) => large.scan(cursor, count, hasher, f),
        }
    }

    /// Turns a packed set into a large one, with room for so many members.
    #[cold]
    fn enlarge(&mut self, room: usize, hasher: &Hasher) {
        let Form::Packed(packed) = &self.0 else { return };
        let mut large = Box::new(Large::with_room(room));
        packed.iter().for_each(|entry| large.push(entry.member, entry.score, hasher));
        self.0 = Form::Large(large);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten members of 16 bytes with small scores are one block of 192 bytes.
    #[test]
    fn a_small_set_costs_three_bytes_a_member_above_its_text() {
        let hasher = Hasher::new([1, 2]);
        let limits = Limits { members: 128, bytes: 64, hasher: &hasher };
        let mut set = SortedSet::default();
        for n in 0..10 {
            set.set(format!("member-{n:09}").as_bytes(), (n * 300) as f64, limits);
        }
        assert_eq!((set.len(), set.allocated(), set.encoding()), (10, 192, "listpack"));
    }

    #[test]
    fn a_set_grows_by_count_and_by_length() {
        let hasher = Hasher::new([1, 2]);
        let limits = Limits { members: 4, bytes: 8, hasher: &hasher };
        let (mut many, mut long, mut pushed) =
            (SortedSet::default(), SortedSet::default(), SortedSet::default());
        for n in 0..5 {
            assert_eq!(many.encoding(), "listpack");
            assert_eq!(many.set(&[b'a' + n], 1.0, limits), None);
            pushed.push(&[b'a' + n], 1.0, limits);
        }
        long.set(b"123456789", 1.0, limits);
        let encodings = [many.encoding(), long.encoding(), pushed.encoding()];
        assert_eq!(encodings, ["skiplist"; 3]);
        assert!(many.iter(0).eq(pushed.iter(0)));
        assert!(many.iter_back(3).map(|(text, _)| text).eq([b"d", b"c", b"b", b"a"]));
        many.remove_range(1..4, &hasher);
        assert!(many.iter(0).map(|(text, _)| text).eq([b"a", b"e"]));
    }

    /// One that is told how many members will come is as large as one that has grown to them, and
    /// grows on and shrinks as that one does.
    #[test]
    fn a_set_with_room_is_like_one_that_has_grown() {
        let hasher = Hasher::new([1, 2]);
        let limits = Limits { members: 128, bytes: 64, hasher: &hasher };
        let text = |n: usize| format!("member-{n:07}").into_bytes();
        for count in [129, 200, 240, 300, 520, 700, 1000, 1500, 2100, 5000, 9999, 20_000] {
            let (mut told, mut grown) = (SortedSet::default(), SortedSet::default());
            told.fit(count, 0, limits);
            for n in 0..count {
                told.push(&text(n), n as f64, limits);
                grown.push(&text(n), n as f64, limits);
            }
            let share = told.allocated() as f64 / grown.allocated() as f64;
            assert!((0.9..1.1).contains(&share), "{count}: {share}");
            for n in count..2 * count {
                assert_eq!(told.set(&text(n), n as f64, limits), None);
            }
            for n in (0..2 * count).filter(|n| n % 3 > 0) {
                assert_eq!(told.remove(&text(n), &hasher), Some(n as f64));
            }
            for n in 0..2 * count {
                let wanted = (n % 3 == 0).then_some((n / 3, n as f64));
                assert_eq!(told.rank(&text(n), &hasher), wanted);
            }
        }
    }
}
