//! GET and SET, the two that everything else is measured by.

use super::expiry::ExpiryUnit;
use crate::call::{Call, Space};
use crate::entry::{NewValue, Value};
use crate::error::Error;
use crate::spec::*;
use crate::table::Slot;
use redstart_protocol::Reply;

/// The commands of this file.
pub static COMMANDS: &[&Command] = &[&GET, &SET];

/// GET key
pub static GET: Command = Command {
    name: "get",
    group: Group::String,
    arity: Arity::Exactly(2),
    flags: READONLY | FAST,
    keys: &[KeySpec::at(1, RO | ACCESS)],
    doc: Doc {
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the string value of a key.",
        syntax: "key",
    },
    run: Run::Data(get),
};

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
        Value::Large(bytes) => reply.bulk_shared(bytes),
    }
}

/// SET key value [NX | XX | IFEQ ifeq-value | ...] [GET] [EX seconds | ... | KEEPTTL]
pub static SET: Command = Command {
    name: "set",
    group: Group::String,
    arity: Arity::AtLeast(3),
    flags: WRITE | DENYOOM,
    keys: &[KeySpec::at(1, RW | ACCESS | UPDATE | VARIABLE)],
    doc: Doc {
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Sets the string value of a key, whatever type it was, if the conditions hold.",
        syntax: "key value [NX | XX | IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | \
                 IFDNE ifdne-digest] [GET] [EX seconds | PX milliseconds | \
                 EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    },
    run: Run::Data(set),
};

/// When a write happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Whatever is there.
    Always,
    /// Only if the key does not exist.
    Missing,
    /// Only if it does.
    Exists,
    /// Only if the value is, or is not, the given one.
    Value(&'a [u8], bool),
    /// Only if the value's digest is, or is not, the given one.
    Digest(u64, bool),
}

/// SET's options, parsed.
struct SetOptions<'a> {
    condition: Condition<'a>,
    returns_old: bool,
    /// Zero: none.
    deadline_ms: u64,
    keeps_ttl: bool,
}

impl<'a> SetOptions<'a> {
    fn parse(call: &Call<'a>) -> Result<Self, Error> {
        let mut options = SetOptions {
            condition: Condition::Always,
            returns_old: false,
            deadline_ms: 0,
            keeps_ttl: false,
        };
        let mut expiry: Option<(ExpiryUnit, &[u8])> = None;
        let mut at = 3;
        while let Some(word) = call.args.get(at) {
            let next = call.args.get(at + 1);
            let free = options.condition == Condition::Always;
            let untimed = expiry.is_none() && !options.keeps_ttl;
            if let Some(unit) = ExpiryUnit::of_option(word) {
                let (true, Some(text)) = (untimed, next) else { return Err(Error::SYNTAX) };
                expiry = Some((unit, text));
                at += 1;
            } else if word.eq_ignore_ascii_case(b"KEEPTTL") && expiry.is_none() {
                options.keeps_ttl = true;
            } else if word.eq_ignore_ascii_case(b"GET") {
                options.returns_old = true;
            } else if let Some((condition, used)) = Condition::parse(word, next)? {
                // NX NX is NX, as Redis has it; any other pair contradicts itself.
                let again = condition == options.condition && used == 0;
                if !free && !again {
                    return Err(Error::SYNTAX);
                }
                options.condition = condition;
                at += used;
            } else {
                return Err(Error::SYNTAX);
            }
            at += 1;
        }
        if let Some((unit, text)) = expiry {
            options.deadline_ms = unit.deadline(text, call.now(), "set")?;
        }
        Ok(options)
    }
}

impl<'a> Condition<'a> {
    /// A condition's word, with how many arguments it takes behind it.
    fn parse(
        word: &[u8],
        next: Option<&'a [u8]>,
    ) -> Result<Option<(Condition<'a>, usize)>, Error> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("NX") {
            return Ok(Some((Condition::Missing, 0)));
        }
        if is("XX") {
            return Ok(Some((Condition::Exists, 0)));
        }
        let (by_value, equal) = match () {
            () if is("IFEQ") => (true, true),
            () if is("IFNE") => (true, false),
            () if is("IFDEQ") => (false, true),
            () if is("IFDNE") => (false, false),
            () => return Ok(None),
        };
        let given = next.ok_or(Error::SYNTAX)?;
        let condition = if by_value {
            Condition::Value(given, equal)
        } else {
            Condition::Digest(parse_digest(given)?, equal)
        };
        Ok(Some((condition, 1)))
    }

    /// Whether the condition holds for what is stored. A missing key equals nothing.
    pub fn holds(self, stored: Option<Value<'_>>) -> bool {
        match (self, stored) {
            (Condition::Always, _) => true,
            (Condition::Missing, stored) => stored.is_none(),
            (Condition::Exists, stored) => stored.is_some(),
            (Condition::Value(_, equal) | Condition::Digest(_, equal), None) => !equal,
            (Condition::Value(given, equal), Some(value)) => {
                value.with(|bytes| bytes == given) == equal
            }
            (Condition::Digest(given, equal), Some(value)) => {
                (value.with(digest) == given) == equal
            }
        }
    }
}

/// The digest that DIGEST tells and IFDEQ compares: XXH3 of the value.
pub fn digest(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// A digest as DIGEST writes it: sixteen hexadecimal digits.
pub fn parse_digest(text: &[u8]) -> Result<u64, Error> {
    let invalid = || Error::text("ERR IFDEQ/IFDNE digest must be exactly 16 hexadecimal characters");
    let digits = std::str::from_utf8(text).ok().filter(|text| text.len() == 16);
    let digits = digits.filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
    u64::from_str_radix(digits.ok_or_else(invalid)?, 16).map_err(|_| invalid())
}

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
    let by_value = matches!(options.condition, Condition::Value(..) | Condition::Digest(..));
    let stored = match slot {
        Some(slot) if options.returns_old || by_value => {
            Some(call.space.entry(key, slot).string()?)
        }
        // Of a value that is not looked into only the existence counts.
        Some(_) => Some(Value::Int(0)),
        None => None,
    };
    let holds = options.condition.holds(stored);
    if options.returns_old {
        match stored {
            Some(value) => write_value(call.reply, value),
            None => call.reply.null(),
        }
        call.space.count(slot.is_some());
    } else if holds {
        call.reply.ok();
    } else {
        call.reply.null();
    }
    if holds {
        let kept = |space: &mut Space<'_>, slot: Slot| space.entry(key, slot).deadline_ms();
        let deadline_ms = match slot {
            Some(slot) if options.keeps_ttl => kept(&mut call.space, slot),
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
