//! `incr`, `decr` and `ma`: numbers without a sign, of 64 bits, that begin again at zero beyond
//! their end and do not go below it.

use super::{Expiry, Found, emit_stored, find, is_version, left_s, set_expiry};
use crate::run::call::Call;
use crate::spec::Key;
use crate::storage::entry::note::with;
use crate::storage::entry::{NewValue, Note};
use crate::storage::table::Slot;

/// How to count.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Upwards.
    pub up: bool,
    /// By how much.
    pub by: u64,
    /// The version that must be there.
    pub version: Option<u64>,
    /// The version that the value gets.
    pub new_version: Option<u64>,
    /// What is stored where there is nothing, and how long.
    pub vivify: Option<(u64, Expiry)>,
    /// The new time to live.
    pub expiry: Option<Expiry>,
    /// Whether the client wants to know the version.
    pub wants_version: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// The number is this now.
    To {
        /// The number.
        number: u64,
        /// For how long it lives, in seconds; minus one is for ever.
        left_s: i64,
        /// Its version, if that was asked for.
        version: u64,
    },
    /// There is no value.
    NotFound,
    /// The value is no number.
    NotNumber,
    /// Another version is there.
    Exists,
}

/// The number that a string is, blanks around it aside.
fn number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit <= 9).then(|| sum.checked_mul(10)?.checked_add(digit.into()))?
    })
}

/// Counts.
pub fn count(call: &mut Call<'_>, wanted: &Count) -> Counted {
    let key = call.key(0);
    let slot = match find(call, key) {
        Found::String(slot) => slot,
        Found::Other => return Counted::NotFound,
        Found::Nothing => return vivify(call, key, wanted),
    };
    let entry = call.space.entry(key, slot);
    let (note, deadline_ms) = (entry.note(), entry.deadline_ms());
    let Some(old) = entry.value().with(number) else { return Counted::NotNumber };
    if !is_version(call, key, wanted.version) {
        return Counted::Exists;
    }
    let new = if wanted.up { old.wrapping_add(wanted.by) } else { old.saturating_sub(wanted.by) };
    let slot = put(call, key, Some(slot), new, note, deadline_ms);
    finish(call, key, slot, new, wanted, wanted.expiry)
}

fn vivify(call: &mut Call<'_>, key: Key<'_>, wanted: &Count) -> Counted {
    let Some((initial, expiry)) = wanted.vivify else { return Counted::NotFound };
    let slot = put(call, key, None, initial, Note::default(), 0);
    finish(call, key, slot, initial, wanted, Some(wanted.expiry.unwrap_or(expiry)))
}

fn put(
    call: &mut Call<'_>,
    key: Key<'_>,
    slot: Option<Slot>,
    number: u64,
    note: Note,
    deadline_ms: u64,
) -> Slot {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(number).as_bytes();
    let value = match i64::try_from(number) {
        Ok(number) if note.is_empty() => NewValue::Int(number),
        _ => with(note, text),
    };
    let slot = call.space.put(key, slot, value, deadline_ms);
    call.space.mark_new(key, slot);
    call.space.own_event("incrby");
    emit_stored(call, key, slot);
    slot
}

fn finish(
    call: &mut Call<'_>,
    key: Key<'_>,
    slot: Slot,
    number: u64,
    wanted: &Count,
    expiry: Option<Expiry>,
) -> Counted {
    let now = call.now();
    if let Some(version) = wanted.new_version {
        call.space.set_version(key, version);
    }
    let version = if wanted.wants_version { call.space.version(key) } else { 0 };
    let mut left = left_s(call.space.entry(key, slot).deadline_ms(), now);
    match expiry {
        None => {}
        Some(Expiry::Past) => {
            left = 0;
            set_expiry(call, key, slot, Expiry::Past);
        }
        Some(expiry) => {
            set_expiry(call, key, slot, expiry);
            left = left_s(call.space.entry(key, slot).deadline_ms(), now);
        }
    }
    Counted::To { number, left_s: left, version }
}
