//! The commands on single fields of a hash, whatever their deadlines are.

use crate::commands::value::{field_value, write_value};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::hash::{Hash, Ttl};
use crate::storage::value::packed::pair_len;
use redstart_protocol::Args;

/// HSET key field value [field value ...]
pub static HSET: DataCommand = declare("hset", Group::Hash, AtLeast(4))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("2.0.0")
    .complexity("O(N) with N fields given.")
    .summary("Sets fields of a hash to values, and tells how many of them are new.")
    .syntax("key field value [field value ...]")
    .run(|call| {
        let created = set(call)?;
        call.reply.integer(created);
        Ok(())
    });

/// HMSET key field value [field value ...]
pub static HMSET: DataCommand = declare("hmset", Group::Hash, AtLeast(4))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("2.0.0")
    .complexity("O(N) with N fields given.")
    .summary("Sets fields of a hash to values, as HSET does.")
    .syntax("key field value [field value ...]")
    .run(|call| {
        set(call)?;
        call.reply.ok();
        Ok(())
    });

/// Sets the pairs that are given; returns how many fields are new.
fn set(call: &mut Call<'_>) -> Result<i64, Error> {
    let args = call.args;
    if args.len() % 2 == 1 {
        return Err(Error::wrong_arity(call.command.name));
    }
    let key = call.key(0);
    let slot = call.space.find_hash(key)?;
    let limits = call.space.hash_limits(call.options);
    let mut created = 0;
    call.space.change_hash(key, slot, |hash| {
        hash.fit(args.iter().skip(2), limits);
        if slot.is_none() {
            hash.reserve(packed_len(args));
        }
        let pairs = (2..args.len()).step_by(2);
        for at in pairs {
            let is_new = hash.set(args.at(at), field_value(args, at + 1), Ttl::Clear, limits);
            created += i64::from(is_new);
        }
        true
    });
    call.space.count_changes((args.len() - 2) / 2);
    call.emit_as_is();
    Ok(created)
}

/// The bytes that the pairs from argument 2 on take in a packed hash.
fn packed_len(args: Args<'_>) -> usize {
    let pairs = (2..args.len() - 1).step_by(2);
    pairs.map(|at| pair_len(args.at(at).len(), args.at(at + 1).len(), 0)).sum()
}

/// HSETNX key field value
pub static HSETNX: DataCommand = declare("hsetnx", Group::Hash, Exactly(4))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | INSERT)])
    .since("2.0.0")
    .complexity("O(1)")
    .summary("Sets a field of a hash unless it exists.")
    .syntax("key field value")
    .run(set_new);

fn set_new(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, args) = (call.key(0), call.args);
    let slot = call.space.find_hash(key)?;
    let limits = call.space.hash_limits(call.options);
    let taken =
        slot.is_some_and(|slot| call.space.hash(key, slot).contains(args.at(2), limits.hasher));
    if !taken {
        call.space.change_hash(key, slot, |hash| {
            hash.set(args.at(2), field_value(args, 3), Ttl::Clear, limits);
            true
        });
        call.emit_as_is();
    } else if let Some(slot) = slot {
        call.space.note_left(key, slot);
    }
    call.reply.integer(i64::from(!taken));
    Ok(())
}

/// HGET key field
pub static HGET: DataCommand = declare("hget", Group::Hash, Exactly(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.0.0")
    .complexity("O(1)")
    .summary("Returns the value of a field of a hash.")
    .syntax("key field")
    .run(get);

fn get(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, hasher) = (call.key(0), call.space.hasher());
    let hash = call.space.read_hash(key)?;
    match hash.and_then(|hash| hash.get(call.args.at(2), hasher)) {
        Some(value) => write_value(call.reply, value),
        None => call.reply.null(),
    }
    Ok(())
}

/// HMGET key field [field ...]
pub static HMGET: DataCommand = declare("hmget", Group::Hash, AtLeast(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.0.0")
    .complexity("O(N) with N fields given.")
    .summary("Returns the values of fields of a hash, each null that is not there.")
    .syntax("key field [field ...]")
    .run(get_several);

fn get_several(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, hasher) = (call.key(0), call.space.hasher());
    let hash = call.space.read_hash(key)?;
    call.reply.array(call.args.len() - 2);
    for field in call.args.iter().skip(2) {
        match hash.and_then(|hash| hash.get(field, hasher)) {
            Some(value) => write_value(call.reply, value),
            None => call.reply.null(),
        }
    }
    Ok(())
}

/// HDEL key field [field ...]
pub static HDEL: DataCommand = declare("hdel", Group::Hash, AtLeast(3))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | DELETE)])
    .since("2.0.0")
    .complexity("O(N) with N fields given.")
    .summary("Removes fields of a hash, and the key with the last of them.")
    .syntax("key field [field ...]")
    .run(delete);

fn delete(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, args, hasher) = (call.key(0), call.args, call.space.hasher());
    let mut removed = 0;
    if let Some(slot) = call.space.find_hash(key)? {
        call.space.change_hash(key, Some(slot), |hash| {
            removed = args.iter().skip(2).filter(|field| hash.remove(field, hasher)).count();
            removed > 0
        });
    }
    if removed > 0 {
        call.space.count_changes(removed);
        call.emit_as_is();
    }
    call.reply.integer(removed as i64);
    Ok(())
}

/// HEXISTS key field
pub static HEXISTS: DataCommand = declare("hexists", Group::Hash, Exactly(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO)])
    .since("2.0.0")
    .complexity("O(1)")
    .summary("Tells whether a hash has a field.")
    .syntax("key field")
    .run(|call| {
        let (field, hasher) = (call.args.at(2), call.space.hasher());
        reply_number(call, |hash| i64::from(hash.contains(field, hasher)))
    });

/// HLEN key
pub static HLEN: DataCommand = declare("hlen", Group::Hash, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO)])
    .since("2.0.0")
    .complexity("O(1)")
    .summary("Tells how many fields a hash has.")
    .syntax("key")
    .run(|call| reply_number(call, |hash| hash.len() as i64));

/// HSTRLEN key field
pub static HSTRLEN: DataCommand = declare("hstrlen", Group::Hash, Exactly(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO)])
    .since("3.2.0")
    .complexity("O(1)")
    .summary("Tells how long the value of a field of a hash is.")
    .syntax("key field")
    .run(|call| {
        let (field, hasher) = (call.args.at(2), call.space.hasher());
        reply_number(call, |hash| hash.get(field, hasher).map_or(0, |value| value.len() as i64))
    });

/// Replies a number about the hash, zero where there is none.
fn reply_number(call: &mut Call<'_>, number: impl FnOnce(&Hash) -> i64) -> Result<(), Error> {
    let key = call.key(0);
    let number = call.space.read_hash(key)?.map_or(0, number);
    call.reply.integer(number);
    Ok(())
}
