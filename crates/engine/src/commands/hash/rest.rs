//! Fields of a hash, as a reply: many of them are written piece by piece.

use crate::commands::Lottery;
use crate::commands::value::write_value;
use crate::hasher::Hasher;
use crate::run::call::Call;
use crate::spec::Key;
use crate::storage::entry::Value;
use crate::storage::value::Object;
use crate::storage::value::hash::Hash;
use redstart_protocol::{Protocol, Reply, Rest};

/// Fields of a large hash that are replied before it is looked how long the reply is.
const SCANNED: u64 = 64;

/// What of a pair is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Field,
    Value,
    Both,
    /// Both, in an array of their own.
    Pair,
}

impl Part {
    /// A field, or a field with its value as the protocol has pairs in arrays: RESP3 each in an
    /// array of its own, RESP2 all of them in a row.
    pub fn drawn(with_value: bool, protocol: Protocol) -> Part {
        match (with_value, protocol) {
            (false, _) => Part::Field,
            (true, Protocol::Resp2) => Part::Both,
            (true, Protocol::Resp3) => Part::Pair,
        }
    }

    /// The head of an array of so many.
    pub fn write_head(self, reply: &mut Reply, pairs: usize) {
        reply.array(if self == Part::Both { 2 * pairs } else { pairs });
    }

    #[inline]
    pub fn write(self, reply: &mut Reply, field: &[u8], value: Value<'_>) {
        if self == Part::Pair {
            reply.array(2);
        }
        if self != Part::Value {
            reply.bulk(field);
        }
        if self != Part::Field {
            write_value(reply, value);
        }
    }
}

/// What of a hash is yet to be replied.
pub enum Left {
    /// The fields from a cursor on.
    Scan(u64),
    /// Of the fields from a cursor on, those that are taken.
    Some(u64, Lottery),
    /// So many that are drawn, any of them as often as it comes.
    Draw(u64, fastrand::Rng),
}

/// Writes the first fields of a hash that was looked up, and leaves the others to the rest of the
/// reply.
pub fn put_rest(call: &mut Call<'_>, key: Key<'_>, part: Part, left: Left) {
    let Some(Object::Hash(hash)) = call.space.freeze(key) else {
        unreachable!("a hash is an object")
    };
    let hasher = call.space.hasher().clone();
    call.reply.put_rest(Box::new(RestOfHash { hash, hasher, part, left }));
}

struct RestOfHash {
    hash: Hash,
    hasher: Hasher,
    part: Part,
    left: Left,
}

impl Rest for RestOfHash {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let RestOfHash { hash, hasher, part, left } = self;
        let (start, mut passed) = (reply.len(), 0);
        if let Left::Draw(count, random) = left {
            hash.draw(*count, random, |field, value| {
                part.write(reply, field, value);
                *count -= 1;
                reply.len() - start < bytes
            });
            return *count > 0;
        }
        while reply.len() - start < bytes && passed < Lottery::PASSED_AT_ONCE {
            let (cursor, mut lottery) = match left {
                Left::Scan(cursor) => (cursor, None),
                Left::Some(cursor, lottery) => (cursor, Some(lottery)),
                Left::Draw(..) => return false,
            };
            *cursor = hash.scan(*cursor, SCANNED, hasher, |field, value| {
                if lottery.as_mut().is_none_or(|lottery| lottery.takes()) {
                    part.write(reply, field, value);
                }
            });
            passed += SCANNED;
            if *cursor == 0 || lottery.is_some_and(|lottery| lottery.wanted == 0) {
                return false;
            }
        }
        true
    }

    fn shed(&mut self) -> bool {
        self.hash.shed()
    }
}
