//! GET and SET, by which everything else is measured.

use super::options::SetOptions;
use super::store::store;
use crate::commands::value::write_value;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::Value;
use crate::storage::value::Type;
use redstart_protocol::Args;

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
pub fn get(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    match call.space.read_string(key)? {
        Some(value) => write_value(call.reply, value),
        None => call.reply.null(),
    }
    Ok(())
}

/// SET key value [NX | XX | IFEQ ifeq-value | ...] [GET] [EX seconds | ... | KEEPTTL]
pub static SET: DataCommand = declare("set", Group::String, AtLeast(3))
    .flags(WRITE | DENYOOM | SHORT | TAKES_KEEPTTL)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE | VARIABLE)])
    .access_of(access_of_set)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Sets the string value of a key, whatever type it was, if the conditions hold.")
    .syntax(
        "key value [NX | XX | IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | \
         IFDNE ifdne-digest] [GET] [EX seconds | PX milliseconds | \
         EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    )
    .run(set);

/// With GET, SET reads; with a condition it depends on what was there.
fn access_of_set(args: Args<'_>) -> Access {
    let has =
        |name: &str| args.iter().skip(3).any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    match () {
        () if has("get") => RW | ACCESS | UPDATE,
        () if ["ifeq", "ifne", "ifdeq", "ifdne"].into_iter().any(has) => RW | UPDATE,
        () => OW | UPDATE,
    }
}

fn set(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    if call.args.len() == 3 {
        let value = call.value(2);
        let slot = call.space.find(key);
        call.space.note_overwrite(key, slot, Type::Str);
        call.space.put(key, slot, value, 0);
        call.emit_as_is();
        call.reply.ok();
        return Ok(());
    }
    let options = SetOptions::parse(call)?;
    let slot = call.space.find(key);
    // NX and XX come first: where they do not hold, the value is not looked into.
    let may_set = options.existence.holds(slot.map(|_| Value::Int(0)))?;
    let looks = options.returns_old || may_set && options.condition.compares();
    // A condition finds a value or has nothing to look at: only GET misses a key.
    if looks && slot.is_some() {
        call.space.count(true);
    } else if options.returns_old {
        call.space.count(false);
        call.space.note_miss(key);
    }
    let stored = match slot {
        Some(slot) if looks => Some(call.space.entry(key, slot).string()?),
        // Of a value that is not looked into only the existence counts.
        Some(_) => Some(Value::Int(0)),
        None => None,
    };
    let holds = may_set && options.condition.holds(stored)?;
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
        call.space.note_overwrite(key, slot, Type::Str);
        store(call, slot, value, deadline_ms);
    } else if let Some(slot) = slot {
        call.space.note_left(key, slot);
    }
    Ok(())
}
