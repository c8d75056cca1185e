//! Strings: GET and SET, by which everything else is measured, here; the others in the files
//! beside it.

mod condition;
mod counter;
mod lcs;
mod multi;
mod once;
mod options;
mod range;

use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::{NewValue, Value};
use crate::storage::table::Slot;
use options::SetOptions;
use redstart_protocol::Reply;

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[
    &GET,
    &SET,
    &condition::DELEX,
    &condition::DELIFEQ,
    &condition::DIGEST,
    &counter::DECR,
    &counter::DECRBY,
    &counter::INCR,
    &counter::INCRBY,
    &counter::INCRBYFLOAT,
    &lcs::LCS,
    &multi::MGET,
    &multi::MSET,
    &multi::MSETEX,
    &multi::MSETNX,
    &once::GETDEL,
    &once::GETEX,
    &once::GETSET,
    &once::PSETEX,
    &once::SETEX,
    &once::SETNX,
    &range::APPEND,
    &range::GETRANGE,
    &range::SETRANGE,
    &range::STRLEN,
    &range::SUBSTR,
];

/// GET key
pub static GET: DataCommand = declare("get", Group::String, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Returns the string value of a key.")
    .syntax("key")
    .run(get);

/// Replies the first key's value.
fn get(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    match call.space.read_string(key)? {
        Some(value) => write_value(call.reply, value),
        None => call.reply.null(),
    }
    Ok(())
}

/// Writes a string value as a bulk reply: long ones by reference.
#[inline]
pub fn write_value(reply: &mut Reply, value: Value<'_>) {
    match value {
        Value::Inline(bytes) => reply.bulk(bytes),
        Value::Int(n) => reply.bulk_integer(n),
        Value::Large(long) => reply.bulk_pieces(long.len(), long.range(0..long.len())),
    }
}

/// SET key value [NX | XX | IFEQ ifeq-value | ...] [GET] [EX seconds | ... | KEEPTTL]
pub static SET: DataCommand = declare("set", Group::String, AtLeast(3))
    .flags(WRITE | DENYOOM | SHORT | TAKES_KEEPTTL)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE | VARIABLE)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Sets the string value of a key, whatever type it was, if the conditions hold.")
    .syntax(
        "key value [NX | XX | IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | \
         IFDNE ifdne-digest] [GET] [EX seconds | PX milliseconds | \
         EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    )
    .run(set);

fn set(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    if call.args.len() == 3 {
        let value = call.value(2);
        let slot = call.space.find(key);
        call.space.put(key, slot, value, 0);
        call.emit_as_is();
        call.reply.ok();
        return Ok(());
    }
    let options = SetOptions::parse(call)?;
    let slot = call.space.find(key);
    let looks = options.returns_old || options.condition.compares();
    if looks {
        call.space.count(slot.is_some());
        if slot.is_none() {
            call.space.note_miss(key);
        }
    }
    let stored = match slot {
        Some(slot) if looks => Some(call.space.entry(key, slot).string()?),
        // Of a value that is not looked into only the existence counts.
        Some(_) => Some(Value::Int(0)),
        None => None,
    };
    let holds = options.condition.holds(stored)?;
    if options.returns_old {
        match stored {
            Some(value) => write_value(call.reply, value),
            None => call.reply.null(),
        }
    } else if holds {
        call.reply.ok();
    } else {
        call.reply.null();
    }
    if holds {
        let deadline_ms = match slot {
            Some(slot) if options.keeps_ttl => call.space.entry(key, slot).deadline_ms(),
            _ => options.deadline_ms,
        };
        let value = call.value(2);
        store(call, slot, value, deadline_ms);
    }
    Ok(())
}

/// Stores a value with a deadline under the first key, and tells so as `SET k v [PXAT t]`.
pub fn store(call: &mut Call<'_>, slot: Option<Slot>, value: NewValue<'_>, deadline_ms: u64) {
    let key = call.key(0);
    let slot = call.space.put(key, slot, value, deadline_ms);
    if call.space.listened_to() {
        call.space.emit_set(key, slot);
    }
}
