//! Sets of several keys together: what they have in common, what they have in all, what the first
//! has alone.
//!
//! Nothing is built to be counted or returned: each member of a set is looked up in the others,
//! whose tables have it at the same place, because all are hashed alike. Only what is to be stored
//! becomes a set.

use super::access::{limits, put_set, read_set, set_of, write_member};
use super::pieces;
use super::whole::append;
use crate::error::Error;
use crate::hasher::Hasher;
use crate::run::apart::Made;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::set::{Limits, Member, Set, SetRef};
use crate::storage::value::{Object, Type};
use redstart_protocol::{Reply, parse_i64};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// What is made of the sets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Intersection,
    Union,
    Difference,
}

const READS: &[KeySpec] = &[KeySpec::from(1, 1, RO | ACCESS)];
const STORES: &[KeySpec] = &[KeySpec::at(1, OW | UPDATE), KeySpec::from(2, 1, RO | ACCESS)];
const COUNTS: &[KeySpec] = &[KeySpec::counted(1, 1, RO | ACCESS)];

/// SINTER key [key ...]
pub static SINTER: DataCommand = declare("sinter", Group::Set, AtLeast(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(READS)
    .since("1.0.0")
    .complexity("O(N*M) with N members in the smallest of M sets.")
    .summary("Returns the members that several sets have in common.")
    .syntax("key [key ...]")
    .run(|call| list(call, Of::Intersection));

/// SUNION key [key ...]
pub static SUNION: DataCommand = declare("sunion", Group::Set, AtLeast(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(READS)
    .since("1.0.0")
    .complexity("O(N) with N members in all sets; each set costs a look-up in those before it.")
    .summary("Returns the members of several sets, each once.")
    .syntax("key [key ...]")
    .run(|call| list(call, Of::Union));

/// SDIFF key [key ...]
pub static SDIFF: DataCommand = declare("sdiff", Group::Set, AtLeast(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(READS)
    .since("1.0.0")
    .complexity("O(N*M) with N members in the first of M sets.")
    .summary("Returns the members of a set that several others do not have.")
    .syntax("key [key ...]")
    .run(|call| list(call, Of::Difference));

/// SINTERSTORE destination key [key ...]
pub static SINTERSTORE: DataCommand = declare("sinterstore", Group::Set, AtLeast(3))
    .flags(WRITE | DENYOOM)
    .keys(STORES)
    .since("1.0.0")
    .complexity("O(N*M) with N members in the smallest of M sets.")
    .summary("Stores the members that several sets have in common.")
    .syntax("destination key [key ...]")
    .run(|call| store(call, Of::Intersection));

/// SUNIONSTORE destination key [key ...]
pub static SUNIONSTORE: DataCommand = declare("sunionstore", Group::Set, AtLeast(3))
    .flags(WRITE | DENYOOM)
    .keys(STORES)
    .since("1.0.0")
    .complexity("O(N) with N members in all sets.")
    .summary("Stores the members of several sets.")
    .syntax("destination key [key ...]")
    .run(|call| store(call, Of::Union));

/// SDIFFSTORE destination key [key ...]
pub static SDIFFSTORE: DataCommand = declare("sdiffstore", Group::Set, AtLeast(3))
    .flags(WRITE | DENYOOM)
    .keys(STORES)
    .since("1.0.0")
    .complexity("O(N*M) with N members in the first of M sets.")
    .summary("Stores the members of a set that several others do not have.")
    .syntax("destination key [key ...]")
    .run(|call| store(call, Of::Difference));

/// SINTERCARD numkeys key [key ...] [LIMIT limit]
pub static SINTERCARD: DataCommand = declare("sintercard", Group::Set, AtLeast(3))
    .flags(READONLY)
    .keys(COUNTS)
    .since("7.0.0")
    .complexity("O(N*M) with N members in the smallest of M sets.")
    .summary("Tells how many members several sets have in common.")
    .syntax("numkeys key [key ...] [LIMIT limit]")
    .run(|call| count(call, Of::Intersection));

/// SUNIONCARD numkeys key [key ...] [APPROX] [LIMIT limit]
pub static SUNIONCARD: DataCommand = declare("sunioncard", Group::Set, AtLeast(3))
    .flags(READONLY)
    .keys(COUNTS)
    .since("8.10.0")
    .complexity("O(N) with N members in all sets; each set costs a look-up in those before it.")
    .summary("Tells how many different members several sets have. APPROX is as exact.")
    .syntax("numkeys key [key ...] [APPROX] [LIMIT limit]")
    .run(|call| count(call, Of::Union));

/// SDIFFCARD numkeys key [key ...] [LIMIT limit]
pub static SDIFFCARD: DataCommand = declare("sdiffcard", Group::Set, AtLeast(3))
    .flags(READONLY)
    .keys(COUNTS)
    .since("8.10.0")
    .complexity("O(N*M) with N members in the first of M sets.")
    .summary("Tells how many members a set has that several others do not have.")
    .syntax("numkeys key [key ...] [LIMIT limit]")
    .run(|call| count(call, Of::Difference));

/// Looks all keys from the `first` declared one on up: what has expired is gone afterwards, and a
/// wrong type is an error. Returns them, of those behind the first one each once.
fn look_up<'a>(call: &mut Call<'a>, first: usize) -> Result<Vec<Key<'a>>, Error> {
    const FEW: usize = 8;
    let mut keys: Vec<Key<'a>> = call.keys().skip(first).collect();
    for key in &keys {
        read_set(&mut call.space, *key)?;
    }
    // The same set again changes nothing, however often it is named.
    if keys.len() > FEW {
        let (mut seen, mut nth) = (HashSet::new(), 0);
        keys.retain(|key| {
            nth += 1;
            nth == 1 || seen.insert(key.bytes)
        });
    }
    Ok(keys)
}

/// The sets of keys that were looked up; None for a key that is not there.
fn sets<'s>(call: &'s Call<'_>, keys: &[Key<'_>]) -> Vec<Option<SetRef<'s>>> {
    let set = |key: &Key<'_>| call.space.peek(*key).and_then(|entry| set_of(entry).ok());
    keys.iter().map(set).collect()
}

/// Calls `f` with each member of what is made of the sets, once, until it breaks.
fn each(
    of: Of,
    sets: &[Option<SetRef<'_>>],
    hasher: &Hasher,
    f: &mut dyn FnMut(Member<'_>) -> ControlFlow<()>,
) {
    let _ = match of {
        Of::Intersection => {
            let mut there: Vec<SetRef<'_>> = sets.iter().copied().flatten().collect();
            if there.len() < sets.len() {
                return;
            }
            there.sort_by_key(|set| set.len());
            let (smallest, others) = there.split_first().expect("there is a key at least");
            let Some((second, others)) = others.split_first() else {
                let _ = smallest.walk(f);
                return;
            };
            smallest.compare(*second, true, hasher, |member| {
                match others.iter().all(|other| other.has(member, hasher)) {
                    true => f(member),
                    false => ControlFlow::Continue(()),
                }
            })
        }
        Of::Union => {
            (0..sets.len()).try_for_each(|nth| without(sets[nth], &sets[..nth], hasher, f))
        }
        Of::Difference => without(sets[0], &sets[1..], hasher, f),
    };
}

/// Calls `f` with each member of a set that none of the others has, until it breaks.
fn without(
    set: Option<SetRef<'_>>,
    others: &[Option<SetRef<'_>>],
    hasher: &Hasher,
    f: &mut dyn FnMut(Member<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some(set) = set else { return ControlFlow::Continue(()) };
    let there = others.iter().rposition(Option::is_some);
    let Some((Some(last), others)) = there.and_then(|at| others[..=at].split_last()) else {
        return set.walk(f);
    };
    set.compare(*last, false, hasher, |member| match lacks(others, member, hasher) {
        true => f(member),
        false => ControlFlow::Continue(()),
    })
}

/// Whether none of the sets has the member.
pub fn lacks(sets: &[Option<SetRef<'_>>], member: Member<'_>, hasher: &Hasher) -> bool {
    !sets.iter().flatten().any(|set| set.has(member, hasher))
}

/// Half the bytes of what is walked over: members are looked up faster than they are sent.
fn bytes_to_walk(of: Of, sets: &[Option<SetRef<'_>>]) -> usize {
    let bytes = |set: &Option<SetRef<'_>>| set.map_or(0, |set| set.allocated() / 2);
    match of {
        Of::Intersection => sets.iter().map(bytes).min().unwrap_or(0),
        Of::Union => sets.iter().map(bytes).sum(),
        Of::Difference => bytes(&sets[0]),
    }
}

fn list(call: &mut Call<'_>, of: Of) -> Result<(), Error> {
    let keys = look_up(call, 0)?;
    let sets = sets(call, &keys);
    // Integers stay in order.
    let are_integers = |set: &SetRef<'_>| matches!(set, SetRef::Integers(_));
    let stays_in_order = of == Of::Union && sets.iter().flatten().all(are_integers);
    if !stays_in_order && call.reply.takes_rest(bytes_to_walk(of, &sets)) {
        pieces::put_rest(call, of, &keys, None);
        return Ok(());
    }
    let (mut len, mut members) = (0, Reply::new(call.reply.protocol()));
    let united =
        stays_in_order.then(|| make(of, &sets, Limits { integers: usize::MAX, ..limits(call) }));
    let sets = united.as_ref().map_or(sets, |united| vec![Some(united.view())]);
    each(of, &sets, call.space.hasher(), &mut |member| {
        len += 1;
        write_member(&mut members, member);
        ControlFlow::Continue(())
    });
    call.reply.set(len);
    append(call.reply, &members);
    Ok(())
}

fn count(call: &mut Call<'_>, of: Of) -> Result<(), Error> {
    let args = call.args;
    let keys = parse_i64(args.at(1)).filter(|keys| *keys > 0).ok_or(Error::NUMKEYS)?;
    if keys as u64 > args.len() as u64 - 2 {
        return Err(Error::NUMKEYS_BEYOND);
    }
    let (mut at, mut most) = (2 + keys as usize, 0);
    while let Some(word) = args.get(at) {
        if word.eq_ignore_ascii_case(b"LIMIT") && at + 1 < args.len() {
            let limit = parse_i64(args.at(at + 1)).filter(|limit| *limit >= 0);
            most = limit.ok_or(Error::NEGATIVE_LIMIT)?;
            at += 2;
        } else if of == Of::Union && word.eq_ignore_ascii_case(b"APPROX") {
            at += 1;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let keys = look_up(call, 0)?;
    let sets = sets(call, &keys);
    if call.reply.takes_rest(bytes_to_walk(of, &sets)) {
        pieces::put_rest(call, of, &keys, Some(most));
        return Ok(());
    }
    let mut count = 0;
    each(of, &sets, call.space.hasher(), &mut |_| {
        count += 1;
        if count == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    call.reply.integer(count);
    Ok(())
}

fn store(call: &mut Call<'_>, of: Of) -> Result<(), Error> {
    let keys = look_up(call, 1)?;
    let (limits, there) = (limits(call), sets(call, &keys));
    let is_large = call.reply.takes_rest(bytes_to_walk(of, &there));
    let takes_away = of == Of::Difference && there[0].is_some_and(|set| takes_away(set, &there));
    let read: Vec<Key<'_>> = call.keys().skip(1).collect();
    let begin = |call: &mut Call<'_>| pieces::making(call, of, &keys, takes_away);
    let made = match call.made_apart(&read, is_large, begin)? {
        Made::Now(Object::Set(made)) => made,
        Made::Later => return Ok(()),
        Made::Now(_) | Made::Never => make(of, &sets(call, &keys), limits),
    };
    let target = call.key(0);
    let slot = call.space.find(target);
    call.reply.integer(made.len() as i64);
    match slot {
        Some(slot) if made.is_empty() => {
            call.space.remove(target, slot);
            call.space.count_changes(1);
            call.space.emit(|| [&b"DEL"[..], target.bytes]);
        }
        None if made.is_empty() => {}
        slot => {
            call.space.note_overwrite(target, slot, Type::Set);
            put_set(&mut call.space, target, slot, made);
            call.space.count_changes(1);
            call.emit_as_is();
        }
    }
    Ok(())
}

/// The set that is made of the sets. Its form is the one that it has grown into, so a difference is
/// made as Redis makes it.
fn make(of: Of, sets: &[Option<SetRef<'_>>], limits: Limits<'_>) -> Set {
    let mut made = Set::default();
    let mut add = |member: Member<'_>| {
        made.add_member(member, limits);
        ControlFlow::Continue(())
    };
    match sets[0].filter(|first| of == Of::Difference && takes_away(*first, sets)) {
        None => each(of, sets, limits.hasher, &mut add),
        Some(first) => {
            let _ = first.walk(add);
            sets[1..].iter().flatten().for_each(|other| {
                other.for_each(|member| {
                    member.with(|text| made.remove(text, limits.hasher));
                });
            });
        }
    }
    made
}

/// Whether a difference is the first set with the others' members taken out, which is less work
/// than looking each of its members up in the others.
fn takes_away(first: SetRef<'_>, sets: &[Option<SetRef<'_>>]) -> bool {
    let there = sets.iter().flatten();
    first.len() * there.clone().count() / 2 > there.map(|set| set.len()).sum()
}
