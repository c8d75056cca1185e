//! What is known to differ in bitmaps and HyperLogLogs.

use super::table::{REDIS_7, REDIS_8, VALKEY_9, is_error, says, stays};
use super::{Known, Sign};
use crate::stream::Command;

/// Every such difference.
pub const TABLE: &[Known] = &[
    stays(
        &[REDIS_7, REDIS_8],
        "BITCOUNT with a start alone, which only Valkey has",
        Sign::NotSent(|command, _| command.is("BITCOUNT") && command.args.len() == 3),
    ),
    stays(
        &[REDIS_7, VALKEY_9],
        "BITOP: the operations of Redis 8.2",
        Sign::NotSent(|command, _| {
            let word = command.args.get(1);
            let is =
                |name: &&str| word.is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()));
            command.is("BITOP") && ["DIFF", "DIFF1", "ANDOR", "ONE"].iter().any(is)
        }),
    ),
    stays(
        &[VALKEY_9],
        "BITCOUNT: of two mistakes Valkey tells of the unit first",
        Sign::Reply(|command, oracle, subject| {
            command.is("BITCOUNT") && is_error(oracle) && is_error(subject)
        }),
    ),
    stays(
        &[REDIS_7],
        "BITCOUNT, BITPOS: Redis 7.0 looks at the key before the range",
        Sign::NotSent(|command, _| {
            let first = match () {
                () if command.is("BITCOUNT") => 2,
                () if command.is("BITPOS") => 3,
                () => return false,
            };
            !is_range(command.args.get(first..).unwrap_or_default())
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "BITFIELD: a place by its number that overflows 64 bits, which Redis cuts off",
        Sign::NotSent(|command, _| {
            let is_far = |arg: &Vec<u8>| {
                let number = arg.strip_prefix(b"#").and_then(number_of);
                number.is_some_and(|number| number.checked_mul(64).is_none())
            };
            is_about_fields(command) && command.args.iter().any(is_far)
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "BITFIELD: OVERFLOW SAT in Redis takes one of the least numbers for one of the greatest",
        Sign::NotSent(|command, _| {
            let is_low = |arg: &Vec<u8>| number_of(arg).is_some_and(|number| number < -(1 << 62));
            let saturates = |arg: &Vec<u8>| arg.eq_ignore_ascii_case(b"SAT");
            let mut args = command.args.iter();
            command.is("BITFIELD") && args.any(saturates) && command.args.iter().any(is_low)
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "BITFIELD whose every write fails: Redis does not tell who watches that the text grew",
        Sign::NotSent(|command, _| {
            let fails = |arg: &Vec<u8>| arg.eq_ignore_ascii_case(b"FAIL");
            command.is("BITFIELD") && command.args.iter().any(fails) && has_wide(command)
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "PFDEBUG DECODE of a damaged HyperLogLog: Redis shows what there is",
        Sign::Reply(|command, _, subject| {
            command.is("PFDEBUG") && says(subject, b"INVALIDOBJ Corrupted HLL object detected")
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "COMMAND GETKEYS PFMERGE of a target alone",
        Sign::NotSent(|command, _| command.is("COMMAND") && names(command, "PFMERGE")),
    ),
    stays(
        &[REDIS_7],
        "COMMAND GETKEYS ZRANK and ZREVRANK: their WITHSCORE came with Redis 7.2",
        Sign::NotSent(|command, _| {
            command.is("COMMAND") && (names(command, "ZRANK") || names(command, "ZREVRANK"))
        }),
    ),
];

fn is_about_fields(command: &Command) -> bool {
    command.is("BITFIELD") || command.is("BITFIELD_RO")
}

/// Whether a BITFIELD adds or sets more than a field has room for.
fn has_wide(command: &Command) -> bool {
    let is_wide = |words: &[Vec<u8>]| {
        let changes = [&b"INCRBY"[..], b"SET"].iter().any(|w| words[0].eq_ignore_ascii_case(w));
        let width = words[1].get(1..).and_then(number_of).unwrap_or(0).clamp(1, 64);
        let amount = number_of(&words[3]).map_or(u64::MAX, i64::unsigned_abs);
        changes && amount >= 1 << (width - 1)
    };
    command.args.windows(4).any(is_wide)
}

fn number_of(text: impl AsRef<[u8]>) -> Option<i64> {
    std::str::from_utf8(text.as_ref()).ok()?.parse().ok()
}

/// Whether words are `[start [end [BYTE | BIT]]]`, with numbers in the first two places.
fn is_range(words: &[Vec<u8>]) -> bool {
    let is_number = |word: &Vec<u8>| {
        let text = std::str::from_utf8(word).unwrap_or_default();
        text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
    };
    let is_unit =
        |word: &Vec<u8>| word.eq_ignore_ascii_case(b"BIT") || word.eq_ignore_ascii_case(b"BYTE");
    words.len() <= 3 && words.iter().take(2).all(is_number) && words.iter().skip(2).all(is_unit)
}

/// Whether COMMAND is asked about a command.
fn names(command: &Command, name: &str) -> bool {
    command.args.get(2).is_some_and(|arg| arg.eq_ignore_ascii_case(name.as_bytes()))
}
