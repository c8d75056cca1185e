//! What is made of several sets, where they are large: the sets stay as they were at the moment of
//! the command, and their members are looked up piece by piece, while others are served. They are
//! written as a reply, or put into a set that is to be stored.

use super::access::{limits, set_of, write_member};
use super::algebra::{Of, lacks};
use crate::error::Error;
use crate::hasher::Hasher;
use crate::run::apart::Work;
use crate::run::call::Call;
use crate::spec::Key;
use crate::storage::value::Object;
use crate::storage::value::set::{Limits, Member, Set, SetRef};
use redstart_protocol::{PIECE_BYTES, Protocol, Reply, Rest};
use std::collections::VecDeque;

/// Members that are looked at before it is looked how many they were.
const SCANNED: u64 = 64;
/// Look-ups of members in sets, done at a time.
const LOOKED_UP: usize = 8192;

/// Looks the first members of some sets up, whose keys were looked up, and leaves the others to the
/// rest of the reply: they, or how many they are, up to as many as that if it is not zero.
pub fn put_rest(call: &mut Call<'_>, of: Of, keys: &[Key<'_>], counted: Option<i64>) {
    let rest = RestOfSets {
        walk: Walk::new(call, of, keys),
        protocol: call.reply.protocol(),
        counted,
        len: 0,
        found: VecDeque::new(),
    };
    call.reply.put_rest(Box::new(rest));
}

/// A copy of the set under a key, if there is one.
pub fn frozen(call: &mut Call<'_>, key: Key<'_>) -> Option<Set> {
    match call.space.freeze(key) {
        Some(Object::Set(set)) => Some(set),
        // A short set lies in its entry.
        _ => call.space.peek(key).and_then(|entry| set_of(entry).ok()).map(SetRef::to_set),
    }
}

/// The walk over what is made of sets.
struct Walk {
    of: Of,
    sets: Vec<Option<Set>>,
    hasher: Hasher,
    /// Which set is walked over, and from which cursor on; none when all was looked up.
    at: Option<(usize, u64)>,
}

impl Walk {
    fn new(call: &mut Call<'_>, of: Of, keys: &[Key<'_>]) -> Walk {
        let mut sets: Vec<Option<Set>> = keys.iter().map(|key| frozen(call, *key)).collect();
        if of == Of::Intersection {
            // The smallest set is walked over; a missing one has nothing.
            sets.sort_by_key(|set| set.as_ref().map_or(0, Set::len));
        }
        Walk { of, sets, hasher: call.space.hasher().clone(), at: Some((0, 0)) }
    }

    /// Looks some members up, and calls `f` with those that are wanted.
    fn go_on(&mut self, mut f: impl FnMut(Member<'_>)) {
        let Walk { of, sets, hasher, at } = self;
        let Some((nth, mut cursor)) = *at else { return };
        let others: Vec<_> = sets.iter().map(|set| set.as_ref().map(Set::view)).collect();
        let mut left = LOOKED_UP;
        let walked = others[nth];
        let others = match of {
            Of::Union => &others[..nth],
            Of::Intersection | Of::Difference => &others[1..],
        };
        let is_wanted = |member: Member<'_>| match of {
            Of::Intersection => {
                others.iter().all(|other| other.is_some_and(|other| other.has(member, hasher)))
            }
            Of::Union | Of::Difference => lacks(others, member, hasher),
        };
        let Some(walked) = walked else {
            self.at = self.behind(nth);
            return;
        };
        loop {
            cursor = walked.scan(cursor, SCANNED, hasher, |member| {
                left = left.saturating_sub(1 + others.len());
                if is_wanted(member) {
                    f(member);
                }
            });
            if cursor == 0 || left == 0 {
                break;
            }
        }
        self.at = if cursor == 0 { self.behind(nth) } else { Some((nth, cursor)) };
    }

    /// What is walked over next.
    fn behind(&self, nth: usize) -> Option<(usize, u64)> {
        (self.of == Of::Union && nth + 1 < self.sets.len()).then_some((nth + 1, 0))
    }

    fn shed(&mut self) -> bool {
        while let Some(set) = self.sets.last_mut() {
            if set.as_mut().is_some_and(Set::shed) {
                return true;
            }
            self.sets.pop();
        }
        false
    }
}

struct RestOfSets {
    walk: Walk,
    protocol: Protocol,
    /// Only their number is replied, up to this one.
    counted: Option<i64>,
    /// How many members were found.
    len: usize,
    /// They, as they are replied.
    found: VecDeque<Reply>,
}

impl RestOfSets {
    /// Looks some members up.
    fn look_up(&mut self) {
        let RestOfSets { walk, len, found, protocol, counted } = self;
        walk.go_on(|member| {
            *len += 1;
            if counted.is_some() {
                return;
            }
            if found.back().is_none_or(|piece| piece.len() >= PIECE_BYTES) {
                found.push_back(Reply::new(*protocol));
            }
            if let Some(piece) = found.back_mut() {
                write_member(piece, member);
            }
        });
        if counted.is_some_and(|most| most > 0 && *len as i64 >= most) {
            walk.at = None;
        }
    }
}

impl Rest for RestOfSets {
    fn write(&mut self, reply: &mut Reply, _bytes: usize) -> bool {
        if self.walk.at.is_some() {
            self.look_up();
            let has_more = self.walk.at.is_some();
            match self.counted {
                _ if has_more => {}
                None => reply.set(self.len),
                Some(0) => reply.integer(self.len as i64),
                Some(most) => reply.integer(most.min(self.len as i64)),
            }
            return has_more || !self.found.is_empty();
        }
        if let Some(piece) = self.found.pop_front() {
            super::whole::append(reply, &piece);
        }
        !self.found.is_empty()
    }

    fn own_bytes(&self) -> usize {
        self.found.iter().map(Reply::len).sum()
    }

    fn shed(&mut self) -> bool {
        self.found.pop_back().is_some() || self.walk.shed()
    }
}

/// Makes a set of some sets, whose keys were looked up. If it `takes_away`, it is the first one,
/// out of which the members of the others are taken.
pub fn making(call: &mut Call<'_>, of: Of, keys: &[Key<'_>], takes_away: bool) -> Box<dyn Work> {
    let Limits { integers, members, bytes, .. } = limits(call);
    let (first, others) = if takes_away { keys.split_at(1) } else { (keys, &[][..]) };
    let walk = Walk::new(call, of, first);
    let taken = takes_away.then(|| Walk::new(call, Of::Union, others));
    Box::new(Making { walk, taken, made: Set::default(), limits: (integers, members, bytes) })
}

struct Making {
    walk: Walk,
    /// What is taken away afterwards.
    taken: Option<Walk>,
    made: Set,
    limits: (usize, usize, usize),
}

impl Work for Making {
    fn go_on(&mut self) -> bool {
        let Making { walk, taken, made, limits: (integers, members, bytes) } = self;
        if walk.at.is_some() {
            let hasher = walk.hasher.clone();
            let (integers, members, bytes) = (*integers, *members, *bytes);
            let limits = Limits { integers, members, bytes, hasher: &hasher };
            walk.go_on(|member| _ = made.add_member(member, limits));
        } else if let Some(taken) = taken {
            taken.go_on(|member| _ = member.with(|text| made.remove(text, &walk.hasher)));
        }
        walk.at.is_some() || taken.as_ref().is_some_and(|taken| taken.at.is_some())
    }

    fn take(&mut self) -> Result<Object, Error> {
        Ok(Object::Set(std::mem::take(&mut self.made)))
    }

    fn shed(&mut self) -> bool {
        let Making { walk, taken, made, .. } = self;
        made.shed() || walk.shed() || taken.as_mut().is_some_and(Walk::shed)
    }
}
