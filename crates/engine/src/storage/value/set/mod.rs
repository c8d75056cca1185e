//! A set: members, of which some may expire.
//!
//! ```text
//! Integers -- one that is none --> Packed -- one expires --> Timed
//!    |                               |                         |
//!    +-- too many -----------------> + -- too many, too long --+--> Large
//! ```
//!
//! While all members are integers they lie in order, a few bytes each ([`Integers`]). While they
//! are few and short they lie one behind the other, as the elements of a small list do; a short
//! set of either kind needs no allocation of its own (`entry/tail.rs`). Once one of them expires
//! they are the fields of a small hash, with empty values, which has room for deadlines. A large
//! set is pages and a table ([`members::Members`]). There is no way back.
//!
//! Members do not expire by themselves: [`Set::expire`] removes those that are due, and the way to
//! a set through the keyspace does that first.
//!
//! The large form has no hasher of its own: every call passes the keyspace's, always the same.

pub mod integers;
pub mod members;
mod pages;
mod view;

use super::hash::{self, Hash, Ttl};
use super::list::{End, Limit, List, ListRef, Meta, Run};
use crate::hasher::Hasher;
use crate::storage::entry::NewValue;
use integers::Integers;
use members::Members;
use redstart_protocol::parse_i64;
use std::ops::ControlFlow;
pub use view::SetRef;

/// How the list of packed members grows: only limits far from the default make it more than a
/// block.
const BLOCKS: Limit = Limit { bytes: 8192, count: usize::MAX };

/// A set.
#[derive(Clone)]
pub struct Set(Form);

#[derive(Clone)]
enum Form {
    Packed(List),
    Integers(Box<Integers>),
    Timed(Box<Hash>),
    Large(Box<Members>),
}

const _: () = assert!(size_of::<Set>() == 16);

/// A member, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Member<'a> {
    /// Its bytes. They may be an integer's digits, too.
    Text(&'a [u8]),
    /// An integer that stands for its digits.
    Integer(i64),
}

impl Member<'_> {
    /// Calls `f` with the member's bytes.
    #[inline]
    pub fn with<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Member::Text(text) => f(text),
            Member::Integer(n) => f(itoa::Buffer::new().format(n).as_bytes()),
        }
    }

    /// The member's bytes, copied.
    pub fn to_vec(self) -> Vec<u8> {
        self.with(<[u8]>::to_vec)
    }
}

/// Up to what a set is not large, and the hasher of the large form.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// The most members while all are integers.
    pub integers: usize,
    /// The most packed members.
    pub members: usize,
    /// The longest packed member, in bytes.
    pub bytes: usize,
    /// The keyspace's hasher.
    pub hasher: &'a Hasher,
}

/// No members, in the form for integers.
impl Default for Set {
    fn default() -> Set {
        Set(Form::Integers(Box::default()))
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

/// The digits of the integer that has the most.
fn longest(integers: &Integers) -> usize {
    let ends = [integers.view().iter().next(), integers.view().iter().next_back()];
    ends.into_iter().flatten().map(|n| itoa::Buffer::new().format(n).len()).max().unwrap_or(0)
}

impl Set {
    /// No members yet, of which about `count` will be added, the first one as given.
    pub fn for_members(first: &[u8], count: usize, limits: Limits<'_>) -> Set {
        if count <= limits.integers && parse_i64(first).is_some() {
            Set::default()
        } else if count <= limits.members {
            Set::packed()
        } else {
            Set(Form::Large(Box::default()))
        }
    }

    /// No members, in the packed form.
    pub fn packed() -> Set {
        Set(Form::Packed(List::default()))
    }

    /// The set as it is read.
    #[inline]
    pub fn view(&self) -> SetRef<'_> {
        match &self.0 {
            Form::Packed(list) => SetRef::Packed(ListRef::Whole(list)),
            Form::Integers(integers) => SetRef::Integers(integers.view()),
            Form::Timed(hash) => SetRef::Timed(hash),
            Form::Large(members) => SetRef::Large(members),
        }
    }

    /// No member expires before this moment, in monotonic milliseconds; zero when none ever does.
    #[inline]
    pub fn next_deadline_ms(&self) -> u64 {
        match &self.0 {
            Form::Packed(_) | Form::Integers(_) => 0,
            Form::Timed(hash) => hash.next_deadline_ms(),
            Form::Large(members) => members.next_deadline_ms(),
        }
    }

    /// See [`crate::storage::value::Object::prefetch`].
    #[inline]
    pub fn prefetch(&self, text: Option<&[u8]>, hasher: &Hasher) -> bool {
        if let (Form::Large(members), Some(text)) = (&self.0, text) {
            members.prefetch(text, hasher);
            return true;
        }
        false
    }

    /// See [`crate::storage::value::Object::prefetch_all`].
    #[inline]
    pub fn prefetch_all(&self, texts: &[&[u8]], hasher: &Hasher) {
        if let Form::Large(members) = &self.0 {
            members.prefetch_all(texts, hasher);
        }
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// The copy of packed members in the tail of an entry.
    pub fn of_run(run: Run<'_>) -> Set {
        Set(Form::Packed(List::copy_of(run)))
    }

    /// The members, where they take at most `most` bytes and are packed or integers: whether they
    /// are integers, and the bytes as they lie in the tail of an entry.
    pub fn short_run(&self, most: usize) -> Option<(bool, Run<'_>)> {
        match &self.0 {
            Form::Packed(list) => list.short_run(most).map(|run| (false, run)),
            Form::Integers(integers) => {
                let (count, bytes) = (integers.view().len(), integers.view().bytes());
                let meta = || Meta::even(count, bytes.len());
                (bytes.len() <= most).then(|| (true, Run { meta: meta(), bytes }))
            }
            Form::Timed(_) | Form::Large(_) => None,
        }
    }

    /// See [`crate::storage::value::Object::freeze`].
    pub fn freeze(&mut self) -> Set {
        Set(match &mut self.0 {
            Form::Large(members) => Form::Large(Box::new(members.freeze())),
            form => form.clone(),
        })
    }

    /// See [`crate::storage::value::Object::copy`].
    pub fn copy(&mut self) -> Set {
        Set(match &mut self.0 {
            Form::Large(members) => Form::Large(Box::new(members.copy())),
            form => form.clone(),
        })
    }

    /// See [`crate::storage::value::Object::shed`].
    pub fn shed(&mut self) -> bool {
        match &mut self.0 {
            Form::Large(members) => members.shed(),
            _ => false,
        }
    }

    /// Becomes large if `count` members that are to be added are too many, as Redis decides it.
    pub fn fit(&mut self, count: usize, limits: Limits<'_>) {
        let most = match &self.0 {
            Form::Integers(_) => limits.integers,
            Form::Packed(_) | Form::Timed(_) => limits.members,
            Form::Large(_) => return,
        };
        if count > most {
            self.enlarge(limits.hasher);
        }
    }

    /// Adds a member. Returns whether it is new.
    #[inline]
    pub fn add(&mut self, text: &[u8], limits: Limits<'_>) -> bool {
        if let Form::Large(members) = &mut self.0 {
            return members.add(text, limits.hasher);
        }
        self.add_to_small(text, limits)
    }

    fn add_to_small(&mut self, text: &[u8], limits: Limits<'_>) -> bool {
        let view = self.view();
        let fits = view.len() < limits.members && text.len() <= limits.bytes;
        match &mut self.0 {
            Form::Integers(integers) => {
                if let Some(n) = parse_i64(text) {
                    let is_new = integers.insert(n);
                    if integers.view().len() > limits.integers {
                        self.enlarge(limits.hasher);
                    }
                    return is_new;
                }
                if fits && longest(integers) <= limits.bytes {
                    self.pack();
                } else {
                    self.enlarge(limits.hasher);
                }
            }
            Form::Packed(list) => {
                if SetRef::index_in(ListRef::Whole(list), text).is_some() {
                    return false;
                }
                if fits {
                    list.push(End::Tail, text, BLOCKS);
                    return true;
                }
                self.enlarge(limits.hasher);
            }
            Form::Timed(hash) => {
                if hash.contains(text, limits.hasher) {
                    return false;
                }
                if fits {
                    return hash.set(text, NewValue::Str(b""), Ttl::Keep, boundless(limits.hasher));
                }
                self.enlarge(limits.hasher);
            }
            Form::Large(_) => {}
        }
        self.add(text, limits)
    }

    /// Adds a member of another set.
    #[inline]
    pub fn add_member(&mut self, member: Member<'_>, limits: Limits<'_>) -> bool {
        match (member, &mut self.0) {
            (Member::Integer(n), Form::Integers(integers))
                if integers.view().len() < limits.integers =>
            {
                integers.insert(n)
            }
            _ => member.with(|text| self.add(text, limits)),
        }
    }

    /// Removes a member. Returns whether it was there.
    #[inline]
    pub fn remove(&mut self, text: &[u8], hasher: &Hasher) -> bool {
        match &mut self.0 {
            Form::Large(members) => members.remove(text, hasher),
            Form::Timed(hash) => hash.remove(text, hasher),
            Form::Packed(list) => {
                let found = SetRef::index_in(ListRef::Whole(list), text);
                if let Some(index) = found {
                    list.remove(index, 1, BLOCKS);
                }
                found.is_some()
            }
            Form::Integers(integers) => {
                let found = parse_i64(text).and_then(|n| integers.view().find(n).ok());
                if let Some(index) = found {
                    integers.remove(index);
                }
                found.is_some()
            }
        }
    }

    /// Removes a member drawn evenly, and calls `f` with it before. False in an empty set.
    pub fn pop(
        &mut self,
        random: &mut fastrand::Rng,
        hasher: &Hasher,
        f: impl FnOnce(Member<'_>),
    ) -> bool {
        if let Form::Large(members) = &mut self.0 {
            return members.pop(random, hasher, f);
        }
        let len = self.len();
        if len == 0 {
            return false;
        }
        let index = random.usize(..len);
        match &mut self.0 {
            Form::Packed(list) => {
                if let Some(element) = list.get(index) {
                    f(Member::Text(element.as_bytes()));
                }
                list.remove(index, 1, BLOCKS);
            }
            Form::Integers(integers) => {
                f(Member::Integer(integers.view().get(index)));
                integers.remove(index);
            }
            Form::Timed(hash) => {
                let text = hash.iter().nth(index).map(|(text, _)| text.to_vec());
                let text = text.expect("the index is below the count");
                f(Member::Text(&text));
                hash.remove(&text, hasher);
            }
            Form::Large(_) => {}
        }
        true
    }

    /// Takes a form that has room for deadlines.
    pub fn note_times(&mut self, limits: Limits<'_>) {
        let (len, hasher) = (self.len(), limits.hasher);
        let longest = match &self.0 {
            Form::Packed(_) => 0,
            Form::Integers(integers) => longest(integers),
            Form::Timed(_) | Form::Large(_) => return,
        };
        if len > limits.members || longest > limits.bytes {
            return self.enlarge(hasher);
        }
        let mut hash = Hash::default();
        self.view().for_each(|member| {
            member.with(|text| {
                hash.set(text, NewValue::Str(b""), Ttl::Keep, boundless(hasher));
            });
        });
        hash.note_times();
        self.0 = Form::Timed(Box::new(hash));
    }

    /// Changes a member's deadline; zero takes it away. Returns whether there is such a member.
    pub fn set_deadline(&mut self, text: &[u8], deadline_ms: u64, limits: Limits<'_>) -> bool {
        if deadline_ms != 0 {
            self.note_times(limits);
        }
        match &mut self.0 {
            Form::Timed(hash) => hash.set_deadline(text, deadline_ms, limits.hasher),
            Form::Large(members) => members.set_deadline(text, deadline_ms, limits.hasher),
            _ => self.view().contains(text, limits.hasher),
        }
    }

    /// Removes at most `limit` members that are due, and calls `f` with them.
    pub fn expire(&mut self, now_ms: u64, limit: usize, hasher: &Hasher, f: impl FnMut(&[u8])) {
        match &mut self.0 {
            Form::Packed(_) | Form::Integers(_) => {}
            Form::Timed(hash) => hash.expire(now_ms, limit, hasher, f),
            Form::Large(members) => members.expire(now_ms, limit, hasher, f),
        }
    }

    /// Turns integers into packed members.
    #[cold]
    fn pack(&mut self) {
        let mut list = List::default();
        self.view().for_each(|member| member.with(|text| list.push(End::Tail, text, BLOCKS)));
        self.0 = Form::Packed(list);
    }

    /// Turns a small set into a large one.
    #[cold]
    pub fn enlarge(&mut self, hasher: &Hasher) {
        if let Form::Large(_) = &self.0 {
            return;
        }
        let mut members = Box::<Members>::default();
        let _ = self.view().walk_timed(|member, deadline_ms| {
            member.with(|text| {
                members.add(text, hasher);
                if deadline_ms != 0 {
                    members.set_deadline(text, deadline_ms, hasher);
                }
            });
            ControlFlow::<()>::Continue(())
        });
        self.0 = Form::Large(members);
    }

    /// Asserts that what is counted is true.
    #[cfg(debug_assertions)]
    pub fn check(&self, hasher: &Hasher) {
        if let Form::Large(members) = &self.0 {
            members.check(hasher);
        }
    }
}

/// The limits of the hash of a small set: the set sees to its own.
fn boundless(hasher: &Hasher) -> hash::Limits<'_> {
    hash::Limits { fields: usize::MAX, bytes: usize::MAX, hasher }
}
