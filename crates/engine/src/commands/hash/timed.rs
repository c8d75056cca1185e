//! Reading and writing fields together with their lives: HGETDEL, HGETEX, HSETEX.

use crate::commands::parts::{
    Change, FIELDS, Of, Options, emit_expire, emit_persist, emit_removed, parts_from,
};
use crate::commands::value::{field_value, write_value};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::event_classes::{GENERIC, HASH, NEW};
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::hash::Ttl;
use std::ops::Range;

/// HGETDEL key FIELDS numfields field [field ...]
pub static HGETDEL: DataCommand = declare("hgetdel", Group::Hash, AtLeast(5))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | DELETE)])
    .since("8.0.0")
    .complexity("O(N) with N fields given.")
    .summary("Returns the values of fields of a hash and removes the fields.")
    .syntax("key FIELDS numfields field [field ...]")
    .run(get_and_delete);

fn get_and_delete(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, args, hasher) = (call.key(0), call.args, call.space.hasher());
    let slot = call.space.find_hash(key)?;
    let from = parts_from(call, &FIELDS)?;
    call.reply.array(args.len() - from);
    let Some(slot) = slot else {
        (from..args.len()).for_each(|_| call.reply.null());
        return Ok(());
    };
    let mut deleted = Vec::new();
    let reply = &mut *call.reply;
    call.space.change_hash(key, Some(slot), |hash| {
        for field in args.iter().skip(from) {
            match hash.get(field, hasher) {
                Some(value) => write_value(reply, value),
                None => reply.null(),
            }
            if hash.remove(field, hasher) {
                deleted.push(field);
            }
        }
        !deleted.is_empty()
    });
    call.space.count_changes(deleted.len());
    emit_removed(&mut call.space, key, &FIELDS, &deleted);
    Ok(())
}

/// HGETEX key [EX seconds | ... | PERSIST] FIELDS numfields field [field ...]
pub static HGETEX: DataCommand = declare("hgetex", Group::Hash, AtLeast(5))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("8.0.0")
    .complexity("O(N) with N fields given.")
    .summary(
        "Returns the values of fields of a hash and, if told so, changes their times to \
         live.",
    )
    .syntax(
        "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
         PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]",
    )
    .run(get_and_expire);

fn get_and_expire(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, args, now) = (call.key(0), call.args, call.now());
    let hasher = call.space.hasher();
    let slot = call.space.find_hash(key)?;
    let Options { change, parts: fields, .. } = Options::parse(call, Of::Get)?;
    call.reply.array(fields.len());
    let Some(slot) = slot else {
        fields.for_each(|_| call.reply.null());
        return Ok(());
    };
    let mut changed = Vec::new();
    let reply = &mut *call.reply;
    call.space.change_hash(key, Some(slot), |hash| {
        if change != Change::None {
            hash.note_times();
        }
        for field in fields.map(|at| args.at(at)) {
            match hash.get(field, hasher) {
                Some(value) => write_value(reply, value),
                None => {
                    reply.null();
                    continue;
                }
            }
            match change {
                Change::None | Change::Keep => continue,
                Change::Persist if hash.deadline_ms(field, hasher) == Some(0) => continue,
                Change::Persist => hash.set_deadline(field, 0, hasher),
                Change::At(at_ms) if now.has_come(at_ms) => hash.remove(field, hasher),
                Change::At(at_ms) => hash.set_deadline(field, now.deadline(at_ms), hasher),
            };
            changed.push(field);
        }
        !changed.is_empty()
    });
    call.space.count_changes(changed.len());
    match change {
        Change::None | Change::Keep => {}
        Change::Persist => emit_persist(&mut call.space, key, &FIELDS, &changed),
        Change::At(at_ms) if now.has_come(at_ms) => {
            emit_removed(&mut call.space, key, &FIELDS, &changed)
        }
        Change::At(at_ms) => emit_expire(&mut call.space, key, &FIELDS, at_ms, &changed),
    }
    Ok(())
}

/// HSETEX key [FNX | FXX] [EX seconds | ... | KEEPTTL] FIELDS numfields field value ...
pub static HSETEX: DataCommand = declare("hsetex", Group::Hash, AtLeast(6))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("8.0.0")
    .complexity("O(N) with N fields given.")
    .summary("Sets fields of a hash to values, all or none of them, with a time to live.")
    .syntax(
        "key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
         PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value \
         [field value ...]",
    )
    .run(set_and_expire);

fn set_and_expire(call: &mut Call<'_>) -> Result<(), Error> {
    let options = Options::parse(call, Of::Set)?;
    let (key, args, now) = (call.key(0), call.args, call.now());
    let slot = call.space.find_hash(key)?;
    let limits = call.space.hash_limits(call.options);
    let pairs = || options.parts.clone().step_by(2);
    let at_ms = match options.change {
        Change::At(at_ms) => Some(at_ms),
        _ => None,
    };
    if let Some(wanted) = options.exist {
        let hash = slot.map(|slot| call.space.hash(key, slot));
        let exists = |at| hash.is_some_and(|hash| hash.contains(args.at(at), limits.hasher));
        if !pairs().all(|at| exists(at) == wanted) {
            call.reply.integer(0);
            return Ok(());
        }
    }
    call.reply.integer(1);
    if at_ms.is_some_and(|at_ms| now.has_come(at_ms)) {
        pass(call, slot, options.parts);
        return Ok(());
    }
    let ttl = if options.change == Change::None { Ttl::Clear } else { Ttl::Keep };
    call.space.change_hash(key, slot, |hash| {
        hash.fit(options.parts.clone().map(|at| args.at(at)), limits);
        for at in pairs() {
            hash.set(args.at(at), field_value(args, at + 1), ttl, limits);
            if let Some(at_ms) = at_ms {
                hash.set_deadline(args.at(at), now.deadline(at_ms), limits.hasher);
            }
        }
        true
    });
    call.space.count_changes(pairs().count());
    emit_set(call, &options);
    Ok(())
}

/// Sets fields to values whose time has passed: they come and go, by their events, and leave
/// nothing behind but a hash that has become a large one for them.
fn pass(call: &mut Call<'_>, slot: Option<Slot>, pairs: Range<usize>) {
    let (key, args) = (call.key(0), call.args);
    let limits = call.space.hash_limits(call.options);
    let fields: Vec<&[u8]> = pairs.clone().step_by(2).map(|at| args.at(at)).collect();
    let Some(slot) = slot else {
        call.space.touch_watches(key);
        call.space.note_event(NEW, "new", key);
        call.space.note_event(HASH, "hset", key);
        call.space.note_event(HASH, "hdel", key);
        call.space.count_changes(fields.len());
        return call.space.note_event(GENERIC, "del", key);
    };
    call.space.note_event(HASH, "hset", key);
    call.space.change_hash(key, Some(slot), |hash| {
        hash.note_times();
        hash.fit(pairs.clone().map(|at| args.at(at)), limits);
        for at in pairs.step_by(2) {
            hash.set(args.at(at), field_value(args, at + 1), Ttl::Clear, limits);
        }
        for field in &fields {
            hash.remove(field, limits.hasher);
        }
        true
    });
    call.space.count_changes(fields.len());
    emit_removed(&mut call.space, key, &FIELDS, &fields);
}

/// Emits the pairs with their time, without the condition, which held.
fn emit_set(call: &mut Call<'_>, options: &Options) {
    if !call.space.listened_to() {
        return;
    }
    let (key, args) = (call.key(0).bytes, call.args);
    let at = match options.change {
        Change::At(at_ms) => Some(at_ms.to_string()),
        _ => None,
    };
    let mut words: Vec<&[u8]> = vec![b"HSETEX", key];
    match &at {
        Some(at) => words.extend([&b"PXAT"[..], at.as_bytes()]),
        None if options.change == Change::Keep => words.push(b"KEEPTTL"),
        None => {}
    }
    words.extend((options.parts.start - 2..options.parts.end).map(|at| args.at(at)));
    call.space.emit(|| words);
}
