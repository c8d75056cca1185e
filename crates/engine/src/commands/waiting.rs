//! What commands that wait for a key share: the time, the first try, and how a waiter is served.

use crate::error::Error;
use crate::keyspace::waiters::{Wait, Waiter};
use crate::run::call::Call;
use crate::run::command::Served;
use crate::run::key_access::KeyAccess;
use crate::spec::*;
use crate::storage::table::Slot;
use redstart_protocol::parse_f64;

/// `key [key ...] timeout`
pub const ALL_BUT_LAST: &[KeySpec] = &[KeySpec {
    begin: Begin::Index(1),
    find: Find::Range { last: -2, step: 1 },
    access: RW | ACCESS | DELETE,
}];

/// Where a key's value of the type in question is; WRONGTYPE when it is something else.
pub type FindValue = fn(&mut KeyAccess<'_>, Key<'_>) -> Result<Option<Slot>, Error>;

/// Gives of the first key that has a value, unless others wait for it already; else waits for any
/// of the keys.
pub fn give_or_wait(
    call: &mut Call<'_>,
    timeout_ms: u64,
    find: FindValue,
    give: impl FnOnce(&mut Call<'_>, Key<'_>, Slot),
) -> Result<(), Error> {
    for key in call.keys() {
        if let Some(slot) = find(&mut call.space, key)?
            && !call.must_queue(key)
        {
            give(call, key, slot);
            return Ok(());
        }
    }
    let keys = 0..call.keys().len();
    if !call.wait(Wait::new(keys, timeout_ms)) {
        call.reply.null_array();
    }
    Ok(())
}

/// Gives of the `n`th key, if it has a value by now and the waiter still waits.
pub fn serve(
    call: &mut Call<'_>,
    n: usize,
    waiter: &Waiter,
    find: FindValue,
    give: impl FnOnce(&mut Call<'_>, Key<'_>, Slot),
) -> Result<Served, Error> {
    let key = call.key(n);
    let Some(slot) = claim(call, key, waiter, find) else { return Ok(Served::Nothing) };
    give(call, key, slot);
    Ok(Served::Given)
}

/// Where the value is that a waiter is to be served from, if there is one and the waiter still
/// waits.
pub fn claim(call: &mut Call<'_>, key: Key<'_>, waiter: &Waiter, find: FindValue) -> Option<Slot> {
    find(&mut call.space, key).ok().flatten().filter(|_| waiter.claim())
}

/// Argument `at`, in seconds, as a time to wait in milliseconds; zero is for ever.
pub fn timeout(call: &Call<'_>, at: usize) -> Result<u64, Error> {
    let text = call.args.at(at);
    // What is too large for a float is a number all the same.
    let beyond = || std::str::from_utf8(text).ok()?.parse().ok();
    let seconds = parse_f64(text).or_else(beyond).filter(|seconds| !seconds.is_nan());
    let timeout_ms = (seconds.ok_or(Error::TIMEOUT_NOT_FLOAT)? * 1000.0).ceil();
    if timeout_ms < 0.0 {
        return Err(Error::TIMEOUT_NEGATIVE);
    }
    if timeout_ms >= (i64::MAX - call.now().present().wall_ms) as f64 {
        return Err(Error::TIMEOUT_OUT_OF_RANGE);
    }
    Ok(timeout_ms as u64)
}
