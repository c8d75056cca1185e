//! Elements off the ends: LPOP, RPOP, LMPOP.

use super::access::{edit, find_list, limit, list_of, remove, write_element};
use super::arguments::parse_end;
use super::rest::Row;
use crate::commands::arguments::{count, end_and_most};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::list::End;

/// LPOP key [count]
pub static LPOP: DataCommand = declare("lpop", Group::List, AtLeast(2))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | DELETE)])
    .since("1.0.0")
    .complexity("O(N) with N elements to return.")
    .summary("Takes the first element, or several, off a list and returns them.")
    .syntax("key [count]")
    .run(|call| pop(call, End::Head));

/// RPOP key [count]
pub static RPOP: DataCommand = declare("rpop", Group::List, AtLeast(2))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | DELETE)])
    .since("1.0.0")
    .complexity("O(N) with N elements to return.")
    .summary("Takes the last element, or several, off a list and returns them.")
    .syntax("key [count]")
    .run(|call| pop(call, End::Tail));

fn pop(call: &mut Call<'_>, end: End) -> Result<(), Error> {
    if call.args.len() > 3 {
        return Err(Error::wrong_arity(call.command.name));
    }
    let most = match call.args.len() {
        2 => None,
        _ => Some(count(call, 2, 0, Error::NOT_POSITIVE)?),
    };
    let key = call.key(0);
    let Some(slot) = find_list(&mut call.space, key)? else {
        match most {
            None => call.reply.null(),
            Some(_) => call.reply.null_array(),
        }
        return Ok(());
    };
    match most {
        None => pop_one(call, key, slot, end),
        Some(0) => {
            call.space.note_left(key, slot);
            call.reply.array(0);
        }
        Some(most) => {
            pop_several(call, key, slot, end, most);
        }
    }
    if most != Some(0) {
        call.emit_as_is();
    }
    Ok(())
}

/// Replies with the element at an end and removes it.
pub fn pop_one(call: &mut Call<'_>, key: Key<'_>, slot: Slot, end: End) {
    let limit = limit(call);
    let reply = &mut *call.reply;
    let emptied = call.space.modify(key, slot, |entry| {
        let Ok(list) = list_of(entry) else { return false };
        match list.end(end) {
            Some(element) => write_element(reply, element),
            None => reply.null(),
        }
        let last = list.len() == 1;
        if !last && !entry.try_pop(end) {
            edit(entry, |list| list.remove_end(end, limit));
        }
        last
    });
    if emptied {
        call.space.remove(key, slot);
        call.space.count_changes(1);
    }
}

/// Replies with up to `most` elements from an end and removes them; returns how many there were.
fn pop_several(call: &mut Call<'_>, key: Key<'_>, slot: Slot, end: End, most: usize) -> usize {
    let Ok(list) = list_of(call.space.entry(key, slot)) else { return 0 };
    let (len, popped) = (list.len(), list.len().min(most));
    call.reply.array(popped);
    let row = Row { from: if end == End::Head { 0 } else { len - 1 }, end, count: popped };
    if row.is_large(call.reply, list) {
        row.put_rest(call, key);
    } else {
        row.write(call.reply, list);
    }
    let first = if end == End::Head { 0 } else { len - popped };
    remove(call, key, slot, first, popped);
    call.space.count_changes(popped);
    popped
}

/// LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]
pub static LMPOP: DataCommand = declare("lmpop", Group::List, AtLeast(4))
    .flags(WRITE)
    .keys(&[KeySpec::counted(1, 1, RW | ACCESS | DELETE)])
    .since("7.0.0")
    .complexity("O(N+M) with N keys and M elements to return.")
    .summary("Takes elements off the first list that there is, and returns its key with them.")
    .syntax("numkeys key [key ...] <LEFT | RIGHT> [COUNT count]")
    .run(lmpop);

/// What LMPOP takes: from which end, and how many at most.
#[derive(Clone, Copy)]
pub struct Taken {
    end: End,
    most: usize,
}

/// Reads `numkeys key [key ...] <LEFT | RIGHT> [COUNT count]` from argument `first` on.
pub fn parse_some(call: &Call<'_>, first: usize) -> Result<Taken, Error> {
    let (end, most) = end_and_most(call, first, parse_end)?;
    Ok(Taken { end, most })
}

fn lmpop(call: &mut Call<'_>) -> Result<(), Error> {
    let taken = parse_some(call, 1)?;
    for key in call.keys() {
        if let Some(slot) = find_list(&mut call.space, key)? {
            pop_some(call, key, slot, taken);
            return Ok(());
        }
    }
    call.reply.null_array();
    Ok(())
}

/// The key and some elements of it.
pub fn pop_some(call: &mut Call<'_>, key: Key<'_>, slot: Slot, Taken { end, most }: Taken) {
    call.reply.array(2);
    call.reply.bulk(key.bytes);
    let popped = pop_several(call, key, slot, end, most);
    let name: &[u8] = if end == End::Head { b"LPOP" } else { b"RPOP" };
    let mut digits = itoa::Buffer::new();
    call.space.emit(|| [name, key.bytes, digits.format(popped).as_bytes()]);
}
