//! INCREX: a number grows within bounds, and may be given a time to live, in one step.
//!
//! A sum beyond the bounds changes nothing, or becomes the bound (SATURATE). In the effect stream
//! it is a SET of the sum with the deadline, so that no other rounding and no other clock can
//! change it.

use super::condition::delete;
use super::store::store;
use crate::commands::expiry::ExpiryUnit;
use crate::error::Error;
use crate::long_double::LongDouble;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::event_classes::GENERIC;
use crate::spec::*;
use crate::storage::entry::NewValue;
use crate::storage::table::Slot;
use redstart_protocol::parse_i64;
use std::cmp::Ordering;

/// INCREX key [BYFLOAT increment | BYINT increment] [option ...]
pub static INCREX: DataCommand = declare("increx", Group::String, AtLeast(2))
    .flags(WRITE | DENYOOM | FAST | OWN_EVENT)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("8.8.0")
    .complexity("O(1)")
    .summary("Adds a number to the value of a key within bounds, and gives it a time to live.")
    .syntax(
        "key [BYFLOAT increment | BYINT increment] [LBOUND lowerbound] [UBOUND upperbound] \
         [SATURATE] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
         PXAT unix-time-milliseconds | PERSIST] [ENX]",
    )
    .run(|call| {
        let options = Options::parse(call)?;
        if options.is_float { add_float(call, &options) } else { add_integer(call, &options) }
    });

#[derive(Default)]
struct Options<'a> {
    is_float: bool,
    by: Option<&'a [u8]>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturates: bool,
    time: Option<(ExpiryUnit, &'a [u8])>,
    persists: bool,
    /// A key that expires keeps its time.
    if_none: bool,
}

/// Sets an option; one that was given before is an error.
fn once<'a>(option: &mut Option<&'a [u8]>, value: Option<&'a [u8]>) -> Result<usize, Error> {
    match (option.is_some(), value) {
        (false, Some(value)) => *option = Some(value),
        _ => return Err(Error::SYNTAX),
    }
    Ok(2)
}

/// The same of an option that is a word alone.
fn word(option: &mut bool) -> Result<usize, Error> {
    if *option { Err(Error::SYNTAX) } else { Ok(1) }.inspect(|_| *option = true)
}

impl<'a> Options<'a> {
    fn parse(call: &Call<'a>) -> Result<Options<'a>, Error> {
        let mut options = Options::default();
        let mut at = 2;
        while let Some(option) = call.args.get(at) {
            let next = call.args.get(at + 1);
            let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
            at += match () {
                () if is(b"BYINT") => once(&mut options.by, next)?,
                () if is(b"BYFLOAT") => {
                    options.is_float = true;
                    once(&mut options.by, next)?
                }
                () if is(b"LBOUND") => once(&mut options.lower, next)?,
                () if is(b"UBOUND") => once(&mut options.upper, next)?,
                () if is(b"SATURATE") => word(&mut options.saturates)?,
                () if is(b"PERSIST") => word(&mut options.persists)?,
                () if is(b"ENX") => word(&mut options.if_none)?,
                () => match (ExpiryUnit::of_option(option), next, options.time) {
                    (Some(unit), Some(text), None) => {
                        options.time = Some((unit, text));
                        2
                    }
                    _ => return Err(Error::SYNTAX),
                },
            };
        }
        if options.persists && (options.time.is_some() || options.if_none) {
            return Err(Error::SYNTAX);
        }
        if options.if_none && options.time.is_none() {
            return Err(Error::ENX_WITHOUT_TIME);
        }
        Ok(options)
    }
}

fn integer(text: Option<&[u8]>, default: i64, error: Error) -> Result<i64, Error> {
    text.map_or(Ok(default), |text| parse_i64(text).ok_or(error))
}

fn add_integer(call: &mut Call<'_>, options: &Options<'_>) -> Result<(), Error> {
    let by = integer(options.by, 1, Error::INCREMENT_NOT_INTEGER)?;
    let lower = integer(options.lower, i64::MIN, Error::BOUND_NOT_INTEGER)?;
    let upper = integer(options.upper, i64::MAX, Error::BOUND_NOT_INTEGER)?;
    if lower > upper {
        return Err(Error::BOUNDS_CROSSED);
    }
    let deadline_ms = given_deadline(call, options)?;
    let key = call.key(0);
    let slot = call.space.find(key);
    let old = match slot {
        Some(slot) => call.space.entry(key, slot).string()?.with(parse_i64),
        None => Some(0),
    };
    let old = old.ok_or(Error::NOT_INTEGER)?;
    let sum = i128::from(old) + i128::from(by);
    let within = sum.clamp(lower.into(), upper.into());
    let (new, added) = if sum == within || options.saturates {
        let added = i64::try_from(within - i128::from(old));
        (within as i64, added.map_err(|_| Error::INCREMENT_OVERFLOW)?)
    } else {
        call.reply.array(2);
        call.reply.integer(old);
        call.reply.integer(0);
        slot.inspect(|slot| call.space.note_left(key, *slot));
        return Ok(());
    };
    finish(call, options, slot, NewValue::Int(new), deadline_ms);
    call.reply.array(2);
    call.reply.integer(new);
    call.reply.integer(added);
    Ok(())
}

fn float(text: Option<&[u8]>, default: LongDouble, error: Error) -> Result<LongDouble, Error> {
    text.map_or(Ok(default), |text| LongDouble::parse(text).ok_or(error))
}

fn add_float(call: &mut Call<'_>, options: &Options<'_>) -> Result<(), Error> {
    let by = float(options.by, LongDouble::from(1), Error::INCREMENT_NOT_FLOAT)?;
    if by.is_infinite() {
        return Err(Error::INCREMENT_INFINITE);
    }
    let lower = float(options.lower, LongDouble::MAX.negated(), Error::BOUND_NOT_FLOAT)?;
    let upper = float(options.upper, LongDouble::MAX, Error::BOUND_NOT_FLOAT)?;
    if lower.compare(upper) == Ordering::Greater {
        return Err(Error::BOUNDS_CROSSED);
    }
    let deadline_ms = given_deadline(call, options)?;
    let key = call.key(0);
    let slot = call.space.find(key);
    let old = match slot {
        Some(slot) => call.space.entry(key, slot).string()?.with(LongDouble::parse),
        None => Some(LongDouble::from(0)),
    };
    let old = old.ok_or(Error::NOT_FLOAT)?;
    if old.is_infinite() {
        return Err(Error::VALUE_INFINITE);
    }
    // What no number can hold lies beyond the bound on that side.
    let sum = old.checked_add(by);
    let beyond = match sum {
        Ok(sum) if sum.compare(lower) == Ordering::Less => Some(lower),
        Ok(sum) if sum.compare(upper) == Ordering::Greater => Some(upper),
        Ok(_) => None,
        Err(_) => Some(if by.is_negative() { lower } else { upper }),
    };
    let (new, added) = match (sum, beyond) {
        (Ok(sum), None) => (sum, by),
        (_, Some(bound)) if options.saturates => {
            let added = bound.checked_add(old.negated());
            (bound, added.map_err(|_| Error::NAN_OR_INFINITY)?)
        }
        _ => {
            reply_floats(call, old, LongDouble::from(0));
            slot.inspect(|slot| call.space.note_left(key, *slot));
            return Ok(());
        }
    };
    // Stored as text even where it reads as an integer, as INCRBYFLOAT does.
    finish(call, options, slot, NewValue::Str(&new.format()), deadline_ms);
    reply_floats(call, new, added);
    Ok(())
}

fn reply_floats(call: &mut Call<'_>, value: LongDouble, added: LongDouble) {
    call.reply.array(2);
    call.reply.double_text(&value.format());
    call.reply.double_text(&added.format());
}

/// The deadline that is asked for in monotonic milliseconds, if one is.
fn given_deadline(call: &Call<'_>, options: &Options<'_>) -> Result<Option<u64>, Error> {
    let given = options.time.map(|(unit, text)| unit.deadline(text, call.now(), "increx"));
    given.transpose()
}

/// Stores the sum; with a deadline that is past the key goes.
fn finish(
    call: &mut Call<'_>,
    options: &Options<'_>,
    slot: Option<Slot>,
    value: NewValue<'_>,
    given_ms: Option<u64>,
) {
    let key = call.key(0);
    let old_ms = slot.map_or(0, |slot| call.space.entry(key, slot).deadline_ms());
    let given_ms = given_ms.filter(|_| old_ms == 0 || !options.if_none);
    if given_ms.is_some_and(|deadline_ms| deadline_ms <= call.now().mono_ms) {
        if let Some(slot) = slot {
            delete(call, key, slot);
        }
        return;
    }
    let deadline_ms = if options.persists { 0 } else { given_ms.unwrap_or(old_ms) };
    call.space.name_event(if options.is_float { "incrbyfloat" } else { "incrby" });
    store(call, slot, value, deadline_ms);
    if given_ms.is_some() {
        call.space.note_event(GENERIC, "expire", key);
    } else if options.persists && old_ms != 0 {
        call.space.note_event(GENERIC, "persist", key);
    }
}
