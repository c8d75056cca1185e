//! What several sorted sets have in all, in common, or the first of them alone: its members with
//! their scores, in order.
//!
//! Members of a union are told apart by the keyspace's hash in a table that lives as long as the
//! command. What all sets have to have is looked up in them, from the smallest one.
//!
//! A set may stand for a sorted set: each of its members has the score one.

use crate::commands::set::access::set_of;
use crate::error::Error;
use crate::hasher::Hasher;
use crate::storage::entry::Entry;
use crate::storage::value::ObjectRef;
use crate::storage::value::set::SetRef;
use crate::storage::value::sorted_set::SortedSet;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

/// What is made of the sets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// What all of them have.
    Intersection,
    /// What any of them has.
    Union,
    /// What the first has, and no other.
    Difference,
}

/// How the scores of a member in several sets become one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// They are added.
    Sum,
    /// The smallest one counts.
    Min,
    /// The largest one counts.
    Max,
    /// The scores do not count: each set gives its weight.
    Count,
}

impl Aggregate {
    /// Reads the word behind AGGREGATE.
    pub fn parse(word: &[u8]) -> Result<Aggregate, Error> {
        let known = [
            (&b"SUM"[..], Aggregate::Sum),
            (b"MIN", Aggregate::Min),
            (b"MAX", Aggregate::Max),
            (b"COUNT", Aggregate::Count),
        ];
        let found = known.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        found.map(|(_, aggregate)| aggregate).ok_or(Error::SYNTAX)
    }

    /// What a set with this weight gives to a member with this score: nothing times infinity is no
    /// number.
    #[inline]
    pub fn share(self, weight: f64, score: f64) -> f64 {
        if self == Aggregate::Count { weight } else { weight * score }
    }

    /// One score of two. What is no number is zero in a sum; in the others it does not count.
    #[inline]
    pub fn join(self, own: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum | Aggregate::Count => number_or_zero(own + other),
            Aggregate::Min => {
                if other < own {
                    other
                } else {
                    own
                }
            }
            Aggregate::Max => {
                if other > own {
                    other
                } else {
                    own
                }
            }
        }
    }
}

/// What is no number is zero.
#[inline]
pub fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A set that something is made of.
#[derive(Clone, Copy)]
pub enum Source<'s> {
    /// The key is not there.
    Missing,
    /// A sorted set.
    Sorted(&'s SortedSet),
    /// A set.
    Plain(SetRef<'s>),
}

impl<'s> Source<'s> {
    /// The set in an entry; WRONGTYPE when it is something else.
    pub fn of(entry: Option<&'s Entry>) -> Result<Source<'s>, Error> {
        let Some(entry) = entry else { return Ok(Source::Missing) };
        match entry.object() {
            Some(ObjectRef::SortedSet(set)) => Ok(Source::Sorted(set)),
            _ => set_of(entry).map(Source::Plain),
        }
    }

    /// The number of its members.
    pub fn len(self) -> usize {
        match self {
            Source::Missing => 0,
            Source::Sorted(set) => set.len(),
            Source::Plain(set) => set.len(),
        }
    }

    /// The bytes taken from the allocator.
    pub fn allocated(self) -> usize {
        match self {
            Source::Missing => 0,
            Source::Sorted(set) => set.allocated(),
            Source::Plain(set) => set.allocated(),
        }
    }

    #[inline]
    fn score(self, member: &[u8], hasher: &Hasher) -> Option<f64> {
        match self {
            Source::Missing => None,
            Source::Sorted(set) => set.score(member, hasher),
            Source::Plain(set) => set.contains(member, hasher).then_some(1.0),
        }
    }

    /// The members of a plain set, one behind the other, and where each ends.
    fn texts(self) -> Texts {
        let mut texts = Texts::default();
        if let Source::Plain(set) = self {
            set.for_each(|member| {
                member.with(|text| texts.bytes.extend_from_slice(text));
                texts.ends.push(texts.bytes.len());
            });
        }
        texts
    }

    /// Calls `f` with each member and its score; those of a plain set are in `texts`.
    #[inline]
    fn each<'a>(self, texts: &'a Texts, mut f: impl FnMut(&'a [u8], f64))
    where
        's: 'a,
    {
        if let Source::Sorted(set) = self {
            set.iter(0).for_each(|(member, score)| f(member, score));
        }
        let mut start = 0;
        for end in &texts.ends {
            f(&texts.bytes[start..*end], 1.0);
            start = *end;
        }
    }
}

/// Members of a plain set.
#[derive(Default)]
pub struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// A member of the result.
pub type Scored<'a> = (f64, &'a [u8]);

/// The same members in order: by score, which an integer stands for, and equal ones by text.
fn in_order(members: Vec<Scored<'_>>) -> Vec<Scored<'_>> {
    const SIGN: u64 = 1 << 63;
    let key = |score: f64| {
        // Minus zero is zero.
        let bits = (score + 0.0).to_bits();
        if bits & SIGN == 0 { bits | SIGN } else { !bits }
    };
    let keys = members.iter().zip(0u32..).map(|((score, _), at)| (key(*score), at));
    let mut keys: Vec<(u64, u32)> = keys.collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    let mut sorted: Vec<Scored<'_>> = keys.iter().map(|(_, at)| members[*at as usize]).collect();
    for equal in sorted.chunk_by_mut(|one, other| one.0 == other.0).filter(|run| run.len() > 1) {
        equal.sort_unstable_by_key(|(_, member)| *member);
    }
    sorted
}

/// The sets, the ones with fewer members first, and what they give.
pub struct Inputs<'s> {
    sources: Vec<(Source<'s>, f64)>,
    aggregate: Aggregate,
    hasher: &'s Hasher,
}

impl<'s> Inputs<'s> {
    /// The sets with their weights.
    pub fn new(
        sources: Vec<Source<'s>>,
        weights: Vec<f64>,
        aggregate: Aggregate,
        hasher: &'s Hasher,
    ) -> Inputs<'s> {
        Inputs { sources: sources.into_iter().zip(weights).collect(), aggregate, hasher }
    }

    /// The texts of plain sets that [`Inputs::gather`] walks over.
    pub fn texts(&self, of: Of) -> Vec<Texts> {
        let sources = self.sources.iter().map(|(source, _)| *source);
        match of {
            Of::Union => sources.map(Source::texts).collect(),
            Of::Difference => sources.take(1).map(Source::texts).collect(),
            Of::Intersection => vec![self.by_size()[0].0.texts()],
        }
    }

    /// The sources with the fewest members first: scores are added in this order.
    fn by_size(&self) -> Vec<(Source<'s>, f64)> {
        let mut sources = self.sources.clone();
        sources.sort_by_key(|(source, _)| source.len());
        sources
    }

    /// What is made of the sets, in order.
    pub fn gather<'a>(&self, of: Of, texts: &'a [Texts]) -> Vec<Scored<'a>>
    where
        's: 'a,
    {
        in_order(match of {
            Of::Union => self.union(texts),
            Of::Intersection => self.intersection(&texts[0], usize::MAX),
            Of::Difference => self.difference(&texts[0]),
        })
    }

    fn union<'a>(&self, texts: &'a [Texts]) -> Vec<Scored<'a>>
    where
        's: 'a,
    {
        let mut sources: Vec<_> = self.sources.iter().zip(texts).collect();
        sources.sort_by_key(|((source, _), _)| source.len());
        let (aggregate, hasher) = (self.aggregate, self.hasher);
        let most = sources.iter().map(|((source, _), _)| source.len()).sum();
        let mut members: Vec<Scored<'a>> = Vec::with_capacity(most);
        let mut hashes: Vec<u64> = Vec::with_capacity(most);
        let mut table: HashTable<u32> = HashTable::with_capacity(most);
        for ((source, weight), texts) in sources {
            source.each(texts, |member, score| {
                let share = number_or_zero(aggregate.share(*weight, score));
                let hash = hasher.hash(member);
                let is_same = |at: &u32| members[*at as usize].1 == member;
                match table.entry(hash, is_same, |at| hashes[*at as usize]) {
                    Place::Occupied(place) => {
                        let own = &mut members[*place.get() as usize].0;
                        *own = aggregate.join(*own, share);
                    }
                    Place::Vacant(place) => {
                        place.insert(members.len() as u32);
                        members.push((share, member));
                        hashes.push(hash);
                    }
                }
            });
        }
        members
    }

    fn intersection<'a>(&self, texts: &'a Texts, most: usize) -> Vec<Scored<'a>>
    where
        's: 'a,
    {
        let sources = self.by_size();
        let ((first, weight), others) = (sources[0], &sources[1..]);
        let (aggregate, hasher) = (self.aggregate, self.hasher);
        let mut members: Vec<Scored<'a>> = Vec::new();
        first.each(texts, |member, score| {
            if members.len() >= most {
                return;
            }
            let mut joined = number_or_zero(aggregate.share(weight, score));
            for (other, weight) in others {
                let Some(score) = other.score(member, hasher) else { return };
                joined = aggregate.join(joined, aggregate.share(*weight, score));
            }
            members.push((joined, member));
        });
        members
    }

    /// The number of members that all sets have, at most `most`.
    pub fn count(&self, most: usize) -> usize {
        self.intersection(&self.texts(Of::Intersection)[0], most).len()
    }

    fn difference<'a>(&self, texts: &'a Texts) -> Vec<Scored<'a>>
    where
        's: 'a,
    {
        let (first, others) = (self.sources[0].0, &self.sources[1..]);
        let mut members = Vec::new();
        first.each(texts, |member, score| {
            if others.iter().all(|(other, _)| other.score(member, self.hasher).is_none()) {
                members.push((score, member));
            }
        });
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::value::sorted_set::order;

    #[test]
    fn members_are_sorted_by_score_then_text() {
        let mut random = fastrand::Rng::with_seed(3);
        let texts: Vec<String> = (0..3000).map(|n| format!("{}", n * 7919 % 3001)).collect();
        for scores in [2, 50, 1_000_000] {
            let mut members: Vec<Scored<'_>> = Vec::new();
            for text in &texts {
                let score = match random.u8(..9) {
                    0 => f64::INFINITY,
                    1 => f64::NEG_INFINITY,
                    2 => 0.0,
                    3 => -0.0,
                    _ => (random.i64(-scores..scores) as f64) / 3.0,
                };
                members.push((score, text.as_bytes()));
            }
            let sorted = in_order(members.clone());
            members.sort_by(|one, other| order(*one, *other));
            assert_eq!(sorted, members);
        }
    }
}
