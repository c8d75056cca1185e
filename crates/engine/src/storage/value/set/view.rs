//! A set as it is read, wherever its members are.

use super::integers::IntegersRef;
use super::members::Members;
use super::{Form, Member, Set};
use crate::hasher::Hasher;
use crate::storage::value::hash::Hash;
use crate::storage::value::list::{Element, End, ListRef};
use redstart_protocol::parse_i64;
use std::ops::ControlFlow;

/// A set, borrowed.
#[derive(Clone, Copy)]
pub enum SetRef<'a> {
    /// Members one behind the other.
    Packed(ListRef<'a>),
    /// Integers in order.
    Integers(IntegersRef<'a>),
    /// Packed members, of which some may expire.
    Timed(&'a Hash),
    /// Tables.
    Large(&'a Members),
}

impl std::fmt::Debug for SetRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a {} of {} members", self.encoding(), self.len())
    }
}

impl<'a> SetRef<'a> {
    /// The number of members.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            SetRef::Packed(list) => list.len(),
            SetRef::Integers(integers) => integers.len(),
            SetRef::Timed(hash) => hash.len(),
            SetRef::Large(members) => members.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(self) -> bool {
        match self {
            SetRef::Timed(hash) => hash.is_empty(),
            _ => self.len() == 0,
        }
    }

    /// The name of the encoding, as OBJECT ENCODING replies it.
    pub fn encoding(self) -> &'static str {
        match self {
            SetRef::Packed(_) => "listpack",
            SetRef::Integers(_) => "intset",
            SetRef::Timed(_) => "listpackex",
            SetRef::Large(_) => "hashtable",
        }
    }

    /// The bytes taken beside the entry's own. Constant time.
    pub fn allocated(self) -> usize {
        match self {
            SetRef::Packed(list) => list.allocated(),
            SetRef::Integers(integers) => integers.allocated,
            SetRef::Timed(hash) => size_of::<Hash>() + hash.allocated(),
            SetRef::Large(members) => members.allocated(),
        }
    }

    /// The number of allocations to be freed beside the entry's own, roughly.
    pub fn parts(self) -> usize {
        match self {
            SetRef::Packed(list) => list.parts(),
            SetRef::Integers(_) | SetRef::Timed(_) => 1,
            SetRef::Large(members) => members.parts(),
        }
    }

    /// The same set, copied.
    pub fn to_set(self) -> Set {
        Set(match self {
            SetRef::Packed(list) => Form::Packed(list.to_list()),
            SetRef::Integers(integers) => Form::Integers(Box::new(integers.to_integers())),
            SetRef::Timed(hash) => Form::Timed(Box::new(hash.clone())),
            SetRef::Large(members) => Form::Large(Box::new(members.clone())),
        })
    }

    /// Where a text is in a packed list of members.
    #[inline]
    pub(super) fn index_in(list: ListRef<'_>, text: &[u8]) -> Option<usize> {
        let mut index = 0;
        let found = list.walk(0, End::Head, |element: Element<'_>| {
            if element.as_bytes() == text {
                return ControlFlow::Break(());
            }
            index += 1;
            ControlFlow::Continue(())
        });
        found.is_break().then_some(index)
    }

    /// Whether a text is a member.
    #[inline]
    pub fn contains(self, text: &[u8], hasher: &Hasher) -> bool {
        match self {
            SetRef::Packed(list) => SetRef::index_in(list, text).is_some(),
            SetRef::Integers(integers) => parse_i64(text).is_some_and(|n| integers.find(n).is_ok()),
            SetRef::Timed(hash) => hash.contains(text, hasher),
            SetRef::Large(members) => members.contains(text, hasher),
        }
    }

    /// Whether a member of another set is one of this.
    #[inline]
    pub fn has(self, member: Member<'_>, hasher: &Hasher) -> bool {
        match (self, member) {
            (SetRef::Integers(integers), Member::Integer(n)) => integers.find(n).is_ok(),
            (_, Member::Text(text)) => self.contains(text, hasher),
            _ => member.with(|text| self.contains(text, hasher)),
        }
    }

    /// When a member expires, zero for never; None when there is no such member.
    pub fn deadline_ms(self, text: &[u8], hasher: &Hasher) -> Option<u64> {
        match self {
            SetRef::Packed(_) | SetRef::Integers(_) => self.contains(text, hasher).then_some(0),
            SetRef::Timed(hash) => hash.deadline_ms(text, hasher),
            SetRef::Large(members) => members.deadline_ms(text, hasher),
        }
    }

    /// Calls `f` with all members and their deadlines, zero for none, until it breaks.
    pub fn walk_timed<B>(
        self,
        mut f: impl FnMut(Member<'_>, u64) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match self {
            SetRef::Packed(list) => {
                list.walk(0, End::Head, |element| f(Member::Text(element.as_bytes()), 0))
            }
            SetRef::Integers(integers) => {
                integers.iter().try_for_each(|n| f(Member::Integer(n), 0))
            }
            SetRef::Timed(hash) => {
                let mut members = hash.iter_timed();
                members.try_for_each(|(text, _, deadline_ms)| f(Member::Text(text), deadline_ms))
            }
            SetRef::Large(members) => members.walk(f),
        }
    }

    /// Calls `f` with all members, until it breaks.
    #[inline]
    pub fn walk<B>(self, mut f: impl FnMut(Member<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
        self.walk_timed(|member, _| f(member))
    }

    /// Calls `f` with all members.
    #[inline]
    pub fn for_each(self, mut f: impl FnMut(Member<'_>)) {
        let _ = self.walk_timed(|member, _| {
            f(member);
            ControlFlow::<()>::Continue(())
        });
    }

    /// Calls `f` with the members that another set has, too, or that it does not have, until it
    /// breaks. Two large sets have their members in the same order, and are walked side by side.
    #[inline]
    pub fn compare<B>(
        self,
        other: SetRef<'_>,
        common: bool,
        hasher: &Hasher,
        mut f: impl FnMut(Member<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if let (SetRef::Large(members), SetRef::Large(others)) = (self, other) {
            return members.compare(others, common, hasher, f);
        }
        self.walk(|member| match other.has(member, hasher) == common {
            true => f(member),
            false => ControlFlow::Continue(()),
        })
    }

    /// Visits members from `cursor` on until about `count` were seen, and returns where to go on,
    /// zero for the end. A set that is not large is visited whole.
    pub fn scan(
        self,
        cursor: u64,
        count: u64,
        hasher: &Hasher,
        mut f: impl FnMut(Member<'_>),
    ) -> u64 {
        match self {
            SetRef::Large(members) => members.scan(cursor, count, hasher, f),
            _ => {
                self.for_each(&mut f);
                0
            }
        }
    }

    /// The member at `index`, of a set that is not large.
    fn get(self, index: usize) -> Option<Member<'a>> {
        match self {
            SetRef::Packed(list) => list.get(index).map(|it| Member::Text(it.as_bytes())),
            SetRef::Integers(integers) => Some(Member::Integer(integers.get(index))),
            SetRef::Timed(hash) => hash.iter().nth(index).map(|(text, _)| Member::Text(text)),
            SetRef::Large(_) => None,
        }
    }

    /// A member drawn evenly; None of an empty set.
    #[inline]
    pub fn draw(self, random: &mut fastrand::Rng) -> Option<Member<'a>> {
        match self {
            SetRef::Large(members) => members.draw(random),
            _ if self.is_empty() => None,
            _ => self.get(random.usize(..self.len())),
        }
    }

    /// `count` different members drawn evenly, in the order in which they lie where they do so;
    /// there are more of them.
    pub fn draw_distinct(
        self,
        count: usize,
        random: &mut fastrand::Rng,
        mut f: impl FnMut(Member<'_>),
    ) {
        if let SetRef::Large(members) = self {
            return members.draw_distinct(count, random, f);
        }
        // Each is taken with the chance that as many of the rest are still to be taken.
        let (mut left, mut wanted) = (self.len(), count);
        self.for_each(|member| {
            if random.usize(..left) < wanted {
                wanted -= 1;
                f(member);
            }
            left -= 1;
        });
    }
}
