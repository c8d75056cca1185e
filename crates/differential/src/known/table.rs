//! The table of known differences.

use super::{Ending, Known, Sign, Versions};
use crate::deadline::ABSOLUTE_S;
use crate::oracle::Product;
use crate::reply::{Reply, decode};
use crate::stream::{Command, Step};

/// Newer than any.
const END: (u32, u32) = (u32::MAX, 0);
pub(super) const REDIS_7: Versions = (Product::Redis, (7, 0)..(7, 2));
pub(super) const REDIS_8: Versions = (Product::Redis, (8, 6)..END);
pub(super) const VALKEY_9: Versions = (Product::Valkey, (9, 1)..END);

/// Commands that Redis 7.0 has not, beside those in [`FIELDS`].
const LATER: [&str; 4] = ["DELEX", "DELIFEQ", "DIGEST", "MSETEX"];

/// Commands about the deadlines of hash fields.
const FIELDS: [&str; 12] = [
    "HEXPIRE",
    "HPEXPIRE",
    "HEXPIREAT",
    "HPEXPIREAT",
    "HTTL",
    "HPTTL",
    "HEXPIRETIME",
    "HPEXPIRETIME",
    "HPERSIST",
    "HGETDEL",
    "HGETEX",
    "HSETEX",
];

/// Every difference that is known.
pub const TABLE: &[Known] = &[
    stays(
        &[REDIS_7],
        "commands and conditions that came later",
        Sign::NotSent(|command, _| {
            let conditions = ["IFEQ", "IFNE", "IFDEQ", "IFDNE"];
            [&FIELDS[..], &LATER, &conditions].iter().any(|words| has(command, words))
        }),
    ),
    stays(
        &[REDIS_8],
        "HSETEX: only plain ones are sent",
        Sign::NotSent(|command, _| command.is("HSETEX") && !is_plain(command)),
    ),
    stays(
        &[REDIS_8],
        "a command that only Valkey has: DELIFEQ",
        Sign::NotSent(|command, _| has(command, &["DELIFEQ"])),
    ),
    stays(
        &[VALKEY_9],
        "commands and conditions that only Redis has: DELEX, DIGEST, IFNE, IFDEQ, IFDNE",
        Sign::NotSent(|command, _| has(command, &["DELEX", "DIGEST", "IFNE", "IFDEQ", "IFDNE"])),
    ),
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
        &[REDIS_8, VALKEY_9],
        "a list's numbers are counted by their digits, and what comes at once with its lengths",
        Sign::Reply(|command, oracle, subject| {
            command.is("OBJECT")
                && oracle == b"$8\r\nlistpack\r\n"
                && subject == b"$9\r\nquicklist\r\n"
        }),
    ),
    stays(
        &[REDIS_7],
        "a packed set is a listpack since Redis 7.2",
        Sign::Reply(|command, oracle, subject| {
            command.is("OBJECT")
                && oracle == b"$9\r\nhashtable\r\n"
                && (subject == b"$8\r\nlistpack\r\n" || subject == b"$6\r\nintset\r\n")
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "COMMAND GETKEYS: a count of keys that only begins as a number, which Redis reads so far",
        Sign::Reply(|command, oracle, subject| {
            let refuses = subject == b"*0\r\n"
                || subject == b"-ERR Invalid arguments specified for command\r\n";
            let is_number = |count: &Vec<u8>| {
                std::str::from_utf8(count).is_ok_and(|text| text.parse::<i32>().is_ok())
            };
            let begins = |count: &Vec<u8>| {
                let count = count.trim_ascii_start();
                count.strip_prefix(b"+").unwrap_or(count).first().is_some_and(u8::is_ascii_digit)
            };
            let is_odd = |count: &Vec<u8>| begins(count) && !is_number(count);
            command.is("COMMAND")
                && oracle.starts_with(b"*")
                && refuses
                && command.args.iter().skip(3).any(is_odd)
        }),
    ),
    stays(
        &[REDIS_7, VALKEY_9],
        "an unknown command without arguments: no `, with args beginning with: ` in Redis 8",
        Sign::Reply(|_, oracle, subject| {
            let rest = oracle.strip_suffix(b", with args beginning with: \r\n");
            rest.is_some() && rest == subject.strip_suffix(b"\r\n")
        }),
    ),
    stays(
        &[VALKEY_9],
        "Valkey's words for wrong arguments of HEXPIRE, HGETEX, HSETEX and their like",
        Sign::Reply(are_field_errors),
    ),
    stays(
        &[VALKEY_9],
        "HEXPIRE, HGETEX, HSETEX: options behind the fields, which Valkey refuses",
        Sign::NotSent(|command, _| is_about_fields(command) && !is_plain(command)),
    ),
    stays(
        &[VALKEY_9],
        "HSETEX with a time in the past: Valkey reports `hexpire` and `hexpired`",
        Sign::NotSent(|command, _| command.is("HSETEX") && has_past_time(command)),
    ),
    stays(
        &[REDIS_8],
        "SET: with GET and a digest that is none, Redis replies twice",
        Sign::NotSent(|command, _| {
            let is_digest =
                |text: &Vec<u8>| text.len() == 16 && text.iter().all(u8::is_ascii_hexdigit);
            let is_wrong = |words: &[Vec<u8>]| {
                let asks =
                    [&b"IFDEQ"[..], b"IFDNE"].iter().any(|w| words[0].eq_ignore_ascii_case(w));
                asks && !is_digest(&words[1])
            };
            command.is("SET") && has(command, &["GET"]) && command.args.windows(2).any(is_wrong)
        }),
    ),
    stays(
        &[VALKEY_9],
        "MSETEX with a time: to Valkey, `expire` comes behind `set`",
        Sign::Event(|steps, message| is_event(message, "expire") && some(steps, &["MSETEX"])),
    ),
    stays(
        &[VALKEY_9],
        "HSETEX: a key called FXX or FNX, which Valkey takes for a condition and leaves out",
        Sign::NotSent(|command, _| {
            let is_condition = |key: &Vec<u8>| {
                [&b"FXX"[..], b"FNX"].iter().any(|word| key.eq_ignore_ascii_case(word))
            };
            command.is("HSETEX") && command.args.get(1).is_some_and(is_condition)
        }),
    ),
    stays(
        &[VALKEY_9],
        "HEXPIRE and its kin: XX goes with GT and LT in Valkey",
        Sign::NotSent(|command, _| {
            is_about_fields(command) && has(command, &["XX"]) && has(command, &["GT", "LT"])
        }),
    ),
    stays(
        &[VALKEY_9],
        "HGETEX: to Valkey, a hash that is not there is missed",
        Sign::Event(|steps, message| is_event(message, "keymiss") && some(steps, &["HGETEX"])),
    ),
    stays(
        &[VALKEY_9],
        "FUNCTION LIST: an argument with line ends, which Valkey writes into its reply",
        Sign::NotSent(|command, _| {
            let has_end = |arg: &Vec<u8>| arg.iter().any(|byte| b"\r\n".contains(byte));
            command.is("FUNCTION") && command.args.iter().skip(1).any(has_end)
        }),
    ),
    stays(
        &[VALKEY_9],
        "HSETEX: NX and XX, which only Valkey has",
        Sign::NotSent(|command, _| command.is("HSETEX") && has(command, &["NX", "XX"])),
    ),
    stays(
        &[REDIS_7],
        "COMMAND GETKEYS of a name alone is queued in a transaction",
        Sign::NotSent(|command, is_queueing| {
            is_queueing && command.is("COMMAND") && command.args.len() < 4
        }),
    ),
    stays(
        &[VALKEY_9],
        "MSETEX: Valkey's words for wrong arguments",
        Sign::Reply(|command, oracle, subject| {
            command.is("MSETEX") && is_error(oracle) && is_error(subject)
        }),
    ),
    stays(
        &[VALKEY_9],
        "a field's deadline in the past: Valkey reports `hexpired`, and not `hdel`",
        Sign::Event(|_, message| is_event(message, "hdel") || is_event(message, "hexpired")),
    ),
    stays(
        &[VALKEY_9],
        "HEXPIRETIME: Valkey rounds to the nearest second",
        Sign::Reply(|command, oracle, subject| match (decode(oracle), decode(subject)) {
            (Ok(Reply::Aggregate(_, oracle)), Ok(Reply::Aggregate(_, subject))) => {
                let is_near = |pair: (&Reply, &Reply)| match pair {
                    (Reply::Integer(x), Reply::Integer(y)) => x.abs_diff(*y) <= 1,
                    (x, y) => x == y,
                };
                let is_same = oracle.len() == subject.len();
                command.is("HEXPIRETIME") && is_same && oracle.iter().zip(&subject).all(is_near)
            }
            _ => false,
        }),
    ),
    stays(
        &[VALKEY_9],
        "SET with IFEQ and NX or XX: Valkey refuses the two together",
        Sign::NotSent(|command, _| has(command, &["IFEQ"]) && has(command, &["NX", "XX"])),
    ),
    stays(
        &[VALKEY_9],
        "OBJECT ENCODING: to Redis, a hash stays a listpackex when its last deadline has gone",
        Sign::Reply(|command, oracle, subject| {
            command.is("OBJECT")
                && oracle == b"$8\r\nlistpack\r\n"
                && subject == b"$10\r\nlistpackex\r\n"
        }),
    ),
    stays(
        &[VALKEY_9],
        "OBJECT ENCODING: to Valkey, a hash with field deadlines is a hashtable",
        Sign::Reply(|command, oracle, subject| {
            command.is("OBJECT") && oracle == b"$9\r\nhashtable\r\n" && says(subject, b"listpack")
        }),
    ),
    stays(
        &[VALKEY_9],
        "deadlines of fields beyond 2^46 ms: Valkey accepts them",
        Sign::NotSent(|command, _| {
            let number = |arg: &Vec<u8>| std::str::from_utf8(arg).ok()?.parse::<i64>().ok();
            // In seconds the limit is a thousand times nearer; such times are not drawn.
            let is_far = |arg: &Vec<u8>| number(arg).is_some_and(|number| number >= 1 << 45);
            is_about_fields(command) && command.args.iter().any(is_far)
        }),
    ),
    stays(
        &[REDIS_7],
        "SCAN and HSCAN: to Redis 7.0, nothing and negative numbers are cursors, too",
        Sign::Reply(|command, oracle, subject| {
            let refuses = |frame: &[u8]| says(frame, b"ERR invalid cursor");
            (command.is("SCAN") || command.is("HSCAN")) && (refuses(oracle) || refuses(subject))
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "OBJECT ENCODING: SORT makes a sorted set a skiplist for good",
        Sign::Reply(|command, oracle, subject| {
            command.is("OBJECT")
                && oracle == b"$8\r\nskiplist\r\n"
                && subject == b"$8\r\nlistpack\r\n"
        }),
    ),
    stays(
        &[REDIS_8, VALKEY_9],
        "minus zero: a sorted set that SORT made a skiplist has it, a small one only zero",
        Sign::Reply(|command, oracle, subject| {
            are_scores(command, oracle, subject, |score| score == 0.0)
        }),
    ),
    stays(
        &[REDIS_7],
        "ZRANK and ZREVRANK: their WITHSCORE came with Redis 7.2",
        Sign::NotSent(|command, _| {
            (command.is("ZRANK") || command.is("ZREVRANK")) && command.args.len() > 3
        }),
    ),
    stays(
        &[REDIS_7],
        "scores: Redis 7.0 shows seventeen digits, and newer servers the fewest that are enough",
        Sign::Reply(|command, oracle, subject| are_scores(command, oracle, subject, |_| true)),
    ),
    stays(
        &[REDIS_7],
        "a command that waits, in a script: Redis 7.0 refuses it",
        Sign::Reply(|command, oracle, _| {
            let waits = ["bzpopmin", "bzpopmax", "bzmpop", "blpop", "brpop", "blmpop", "blmove"];
            has(command, &waits)
                && says(oracle, b"ERR This Redis command is not allowed from script")
        }),
    ),
    stays(
        &[REDIS_7],
        "LPOS: Redis 7.0 looks where the rank is the least number, newer servers refuse that",
        Sign::NotSent(|command, _| command.is("LPOS") && has(command, &["-9223372036854775808"])),
    ),
    stays(
        &[REDIS_7],
        "a command that waits, in a read-only script: Redis 7.0 asks first if scripts may have it",
        Sign::Reply(|_, oracle, subject| {
            says(oracle, b"ERR This Redis command is not allowed from script")
                && says(subject, b"ERR Write commands are not allowed from read-only scripts")
        }),
    ),
    stays(
        &[REDIS_7],
        "LPOS and LREM: the least integer of all",
        Sign::Reply(|_, _, subject| {
            let refused = b"ERR value is out of range, value must between -9223372036854775807";
            says(subject, refused)
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
    stays(
        &[REDIS_7],
        "CLIENT SETNAME: a name may have a zero byte since Redis 7.2",
        Sign::NotSent(|command, _| {
            command.is("CLIENT") && command.args.last().is_some_and(|name| name.contains(&0))
        }),
    ),
    stays(
        &[REDIS_7],
        "a timeout beyond all clocks is negative",
        Sign::Reply(|_, oracle, subject| {
            oracle.starts_with(b"-ERR timeout is") && subject == b"-ERR timeout is out of range\r\n"
        }),
    ),
    stays(
        &[REDIS_7, VALKEY_9],
        "OBJECT ENCODING: longer texts are embstr",
        Sign::Reply(is_short_text),
    ),
    stays(
        &[REDIS_7],
        "COMMAND GETKEYS: its errors, since Redis 7.2",
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
            let finds_none = !is_error(subject) || says(subject, b"WRONGTYPE");
            command.is("GETEX") && is_error(oracle) && finds_none
        }),
    ),
    stays(
        &[VALKEY_9],
        "SCAN: Valkey refuses the names of no type",
        Sign::Reply(|command, oracle, _| {
            command.is("SCAN") && says(oracle, b"ERR unknown type name")
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
        Sign::NotSent(|command, _| command.is("SET") && has_past_time(command)),
    ),
    stays(
        &[REDIS_7],
        "scripts may not run commands that wait",
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

pub(super) const fn stays(
    versions: &'static [Versions],
    reason: &'static str,
    sign: Sign,
) -> Known {
    Known { versions, ending: Ending::Stays, reason, sign }
}

#[allow(dead_code, reason = "at times nothing is left to mend")]
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
        Ok(Reply::Error(text) | Reply::Bulk(text)) => {
            Some(String::from_utf8_lossy(&text).into_owned())
        }
        _ => None,
    };
    let said = text(subject).map(in_valkeys_words);
    let is_same = said.is_some() && said == text(oracle);
    oracle.first() == subject.first() && (is_same || is_unknown_subcommand(oracle, subject))
}

fn is_unknown_subcommand(oracle: &[u8], subject: &[u8]) -> bool {
    says(oracle, b"ERR unknown subcommand")
        && says(subject, b"ERR Unknown Redis command called from script")
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

/// Whether one of these words is a command's name, or among its arguments.
pub(super) fn has(command: &Command, words: &[&str]) -> bool {
    let is_one = |arg: &Vec<u8>| words.iter().any(|word| arg.eq_ignore_ascii_case(word.as_bytes()));
    command.args.iter().any(is_one)
}

/// Both refuse a command about fields, in other words.
fn are_field_errors(command: &Command, oracle: &[u8], subject: &[u8]) -> bool {
    is_about_fields(command) && is_error(oracle) && is_error(subject)
}

/// Whether a command names each of its fields once, as many as it says, and each of its options.
fn is_plain(command: &Command) -> bool {
    let at = command.args.iter().position(|arg| arg.eq_ignore_ascii_case(b"fields"));
    let Some(at) = at.filter(|at| *at >= 2) else { return false };
    let rest = &command.args[at + 1..];
    let count = rest.first().and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
    let width = if command.is("HSETEX") { 2 } else { 1 };
    let fields: Vec<_> = rest.iter().skip(1).step_by(width).collect();
    let words: Vec<_> = command.args[2..at].iter().map(|word| word.to_ascii_lowercase()).collect();
    let is_once = |(at, word): (usize, &Vec<u8>)| !words[..at].contains(word);
    count.is_some_and(|count: usize| count > 0 && count.checked_mul(width) == Some(rest.len() - 1))
        && fields.iter().enumerate().all(|(at, field)| width == 1 || !fields[..at].contains(field))
        && words.iter().enumerate().all(is_once)
}

/// Both frames are names of encodings of a text.
fn is_short_text(command: &Command, oracle: &[u8], subject: &[u8]) -> bool {
    let names: [&[u8]; 3] = [b"$6\r\nembstr\r\n", b"$3\r\nraw\r\n", b"$3\r\nint\r\n"];
    command.is("OBJECT") && names.contains(&oracle) && names.contains(&subject)
}

/// Whether a command is about the deadlines of fields.
fn is_about_fields(command: &Command) -> bool {
    FIELDS.iter().any(|name| command.is(name))
}

/// Whether a time that a command gives by EXAT or PXAT has passed; or one by EX or PX.
fn has_past_time(command: &Command) -> bool {
    command.args.windows(2).any(|words| {
        let future = match words[0].to_ascii_lowercase().as_slice() {
            b"exat" => ABSOLUTE_S,
            b"pxat" => ABSOLUTE_S * 1000,
            b"ex" | b"px" => 1,
            _ => return false,
        };
        let time = std::str::from_utf8(&words[1]).ok().and_then(|text| text.parse::<i64>().ok());
        time.is_some_and(|time| time < future)
    })
}

/// Whether a reply is an error, or the text of one, which a script may return.
pub(super) fn is_error(frame: &[u8]) -> bool {
    let text = frame.strip_prefix(b"$").and_then(|rest| rest.split(|byte| *byte == b'\n').nth(1));
    frame.starts_with(b"-")
        || text.is_some_and(|text| text.starts_with(b"ERR ") || text.starts_with(b"WRONGTYPE "))
}

/// Whether two replies to a command about sorted sets differ only in texts of the same numbers, of
/// which `may_differ` is true.
fn are_scores(
    command: &Command,
    oracle: &[u8],
    subject: &[u8],
    may_differ: fn(f64) -> bool,
) -> bool {
    let name = command.name().to_ascii_uppercase();
    (name.starts_with(b"Z") || name.starts_with(b"BZ"))
        && decode(oracle)
            .is_ok_and(|one| decode(subject).is_ok_and(|other| are_equal(&one, &other, may_differ)))
}

fn are_equal(one: &Reply, other: &Reply, may_differ: fn(f64) -> bool) -> bool {
    let value = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    match (one, other) {
        (Reply::Aggregate(a, one), Reply::Aggregate(b, other)) => {
            let mut pairs = one.iter().zip(other);
            a == b && one.len() == other.len() && pairs.all(|(x, y)| are_equal(x, y, may_differ))
        }
        (Reply::Bulk(x), Reply::Bulk(y)) | (Reply::Scalar(b',', x), Reply::Scalar(b',', y)) => {
            x == y || value(x).is_some_and(|x| may_differ(x) && value(y) == Some(x))
        }
        (one, other) => one == other,
    }
}

/// Whether a frame has a text in it.
pub(crate) fn says(frame: &[u8], text: &[u8]) -> bool {
    frame.windows(text.len()).any(|part| part == text)
}

/// Whether a message reports an event of this name.
pub(crate) fn is_event(message: &[u8], name: &str) -> bool {
    let (element, channel) = (format!("\r\n{name}\r\n"), format!("__:{name}\r\n"));
    let ends = message.ends_with(element.as_bytes());
    ends || says(message, channel.as_bytes())
}

/// Whether a message reports that a key was deleted.
pub(super) fn is_removal(message: &[u8]) -> bool {
    is_event(message, "del")
}

/// Whether one of the steps is a command with all these words.
pub(super) fn some(steps: &[Step], words: &[&str]) -> bool {
    steps.iter().any(|step| match step {
        Step::Send(command) => words.iter().all(|word| has(command, &[*word])),
        Step::Sleep(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_script_is_valkeys_whatever_bytes_it_quotes() {
        let valkey = b"-NOGROUP No such key '\xff' script: on @user_script:1.\r\n";
        let redis = b"-NOGROUP No such key '\xff' script: 3c44, on @user_script:1.\r\n";
        let other = b"-NOGROUP No such key 'k' script: 3c44, on @user_script:1.\r\n";
        assert!(is_said_by_valkey(valkey, redis) && !is_said_by_valkey(valkey, other));
    }
}
