//! What is made of several sorted sets, where they are large: the sets stay as they were at the
//! moment of the command, and are gathered, sorted and written piece by piece, while others are
//! served: as a reply, or into a sorted set that is to be stored.
//!
//! ```text
//! sets, one behind the other  ->  parts by the members' hashes  ->  sorted runs  ->  the result
//! ```
//!
//! Copies of sorted sets can be walked over, but nothing can be looked up in them. So the first set
//! is put into the parts, and the members of the others are looked up there. A part has some
//! hundred members: none ever takes long to grow.

use super::arguments::{write_head, write_member};
use super::gather::{Aggregate, Of, number_or_zero};
use crate::commands::runs::{Runs, Scored};
use crate::commands::set::pieces::frozen;
use crate::error::Error;
use crate::hasher::Hasher;
use crate::run::apart::Work;
use crate::run::call::Call;
use crate::spec::Key;
use crate::storage::value::Object;
use crate::storage::value::set::Set;
use crate::storage::value::sorted_set::{Limits, SortedSet};
use hashbrown::HashTable;
use redstart_protocol::{Reply, Rest};
use std::cmp::Ordering;

/// Members that are looked at between two turns of others, and bytes of them.
const TAKEN: usize = 4096;
const TAKEN_BYTES: usize = 1 << 20;
/// Members of a plain set that are looked at before it is looked how many they were.
const SCANNED: u64 = 64;
/// Members in a part, about, and the most parts.
const PART_LEN: usize = 256;
const PARTS_MAX: usize = 1 << 16;
/// Which bits of a hash tell the part: others tell the place in it.
const PART_SHIFT: u32 = 24;

/// What is wanted of the sets.
pub struct Wanted {
    pub of: Of,
    /// The sets' weights, in the order of their keys.
    pub weights: Vec<f64>,
    pub aggregate: Aggregate,
    pub with_scores: bool,
    /// Only the number of members is replied, up to this one.
    pub counted: Option<usize>,
}

/// Gathers the first members of sets whose keys were looked up, and leaves the others to the rest
/// of the reply.
pub fn put_rest(call: &mut Call<'_>, keys: &[Key<'_>], wanted: Wanted) {
    let rest = RestOfSets::new(call, keys, wanted);
    call.reply.put_rest(Box::new(rest));
}

/// Makes a sorted set of sets whose keys were looked up.
pub fn making(call: &mut Call<'_>, keys: &[Key<'_>], wanted: Wanted) -> Box<dyn Work> {
    let rest = RestOfSets::new(call, keys, wanted);
    Box::new(Making { rest, made: Made::new(call) })
}

impl RestOfSets {
    fn new(call: &mut Call<'_>, keys: &[Key<'_>], wanted: Wanted) -> RestOfSets {
        let sets = keys.iter().map(|key| Frozen::of(call, *key));
        let mut sources: Vec<(Frozen, f64)> = sets.zip(wanted.weights.iter().copied()).collect();
        // Scores are added in this order.
        if wanted.of != Of::Difference {
            sources.sort_by_key(|(set, _)| set.len());
        }
        let first = sources.first().map_or(0, |(set, _)| set.len());
        let most = match wanted.of {
            Of::Union => sources.iter().map(|(set, _)| set.len()).sum(),
            Of::Intersection | Of::Difference => first,
        };
        let parts = (most / PART_LEN).next_power_of_two().min(PARTS_MAX);
        RestOfSets {
            wanted,
            hasher: call.space.hasher().clone(),
            sources,
            state: State::Gathers { nth: 0, at: 0 },
            parts: (0..parts).map(|_| Part::default()).collect(),
            bytes: 0,
            found: 0,
            runs: Runs::new(in_order),
        }
    }
}

fn in_order(one: Scored<'_>, other: Scored<'_>) -> Ordering {
    one.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal).then_with(|| one.1.cmp(other.1))
}

/// A copy of a set of the moment of the command.
enum Frozen {
    Missing,
    Sorted(SortedSet),
    Plain(Set),
}

impl Frozen {
    fn of(call: &mut Call<'_>, key: Key<'_>) -> Frozen {
        match call.space.freeze_ranked(key) {
            Some(set) => Frozen::Sorted(set),
            None => frozen(call, key).map_or(Frozen::Missing, Frozen::Plain),
        }
    }

    fn len(&self) -> usize {
        match self {
            Frozen::Missing => 0,
            Frozen::Sorted(set) => set.len(),
            Frozen::Plain(set) => set.len(),
        }
    }

    /// Calls `f` with members and their scores from a rank or a cursor on, until it returns true.
    /// Returns where to go on; none at the end.
    fn walk(&self, at: u64, hasher: &Hasher, mut f: impl FnMut(&[u8], f64) -> bool) -> Option<u64> {
        match self {
            Frozen::Missing => None,
            Frozen::Sorted(set) => {
                let mut next = at;
                set.iter(at as usize).any(|(member, score)| {
                    next += 1;
                    f(member, score)
                });
                (next < set.len() as u64).then_some(next)
            }
            Frozen::Plain(set) => {
                let (mut cursor, mut is_enough) = (at, false);
                loop {
                    cursor = set.view().scan(cursor, SCANNED, hasher, |member| {
                        member.with(|text| is_enough |= f(text, 1.0));
                    });
                    if cursor == 0 || is_enough {
                        return (cursor != 0).then_some(cursor);
                    }
                }
            }
        }
    }

    fn shed(&mut self) -> bool {
        match self {
            Frozen::Missing => false,
            Frozen::Sorted(set) => set.shed(),
            Frozen::Plain(set) => set.shed(),
        }
    }
}

/// The members whose hashes have some bits in common.
#[derive(Default)]
struct Part {
    texts: Vec<u8>,
    items: Vec<Item>,
    table: HashTable<u32>,
}

struct Item {
    hash: u64,
    score: f64,
    /// Where the text lies.
    from: usize,
    len: usize,
    /// How many sets have it, as far as they were walked over in a row; zero if it is not wanted.
    sets: u32,
}

impl Part {
    fn text(texts: &[u8], item: &Item) -> std::ops::Range<usize> {
        debug_assert!(item.from + item.len <= texts.len());
        item.from..item.from + item.len
    }

    fn find(&mut self, hash: u64, member: &[u8]) -> Option<&mut Item> {
        let Part { texts, items, table } = self;
        let is_same = |at: &u32| {
            let item = &items[*at as usize];
            item.hash == hash && texts[Part::text(texts, item)] == *member
        };
        let at = *table.find(hash, is_same)? as usize;
        items.get_mut(at)
    }

    fn add(&mut self, hash: u64, member: &[u8], score: f64) {
        let item = Item { hash, score, from: self.texts.len(), len: member.len(), sets: 1 };
        self.texts.extend_from_slice(member);
        let items = &mut self.items;
        items.push(item);
        let at = items.len() as u32 - 1;
        self.table.insert_unique(hash, at, |at| items[*at as usize].hash);
    }
}

#[derive(Clone, Copy)]
enum State {
    /// Members of a set are gathered from a place on.
    Gathers { nth: usize, at: u64 },
    /// The parts from this one on are put into the runs.
    Sorts { part: usize },
    /// So many members are yet to be written.
    Writes { left: usize },
}

struct RestOfSets {
    wanted: Wanted,
    hasher: Hasher,
    sources: Vec<(Frozen, f64)>,
    state: State,
    parts: Vec<Part>,
    /// The bytes in the parts, about.
    bytes: usize,
    /// How many members the result has, as far as that is known.
    found: usize,
    runs: Runs,
}

impl RestOfSets {
    /// Gathers some members. Returns where to go on; none when all were.
    fn gather(&mut self, nth: usize, at: u64) -> Option<(usize, u64)> {
        let RestOfSets { wanted, hasher, sources, parts, bytes, .. } = self;
        let (set, weight) = sources.get(nth)?;
        let (mask, mut count, mut seen_bytes) = (parts.len() as u64 - 1, 0, 0);
        let next = set.walk(at, hasher, |member, score| {
            let share = wanted.aggregate.share(*weight, score);
            let hash = hasher.hash(member);
            let part = &mut parts[(hash >> PART_SHIFT & mask) as usize];
            match (part.find(hash, member), wanted.of) {
                (Some(item), Of::Union) => {
                    item.score = wanted.aggregate.join(item.score, number_or_zero(share));
                }
                (Some(item), Of::Intersection) if item.sets as usize == nth => {
                    item.score = wanted.aggregate.join(item.score, share);
                    item.sets += 1;
                }
                (Some(item), Of::Difference) => item.sets = 0,
                (None, of) if nth == 0 || of == Of::Union => {
                    part.add(hash, member, number_or_zero(share));
                    *bytes += size_of::<Item>() + member.len();
                }
                _ => {}
            }
            (count, seen_bytes) = (count + 1, seen_bytes + member.len());
            count >= TAKEN || seen_bytes >= TAKEN_BYTES
        });
        match next {
            Some(at) => Some((nth, at)),
            None => (nth + 1 < sources.len()).then_some((nth + 1, 0)),
        }
    }

    /// Puts what is wanted of some parts into the runs. Returns whether parts are left.
    fn sort(&mut self, from: usize) -> bool {
        let RestOfSets { wanted, sources, parts, bytes, found, runs, .. } = self;
        let sets = if wanted.of == Of::Intersection { sources.len() as u32 } else { 1 };
        let (mut at, mut seen) = (from, 0);
        while at < parts.len() && seen < TAKEN {
            let Part { texts, items, .. } = std::mem::take(&mut parts[at]);
            let mut is_full = false;
            for item in items.iter().filter(|item| item.sets == sets) {
                *found += 1;
                if wanted.counted.is_none() {
                    is_full |= runs.add(item.score, &texts[Part::text(&texts, item)]);
                }
            }
            *bytes = bytes.saturating_sub(items.len() * size_of::<Item>() + texts.len());
            (at, seen) = (at + 1, seen + items.len() + 1);
            if is_full {
                break;
            }
        }
        self.state = State::Sorts { part: at };
        at < self.parts.len()
    }

    /// Gathers or sorts a piece. Returns whether there is more of that.
    fn prepare(&mut self) -> bool {
        let state = self.state;
        match state {
            State::Gathers { nth, at } => {
                self.state = match self.gather(nth, at) {
                    Some((nth, at)) => State::Gathers { nth, at },
                    None => State::Sorts { part: 0 },
                };
                true
            }
            State::Sorts { part } if self.sort(part) => true,
            State::Sorts { .. } => {
                self.runs.begin();
                self.state = State::Writes { left: self.found };
                false
            }
            State::Writes { .. } => false,
        }
    }

    /// Everything is sorted. Returns whether members are to be written.
    fn begin(&mut self, reply: &mut Reply) -> bool {
        if let Some(most) = self.wanted.counted {
            reply.integer(self.found.min(most) as i64);
            return false;
        }
        write_head(reply, self.found, self.wanted.with_scores);
        self.found > 0
    }
}

impl Rest for RestOfSets {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let State::Writes { left } = self.state else {
            return self.prepare() || self.begin(reply);
        };
        let (start, mut written) = (reply.len(), 0);
        while written < left.min(TAKEN) && reply.len() - start < bytes {
            let with_scores = self.wanted.with_scores;
            self.runs.next(|(score, member)| write_member(reply, member, score, with_scores));
            written += 1;
        }
        self.state = State::Writes { left: left - written };
        left > written
    }

    fn own_bytes(&self) -> usize {
        self.bytes + self.runs.allocated()
    }

    fn shed(&mut self) -> bool {
        if self.runs.shed() || self.parts.pop().is_some() {
            return true;
        }
        while let Some((set, _)) = self.sources.last_mut() {
            if set.shed() {
                return true;
            }
            self.sources.pop();
        }
        false
    }
}

/// A sorted set that comes to be, in order.
pub struct Made {
    set: SortedSet,
    hasher: Hasher,
    limits: (usize, usize),
}

impl Made {
    /// An empty one.
    pub fn new(call: &Call<'_>) -> Made {
        let Limits { members, bytes, hasher } = call.space.sorted_set_limits(call.options);
        Made { set: SortedSet::default(), hasher: hasher.clone(), limits: (members, bytes) }
    }

    /// Adds a member behind all others.
    pub fn push(&mut self, member: &[u8], score: f64) {
        let Made { set, hasher, limits: (members, bytes) } = self;
        set.push(member, score, Limits { members: *members, bytes: *bytes, hasher });
    }

    /// Takes it.
    pub fn take(&mut self) -> Object {
        Object::SortedSet(std::mem::take(&mut self.set))
    }

    /// See [`Object::shed`].
    pub fn shed(&mut self) -> bool {
        self.set.shed()
    }
}

struct Making {
    rest: RestOfSets,
    made: Made,
}

impl Work for Making {
    fn go_on(&mut self) -> bool {
        let Making { rest, made } = self;
        let State::Writes { left } = rest.state else { return rest.prepare() || rest.found > 0 };
        let (mut count, mut bytes) = (0, 0);
        while count < left.min(TAKEN) && bytes < TAKEN_BYTES {
            rest.runs.next(|(score, member)| {
                made.push(member, score);
                bytes += member.len();
            });
            count += 1;
        }
        rest.state = State::Writes { left: left - count };
        left > count
    }

    fn take(&mut self) -> Result<Object, Error> {
        Ok(self.made.take())
    }

    fn shed(&mut self) -> bool {
        self.made.shed() || self.rest.shed()
    }
}
