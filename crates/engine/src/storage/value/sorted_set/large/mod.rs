//! The large form of a sorted set: a tree of pages in order, and an index of its members.
//!
//! ```text
//!   index: hash of a member -> page        tree: nodes that count, above pages in order
//!          (about 8 bytes a member)               |
//!             |                                   v
//!             +-----------> page: tags, lengths, scores, texts of some thirty members
//! ```
//!
//! A member lies in one page and nowhere else. Its score is found through the index: a line of
//! slots, then the page. Its rank is the members before it in the page and the counts on the way
//! up. A new score that leaves the member in its page is written there; otherwise the member moves,
//! and its slot in the index with it.
//!
//! A full page first gives entries to a neighbour below the same parent. When that is full too, the
//! two become three. So pages are more than four fifths full, whatever the order of insertions.
//!
//! Very many members that are removed together are cut off the tree; their pages and slots are
//! given back by the operations that follow, a few at a time.

mod build;
mod descend;
mod find;
mod index;
mod page;
mod tree;

use crate::hasher::Hasher;
use crate::storage::memory::size_class;
use bytes::Bytes;
use index::{Hashes, Index, bits, tag};
use page::{BODY, INLINE_MAX, NONE, Page, Run, entry_len};
use std::ops::Range;
use tree::Tree;

/// Bytes up to which two pages together are not made three.
const TWO_PAGES: usize = 2 * BODY * 15 / 16;
/// Bytes up to which two neighbours are made one.
const ONE_PAGE: usize = BODY * 31 / 32;
/// Members that are taken out of the index at once when they are removed together.
const EAGER: usize = 2048;
/// Members that are taken out of one page at once.
const TOGETHER: usize = 16;
/// Steps of giving back that each change makes, if something was cut off.
const STEPS: usize = 8;
/// Bits of a reversed hash that do not count for a scan.
const TURN_SHIFT: u32 = 16;

/// A sorted set with many members, or long ones.
#[derive(Clone, Default)]
pub struct Large {
    tree: Tree,
    index: Index,
    /// The bytes of members outside the pages.
    outside: usize,
    /// Whole texts are moved through these two.
    run: Run,
}

struct Lookup<'a> {
    tree: &'a Tree,
    hasher: &'a Hasher,
}

impl Hashes for Lookup<'_> {
    fn warm(&self, page: u32) {
        self.tree.pages.find(page).inspect(|page| page.prefetch_head());
    }

    fn warm_more(&self, page: u32, bits: u16) {
        if let Some(page) = self.tree.pages.find(page)
            && let Some(i) = page.guess(bits as u8)
        {
            page.prefetch_entry(i);
        }
    }

    fn with_bits(&self, page: u32, wanted: u16, hashes: &mut Vec<u64>) {
        let Some(page) = self.tree.attached(page) else { return };
        page.each_tagged(wanted as u8, |i| {
            let hash = self.hasher.hash(page.member(i));
            if bits(hash) == wanted {
                hashes.push(hash);
            }
            false
        });
    }
}

/// A member's turn in a scan, 48 bits, so that a script can take a cursor for a number.
fn turn_of(hash: u64) -> u64 {
    hash.reverse_bits() >> TURN_SHIFT
}

fn bytes_outside(member: &[u8]) -> usize {
    if member.len() > INLINE_MAX { size_of::<Bytes>() + size_class(member.len()) } else { 0 }
}

impl Large {
    /// A set without members, with room in its index for so many.
    pub fn with_room(members: usize) -> Large {
        Large { tree: Tree::new(), index: Index::with_room(members), ..Large::default() }
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.tree.len
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.tree.len == 0
    }

    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        size_of::<Large>() + self.tree.allocated() + self.index.allocated() + self.outside
    }

    /// The number of allocations, about.
    pub fn parts(&self) -> usize {
        self.tree.pages.chunks() + self.index.parts()
    }

    /// See [`crate::storage::value::Object::freeze`].
    pub fn freeze(&mut self) -> Large {
        let tree = self.tree.freeze();
        Large { tree, index: Index::none(), outside: self.outside, run: Run::default() }
    }

    /// See [`super::SortedSet::freeze_ranked`].
    pub fn freeze_ranked(&mut self) -> Large {
        let tree = self.tree.freeze_ranked();
        Large { tree, index: Index::none(), outside: self.outside, run: Run::default() }
    }

    /// See [`crate::storage::value::Object::copy`].
    pub fn copy(&mut self) -> Large {
        let (tree, index) = (self.tree.copy(), self.index.clone());
        Large { tree, index, outside: self.outside, run: Run::default() }
    }

    /// See [`crate::storage::value::Object::shed`].
    pub fn shed(&mut self) -> bool {
        self.index.shed() || self.tree.shed()
    }

    /// Sets the score of a member. Returns the one that it had.
    #[cfg(test)]
    pub fn set(&mut self, member: &[u8], score: f64, hasher: &Hasher) -> Option<f64> {
        self.update(member, hasher, |_| Some(score))
    }

    /// See [`super::SortedSet::update`].
    #[inline]
    pub fn update(
        &mut self,
        member: &[u8],
        hasher: &Hasher,
        f: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Option<f64> {
        let hash = hasher.hash(member);
        match self.locate(hash, member) {
            Some((page, i)) => {
                let old = self.tree.pages.get(page).score(i);
                if let Some(score) = f(Some(old)).filter(|score| *score != old) {
                    self.set_score(hash, (page, i), score, member, hasher);
                }
                Some(old)
            }
            None => {
                let score = f(None)?;
                self.add(hash, score, member, hasher);
                None
            }
        }
    }

    /// Adds a member that is not there.
    fn add(&mut self, hash: u64, score: f64, member: &[u8], hasher: &Hasher) {
        self.tidy(hasher);
        self.outside += bytes_outside(member);
        let page = self.place(tag(hash), score, member, hasher);
        let lookup = Lookup { tree: &self.tree, hasher };
        self.index.insert(hash, page, &lookup);
    }

    fn set_score(
        &mut self,
        hash: u64,
        (number, i): (u32, usize),
        score: f64,
        member: &[u8],
        hasher: &Hasher,
    ) {
        let page = self.tree.pages.get(number);
        if page.stays(i, score, member) && self.stays_at_edge(page, (number, i), score) {
            self.tree.pages.own(number).set_score(i, score);
            return;
        }
        let last = page.len() - 1;
        if page.is_before(0, score, member) && page.is_behind(last, score, member) {
            let to = page.lower(score, member);
            self.tree.pages.own(number).shift(i, to, tag(hash), score, member);
            return;
        }
        self.tidy(hasher);
        // A merge may have moved the member.
        let Some((number, i)) = self.locate(hash, member) else { return };
        self.tree.pages.own(number).remove(i);
        self.tree.count(number, -1);
        self.shrink(number, hasher);
        let new = self.place(tag(hash), score, member, hasher);
        // Its page may have been given back, and its number used again.
        self.index.replace(hash, number, new);
    }

    /// Removes a member. Returns its score.
    pub fn remove(&mut self, member: &[u8], hasher: &Hasher) -> Option<f64> {
        let hash = hasher.hash(member);
        let (number, i) = self.locate(hash, member)?;
        let score = self.tree.pages.get(number).score(i);
        self.remove_from(number, i, &[hash], hasher);
        Some(score)
    }

    /// Removes the members of a page from place `i` on that have these hashes.
    fn remove_from(&mut self, number: u32, i: usize, hashes: &[u64], hasher: &Hasher) {
        if self.outside > 0 {
            let page = self.tree.pages.get(number);
            let gone = (i..i + hashes.len()).map(|i| bytes_outside(page.member(i)));
            self.outside -= gone.sum::<usize>();
        }
        hashes.iter().for_each(|&hash| self.index.remove(hash, number));
        self.tree.pages.own(number).remove_range(i, i + hashes.len());
        self.tree.count(number, -(hashes.len() as i32));
        self.shrink(number, hasher);
        self.tidy(hasher);
    }

    /// Puts a member that is not there in its place. Returns its page.
    fn place(&mut self, tag: u8, score: f64, member: &[u8], hasher: &Hasher) -> u32 {
        let number = self.tree.descend(score, member);
        let page = self.tree.pages.get(number);
        let i = page.lower(score, member);
        if page.fits(entry_len(member)) {
            self.tree.pages.own(number).insert(i, tag, score, member);
            self.tree.count(number, 1);
            return number;
        }
        let (at_end, at_front) =
            (i == page.len() && page.next == NONE, i == 0 && page.prev == NONE);
        if at_end {
            let new = self.tree.add_behind(number, score);
            self.tree.pages.own(new).insert(0, tag, score, member);
            self.tree.count(new, 1);
            return new;
        }
        let (before, behind) = self.tree.siblings(number);
        let used = |page: &Option<u32>| page.map(|page| self.tree.pages.get(page).used());
        let first = match (used(&before), used(&behind)) {
            // One that grows at its front leaves full pages behind it.
            _ if at_front => None,
            (Some(one), Some(two)) if one < two => before,
            (Some(_), None) => before,
            _ => None,
        };
        let mut pages = match (first, behind) {
            (Some(before), _) => vec![before, number],
            (None, Some(behind)) if !at_front => vec![number, behind],
            _ => vec![number],
        };
        self.spread(&mut pages, number, (i, tag, score, member), at_front, hasher)
    }

    /// Spreads the entries of some neighbours evenly, with a new one in page `number`, over as many
    /// pages or one more. Returns the new one's page.
    fn spread(
        &mut self,
        pages: &mut Vec<u32>,
        number: u32,
        (i, tag, score, member): (usize, u8, f64, &[u8]),
        at_front: bool,
        hasher: &Hasher,
    ) -> u32 {
        let mut run = std::mem::take(&mut self.run);
        run.clear();
        let mut old = Vec::with_capacity(128);
        let mut new_at = 0;
        for &page in pages.iter() {
            if page == number {
                new_at = run.len() + i;
            }
            self.tree.pages.own(page).drain_into(&mut run);
            old.resize(run.len(), page);
        }
        old.insert(new_at, number);
        run.insert(new_at, tag, score, member);
        let total = run.bytes();
        let two = pages.len() == 2;
        if total > if two { TWO_PAGES } else { BODY } {
            let last = pages[pages.len() - 1];
            // Its separator is set when the entries have been dealt out.
            let new = self.tree.add_behind(last, f64::INFINITY);
            pages.push(new);
        }
        // So many bytes for each page, the last one taking what is left.
        let mut ends = Vec::with_capacity(pages.len());
        let (mut sum, mut entries) = (0, 0);
        for len in run.entry_lens() {
            let share = total * (ends.len() + 1) / pages.len();
            let is_full = if at_front { entries == 1 } else { sum + len / 2 >= share };
            if ends.len() + 1 < pages.len() && is_full {
                ends.push(entries);
            }
            (sum, entries) = (sum + len, entries + 1);
        }
        ends.push(entries);
        let (mut at, mut from) = ((0, 0, 0), 0);
        let mut new = Vec::with_capacity(entries);
        for (&page, &end) in pages.iter().zip(&ends) {
            at = self.tree.pages.own(page).fill(&run, at, end - from);
            new.resize(end, page);
            from = end;
        }
        self.tree.note(pages);
        let moved: Vec<(u64, u32, u32)> = run
            .members()
            .zip(old.iter().zip(&new))
            .enumerate()
            .filter(|&(at, (_, (old, new)))| old != new && at != new_at)
            .map(|(_, (member, (&old, &new)))| (hasher.hash(member), old, new))
            .collect();
        moved.iter().for_each(|&(hash, _, _)| self.index.prefetch(hash));
        for (hash, old, new) in moved {
            self.index.replace(hash, old, new);
        }
        self.run = run;
        new[new_at]
    }

    /// Joins a page that has become small with a neighbour, or gives it back when it is empty.
    fn shrink(&mut self, number: u32, hasher: &Hasher) {
        let used = self.tree.pages.get(number).used();
        if used > BODY * 2 / 3 || self.tree.len == 0 {
            return;
        }
        if used == 0 {
            self.tree.drop_page(number);
            return;
        }
        let (before, behind) = self.tree.siblings(number);
        let fits = |page: &u32| used + self.tree.pages.get(*page).used() <= ONE_PAGE;
        match (before.filter(fits), behind.filter(fits)) {
            (Some(before), _) => self.merge(before, number, hasher),
            (None, Some(behind)) => self.merge(number, behind, hasher),
            _ => {}
        }
    }

    /// Moves the entries of one of two neighbours below one node to the other, which has more.
    fn merge(&mut self, first: u32, second: u32, hasher: &Hasher) {
        let mut run = std::mem::take(&mut self.run);
        run.clear();
        self.tree.pages.own(first).drain_into(&mut run);
        let few = run.len();
        self.tree.pages.own(second).drain_into(&mut run);
        let all = run.len();
        let (into, from, moved) =
            if few < all - few { (second, first, 0..few) } else { (first, second, few..all) };
        self.tree.pages.own(into).fill(&run, (0, 0, 0), all);
        // The page that goes counts nothing any more.
        self.tree.recount(into);
        self.tree.recount(from);
        if from == first {
            self.tree.widen_back(second);
        }
        self.tree.drop_page(from);
        let members = run.members().take(moved.end).skip(moved.start);
        let hashes: Vec<u64> = members.map(|text| hasher.hash(text)).collect();
        hashes.iter().for_each(|&hash| self.index.prefetch(hash));
        hashes.iter().for_each(|&hash| self.index.replace(hash, from, into));
        self.run = run;
    }

    /// Gives back some of what was cut off, and fills holes.
    #[inline]
    fn tidy(&mut self, hasher: &Hasher) {
        if !self.tree.is_settled() {
            self.tree.settle(STEPS);
        }
        self.index.clean(&Lookup { tree: &self.tree, hasher });
    }

    /// The members from a rank on, in order.
    pub fn iter(&self, rank: usize) -> impl Iterator<Item = (&[u8], f64)> {
        let (number, place) = if rank < self.len() { self.find_rank(rank) } else { (NONE, 0) };
        let pages = std::iter::successors(self.page(number), |page| self.page(page.next));
        let mut from = place;
        pages.flat_map(move |page| page.entries(std::mem::take(&mut from)))
    }

    /// The members up to a rank, the last one first.
    pub fn iter_back(&self, rank: usize) -> impl Iterator<Item = (&[u8], f64)> {
        let (number, place) = if rank < self.len() { self.tree.select(rank) } else { (NONE, 0) };
        let pages = std::iter::successors(self.page(number), |page| self.page(page.prev));
        let mut first = Some(place + 1);
        pages.flat_map(move |page| page.entries_back(first.take().unwrap_or(page.len())))
    }

    fn find_rank(&self, rank: usize) -> (u32, usize) {
        if rank == 0 { (self.tree.first(), 0) } else { self.tree.select(rank) }
    }

    fn page(&self, number: u32) -> Option<&Page> {
        (number != NONE).then(|| self.tree.pages.get(number))
    }

    /// Removes at most so many members from a rank on, of one page. Returns how many.
    fn remove_some(&mut self, rank: usize, most: usize, hasher: &Hasher) -> usize {
        let (number, i) = self.find_rank(rank);
        let page = self.tree.pages.get(number);
        let mut hashes = [0; TOGETHER];
        let count = most.min(page.len() - i).min(TOGETHER);
        for (hash, (member, _)) in hashes[..count].iter_mut().zip(page.entries(i)) {
            *hash = hasher.hash(member);
            self.index.prefetch(*hash);
        }
        self.remove_from(number, i, &hashes[..count], hasher);
        count
    }

    /// Removes the members with these ranks.
    pub fn remove_range(&mut self, ranks: Range<usize>, hasher: &Hasher) {
        self.tidy(hasher);
        let count = ranks.len();
        if count == 0 {
            return;
        }
        if count <= EAGER {
            let mut left = count;
            while left > 0 {
                left -= self.remove_some(ranks.start, left, hasher);
            }
            if count == 1 {
                self.prefetch_next(ranks.start, hasher);
            }
            return;
        }
        let (first, from) = self.tree.select(ranks.start);
        let (last, to) = self.tree.select(ranks.end - 1);
        self.outside -= self
            .iter(ranks.start)
            .take(if self.outside > 0 { count } else { 0 })
            .map(|(text, _)| bytes_outside(text))
            .sum::<usize>();
        let end = self.tree.pages.get(first).len();
        self.tree.pages.own(first).remove_range(from, end);
        self.tree.pages.own(last).remove_range(0, to + 1);
        self.tree.cut_between(first, last);
        self.index.leave(count);
        for page in [first, last] {
            if self.tree.len > 0 && self.tree.pages.get(page).len() == 0 {
                self.tree.drop_page(page);
            }
        }
        // Pages all over are given back: where a copy shares them, each would be copied first.
        let many = if self.tree.pages.is_shared() { 1 } else { 64 };
        self.tree.settle(many * STEPS);
    }

    /// Members in the order of their hashes, from `cursor` on, until about `count` were seen.
    /// Returns where to go on, zero for the end. A member whose score changes keeps its turn.
    pub fn scan<'s>(
        &'s self,
        mut cursor: u64,
        count: usize,
        hasher: &Hasher,
        mut f: impl FnMut(&'s [u8], f64),
    ) -> u64 {
        let mut seen = 0;
        let mut found: Vec<(u64, u32, usize)> = Vec::new();
        while seen < count {
            found.clear();
            let behind = self.index.scan(cursor << TURN_SHIFT, |wanted, number| {
                let Some(page) = self.tree.attached(number) else { return };
                page.each_tagged(wanted as u8, |i| {
                    let hash = hasher.hash(page.member(i));
                    let place = turn_of(hash);
                    if bits(hash) == wanted
                        && place >= cursor
                        && self.index.is_near(cursor << TURN_SHIFT, hash)
                    {
                        found.push((place, number, i));
                    }
                    false
                });
            });
            found.sort_unstable();
            found.dedup();
            for (at, &(place, number, i)) in found.iter().enumerate() {
                // Members with one hash have one turn.
                if seen >= count && at > 0 && found[at - 1].0 != place {
                    return place;
                }
                let (text, score) = self.tree.pages.get(number).entry(i);
                f(text, score);
                seen += 1;
            }
            match behind {
                Some(behind) => cursor = behind >> TURN_SHIFT,
                None => return 0,
            }
        }
        cursor
    }
}

#[cfg(test)]
mod tests;
