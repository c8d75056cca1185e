//! Lists: what they share, here; pushing and popping, looking, changing and moving in the files
//! beside it.
//!
//! A list exists while it has elements: whoever takes the last one removes the key.

mod blocking;
mod change;
mod look;
mod place;
mod pop;
mod push;

use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::{BlockingCommand, DataCommand};
use crate::run::key_access::KeyAccess;
use crate::spec::Key;
use crate::storage::entry::{Entry, NewValue};
use crate::storage::table::Slot;
use crate::storage::value::list::{Element, End, Limit, List, ListRef};
use crate::storage::value::{Object, ObjectRef};
use redstart_protocol::{Reply, parse_i64};

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[
    &change::LINSERT,
    &change::LREM,
    &change::LSET,
    &change::LTRIM,
    &look::LINDEX,
    &look::LLEN,
    &look::LPOS,
    &look::LRANGE,
    &place::LMOVE,
    &place::RPOPLPUSH,
    &pop::LMPOP,
    &pop::LPOP,
    &pop::RPOP,
    &push::LPUSH,
    &push::LPUSHX,
    &push::RPUSH,
    &push::RPUSHX,
];

/// Those that may wait.
pub static WAITING: &[&BlockingCommand] = &[
    &blocking::BLMOVE,
    &blocking::BLMPOP,
    &blocking::BLPOP,
    &blocking::BRPOP,
    &blocking::BRPOPLPUSH,
];

/// The list in an entry, or WRONGTYPE.
#[inline]
pub fn list_of(entry: &Entry) -> Result<ListRef<'_>, Error> {
    match entry.object() {
        Some(ObjectRef::List(list)) => Ok(list),
        _ => Err(Error::WRONG_TYPE),
    }
}

/// Fetches a list for reading: counts a hit or a miss and notes the access.
#[inline]
pub fn read_list<'s>(
    space: &'s mut KeyAccess<'_>,
    key: Key<'_>,
) -> Result<Option<ListRef<'s>>, Error> {
    space.read(key).map(list_of).transpose()
}

/// Where a list to be changed is.
#[inline]
pub fn find_list(space: &mut KeyAccess<'_>, key: Key<'_>) -> Result<Option<Slot>, Error> {
    let Some(slot) = space.find(key) else { return Ok(None) };
    list_of(space.entry(key, slot))?;
    Ok(Some(slot))
}

/// Calls `f` with the list in a slot that [`find_list`] gave.
#[inline]
fn modify<R>(
    space: &mut KeyAccess<'_>,
    key: Key<'_>,
    slot: Slot,
    f: impl FnOnce(&mut List) -> R,
) -> R {
    space.modify(key, slot, |entry| edit(entry, f))
}

#[inline]
fn edit<R>(entry: &mut Entry, f: impl FnOnce(&mut List) -> R) -> R {
    entry.edit_list(f).expect("the entry was seen to be a list")
}

/// Stores a list where nothing is, or over whatever is in the slot.
pub fn put_list(space: &mut KeyAccess<'_>, key: Key<'_>, slot: Option<Slot>, list: List) {
    space.put(key, slot, NewValue::Object(Box::new(Object::List(list))), 0);
}

/// Removes elements, the key with the last of them; what is large is dropped after the unlock.
fn remove(call: &mut Call<'_>, key: Key<'_>, slot: Slot, index: usize, count: usize) {
    let limit = limit(call);
    let space = &mut call.space;
    if list_of(space.entry(key, slot)).is_ok_and(|list| list.len() == count) {
        return space.remove(key, slot);
    }
    if let Some(removed) = modify(space, key, slot, |list| list.remove(index, count, limit)) {
        space.discard(NewValue::Object(Box::new(Object::List(removed))));
    }
}

/// Up to where a list is packed, as set.
#[inline]
pub fn limit(call: &Call<'_>) -> Limit {
    Limit::from_setting(call.options.list_packed_max())
}

/// Writes an element as a bulk reply: a large one by reference.
#[inline]
pub fn write_element(reply: &mut Reply, element: Element<'_>) {
    match element {
        Element::Bytes(bytes) => reply.bulk(bytes),
        Element::Shared(bytes) => reply.bulk_shared(bytes),
    }
}

/// LEFT or RIGHT.
fn parse_end(word: &[u8]) -> Result<End, Error> {
    if word.eq_ignore_ascii_case(b"LEFT") {
        Ok(End::Head)
    } else if word.eq_ignore_ascii_case(b"RIGHT") {
        Ok(End::Tail)
    } else {
        Err(Error::SYNTAX)
    }
}

/// Argument `at` as an integer.
#[inline]
fn integer(call: &Call<'_>, at: usize) -> Result<i64, Error> {
    parse_i64(call.args.at(at)).ok_or(Error::NOT_INTEGER)
}

/// Argument `at` as a count of at least `least`, or the error.
fn count(call: &Call<'_>, at: usize, least: i64, error: Error) -> Result<usize, Error> {
    let count = parse_i64(call.args.at(at)).filter(|count| *count >= least).ok_or(error)?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The place that an index, negative from the end, means in a list of `len` elements.
#[inline]
fn resolve(index: i64, len: usize) -> Option<usize> {
    let at = if index < 0 { index + len as i64 } else { index };
    usize::try_from(at).ok().filter(|at| *at < len)
}

/// The elements from `first` to `last`, each negative from the end: where they begin, and how many
/// there are in a list of `len`.
#[inline]
fn range(first: i64, last: i64, len: usize) -> (usize, usize) {
    let from_end = |index: i64| if index < 0 { index + len as i64 } else { index };
    let (first, last) = (from_end(first).max(0), from_end(last).min(len as i64 - 1));
    if first > last { (0, 0) } else { (first as usize, (last - first + 1) as usize) }
}
