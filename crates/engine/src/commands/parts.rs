//! What commands about the deadlines of a hash's fields and of a set's members share: their times,
//! and the options of HEXPIRE and its kind, HGETEX, HSETEX, SEXPIRE and its kind, SADDEX. They
//! stand in any order, before or behind the block `FIELDS numfields field ...` or `MEMBERS
//! nummembers member ...`, and each command refuses in its own words.

use crate::clock::Now;
use crate::commands::expiry::ExpiryUnit;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::key_access::KeyAccess;
use crate::spec::Key;
use redstart_protocol::{Reply, parse_i64};
use std::ops::Range;

/// The latest Unix time at which a part can expire, in milliseconds: Redis keeps 46 bits.
const LATEST_MS: i64 = (1 << 46) - 1;

/// The replies about a part: there is no such part.
pub const NO_PART: i64 = -2;
/// It has no deadline.
pub const NO_DEADLINE: i64 = -1;
/// The condition does not hold.
pub const REFUSED: i64 = 0;
/// It is done.
pub const DONE: i64 = 1;
/// The part is gone, its new deadline having passed.
pub const DELETED: i64 = 2;

/// The words of the commands about one kind of parts.
pub struct Words {
    /// What stands before the count and the parts.
    keyword: &'static str,
    /// The command that removes parts.
    remove: &'static str,
    /// The command that lets them expire at a time in milliseconds.
    expire: &'static str,
    /// The command that takes their deadlines away.
    persist: &'static str,
    /// The keyword is not there.
    missing: Error,
    /// It is there twice.
    twice: Error,
    /// Nothing follows it.
    need_more: Error,
    /// The count of HEXPIRE and its kind is none.
    uncounted: Error,
    /// That of HGETEX and its kind is none.
    invalid_count: Error,
    /// HTTL and its kind: the keyword is not where it should be.
    misplaced: Error,
    /// The same: the count is none.
    not_positive: Error,
    /// The same: the count is not that of the arguments.
    mismatch: Error,
    /// Both conditions on what exists.
    both: Error,
}

/// The fields of a hash.
pub static FIELDS: Words = Words {
    keyword: "FIELDS",
    remove: "HDEL",
    expire: "HPEXPIREAT",
    persist: "HPERSIST",
    missing: Error::FIELDS_MISSING,
    twice: Error::FIELDS_TWICE,
    need_more: Error::FIELDS_NEED_MORE,
    uncounted: Error::NUM_FIELDS,
    invalid_count: Error::INVALID_FIELD_COUNT,
    misplaced: Error::NO_FIELDS,
    not_positive: Error::FIELD_COUNT,
    mismatch: Error::FIELD_COUNT_MISMATCH,
    both: Error::FNX_AND_FXX,
};

/// The members of a set.
pub static MEMBERS: Words = Words {
    keyword: "MEMBERS",
    remove: "SREM",
    expire: "SPEXPIREAT",
    persist: "SPERSIST",
    missing: Error::MEMBERS_MISSING,
    twice: Error::MEMBERS_TWICE,
    need_more: Error::MEMBERS_NEED_MORE,
    uncounted: Error::NUM_MEMBERS,
    invalid_count: Error::INVALID_MEMBER_COUNT,
    misplaced: Error::NO_MEMBERS,
    not_positive: Error::MEMBER_COUNT,
    mismatch: Error::MEMBER_COUNT_MISMATCH,
    both: Error::MNX_AND_MXX,
};

/// The Unix time in milliseconds that `text` gives in `unit`; it may have passed.
pub fn wall_time(text: &[u8], unit: ExpiryUnit, now: Now, command: &str) -> Result<i64, Error> {
    let given = parse_i64(text).ok_or(Error::NOT_INTEGER)?;
    if given < 0 {
        return Err(Error::EXPIRE_NEGATIVE);
    }
    let at_ms = given.checked_mul(unit.scale_ms());
    let at_ms = at_ms.and_then(|ms| ms.checked_add(unit.base_ms(now)));
    let at_ms = at_ms.filter(|ms| *ms <= LATEST_MS);
    at_ms.ok_or_else(|| Error::invalid_expire(command))
}

/// The milliseconds that are left.
pub fn left(deadline_ms: u64, now: Now) -> i64 {
    i64::try_from(deadline_ms.saturating_sub(now.present().mono_ms)).unwrap_or(i64::MAX)
}

/// Milliseconds in seconds, begun ones counted.
pub fn seconds_up(ms: i64) -> i64 {
    ms.saturating_add(999) / 1000
}

/// Emits that parts of a key are gone.
pub fn emit_removed(space: &mut KeyAccess<'_>, key: Key<'_>, words: &Words, parts: &[&[u8]]) {
    if !parts.is_empty() {
        let head = [words.remove.as_bytes(), key.bytes];
        space.emit(|| head.into_iter().chain(parts.iter().copied()));
    }
}

/// Emits that they expire at a Unix time in milliseconds.
pub fn emit_expire(
    space: &mut KeyAccess<'_>,
    key: Key<'_>,
    words: &Words,
    at_ms: i64,
    parts: &[&[u8]],
) {
    if !parts.is_empty() && space.listened_to() {
        let (at, count) = (at_ms.to_string(), parts.len().to_string());
        let head = [words.expire, words.keyword].map(str::as_bytes);
        let head = [head[0], key.bytes, at.as_bytes(), head[1], count.as_bytes()];
        space.emit(|| head.into_iter().chain(parts.iter().copied()));
    }
}

/// Emits that they do not expire any more.
pub fn emit_persist(space: &mut KeyAccess<'_>, key: Key<'_>, words: &Words, parts: &[&[u8]]) {
    if !parts.is_empty() && space.listened_to() {
        let count = parts.len().to_string();
        let head = [words.persist, words.keyword].map(str::as_bytes);
        let head = [head[0], key.bytes, head[1], count.as_bytes()];
        space.emit(|| head.into_iter().chain(parts.iter().copied()));
    }
}

/// Replies what `of_deadline` makes of each part's deadline, which `deadline_ms` finds: zero for
/// none.
pub fn reply_times<'a>(
    reply: &mut Reply,
    parts: impl ExactSizeIterator<Item = &'a [u8]>,
    deadline_ms: impl Fn(&[u8]) -> Option<u64>,
    of_deadline: impl Fn(u64) -> i64,
) {
    reply.array(parts.len());
    for part in parts {
        reply.integer(match deadline_ms(part) {
            None => NO_PART,
            Some(0) => NO_DEADLINE,
            Some(deadline_ms) => of_deadline(deadline_ms),
        });
    }
}

/// Where the parts begin, behind `key FIELDS numfields`.
///
/// # Errors
/// The keyword is not there, or its count is none, or not that of the arguments behind it.
pub fn parts_from(call: &Call<'_>, words: &Words) -> Result<usize, Error> {
    let at = 2;
    let is_keyword = |word: &&[u8]| word.eq_ignore_ascii_case(words.keyword.as_bytes());
    call.args.get(at).filter(is_keyword).ok_or(words.misplaced.clone())?;
    let Some(count) = call.args.get(at + 1) else {
        return Err(Error::wrong_arity(call.command.name));
    };
    let count = parse_i64(count).filter(|count| *count > 0).ok_or(words.not_positive.clone())?;
    let from = at + 2;
    if count as u64 != (call.args.len() - from) as u64 {
        return Err(words.mismatch.clone());
    }
    Ok(from)
}

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

/// The options of HEXPIRE and its kind behind the time: the condition, and where the parts are.
///
/// # Errors
/// What is not known, not there, or does not go together.
pub fn parse_condition(call: &Call<'_>, words: &Words) -> Result<(Condition, Range<usize>), Error> {
    let args = call.args;
    let (mut condition, mut contradicts, mut parts) = (Condition::Always, false, None);
    let mut at = 3;
    while let Some(word) = args.get(at) {
        if word.eq_ignore_ascii_case(words.keyword.as_bytes()) {
            if parts.is_some() {
                return Err(words.twice.clone());
            }
            if at + 2 >= args.len() {
                return Err(words.need_more.clone());
            }
            let block = block(call, at, 1, words.uncounted.clone())?;
            at = block.end;
            parts = Some(block);
            continue;
        }
        let taken = Condition::parse(word);
        let taken = taken.ok_or_else(|| Error::quoting(Error::UNKNOWN_ARGUMENT, word, ""))?;
        contradicts |= condition != Condition::Always && condition != taken;
        condition = taken;
        at += 1;
    }
    let parts = parts.ok_or(words.missing.clone())?;
    if contradicts {
        return Err(Error::SEVERAL_CONDITIONS);
    }
    Ok((condition, parts))
}

/// The block `FIELDS numfields ...` at `at`: where its parts are, each of `width` arguments.
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

/// What becomes of the deadlines of the parts.
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

/// The options of HGETEX, HSETEX or SADDEX, and where the parts are.
pub struct Options {
    /// FXX or FNX, MXX or MNX: whether all parts have to exist, or none of them.
    pub exist: Option<bool>,
    /// What becomes of the deadlines.
    pub change: Change,
    /// The parts; in HSETEX each with its value.
    pub parts: Range<usize>,
}

/// Which command's options are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// HGETEX: a field is one argument.
    Get,
    /// HSETEX: a field is two.
    Set,
    /// SADDEX: a member is one.
    Add,
}

impl Of {
    fn words(self) -> &'static Words {
        if self == Of::Add { &MEMBERS } else { &FIELDS }
    }

    /// Whether `word` is the condition that all parts exist, or that none does.
    fn existence(self, word: &[u8]) -> Option<bool> {
        let conditions = if self == Of::Add { ["MXX", "MNX"] } else { ["FXX", "FNX"] };
        let at = conditions.iter().position(|it| word.eq_ignore_ascii_case(it.as_bytes()))?;
        Some(at == 0)
    }
}

impl Options {
    /// Reads the options behind the key.
    ///
    /// # Errors
    /// What is not known, not there, or does not go together, and a bad time.
    pub fn parse(call: &Call<'_>, of: Of) -> Result<Options, Error> {
        let (args, words) = (call.args, of.words());
        let several = if of == Of::Get { Error::GETEX_TIMES } else { Error::SEVERAL_TIMES };
        let (mut exist, mut time, mut parts) = (None, None, None);
        let (mut keeps, mut persists) = (false, false);
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is(words.keyword) {
                if parts.is_some() {
                    return Err(words.twice.clone());
                }
                let width = if of == Of::Set { 2 } else { 1 };
                let block = block(call, at, width, words.invalid_count.clone())?;
                at = block.end;
                parts = Some(block);
                continue;
            } else if let Some(unit) = ExpiryUnit::of_option(word) {
                if time.is_some() || keeps || persists {
                    return Err(several);
                }
                at += 1;
                let text = args.get(at).ok_or(Error::NO_EXPIRE_TIME)?;
                time = Some(wall_time(text, unit, call.now(), call.command.name)?);
            } else if is("KEEPTTL") || is("PERSIST") && of != Of::Add {
                let given = if is("KEEPTTL") { &mut keeps } else { &mut persists };
                if time.is_some() || std::mem::replace(given, true) {
                    return Err(several);
                }
            } else if let Some(wanted) = of.existence(word) {
                if exist.is_some() {
                    return Err(words.both.clone());
                }
                exist = Some(wanted);
            } else {
                return Err(Error::quoting(Error::UNKNOWN_ARGUMENT, word, ""));
            }
            at += 1;
        }
        let parts = parts.ok_or(words.missing.clone())?;
        // The words of HGETEX and HSETEX are read alike; the other's are refused in the end.
        if of == Of::Set && persists || of == Of::Get && (keeps || exist.is_some()) {
            return Err(Error::ARGUMENT_OF_OTHERS);
        }
        let change = match time {
            Some(at_ms) => Change::At(at_ms),
            None if keeps => Change::Keep,
            None if persists => Change::Persist,
            None => Change::None,
        };
        Ok(Options { exist, change, parts })
    }
}
