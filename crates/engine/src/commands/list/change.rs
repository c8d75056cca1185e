//! Changes inside of lists: LSET, LINSERT, LREM, LTRIM.

use super::access::{find_list, limit, list_of, modify, remove};
use super::arguments::{negatable, range, resolve};
use crate::commands::arguments::integer;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::list::End;
use std::ops::ControlFlow;

/// LSET key index element
pub static LSET: DataCommand = declare("lset", Group::List, Exactly(4))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("1.0.0")
    .complexity("O(N/65536) with N elements up to the nearer end, and a walk of 8 KiB at most.")
    .summary("Puts an element in the place of the one at an index of a list.")
    .syntax("key index element")
    .run(lset);

fn lset(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, value, limit) = (call.key(0), call.args.at(3), limit(call));
    let slot = find_list(&mut call.space, key)?.ok_or(Error::NO_SUCH_KEY)?;
    let index = integer(call, 2)?;
    let len = list_of(call.space.entry(key, slot))?.len();
    let index = resolve(index, len).ok_or(Error::INDEX)?;
    modify(&mut call.space, key, slot, |list| list.set(index, value, limit));
    call.emit_as_is();
    call.reply.ok();
    Ok(())
}

/// LINSERT key <BEFORE | AFTER> pivot element
pub static LINSERT: DataCommand = declare("linsert", Group::List, Exactly(5))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(1, RW | INSERT)])
    .since("2.2.0")
    .complexity("O(N) with N elements up to the pivot.")
    .summary("Adds an element before or behind the first one that equals another.")
    .syntax("key <BEFORE | AFTER> pivot element")
    .run(linsert);

fn linsert(call: &mut Call<'_>) -> Result<(), Error> {
    let behind = match call.args.at(2) {
        word if word.eq_ignore_ascii_case(b"BEFORE") => 0,
        word if word.eq_ignore_ascii_case(b"AFTER") => 1,
        _ => return Err(Error::SYNTAX),
    };
    let (key, limit) = (call.key(0), limit(call));
    let (pivot, value) = (call.args.at(3), call.args.at(4));
    let Some(slot) = find_list(&mut call.space, key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let mut index = 0;
    let found = list_of(call.space.entry(key, slot))?.walk(0, End::Head, |element| {
        if element.as_bytes() == pivot {
            return ControlFlow::Break(());
        }
        index += 1;
        ControlFlow::Continue(())
    });
    if found.is_continue() {
        call.space.note_left(key, slot);
        call.reply.integer(-1);
        return Ok(());
    }
    let len = modify(&mut call.space, key, slot, |list| {
        list.insert(index + behind, value, limit);
        list.len()
    });
    call.space.note_grown(key);
    call.emit_as_is();
    call.reply.integer(len as i64);
    Ok(())
}

/// LREM key count element
pub static LREM: DataCommand = declare("lrem", Group::List, Exactly(4))
    .flags(WRITE)
    .keys(&[KeySpec::at(1, RW | DELETE)])
    .since("1.0.0")
    .complexity("O(N) with N elements in the list.")
    .summary("Removes the elements that equal a value: all, or some from one end.")
    .syntax("key count element")
    .run(lrem);

fn lrem(call: &mut Call<'_>) -> Result<(), Error> {
    let count = negatable(call, 2)?;
    let (key, value, limit) = (call.key(0), call.args.at(3), limit(call));
    let Some(slot) = find_list(&mut call.space, key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let from = if count < 0 { End::Tail } else { End::Head };
    let most = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let list = list_of(call.space.entry(key, slot))?;
    let first = if count < 0 { list.len() - 1 } else { 0 };
    // A watch of the key is broken by a change, so there has to be one.
    let found = list.walk(first, from, |element| match element.as_bytes() == value {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    if found.is_continue() {
        call.space.note_left(key, slot);
        call.reply.integer(0);
        return Ok(());
    }
    let (removed, emptied) = modify(&mut call.space, key, slot, |list| {
        let removed = list.remove_equal(value, most, from, limit);
        (removed, list.is_empty())
    });
    if emptied {
        call.space.remove(key, slot);
    }
    call.space.count_changes(removed);
    call.emit_as_is();
    call.reply.integer(removed as i64);
    Ok(())
}

/// LTRIM key start stop
pub static LTRIM: DataCommand = declare("ltrim", Group::List, Exactly(4))
    .flags(WRITE)
    .keys(&[KeySpec::at(1, RW | DELETE)])
    .since("1.0.0")
    .complexity("O(N/512) with N elements to remove; they are freed after the reply is made.")
    .summary("Removes the elements of a list that are not between two indices.")
    .syntax("key start stop")
    .run(ltrim);

fn ltrim(call: &mut Call<'_>) -> Result<(), Error> {
    let (first, last) = (integer(call, 2)?, integer(call, 3)?);
    let key = call.key(0);
    if let Some(slot) = find_list(&mut call.space, key)? {
        let len = list_of(call.space.entry(key, slot))?.len();
        let (from, count) = range(first, last, len);
        if count == 0 {
            call.space.remove(key, slot);
        } else {
            remove(call, key, slot, from + count, len - from - count);
            remove(call, key, slot, 0, from);
        }
        call.space.count_changes(len - count);
        call.emit_as_is();
    }
    call.reply.ok();
    Ok(())
}
