//! Short lists: their elements lie in the tail of the entry, behind the key, so that such a list is
//! one allocation, as a string is.
//!
//! A push or a pop at an end that leaves the entry as large as it is happens in place. Any other
//! change is made to a [`List`] of the elements, which then replaces them. A list that grows beyond
//! [`SHORT_MAX`] bytes becomes an [`Object`], and returns to the tail when it has half as many.

use super::{Entry, NewValue};
use crate::storage::memory::size_class;
use crate::storage::value::list::{End, Limit, List, ListRef, Meta, Run, least_used, try_push};
use crate::storage::value::{Object, ObjectRef};

/// The most bytes of elements in a tail.
const SHORT_MAX: usize = 512;

/// The elements of a list that is short enough for the tail of its entry.
pub fn short(object: &Object) -> Option<Run<'_>> {
    match object {
        Object::List(list) => list.short_run(SHORT_MAX),
        Object::Hash(_) | Object::SortedSet(_) => None,
    }
}

/// The bytes up to the end of the size class, as far as a short list may use them.
pub fn spare_room(size: usize) -> usize {
    (size_class(size) - size).min(SHORT_MAX)
}

impl Entry {
    /// Puts the elements of a short list into the tail, which has room for them.
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

    /// Changes a list by `f`; None, and nothing done, when the value is no list. Neither key nor
    /// deadline change.
    pub fn edit_list<R>(&mut self, f: impl FnOnce(&mut List) -> R) -> Option<R> {
        if let Some(Object::List(list)) = self.object_mut() {
            let result = f(list);
            if list.short_run(SHORT_MAX / 2).is_some() {
                let list = std::mem::take(list);
                self.put_list(list);
            }
            return Some(result);
        }
        let Some(ObjectRef::List(ListRef::Tail(run))) = self.object() else { return None };
        let (mut list, room) = (List::copy_of(run), run.bytes.len());
        let result = f(&mut list);
        match list.short_run(room) {
            Some(run) if run.used() >= least_used(room) => self.write_run(run),
            _ => self.put_list(list),
        }
        Some(result)
    }

    fn put_list(&mut self, list: List) {
        let value = NewValue::Object(Box::new(Object::List(list)));
        let mut new = Entry::new(self.key(), value, self.deadline_ms());
        new.touch(self.age());
        new.set_epoch(self.epoch());
        *self = new;
    }

    /// Adds an element to a short list where that is a matter of its bytes; false, and nothing
    /// done, elsewhere.
    #[inline]
    pub fn try_push(&mut self, end: End, value: &[u8], limit: Limit) -> bool {
        let pushed = self.with_tail(|meta, bytes| {
            limit.admits(Run { meta: *meta, bytes }, value.len())
                && try_push(meta, bytes, end, value)
        });
        pushed == Some(true)
    }

    /// Removes the element at an end of a short list where that is a matter of a number; false,
    /// and nothing done, elsewhere.
    #[inline]
    pub fn try_pop(&mut self, end: End) -> bool {
        let popped = self.with_tail(|meta, bytes| {
            let popped = Run { meta: *meta, bytes }.popped(end, least_used(bytes.len()));
            popped.map(|left| *meta = left).is_some()
        });
        popped == Some(true)
    }
}
