//! `get`, `gat`, `touch`, `mg` and `me`.
//!
//! `mg` may tell one client of many to compute a value: because there is none (`N`), because its
//! time is soon over (`R`), or because it was marked as stale. That is a lease of the key
//! (`keyspace/leases.rs`), which lasts as long as the value that is there; who asks meanwhile is
//! told that somebody computes. A client of LEASE.GET that computes counts as one, too.

use super::{Expiry, Found, emit_stored, find, left_s, set_expiry};
use crate::run::call::Call;
use crate::spec::Key;
use crate::storage::entry::{NewValue, Note, Value};
use crate::storage::table::Slot;
use redstart_protocol::memcached::{value, value_pieces};
use redstart_protocol::{Reply, SHARED_MIN};

/// Writes a value with its key and flags, if it is there, and with its version if that is wanted.
#[inline]
pub fn get(call: &mut Call<'_>, with_version: bool) {
    let key = call.key(0);
    let Some(slot) = call.space.fetch(key) else { return };
    write_value(call, key, slot, with_version);
}

fn write_value(call: &mut Call<'_>, key: Key<'_>, slot: Slot, with_version: bool) {
    let version = with_version.then(|| call.space.version(key));
    let entry = call.space.entry(key, slot);
    let (flags, reply) = (entry.note().flags, &mut *call.reply);
    match entry.value() {
        Value::Inline(bytes) => value(reply, key.bytes, flags, version, bytes),
        Value::Int(n) => {
            let mut buffer = itoa::Buffer::new();
            value(reply, key.bytes, flags, version, buffer.format(n).as_bytes());
        }
        Value::Large(long) => {
            let len = long.len();
            value_pieces(reply, key.bytes, flags, version, len, long.range(0..len));
        }
    }
}

/// Gives a value another time to live, and writes it if `writes` says so, with its version if that
/// says so. Returns whether it is there.
pub fn touch(call: &mut Call<'_>, expiry: Expiry, writes: Option<bool>) -> bool {
    let key = call.key(0);
    let slot = match writes {
        Some(_) => call.space.fetch(key),
        None => match find(call, key) {
            Found::String(slot) => Some(slot),
            _ => None,
        },
    };
    let Some(slot) = slot else { return false };
    if let Some(with_version) = writes {
        write_value(call, key, slot, with_version);
    }
    set_expiry(call, key, slot, expiry);
    true
}

/// What `mg` is to do beside telling.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Until when what is made lives, where there is nothing.
    pub vivify: Option<Expiry>,
    /// A value whose time is over before then is to be computed anew.
    pub recache: Option<Expiry>,
    /// The new time to live.
    pub touch: Option<Expiry>,
    /// The version of what is made.
    pub new_version: Option<u64>,
    /// The look is no use of the value.
    pub is_idle: bool,
    /// Whether the client wants to know the version.
    pub wants_version: bool,
}

/// What there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    slot: Option<Slot>,
    /// The length of the value, in bytes.
    pub len: usize,
    /// Its note.
    pub note: Note,
    /// Its version, if that was asked for.
    pub version: u64,
    /// For how long it lives, in seconds; minus one is for ever.
    pub left_s: i64,
    /// For how long it was not used, in seconds.
    pub idle_s: u64,
    /// Whether a client has read it before.
    pub was_fetched: bool,
    /// The client is to compute the value.
    pub wins: bool,
    /// Another client computes it.
    pub is_leased: bool,
    /// The bytes that it takes.
    pub allocated: usize,
}

/// Looks a value up; None where there is nothing. [`write_data`] writes its bytes.
pub fn look(call: &mut Call<'_>, wanted: &Look) -> Option<Seen> {
    let (key, now) = (call.key(0), call.now());
    let slot = match find(call, key) {
        Found::String(slot) => slot,
        Found::Nothing if wanted.vivify.is_some() => return vivify(call, key, wanted),
        _ => {
            call.space.count(false);
            call.space.note_miss(key);
            return None;
        }
    };
    call.space.count(true);
    let idle_s = call.space.idle_s(key, slot);
    let was_fetched = call.space.entry(key, slot).is_fetched();
    if !wanted.is_idle {
        call.space.note_left(key, slot);
        call.space.mark_fetched(key, slot);
    }
    let mut left = None;
    if let Some(expiry) = wanted.touch {
        if expiry == Expiry::Past {
            left = Some(0);
        } else {
            set_expiry(call, key, slot, expiry);
        }
    }
    let version = if wanted.wants_version { call.space.version(key) } else { 0 };
    let is_leased = call.space.is_leased(key);
    let entry = call.space.entry(key, slot);
    let (deadline_ms, note) = (entry.deadline_ms(), entry.note());
    let soon = match wanted.recache {
        Some(Expiry::At(at_ms)) => deadline_ms != 0 && deadline_ms < at_ms,
        _ => false,
    };
    let mut seen = Seen {
        slot: Some(slot),
        len: entry.value().len(),
        note,
        version,
        left_s: left.unwrap_or(left_s(deadline_ms, now)),
        idle_s,
        was_fetched,
        wins: false,
        is_leased,
        allocated: entry.allocated(),
    };
    // What was awaited before a restart is awaited by nobody now.
    if !is_leased && (soon || note.is_stale() || note.is_awaited()) {
        call.space.lease_until(key, deadline_ms);
        seen.wins = true;
    }
    Some(seen)
}

/// Makes an empty value that the client is to compute; if another one computes it, there is none,
/// and the client is told so.
fn vivify(call: &mut Call<'_>, key: Key<'_>, wanted: &Look) -> Option<Seen> {
    let now = call.now();
    call.space.count(false);
    call.space.note_miss(key);
    let expiry = wanted.touch.or(wanted.vivify)?;
    if call.space.is_leased(key) {
        return Some(Seen { is_leased: true, left_s: -1, ..Seen::default() });
    }
    let Some(deadline_ms) = expiry.deadline_ms() else {
        return Some(Seen { wins: true, ..Seen::default() });
    };
    let note = Note::awaited();
    let slot = call.space.put(key, None, NewValue::Noted(note, b""), deadline_ms);
    emit_stored(call, key, slot);
    call.space.lease_until(key, deadline_ms);
    if let Some(version) = wanted.new_version {
        call.space.set_version(key, version);
    }
    let version = if wanted.wants_version { call.space.version(key) } else { 0 };
    let left_s = left_s(deadline_ms, now);
    Some(Seen { slot: Some(slot), note, version, left_s, wins: true, ..Seen::default() })
}

/// Writes the bytes of what was seen, and a line's end.
pub fn write_data(call: &mut Call<'_>, seen: &Seen) {
    let key = call.key(0);
    if let Some(slot) = seen.slot {
        let (entry, reply): (_, &mut Reply) = (call.space.entry(key, slot), &mut *call.reply);
        match entry.value() {
            Value::Large(long) if long.len() >= SHARED_MIN => {
                reply.raw_pieces(long.len(), long.range(0..long.len()));
            }
            other => other.with(|bytes| reply.raw(bytes)),
        }
    }
    call.reply.raw(b"\r\n");
}

/// What was seen is to be over.
pub fn end(call: &mut Call<'_>, seen: &Seen) {
    let key = call.key(0);
    if let Some(slot) = seen.slot {
        set_expiry(call, key, slot, Expiry::Past);
    }
}
