//! Which differences between two replies are none. Everything that is not named here must be
//! equal byte by byte, error texts included.
//!
//! | command | what may differ |
//! | --- | --- |
//! | KEYS, HKEYS, HVALS | the order of the elements |
//! | SMEMBERS, SINTER, SUNION, SDIFF, SPOP | the same |
//! | SORT of a set BY nosort | the same, if no script runs it and nothing is stored |
//! | HGETALL | the order of the pairs |
//! | HSCAN 0, SSCAN 0, ZSCAN 0 | of a whole value, the order of its parts; of some, which ones |
//! | HRANDFIELD, SRANDMEMBER, ZRANDMEMBER | which parts, not how many |
//! | SCAN 0 | the order, and how many calls a full loop takes; both loops are run to their end |
//! | SCAN, HSCAN, SSCAN, ZSCAN | with another cursor, that and the elements: it is a server's own |
//! | FUNCTION LIST | the order of the libraries |
//! | COMMAND, but GETKEYS | everything but the reply's type: each server has its own commands |
//! | RANDOMKEY | which key, as long as it is one of the oracle's KEYS |
//! | DUMP | the bytes: see `families/payload.rs` |
//! | TTL, PTTL | [`TOLERANCE_MS`] |
//! | EXPIRETIME, PEXPIRETIME | the same, if the deadline was given relative to now |
//! | HTTL, HEXPIRETIME and their like | the same, of each field |
//! | DBSIZE | nothing in the end; but both count keys that they have yet to notice as |
//! |  | expired, so the keys are touched before it, and the subject may be asked again |
//! |  | for [`NOTICE_MS`] |
//! | PUBSUB CHANNELS | the order of the elements |
//! | XINFO, XPENDING and their like | times, and ids that a server made of its own time: see |
//! |  | [`crate::moments`] |
//! | EVAL and its kin, SCRIPT | what may differ of the command that the script's arguments are; |
//! |  | the words of the language's own errors |
//! | EXEC | what may differ of each command; where that needs another look, only the shape |
//!
//! What is different indeed, on some oracles, is in [`crate::known`].

use crate::deadline::{ABSOLUTE_S, ABSOLUTE_SPAN_S};
use crate::families::{SETS, scripting};
use crate::moments::{self, From};
use crate::reply::{Reply, decode};
use crate::stream::Command;

/// How far apart the two servers may execute the same command, in milliseconds.
pub const TOLERANCE_MS: i64 = 5000;
/// How long after its deadline a key may still be counted, in milliseconds.
pub const NOTICE_MS: u64 = 300;

/// How errors of the language begin.
const LANGUAGE_ERRORS: [&str; 5] = [
    "-ERR Error compiling script",
    "-ERR Error compiling function",
    "-ERR Error registering functions",
    "-ERR user_script:",
    "-ERR user_function:",
];

/// How a command's replies are compared when their bytes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// They may not.
    Exact,
    /// As sorted elements.
    Unordered,
    /// The same, but in a script.
    Lying,
    /// As sorted pairs of elements.
    Pairs,
    /// As many elements, of the same shape.
    Drawn,
    /// A cursor and elements: all of them in any order, or some of them.
    ScanPart,
    /// The same, of members that do not go by twos.
    ScanMembers,
    /// As numbers, with this tolerance.
    Remaining(i64),
    /// As numbers with this tolerance, except deadlines that were given as absolute times;
    /// the unit of both, in parts of a second.
    Instant(i64),
    /// Needs a full loop on both servers, with nothing else in flight.
    ScanLoop,
    /// Only in shape: a cursor and elements.
    ScanShape,
    /// Only in type: both are aggregates, or both integers.
    Kind,
    /// Needs a look at all keys, with nothing else in flight.
    RandomKey,
    /// Exact, but the errors of the language have other words in another engine.
    Script,
    /// Elements in any order; errors as in [`Rule::Script`].
    Functions,
    /// Exact but for times.
    Moments(From),
    /// Exact, once both have noticed what has expired, with nothing else in flight.
    Counted,
}

impl Rule {
    /// The rule for a command's replies.
    pub fn of(command: &Command) -> Rule {
        // Most names fail here, without a comparison.
        if !matches!(command.name().first(), Some(b) if b"cCkKsSrRtTpPeEdDhHfFxXzZ".contains(b)) {
            return Rule::Exact;
        }
        let table = [
            ("KEYS", Rule::Unordered),
            ("HKEYS", Rule::Unordered),
            ("HVALS", Rule::Unordered),
            ("HGETALL", Rule::Pairs),
            ("HRANDFIELD", Rule::Drawn),
            ("SMEMBERS", Rule::Unordered),
            ("SINTER", Rule::Unordered),
            ("SUNION", Rule::Unordered),
            ("SDIFF", Rule::Unordered),
            ("SPOP", Rule::Unordered),
            ("SRANDMEMBER", Rule::Drawn),
            ("SSCAN", Rule::ScanMembers),
            ("DUMP", Rule::Drawn),
            ("HSCAN", Rule::ScanPart),
            ("ZSCAN", Rule::ScanPart),
            ("ZRANDMEMBER", Rule::Drawn),
            ("COMMAND", Rule::Kind),
            ("SCAN", Rule::ScanShape),
            ("RANDOMKEY", Rule::RandomKey),
            ("TTL", Rule::Remaining(TOLERANCE_MS / 1000)),
            ("PTTL", Rule::Remaining(TOLERANCE_MS)),
            ("EXPIRETIME", Rule::Instant(1)),
            ("PEXPIRETIME", Rule::Instant(1000)),
            ("HTTL", Rule::Remaining(TOLERANCE_MS / 1000)),
            ("HPTTL", Rule::Remaining(TOLERANCE_MS)),
            ("HEXPIRETIME", Rule::Instant(1)),
            ("HPEXPIRETIME", Rule::Instant(1000)),
            ("DBSIZE", Rule::Counted),
            ("PUBSUB", Rule::Unordered),
            ("SCRIPT", Rule::Script),
            ("EVAL", Rule::Script),
            ("EVAL_RO", Rule::Script),
            ("EVALSHA", Rule::Script),
            ("FCALL", Rule::Script),
            ("FCALL_RO", Rule::Script),
            ("FUNCTION", Rule::Functions),
            ("EVALSHA_RO", Rule::Script),
        ];
        if let Some(inner) = scripting::inner(command) {
            return match Rule::of(&inner).alone() {
                Rule::Exact | Rule::Lying => Rule::Script,
                Rule::Moments(_) => Rule::Moments(From::Script),
                rule => rule,
            };
        }
        if is_left_lying(command) {
            return Rule::Lying;
        }
        if command.name().first().is_some_and(|first| b"xX".contains(first)) {
            return Rule::Moments(From::Command);
        }
        let found = table.into_iter().find(|(name, _)| command.is(name));
        match found.map_or(Rule::Exact, |(_, rule)| rule) {
            Rule::ScanShape if command.args.get(1).is_some_and(|c| c == b"0") => Rule::ScanLoop,
            Rule::ScanPart | Rule::ScanMembers if command.args.get(2).is_none_or(|c| c != b"0") => {
                Rule::ScanShape
            }
            Rule::Kind if asks_for_keys(command) => Rule::Exact,
            rule => rule,
        }
    }

    /// The rule where there can be no second look.
    pub fn alone(self) -> Rule {
        match self {
            Rule::ScanLoop => Rule::ScanShape,
            Rule::Counted => Rule::Kind,
            rule => rule,
        }
    }

    /// Whether nothing may be in flight behind the command.
    pub fn is_barrier(self) -> bool {
        matches!(self, Rule::ScanLoop | Rule::RandomKey | Rule::Counted)
    }
}

/// Whether this shows the members of a set as they lie.
fn is_left_lying(command: &Command) -> bool {
    let args = &command.args;
    let has = |word: &str| args.iter().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    (command.is("SORT") || command.is("SORT_RO"))
        && args.get(1).is_some_and(|key| SETS.iter().any(|set| set.as_bytes() == key))
        && has("BY")
        && !has("STORE")
        && !args.iter().skip(2).any(|arg| arg.contains(&b'*'))
}

fn asks_for_keys(command: &Command) -> bool {
    command.args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"GETKEYS"))
}

/// Whether two frames, which are whole replies, mean the same by `rule`. The loop of a SCAN
/// and the keys of a RANDOMKEY are the caller's: here only their first replies are compared.
pub fn same(rule: Rule, oracle: &[u8], subject: &[u8]) -> bool {
    if oracle == subject {
        return true;
    }
    if matches!(rule, Rule::Exact | Rule::Counted) {
        return false;
    }
    let of_language =
        |text: &[u8]| LANGUAGE_ERRORS.iter().any(|start| text.starts_with(start.as_bytes()));
    if of_language(oracle) && of_language(subject) {
        return matches!(rule, Rule::Script | Rule::Functions | Rule::Moments(From::Script));
    }
    let (Ok(oracle), Ok(subject)) = (decode(oracle), decode(subject)) else { return false };
    match (rule, oracle, subject) {
        (
            Rule::Unordered | Rule::Lying | Rule::Functions,
            Reply::Aggregate(a, mut x),
            Reply::Aggregate(b, mut y),
        ) => {
            x.sort_unstable();
            y.sort_unstable();
            a == b && x == y
        }
        (Rule::Pairs, Reply::Aggregate(a, x), Reply::Aggregate(b, y)) => {
            a == b && sorted_pairs(&x) == sorted_pairs(&y)
        }
        (Rule::Drawn, x, y) => is_alike(&x, &y),
        (Rule::Moments(from), x, y) => moments::same(from, &x, &y),
        (Rule::ScanPart, x, y) => match (scan_page(&x), scan_page(&y)) {
            (Some((b"0", x)), Some((b"0", y))) => sorted_pairs(x) == sorted_pairs(y),
            (x, y) => x.is_some() && y.is_some(),
        },
        (Rule::ScanMembers, x, y) => match (scan_page(&x), scan_page(&y)) {
            (Some((b"0", x)), Some((b"0", y))) => sorted(x) == sorted(y),
            (x, y) => x.is_some() && y.is_some(),
        },
        (Rule::Remaining(_) | Rule::Instant(_), Reply::Integer(x), Reply::Integer(y)) => {
            is_near(rule, x, y)
        }
        (Rule::Remaining(_) | Rule::Instant(_), Reply::Aggregate(a, x), Reply::Aggregate(b, y)) => {
            let is_same = |(x, y): (&Reply, &Reply)| match (x, y) {
                (Reply::Integer(x), Reply::Integer(y)) => x == y || is_near(rule, *x, *y),
                _ => x == y,
            };
            a == b && x.len() == y.len() && x.iter().zip(&y).all(is_same)
        }
        (Rule::ScanShape | Rule::ScanLoop, x, y) => {
            scan_page(&x).is_some() && scan_page(&y).is_some()
        }
        (Rule::Kind, Reply::Aggregate(a, _), Reply::Aggregate(b, _)) => a == b,
        (Rule::Kind, Reply::Integer(_), Reply::Integer(_)) => true,
        (Rule::RandomKey, Reply::Bulk(_), Reply::Bulk(_)) => true,
        _ => false,
    }
}

/// Whether two times mean the same by `rule`.
fn is_near(rule: Rule, x: i64, y: i64) -> bool {
    let tolerance = match rule {
        Rule::Remaining(tolerance) => tolerance,
        Rule::Instant(unit) => {
            let absolute = ABSOLUTE_S * unit..(ABSOLUTE_S + ABSOLUTE_SPAN_S) * unit;
            if absolute.contains(&x) {
                return false;
            }
            TOLERANCE_MS * unit / 1000
        }
        _ => return false,
    };
    x >= 0 && y >= 0 && x.abs_diff(y) <= tolerance as u64
}

/// Elements, sorted.
fn sorted(elements: &[Reply]) -> Vec<&Reply> {
    let mut all: Vec<&Reply> = elements.iter().collect();
    all.sort_unstable();
    all
}

/// Elements by twos, sorted.
fn sorted_pairs(elements: &[Reply]) -> Vec<&[Reply]> {
    let mut pairs: Vec<&[Reply]> = elements.chunks(2).collect();
    pairs.sort_unstable();
    pairs
}

/// Whether two replies have the same shape, whatever text is in them.
fn is_alike(x: &Reply, y: &Reply) -> bool {
    match (x, y) {
        (Reply::Aggregate(a, x), Reply::Aggregate(b, y)) => {
            a == b && x.len() == y.len() && x.iter().zip(y).all(|(x, y)| is_alike(x, y))
        }
        (Reply::Bulk(_), Reply::Bulk(_)) => true,
        (Reply::Scalar(a, _), Reply::Scalar(b, _)) => a == b,
        (x, y) => x == y,
    }
}

/// The cursor and the elements of a SCAN's reply.
pub fn scan_page(reply: &Reply) -> Option<(&[u8], &[Reply])> {
    match reply {
        Reply::Aggregate(b'*', parts) => match parts.as_slice() {
            [Reply::Bulk(cursor), Reply::Aggregate(b'*', items)] => Some((cursor, items)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(words: &str) -> Rule {
        Rule::of(&Command::new(words.split(' ')))
    }

    #[test]
    fn rules_are_found_in_any_case() {
        assert_eq!(rule("kEyS *"), Rule::Unordered);
        assert_eq!(rule("SET k v"), Rule::Exact);
        assert_eq!(rule("scan 0 COUNT 5"), Rule::ScanLoop);
        assert_eq!(rule("scan 7"), Rule::ScanShape);
        assert_eq!(rule("scan"), Rule::ScanShape);
        assert_eq!(rule("command"), Rule::Kind);
        assert_eq!(rule("hGetAll h"), Rule::Pairs);
        assert_eq!(rule("command getkeys get a"), Rule::Exact);
    }

    #[test]
    fn sets_are_compared_as_sets_and_only_they() {
        let (one, other) = (b"*2\r\n+a\r\n+b\r\n", b"*2\r\n+b\r\n+a\r\n");
        assert!(same(Rule::Unordered, one, other));
        assert!(!same(Rule::Exact, one, other));
        assert!(!same(Rule::Unordered, one, b"*3\r\n+b\r\n+a\r\n+a\r\n"));
        assert!(!same(Rule::Unordered, b"~1\r\n+a\r\n", b"*1\r\n+a\r\n"));
    }

    #[test]
    fn pairs_stay_together() {
        let (one, other) = (b"*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n", b"*4\r\n:3\r\n:4\r\n:1\r\n:2\r\n");
        assert!(same(Rule::Pairs, one, other));
        assert!(!same(Rule::Pairs, one, b"*4\r\n:1\r\n:4\r\n:3\r\n:2\r\n"));
        assert!(!same(Rule::Pairs, b"%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n", other));
    }

    #[test]
    fn what_is_drawn_is_alike() {
        assert!(same(Rule::Drawn, b"*1\r\n$1\r\na\r\n", b"*1\r\n$2\r\nbc\r\n"));
        assert!(!same(Rule::Drawn, b"*1\r\n$1\r\na\r\n", b"*0\r\n"));
        assert!(same(Rule::Drawn, b",1\r\n", b",2\r\n"));
        assert!(!same(Rule::Drawn, b",1\r\n", b"#t\r\n"));
        assert!(!same(Rule::Drawn, b"$1\r\na\r\n", b"$-1\r\n"));
    }

    #[test]
    fn times_have_a_tolerance_but_absence_has_none() {
        let ttl = Rule::Remaining(5);
        assert!(same(ttl, b":100\r\n", b":95\r\n"));
        assert!(!same(ttl, b":100\r\n", b":94\r\n"));
        assert!(!same(ttl, b":-1\r\n", b":-2\r\n"));
        assert!(!same(ttl, b":1\r\n", b":-1\r\n"));
        assert!(same(Rule::Instant(1), b":1800000000\r\n", b":1800000001\r\n"));
        assert!(!same(Rule::Instant(1), b":4102444810\r\n", b":4102444811\r\n"));
        assert!(!same(Rule::Instant(1000), b":4102444810000\r\n", b":4102444810001\r\n"));
    }

    #[test]
    fn errors_are_equal_to_the_letter() {
        for rule in [Rule::Exact, Rule::Unordered, Rule::ScanLoop, Rule::Remaining(5)] {
            assert!(!same(rule, b"-ERR a\r\n", b"-ERR b\r\n"));
        }
        assert!(!same(Rule::ScanLoop, b"*2\r\n$1\r\n0\r\n*0\r\n", b"-ERR b\r\n"));
    }
}
