//! Elements from list to list: LMOVE, RPOPLPUSH.

use super::access::{find_list, limit, list_of, modify, put_list, remove};
use super::arguments::{FROM_AND_TO, parse_end};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::list::{Element, End, List};
use bytes::Bytes;

/// LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>
pub static LMOVE: DataCommand = declare("lmove", Group::List, Exactly(5))
    .flags(WRITE | DENYOOM)
    .keys(FROM_AND_TO)
    .since("6.2.0")
    .complexity("O(1)")
    .summary(
        "Takes an element off one end of a list, adds it at one end of another, and \
         returns it.",
    )
    .syntax("source destination <LEFT | RIGHT> <LEFT | RIGHT>")
    .run(|call| {
        let (from, to) = (parse_end(call.args.at(3))?, parse_end(call.args.at(4))?);
        shift_as_is(call, from, to)
    });

/// RPOPLPUSH source destination
pub static RPOPLPUSH: DataCommand = declare("rpoplpush", Group::List, Exactly(3))
    .flags(WRITE | DENYOOM)
    .keys(FROM_AND_TO)
    .since("1.2.0")
    .complexity("O(1)")
    .summary(
        "Takes the last element off a list, adds it at the head of another, and returns \
         it.",
    )
    .syntax("source destination")
    .run(|call| shift_as_is(call, End::Tail, End::Head));

/// An element that outlives its removal.
enum Kept {
    Copied(Vec<u8>),
    Shared(Bytes),
}

fn shift_as_is(call: &mut Call<'_>, from: End, to: End) -> Result<(), Error> {
    let source = call.key(0);
    if find_list(&mut call.space, source)?.is_none() {
        call.reply.null();
        return Ok(());
    }
    shift(call, from, to)?;
    call.emit_as_is();
    Ok(())
}

/// Moves an element of the first key, which is a list, to the second one, and replies with it.
pub fn shift(call: &mut Call<'_>, from: End, to: End) -> Result<(), Error> {
    let (source, target, limit) = (call.key(0), call.key(1), limit(call));
    // A target that has expired is removed here, which may move the source.
    find_list(&mut call.space, target)?;
    let Some(slot) = find_list(&mut call.space, source)? else { return Ok(()) };
    let list = list_of(call.space.entry(source, slot))?;
    let last = list.len() - 1;
    let kept = match list.end(from) {
        Some(Element::Shared(bytes)) => Kept::Shared(bytes.clone()),
        Some(Element::Bytes(bytes)) => Kept::Copied(bytes.to_vec()),
        None => unreachable!("a list that exists has elements"),
    };
    let add = |list: &mut List| match &kept {
        Kept::Copied(bytes) => list.push(to, bytes, limit),
        Kept::Shared(bytes) => list.push_shared(to, bytes.clone(), limit),
    };
    if source.bytes == target.bytes {
        modify(&mut call.space, source, slot, |list| {
            list.remove_end(from, limit);
            add(list);
        });
    } else {
        let first = if from == End::Head { 0 } else { last };
        remove(call, source, slot, first, 1);
        // Looked for only now: removing the source may have moved it.
        match find_list(&mut call.space, target)? {
            Some(slot) => {
                modify(&mut call.space, target, slot, add);
                call.space.note_grown(target);
            }
            None => {
                let mut list = List::default();
                add(&mut list);
                put_list(&mut call.space, target, None, list);
            }
        }
    }
    call.space.count_changes(1);
    match &kept {
        Kept::Copied(bytes) => call.reply.bulk(bytes),
        Kept::Shared(bytes) => call.reply.bulk_shared(bytes),
    }
    Ok(())
}
