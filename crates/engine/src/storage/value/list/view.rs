//! A list as it is read, wherever its elements are.

use super::{Element, End, List, Run};
use std::ops::ControlFlow;

/// A list, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum ListRef<'a> {
    /// A short one, in the tail of its entry.
    Tail(Run<'a>),
    /// Any other.
    Whole(&'a List),
}

impl<'a> ListRef<'a> {
    /// The number of elements.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            ListRef::Tail(run) => run.count(),
            ListRef::Whole(list) => list.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The name of the encoding.
    pub fn encoding(self) -> &'static str {
        match self {
            ListRef::Tail(_) => "listpack",
            ListRef::Whole(list) => list.encoding(),
        }
    }

    /// The bytes taken beside the entry's own. Constant time.
    pub fn allocated(self) -> usize {
        match self {
            ListRef::Tail(_) => 0,
            ListRef::Whole(list) => list.allocated(),
        }
    }

    /// The number of allocations to be freed beside the entry's own, roughly.
    pub fn parts(self) -> usize {
        match self {
            ListRef::Tail(_) => 0,
            ListRef::Whole(list) => list.parts(),
        }
    }

    /// The element at `index`.
    #[inline]
    pub fn get(self, index: usize) -> Option<Element<'a>> {
        match self {
            ListRef::Tail(run) => (index < run.count()).then(|| Element::Bytes(run.get(index))),
            ListRef::Whole(list) => list.get(index),
        }
    }

    /// The element at an end.
    #[inline]
    pub fn end(self, end: End) -> Option<Element<'a>> {
        match (self, end) {
            (ListRef::Tail(_), End::Head) => self.get(0),
            (ListRef::Tail(run), End::Tail) => self.get(run.count().checked_sub(1)?),
            (ListRef::Whole(list), _) => list.end(end),
        }
    }

    /// See [`List::walk`].
    #[inline]
    pub fn walk<B>(
        self,
        index: usize,
        from: End,
        mut f: impl FnMut(Element<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match self {
            _ if index >= self.len() => ControlFlow::Continue(()),
            ListRef::Tail(run) => run.walk(index, from, &mut |bytes| f(Element::Bytes(bytes))),
            ListRef::Whole(list) => list.walk(index, from, f),
        }
    }

    /// The same list, copied.
    pub fn to_list(self) -> List {
        match self {
            ListRef::Tail(run) => List::copy_of(run),
            ListRef::Whole(list) => list.clone(),
        }
    }
}
