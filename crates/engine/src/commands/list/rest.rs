//! Elements of a list in a row, as a reply: many of them are written piece by piece.

use super::access::write_element;
use crate::run::call::Call;
use crate::spec::Key;
use crate::storage::value::Object;
use crate::storage::value::list::{End, List, ListRef};
use redstart_protocol::{Reply, Rest};
use std::ops::ControlFlow;

/// Elements in a row: from which one on, away from which end, and how many; there are as many.
#[derive(Clone, Copy)]
pub struct Row {
    pub from: usize,
    pub end: End,
    pub count: usize,
}

impl Row {
    /// Whether they are so many that they are to come in pieces.
    #[inline]
    pub fn is_large(self, reply: &Reply, list: ListRef<'_>) -> bool {
        let bytes = list.allocated();
        reply.takes_rest(bytes) && reply.takes_rest(bytes / list.len().max(1) * self.count)
    }

    /// Writes them.
    pub fn write(self, reply: &mut Reply, list: ListRef<'_>) {
        let mut left = self.count;
        if left == 0 {
            return;
        }
        let _ = list.walk(self.from, self.end, |element| {
            write_element(reply, element);
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    /// Writes the first of them, and leaves the others to the rest of the reply.
    pub fn put_rest(self, call: &mut Call<'_>, key: Key<'_>) {
        let Some(Object::List(list)) = call.space.freeze(key) else {
            unreachable!("a list of this size is an object")
        };
        let Row { from, end, count } = self;
        call.reply.put_rest(Box::new(RestOfList { list, at: from, end, left: count }));
    }
}

/// Elements of a list that are yet to be replied.
struct RestOfList {
    list: List,
    at: usize,
    end: End,
    left: usize,
}

impl Rest for RestOfList {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let RestOfList { list, at, end, left } = self;
        let start = reply.len();
        let mut written = 0;
        let _ = list.walk(*at, *end, |element| {
            write_element(reply, element);
            written += 1;
            let ends = written == *left || reply.len() - start >= bytes;
            if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        *left -= written;
        *at = if *end == End::Head { *at + written } else { at.saturating_sub(written) };
        *left > 0
    }

    fn shed(&mut self) -> bool {
        self.list.shed()
    }
}
