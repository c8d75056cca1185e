//! The large form of a set: pages for its short members, and a timed table for all others.
//!
//! A member of up to [`TEXT_MAX`] bytes lies in a page ([`pages`]); a longer one, or one that
//! expires, is an entry without a value. Either lies where the hash of its text says, so one walk
//! in the order of the hashes meets all of them ([`Members::scan`]), and a member that goes from
//! pages to entries or back meanwhile is met once.
//!
//! A set that is large for a few long members has no pages, until it has [`FEW`].

use super::Member;
use super::pages::{self, Pages, Stored, TEXT_MAX};
use crate::hasher::Hasher;
use crate::storage::entry::{Entry, NewValue};
use crate::storage::table::{BUCKETS_MAX, Position, Slot};
use crate::storage::timed_table::TimedTable;
use hashbrown::HashSet;
use redstart_protocol::parse_i64;
use std::ops::ControlFlow;

/// Of all members: a snapshot saves a set as a whole, and is owed none of its members.
const EPOCH: bool = false;
/// Members from which on pages take less than entries.
const FEW: usize = 48;
/// Members that are fetched together at most.
const TOGETHER: usize = 32;

/// A member that is looked for.
#[derive(Clone, Copy)]
struct Name<'a> {
    text: &'a [u8],
    stored: Option<Stored<'a>>,
    hash: u64,
}

impl<'a> Name<'a> {
    #[inline]
    fn of(text: &'a [u8], hasher: &Hasher) -> Name<'a> {
        Name { text, stored: Stored::of(text, parse_i64(text)), hash: hasher.hash(text) }
    }
}

/// Where a member is.
#[derive(Clone, Copy)]
enum At {
    Page(pages::At),
    Text(Slot),
}

/// A set with many members, or long ones.
#[derive(Clone, Default)]
pub struct Members {
    pages: Pages,
    texts: TimedTable,
}

fn entry(text: &[u8], deadline_ms: u64) -> Entry {
    Entry::new(text, NewValue::Str(b""), deadline_ms)
}

impl Members {
    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.pages.len() + self.texts.table().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        size_of::<Members>() + self.pages.allocated() + self.texts.allocated()
    }

    /// The number of allocations to be freed, about.
    pub fn parts(&self) -> usize {
        self.pages.parts() + self.texts.table().len()
    }

    /// See [`super::Set::next_deadline_ms`].
    pub fn next_deadline_ms(&self) -> u64 {
        self.texts.expires().next_ms().unwrap_or(0)
    }

    /// See [`crate::storage::value::Object::freeze`].
    pub fn freeze(&mut self) -> Members {
        Members { pages: self.pages.freeze(), texts: self.texts.freeze() }
    }

    /// See [`crate::storage::value::Object::copy`].
    pub fn copy(&mut self) -> Members {
        Members { pages: self.pages.copy(), texts: self.texts.copy() }
    }

    /// See [`crate::storage::value::Object::shed`].
    pub fn shed(&mut self) -> bool {
        self.pages.shed() || self.texts.shed(&mut Vec::new())
    }

    #[inline]
    fn find(&self, name: &Name<'_>) -> Option<At> {
        if let Some(stored) = &name.stored
            && let Some(at) = self.pages.find(name.hash, stored)
        {
            return Some(At::Page(at));
        }
        if self.texts.table().is_empty() {
            return None;
        }
        self.texts.table().find(name.hash, name.text).map(At::Text)
    }

    /// Whether a text is a member.
    #[inline]
    pub fn contains(&self, text: &[u8], hasher: &Hasher) -> bool {
        self.find(&Name::of(text, hasher)).is_some()
    }

    /// When a member expires, zero for never; None when there is no such member.
    pub fn deadline_ms(&self, text: &[u8], hasher: &Hasher) -> Option<u64> {
        self.find(&Name::of(text, hasher)).map(|at| match at {
            At::Page(_) => 0,
            At::Text(slot) => self.texts.table().at(slot).deadline_ms(),
        })
    }

    /// Asks the processor to fetch what leads to a member.
    #[inline]
    pub fn prefetch(&self, text: &[u8], hasher: &Hasher) {
        let hash = hasher.hash(text);
        self.pages.prefetch(hash);
        self.texts.table().prefetch_bucket(hash);
    }

    /// Asks the processor to fetch members, and what leads to them.
    pub fn prefetch_all(&self, texts: &[&[u8]], hasher: &Hasher) {
        for texts in texts.chunks(TOGETHER) {
            let mut hashes = [0; TOGETHER];
            for (hash, text) in hashes.iter_mut().zip(texts) {
                *hash = hasher.hash(text);
                self.pages.prefetch(*hash);
            }
            let (hashes, table) = (&hashes[..texts.len()], self.texts.table());
            if !table.is_empty() {
                hashes.iter().for_each(|hash| table.prefetch_bucket(*hash));
                hashes.iter().for_each(|hash| table.prefetch_entry(*hash));
            }
            hashes.iter().for_each(|hash| self.pages.prefetch_member(*hash));
        }
    }

    /// Adds a member. Returns whether it is new.
    #[inline]
    pub fn add(&mut self, text: &[u8], hasher: &Hasher) -> bool {
        let name = Name::of(text, hasher);
        let is_new = self.find(&name).is_none();
        if is_new {
            self.insert(&name, 0, hasher);
        }
        is_new
    }

    /// Puts a member in that is not there.
    #[inline]
    fn insert(&mut self, name: &Name<'_>, deadline_ms: u64, hasher: &Hasher) {
        if let Some(stored) = name.stored.as_ref().filter(|_| deadline_ms == 0)
            && (!self.pages.is_empty() || self.len() >= FEW)
            && self.pages.insert(name.hash, stored, hasher)
        {
            return;
        }
        self.insert_entry(name, deadline_ms, hasher);
    }

    fn insert_entry(&mut self, name: &Name<'_>, deadline_ms: u64, hasher: &Hasher) {
        self.texts.insert(name.hash, entry(name.text, deadline_ms), EPOCH, hasher);
        if self.len() != FEW || !self.pages.is_empty() {
            return;
        }
        let goes = |entry: &&Entry| entry.deadline_ms() == 0 && entry.key().len() <= TEXT_MAX;
        let keys = self.texts.table().iter().filter(goes).map(|entry| entry.key().to_vec());
        for text in keys.collect::<Vec<_>>() {
            let name = Name::of(&text, hasher);
            if let (Some(At::Text(slot)), Some(stored)) = (self.find(&name), &name.stored)
                && self.pages.insert(name.hash, stored, hasher)
            {
                drop(self.texts.take(name.hash, slot, hasher));
                self.texts.shrink(name.hash, hasher);
            }
        }
    }

    fn take(&mut self, at: At, hash: u64, hasher: &Hasher) {
        match at {
            At::Page(at) => self.pages.remove(at),
            At::Text(slot) => {
                drop(self.texts.take(hash, slot, hasher));
                self.texts.shrink(hash, hasher);
            }
        }
    }

    /// Removes a member. Returns whether it was there.
    #[inline]
    pub fn remove(&mut self, text: &[u8], hasher: &Hasher) -> bool {
        let name = Name::of(text, hasher);
        let found = self.find(&name);
        if let Some(at) = found {
            self.take(at, name.hash, hasher);
        }
        found.is_some()
    }

    /// Changes a member's deadline; zero takes it away. Returns whether there is such a member.
    pub fn set_deadline(&mut self, text: &[u8], deadline_ms: u64, hasher: &Hasher) -> bool {
        let name = Name::of(text, hasher);
        match self.find(&name) {
            None => return false,
            Some(At::Page(_)) if deadline_ms == 0 => {}
            Some(At::Text(slot)) if deadline_ms != 0 || name.stored.is_none() => {
                self.texts.set_deadline(name.hash, slot, deadline_ms, EPOCH, hasher);
            }
            Some(at) => {
                self.take(at, name.hash, hasher);
                self.insert(&name, deadline_ms, hasher);
            }
        }
        true
    }

    /// Removes at most `limit` members that are due, and calls `f` with them.
    pub fn expire(&mut self, now_ms: u64, limit: usize, hasher: &Hasher, mut f: impl FnMut(&[u8])) {
        for _ in 0..limit {
            let Some(entry) = self.texts.take_due(now_ms, hasher) else { break };
            f(entry.key());
            self.texts.shrink(hasher.hash(entry.key()), hasher);
        }
    }

    /// Calls `f` with all members and their deadlines, until it breaks.
    pub fn walk<B>(&self, mut f: impl FnMut(Member<'_>, u64) -> ControlFlow<B>) -> ControlFlow<B> {
        self.pages.walk(|member| f(member, 0))?;
        self.texts.table().iter().try_for_each(|it| f(Member::Text(it.key()), it.deadline_ms()))
    }

    /// Calls `f` with the members that another set has, too, or that it does not have, until it
    /// breaks.
    pub fn compare<B>(
        &self,
        other: &Members,
        common: bool,
        hasher: &Hasher,
        mut f: impl FnMut(Member<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if other.texts.table().is_empty() {
            self.pages.compare(&other.pages, common, hasher, &mut f)?;
        } else {
            self.pages.walk(|member| {
                let has = member.with(|text| other.contains(text, hasher));
                if has == common { f(member) } else { ControlFlow::Continue(()) }
            })?;
        }
        self.texts.table().iter().try_for_each(|entry| {
            let has = other.contains(entry.key(), hasher);
            if has == common { f(Member::Text(entry.key())) } else { ControlFlow::Continue(()) }
        })
    }

    /// Visits members from `cursor` on until about `count` were seen, and returns where to go on,
    /// zero for the end.
    pub fn scan<'a>(
        &'a self,
        cursor: u64,
        count: u64,
        hasher: &Hasher,
        mut f: impl FnMut(Member<'a>),
    ) -> u64 {
        let Some(mut from) = Position::of_cursor(cursor) else { return 0 };
        let (pages, texts) = (&self.pages, self.texts.table());
        // What has more steps makes them, and the other one follows.
        let by_page = pages.count() >= texts.capacity().0 * BUCKETS_MAX;
        let mut seen = 0;
        // An empty part of the table must not hold up the shard's other clients.
        for _ in 0..count.saturating_mul(10) {
            let next = if by_page {
                let next = pages.visit(from, hasher, |member| {
                    seen += 1;
                    f(member);
                });
                texts.visit_until(from, next, hasher, |entry| {
                    seen += 1;
                    f(Member::Text(entry.key()));
                });
                next
            } else {
                let next = texts.visit(from, hasher, |entry| {
                    seen += 1;
                    f(Member::Text(entry.key()));
                });
                pages.visit_until(from, next, hasher, |member| {
                    seen += 1;
                    f(member);
                });
                next
            };
            let Some(next) = next else { return 0 };
            from = next;
            if seen >= count {
                break;
            }
        }
        from.cursor()
    }

    /// What is at the `nth` of the places of both.
    #[inline]
    fn nth(&self, nth: usize) -> Option<(At, Member<'_>)> {
        let pages = self.pages.places();
        if nth < pages {
            return self.pages.nth(nth).map(|(at, member)| (At::Page(at), member));
        }
        let (table, nth) = (self.texts.table(), nth - pages);
        let member = Member::Text(table.nth(nth)?.key());
        Some((At::Text(table.nth_slot(nth)?), member))
    }

    /// The number of a place that is not empty, drawn evenly; None in an empty set. Pages and table
    /// shrink, so that it does not take many draws.
    fn draw_place(&self, random: &mut fastrand::Rng) -> Option<usize> {
        let places = self.pages.places() + self.texts.table().capacity().1;
        while !self.is_empty() {
            let nth = random.usize(..places);
            if self.nth(nth).is_some() {
                return Some(nth);
            }
        }
        None
    }

    /// A member drawn evenly.
    pub fn draw(&self, random: &mut fastrand::Rng) -> Option<Member<'_>> {
        self.nth(self.draw_place(random)?).map(|(_, member)| member)
    }

    /// `count` different members drawn evenly; there are more of them.
    pub fn draw_distinct(
        &self,
        count: usize,
        random: &mut fastrand::Rng,
        mut f: impl FnMut(Member<'_>),
    ) {
        if count > self.len() / 3 {
            let texts = self.texts.table().iter().map(|entry| Member::Text(entry.key()));
            let mut all: Vec<Member<'_>> = self.pages.iter().chain(texts).collect();
            for nth in 0..count.min(all.len()) {
                let other = random.usize(nth..all.len());
                all.swap(nth, other);
                f(all[nth]);
            }
            return;
        }
        let mut drawn = HashSet::new();
        while drawn.len() < count {
            let Some(nth) = self.draw_place(random) else { break };
            if drawn.insert(nth)
                && let Some((_, member)) = self.nth(nth)
            {
                f(member);
            }
        }
    }

    /// Removes a member drawn evenly, and calls `f` with it before.
    pub fn pop(
        &mut self,
        random: &mut fastrand::Rng,
        hasher: &Hasher,
        f: impl FnOnce(Member<'_>),
    ) -> bool {
        let Some(nth) = self.draw_place(random) else { return false };
        if let Some((at, member)) = self.nth(nth) {
            f(member);
            let hash = match at {
                At::Page(_) => 0,
                At::Text(slot) => self.texts.table().at(slot).hash(hasher),
            };
            self.take(at, hash, hasher);
        }
        true
    }

    /// Asserts the invariants of pages and table.
    #[cfg(debug_assertions)]
    pub fn check(&self, hasher: &Hasher) {
        self.pages.check(hasher);
        self.texts.table().check(hasher);
        for entry in self.texts.table().iter() {
            let name = Name::of(entry.key(), hasher);
            let found = name.stored.and_then(|stored| self.pages.find(name.hash, &stored));
            assert!(found.is_none(), "a member is in one place");
        }
    }
}
