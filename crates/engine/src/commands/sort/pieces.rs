//! A SORT of very many elements by themselves: what is sorted stays as it was at the moment of the
//! command, and is sorted and written piece by piece, while others are served: as a reply, or into
//! a list that is to be stored.

use super::order::text;
use super::{Get, Options};
use crate::commands::list::access::limit;
use crate::commands::runs::{Compare, Runs, Scored};
use crate::commands::value::parse_lenient;
use crate::error::Error;
use crate::hasher::Hasher;
use crate::run::apart::Work;
use crate::run::call::Call;
use crate::spec::Key;
use crate::storage::value::list::{End, Limit, List};
use crate::storage::value::{Object, ObjectRef};
use redstart_protocol::{PIECE_BYTES, Reply, Rest};
use std::cmp::Ordering;
use std::ops::{ControlFlow, Range};

/// Members of a set that are looked at between two questions whether a run is full.
const SCANNED: u64 = 64;
/// Elements that are merged at a time.
const MERGED: usize = 4096;

/// Whether an element's place is taken by itself, each time that it is wanted; the others are null.
type Gets = Vec<bool>;

/// Whether nothing but the elements is needed to sort them and for the result.
pub fn is_possible(options: &Options<'_>) -> bool {
    let by_itself = options.order.by.is_none() && !options.order.none;
    let looks_up = |get: &Get<'_>| matches!(get, Get::Value(_));
    by_itself && !options.gets.iter().any(looks_up)
}

/// Sorts what a key holds, which was looked up and is large, and leaves most of it to the rest of
/// the reply.
pub fn put_rest(call: &mut Call<'_>, key: Key<'_>, options: &Options<'_>) {
    let rest = RestOfSort::new(call, key, options);
    call.reply.put_rest(Box::new(rest));
}

/// Makes the list of what a key holds, as [`put_rest`] does for a reply.
pub fn making(call: &mut Call<'_>, key: Key<'_>, options: &Options<'_>) -> Box<dyn Work> {
    let rest = RestOfSort::new(call, key, options);
    Box::new(Making { rest, made: Ok(List::default()), limit: limit(call) })
}

impl RestOfSort {
    fn new(call: &mut Call<'_>, key: Key<'_>, options: &Options<'_>) -> RestOfSort {
        let source = match call.space.freeze_ranked(key) {
            Some(set) => Some(Object::SortedSet(set)),
            None => call.space.freeze(key),
        };
        let Some(source) = source else { unreachable!("what is large is an object") };
        let compare: Compare = match (options.order.alphabetic, options.order.descends) {
            (false, false) => numbers,
            (false, true) => |one, other| numbers(one, other).reverse(),
            (true, false) => texts,
            (true, true) => |one, other| texts(one, other).reverse(),
        };
        let len = match source.view() {
            ObjectRef::List(list) => list.len(),
            ObjectRef::Set(set) => set.len(),
            ObjectRef::SortedSet(set) => set.len(),
            ObjectRef::Hash(_) | ObjectRef::Stream(_) => 0,
        };
        let gets = options.gets.iter().map(|get| matches!(get, Get::Element)).collect();
        RestOfSort {
            source,
            hasher: call.space.hasher().clone(),
            alphabetic: options.order.alphabetic,
            state: State::Reads { at: 0 },
            range: options.range(len),
            gets,
            runs: Runs::new(compare),
        }
    }
}

fn numbers(one: Scored<'_>, other: Scored<'_>) -> Ordering {
    one.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal).then_with(|| one.1.cmp(other.1))
}

fn texts(one: Scored<'_>, other: Scored<'_>) -> Ordering {
    text(one.1, false).cmp(text(other.1, false))
}

enum State {
    /// Elements are read from a place on, which is an index or a cursor.
    Reads { at: u64 },
    /// So many of the elements in order were passed.
    Writes { passed: usize },
}

struct RestOfSort {
    source: Object,
    hasher: Hasher,
    alphabetic: bool,
    state: State,
    /// Which of the elements in order are wanted.
    range: Range<usize>,
    gets: Gets,
    runs: Runs,
}

impl RestOfSort {
    /// Fills a run from a place on. Returns where the next one begins, none at the end.
    fn read(&mut self, at: u64) -> Result<Option<u64>, Error> {
        let RestOfSort { source, hasher, alphabetic, runs, .. } = self;
        let mut is_number = true;
        let mut add = |element: &[u8]| {
            let score = if *alphabetic { Some(0.0) } else { parse_lenient(element) };
            is_number &= score.is_some();
            runs.add(score.unwrap_or(0.0), element)
        };
        let next = match source.view() {
            ObjectRef::List(list) => {
                let mut next = at;
                let full = list.walk(at as usize, End::Head, |element| {
                    next += 1;
                    match add(element.as_bytes()) {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                });
                (full.is_break() && next < list.len() as u64).then_some(next)
            }
            ObjectRef::SortedSet(set) => {
                let mut next = at;
                let full = set.iter(at as usize).any(|(member, _)| {
                    next += 1;
                    add(member)
                });
                (full && next < set.len() as u64).then_some(next)
            }
            ObjectRef::Set(set) => {
                let (mut cursor, mut full) = (at, false);
                loop {
                    cursor = set.scan(cursor, SCANNED, hasher, |member| {
                        full |= member.with(&mut add);
                    });
                    if cursor == 0 || full {
                        break (cursor != 0).then_some(cursor);
                    }
                }
            }
            ObjectRef::Hash(_) | ObjectRef::Stream(_) => None,
        };
        if is_number { Ok(next) } else { Err(Error::NOT_SCORES) }
    }

    /// Passes some elements in order, and calls `f` with those that are wanted until it returns
    /// true. Returns whether there are more.
    fn pass(&mut self, mut f: impl FnMut(&Gets, &[u8]) -> bool) -> bool {
        let RestOfSort { state, range, gets, runs, .. } = self;
        let State::Writes { passed } = state else { return false };
        for _ in 0..MERGED {
            let (wanted, mut is_enough) = (*passed >= range.start, *passed >= range.end);
            if is_enough {
                break;
            }
            runs.next(|(_, element)| is_enough = wanted && f(gets, element));
            *passed += 1;
            if is_enough {
                break;
            }
        }
        *passed < range.end
    }

    fn write_element(gets: &Gets, element: &[u8], reply: &mut Reply) {
        if gets.is_empty() {
            reply.bulk(element);
        }
        for is_element in gets {
            if *is_element { reply.bulk(element) } else { reply.null() }
        }
    }
}

impl Rest for RestOfSort {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let at = match self.state {
            State::Reads { at } => at,
            State::Writes { .. } => {
                let start = reply.len();
                return self.pass(|gets, element| {
                    RestOfSort::write_element(gets, element, reply);
                    reply.len() - start >= bytes
                });
            }
        };
        match self.read(at) {
            Ok(Some(next)) => self.state = State::Reads { at: next },
            Ok(None) => {
                self.runs.begin();
                reply.array(self.range.len() * self.gets.len().max(1));
                self.state = State::Writes { passed: 0 };
                return !self.range.is_empty();
            }
            Err(error) => {
                error.write(reply);
                return false;
            }
        }
        true
    }

    fn own_bytes(&self) -> usize {
        self.runs.allocated()
    }

    fn shed(&mut self) -> bool {
        self.runs.shed() || self.source.shed()
    }
}

/// Makes a list; an error where an element is no number.
struct Making {
    rest: RestOfSort,
    made: Result<List, Error>,
    limit: Limit,
}

impl Work for Making {
    fn go_on(&mut self) -> bool {
        let Making { rest, made, limit } = self;
        let Ok(list) = made else { return false };
        let State::Reads { at } = rest.state else {
            let mut bytes = 0;
            return rest.pass(|gets, element| {
                bytes += element.len();
                if gets.is_empty() {
                    list.push(End::Tail, element, *limit);
                }
                for is_element in gets {
                    list.push(End::Tail, if *is_element { element } else { b"" }, *limit);
                }
                bytes >= PIECE_BYTES
            });
        };
        match rest.read(at) {
            Ok(Some(at)) => rest.state = State::Reads { at },
            Ok(None) => {
                rest.runs.begin();
                rest.state = State::Writes { passed: 0 };
                return !rest.range.is_empty();
            }
            Err(error) => *made = Err(error),
        }
        made.is_ok()
    }

    fn take(&mut self) -> Result<Object, Error> {
        std::mem::replace(&mut self.made, Ok(List::default())).map(Object::List)
    }

    fn shed(&mut self) -> bool {
        self.made.as_mut().is_ok_and(List::shed) || self.rest.shed()
    }
}
