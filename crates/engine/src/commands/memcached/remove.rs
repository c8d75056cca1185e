//! `delete`, and `md`, which may also mark a value as one to be computed anew.

use super::{Expiry, Found, emit_note, emit_stored, find, flagged, is_version, remove, set_expiry};
use crate::run::call::Call;
use crate::storage::entry::note::with;

/// What a request wants removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delete {
    /// The version that must be there.
    pub version: Option<u64>,
    /// Whether the value stays, as one to be computed anew.
    pub marks_stale: bool,
    /// The version that it gets then.
    pub new_version: Option<u64>,
    /// How long it lives then.
    pub expiry: Option<Expiry>,
    /// Whether the bytes go and the key stays, with these flags.
    pub empties: Option<u32>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone, or marked.
    Deleted,
    /// Nothing was there.
    NotFound,
    /// Another version is there.
    Exists,
}

/// Removes a value, or marks it.
pub fn delete(call: &mut Call<'_>, wanted: &Delete) -> Deleted {
    let key = call.key(0);
    let mut slot = match find(call, key) {
        Found::String(slot) => slot,
        Found::Other => return Deleted::NotFound,
        Found::Nothing => {
            call.space.void_absent(key);
            return Deleted::NotFound;
        }
    };
    if !is_version(call, key, wanted.version) {
        return Deleted::Exists;
    }
    if !wanted.marks_stale && wanted.empties.is_none() {
        remove(call, key, slot);
        return Deleted::Deleted;
    }
    let mut expiry = wanted.expiry;
    if let Some(flags) = wanted.empties {
        let kept = call.space.entry(key, slot).deadline_ms();
        let deadline_ms = if wanted.marks_stale { kept } else { 0 };
        slot = call.space.put(key, Some(slot), with(flagged(flags), b""), deadline_ms);
        emit_stored(call, key, slot);
        if deadline_ms == 0 {
            expiry = expiry.filter(|expiry| *expiry != Expiry::Never);
        }
    }
    if wanted.marks_stale {
        let note = call.space.note_of(key, slot);
        call.space.set_note(key, slot, note.stale());
        emit_note(call, key, slot, true);
    }
    if let Some(version) = wanted.new_version {
        call.space.set_version(key, version);
    }
    if let Some(expiry) = expiry {
        set_expiry(call, key, slot, expiry);
    }
    Deleted::Deleted
}
