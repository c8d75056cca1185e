//! When fields of a hash expire: deadlines are set, read and taken away.
//!
//! A field that is due is gone before a handler sees its hash, so nothing here asks whether one is.

use crate::clock::Now;
use crate::commands::expiry::ExpiryUnit;
use crate::commands::parts::{
    self, DELETED, DONE, FIELDS, NO_DEADLINE, NO_PART, REFUSED, emit_expire, emit_persist,
    emit_removed, left, parse_condition, parts_from, seconds_up, wall_time,
};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;

/// HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub static HEXPIRE: DataCommand = declare("hexpire", Group::Hash, AtLeast(6))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("7.4.0")
    .complexity("O(N) with N fields given.")
    .summary("Lets fields of a hash expire in so many seconds.")
    .syntax("key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]")
    .run(|call| expire(call, ExpiryUnit::Seconds));

/// HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub static HPEXPIRE: DataCommand = declare("hpexpire", Group::Hash, AtLeast(6))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("7.4.0")
    .complexity("O(N) with N fields given.")
    .summary("Lets fields of a hash expire in so many milliseconds.")
    .syntax("key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]")
    .run(|call| expire(call, ExpiryUnit::Milliseconds));

/// HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub static HEXPIREAT: DataCommand = declare("hexpireat", Group::Hash, AtLeast(6))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("7.4.0")
    .complexity("O(N) with N fields given.")
    .summary("Lets fields of a hash expire at a Unix time in seconds.")
    .syntax("key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]")
    .run(|call| expire(call, ExpiryUnit::UnixSeconds));

/// HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub static HPEXPIREAT: DataCommand = declare("hpexpireat", Group::Hash, AtLeast(6))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("7.4.0")
    .complexity("O(N) with N fields given.")
    .summary("Lets fields of a hash expire at a Unix time in milliseconds.")
    .syntax("key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]")
    .run(|call| expire(call, ExpiryUnit::UnixMilliseconds));

fn expire(call: &mut Call<'_>, unit: ExpiryUnit) -> Result<(), Error> {
    let (key, args, now) = (call.key(0), call.args, call.now());
    let slot = call.space.find_hash(key)?;
    let at_ms = wall_time(args.at(2), unit, now, call.command.name)?;
    let (condition, fields) = parse_condition(call, &FIELDS)?;
    let (mut set, mut deleted) = (Vec::new(), Vec::new());
    call.reply.array(fields.len());
    let Some(slot) = slot else {
        fields.for_each(|_| call.reply.integer(NO_PART));
        return Ok(());
    };
    let (hasher, deadline_ms, passed) =
        (call.space.hasher(), now.deadline(at_ms), now.has_come(at_ms));
    let reply = &mut *call.reply;
    call.space.change_hash(key, Some(slot), |hash| {
        hash.note_times();
        for field in fields.map(|at| args.at(at)) {
            let done = match hash.deadline_ms(field, hasher) {
                None => NO_PART,
                Some(old_ms) if !condition.holds(deadline_ms, old_ms) => REFUSED,
                Some(_) if passed => {
                    hash.remove(field, hasher);
                    deleted.push(field);
                    DELETED
                }
                Some(_) => {
                    hash.set_deadline(field, deadline_ms, hasher);
                    set.push(field);
                    DONE
                }
            };
            reply.integer(done);
        }
        set.len() + deleted.len() > 0
    });
    call.space.count_changes(set.len() + deleted.len());
    emit_removed(&mut call.space, key, &FIELDS, &deleted);
    emit_expire(&mut call.space, key, &FIELDS, at_ms, &set);
    Ok(())
}

/// HTTL key FIELDS numfields field [field ...]
pub static HTTL: DataCommand = declare("httl", Group::Hash, AtLeast(5))
    .flags(READONLY | FAST | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("7.4.0")
    .complexity("O(N) with N fields given.")
    .summary("Tells in how many seconds fields of a hash expire.")
    .syntax("key FIELDS numfields field [field ...]")
    .run(|call| reply_times(call, |deadline_ms, now| seconds_up(left(deadline_ms, now))));

/// HPTTL key FIELDS numfields field [field ...]
pub static HPTTL: DataCommand = declare("hpttl", Group::Hash, AtLeast(5))
    .flags(READONLY | FAST | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("7.4.0")
    .complexity("O(N) with N fields given.")
    .summary("Tells in how many milliseconds fields of a hash expire.")
    .syntax("key FIELDS numfields field [field ...]")
    .run(|call| reply_times(call, left));

/// HEXPIRETIME key FIELDS numfields field [field ...]
pub static HEXPIRETIME: DataCommand = declare("hexpiretime", Group::Hash, AtLeast(5))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("7.4.0")
    .complexity("O(N) with N fields given.")
    .summary("Tells the Unix time in seconds at which fields of a hash expire.")
    .syntax("key FIELDS numfields field [field ...]")
    .run(|call| reply_times(call, |deadline_ms, now| seconds_up(now.wall(deadline_ms))));

/// HPEXPIRETIME key FIELDS numfields field [field ...]
pub static HPEXPIRETIME: DataCommand = declare("hpexpiretime", Group::Hash, AtLeast(5))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("7.4.0")
    .complexity("O(N) with N fields given.")
    .summary("Tells the Unix time in milliseconds at which fields of a hash expire.")
    .syntax("key FIELDS numfields field [field ...]")
    .run(|call| reply_times(call, |deadline_ms, now| now.wall(deadline_ms)));

/// Replies what `of_deadline` makes of each field's deadline.
fn reply_times(call: &mut Call<'_>, of_deadline: fn(u64, Now) -> i64) -> Result<(), Error> {
    let (key, now, hasher) = (call.key(0), call.now(), call.space.hasher());
    // A wrong type comes first.
    let from = parts_from(call, &FIELDS);
    let hash = call.space.read_hash(key)?;
    let from = from?;
    parts::reply_times(
        call.reply,
        (from..call.args.len()).map(|at| call.args.at(at)),
        |field| hash.and_then(|hash| hash.deadline_ms(field, hasher)),
        |deadline_ms| of_deadline(deadline_ms, now),
    );
    Ok(())
}

/// HPERSIST key FIELDS numfields field [field ...]
pub static HPERSIST: DataCommand = declare("hpersist", Group::Hash, AtLeast(5))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("7.4.0")
    .complexity("O(N) with N fields given.")
    .summary("Takes the times to live of fields of a hash away.")
    .syntax("key FIELDS numfields field [field ...]")
    .run(persist);

fn persist(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, args, hasher) = (call.key(0), call.args, call.space.hasher());
    let slot = call.space.find_hash(key)?;
    let from = parts_from(call, &FIELDS)?;
    call.reply.array(args.len() - from);
    let Some(slot) = slot else {
        (from..args.len()).for_each(|_| call.reply.integer(NO_PART));
        return Ok(());
    };
    let mut changed = Vec::new();
    let reply = &mut *call.reply;
    call.space.change_hash(key, Some(slot), |hash| {
        for field in args.iter().skip(from) {
            let done = match hash.deadline_ms(field, hasher) {
                None => NO_PART,
                Some(0) => NO_DEADLINE,
                Some(_) => {
                    hash.set_deadline(field, 0, hasher);
                    changed.push(field);
                    DONE
                }
            };
            reply.integer(done);
        }
        !changed.is_empty()
    });
    call.space.count_changes(changed.len());
    emit_persist(&mut call.space, key, &FIELDS, &changed);
    Ok(())
}
