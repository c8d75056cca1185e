//! What is known to differ in SORT.

use super::table::{REDIS_7, REDIS_8, VALKEY_9, has, is_event, is_removal, says, some, stays};
use super::{Known, Sign};
use crate::families::{LISTED, SETS};
use crate::reply::{Reply, decode};
use crate::stream::Command;

const SORT_REFUSES: &str =
    "SORT refuses numbers for a while after one that was too large or small for it";

/// Every such difference.
pub const TABLE: &[Known] = &[
    stays(
        &[REDIS_7, REDIS_8],
        SORT_REFUSES,
        Sign::Reply(|command, oracle, subject| {
            is_no_number(command, oracle, subject) && subject.starts_with(b"*")
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8],
        "SORT that refuses numbers so does not look up what GET asks for",
        Sign::EventBeside(SORT_REFUSES, |message| is_event(message, "keymiss")),
    ),
    stays(
        &[REDIS_7, REDIS_8],
        "SORT with an empty result reports the removal of a key whose time had passed",
        Sign::Event(|steps, message| is_removal(message) && some(steps, &["STORE"])),
    ),
    stays(
        &[REDIS_7],
        "SORT: to Redis 7.0, a number may begin with a space or 0x, and is not infinite",
        Sign::Reply(is_no_number),
    ),
    stays(&[VALKEY_9], "SORT: to Valkey, no text is no number", Sign::Reply(is_no_number)),
    stays(
        &[REDIS_7, VALKEY_9],
        "SORT: what is no number is not stored",
        Sign::NotSent(|command, _| {
            command.is("SORT") && has(command, &["STORE"]) && !has(command, &["ALPHA"])
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "SORT of sets by other keys: what weighs the same, and misses, come in their tables' order",
        Sign::NotSent(|command, _| {
            let is_one_of = |key: &Vec<u8>, all: &[&str]| all.iter().any(|k| k.as_bytes() == key);
            let is_word =
                |word: &'static str| move |arg: &Vec<u8>| arg.eq_ignore_ascii_case(word.as_bytes());
            let (key, mut args) = (command.args.get(1), command.args.iter());
            let has_pattern = command.args.iter().skip(2).any(|arg| arg.contains(&b'*'));
            (command.is("SORT") || command.is("SORT_RO"))
                && key.is_none_or(|key| !is_one_of(key, &[LISTED]))
                && command.args.iter().any(is_word("BY"))
                && has_pattern
                // Numbers that are equal come by their members; see `pair` for the misses.
                && (key.is_none_or(|key| !is_one_of(key, SETS)) || args.any(is_word("ALPHA")))
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "SORT of texts ends their comparison at a zero byte: those alike so far come in any order",
        Sign::Reply(are_alike_before_zeros),
    ),
];

/// Both reply with the same texts, in orders that are the same up to each one's first zero byte.
fn are_alike_before_zeros(command: &Command, oracle: &[u8], subject: &[u8]) -> bool {
    let texts = |frame: &[u8]| match decode(frame) {
        Ok(Reply::Aggregate(_, items)) => items
            .into_iter()
            .map(|item| if let Reply::Bulk(text) = item { Some(text) } else { None })
            .collect::<Option<Vec<Vec<u8>>>>(),
        _ => None,
    };
    let (Some(mut one), Some(mut other)) = (texts(oracle), texts(subject)) else { return false };
    let before_zero = |text: &Vec<u8>| text.split(|byte| *byte == 0).next().map(<[u8]>::to_vec);
    let is_same = one.iter().map(before_zero).eq(other.iter().map(before_zero));
    one.sort();
    other.sort();
    (command.is("SORT") || command.is("SORT_RO")) && is_same && one == other
}

/// The oracle refuses numbers, or the subject does.
fn is_no_number(command: &Command, oracle: &[u8], subject: &[u8]) -> bool {
    let refused = b"ERR One or more scores can't be converted into double";
    let is_sort = command.is("SORT") || command.is("SORT_RO");
    is_sort && (says(oracle, refused) || says(subject, refused))
}
