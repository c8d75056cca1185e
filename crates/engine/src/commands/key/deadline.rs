//! When keys expire: deadlines are set, read and taken away.
//!
//! Deadlines live on the monotonic clock; wall times in requests and replies are converted with the
//! request's own reading of both clocks, so that an absolute time comes back as it was given.

use crate::clock::Now;
use crate::commands::expiry::ExpiryUnit;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use redstart_protocol::parse_i64;

/// EXPIRE key seconds [NX | XX | GT | LT]
pub static EXPIRE: DataCommand = declare("expire", Group::Generic, AtLeast(3))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Lets a key expire in so many seconds.")
    .syntax("key seconds [NX | XX | GT | LT]")
    .run(|call| expire(call, ExpiryUnit::Seconds));

/// PEXPIRE key milliseconds [NX | XX | GT | LT]
pub static PEXPIRE: DataCommand = declare("pexpire", Group::Generic, AtLeast(3))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("2.6.0")
    .complexity("O(1)")
    .summary("Lets a key expire in so many milliseconds.")
    .syntax("key milliseconds [NX | XX | GT | LT]")
    .run(|call| expire(call, ExpiryUnit::Milliseconds));

/// EXPIREAT key unix-time-seconds [NX | XX | GT | LT]
pub static EXPIREAT: DataCommand = declare("expireat", Group::Generic, AtLeast(3))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("1.2.0")
    .complexity("O(1)")
    .summary("Lets a key expire at a Unix time in seconds.")
    .syntax("key unix-time-seconds [NX | XX | GT | LT]")
    .run(|call| expire(call, ExpiryUnit::UnixSeconds));

/// PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]
pub static PEXPIREAT: DataCommand = declare("pexpireat", Group::Generic, AtLeast(3))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("2.6.0")
    .complexity("O(1)")
    .summary("Lets a key expire at a Unix time in milliseconds.")
    .syntax("key unix-time-milliseconds [NX | XX | GT | LT]")
    .run(|call| expire(call, ExpiryUnit::UnixMilliseconds));

/// When a deadline is set.
#[derive(Clone, Copy, Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn parse(call: &Call<'_>) -> Result<Conditions, Error> {
        let mut conditions = Conditions::default();
        for word in call.args.iter().skip(3) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("NX") {
                conditions.nx = true;
            } else if is("XX") {
                conditions.xx = true;
            } else if is("GT") {
                conditions.gt = true;
            } else if is("LT") {
                conditions.lt = true;
            } else {
                return Err(Error::unsupported_option(word));
            }
        }
        let Conditions { nx, xx, gt, lt } = conditions;
        if nx && (xx || gt || lt) {
            return Err(Error::NX_AND_OTHERS);
        }
        if gt && lt {
            return Err(Error::GT_AND_LT);
        }
        Ok(conditions)
    }

    /// Whether the time `at` may take the place of `present`, both in the same milliseconds. A key
    /// without a deadline lives for ever: longer than any time.
    fn hold(self, at: i64, present: Option<i64>) -> bool {
        let refused = match present {
            None => self.xx || self.gt,
            Some(present) => self.nx || (self.gt && at <= present) || (self.lt && at >= present),
        };
        !refused
    }
}

fn expire(call: &mut Call<'_>, unit: ExpiryUnit) -> Result<(), Error> {
    let conditions = Conditions::parse(call)?;
    let at_ms = wall_time(call, unit)?;
    let (key, now) = (call.key(0), call.now());
    let slot = call.space.find(key).filter(|&slot| {
        call.space.note_left(key, slot);
        let deadline_ms = call.space.entry(key, slot).deadline_ms();
        conditions.hold(at_ms, (deadline_ms != 0).then(|| now.wall(deadline_ms)))
    });
    match slot {
        Some(slot) if now.has_come(at_ms) => {
            call.space.remove(key, slot);
            call.space.emit(|| [&b"DEL"[..], key.bytes]);
        }
        Some(slot) => {
            call.space.set_deadline(key, slot, now.deadline(at_ms));
            if call.space.listened_to() {
                let at = at_ms.to_string();
                call.space.emit(|| [&b"PEXPIREAT"[..], key.bytes, at.as_bytes()]);
            }
        }
        None if now.has_come(at_ms) && !call.space.has(key) => call.space.void_absent(key),
        None => {}
    }
    call.reply.integer(i64::from(slot.is_some()));
    Ok(())
}

/// The wall time in milliseconds that the second argument gives; it may have passed.
fn wall_time(call: &Call<'_>, unit: ExpiryUnit) -> Result<i64, Error> {
    let given = parse_i64(call.args.at(2)).ok_or(Error::NOT_INTEGER)?;
    let at_ms = given.checked_mul(unit.scale_ms());
    let at_ms = at_ms.and_then(|ms| ms.checked_add(unit.base_ms(call.now())));
    at_ms.ok_or_else(|| Error::invalid_expire(call.command.name))
}

/// TTL key
pub static TTL: DataCommand = declare("ttl", Group::Generic, Exactly(2))
    .flags(READONLY | FAST | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Tells in how many seconds a key expires.")
    .syntax("key")
    .run(|call| reply_time(call, |deadline_ms, now| seconds(left(deadline_ms, now))));

/// PTTL key
pub static PTTL: DataCommand = declare("pttl", Group::Generic, Exactly(2))
    .flags(READONLY | FAST | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.6.0")
    .complexity("O(1)")
    .summary("Tells in how many milliseconds a key expires.")
    .syntax("key")
    .run(|call| reply_time(call, left));

/// EXPIRETIME key
pub static EXPIRETIME: DataCommand = declare("expiretime", Group::Generic, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("7.0.0")
    .complexity("O(1)")
    .summary("Tells the Unix time in seconds at which a key expires.")
    .syntax("key")
    .run(|call| reply_time(call, |deadline_ms, now| seconds(now.wall(deadline_ms))));

/// PEXPIRETIME key
pub static PEXPIRETIME: DataCommand = declare("pexpiretime", Group::Generic, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("7.0.0")
    .complexity("O(1)")
    .summary("Tells the Unix time in milliseconds at which a key expires.")
    .syntax("key")
    .run(|call| reply_time(call, |deadline_ms, now| now.wall(deadline_ms)));

/// Replies what `of_deadline` makes of the key's deadline: -1 where there is none, -2 without the
/// key.
fn reply_time(call: &mut Call<'_>, of_deadline: fn(u64, Now) -> i64) -> Result<(), Error> {
    let (key, now) = (call.key(0), call.now());
    let time = match call.space.look(key).map(|entry| entry.deadline_ms()) {
        None => -2,
        Some(0) => -1,
        Some(deadline_ms) => of_deadline(deadline_ms, now),
    };
    call.reply.integer(time);
    Ok(())
}

/// The milliseconds that are left.
fn left(deadline_ms: u64, now: Now) -> i64 {
    i64::try_from(deadline_ms.saturating_sub(now.present().mono_ms)).unwrap_or(i64::MAX)
}

/// Milliseconds in seconds, rounded.
fn seconds(ms: i64) -> i64 {
    ms / 1000 + (ms % 1000 + 500) / 1000
}

/// PERSIST key
pub static PERSIST: DataCommand = declare("persist", Group::Generic, Exactly(2))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("2.2.0")
    .complexity("O(1)")
    .summary("Takes a key's time to live away.")
    .syntax("key")
    .run(persist);

fn persist(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let slot = call.space.find(key);
    let volatile = slot.filter(|&slot| {
        call.space.note_left(key, slot);
        call.space.entry(key, slot).deadline_ms() != 0
    });
    if let Some(slot) = volatile {
        call.space.set_deadline(key, slot, 0);
        call.emit_as_is();
    }
    call.reply.integer(i64::from(volatile.is_some()));
    Ok(())
}
