//! Numbers kept as strings: INCR and its family, INCRBYFLOAT.

use super::store::store;
use crate::error::Error;
use crate::long_double::LongDouble;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::{NewValue, Value};
use redstart_protocol::parse_i64;

/// INCR key
pub static INCR: DataCommand = declare("incr", Group::String, Exactly(2))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Adds one to the integer value of a key; a missing key counts as zero.")
    .syntax("key")
    .run(|call| add(call, 1));

/// DECR key
pub static DECR: DataCommand = declare("decr", Group::String, Exactly(2))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Takes one from the integer value of a key; a missing key counts as zero.")
    .syntax("key")
    .run(|call| add(call, -1));

/// INCRBY key increment
pub static INCRBY: DataCommand = declare("incrby", Group::String, Exactly(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Adds a number to the integer value of a key; a missing key counts as zero.")
    .syntax("key increment")
    .run(|call| {
        let by = parse_i64(&call.args[2]).ok_or(Error::NOT_INTEGER)?;
        add(call, by)
    });

/// DECRBY key decrement
pub static DECRBY: DataCommand = declare("decrby", Group::String, Exactly(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Takes a number from the integer value of a key; a missing key counts as zero.")
    .syntax("key decrement")
    .run(|call| {
        let by = parse_i64(&call.args[2]).ok_or(Error::NOT_INTEGER)?;
        add(call, by.checked_neg().ok_or(Error::DECREMENT_OVERFLOW)?)
    });

fn add(call: &mut Call<'_>, by: i64) -> Result<(), Error> {
    let key = call.key(0);
    let slot = call.space.find(key);
    let (old, deadline_ms) = match slot {
        Some(slot) => {
            let entry = call.space.entry(key, slot);
            (integer(entry.string()?)?, entry.deadline_ms())
        }
        None => (0, 0),
    };
    let new = old.checked_add(by).ok_or(Error::OVERFLOW)?;
    // Over an integer this is one store into the entry.
    call.space.put(key, slot, NewValue::Int(new), deadline_ms);
    call.emit_as_is();
    call.reply.integer(new);
    Ok(())
}

fn integer(value: Value<'_>) -> Result<i64, Error> {
    match value {
        Value::Int(n) => Ok(n),
        Value::Inline(text) => parse_i64(text).ok_or(Error::NOT_INTEGER),
        Value::Large(_) => Err(Error::NOT_INTEGER),
    }
}

/// INCRBYFLOAT key increment
pub static INCRBYFLOAT: DataCommand = declare("incrbyfloat", Group::String, Exactly(3))
    .flags(WRITE | DENYOOM | FAST | OWN_EVENT)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("2.6.0")
    .complexity("O(1)")
    .summary(
        "Adds a floating point number to the value of a key; a missing key counts as \
         zero.",
    )
    .syntax("key increment")
    .run(add_float);

/// The effect holds the sum itself, so that no other rounding can change it in a replay.
fn add_float(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let slot = call.space.find(key);
    let (old, deadline_ms) = match slot {
        Some(slot) => {
            let entry = call.space.entry(key, slot);
            (entry.string()?.with(LongDouble::parse), entry.deadline_ms())
        }
        None => (LongDouble::parse(b"0"), 0),
    };
    let old = old.ok_or(Error::NOT_FLOAT)?;
    let by = LongDouble::parse(&call.args[2]).ok_or(Error::NOT_FLOAT)?;
    let sum = old.checked_add(by).map_err(|_| Error::NAN_OR_INFINITY)?.format();
    // Stored as text even where it reads as an integer: OBJECT ENCODING shows the difference.
    store(call, slot, NewValue::Str(&sum), deadline_ms);
    call.reply.bulk(&sum);
    Ok(())
}
