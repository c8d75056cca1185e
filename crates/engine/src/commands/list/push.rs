//! Elements at the ends: LPUSH, RPUSH, LPUSHX, RPUSHX.

use super::access::{edit, find_list, limit, list_of, put_list};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::list::{End, List, ListRef};

/// From this size on an element may be kept by reference to the request, in bytes.
const SHARED_MIN: usize = 8192;

/// What becomes of a push to a key that does not exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfMissing {
    Create,
    Refuse,
}

/// LPUSH key element [element ...]
pub static LPUSH: DataCommand = declare("lpush", Group::List, AtLeast(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | INSERT)])
    .since("1.0.0")
    .complexity("O(1) for each element.")
    .summary("Adds elements at the head of a list, the last one then being the first.")
    .syntax("key element [element ...]")
    .run(|call| push(call, End::Head, IfMissing::Create));

/// RPUSH key element [element ...]
pub static RPUSH: DataCommand = declare("rpush", Group::List, AtLeast(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | INSERT)])
    .since("1.0.0")
    .complexity("O(1) for each element.")
    .summary("Adds elements at the tail of a list.")
    .syntax("key element [element ...]")
    .run(|call| push(call, End::Tail, IfMissing::Create));

/// LPUSHX key element [element ...]
pub static LPUSHX: DataCommand = declare("lpushx", Group::List, AtLeast(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | INSERT)])
    .since("2.2.0")
    .complexity("O(1) for each element.")
    .summary("Adds elements at the head of a list that exists.")
    .syntax("key element [element ...]")
    .run(|call| push(call, End::Head, IfMissing::Refuse));

/// RPUSHX key element [element ...]
pub static RPUSHX: DataCommand = declare("rpushx", Group::List, AtLeast(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | INSERT)])
    .since("2.2.0")
    .complexity("O(1) for each element.")
    .summary("Adds elements at the tail of a list that exists.")
    .syntax("key element [element ...]")
    .run(|call| push(call, End::Tail, IfMissing::Refuse));

fn push(call: &mut Call<'_>, end: End, if_missing: IfMissing) -> Result<(), Error> {
    let key = call.key(0);
    let slot = find_list(&mut call.space, key)?;
    if slot.is_none() && if_missing == IfMissing::Refuse {
        call.reply.integer(0);
        return Ok(());
    }
    let len = add(call, key, slot, end, 2);
    call.space.count_changes(call.args.len() - 2);
    call.emit_as_is();
    call.reply.integer(len as i64);
    Ok(())
}

/// Adds the arguments from number `from` on at an end; returns how long the list is then.
fn add(call: &mut Call<'_>, key: Key<'_>, slot: Option<Slot>, end: End, from: usize) -> usize {
    let (args, limit) = (call.args, limit(call));
    let extend = |list: &mut List| {
        // A large one, alone in its request, is kept as it came in.
        match args.len() - from {
            1 if args[from].len() < SHARED_MIN => list.push(end, args.at(from), limit),
            1 if let Some(shared) = args.shared(from) => list.push_shared(end, shared, limit),
            _ => list.extend(end, args.from(from).iter(), limit),
        }
        list.len()
    };
    if let Some(slot) = slot {
        let one = (args.len() == from + 1).then(|| args.at(from));
        let len = call.space.modify(key, slot, |entry| {
            if one.is_some_and(|value| entry.try_push(end, value, limit)) {
                return list_of(entry).map_or(0, ListRef::len);
            }
            edit(entry, extend)
        });
        call.space.note_grown(key);
        return len;
    }
    let mut list = List::with_capacity(args.from(from).iter().map(<[u8]>::len).sum());
    let len = extend(&mut list);
    put_list(&mut call.space, key, None, list);
    len
}
