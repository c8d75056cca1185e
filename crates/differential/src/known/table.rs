//! The table of known differences.

use super::{Ending, Known, Sign, Versions};
use crate::oracle::Product;
use crate::reply::{Reply, decode};
use crate::stream::{Command, Step};

/// Newer than any.
const END: (u32, u32) = (u32::MAX, 0);
const REDIS_7: Versions = (Product::Redis, (7, 0)..(7, 2));
const REDIS_8: Versions = (Product::Redis, (8, 6)..END);
const VALKEY_9: Versions = (Product::Valkey, (9, 1)..END);

/// Every difference that is known.
pub const TABLE: &[Known] = &[
    stays(
        &[REDIS_7],
        "a short list is a listpack since Redis 7.2",
        Sign::Reply(|command, oracle, subject| {
            command.is("OBJECT")
                && oracle == b"$9\r\nquicklist\r\n"
                && subject == b"$8\r\nlistpack\r\n"
        }),
    ),
    stays(
        &[REDIS_7],
        "SORT refuses numbers for a while after one that was too large or small for it",
        Sign::Reply(|command, oracle, subject| {
            is_no_number(command, oracle, subject) && subject.starts_with(b"*")
        }),
    ),
    stays(
        &[REDIS_7],
        "SORT with an empty result reports the removal of a key whose time had passed",
        Sign::Event(|steps, message| is_removal(message) && steps.iter().any(stores)),
    ),
    to_mend(
        &[REDIS_8],
        "an unknown command without arguments: no `, with args beginning with: `",
        Sign::Reply(|_, oracle, subject| {
            let rest = subject.strip_suffix(b", with args beginning with: \r\n");
            rest.is_some() && rest == oracle.strip_suffix(b"\r\n")
        }),
    ),
    to_mend(
        &[REDIS_8, VALKEY_9],
        "payloads of newer servers are not restored",
        Sign::Reply(|command, oracle, subject| {
            command.is("RESTORE")
                && oracle == b"+OK\r\n"
                && subject.starts_with(b"-ERR DUMP payload version")
        }),
    ),
    to_mend(
        &[REDIS_8, VALKEY_9],
        "SCAN and HSCAN: a cursor that is no number",
        Sign::Reply(|command, oracle, subject| {
            let refused = b"-ERR invalid cursor";
            (command.is("SCAN") || command.is("HSCAN"))
                && (oracle.starts_with(refused) || subject.starts_with(refused))
        }),
    ),
    to_mend(
        &[REDIS_8, VALKEY_9],
        "LPOS, LREM and others: the least integer of all",
        Sign::Reply(|_, oracle, _| {
            let refused = b"ERR value is out of range, value must between -9223372036854775807";
            oracle.windows(refused.len()).any(|part| part == refused)
        }),
    ),
    stays(
        &[REDIS_8, VALKEY_9],
        "LSET, LINDEX: of an index beyond 32 bits, a list that is packed takes the low ones",
        Sign::NotSent(|command, _| {
            let index = command.args.get(2).and_then(|text| std::str::from_utf8(text).ok());
            let index = index.and_then(|text| text.parse::<i64>().ok());
            (command.is("LSET") || command.is("LINDEX"))
                && index.is_some_and(|index| i32::try_from(index).is_err())
        }),
    ),
    to_mend(
        &[REDIS_8, VALKEY_9],
        "CLIENT SETNAME: a name may have a zero byte",
        Sign::NotSent(|command, _| {
            command.is("CLIENT") && command.args.last().is_some_and(|name| name.contains(&0))
        }),
    ),
    to_mend(
        &[REDIS_8, VALKEY_9],
        "a list that is restored from several packed parts is a quicklist, however short",
        Sign::Reply(|command, oracle, subject| {
            command.is("OBJECT")
                && oracle == b"$9\r\nquicklist\r\n"
                && subject == b"$8\r\nlistpack\r\n"
        }),
    ),
    to_mend(
        &[REDIS_8, VALKEY_9],
        "RESTORE: an empty part of a list of packed parts is passed over",
        Sign::NotSent(|command, _| {
            let is_empty = |payload: &Vec<u8>| payload.starts_with(&[14, 2, 11, 11, 0]);
            command.is("RESTORE") && command.args.iter().any(is_empty)
        }),
    ),
    to_mend(
        &[REDIS_8],
        "SORT: no number begins with a space or with 0x",
        Sign::Reply(is_no_number),
    ),
    stays(&[VALKEY_9], "SORT: to Valkey, no text is no number", Sign::Reply(is_no_number)),
    to_mend(
        &[REDIS_8, VALKEY_9],
        "SORT: what is no number is not stored",
        Sign::NotSent(|command, _| {
            let has = |word: &[u8]| command.args.iter().any(|arg| arg.eq_ignore_ascii_case(word));
            command.is("SORT") && has(b"STORE") && !has(b"ALPHA")
        }),
    ),
    to_mend(
        &[REDIS_8, VALKEY_9],
        "a timeout beyond all clocks is out of range",
        Sign::Reply(|_, oracle, subject| {
            oracle == b"-ERR timeout is out of range\r\n"
                && subject == b"-ERR timeout is negative\r\n"
        }),
    ),
    to_mend(
        &[REDIS_8],
        "OBJECT ENCODING: embstr or raw depends on the key's length, too",
        Sign::Reply(is_short_text),
    ),
    stays(
        &[VALKEY_9],
        "OBJECT ENCODING: to Valkey longer texts are embstr",
        Sign::Reply(is_short_text),
    ),
    to_mend(
        &[REDIS_8, VALKEY_9],
        "COMMAND GETKEYS: its errors",
        Sign::Reply(|command, oracle, subject| {
            command.is("COMMAND") && oracle.starts_with(b"-") && subject.starts_with(b"-")
        }),
    ),
    stays(
        &[VALKEY_9],
        "Valkey's words in the errors of scripts, and no name of the script",
        Sign::Reply(|_, oracle, subject| is_said_by_valkey(oracle, subject)),
    ),
    stays(
        &[VALKEY_9],
        "NOSCRIPT: Valkey gives no advice",
        Sign::Reply(|_, oracle, subject| {
            oracle == b"-NOSCRIPT No matching script.\r\n" && subject.starts_with(b"-NOSCRIPT ")
        }),
    ),
    stays(
        &[VALKEY_9],
        "GETEX: Valkey looks at the time before the key",
        Sign::Reply(|command, oracle, subject| {
            command.is("GETEX") && oracle.starts_with(b"-ERR ") && !subject.starts_with(b"$1")
        }),
    ),
    stays(
        &[VALKEY_9],
        "SCAN: Valkey refuses the names of no type",
        Sign::Reply(|command, oracle, _| {
            command.is("SCAN") && oracle.starts_with(b"-ERR unknown type name")
        }),
    ),
    stays(
        &[VALKEY_9],
        "a script of another engine",
        Sign::Reply(|_, oracle, subject| {
            oracle.starts_with(b"-ERR Could not find scripting engine")
                && subject.starts_with(b"-ERR Unexpected engine in script shebang")
        }),
    ),
    stays(
        &[VALKEY_9],
        "a deadline in the past: Valkey reports `expired`, which is not listened to, and not `del`",
        Sign::Event(|_, message| is_removal(message)),
    ),
    stays(
        &[VALKEY_9],
        "LCS: in a script, the order of a map is left to Lua",
        Sign::Reply(|command, oracle, subject| match (decode(oracle), decode(subject)) {
            (Ok(Reply::Aggregate(_, mut oracle)), Ok(Reply::Aggregate(_, mut subject))) => {
                oracle.sort_unstable();
                subject.sort_unstable();
                command.is("LCS") && oracle == subject
            }
            _ => false,
        }),
    ),
    stays(
        &[VALKEY_9],
        "SET with a time in the past: Valkey reports no `set`",
        Sign::NotSent(|command, _| {
            let is_past = |time: &Vec<u8>| time.len() <= 10 || time.first() == Some(&b'-');
            let sets = command.args.windows(2).any(|words| {
                let is_at = |name: &[u8]| words[0].eq_ignore_ascii_case(name);
                (is_at(b"EXAT") || is_at(b"PXAT")) && is_past(&words[1])
            });
            command.is("SET") && sets
        }),
    ),
    to_mend(
        &[REDIS_8, VALKEY_9],
        "scripts may run commands that wait, as if no time were left",
        Sign::NotSent(|command, is_within| {
            is_within
                && ["BLPOP", "BRPOP", "BLMOVE", "BLMPOP", "BRPOPLPUSH"]
                    .iter()
                    .any(|name| command.is(name))
        }),
    ),
    stays(
        &[VALKEY_9],
        "MULTI and WATCH in a transaction: Valkey aborts it",
        Sign::NotSent(|command, is_queueing| {
            is_queueing && (command.is("MULTI") || command.is("WATCH"))
        }),
    ),
];

const fn stays(versions: &'static [Versions], reason: &'static str, sign: Sign) -> Known {
    Known { versions, ending: Ending::Stays, reason, sign }
}

const fn to_mend(versions: &'static [Versions], reason: &'static str, sign: Sign) -> Known {
    Known { versions, ending: Ending::ToMend, reason, sign }
}

/// What Redis says of a script, and what Valkey does.
const WORDS: [(&str, &str); 5] = [
    ("This Redis command is not", "This Valkey command is not"),
    ("Unknown Redis command called", "Unknown command called"),
    ("calling Redis command from", "calling command from"),
    ("for this redis lib call", "for this call"),
    ("Lua redis lib command arguments must", "Command arguments must"),
];

/// The same error of a script from Valkey, as an error or as a text.
fn is_said_by_valkey(oracle: &[u8], subject: &[u8]) -> bool {
    let text = |frame: &[u8]| match decode(frame) {
        Ok(Reply::Error(text) | Reply::Bulk(text)) => String::from_utf8(text).ok(),
        _ => None,
    };
    let said = text(subject).map(in_valkeys_words);
    let is_same = said.is_some() && said == text(oracle);
    oracle.first() == subject.first() && (is_same || is_unknown_subcommand(oracle, subject))
}

fn is_unknown_subcommand(oracle: &[u8], subject: &[u8]) -> bool {
    oracle.starts_with(b"-ERR unknown subcommand")
        && subject.starts_with(b"-ERR Unknown Redis command called from script")
}

fn in_valkeys_words(mut text: String) -> String {
    for (redis, valkey) in WORDS {
        text = text.replacen(redis, valkey, 1);
    }
    if let Some((before, place)) = text.rsplit_once(" script: ")
        && let Some(at) = place.find("on @")
    {
        text = format!("{before} script: {}", &place[at..]);
    }
    text
}

/// Both frames are names of encodings of a text.
fn is_short_text(command: &Command, oracle: &[u8], subject: &[u8]) -> bool {
    let names: [&[u8]; 2] = [b"$6\r\nembstr\r\n", b"$3\r\nraw\r\n"];
    command.is("OBJECT") && names.contains(&oracle) && names.contains(&subject)
}

/// The oracle refuses numbers, or the subject does.
fn is_no_number(command: &Command, oracle: &[u8], subject: &[u8]) -> bool {
    let refused = b"-ERR One or more scores can't be converted into double";
    (command.is("SORT") || command.is("SORT_RO"))
        && (oracle.starts_with(refused) || subject.starts_with(refused))
}

/// Whether a message reports that a key was deleted.
fn is_removal(message: &[u8]) -> bool {
    message.ends_with(b"$3\r\ndel\r\n") || message.windows(8).any(|part| part == b"__:del\r\n")
}

fn stores(step: &Step) -> bool {
    match step {
        Step::Send(command) => command.args.iter().any(|arg| arg.eq_ignore_ascii_case(b"store")),
        Step::Sleep(_) => false,
    }
}
