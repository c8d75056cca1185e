//! Short lists and sets: their elements lie in the tail of the entry, behind the key, so that such
//! a value is one allocation, as a string is.
//!
//! A change that leaves the entry as large as it is, and is a matter of bytes, happens in place; so
//! does an element that is added at the end of an entry that has to grow for it. Any other is made
//! to an [`Object`] of the elements, which then replaces them. One that grows beyond [`SHORT_MAX`]
//! bytes stays an object, and returns to the tail when it has half as many.

use super::{Entry, NewValue};
use crate::storage::memory::size_class;
use crate::storage::value::list::{End, Limit, List, ListRef, Meta, Run, least_used, try_push};
use crate::storage::value::set::integers::IntegersRef;
use crate::storage::value::set::{Set, SetRef};
use crate::storage::value::{Object, ObjectRef};

/// The most bytes of elements in a tail.
const SHORT_MAX: usize = 512;

/// What lies in a tail. A new type that does adds its line here, in [`short`] and in
/// [`Tail::view`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tail {
    /// A list's elements.
    List,
    /// A set's members.
    Set,
    /// A set's members that are all integers.
    Integers,
}

impl Tail {
    /// The tail with this number.
    #[inline]
    pub fn of(number: u8) -> Tail {
        match number {
            0 => Tail::List,
            1 => Tail::Set,
            _ => Tail::Integers,
        }
    }

    /// The value that the elements are.
    #[inline]
    pub fn view(self, run: Run<'_>) -> ObjectRef<'_> {
        match self {
            Tail::List => ObjectRef::List(ListRef::Tail(run)),
            Tail::Set => ObjectRef::Set(SetRef::Packed(ListRef::Tail(run))),
            Tail::Integers => {
                let bytes = &run.bytes[..usize::from(run.meta.end)];
                ObjectRef::Set(SetRef::Integers(IntegersRef::in_tail(bytes, run.count())))
            }
        }
    }
}

/// The elements of a value that is short enough for the tail of its entry.
pub fn short(object: &Object) -> Option<(Tail, Run<'_>)> {
    shorter(object, SHORT_MAX)
}

/// The elements of a value where they take at most `most` bytes.
fn shorter(object: &Object, most: usize) -> Option<(Tail, Run<'_>)> {
    match object {
        Object::List(list) => list.short_run(most).map(|run| (Tail::List, run)),
        Object::Set(set) => set.short_run(most).map(|(are_integers, run)| {
            (if are_integers { Tail::Integers } else { Tail::Set }, run)
        }),
        Object::Hash(_) | Object::SortedSet(_) | Object::Stream(_) => None,
    }
}

/// The bytes up to the end of the size class, as far as elements may use them.
pub fn spare_room(size: usize) -> usize {
    (size_class(size) - size).min(SHORT_MAX)
}

impl Entry {
    /// What lies in the tail, if anything does.
    fn tail(&self) -> Option<Tail> {
        self.shape().kind.checked_sub(super::KIND_TAIL).map(Tail::of)
    }

    /// Puts elements into the tail, which has room for them.
    pub(super) fn write_run(&mut self, run: Run<'_>) {
        let from = usize::from(run.meta.start);
        let elements = &run.bytes[from..usize::from(run.meta.end)];
        self.with_tail(|meta, bytes| {
            // What was free before them is likely to be used there again.
            let start = if from > 0 { bytes.len() - elements.len() } else { 0 };
            bytes[start..start + elements.len()].copy_from_slice(elements);
            let end = (start + elements.len()) as u16;
            *meta = Meta { start: start as u16, end, ..run.meta };
        });
    }

    /// Changes a value that is more than a string by `f`, wherever it is. Neither key nor deadline
    /// change.
    fn edit<R>(&mut self, f: impl FnOnce(&mut Object) -> R) -> Option<R> {
        if let Some(object) = self.object_mut() {
            let result = f(object);
            if shorter(object, SHORT_MAX / 2).is_some() {
                let object = std::mem::replace(object, Object::List(List::default()));
                self.put_object(object);
            }
            return Some(result);
        }
        let tail = self.tail()?;
        let mut object = self.object()?.to_object();
        let room = self.shape().value_len;
        let result = f(&mut object);
        match shorter(&object, room) {
            Some((kind, run)) if kind == tail && run.used() >= least_used(room) => {
                self.write_run(run);
            }
            _ => self.put_object(object),
        }
        Some(result)
    }

    fn put_object(&mut self, object: Object) {
        let value = NewValue::Object(Box::new(object));
        let mut new = Entry::new(self.key(), value, self.deadline_ms());
        new.touch(self.age());
        new.set_epoch(self.epoch());
        self.share_tags(&mut new);
        *self = new;
    }

    /// Changes a list by `f`; None, and nothing done, when the value is no list.
    pub fn edit_list<R>(&mut self, f: impl FnOnce(&mut List) -> R) -> Option<R> {
        let Some(ObjectRef::List(_)) = self.object() else { return None };
        self.edit(|object| match object {
            Object::List(list) => f(list),
            _ => unreachable!("it was seen to be a list"),
        })
    }

    /// Changes a set by `f`; None, and nothing done, when the value is no set.
    #[inline]
    pub fn edit_set<R>(&mut self, f: impl FnOnce(&mut Set) -> R) -> Option<R> {
        let Some(ObjectRef::Set(_)) = self.object() else { return None };
        self.edit(|object| match object {
            Object::Set(set) => f(set),
            _ => unreachable!("it was seen to be a set"),
        })
    }

    /// Adds an element to a short list, or a member to a short set, where that is a matter of its
    /// bytes; false, and nothing done, elsewhere.
    #[inline]
    pub fn try_push(&mut self, end: End, value: &[u8], limit: Limit) -> bool {
        if self.tail() == Some(Tail::Integers) {
            return false;
        }
        let mut lacking = None;
        let mut pushed = self.with_tail(|meta, bytes| {
            let run = Run { meta: *meta, bytes };
            if !limit.admits(run, value.len()) {
                return false;
            }
            lacking = run.lacking(end, value).filter(|more| bytes.len() + more <= SHORT_MAX);
            try_push(meta, bytes, end, value)
        });
        if let Some(more) = lacking {
            self.grow_tail(more);
            pushed = self.with_tail(|meta, bytes| try_push(meta, bytes, end, value));
        }
        pushed == Some(true)
    }

    /// Removes the element at an end of a short list where that is a matter of a number; false,
    /// and nothing done, elsewhere.
    #[inline]
    pub fn try_pop(&mut self, end: End) -> bool {
        if self.tail() != Some(Tail::List) {
            return false;
        }
        let popped = self.with_tail(|meta, bytes| {
            let popped = Run { meta: *meta, bytes }.popped(end, least_used(bytes.len()));
            popped.map(|left| *meta = left).is_some()
        });
        popped == Some(true)
    }
}
