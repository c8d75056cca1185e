//! Reading and writing fields together with their lives: HGETDEL, HGETEX, HSETEX.

use super::deadline::{emit_deleted, emit_expire, emit_persist, fields_from, wall_time};
use crate::commands::expiry::ExpiryUnit;
use crate::commands::value::{field_value, write_value};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::hash::Ttl;
use redstart_protocol::parse_i64;

/// HGETDEL key FIELDS numfields field [field ...]
pub static HGETDEL: DataCommand = declare("hgetdel", Group::Hash, AtLeast(5))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | DELETE)])
    .since("8.0.0")
    .complexity("O(N) with N fields given.")
    .summary("Returns the values of fields of a hash and removes the fields.")
    .syntax("key FIELDS numfields field [field ...]")
    .run(get_and_delete);

fn get_and_delete(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, args, hasher) = (call.key(0), call.args, call.space.hasher());
    let slot = call.space.find_hash(key)?;
    let from = fields_from(call, 2, Error::FIELD_COUNT)?;
    call.reply.array(args.len() - from);
    let Some(slot) = slot else {
        (from..args.len()).for_each(|_| call.reply.null());
        return Ok(());
    };
    let mut deleted = Vec::new();
    let reply = &mut *call.reply;
    call.space.change_hash(key, Some(slot), |hash| {
        for field in args.iter().skip(from) {
            match hash.get(field, hasher) {
                Some(value) => write_value(reply, value),
                None => reply.null(),
            }
            if hash.remove(field, hasher) {
                deleted.push(field);
            }
        }
        !deleted.is_empty()
    });
    call.space.count_changes(deleted.len());
    emit_deleted(call, &deleted);
    Ok(())
}

/// HGETEX key [EX seconds | ... | PERSIST] FIELDS numfields field [field ...]
pub static HGETEX: DataCommand = declare("hgetex", Group::Hash, AtLeast(5))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("8.0.0")
    .complexity("O(N) with N fields given.")
    .summary(
        "Returns the values of fields of a hash and, if told so, changes their times to \
         live.",
    )
    .syntax(
        "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
         PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]",
    )
    .run(get_and_expire);

/// What becomes of the deadlines of the fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    Durability,
    /// A Unix time in milliseconds.
    At(i64),
}

fn get_and_expire(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, args, now) = (call.key(0), call.args, call.now());
    let hasher = call.space.hasher();
    let slot = call.space.find_hash(key)?;
    let (change, word) = match (ExpiryUnit::of_option(args.at(2)), args.at(2)) {
        (Some(unit), _) => (Change::At(wall_time(args.at(3), unit, now, call.command.name)?), 4),
        (None, word) if word.eq_ignore_ascii_case(b"PERSIST") => (Change::Durability, 3),
        (None, _) => (Change::None, 2),
    };
    let from = fields_from(call, word, Error::FIELD_COUNT)?;
    call.reply.array(args.len() - from);
    let Some(slot) = slot else {
        (from..args.len()).for_each(|_| call.reply.null());
        return Ok(());
    };
    let mut changed = Vec::new();
    let reply = &mut *call.reply;
    call.space.change_hash(key, Some(slot), |hash| {
        for field in args.iter().skip(from) {
            match hash.get(field, hasher) {
                Some(value) => write_value(reply, value),
                None => {
                    reply.null();
                    continue;
                }
            }
            match change {
                Change::None => continue,
                Change::Durability if hash.deadline_ms(field, hasher) == Some(0) => continue,
                Change::Durability => hash.set_deadline(field, 0, hasher),
                Change::At(at_ms) if now.has_come(at_ms) => hash.remove(field, hasher),
                Change::At(at_ms) => hash.set_deadline(field, now.deadline(at_ms), hasher),
            };
            changed.push(field);
        }
        !changed.is_empty()
    });
    call.space.count_changes(changed.len());
    match change {
        Change::None => {}
        Change::Durability => emit_persist(call, &changed),
        Change::At(at_ms) if now.has_come(at_ms) => emit_deleted(call, &changed),
        Change::At(at_ms) => emit_expire(call, at_ms, &changed),
    }
    Ok(())
}

/// HSETEX key [FNX | FXX] [EX seconds | ... | KEEPTTL] FIELDS numfields field value ...
pub static HSETEX: DataCommand = declare("hsetex", Group::Hash, AtLeast(6))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("8.0.0")
    .complexity("O(N) with N fields given.")
    .summary("Sets fields of a hash to values, all or none of them, with a time to live.")
    .syntax(
        "key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
         PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value \
         [field value ...]",
    )
    .run(set_and_expire);

/// HSETEX's options, and where its pairs begin.
#[derive(Default)]
struct SetOptions {
    /// FXX or FNX: whether all fields have to exist, or none of them.
    exist: Option<bool>,
    /// A Unix time in milliseconds.
    at_ms: Option<i64>,
    keeps_ttl: bool,
    from: usize,
}

impl SetOptions {
    fn parse(call: &Call<'_>) -> Result<SetOptions, Error> {
        let (args, arity) = (call.args, || Error::wrong_arity(call.command.name));
        let mut options = SetOptions::default();
        let mut at = 2;
        loop {
            let word = args.get(at).ok_or_else(arity)?;
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let has_time = options.at_ms.is_some() || options.keeps_ttl;
            if is("FIELDS") {
                if at + 3 >= args.len() {
                    return Err(arity());
                }
                let count =
                    parse_i64(args.at(at + 1)).filter(|n| (1..=i32::MAX.into()).contains(n));
                let count = count.ok_or(Error::INVALID_FIELD_COUNT)?;
                options.from = at + 2;
                let given = (args.len() - options.from) as i64;
                return if given == 2 * count { Ok(options) } else { Err(arity()) };
            } else if let Some(unit) = ExpiryUnit::of_option(word) {
                if has_time {
                    return Err(Error::SEVERAL_TIMES);
                }
                at += 1;
                let text = args.get(at).ok_or(Error::NO_EXPIRE_TIME)?;
                options.at_ms = Some(wall_time(text, unit, call.now(), call.command.name)?);
            } else if is("KEEPTTL") {
                if has_time {
                    return Err(Error::SEVERAL_TIMES);
                }
                options.keeps_ttl = true;
            } else if is("FXX") || is("FNX") {
                if options.exist.is_some() {
                    return Err(Error::FNX_AND_FXX);
                }
                options.exist = Some(is("FXX"));
            } else {
                return Err(Error::quoting("ERR unknown argument: ", word, ""));
            }
            at += 1;
        }
    }
}

fn set_and_expire(call: &mut Call<'_>) -> Result<(), Error> {
    let options = SetOptions::parse(call)?;
    let (key, args, now) = (call.key(0), call.args, call.now());
    let slot = call.space.find_hash(key)?;
    let limits = call.space.hash_limits(call.options);
    let pairs = || (options.from..args.len()).step_by(2);
    if let Some(wanted) = options.exist {
        let hash = slot.map(|slot| call.space.hash(key, slot));
        let exists = |at| hash.is_some_and(|hash| hash.contains(args.at(at), limits.hasher));
        if !pairs().all(|at| exists(at) == wanted) {
            call.reply.integer(0);
            return Ok(());
        }
    }
    call.reply.integer(1);
    if options.at_ms.is_some_and(|at_ms| now.has_come(at_ms)) {
        // What would have expired by now is not set at all.
        if let Some(slot) = slot {
            let fields: Vec<&[u8]> = pairs().map(|at| args.at(at)).collect();
            let mut removed = 0;
            call.space.change_hash(key, Some(slot), |hash| {
                removed = fields.iter().filter(|field| hash.remove(field, limits.hasher)).count();
                removed > 0
            });
            call.space.count_changes(removed);
            emit_deleted(call, &fields);
        }
        return Ok(());
    }
    let keeps = options.keeps_ttl || options.at_ms.is_some();
    let ttl = if keeps { Ttl::Keep } else { Ttl::Clear };
    call.space.change_hash(key, slot, |hash| {
        hash.fit(args.iter().skip(options.from), limits);
        for at in pairs() {
            hash.set(args.at(at), field_value(args, at + 1), ttl, limits);
            if let Some(at_ms) = options.at_ms {
                hash.set_deadline(args.at(at), now.deadline(at_ms), limits.hasher);
            }
        }
        true
    });
    call.space.count_changes(pairs().count());
    emit_set(call, &options);
    Ok(())
}

/// Emits the pairs with their time, without the condition, which held.
fn emit_set(call: &mut Call<'_>, options: &SetOptions) {
    if !call.space.listened_to() {
        return;
    }
    let (key, args) = (call.key(0).bytes, call.args);
    let at = options.at_ms.map(|at_ms| at_ms.to_string());
    let mut words: Vec<&[u8]> = vec![b"HSETEX", key];
    match &at {
        Some(at) => words.extend([&b"PXAT"[..], at.as_bytes()]),
        None if options.keeps_ttl => words.push(b"KEEPTTL"),
        None => {}
    }
    words.extend(args.iter().skip(options.from - 2));
    call.space.emit(|| words);
}
