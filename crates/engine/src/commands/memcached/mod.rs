//! What clients of the memcached port do with values: they are strings of database 0, and a note
//! beside them has the client's flags (`storage/entry/note.rs`).
//!
//! The requests are read and answered elsewhere; here is what each does under its key's lock, and
//! MEMCACHED.NOTE, by which the effect stream has the notes. A value that is no string is not there
//! for any of them, and nothing is stored in its place.

mod count;
mod look;
mod note;
mod remove;
mod store;

pub use count::{Count, Counted, count};
pub use look::{Look, Seen, end, get, look, touch, write_data};
pub use remove::{Delete, Deleted, delete};
pub use store::{Mode, Store, Stored, store};

use crate::clock::Now;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::Key;
use crate::storage::entry::Note;
use crate::storage::table::Slot;

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[&note::MEMCACHED_NOTE];

/// A time to live beyond which it is a Unix time, in seconds: thirty days.
const RELATIVE_MAX_S: i32 = 60 * 60 * 24 * 30;

/// Until when a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// For ever.
    Never,
    /// Until then, in monotonic milliseconds.
    At(u64),
    /// It is over.
    Past,
}

impl Expiry {
    /// What memcached's clients mean by a number of seconds.
    pub fn of(seconds: i32, now: Now) -> Expiry {
        let ms = i64::from(seconds) * 1000;
        match seconds {
            0 => Expiry::Never,
            ..0 => Expiry::Past,
            1..=RELATIVE_MAX_S => Expiry::At(now.mono_ms.saturating_add(ms as u64)),
            _ if now.has_come(ms) => Expiry::Past,
            _ => Expiry::At(now.deadline(ms)),
        }
    }

    /// As a deadline, if it is not over; zero is none.
    fn deadline_ms(self) -> Option<u64> {
        match self {
            Expiry::Never => Some(0),
            Expiry::At(deadline_ms) => Some(deadline_ms),
            Expiry::Past => None,
        }
    }
}

/// How many seconds a deadline is ahead, as clients are told: minus one if there is none.
fn left_s(deadline_ms: u64, now: Now) -> i64 {
    match deadline_ms {
        0 => -1,
        _ => deadline_ms.saturating_sub(now.mono_ms).div_ceil(1000) as i64,
    }
}

/// Where a string is, if there is one; a value that is something else is not there.
enum Found {
    String(Slot),
    Other,
    Nothing,
}

fn find(call: &mut Call<'_>, key: Key<'_>) -> Found {
    match call.space.find(key) {
        Some(slot) if call.space.entry(key, slot).object().is_none() => Found::String(slot),
        Some(_) => Found::Other,
        None => Found::Nothing,
    }
}

/// Emits a value that was stored, and its note if it has one.
fn emit_stored(call: &mut Call<'_>, key: Key<'_>, slot: Slot) {
    if call.space.listened_to() {
        call.space.emit_set(key, slot);
        emit_note(call, key, slot, false);
    }
}

/// Emits a value's note: an empty one only if it `was` another.
fn emit_note(call: &mut Call<'_>, key: Key<'_>, slot: Slot, was: bool) {
    let note = call.space.note_of(key, slot);
    if was || !note.is_empty() {
        let (flags, marks) = (note.flags.to_string(), note.marks().to_string());
        let args = [&b"MEMCACHED.NOTE"[..], key.bytes, flags.as_bytes(), marks.as_bytes()];
        call.space.emit(|| args);
    }
}

/// Changes the deadline of a value; one that is over is removed.
fn set_expiry(call: &mut Call<'_>, key: Key<'_>, slot: Slot, expiry: Expiry) {
    let now = call.now();
    match expiry.deadline_ms() {
        Some(deadline_ms) => {
            call.space.touch_deadline(key, slot, deadline_ms);
            if deadline_ms == 0 {
                call.space.emit(|| [&b"PERSIST"[..], key.bytes]);
            } else if call.space.listened_to() {
                let at = now.wall(deadline_ms).to_string();
                call.space.emit(|| [&b"PEXPIREAT"[..], key.bytes, at.as_bytes()]);
            }
        }
        None => remove(call, key, slot),
    }
}

fn remove(call: &mut Call<'_>, key: Key<'_>, slot: Slot) {
    call.space.remove(key, slot);
    call.space.emit(|| [&b"DEL"[..], key.bytes]);
}

/// Whether a value has the version that a client names, if it names one.
fn is_version(call: &mut Call<'_>, key: Key<'_>, wanted: Option<u64>) -> bool {
    wanted.is_none_or(|wanted| call.space.known_version(key) == Some(wanted))
}

/// The version of the request's value, which is given one if it has none.
pub fn version(call: &mut Call<'_>) -> u64 {
    let key = call.key(0);
    call.space.version(key)
}

/// A note of flags alone.
fn flagged(flags: u32) -> Note {
    Note::new(flags, 0)
}
