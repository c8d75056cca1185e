//! Compare and set, compare and delete: the conditions of SET and DELEX, DELIFEQ, and DIGEST.

use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::Value;
use crate::storage::table::Slot;

/// The hexadecimal digits of a digest.
const DIGEST_DIGITS: usize = 16;

/// When a write happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Whatever is there.
    Always,
    /// Only if the key does not exist.
    Missing,
    /// Only if it does.
    Exists,
    /// Only if the value is the given one.
    Equal(&'a [u8]),
    /// Only if the value is not the given one, or missing.
    NotEqual(&'a [u8]),
    /// Only if the value's digest is the given one.
    DigestEqual(&'a [u8]),
    /// Only if the value's digest is not the given one, or the value is missing.
    DigestNotEqual(&'a [u8]),
}

impl<'a> Condition<'a> {
    /// Takes NX or XX; returns how many arguments that is, None for another option.
    ///
    /// # Errors
    /// When it contradicts the one before.
    pub fn existence(&mut self, option: &[u8]) -> Result<Option<usize>, Error> {
        let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
        if is(b"NX") || is(b"XX") { self.option(option, None).map(Some) } else { Ok(None) }
    }

    /// Takes one option of SET; returns how many arguments it has. The same condition again is
    /// no error, and the last one counts.
    ///
    /// # Errors
    /// When the option is none of the conditions, or contradicts the one before.
    pub fn option(&mut self, option: &[u8], next: Option<&'a [u8]>) -> Result<usize, Error> {
        let (taken, used) = if option.eq_ignore_ascii_case(b"NX") {
            (Condition::Missing, 1)
        } else if option.eq_ignore_ascii_case(b"XX") {
            (Condition::Exists, 1)
        } else {
            let value = next.ok_or(Error::SYNTAX)?;
            (Condition::of_value(option, value).ok_or(Error::SYNTAX)?, 2)
        };
        let same = std::mem::discriminant(self) == std::mem::discriminant(&taken);
        if *self != Condition::Always && !same {
            return Err(Error::SYNTAX);
        }
        *self = taken;
        Ok(used)
    }

    /// The condition on a value that `word` stands for.
    fn of_value(word: &[u8], value: &'a [u8]) -> Option<Condition<'a>> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("IFEQ") {
            Some(Condition::Equal(value))
        } else if is("IFNE") {
            Some(Condition::NotEqual(value))
        } else if is("IFDEQ") {
            Some(Condition::DigestEqual(value))
        } else if is("IFDNE") {
            Some(Condition::DigestNotEqual(value))
        } else {
            None
        }
    }

    /// Whether the stored value must be a string, to be looked into.
    pub fn compares(self) -> bool {
        !matches!(self, Condition::Always | Condition::Missing | Condition::Exists)
    }

    /// Whether the condition holds for what is stored. A missing key equals nothing.
    ///
    /// # Errors
    /// A digest of another length than digests have; without a key there is nothing to compare
    /// it with, and it is not looked at.
    pub fn holds(self, stored: Option<Value<'_>>) -> Result<bool, Error> {
        let Some(stored) = stored else {
            return Ok(!matches!(
                self,
                Condition::Exists | Condition::Equal(_) | Condition::DigestEqual(_)
            ));
        };
        Ok(match self {
            Condition::Always | Condition::Exists => true,
            Condition::Missing => false,
            Condition::Equal(given) => stored.with(|bytes| bytes == given),
            Condition::NotEqual(given) => stored.with(|bytes| bytes != given),
            Condition::DigestEqual(given) => has_digest(stored, given)?,
            Condition::DigestNotEqual(given) => !has_digest(stored, given)?,
        })
    }
}

/// The digest of a value as DIGEST returns it: XXH3, 64 bits, in hexadecimal.
pub fn digest(value: Value<'_>) -> String {
    format!("{:016x}", value.with(xxhash_rust::xxh3::xxh3_64))
}

fn has_digest(value: Value<'_>, given: &[u8]) -> Result<bool, Error> {
    if given.len() != DIGEST_DIGITS {
        return Err(Error::text("ERR must be exactly 16 hexadecimal characters"));
    }
    Ok(digest(value).as_bytes().eq_ignore_ascii_case(given))
}

/// DIGEST key
pub static DIGEST: DataCommand = declare("digest", Group::String, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("8.4.0")
    .complexity("O(N) where N is the length of the string value.")
    .summary("Returns the XXH3 digest of a key's string value, in hexadecimal.")
    .syntax("key")
    .run(|call| {
        let key = call.key(0);
        match call.space.read_string(key)? {
            Some(value) => call.reply.bulk(digest(value).as_bytes()),
            None => call.reply.null(),
        }
        Ok(())
    });

/// DELEX key [IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest]
pub static DELEX: DataCommand = declare("delex", Group::String, AtLeast(2))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | DELETE | VARIABLE)])
    .access_of(|args| if args.len() == 2 { RM | DELETE } else { RW | DELETE })
    .since("8.4.0")
    .complexity(
        "O(1) for IFEQ and IFNE, O(N) for IFDEQ and IFDNE where N is the length of \
         the string value.",
    )
    .summary("Deletes a key if its value, or the digest of it, is or is not the given one.")
    .syntax(
        "key [IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | \
         IFDNE ifdne-digest]",
    )
    .run(delex);

fn delex(call: &mut Call<'_>) -> Result<(), Error> {
    if !matches!(call.args.len(), 2 | 4) {
        return Err(Error::wrong_arity("delex"));
    }
    let key = call.key(0);
    let (slot, looks) = (call.space.find(key), call.args.len() == 4);
    if looks {
        call.space.count(slot.is_some());
    }
    let Some(slot) = slot else {
        if looks {
            call.space.note_miss(key);
        }
        call.reply.integer(0);
        return Ok(());
    };
    if looks {
        let not_string = || "ERR Key should be of string type if conditions are specified";
        let value = call.space.entry(key, slot).string();
        let value = value.map_err(|_| Error::text(not_string()))?;
        let unknown = || Error::text("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
        let condition = Condition::of_value(&call.args[2], call.args.at(3)).ok_or_else(unknown)?;
        if !condition.holds(Some(value))? {
            call.reply.integer(0);
            return Ok(());
        }
    }
    delete(call, key, slot);
    call.reply.integer(1);
    Ok(())
}

/// DELIFEQ key value
pub static DELIFEQ: DataCommand = declare("delifeq", Group::String, Exactly(3))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RM | DELETE)])
    .since("9.0.0")
    .complexity("O(1)")
    .summary("Deletes a key if its value is the given one.")
    .syntax("key value")
    .run(|call| {
        let key = call.key(0);
        let slot = call.space.find(key);
        let equal = match slot {
            Some(slot) => {
                let value = call.space.entry(key, slot).string()?;
                Condition::Equal(call.args.at(2)).holds(Some(value))?
            }
            None => false,
        };
        if let (Some(slot), true) = (slot, equal) {
            delete(call, key, slot);
        }
        call.reply.integer(i64::from(equal));
        Ok(())
    });

/// Removes a key and emits a DEL.
pub fn delete(call: &mut Call<'_>, key: Key<'_>, slot: Slot) {
    call.space.remove(key, slot);
    call.space.emit(|| [&b"DEL"[..], key.bytes]);
}
