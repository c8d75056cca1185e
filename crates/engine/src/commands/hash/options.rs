//! The options of HEXPIRE and its kind, HGETEX and HSETEX. They stand in any order, before or
//! behind the block `FIELDS numfields field ...`, and each command refuses in its own words.

use super::deadline::wall_time;
use crate::commands::expiry::ExpiryUnit;
use crate::error::Error;
use crate::run::call::Call;
use redstart_protocol::parse_i64;
use std::ops::Range;

/// On what a deadline is set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// In any case.
    Always,
    /// Where there is none.
    Nx,
    /// Where there is one.
    Xx,
    /// Where it becomes later.
    Gt,
    /// Where it becomes earlier.
    Lt,
}

impl Condition {
    fn parse(word: &[u8]) -> Option<Condition> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("NX") {
            Some(Condition::Nx)
        } else if is("XX") {
            Some(Condition::Xx)
        } else if is("GT") {
            Some(Condition::Gt)
        } else if is("LT") {
            Some(Condition::Lt)
        } else {
            None
        }
    }

    /// Whether the deadline `new_ms` may take the place of `old_ms`, zero being none, which is
    /// later than any.
    pub fn holds(self, new_ms: u64, old_ms: u64) -> bool {
        match self {
            Condition::Always => true,
            Condition::Nx => old_ms == 0,
            Condition::Xx => old_ms != 0,
            Condition::Gt => old_ms != 0 && new_ms > old_ms,
            Condition::Lt => old_ms == 0 || new_ms < old_ms,
        }
    }
}

/// The options of HEXPIRE and its kind behind the time: the condition, and where the fields are.
///
/// # Errors
/// What is not known, not there, or does not go together.
pub fn parse_condition(call: &Call<'_>) -> Result<(Condition, Range<usize>), Error> {
    let args = call.args;
    let (mut condition, mut contradicts, mut fields) = (Condition::Always, false, None);
    let mut at = 3;
    while let Some(word) = args.get(at) {
        if word.eq_ignore_ascii_case(b"FIELDS") {
            if fields.is_some() {
                return Err(Error::FIELDS_TWICE);
            }
            if at + 2 >= args.len() {
                return Err(Error::FIELDS_NEED_MORE);
            }
            let block = block(call, at, 1, Error::NUM_FIELDS)?;
            at = block.end;
            fields = Some(block);
            continue;
        }
        let taken = Condition::parse(word);
        let taken = taken.ok_or_else(|| Error::quoting(Error::UNKNOWN_ARGUMENT, word, ""))?;
        contradicts |= condition != Condition::Always && condition != taken;
        condition = taken;
        at += 1;
    }
    let fields = fields.ok_or(Error::FIELDS_MISSING)?;
    if contradicts {
        return Err(Error::SEVERAL_CONDITIONS);
    }
    Ok((condition, fields))
}

/// The block `FIELDS numfields ...` at `at`: where its fields are, each of `width` arguments.
fn block(
    call: &Call<'_>,
    at: usize,
    width: usize,
    uncounted: Error,
) -> Result<Range<usize>, Error> {
    let args = call.args;
    let count = args.get(at + 1).ok_or_else(|| Error::wrong_arity(call.command.name))?;
    let count = parse_i64(count).filter(|count| (1..=i32::MAX.into()).contains(count));
    let count = count.ok_or(uncounted)? as usize;
    let from = at + 2;
    if count > (args.len() - from) / width {
        return Err(Error::ARGUMENTS);
    }
    Ok(from..from + count * width)
}

/// What becomes of the deadlines of the fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// What the command does without an option.
    None,
    /// KEEPTTL: they stay.
    Keep,
    /// PERSIST: they go.
    Persist,
    /// A Unix time in milliseconds.
    At(i64),
}

/// The options of HGETEX or HSETEX, and where the fields are.
pub struct Options {
    /// FXX or FNX: whether all fields have to exist, or none of them.
    pub exist: Option<bool>,
    /// What becomes of the deadlines.
    pub change: Change,
    /// The fields; in HSETEX each with its value.
    pub fields: Range<usize>,
}

/// Which command's options are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// HGETEX: a field is one argument.
    Get,
    /// HSETEX: a field is two.
    Set,
}

impl Options {
    /// Reads the options behind the key.
    ///
    /// # Errors
    /// What is not known, not there, or does not go together, and a bad time.
    pub fn parse(call: &Call<'_>, of: Of) -> Result<Options, Error> {
        let args = call.args;
        let several = if of == Of::Set { Error::SEVERAL_TIMES } else { Error::GETEX_TIMES };
        let (mut exist, mut time, mut fields) = (None, None, None);
        let (mut keeps, mut persists) = (false, false);
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("FIELDS") {
                if fields.is_some() {
                    return Err(Error::FIELDS_TWICE);
                }
                let width = if of == Of::Set { 2 } else { 1 };
                let block = block(call, at, width, Error::INVALID_FIELD_COUNT)?;
                at = block.end;
                fields = Some(block);
                continue;
            } else if let Some(unit) = ExpiryUnit::of_option(word) {
                if time.is_some() || keeps || persists {
                    return Err(several);
                }
                at += 1;
                let text = args.get(at).ok_or(Error::NO_EXPIRE_TIME)?;
                time = Some(wall_time(text, unit, call.now(), call.command.name)?);
            } else if is("KEEPTTL") || is("PERSIST") {
                let given = if is("KEEPTTL") { &mut keeps } else { &mut persists };
                if time.is_some() || std::mem::replace(given, true) {
                    return Err(several);
                }
            } else if is("FXX") || is("FNX") {
                if exist.is_some() {
                    return Err(Error::FNX_AND_FXX);
                }
                exist = Some(is("FXX"));
            } else {
                return Err(Error::quoting(Error::UNKNOWN_ARGUMENT, word, ""));
            }
            at += 1;
        }
        let fields = fields.ok_or(Error::FIELDS_MISSING)?;
        // The words of both commands are read alike; the other's are refused in the end.
        if of == Of::Set && persists || of == Of::Get && (keeps || exist.is_some()) {
            return Err(Error::ARGUMENT_OF_OTHERS);
        }
        let change = match time {
            Some(at_ms) => Change::At(at_ms),
            None if keeps => Change::Keep,
            None if persists => Change::Persist,
            None => Change::None,
        };
        Ok(Options { exist, change, fields })
    }
}
