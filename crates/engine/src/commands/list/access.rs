//! Lists of keys: how they are fetched, stored and changed.
//!
//! A list exists while it has elements: a command that takes the last one removes the key.

use crate::error::Error;
use crate::run::call::Call;
use crate::run::key_access::KeyAccess;
use crate::spec::Key;
use crate::storage::entry::{Entry, NewValue};
use crate::storage::table::Slot;
use crate::storage::value::list::{Element, Limit, List, ListRef};
use crate::storage::value::{Object, ObjectRef};
use redstart_protocol::Reply;

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
pub fn modify<R>(
    space: &mut KeyAccess<'_>,
    key: Key<'_>,
    slot: Slot,
    f: impl FnOnce(&mut List) -> R,
) -> R {
    space.modify(key, slot, |entry| edit(entry, f))
}

/// Calls `f` with the list in an entry that was seen to hold one.
#[inline]
pub fn edit<R>(entry: &mut Entry, f: impl FnOnce(&mut List) -> R) -> R {
    entry.edit_list(f).expect("the entry was seen to be a list")
}

/// Stores a list where nothing is, or over whatever is in the slot.
pub fn put_list(space: &mut KeyAccess<'_>, key: Key<'_>, slot: Option<Slot>, list: List) {
    space.put(key, slot, NewValue::Object(Box::new(Object::List(list))), 0);
}

/// Removes elements, the key with the last of them; what is large is dropped after the unlock.
pub fn remove(call: &mut Call<'_>, key: Key<'_>, slot: Slot, index: usize, count: usize) {
    let limit = limit(call);
    let space = &mut call.space;
    if list_of(space.entry(key, slot)).is_ok_and(|list| list.len() == count) {
        return space.remove(key, slot);
    }
    if let Some(removed) = modify(space, key, slot, |list| list.remove(index, count, limit)) {
        discard(space, removed);
    }
}

/// Drops elements that were removed, after the unlock when they are many.
pub fn discard(space: &mut KeyAccess<'_>, removed: List) {
    space.discard(NewValue::Object(Box::new(Object::List(removed))));
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
