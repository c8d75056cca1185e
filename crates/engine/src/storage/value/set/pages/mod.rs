//! The short members of a large set, packed in pages of 768 bytes: an extendible hash table whose
//! buckets are [`Page`]s.
//!
//! ```text
//!   directory          pages, in chunks of 64 (dense.rs)
//!  +---+---+---+---+      +--------+--------+--------+---
//!  | 0 | 2 | 1 | 1 | -->  | page 0 | page 1 | page 2 | ...
//!  +---+---+---+---+      +--------+--------+--------+---
//! ```
//!
//! A member's place follows from its [`Order`]: the upper bits of the [`Position`] in which the
//! tables of a shard are scanned, too. The directory is indexed by the first of them. A page that
//! is full splits by the next bit, and two halves with few members become one again; so all
//! members that a page can have lie between two orders, and a scan goes from page to page.
//!
//! No member has an allocation, a pointer or a hash of its own: one of 16 bytes takes 18 in a page.
//! Hashes are made again where a page splits: two for each member that is added, about.
//!
//! [`Order`]: order_of

mod block;
mod page;
#[cfg(test)]
mod tests;

use super::Member;
use crate::hasher::{HOME_BITS, Hasher, PREFIX_BITS, tag_of};
use crate::storage::table::Position;
use crate::storage::value::dense::{Dense, Numbered};
use page::{BODY, Page};
pub use page::{Stored, TEXT_MAX};
use std::ops::ControlFlow;

/// Bits of an order.
const ORDER_BITS: u32 = 32;
/// The prefix bits that are not in an order.
const LOST_BITS: u32 = HOME_BITS + PREFIX_BITS - ORDER_BITS;
/// A page with no more bytes than these is merged with its other half...
const FEW: usize = BODY / 4;
/// ... if both together have no more than these: as many may come before it splits again.
const MERGED_MAX: usize = BODY / 2;

/// The 32 upper bits of a position: the home bucket's number, then the prefix.
#[inline]
fn order_at(position: Position) -> u32 {
    position.home << (ORDER_BITS - HOME_BITS) | position.prefix >> LOST_BITS
}

#[inline]
fn order_of(hash: u64) -> u32 {
    order_at(Position::of(hash))
}

/// The first position with an order.
fn position_of(order: u32) -> Position {
    let home = order >> (ORDER_BITS - HOME_BITS);
    Position { home, prefix: order << LOST_BITS & ((1 << PREFIX_BITS) - 1) }
}

/// The hash of a member.
#[inline]
pub fn hash_of(member: Member<'_>, hasher: &Hasher) -> u64 {
    member.with(|text| hasher.hash(text))
}

/// Where a member is. Valid until the pages are next changed.
#[derive(Clone, Copy, Debug)]
pub struct At {
    page: u32,
    turn: usize,
}

/// Short members in pages.
#[derive(Clone, Default)]
pub struct Pages {
    /// The number of each order's page, a power of two of them; empty until the first insertion.
    directory: Vec<u32>,
    pages: Dense<Page>,
    len: usize,
    /// No page has more members.
    most: usize,
    /// The directory is looked at when there are so few pages.
    shrink_at: usize,
}

impl Pages {
    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of pages.
    pub fn count(&self) -> usize {
        self.pages.count()
    }

    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        self.pages.allocated() + self.directory.capacity() * size_of::<u32>()
    }

    /// The number of allocations to be freed.
    pub fn parts(&self) -> usize {
        self.pages.chunks()
    }

    /// A copy that shares the pages, to be read.
    pub fn freeze(&mut self) -> Pages {
        Pages { pages: self.pages.freeze(), directory: self.directory.clone(), ..*self }
    }

    /// A copy that shares the pages until either is changed.
    pub fn copy(&mut self) -> Pages {
        Pages { pages: self.pages.copy(), directory: self.directory.clone(), ..*self }
    }

    /// Drops some pages of members that are not read any more; false when there are none left.
    pub fn shed(&mut self) -> bool {
        self.directory = Vec::new();
        let more = self.pages.shed();
        if !more {
            *self = Pages::default();
        }
        more
    }

    #[inline]
    fn bits(&self) -> u32 {
        self.directory.len().trailing_zeros()
    }

    /// The index of an order in the directory, which is not empty.
    #[inline]
    fn index(&self, order: u32) -> usize {
        (u64::from(order) >> (ORDER_BITS - self.bits())) as usize
    }

    #[inline]
    fn number(&self, order: u32) -> Option<u32> {
        let index = if self.directory.is_empty() { 0 } else { self.index(order) };
        self.directory.get(index).copied()
    }

    #[inline]
    fn page(&self, hash: u64) -> Option<&Page> {
        Some(self.pages.get(self.number(order_of(hash))?))
    }

    /// Where a member is.
    #[inline]
    pub fn find(&self, hash: u64, stored: &Stored<'_>) -> Option<At> {
        let number = self.number(order_of(hash))?;
        let turn = self.pages.get(number).find(tag_of(hash), stored)?;
        Some(At { page: number, turn })
    }

    /// Asks the processor to fetch the slots among which a member is.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        if let Some(page) = self.page(hash) {
            page.prefetch();
        }
    }

    /// Asks the processor to fetch a member whose slot is in the cache by now.
    #[inline]
    pub fn prefetch_member(&self, hash: u64) {
        if let Some(page) = self.page(hash) {
            page.prefetch_tagged(tag_of(hash));
        }
    }

    /// Puts a member in that is not there. False when there is no room: more members than fit in a
    /// page have one order.
    pub fn insert(&mut self, hash: u64, stored: &Stored<'_>, hasher: &Hasher) -> bool {
        if self.directory.is_empty() {
            let number = self.pages.add(Page::default());
            self.directory.push(number);
        }
        let order = order_of(hash);
        loop {
            let Some(number) = self.number(order) else { return false };
            let page = self.pages.own(number);
            if page.has_room(stored) {
                page.push(tag_of(hash), stored);
                self.most = self.most.max(page.len());
                self.len += 1;
                return true;
            }
            if u32::from(page.depth) == ORDER_BITS {
                return false;
            }
            self.split(number, hasher);
        }
    }

    /// Splits a page by the next bit of the orders.
    #[inline(never)]
    fn split(&mut self, number: u32, hasher: &Hasher) {
        let page = self.pages.own(number);
        page.depth += 1;
        let bit = 1 << (ORDER_BITS - u32::from(page.depth));
        let mut low = Page::new(page.order, page.depth);
        let mut high = Page::new(page.order | bit, page.depth);
        for (tag, code, bytes) in page.entries() {
            let hash = hash_of(page::member(code, bytes), hasher);
            let half = if order_of(hash) & bit == 0 { &mut low } else { &mut high };
            half.push_entry(tag, code, bytes);
        }
        low.set_number(number);
        *page = low;
        let (order, depth) = (high.order, u32::from(high.depth));
        if depth > self.bits() {
            self.directory = self.directory.iter().flat_map(|&at| [at, at]).collect();
        }
        let new = self.pages.add(high);
        self.point(order, depth, new);
    }

    /// Lets the directory say that a page has all orders that share so many bits with this one.
    fn point(&mut self, order: u32, depth: u32, number: u32) {
        let (first, span) = (self.index(order), self.directory.len() >> depth);
        self.directory[first..first + span].fill(number);
    }

    /// Removes a member.
    pub fn remove(&mut self, at: At) {
        let page = self.pages.own(at.page);
        page.remove(at.turn);
        let (used, depth) = (page.used(), page.depth);
        self.len -= 1;
        if self.len == 0 {
            *self = Pages::default();
        } else if used <= FEW && depth > 0 {
            self.merge(at.page);
        }
    }

    /// Merges a page with its other half, as often as few members are in both.
    fn merge(&mut self, number: u32) {
        let mut number = number;
        loop {
            let page = self.pages.get(number);
            let (order, depth, used) = (page.order, page.depth, page.used());
            if depth == 0 {
                return;
            }
            let bit = 1 << (ORDER_BITS - u32::from(depth));
            let Some(other) = self.number(order ^ bit) else { return };
            let half = self.pages.get(other);
            let fits = half.depth == depth
                && half.used() + used <= MERGED_MAX
                && half.len() + page.len() <= page::COUNT_MAX;
            if !fits {
                return;
            }
            let (keep, gone) = (number.min(other), number.max(other));
            let gone_page = self.pages.remove(gone);
            let kept = self.pages.own(keep);
            for (tag, code, bytes) in gone_page.entries() {
                kept.push_entry(tag, code, bytes);
            }
            (kept.order, kept.depth) = (order & !bit, depth - 1);
            self.most = self.most.max(kept.len());
            self.pages.settle(usize::MAX);
            self.point(order & !bit, u32::from(depth) - 1, keep);
            self.shrink_directory();
            number = keep;
        }
    }

    /// Halves a directory that is long for its pages, if none of them needs its length.
    fn shrink_directory(&mut self) {
        let pages = self.pages.count();
        if pages * 8 > self.directory.len() || (self.shrink_at != 0 && pages > self.shrink_at) {
            return;
        }
        self.shrink_at = pages / 2;
        let bits = self.bits();
        if self.pages.iter().all(|page| u32::from(page.depth) < bits) {
            self.directory = self.directory.iter().step_by(2).copied().collect();
            self.shrink_at = 0;
        }
    }

    /// Calls `f` with all members, until it breaks.
    pub fn walk<B>(&self, mut f: impl FnMut(Member<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
        self.pages.iter().try_for_each(|page| page.members().try_for_each(&mut f))
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        self.pages.iter().flat_map(Page::members)
    }

    /// The pages in the order of their members' orders.
    fn ordered(&self) -> impl Iterator<Item = &Page> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let page = self.pages.get(*self.directory.get(at)?);
            at += self.directory.len() >> page.depth;
            Some(page)
        })
    }

    /// Visits one step of a scan: the members of the page at `from` that do not come before it.
    /// Returns where the next page begins, or None at the end.
    pub fn visit<'a>(
        &'a self,
        from: Position,
        hasher: &Hasher,
        mut f: impl FnMut(Member<'a>),
    ) -> Option<Position> {
        let order = order_at(from);
        let page = self.pages.get(self.number(order)?);
        let is_first = from == position_of(page.order);
        for member in page.members() {
            if is_first || Position::of(hash_of(member, hasher)) >= from {
                f(member);
            }
        }
        let next = u64::from(page.order) + (1 << (ORDER_BITS - u32::from(page.depth)));
        u32::try_from(next).ok().map(position_of)
    }

    /// Visits what a scan that goes from `from` to `until`, or to the end, has to visit.
    pub fn visit_until<'a>(
        &'a self,
        from: Position,
        until: Option<Position>,
        hasher: &Hasher,
        mut f: impl FnMut(Member<'a>),
    ) {
        let mut at = Some(from);
        while let Some(from) = at.filter(|at| until.is_none_or(|until| *at < until)) {
            at = self.visit(from, hasher, |member| {
                let before = |until| Position::of(hash_of(member, hasher)) < until;
                if until.is_none_or(before) {
                    f(member);
                }
            });
        }
    }

    /// The places to draw from: each member has one, and some have none.
    #[inline]
    pub fn places(&self) -> usize {
        self.pages.count() * self.most
    }

    /// What is at the `nth` place.
    #[inline]
    pub fn nth(&self, nth: usize) -> Option<(At, Member<'_>)> {
        let page = self.pages.at(nth / self.most);
        let turn = nth % self.most;
        Some((At { page: page.number(), turn }, page.member(turn)?))
    }

    /// Calls `f` with the members that another has, too, or that it does not have.
    pub fn compare<B>(
        &self,
        other: &Pages,
        common: bool,
        hasher: &Hasher,
        mut f: impl FnMut(Member<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        for page in self.ordered() {
            let one = other.number(page.order).map(|number| other.pages.get(number));
            // Whether one page of the other has all orders that this one has.
            let one = one.filter(|one| one.depth <= page.depth);
            for (tag, code, bytes) in page.entries() {
                let member = page::member(code, bytes);
                let theirs = match one {
                    Some(_) => one,
                    None => other.page(hash_of(member, hasher)),
                };
                if theirs.is_some_and(|theirs| theirs.find_entry(tag, code, bytes).is_some())
                    == common
                {
                    f(member)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Asserts the invariants.
    #[cfg(debug_assertions)]
    pub fn check(&self, hasher: &Hasher) {
        let mut len = 0;
        let mut next = 0;
        for page in self.ordered() {
            assert_eq!(u64::from(page.order), next, "pages have all orders, each one once");
            next += 1 << (ORDER_BITS - u32::from(page.depth));
            len += page.len();
            assert!(page.len() <= self.most, "no page has more members than the most");
            let bytes: usize = page.entries().map(|(_, _, bytes)| bytes.len() + 2).sum();
            assert_eq!(bytes, page.used(), "the bytes of a page are counted");
            for (tag, code, bytes) in page.entries() {
                let hash = hash_of(page::member(code, bytes), hasher);
                assert_eq!(tag, tag_of(hash), "a tag is its member's");
                let order = u64::from(order_of(hash));
                assert!((u64::from(page.order)..next).contains(&order), "in its page");
            }
        }
        assert_eq!(len, self.len, "members are counted");
        assert!(self.pages.is_settled(), "there are no holes");
    }
}
