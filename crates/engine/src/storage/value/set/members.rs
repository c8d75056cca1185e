//! The large form of a set: a table of words for its integers, and a timed table for all else.
//!
//! An integer is a word of eight bytes in its bucket; a text is an entry without a value. Both lie
//! where the hash of the member's text says, so one walk in the order of the hashes meets all of
//! them ([`Members::scan`]), and a member that goes from one table to the other meanwhile is met
//! once.
//!
//! An integer is among the words, unless it expires: only an entry has room for a deadline. The one
//! integer that is no [`Word`] is always an entry.

use super::Member;
use crate::hasher::Hasher;
use crate::storage::entry::{Entry, NewValue};
use crate::storage::table::{Item, Position, Slot, Table};
use crate::storage::timed_table::TimedTable;
use hashbrown::HashSet;
use redstart_protocol::parse_i64;
use std::num::NonZeroI64;
use std::ops::ControlFlow;

/// Of all members: a snapshot saves a set as a whole, and is owed none of its members.
const EPOCH: bool = false;

/// An integer in a slot of a table, zero being an empty slot: any but the lowest one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Word(NonZeroI64);

impl Word {
    fn of(n: i64) -> Option<Word> {
        NonZeroI64::new(n ^ i64::MIN).map(Word)
    }

    fn integer(self) -> i64 {
        self.0.get() ^ i64::MIN
    }
}

impl Item for Word {
    #[inline]
    fn hash(&self, hasher: &Hasher) -> u64 {
        hasher.hash(itoa::Buffer::new().format(self.integer()).as_bytes())
    }
}

const _: () = assert!(size_of::<Option<Word>>() == 8);

/// A member that is looked for.
#[derive(Clone, Copy)]
struct Name<'a> {
    text: &'a [u8],
    word: Option<Word>,
    hash: u64,
}

impl<'a> Name<'a> {
    #[inline]
    fn of(text: &'a [u8], hasher: &Hasher) -> Name<'a> {
        let word = parse_i64(text).and_then(Word::of);
        Name { text, word, hash: hasher.hash(text) }
    }
}

/// Where a member is.
#[derive(Clone, Copy)]
enum At {
    Word(Slot),
    Text(Slot),
}

/// A set with many members, or long ones.
#[derive(Clone, Default)]
pub struct Members {
    words: Table<Word>,
    texts: TimedTable,
}

fn entry(text: &[u8], deadline_ms: u64) -> Entry {
    Entry::new(text, NewValue::Str(b""), deadline_ms)
}

impl Members {
    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.words.len() + self.texts.table().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        size_of::<Members>() + self.words.overhead() + self.texts.allocated()
    }

    /// The number of allocations to be freed, about.
    pub fn parts(&self) -> usize {
        self.words.capacity().0 + self.texts.table().len()
    }

    /// See [`super::SetRef::next_deadline_ms`].
    pub fn next_deadline_ms(&self) -> u64 {
        self.texts.expires().next_ms().unwrap_or(0)
    }

    /// See [`crate::storage::value::Object::freeze`].
    pub fn freeze(&mut self) -> Members {
        Members { words: self.words.share(), texts: self.texts.freeze() }
    }

    /// See [`crate::storage::value::Object::shed`].
    pub fn shed(&mut self) -> bool {
        self.words.shed(&mut Vec::new()) || self.texts.shed(&mut Vec::new())
    }

    #[inline]
    fn find(&self, name: Name<'_>) -> Option<At> {
        if let Some(word) = name.word {
            let slot = self.words.find_where(name.hash, |other| *other == word);
            if slot.is_some() || self.texts.expires().volatile() == 0 {
                return slot.map(At::Word);
            }
        }
        self.texts.table().find(name.hash, name.text).map(At::Text)
    }

    /// Whether a text is a member.
    #[inline]
    pub fn contains(&self, text: &[u8], hasher: &Hasher) -> bool {
        self.find(Name::of(text, hasher)).is_some()
    }

    /// When a member expires, zero for never; None when there is no such member.
    pub fn deadline_ms(&self, text: &[u8], hasher: &Hasher) -> Option<u64> {
        self.find(Name::of(text, hasher)).map(|at| match at {
            At::Word(_) => 0,
            At::Text(slot) => self.texts.table().at(slot).deadline_ms(),
        })
    }

    /// Asks the processor to fetch the bucket of a member.
    #[inline]
    pub fn prefetch(&self, text: &[u8], hasher: &Hasher) {
        let name = Name::of(text, hasher);
        match name.word {
            Some(_) => self.words.prefetch_bucket(name.hash),
            None => self.texts.table().prefetch_bucket(name.hash),
        }
    }

    /// Asks the processor to fetch a member whose bucket is in the cache by now.
    #[inline]
    pub fn prefetch_member(&self, text: &[u8], hasher: &Hasher) {
        let name = Name::of(text, hasher);
        if name.word.is_none() {
            self.texts.table().prefetch_entry(name.hash);
        }
    }

    /// Adds a member. Returns whether it is new.
    #[inline]
    pub fn add(&mut self, text: &[u8], hasher: &Hasher) -> bool {
        let name = Name::of(text, hasher);
        let is_new = self.find(name).is_none();
        if is_new {
            self.insert(name, 0, hasher);
        }
        is_new
    }

    /// Puts a member in that is not there.
    fn insert(&mut self, name: Name<'_>, deadline_ms: u64, hasher: &Hasher) {
        match name.word {
            Some(word) if deadline_ms == 0 => drop(self.words.insert(name.hash, word, hasher)),
            _ => {
                let entry = entry(name.text, deadline_ms);
                self.texts.insert(name.hash, entry, EPOCH, hasher);
            }
        }
    }

    fn take(&mut self, at: At, hash: u64, hasher: &Hasher) {
        match at {
            At::Word(slot) => {
                self.words.take(hash, slot);
                self.words.shrink(hash, hasher);
            }
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
        let found = self.find(name);
        if let Some(at) = found {
            self.take(at, name.hash, hasher);
        }
        found.is_some()
    }

    /// Changes a member's deadline; zero takes it away. Returns whether there is such a member.
    pub fn set_deadline(&mut self, text: &[u8], deadline_ms: u64, hasher: &Hasher) -> bool {
        let name = Name::of(text, hasher);
        match self.find(name) {
            None => return false,
            Some(At::Word(_)) if deadline_ms == 0 => {}
            Some(At::Text(slot)) if deadline_ms != 0 || name.word.is_none() => {
                self.texts.set_deadline(name.hash, slot, deadline_ms, EPOCH, hasher);
            }
            Some(at) => {
                self.take(at, name.hash, hasher);
                self.insert(name, deadline_ms, hasher);
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
        self.words.iter().try_for_each(|word| f(Member::Integer(word.integer()), 0))?;
        self.texts.table().iter().try_for_each(|it| f(Member::Text(it.key()), it.deadline_ms()))
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
        let (words, texts) = (&self.words, self.texts.table());
        let mut seen = 0;
        // An empty part of the tables must not hold up the shard's other clients.
        for _ in 0..count.saturating_mul(10) {
            let mut word = |word: &Word| {
                seen += 1;
                f(Member::Integer(word.integer()));
            };
            // The larger table makes the steps, and the other one follows.
            let next = if words.capacity() >= texts.capacity() {
                let next = words.visit(from, hasher, &mut word);
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
                words.visit_until(from, next, hasher, |word| {
                    seen += 1;
                    f(Member::Integer(word.integer()));
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

    /// Where the `nth` of the slots of both tables is, with the hash of what is in it.
    fn nth(&self, nth: usize, hasher: &Hasher) -> Option<(At, u64)> {
        let (_, words) = self.words.capacity();
        if nth < words {
            let hash = self.words.nth(nth)?.hash(hasher);
            return Some((At::Word(self.words.nth_slot(nth)?), hash));
        }
        let (table, nth) = (self.texts.table(), nth - words);
        let hash = table.nth(nth)?.hash(hasher);
        Some((At::Text(table.nth_slot(nth)?), hash))
    }

    /// What is in the `nth` of the slots of both tables.
    fn nth_member(&self, nth: usize) -> Option<Member<'_>> {
        let (_, words) = self.words.capacity();
        match nth.checked_sub(words) {
            None => self.words.nth(nth).map(|word| Member::Integer(word.integer())),
            Some(nth) => self.texts.table().nth(nth).map(|entry| Member::Text(entry.key())),
        }
    }

    /// The number of a slot that is not empty, drawn evenly; None in an empty set. The tables
    /// shrink, so that it does not take many draws.
    fn draw_slot(&self, random: &mut fastrand::Rng) -> Option<usize> {
        let slots = self.words.capacity().1 + self.texts.table().capacity().1;
        while !self.is_empty() {
            let nth = random.usize(..slots);
            if self.nth_member(nth).is_some() {
                return Some(nth);
            }
        }
        None
    }

    /// A member drawn evenly.
    pub fn draw(&self, random: &mut fastrand::Rng) -> Option<Member<'_>> {
        self.nth_member(self.draw_slot(random)?)
    }

    /// `count` different members drawn evenly; there are more of them.
    pub fn draw_distinct(
        &self,
        count: usize,
        random: &mut fastrand::Rng,
        mut f: impl FnMut(Member<'_>),
    ) {
        if count > self.len() / 3 {
            let words = self.words.iter().map(|word| Member::Integer(word.integer()));
            let texts = self.texts.table().iter().map(|entry| Member::Text(entry.key()));
            let mut all: Vec<Member<'_>> = words.chain(texts).collect();
            for nth in 0..count.min(all.len()) {
                let other = random.usize(nth..all.len());
                all.swap(nth, other);
                f(all[nth]);
            }
            return;
        }
        let mut drawn = HashSet::new();
        while drawn.len() < count {
            let Some(nth) = self.draw_slot(random) else { break };
            if drawn.insert(nth)
                && let Some(member) = self.nth_member(nth)
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
        let Some(nth) = self.draw_slot(random) else { return false };
        if let (Some(member), Some((at, hash))) = (self.nth_member(nth), self.nth(nth, hasher)) {
            f(member);
            self.take(at, hash, hasher);
        }
        true
    }

    /// Asserts the invariants of both tables.
    #[cfg(debug_assertions)]
    pub fn check(&self, hasher: &Hasher) {
        self.words.check(hasher);
        self.texts.table().check(hasher);
        for entry in self.texts.table().iter() {
            let is_word = parse_i64(entry.key()).and_then(Word::of).is_some();
            assert!(!is_word || entry.deadline_ms() != 0, "an integer that does not expire");
        }
    }
}
