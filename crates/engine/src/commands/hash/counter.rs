//! Numbers kept as the values of fields.

use crate::error::Error;
use crate::long_double::LongDouble;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::NewValue;
use crate::storage::value::hash::Ttl;
use redstart_protocol::parse_i64;

/// HINCRBY key field increment
pub static HINCRBY: DataCommand = declare("hincrby", Group::Hash, Exactly(4))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("2.0.0")
    .complexity("O(1)")
    .summary("Adds a number to the integer value of a field; a missing field counts as zero.")
    .syntax("key field increment")
    .run(add);

fn add(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, field) = (call.key(0), call.args.at(2));
    let by = parse_i64(call.args.at(3)).ok_or(Error::NOT_INTEGER)?;
    let slot = call.space.find_hash(key)?;
    let limits = call.space.hash_limits(call.options);
    let old = slot.and_then(|slot| call.space.hash(key, slot).get(field, limits.hasher));
    let old = match old {
        Some(value) => value.with(parse_i64).ok_or(Error::HASH_NOT_INTEGER)?,
        None => 0,
    };
    let new = old.checked_add(by).ok_or(Error::OVERFLOW)?;
    let mut text = itoa::Buffer::new();
    let text = NewValue::Str(text.format(new).as_bytes());
    call.space.change_hash(key, slot, |hash| {
        hash.set(field, text, Ttl::Keep, limits);
        true
    });
    call.emit_as_is();
    call.reply.integer(new);
    Ok(())
}

/// HINCRBYFLOAT key field increment
pub static HINCRBYFLOAT: DataCommand = declare("hincrbyfloat", Group::Hash, Exactly(4))
    .flags(WRITE | DENYOOM | FAST | OWN_EVENT)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("2.6.0")
    .complexity("O(1)")
    .summary(
        "Adds a floating point number to the value of a field; a missing field counts as \
         zero.",
    )
    .syntax("key field increment")
    .run(add_float);

/// The effect holds the sum itself, so that no other rounding can change it in a replay.
fn add_float(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, field) = (call.key(0), call.args.at(2));
    let zero = LongDouble::parse(b"0").ok_or(Error::NOT_FLOAT)?;
    let by = LongDouble::parse(call.args.at(3)).ok_or(Error::NOT_FLOAT)?;
    zero.checked_add(by).map_err(|_| Error::INCREMENT_NOT_FINITE)?;
    let slot = call.space.find_hash(key)?;
    let limits = call.space.hash_limits(call.options);
    let old = slot.and_then(|slot| call.space.hash(key, slot).get(field, limits.hasher));
    let old = match old {
        Some(value) => value.with(LongDouble::parse).ok_or(Error::HASH_NOT_FLOAT)?,
        None => zero,
    };
    let sum = old.checked_add(by).map_err(|_| Error::NAN_OR_INFINITY)?.format();
    let mut expires = false;
    call.space.change_hash(key, slot, |hash| {
        hash.set(field, NewValue::Str(&sum), Ttl::Keep, limits);
        expires = hash.next_deadline_ms() != 0;
        true
    });
    if expires {
        let words: [&[u8]; 7] = [b"HSETEX", key.bytes, b"KEEPTTL", b"FIELDS", b"1", field, &sum];
        call.space.emit(|| words);
    } else {
        call.space.emit(|| [&b"HSET"[..], key.bytes, field, &sum]);
    }
    call.reply.bulk(&sum);
    Ok(())
}
