//! Several keys at once, all of them or none: MGET, MSET, MSETNX, MSETEX.

use super::condition::Condition;
use super::options::Time;
use crate::commands::value::write_value;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::event_classes::STRING;
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::Type;

/// MGET key [key ...]
pub static MGET: DataCommand = declare("mget", Group::String, AtLeast(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::from(1, 1, RO | ACCESS)])
    .since("1.0.0")
    .complexity("O(N) where N is the number of keys to retrieve.")
    .summary("Returns the string values of all given keys.")
    .syntax("key [key ...]")
    .run(|call| {
        call.reply.array(call.keys.len());
        for n in 0..call.keys.len() {
            let key = call.key(n);
            match call.space.read_string(key) {
                Ok(Some(value)) => write_value(call.reply, value),
                Ok(None) | Err(_) => call.reply.null(),
            }
        }
        Ok(())
    });

/// MSET key value [key value ...]
pub static MSET: DataCommand = declare("mset", Group::String, AtLeast(3))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::from(1, 2, OW | UPDATE)])
    .since("1.0.1")
    .complexity("O(N) where N is the number of keys to set.")
    .summary("Sets the string values of several keys.")
    .syntax("key value [key value ...]")
    .run(|call| {
        check_pairs(call)?;
        set_all(call);
        call.emit_as_is();
        call.reply.ok();
        Ok(())
    });

/// MSETNX key value [key value ...]
pub static MSETNX: DataCommand = declare("msetnx", Group::String, AtLeast(3))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::from(1, 2, OW | INSERT)])
    .since("1.0.1")
    .complexity("O(N) where N is the number of keys to set.")
    .summary("Sets the string values of several keys if none of them exists.")
    .syntax("key value [key value ...]")
    .run(|call| {
        check_pairs(call)?;
        let sets = all_hold(call, Condition::Missing)?;
        if sets {
            set_all(call);
            let args = call.args;
            call.space.emit(|| std::iter::once(&b"MSET"[..]).chain(args.from(1).iter()));
        }
        call.reply.integer(i64::from(sets));
        Ok(())
    });

/// Refuses a key without its value, as a wrong number of arguments.
fn check_pairs(call: &Call<'_>) -> Result<(), Error> {
    match call.args.len() % 2 {
        0 => Err(Error::wrong_arity(call.command.name)),
        _ => Ok(()),
    }
}

/// Whether the condition, which looks into no value, holds for every key.
fn all_hold(call: &mut Call<'_>, condition: Condition<'_>) -> Result<bool, Error> {
    let exists = match condition {
        Condition::Missing => false,
        Condition::Exists => true,
        _ => return Ok(true),
    };
    // Every key is looked for, even when one has decided: what has expired is removed.
    let mut holds = true;
    for n in 0..call.keys.len() {
        let key = call.key(n);
        let slot = call.space.find(key);
        holds &= slot.is_some() == exists;
        if let Some(slot) = slot {
            call.space.note_left(key, slot);
        }
    }
    Ok(holds)
}

/// Sets every key to the argument behind it, each with its event: the effect is one for all.
fn set_all(call: &mut Call<'_>) {
    for n in 0..call.keys.len() {
        set(call, n, 0);
        let key = call.key(n);
        call.space.note_event(STRING, "set", key);
    }
}

/// Sets the `n`th key to the argument behind it.
fn set(call: &mut Call<'_>, n: usize, deadline_ms: u64) -> Slot {
    let key = call.key(n);
    let value = call.value(call.keys[n].arg as usize + 1);
    let slot = call.space.find(key);
    call.space.note_overwrite(key, slot, Type::Str);
    call.space.put(key, slot, value, deadline_ms)
}

/// MSETEX numkeys key value [key value ...] [NX | XX] [EX seconds | ... | KEEPTTL]
pub static MSETEX: DataCommand = declare("msetex", Group::String, AtLeast(4))
    .flags(WRITE | DENYOOM | TIME_FIRST)
    .keys(&[KeySpec::counted(1, 2, OW | UPDATE)])
    .since("8.4.0")
    .complexity("O(N) where N is the number of keys to set.")
    .summary(
        "Sets the string values of several keys, with a condition on all of them and a \
         time to live.",
    )
    .syntax(
        "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | \
         EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    )
    .run(msetex);

fn msetex(call: &mut Call<'_>) -> Result<(), Error> {
    let count = redstart_protocol::parse_i64(&call.args[1]);
    let count = count.filter(|count| (1..=i64::from(i32::MAX)).contains(count));
    let count = count.ok_or_else(|| Error::text("ERR invalid numkeys value"))? as usize;
    let mut at = 2 + 2 * count;
    if at > call.args.len() {
        return Err(Error::text("ERR wrong number of key-value pairs"));
    }
    let (mut condition, mut time) = (Condition::Always, Time::default());
    while let Some(option) = call.args.get(at) {
        at += match time.option(option, call.args.get(at + 1), "KEEPTTL")? {
            // Without a value behind it, only NX and XX are conditions here.
            0 => condition.option(option, None)?,
            used => used,
        };
    }
    let deadline_ms = time.deadline_ms(call.now(), "msetex")?;
    let sets = all_hold(call, condition)?;
    if sets {
        if time.word {
            call.space.note_kept_ttl();
        }
        for n in 0..count {
            set_timed(call, n, deadline_ms, time.word);
        }
    }
    call.reply.integer(i64::from(sets));
    Ok(())
}

fn set_timed(call: &mut Call<'_>, n: usize, deadline_ms: u64, keeps_ttl: bool) {
    let key = call.key(n);
    let deadline_ms = match call.space.find(key) {
        Some(slot) if keeps_ttl => call.space.entry(key, slot).deadline_ms(),
        _ => deadline_ms,
    };
    let slot = set(call, n, deadline_ms);
    if call.space.listened_to() {
        call.space.emit_set(key, slot);
    }
}
