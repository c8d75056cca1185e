//! Entries of streams, as a reply: many of them are written piece by piece, while others are
//! served.

use super::range::write_item;
use crate::run::call::Call;
use crate::spec::Key;
use crate::storage::value::stream::Stream;
use crate::storage::value::stream::block::{Block, Item};
use crate::storage::value::stream::id::Id;
use crate::storage::value::{Object, ObjectRef};
use redstart_protocol::{Protocol, Reply, Rest};

/// Entries of a stream between two ids, as many as `left`.
#[derive(Clone, Copy)]
pub struct Entries {
    pub start: Id,
    pub end: Id,
    /// Whether they go from the last one to the first.
    pub backward: bool,
    pub left: usize,
}

impl Entries {
    /// The same, with how many there are at most as `left`.
    pub fn counted(self, stream: &Stream) -> Entries {
        Entries { left: count(stream, self.start, self.end).min(self.left), ..self }
    }

    /// Whether they are so many that they are to come in pieces.
    pub fn is_large(&self, reply: &Reply, stream: &Stream) -> bool {
        let (bytes, len) = (stream.allocated(), stream.len().max(1) as usize);
        let about = (bytes / len).saturating_mul(self.left.min(len));
        reply.takes_rest(bytes) && reply.takes_rest(about)
    }

    /// Writes entries until the reply has got longer by so many bytes. Returns whether more are
    /// left.
    pub fn write(&mut self, reply: &mut Reply, stream: &Stream, bytes: usize) -> bool {
        let begin = reply.len();
        let next = |id: Option<Id>, left: usize| id.filter(|_| left > 0);
        if self.backward {
            let items = stream.back_from(self.end).take_while(|item| item.id >= self.start);
            for item in items.take(self.left) {
                write_item(reply, &item);
                self.left -= 1;
                if reply.len() - begin >= bytes {
                    return next(item.id.previous(), self.left).map(|id| self.end = id).is_some();
                }
            }
        } else {
            let items = stream.from(self.start).take_while(|item| item.id <= self.end);
            for item in items.take(self.left) {
                write_item(reply, &item);
                self.left -= 1;
                if reply.len() - begin >= bytes {
                    return next(item.id.next(), self.left).map(|id| self.start = id).is_some();
                }
            }
        }
        false
    }
}

/// How many entries lie between two ids: whole blocks are not looked into.
fn count(stream: &Stream, start: Id, end: Id) -> usize {
    let within = |block: &&Block| block.last() >= start && block.first() <= end;
    let each = stream.blocks().filter(within).map(|block| {
        if block.first() >= start && block.last() <= end {
            return block.live() as usize;
        }
        let is_within = |item: &Item<'_>| item.id >= start && item.id <= end;
        block.items().filter(|item| !item.is_deleted && is_within(item)).count()
    });
    each.sum()
}

/// What is replied of a stream, of which a client may have asked together with others.
struct Part {
    /// The key, as it stands before the entries.
    key: Option<Vec<u8>>,
    stream: Object,
    /// How many entries follow, until that is written.
    head: Option<usize>,
    entries: Entries,
}

/// The rest of a reply that is made of streams.
#[derive(Default)]
pub struct RestOfStreams {
    parts: Vec<Part>,
    /// Which one is being written.
    at: usize,
}

impl RestOfStreams {
    /// Adds entries, counted, of a stream that was found; `named` if its key is to stand before.
    pub fn add(&mut self, call: &mut Call<'_>, key: Key<'_>, entries: Entries, named: bool) {
        if let Some(stream) = call.space.freeze(key) {
            let key = named.then(|| key.bytes.to_vec());
            self.parts.push(Part { key, stream, head: Some(entries.left), entries });
        }
    }
}

impl Rest for RestOfStreams {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let begin = reply.len();
        while let Some(part) = self.parts.get_mut(self.at) {
            if let Some(key) = part.key.take() {
                if reply.protocol() == Protocol::Resp2 {
                    reply.array(2);
                }
                reply.bulk(&key);
            }
            if let Some(count) = part.head.take() {
                reply.array(count);
            }
            let wanted = bytes.saturating_sub(reply.len() - begin);
            let ObjectRef::Stream(stream) = part.stream.view() else { return false };
            if part.entries.write(reply, stream, wanted) {
                return true;
            }
            self.at += 1;
            if reply.len() - begin >= bytes {
                return self.at < self.parts.len();
            }
        }
        false
    }

    fn shed(&mut self) -> bool {
        while let Some(part) = self.parts.last_mut() {
            if part.stream.shed() {
                return true;
            }
            self.parts.pop();
        }
        false
    }
}
