//! The commands on single members of a set.

use super::access::{change_set, find_set, limits, put_set, read_set, set_at, set_of};
use crate::commands::parts::{MEMBERS, emit_expire, emit_persist};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::list::{End, Limit};
use crate::storage::value::set::{Limits, Set, SetRef};

/// SADD key member [member ...]
pub static SADD: DataCommand = declare("sadd", Group::Set, AtLeast(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | INSERT)])
    .since("1.0.0")
    .complexity("O(N) with N members given.")
    .summary("Adds members to a set, and tells how many of them are new.")
    .syntax("key member [member ...]")
    .run(add);

fn add(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let slot = find_set(&mut call.space, key)?;
    let limits = limits(call);
    let added = match slot {
        None => add_to_none(call, key, limits),
        Some(slot) => match call.args.len() {
            3 => usize::from(add_one(call, key, slot, call.args.at(2), limits)),
            _ => add_several(call, key, slot, limits),
        },
    };
    if added > 0 {
        call.space.count_changes(added);
        call.emit_as_is();
    }
    call.reply.integer(added as i64);
    Ok(())
}

fn add_to_none(call: &mut Call<'_>, key: Key<'_>, limits: Limits<'_>) -> usize {
    let args = call.args;
    let mut set = Set::for_members(args.at(2), args.len() - 2, limits);
    let added = args.iter().skip(2).filter(|member| set.add(member, limits)).count();
    put_set(&mut call.space, key, None, set);
    added
}

fn add_several(call: &mut Call<'_>, key: Key<'_>, slot: Slot, limits: Limits<'_>) -> usize {
    let (args, mut added) = (call.args, 0);
    change_set(&mut call.space, key, slot, |set| {
        set.fit(args.len() - 2, limits);
        added = args.iter().skip(2).filter(|member| set.add(member, limits)).count();
        added > 0
    });
    added
}

/// Adds one member to the set in a slot. Returns whether it is new.
#[inline]
pub fn add_one(
    call: &mut Call<'_>,
    key: Key<'_>,
    slot: Slot,
    member: &[u8],
    limits: Limits<'_>,
) -> bool {
    let set = set_at(&mut call.space, key, slot);
    let fits = match set {
        SetRef::Large(_) => false,
        _ if set.contains(member, limits.hasher) => return false,
        SetRef::Packed(_) => member.len() <= limits.bytes,
        _ => false,
    };
    let most = Limit { bytes: usize::MAX, count: limits.members };
    let mut added = true;
    call.space.change_parts(key, slot, |entry| {
        if !(fits && entry.try_push(End::Tail, member, most)) {
            let done = entry.edit_set(|set| {
                set.fit(1, limits);
                set.add(member, limits)
            });
            added = done.expect("the slot was found to hold a set");
        }
        (added, false)
    });
    added
}

/// SREM key member [member ...]
pub static SREM: DataCommand = declare("srem", Group::Set, AtLeast(3))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | DELETE)])
    .since("1.0.0")
    .complexity("O(N) with N members given.")
    .summary("Removes members from a set, and the key with the last of them.")
    .syntax("key member [member ...]")
    .run(remove);

fn remove(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, args, hasher) = (call.key(0), call.args, call.space.hasher());
    let mut removed = 0;
    if let Some(slot) = find_set(&mut call.space, key)? {
        change_set(&mut call.space, key, slot, |set| {
            removed = args.iter().skip(2).filter(|member| set.remove(member, hasher)).count();
            removed > 0
        });
    }
    if removed > 0 {
        call.space.count_changes(removed);
        call.emit_as_is();
    }
    call.reply.integer(removed as i64);
    Ok(())
}

/// SISMEMBER key member
pub static SISMEMBER: DataCommand = declare("sismember", Group::Set, Exactly(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Tells whether something is a member of a set.")
    .syntax("key member")
    .run(|call| {
        let (member, hasher) = (call.args.at(2), call.space.hasher());
        reply_number(call, |set| i64::from(set.contains(member, hasher)))
    });

/// SMISMEMBER key member [member ...]
pub static SMISMEMBER: DataCommand = declare("smismember", Group::Set, AtLeast(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("6.2.0")
    .complexity("O(N) with N members given.")
    .summary("Tells of each of several whether it is a member of a set.")
    .syntax("key member [member ...]")
    .run(contains_several);

fn contains_several(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, hasher) = (call.key(0), call.space.hasher());
    let set = read_set(&mut call.space, key)?;
    call.reply.array(call.args.len() - 2);
    for member in call.args.iter().skip(2) {
        let is_member = set.is_some_and(|set| set.contains(member, hasher));
        call.reply.integer(i64::from(is_member));
    }
    Ok(())
}

/// SCARD key
pub static SCARD: DataCommand = declare("scard", Group::Set, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Tells how many members a set has.")
    .syntax("key")
    .run(|call| reply_number(call, |set| set.len() as i64));

/// Replies a number about the set, zero where there is none.
fn reply_number(call: &mut Call<'_>, number: impl FnOnce(SetRef<'_>) -> i64) -> Result<(), Error> {
    let key = call.key(0);
    let number = read_set(&mut call.space, key)?.map_or(0, number);
    call.reply.integer(number);
    Ok(())
}

/// SMOVE source destination member
pub static SMOVE: DataCommand = declare("smove", Group::Set, Exactly(4))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | DELETE), KeySpec::at(2, RW | INSERT)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Moves a member from a set to another one.")
    .syntax("source destination member")
    .run(move_member);

fn move_member(call: &mut Call<'_>) -> Result<(), Error> {
    let (from, to, member) = (call.key(0), call.key(1), call.args.at(3));
    let hasher = call.space.hasher();
    let Some(slot) = call.space.find(from) else {
        call.reply.integer(0);
        return Ok(());
    };
    let deadline_ms = set_of(call.space.entry(from, slot))?.deadline_ms(member, hasher);
    find_set(&mut call.space, to)?;
    // Looking the other key up may have moved this one.
    let slot = call.space.find(from);
    let (Some(slot), Some(deadline_ms)) = (slot, deadline_ms) else {
        call.reply.integer(0);
        return Ok(());
    };
    call.reply.integer(1);
    if from.bytes == to.bytes {
        return Ok(());
    }
    change_set(&mut call.space, from, slot, |set| set.remove(member, hasher));
    call.space.emit(|| [b"SREM", from.bytes, member]);
    let changed = receive(call, to, member, deadline_ms);
    call.space.count_changes(1 + usize::from(changed));
    Ok(())
}

/// Adds a member that comes from another set with its deadline, which takes the place of the one
/// that the member has here. Returns whether anything changed.
fn receive(call: &mut Call<'_>, to: Key<'_>, member: &[u8], deadline_ms: u64) -> bool {
    let (limits, hasher, now) = (limits(call), call.space.hasher(), call.now());
    let Some(slot) = call.space.find(to) else {
        let mut set = Set::for_members(member, 1, limits);
        set.add(member, limits);
        set.set_deadline(member, deadline_ms, limits);
        put_set(&mut call.space, to, None, set);
        call.space.emit(|| [b"SADD", to.bytes, member]);
        if deadline_ms != 0 {
            emit_expire(&mut call.space, to, &MEMBERS, now.wall(deadline_ms), &[member]);
        }
        return true;
    };
    let old_ms = set_at(&mut call.space, to, slot).deadline_ms(member, hasher);
    if old_ms == Some(deadline_ms) {
        return false;
    }
    if old_ms.is_none() {
        add_one(call, to, slot, member, limits);
        call.space.emit(|| [b"SADD", to.bytes, member]);
    }
    if old_ms.unwrap_or(0) != deadline_ms {
        change_set(&mut call.space, to, slot, |set| set.set_deadline(member, deadline_ms, limits));
        match deadline_ms {
            0 => emit_persist(&mut call.space, to, &MEMBERS, &[member]),
            _ => emit_expire(&mut call.space, to, &MEMBERS, now.wall(deadline_ms), &[member]),
        }
    }
    true
}
