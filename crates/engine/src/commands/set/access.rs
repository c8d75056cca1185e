//! Sets of keys: how they are fetched, stored and changed.
//!
//! A set exists while it has members: a command that takes the last one removes the key.

use crate::error::Error;
use crate::run::call::Call;
use crate::run::key_access::KeyAccess;
use crate::spec::Key;
use crate::storage::entry::{Entry, NewValue};
use crate::storage::table::Slot;
use crate::storage::value::set::{Limits, Member, Set, SetRef};
use crate::storage::value::{Object, ObjectRef};
use redstart_protocol::Reply;

/// The set in an entry, or WRONGTYPE.
#[inline]
pub fn set_of(entry: &Entry) -> Result<SetRef<'_>, Error> {
    match entry.object() {
        Some(ObjectRef::Set(set)) => Ok(set),
        _ => Err(Error::WRONG_TYPE),
    }
}

/// Fetches a set for reading: counts a hit or a miss and notes the access.
#[inline]
pub fn read_set<'s>(
    space: &'s mut KeyAccess<'_>,
    key: Key<'_>,
) -> Result<Option<SetRef<'s>>, Error> {
    space.read(key).map(set_of).transpose()
}

/// Where a set to be changed is.
#[inline]
pub fn find_set(space: &mut KeyAccess<'_>, key: Key<'_>) -> Result<Option<Slot>, Error> {
    let Some(slot) = space.find(key) else { return Ok(None) };
    set_of(space.entry(key, slot))?;
    Ok(Some(slot))
}

/// The set in a slot that [`find_set`] gave.
#[inline]
pub fn set_at<'s>(space: &'s mut KeyAccess<'_>, key: Key<'_>, slot: Slot) -> SetRef<'s> {
    set_of(space.entry(key, slot)).expect("the slot was found to hold a set")
}

/// Changes the set in a slot that [`find_set`] gave; one that is empty afterwards is removed. `f`
/// returns whether it changed anything.
#[inline]
pub fn change_set(
    space: &mut KeyAccess<'_>,
    key: Key<'_>,
    slot: Slot,
    f: impl FnOnce(&mut Set) -> bool,
) {
    space.change_parts(key, slot, |entry| {
        let changed = entry.edit_set(|set| (f(set), set.is_empty()));
        changed.expect("the slot was found to hold a set")
    });
}

/// Stores a set where nothing is, or over whatever is in the slot.
pub fn put_set(space: &mut KeyAccess<'_>, key: Key<'_>, slot: Option<Slot>, set: Set) {
    space.put(key, slot, NewValue::Object(Box::new(Object::Set(set))), 0);
}

/// Up to what a set is not large, as set.
#[inline]
pub fn limits<'a>(call: &Call<'a>) -> Limits<'a> {
    Limits {
        integers: call.options.set_integers_max(),
        members: call.options.set_packed_members_max(),
        bytes: call.options.set_packed_bytes_max(),
        hasher: call.space.hasher(),
    }
}

/// Writes a member as a bulk reply.
#[inline]
pub fn write_member(reply: &mut Reply, member: Member<'_>) {
    match member {
        Member::Text(text) => reply.bulk(text),
        Member::Integer(n) => reply.bulk_integer(n),
    }
}
