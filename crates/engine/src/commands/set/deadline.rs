//! When members of a set expire: deadlines are set, read and taken away, and members are added
//! with one.
//!
//! A member that is due is gone before a handler sees its set, so nothing here asks whether one is.

use super::access::{change_set, find_set, limits, put_set, set_at, set_of};
use crate::clock::Now;
use crate::commands::expiry::ExpiryUnit;
use crate::commands::parts::{
    self, Change, DELETED, DONE, MEMBERS, NO_DEADLINE, NO_PART, Of, Options, REFUSED, emit_expire,
    emit_persist, emit_removed, left, parse_condition, parts_from, seconds_up, wall_time,
};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::event_classes::SET;
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::set::Set;

/// SEXPIRE key seconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]
pub static SEXPIRE: DataCommand = declare("sexpire", Group::Set, AtLeast(6))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("8.12.0")
    .complexity("O(N) with N members given.")
    .summary("Lets members of a set expire in so many seconds.")
    .syntax("key seconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]")
    .run(|call| expire(call, ExpiryUnit::Seconds));

/// SPEXPIRE key milliseconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]
pub static SPEXPIRE: DataCommand = declare("spexpire", Group::Set, AtLeast(6))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("8.12.0")
    .complexity("O(N) with N members given.")
    .summary("Lets members of a set expire in so many milliseconds.")
    .syntax("key milliseconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]")
    .run(|call| expire(call, ExpiryUnit::Milliseconds));

/// SEXPIREAT key unix-time-seconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]
pub static SEXPIREAT: DataCommand = declare("sexpireat", Group::Set, AtLeast(6))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("8.12.0")
    .complexity("O(N) with N members given.")
    .summary("Lets members of a set expire at a Unix time in seconds.")
    .syntax("key unix-time-seconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]")
    .run(|call| expire(call, ExpiryUnit::UnixSeconds));

/// SPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]
pub static SPEXPIREAT: DataCommand = declare("spexpireat", Group::Set, AtLeast(6))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("8.12.0")
    .complexity("O(N) with N members given.")
    .summary("Lets members of a set expire at a Unix time in milliseconds.")
    .syntax("key unix-time-milliseconds [NX | XX | GT | LT] MEMBERS nummembers member [member ...]")
    .run(|call| expire(call, ExpiryUnit::UnixMilliseconds));

fn expire(call: &mut Call<'_>, unit: ExpiryUnit) -> Result<(), Error> {
    let (key, args, now) = (call.key(0), call.args, call.now());
    let slot = find_set(&mut call.space, key)?;
    let at_ms = wall_time(args.at(2), unit, now, call.command.name)?;
    let (condition, members) = parse_condition(call, &MEMBERS)?;
    let (mut timed, mut deleted) = (Vec::new(), Vec::new());
    call.reply.array(members.len());
    let Some(slot) = slot else {
        members.for_each(|_| call.reply.integer(NO_PART));
        return Ok(());
    };
    let (limits, deadline_ms) = (limits(call), now.deadline(at_ms));
    let passed = now.has_come(at_ms);
    let reply = &mut *call.reply;
    change_set(&mut call.space, key, slot, |set| {
        for member in members.map(|at| args.at(at)) {
            let done = match set.view().deadline_ms(member, limits.hasher) {
                None => NO_PART,
                Some(old_ms) if !condition.holds(deadline_ms, old_ms) => REFUSED,
                Some(_) if passed => {
                    set.remove(member, limits.hasher);
                    deleted.push(member);
                    DELETED
                }
                Some(_) => {
                    set.set_deadline(member, deadline_ms, limits);
                    timed.push(member);
                    DONE
                }
            };
            reply.integer(done);
        }
        timed.len() + deleted.len() > 0
    });
    call.space.count_changes(timed.len() + deleted.len());
    emit_removed(&mut call.space, key, &MEMBERS, &deleted);
    emit_expire(&mut call.space, key, &MEMBERS, at_ms, &timed);
    Ok(())
}

/// STTL key MEMBERS nummembers member [member ...]
pub static STTL: DataCommand = declare("sttl", Group::Set, AtLeast(5))
    .flags(READONLY | FAST | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("8.12.0")
    .complexity("O(N) with N members given.")
    .summary("Tells in how many seconds members of a set expire.")
    .syntax("key MEMBERS nummembers member [member ...]")
    .run(|call| reply_times(call, |deadline_ms, now| seconds_up(left(deadline_ms, now))));

/// SPTTL key MEMBERS nummembers member [member ...]
pub static SPTTL: DataCommand = declare("spttl", Group::Set, AtLeast(5))
    .flags(READONLY | FAST | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("8.12.0")
    .complexity("O(N) with N members given.")
    .summary("Tells in how many milliseconds members of a set expire.")
    .syntax("key MEMBERS nummembers member [member ...]")
    .run(|call| reply_times(call, left));

/// SEXPIRETIME key MEMBERS nummembers member [member ...]
pub static SEXPIRETIME: DataCommand = declare("sexpiretime", Group::Set, AtLeast(5))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("8.12.0")
    .complexity("O(N) with N members given.")
    .summary("Tells the Unix time in seconds at which members of a set expire.")
    .syntax("key MEMBERS nummembers member [member ...]")
    .run(|call| reply_times(call, |deadline_ms, now| seconds_up(now.wall(deadline_ms))));

/// SPEXPIRETIME key MEMBERS nummembers member [member ...]
pub static SPEXPIRETIME: DataCommand = declare("spexpiretime", Group::Set, AtLeast(5))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("8.12.0")
    .complexity("O(N) with N members given.")
    .summary("Tells the Unix time in milliseconds at which members of a set expire.")
    .syntax("key MEMBERS nummembers member [member ...]")
    .run(|call| reply_times(call, |deadline_ms, now| now.wall(deadline_ms)));

/// Replies what `of_deadline` makes of each member's deadline.
fn reply_times(call: &mut Call<'_>, of_deadline: fn(u64, Now) -> i64) -> Result<(), Error> {
    let (key, now, hasher) = (call.key(0), call.now(), call.space.hasher());
    // A wrong type comes first.
    let from = parts_from(call, &MEMBERS);
    let set = call.space.look(key).map(set_of).transpose()?;
    let from = from?;
    parts::reply_times(
        call.reply,
        (from..call.args.len()).map(|at| call.args.at(at)),
        |member| set.and_then(|set| set.deadline_ms(member, hasher)),
        |deadline_ms| of_deadline(deadline_ms, now),
    );
    Ok(())
}

/// SPERSIST key MEMBERS nummembers member [member ...]
pub static SPERSIST: DataCommand = declare("spersist", Group::Set, AtLeast(5))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("8.12.0")
    .complexity("O(N) with N members given.")
    .summary("Takes the times to live of members of a set away.")
    .syntax("key MEMBERS nummembers member [member ...]")
    .run(persist);

fn persist(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, args, limits) = (call.key(0), call.args, limits(call));
    let slot = find_set(&mut call.space, key)?;
    let from = parts_from(call, &MEMBERS)?;
    call.reply.array(args.len() - from);
    let Some(slot) = slot else {
        (from..args.len()).for_each(|_| call.reply.integer(NO_PART));
        return Ok(());
    };
    let mut changed = Vec::new();
    let reply = &mut *call.reply;
    change_set(&mut call.space, key, slot, |set| {
        for member in args.iter().skip(from) {
            let done = match set.view().deadline_ms(member, limits.hasher) {
                None => NO_PART,
                Some(0) => NO_DEADLINE,
                Some(_) => {
                    set.set_deadline(member, 0, limits);
                    changed.push(member);
                    DONE
                }
            };
            reply.integer(done);
        }
        !changed.is_empty()
    });
    call.space.count_changes(changed.len());
    emit_persist(&mut call.space, key, &MEMBERS, &changed);
    Ok(())
}

/// SADDEX key [MNX | MXX] [EX seconds | ... | KEEPTTL] MEMBERS nummembers member [member ...]
pub static SADDEX: DataCommand = declare("saddex", Group::Set, AtLeast(5))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("8.12.0")
    .complexity("O(N) with N members given.")
    .summary("Adds members to a set, all or none of them, with a time to live.")
    .syntax(
        "key [MNX | MXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
         PXAT unix-time-milliseconds | KEEPTTL] MEMBERS nummembers member [member ...]",
    )
    .run(add_timed);

fn add_timed(call: &mut Call<'_>) -> Result<(), Error> {
    let options = Options::parse(call, Of::Add)?;
    let (key, args, now) = (call.key(0), call.args, call.now());
    let slot = find_set(&mut call.space, key)?;
    let limits = limits(call);
    let members: Vec<&[u8]> = options.parts.clone().map(|at| args.at(at)).collect();
    if let Some(wanted) = options.exist {
        let set = slot.map(|slot| set_at(&mut call.space, key, slot));
        let exists = |member| set.is_some_and(|set| set.contains(member, limits.hasher));
        if !members.iter().all(|member| exists(member) == wanted) {
            call.reply.integer(0);
            return Ok(());
        }
    }
    call.reply.integer(1);
    if let Change::At(at_ms) = options.change
        && now.has_come(at_ms)
    {
        return pass(call, slot, &members);
    }
    let deadline_ms = match options.change {
        Change::At(at_ms) => Some(now.deadline(at_ms)),
        Change::Keep => None,
        Change::None | Change::Persist => Some(0),
    };
    let (mut added, mut changed) = (0, 0);
    let mut add = |set: &mut Set| {
        for member in &members {
            let is_new = set.add(member, limits);
            added += usize::from(is_new);
            let old_ms = set.view().deadline_ms(member, limits.hasher);
            if deadline_ms.is_some_and(|new_ms| old_ms != Some(new_ms)) {
                set.set_deadline(member, deadline_ms.unwrap_or(0), limits);
                changed += 1;
            } else {
                changed += usize::from(is_new);
            }
        }
        changed > 0
    };
    match slot {
        Some(slot) => change_set(&mut call.space, key, slot, |set| {
            set.fit(members.len(), limits);
            add(set)
        }),
        None => {
            let mut set = Set::for_members(members[0], members.len(), limits);
            add(&mut set);
            put_set(&mut call.space, key, None, set);
        }
    }
    if changed > 0 {
        call.space.count_changes(members.len());
        if added > 0 {
            call.space.note_event(SET, "sadd", key);
        }
        emit_added(call, &options, &members);
    }
    Ok(())
}

/// Adds members whose time has passed: those that are there go.
fn pass(call: &mut Call<'_>, slot: Option<Slot>, members: &[&[u8]]) -> Result<(), Error> {
    let (key, hasher) = (call.key(0), call.space.hasher());
    let mut removed = Vec::new();
    if let Some(slot) = slot {
        change_set(&mut call.space, key, slot, |set| {
            removed.extend(members.iter().filter(|member| set.remove(member, hasher)));
            !removed.is_empty()
        });
    }
    if !removed.is_empty() {
        call.space.count_changes(removed.len());
    }
    emit_removed(&mut call.space, key, &MEMBERS, &removed);
    Ok(())
}

/// Emits the members with their time, without the condition, which held.
fn emit_added(call: &mut Call<'_>, options: &Options, members: &[&[u8]]) {
    if !call.space.listened_to() {
        return;
    }
    let (key, count) = (call.key(0).bytes, members.len().to_string());
    let at = match options.change {
        Change::At(at_ms) => Some(at_ms.to_string()),
        _ => None,
    };
    let mut words: Vec<&[u8]> = vec![b"SADDEX", key];
    match &at {
        Some(at) => words.extend([&b"PXAT"[..], at.as_bytes()]),
        None if options.change == Change::Keep => words.push(b"KEEPTTL"),
        None => {}
    }
    words.extend([&b"MEMBERS"[..], count.as_bytes()]);
    words.extend_from_slice(members);
    call.space.emit(|| words);
}
