//! The one-purpose relatives of GET and SET: SETNX, SETEX, PSETEX, GETSET, GETDEL, GETEX.

use super::condition::delete;
use super::options::Time;
use super::plain::get;
use super::store::store;
use crate::commands::expiry::ExpiryUnit;
use crate::commands::value::write_value;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::Type;

/// SETNX key value
pub static SETNX: DataCommand = declare("setnx", Group::String, Exactly(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, OW | INSERT)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Sets the string value of a key that does not exist yet.")
    .syntax("key value")
    .run(|call| {
        let key = call.key(0);
        let slot = call.space.find(key);
        match slot {
            Some(slot) => call.space.note_left(key, slot),
            None => store(call, None, call.value(2), 0),
        }
        call.reply.integer(i64::from(slot.is_none()));
        Ok(())
    });

/// SETEX key seconds value
pub static SETEX: DataCommand = declare("setex", Group::String, Exactly(4))
    .flags(WRITE | DENYOOM | SHORT)
    .keys(&[KeySpec::at(1, OW | UPDATE)])
    .since("2.0.0")
    .complexity("O(1)")
    .summary("Sets the string value of a key with a time to live in seconds.")
    .syntax("key seconds value")
    .run(|call| set_for(call, ExpiryUnit::Seconds));

/// PSETEX key milliseconds value
pub static PSETEX: DataCommand = declare("psetex", Group::String, Exactly(4))
    .flags(WRITE | DENYOOM | SHORT)
    .keys(&[KeySpec::at(1, OW | UPDATE)])
    .since("2.6.0")
    .complexity("O(1)")
    .summary("Sets the string value of a key with a time to live in milliseconds.")
    .syntax("key milliseconds value")
    .run(|call| set_for(call, ExpiryUnit::Milliseconds));

fn set_for(call: &mut Call<'_>, unit: ExpiryUnit) -> Result<(), Error> {
    let deadline_ms = unit.deadline(&call.args[2], call.now(), call.command.name)?;
    let key = call.key(0);
    let slot = call.space.find(key);
    call.space.note_overwrite(key, slot, Type::Str);
    store(call, slot, call.value(3), deadline_ms);
    call.reply.ok();
    Ok(())
}

/// GETSET key value
pub static GETSET: DataCommand = declare("getset", Group::String, Exactly(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Sets the string value of a key and returns the old one.")
    .syntax("key value")
    .run(|call| {
        get(call)?;
        let key = call.key(0);
        let slot = call.space.find(key);
        call.space.note_overwrite(key, slot, Type::Str);
        store(call, slot, call.value(2), 0);
        Ok(())
    });

/// GETDEL key
pub static GETDEL: DataCommand = declare("getdel", Group::String, Exactly(2))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | DELETE)])
    .since("6.2.0")
    .complexity("O(1)")
    .summary("Returns the string value of a key and deletes the key.")
    .syntax("key")
    .run(|call| {
        get(call)?;
        let key = call.key(0);
        match call.space.find(key) {
            Some(slot) => delete(call, key, slot),
            None => call.space.void_absent(key),
        }
        Ok(())
    });

/// GETEX key [EX seconds | PX milliseconds | EXAT ... | PXAT ... | PERSIST]
pub static GETEX: DataCommand = declare("getex", Group::String, AtLeast(2))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("6.2.0")
    .complexity("O(1)")
    .summary("Returns the string value of a key and, if told so, changes its time to live.")
    .syntax(
        "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
         PXAT unix-time-milliseconds | PERSIST]",
    )
    .run(getex);

fn getex(call: &mut Call<'_>) -> Result<(), Error> {
    let mut time = Time::default();
    let mut at = 2;
    while let Some(option) = call.args.get(at) {
        match time.option(option, call.args.get(at + 1), "PERSIST")? {
            0 => return Err(Error::SYNTAX),
            used => at += used,
        }
    }
    let (key, now) = (call.key(0), call.now());
    let Some(value) = call.space.read_string(key)? else {
        call.reply.null();
        return Ok(());
    };
    // Of a missing key not even the time is looked at, so that it is checked only now.
    let deadline_ms = time.deadline_ms(now, "getex")?;
    write_value(call.reply, value);
    let Some(slot) = call.space.find(key) else { return Ok(()) };
    if time.word && call.space.entry(key, slot).deadline_ms() != 0 {
        call.space.set_deadline(key, slot, 0);
        call.space.emit(|| [&b"PERSIST"[..], key.bytes]);
    } else if deadline_ms > now.mono_ms {
        call.space.set_deadline(key, slot, deadline_ms);
        let at = now.wall(deadline_ms).to_string();
        call.space.emit(|| [&b"PEXPIREAT"[..], key.bytes, at.as_bytes()]);
    } else if deadline_ms != 0 {
        delete(call, key, slot);
    }
    Ok(())
}
