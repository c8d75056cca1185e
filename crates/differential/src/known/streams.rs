//! What is known to differ in streams.

use super::table::{REDIS_7, REDIS_8, VALKEY_9, is_event, says, stays};
use super::{Known, Sign};
use crate::families::{FUTURE, TRIMMED};
use crate::moments::{self, From};
use crate::reply::{Reply, decode};
use crate::stream::Command;

/// Every such difference.
pub const TABLE: &[Known] = &[
    stays(
        &[REDIS_7, VALKEY_9],
        "streams: the commands and options of Redis 8.2 to 8.6",
        Sign::NotSent(|command, _| {
            is(command, &LATER)
                || has(command, &LATER)
                || (is(command, &["XADD", "XTRIM"]) && has(command, &LATER_OPTIONS))
                || (is(command, &["XREAD", "XREADGROUP"]) && has(command, &["CLAIM"]))
        }),
    ),
    stays(
        &[REDIS_7, VALKEY_9],
        "XREAD: `+`, which came with Redis 7.4; in Valkey the last entry must have the last id",
        Sign::NotSent(|command, _| command.is("XREAD") && has(command, &["+"])),
    ),
    stays(
        &[REDIS_7],
        "streams: to Redis 7.0 a consumer that gets nothing is not there",
        Sign::NotSent(|command, _| {
            let word = command.args.get(1);
            let is_word =
                |name: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()));
            is(command, &["XCLAIM", "XAUTOCLAIM"])
                || (command.is("XGROUP") && (is_word("CREATECONSUMER") || is_word("DELCONSUMER")))
                || (command.is("XINFO") && is_word("CONSUMERS"))
        }),
    ),
    stays(
        &[REDIS_7],
        "XSETID: Redis 7.0 does not look at the greatest id that was removed",
        Sign::NotSent(|command, _| command.is("XSETID")),
    ),
    stays(
        &[REDIS_7],
        "XREADGROUP: to Redis 7.0 a consumer is made when it gets something",
        Sign::Event(|_, message| is_event(message, "xgroup-createconsumer")),
    ),
    stays(
        &[REDIS_7, VALKEY_9],
        "XGROUP: more ENTRIESREAD than were added, which Redis 8 bounds",
        Sign::NotSent(|command, _| {
            let is_some = |words: &[Vec<u8>]| {
                let read = !["0", "-1"].iter().any(|none| words[1] == none.as_bytes());
                words[0].eq_ignore_ascii_case(b"ENTRIESREAD") && read
            };
            command.is("XGROUP") && command.args.windows(2).any(is_some)
        }),
    ),
    stays(
        &[REDIS_8],
        "XIDMPRECORD of an entry of the past, which Redis forgets when it comes to it",
        Sign::NotSent(|command, _| {
            let is_future = |id: &Vec<u8>| id.starts_with(b"80000000");
            command.is("XIDMPRECORD") && !command.args.get(4).is_some_and(is_future)
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "streams: an id with a zero byte, which Redis reads up to there",
        Sign::NotSent(|command, _| {
            let is_id = |arg: &Vec<u8>| {
                let arg = arg.strip_prefix(b"(").unwrap_or(arg);
                arg.first().is_some_and(u8::is_ascii_digit) && arg.contains(&0)
            };
            is_about_streams(command) && command.args.iter().any(is_id)
        }),
    ),
    stays(
        &[REDIS_8],
        "XADD IDMP where no id is left: Redis knows the producer from then on",
        Sign::NotSent(|command, _| {
            (is(command, &["XADD", "XSETID"]) && command.args.iter().any(is_last))
                || copies_to(command, FUTURE)
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "XTRIM MINID: Redis keeps an empty block, if an entry behind the id was removed",
        Sign::NotSent(|command, _| {
            let is_trimmed = command.args.get(1).is_some_and(|key| key == TRIMMED.as_bytes());
            let removes = is(command, &["XDEL", "XDELEX", "XACKDEL"]);
            let trims = is(command, &["XADD", "XTRIM"]);
            (trims && !is_trimmed && has(command, &["MINID"]))
                || (is_trimmed && (removes || trims && has(command, &["ACKED"])))
                || copies_to(command, TRIMMED)
        }),
    ),
    stays(
        &[REDIS_8],
        "XTRIM, XADD with ACKED: Redis looks no further than into the first block that stays",
        Sign::NotSent(|command, _| {
            is(command, &["XADD", "XTRIM"]) && has(command, &["MAXLEN"]) && has(command, &["ACKED"])
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "XREADGROUP: to Redis the last id of all is the same as `>`",
        Sign::NotSent(|command, _| command.is("XREADGROUP") && command.args.iter().any(is_last)),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "COMMAND GETKEYS XREAD: Redis finds STREAMS behind what is no option, too",
        Sign::Reply(|command, oracle, _| {
            let name = command.args.get(2);
            let is_read = |name: &Vec<u8>| {
                let all = ["XREAD", "XREADGROUP"];
                all.iter().any(|read| name.eq_ignore_ascii_case(read.as_bytes()))
            };
            command.is("COMMAND") && oracle.starts_with(b"*") && name.is_some_and(is_read)
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "XAUTOCLAIM: a COUNT for which there is no memory",
        Sign::NotSent(|command, _| {
            let is_large = |arg: &Vec<u8>| {
                let number = std::str::from_utf8(arg).ok().and_then(|text| text.parse().ok());
                number.is_some_and(|number: i64| number > 1 << 30)
            };
            command.is("XAUTOCLAIM") && command.args.iter().skip(6).any(is_large)
        }),
    ),
    stays(
        &[REDIS_7, VALKEY_9],
        "XREAD, XREADGROUP: Redis 7.4 names `+`, too, where ids are missing",
        Sign::Reply(|command, oracle, subject| {
            let unbalanced = b"list of streams: for each stream key an ID";
            is(command, &["XREAD", "XREADGROUP"])
                && says(oracle, unbalanced)
                && says(subject, unbalanced)
        }),
    ),
    stays(
        &[REDIS_7],
        "XREAD, XREADGROUP in scripts: Redis 7.0 refuses BLOCK before it looks at what follows",
        Sign::Reply(|_, oracle, _| {
            says(oracle, b"command is not allowed with BLOCK option from scripts")
        }),
    ),
    stays(
        &[REDIS_7],
        "XREADGROUP: `+` is another mistake to Redis 7.0",
        Sign::NotSent(|command, _| command.is("XREADGROUP") && has(command, &["+"])),
    ),
    stays(
        &[REDIS_7, VALKEY_9],
        "XINFO: what Redis 8.6 tells of producers, and how much is left for a group when it trims",
        Sign::Reply(|command, oracle, subject| {
            command.is("XINFO") && are_same_without(&LATER_NAMES, oracle, subject)
        }),
    ),
    stays(
        &[REDIS_7],
        "XINFO: consumers that got nothing, and what groups have read where entries are gone",
        Sign::Reply(|command, oracle, subject| {
            let names = [&LATER_NAMES[..], &CONSUMERS_NAMES].concat();
            command.is("XINFO") && are_same_without(&names, oracle, subject)
        }),
    ),
];

const LATER: [&str; 4] = ["XDELEX", "XACKDEL", "XCFGSET", "XIDMPRECORD"];
const LATER_OPTIONS: [&str; 5] = ["KEEPREF", "DELREF", "ACKED", "IDMP", "IDMPAUTO"];
/// How names in the replies of XINFO begin.
const LATER_NAMES: [&[u8]; 4] = [b"idmp-", b"pids-", b"iids-", b"lag"];
const CONSUMERS_NAMES: [&[u8]; 2] = [b"consumers", b"entries-read"];

fn is(command: &Command, names: &[&str]) -> bool {
    names.iter().any(|name| command.is(name))
}

/// Whether one of these words is among a command's arguments.
fn has(command: &Command, words: &[&str]) -> bool {
    let is_one = |arg: &Vec<u8>| words.iter().any(|word| arg.eq_ignore_ascii_case(word.as_bytes()));
    command.args.iter().skip(1).any(is_one)
}

fn is_last(id: &Vec<u8>) -> bool {
    id == b"18446744073709551615-18446744073709551615"
}

fn is_about_streams(command: &Command) -> bool {
    command.name().first().is_some_and(|first| b"xX".contains(first))
}

/// Whether another key's value may become this one's.
fn copies_to(command: &Command, key: &str) -> bool {
    is(command, &["COPY", "RENAME", "RENAMENX"])
        && command.args.get(2).is_some_and(|to| to == key.as_bytes())
}

/// Whether two replies are the same but for the names that begin so, and their values.
fn are_same_without(names: &[&[u8]], oracle: &[u8], subject: &[u8]) -> bool {
    let (Ok(oracle), Ok(subject)) = (decode(oracle), decode(subject)) else { return false };
    moments::same(From::Script, &without(oracle, names), &without(subject, names))
}

/// A reply without the names that begin so, and their values.
fn without(reply: Reply, names: &[&[u8]]) -> Reply {
    let Reply::Aggregate(kind, parts) = reply else { return reply };
    let is_one = |part: &Reply| match part {
        Reply::Bulk(name) => names.iter().any(|start| name.starts_with(start)),
        _ => false,
    };
    let mut kept = Vec::with_capacity(parts.len());
    let mut parts = parts.into_iter();
    while let Some(part) = parts.next() {
        if is_one(&part) {
            parts.next();
        } else {
            kept.push(without(part, names));
        }
    }
    Reply::Aggregate(kind, kept)
}
