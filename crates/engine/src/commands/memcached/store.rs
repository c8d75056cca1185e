//! `set`, `add`, `replace`, `append`, `prepend`, `cas`, and `ms`.

use super::{Expiry, Found, emit_stored, find, flagged, is_version, remove};
use crate::run::call::Call;
use crate::spec::Key;
use crate::storage::entry::note::{long_with, with};
use crate::storage::entry::{Long, NewValue, Note, Value};
use crate::storage::table::Slot;
use crate::storage::value::Type;
use bytes::Bytes;

/// The place of the value among the arguments.
const VALUE: usize = 2;

/// Under which condition a value is stored, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whatever is there.
    Set,
    /// If nothing is there.
    Add,
    /// If something is there.
    Replace,
    /// Behind what is there.
    Append,
    /// Before what is there.
    Prepend,
    /// If the version that is there is the one that is named.
    Cas,
}

/// What a request wants stored.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// How.
    pub mode: Mode,
    /// The client's flags.
    pub flags: u32,
    /// How long.
    pub expiry: Expiry,
    /// The version that must be there.
    pub version: Option<u64>,
    /// The version that the value gets.
    pub new_version: Option<u64>,
    /// Whether a value is stored over a newer one, too, and is stale then.
    pub takes_older: bool,
    /// Until when a value lives that is stored where there is nothing to append to.
    pub vivify: Option<Expiry>,
    /// The longest value, in bytes.
    pub bytes_max: usize,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It was stored.
    Stored,
    /// The condition does not hold.
    NotStored,
    /// Another version is there.
    Exists,
    /// Nothing is there.
    NotFound,
}

/// Stores the value of a request, if its conditions hold.
pub fn store(call: &mut Call<'_>, wanted: &Store) -> Stored {
    let key = call.key(0);
    let slot = match find(call, key) {
        Found::String(slot) => Some(slot),
        Found::Nothing => None,
        Found::Other if wanted.mode == Mode::Cas => return Stored::NotFound,
        Found::Other => return Stored::NotStored,
    };
    let joins = matches!(wanted.mode, Mode::Append | Mode::Prepend);
    let mut note = flagged(wanted.flags);
    let Some(slot) = slot else {
        let expiry = match wanted.mode {
            Mode::Set | Mode::Add => wanted.expiry,
            Mode::Cas => return Stored::NotFound,
            Mode::Replace => return Stored::NotStored,
            Mode::Append | Mode::Prepend => match wanted.vivify {
                Some(expiry) => expiry,
                None => return Stored::NotStored,
            },
        };
        put(call, key, None, note, expiry, wanted.new_version);
        return Stored::Stored;
    };
    if wanted.mode == Mode::Add {
        call.space.note_left(key, slot);
        return Stored::NotStored;
    }
    let mut was_leased = false;
    if !is_version(call, key, wanted.version) {
        let is_older = wanted.version < Some(call.space.version(key));
        if joins || !wanted.takes_older || !is_older {
            return Stored::Exists;
        }
        note = note.stale();
        was_leased = call.space.is_leased(key);
    }
    if joins {
        return join(call, key, slot, wanted);
    }
    put(call, key, Some(slot), note, wanted.expiry, wanted.new_version);
    if was_leased {
        call.space.lease_until(key, wanted.expiry.deadline_ms().unwrap_or(1));
    }
    Stored::Stored
}

/// Stores the request's value with a note; one whose time is over is not there any more.
fn put(
    call: &mut Call<'_>,
    key: Key<'_>,
    slot: Option<Slot>,
    note: Note,
    expiry: Expiry,
    version: Option<u64>,
) {
    let Some(deadline_ms) = expiry.deadline_ms() else {
        match slot {
            Some(slot) => remove(call, key, slot),
            None => call.space.void_absent(key),
        }
        return;
    };
    let value = match call.value(VALUE) {
        value if note.is_empty() => value,
        NewValue::Shared(bytes) => long_with(note, Long::from(bytes)),
        _ => with(note, call.args.at(VALUE)),
    };
    call.space.note_overwrite(key, slot, Type::Str);
    let slot = call.space.put(key, slot, value, deadline_ms);
    call.space.mark_new(key, slot);
    emit_stored(call, key, slot);
    if let Some(version) = version {
        call.space.set_version(key, version);
    }
}

/// Stores the request's bytes behind or before those that are there; note and deadline stay.
fn join(call: &mut Call<'_>, key: Key<'_>, slot: Slot, wanted: &Store) -> Stored {
    let more = call.args.at(VALUE);
    let entry = call.space.entry(key, slot);
    let (len, note, deadline_ms) = (entry.value().len(), entry.note(), entry.deadline_ms());
    if len + more.len() > wanted.bytes_max {
        return Stored::NotStored;
    }
    if wanted.mode == Mode::Append && !matches!(entry.value(), Value::Int(_)) {
        call.space.modify(key, slot, |entry| {
            entry.write_at(len, more);
            entry.set_fetched(false);
        });
        call.space.own_event("append");
        call.space.emit(|| [&b"APPEND"[..], key.bytes, more]);
    } else {
        let old = entry.value().to_vec();
        let both = match wanted.mode {
            Mode::Append => [&old[..], more].concat(),
            _ => [more, &old[..]].concat(),
        };
        let value = match both.len() > crate::storage::entry::INLINE_MAX {
            true => long_with(note, Long::from(Bytes::from(both))),
            false if note.is_empty() => NewValue::Raw(&both),
            false => with(note, &both),
        };
        let slot = call.space.put(key, Some(slot), value, deadline_ms);
        call.space.mark_new(key, slot);
        call.space.own_event("append");
        emit_stored(call, key, slot);
    }
    if let Some(version) = wanted.new_version {
        call.space.set_version(key, version);
    }
    Stored::Stored
}
