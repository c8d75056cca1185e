//! GEOSEARCH and GEOSEARCHSTORE, and the search that all commands of this kind run.

use super::cell::Place;
use super::cover;
use super::look::{write_length, write_place};
use super::nearest::sort_first;
use super::pieces;
use super::query::{Form, Members, Query, Stored, stored_at};
use super::shape::Shape;
use crate::error::Error;
use crate::run::apart::Made;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::Entry;
use crate::storage::value::sorted_set::{Limits, SortedSet, order};
use crate::storage::value::{Object, ObjectRef};
use redstart_protocol::Reply;

/// GEOSEARCH key from shape [option ...]
pub static GEOSEARCH: DataCommand = declare("geosearch", Group::Geo, AtLeast(7))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("6.2.0")
    .complexity("O(N+log(M)) with N members around the area, of M.")
    .summary("Returns the members within a circle, a box or a polygon.")
    .syntax(
        "key [FROMMEMBER member | FROMLONLAT longitude latitude] <BYRADIUS radius <M | KM | FT | \
         MI> | BYBOX width height <M | KM | FT | MI> | BYPOLYGON num-vertices longitude latitude \
         [longitude latitude ...]> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] \
         [WITHHASH]",
    )
    .run(|call| search(call, Form::Search));

/// GEOSEARCHSTORE destination source from shape [option ...]
pub static GEOSEARCHSTORE: DataCommand = declare("geosearchstore", Group::Geo, AtLeast(8))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(1, OW | UPDATE), KeySpec::at(2, RO | ACCESS)])
    .since("6.2.0")
    .complexity("O(N+log(M)) with N members around the area, of M.")
    .summary("Stores the members within a circle, a box or a polygon.")
    .syntax(
        "destination source [FROMMEMBER member | FROMLONLAT longitude latitude] <BYRADIUS radius \
         <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI> | BYPOLYGON num-vertices \
         longitude latitude [longitude latitude ...]> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]",
    )
    .run(|call| search(call, Form::SearchStore));

/// A member that was found.
pub struct Found<'a> {
    pub member: &'a [u8],
    pub score: f64,
    pub place: Place,
    /// From the middle of the area, in metres.
    pub distance_m: f64,
}

/// Searches, and replies with what was found or stores it.
pub fn search(call: &mut Call<'_>, form: Form) -> Result<(), Error> {
    let (args, hasher) = (call.args, call.space.hasher());
    let limits = call.space.sorted_set_limits(call.options);
    let is_named = form == Form::SearchStore;
    let may_store = !is_named && call.command.is(WRITE);
    let source = call.key(is_named as usize);
    let set = call.space.read_sorted_set(source)?;
    let query = Query::parse(args, form, may_store, Members { set, hasher })?;
    let shape = query.shape();
    let is_large = set.zip(shape.as_ref()).is_some_and(|(set, shape)| {
        call.reply.takes_rest(usize::MAX) && pieces::is_large(set, shape)
    });
    let Some(stored) = query.stored else {
        match shape {
            Some(shape) if is_large => pieces::put_rest(call, source, shape, query),
            shape => {
                let found =
                    found(call.space.peek(source).and_then(sorted_set_in_entry), shape, &query);
                call.reply.array(found.len());
                found.iter().for_each(|found| write_found(call.reply, &query, found));
            }
        }
        return Ok(());
    };
    // Of the nearest ones the others are not known before the end.
    let is_large = is_large && query.count.is_none();
    let begin = |call: &mut Call<'_>| {
        let shape = query.shape().expect("what is large has a shape");
        pieces::making(call, source, shape, &query)
    };
    let result = match call.made_apart(&[source], is_large, begin)? {
        Made::Now(Object::SortedSet(made)) => made,
        Made::Later => return Ok(()),
        Made::Now(_) | Made::Never => {
            let set = call.space.peek(source).and_then(sorted_set_in_entry);
            collect(&found(set, shape, &query), stored, query.unit_m, limits)
        }
    };
    let (len, target) = (result.len(), call.key(!is_named as usize));
    if call.store_sorted_set(target, result) {
        call.space.count_changes(len);
        emit(call, form, stored);
    }
    Ok(())
}

/// The members that a query finds.
fn found<'a>(set: Option<&'a SortedSet>, shape: Option<Shape>, query: &Query) -> Vec<Found<'a>> {
    let mut found = match set.zip(shape) {
        Some((set, shape)) => find(set, &shape, query.count.filter(|_| query.any)),
        None => Vec::new(),
    };
    let wanted = query.count.unwrap_or(usize::MAX);
    if let Some(descends) = query.order() {
        sort(&mut found, wanted, descends);
    }
    found.truncate(wanted);
    found
}

/// The sorted set in an entry that was looked at.
fn sorted_set_in_entry(entry: &Entry) -> Option<&SortedSet> {
    match entry.object() {
        Some(ObjectRef::SortedSet(set)) => Some(set),
        _ => None,
    }
}

/// The request as its effect. Of an older command the key that it stored at stands last.
fn emit(call: &mut Call<'_>, form: Form, stored: Stored) {
    let args = call.args;
    let Some((at, _)) = stored_at(args, form.options_at()).filter(|_| form != Form::SearchStore)
    else {
        // Redis knows no polygons.
        return match args.from(3).iter().any(|arg| arg.eq_ignore_ascii_case(b"BYPOLYGON")) {
            true => call.emit_sorted_set(call.key(0)),
            false => call.emit_as_is(),
        };
    };
    let word = match stored {
        Stored::Cells => &b"STORE"[..],
        Stored::Distances => b"STOREDIST",
    };
    call.space.emit(|| {
        let others = args.first(at - 1).iter().chain(args.from(at + 1).iter());
        others.chain([word, args.at(at)])
    });
}

/// The members in an area, in the order in which they are come upon, and at most `most`.
fn find<'a>(set: &'a SortedSet, shape: &Shape, most: Option<usize>) -> Vec<Found<'a>> {
    let most = most.unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for cell in cover::cells(shape) {
        let scores = cell.scores();
        let first = set.count_scores(|score| score < scores.start);
        for (member, score) in set.iter(first).take_while(|(_, score)| *score < scores.end) {
            let place = Place::of_score(score);
            if let Some(distance_m) = shape.reaches(place) {
                found.push(Found { member, score, place, distance_m });
                if found.len() >= most {
                    return found;
                }
            }
        }
    }
    found
}

/// Sorts by distance, as far as so many are wanted.
fn sort(found: &mut [Found<'_>], wanted: usize, descends: bool) {
    sort_first(found, wanted, |one, other| {
        let order = one.distance_m.total_cmp(&other.distance_m);
        if descends { order.reverse() } else { order }
    });
}

/// What was found as a sorted set.
fn collect(found: &[Found<'_>], stored: Stored, unit_m: f64, limits: Limits<'_>) -> SortedSet {
    let score = |found: &Found<'_>| match stored {
        Stored::Cells => found.score,
        Stored::Distances => found.distance_m / unit_m,
    };
    let mut members: Vec<_> = found.iter().map(|found| (score(found), found.member)).collect();
    members.sort_unstable_by(|one, other| order(*one, *other));
    let mut set = SortedSet::default();
    set.extend(members.into_iter().map(|(score, member)| (member, score)), limits);
    set
}

/// Writes a member that was found, with what is wanted of it.
pub fn write_found(reply: &mut Reply, query: &Query, found: &Found<'_>) {
    let more = [query.with_distance, query.with_cell, query.with_place];
    let parts = more.iter().filter(|wanted| **wanted).count();
    if parts > 0 {
        reply.array(1 + parts);
    }
    reply.bulk(found.member);
    if query.with_distance {
        write_length(reply, found.distance_m / query.unit_m);
    }
    if query.with_cell {
        reply.integer(found.score as i64);
    }
    if query.with_place {
        write_place(reply, found.place);
    }
}
