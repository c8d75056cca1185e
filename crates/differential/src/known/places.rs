//! What is known to differ about places, and about the numbers in sorted sets of several keys.

use super::table::{REDIS_7, REDIS_8, VALKEY_9, says, stays};
use super::{Known, Sign};
use crate::normalise::scan_page;
use crate::reply::{Reply, decode};
use crate::stream::Command;

/// Every such difference.
pub const TABLE: &[Known] = &[
    stays(
        &[REDIS_7, REDIS_8],
        "a search that only Valkey has: BYPOLYGON",
        Sign::NotSent(|command, _| {
            command.args.iter().any(|arg| arg.eq_ignore_ascii_case(b"BYPOLYGON"))
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "an aggregate that came later: COUNT",
        Sign::NotSent(|command, _| {
            let is_count = |words: &[Vec<u8>]| {
                words[0].eq_ignore_ascii_case(b"AGGREGATE")
                    && words[1].eq_ignore_ascii_case(b"COUNT")
            };
            command.args.windows(2).any(is_count)
        }),
    ),
    stays(
        &[REDIS_7],
        "bounds of scores: to Redis 7.0 a number may begin with a space or 0x, or be empty",
        Sign::NotSent(|command, _| {
            let is_odd = |arg: &Vec<u8>| {
                let number = arg.strip_prefix(b"(").unwrap_or(arg);
                let digits = number.strip_prefix(b"-").unwrap_or(number);
                let digits = digits.strip_prefix(b"+").unwrap_or(digits);
                number.first().is_none_or(u8::is_ascii_whitespace)
                    || digits.get(..2).is_some_and(|two| two.eq_ignore_ascii_case(b"0x"))
            };
            is_about_scores(command) && command.args.iter().skip(2).any(is_odd)
        }),
    ),
    stays(
        &[REDIS_7],
        "HSCAN, SSCAN, ZSCAN: a cursor that is no number is zero",
        Sign::NotSent(|command, _| {
            let cursor = command.args.get(2);
            ["HSCAN", "SSCAN", "ZSCAN"].iter().any(|name| command.is(name))
                && cursor
                    .is_some_and(|text| text.is_empty() || !text.iter().all(u8::is_ascii_digit))
        }),
    ),
    stays(
        &[VALKEY_9],
        "BYPOLYGON: Valkey does not look in all cells that a wide polygon reaches into",
        Sign::NotSent(|command, _| {
            let is_wide = |degree: &Vec<u8>| {
                let degree = std::str::from_utf8(degree).ok().and_then(|text| text.parse().ok());
                degree.is_some_and(|degree: f64| !(0.0..=60.0).contains(&degree))
            };
            let is_polygon = |arg: &Vec<u8>| arg.eq_ignore_ascii_case(b"BYPOLYGON");
            command.args.iter().any(is_polygon) && command.args.iter().any(is_wide)
        }),
    ),
    stays(
        &[VALKEY_9],
        "LIMIT with a negative offset: of a skiplist Valkey counts it from the end",
        Sign::NotSent(|command, _| {
            let is_negative = |words: &[Vec<u8>]| {
                words[0].eq_ignore_ascii_case(b"LIMIT") && words[1].starts_with(b"-")
            };
            is_about_scores(command) && command.args.windows(2).any(is_negative)
        }),
    ),
    stays(
        &[REDIS_7, VALKEY_9],
        "degrees by the fewest digits, in Redis 8 only",
        Sign::Reply(|command, oracle, subject| {
            is_about_places(command) && are_same_numbers(oracle, subject)
        }),
    ),
    stays(
        &[VALKEY_9],
        "Valkey's words for a member without a place, and for a search without a shape",
        Sign::Reply(|command, oracle, subject| {
            let is_member = says(oracle, b"ERR member ") && says(oracle, b" does not exist");
            let is_shape = says(oracle, b"ERR exactly one of BYRADIUS, BYBOX and BYPOLYGON");
            is_about_places(command)
                && (is_member && says(subject, b"ERR could not decode requested zset member")
                    || is_shape && says(subject, b"ERR exactly one of BYRADIUS and BYBOX"))
        }),
    ),
    stays(
        &[VALKEY_9],
        "numbers of sorted sets in hexadecimal, which Valkey refuses",
        Sign::NotSent(|command, _| {
            let is_hexadecimal = |arg: &Vec<u8>| {
                let digits = arg.strip_prefix(b"-").or(arg.strip_prefix(b"+")).unwrap_or(arg);
                digits.len() > 2 && digits[..2].eq_ignore_ascii_case(b"0x")
            };
            is_about_scores(command) && command.args.iter().any(is_hexadecimal)
        }),
    ),
    stays(
        &[VALKEY_9],
        "minus zero, which Valkey keeps in a sorted set that begins with a long member",
        Sign::Reply(|command, oracle, subject| {
            is_about_scores(command) && are_same_numbers(oracle, subject)
        }),
    ),
    stays(
        &[REDIS_7, REDIS_8, VALKEY_9],
        "ZSCAN of what is a skiplist there, by SORT or a long member not added: its digits",
        Sign::Reply(|command, oracle, subject| {
            command.is("ZSCAN") && scores_of(oracle).is_some_and(|o| scores_of(subject) == Some(o))
        }),
    ),
];

/// The members of a ZSCAN that was whole, in order, with their scores as numbers.
fn scores_of(reply: &[u8]) -> Option<Vec<(Vec<u8>, u64)>> {
    let reply = decode(reply).ok()?;
    let (b"0", items) = scan_page(&reply)? else { return None };
    let pair = |pair: &[Reply]| match pair {
        [Reply::Bulk(member), Reply::Bulk(score)] => {
            let score: f64 = std::str::from_utf8(score).ok()?.parse().ok()?;
            // Minus zero is zero.
            Some((member.clone(), (score + 0.0).to_bits()))
        }
        _ => None,
    };
    let mut all: Vec<_> = items.chunks(2).map(pair).collect::<Option<_>>()?;
    all.sort_unstable();
    Some(all)
}

fn is_about_places(command: &Command) -> bool {
    command.name().get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"GEO"))
}

fn is_about_scores(command: &Command) -> bool {
    is_about_places(command) || command.name().first().is_some_and(|first| b"zZ".contains(first))
}

/// Whether two replies are equal but for the texts of numbers.
fn are_same_numbers(oracle: &[u8], subject: &[u8]) -> bool {
    match (decode(oracle), decode(subject)) {
        (Ok(oracle), Ok(subject)) => are_alike(&oracle, &subject),
        _ => false,
    }
}

fn are_alike(one: &Reply, other: &Reply) -> bool {
    match (one, other) {
        (Reply::Aggregate(kind, all), Reply::Aggregate(other_kind, others)) => {
            let mut pairs = all.iter().zip(others);
            kind == other_kind
                && all.len() == others.len()
                && pairs.all(|(one, other)| are_alike(one, other))
        }
        (Reply::Bulk(one), Reply::Bulk(other)) => is_same_number(one, other),
        (Reply::Scalar(kind, one), Reply::Scalar(other_kind, other)) => {
            kind == other_kind && is_same_number(one, other)
        }
        _ => one == other,
    }
}

/// Seventeen decimals say a degree to within this.
const DECIMALS: f64 = 1e-16;

fn is_same_number(one: &[u8], other: &[u8]) -> bool {
    let number = |text| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    let is_close = |one: f64, other: f64| one == other || (one - other).abs() < DECIMALS;
    one == other || number(one).zip(number(other)).is_some_and(|(one, other)| is_close(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_zero_may_lie_elsewhere() {
        let (one, other) = ("$1\r\na\r\n$2\r\n-0\r\n", "$1\r\nb\r\n$1\r\n1\r\n");
        let page = |parts: [&str; 2]| format!("*2\r\n$1\r\n0\r\n*4\r\n{}", parts.concat());
        let oracle = page([one, other]);
        let subject = page([other, &one.replace("$2\r\n-0", "$1\r\n0")]);
        let scan = Command::new(["ZSCAN", "z", "0"]);
        let known = TABLE.iter().filter_map(|known| match known.sign {
            Sign::Reply(is_it) => Some(is_it(&scan, oracle.as_bytes(), subject.as_bytes())),
            _ => None,
        });
        assert_eq!(known.filter(|is_it| *is_it).count(), 1);
    }

    #[test]
    fn numbers_may_have_other_texts() {
        let same = |one: &str, other: &str| are_same_numbers(one.as_bytes(), other.as_bytes());
        assert!(same("*1\r\n,85.0511287799999991\r\n", "*1\r\n,85.05112878\r\n"));
        assert!(same("$19\r\n0.00000268220901489\r\n", "$20\r\n2.682209014892578e-6\r\n"));
        assert!(same("$2\r\n-0\r\n", "$1\r\n0\r\n"));
        assert!(!same("*1\r\n,85.0511287799999991\r\n", "*1\r\n,85.05112879\r\n"));
        assert!(!same("$1\r\na\r\n", "$1\r\nb\r\n") && !same("*0\r\n", "*1\r\n:1\r\n"));
    }
}
