//! A search of an area with very many members around it: the sorted set stays as it was at the
//! moment of the command, and its members are looked at, sorted and written piece by piece, while
//! others are served: as a reply, or into a sorted set that is to be stored.

use super::cell::Place;
use super::cover::{self, Cells};
use super::query::{Query, Stored};
use super::search::{Found, write_found};
use super::shape::Shape;
use crate::commands::runs::{Compare, Runs};
use crate::commands::sorted_set::pieces::Made;
use crate::error::Error;
use crate::run::apart::Work;
use crate::run::call::Call;
use crate::spec::Key;
use crate::storage::value::Object;
use crate::storage::value::sorted_set::{SortedSet, order};
use redstart_protocol::{Reply, Rest};
use std::cmp::Ordering;

/// From so many members on that are to be looked at, the search is done in pieces.
const LARGE: usize = 16 * 1024;
/// Members that are looked at, written or stored at a time.
const TAKEN: usize = 4096;

/// Whether there are so many members around an area that it is to be searched in pieces.
pub fn is_large(set: &SortedSet, shape: &Shape) -> bool {
    let cells = cover::cells(shape);
    let around = cells.iter().map(|cell| {
        let scores = cell.scores();
        let below = |end: f64| set.count_scores(|score| score < end);
        below(scores.end) - below(scores.start)
    });
    set.len() >= LARGE && around.sum::<usize>() >= LARGE
}

/// Searches a part of the area, and leaves the others to the rest of the reply.
pub fn put_rest(call: &mut Call<'_>, source: Key<'_>, shape: Shape, query: Query) {
    let compare: Compare = match query.order() {
        None => |_, _| Ordering::Equal,
        Some(false) => |one, other| one.0.total_cmp(&other.0),
        Some(true) => |one, other| other.0.total_cmp(&one.0),
    };
    let walk = Walk::new(call, source, shape, &query, compare);
    call.reply.put_rest(Box::new(RestOfSearch { walk, query, left: None }));
}

/// Makes the sorted set of what is found.
pub fn making(call: &mut Call<'_>, source: Key<'_>, shape: Shape, query: &Query) -> Box<dyn Work> {
    let walk = Walk::new(call, source, shape, query, order);
    let unit_m = match query.stored {
        Some(Stored::Distances) => Some(query.unit_m),
        _ => None,
    };
    Box::new(Making { walk, unit_m, made: Made::new(call), is_sorted: false })
}

/// The walk over the members around an area.
struct Walk {
    set: SortedSet,
    shape: Shape,
    cells: Cells,
    /// Which cell is looked in.
    nth: usize,
    /// From which rank on; none where it was not begun.
    rank: Option<usize>,
    /// So many members will do.
    most: usize,
    found: usize,
    runs: Runs,
}

impl Walk {
    fn new(
        call: &mut Call<'_>,
        source: Key<'_>,
        shape: Shape,
        query: &Query,
        compare: Compare,
    ) -> Walk {
        Walk {
            set: call.space.freeze_ranked(source).unwrap_or_default(),
            cells: cover::cells(&shape),
            shape,
            nth: 0,
            rank: None,
            most: query.count.filter(|_| query.any).unwrap_or(usize::MAX),
            found: 0,
            runs: Runs::new(compare),
        }
    }

    /// Looks at some members, and puts those that are found into the runs by `f`, which returns
    /// whether a run is full. Returns whether there are more.
    fn go_on(&mut self, mut f: impl FnMut(&mut Runs, Found<'_>) -> bool) -> bool {
        let Walk { set, shape, cells, nth, rank, most, found, runs } = self;
        let Some(cell) = cells.get(*nth) else { return false };
        let scores = cell.scores();
        let first = rank.unwrap_or_else(|| set.count_scores(|score| score < scores.start));
        let (mut seen, mut is_full) = (0, false);
        for (member, score) in set.iter(first).take_while(|(_, score)| *score < scores.end) {
            if seen == TAKEN || is_full {
                *rank = Some(first + seen);
                return true;
            }
            seen += 1;
            let place = Place::of_score(score);
            if let Some(distance_m) = shape.reaches(place) {
                is_full = f(runs, Found { member, score, place, distance_m });
                *found += 1;
                if *found >= *most {
                    *nth = cells.len();
                    return false;
                }
            }
        }
        (*nth, *rank) = (*nth + 1, None);
        *nth < cells.len()
    }

    fn shed(&mut self) -> bool {
        self.runs.shed() || self.set.shed()
    }
}

struct RestOfSearch {
    walk: Walk,
    query: Query,
    /// How many members are yet to be written; none while they are looked for.
    left: Option<usize>,
}

impl Rest for RestOfSearch {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let RestOfSearch { walk, query, left } = self;
        let Some(left) = left else {
            let mut text = Vec::new();
            let more = walk.go_on(|runs, found| {
                text.clear();
                text.extend_from_slice(&found.score.to_le_bytes());
                text.extend_from_slice(found.member);
                runs.add(found.distance_m, &text)
            });
            if more {
                return true;
            }
            walk.runs.begin();
            let wanted = walk.found.min(query.count.unwrap_or(usize::MAX));
            reply.array(wanted);
            *left = Some(wanted);
            return wanted > 0;
        };
        let (start, mut written) = (reply.len(), 0);
        while written < (*left).min(TAKEN) && reply.len() - start < bytes {
            walk.runs.next(|(distance_m, text)| {
                let Some((score, member)) = text.split_first_chunk() else { return };
                let score = f64::from_le_bytes(*score);
                let place = Place::of_score(score);
                write_found(reply, query, &Found { member, score, place, distance_m });
            });
            written += 1;
        }
        *left -= written;
        *left > 0
    }

    fn own_bytes(&self) -> usize {
        self.walk.runs.allocated()
    }

    fn shed(&mut self) -> bool {
        self.walk.shed()
    }
}

struct Making {
    walk: Walk,
    /// The unit of the distances that are stored; none where cells are.
    unit_m: Option<f64>,
    made: Made,
    is_sorted: bool,
}

impl Work for Making {
    fn go_on(&mut self) -> bool {
        let Making { walk, unit_m, made, is_sorted } = self;
        if !*is_sorted {
            let score = |found: &Found<'_>| match *unit_m {
                Some(unit_m) => found.distance_m / unit_m,
                None => found.score,
            };
            let more = walk.go_on(|runs, found| runs.add(score(&found), found.member));
            if !more {
                walk.runs.begin();
                *is_sorted = true;
            }
            return true;
        }
        (0..TAKEN).all(|_| walk.runs.next(|(score, member)| made.push(member, score)))
    }

    fn take(&mut self) -> Result<Object, Error> {
        Ok(self.made.take())
    }

    fn shed(&mut self) -> bool {
        self.made.shed() || self.walk.shed()
    }
}
