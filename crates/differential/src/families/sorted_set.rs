//! Sorted set commands. Some keys hold members of one score, for ranges by text; in the others
//! those mean nothing.

use super::Generator;
use crate::source::{Choice, Source};
use crate::stream::Command;

const SCORED: &[&str] = &["z1", "z2", "z3"];
/// A set that is sorted, which in Redis makes it large for good.
const SORTED: &str = "z4";
/// Sets whose members all have the score zero.
const EQUAL: &[&str] = &["e1", "e2"];

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "ZADD", weight: 110, draw: add },
    Generator { name: "ZINCRBY", weight: 40, draw: increment },
    Generator { name: "ZREM", weight: 40, draw: members },
    Generator { name: "ZCARD", weight: 15, draw: |s, c| c.args.push(any(s)) },
    Generator { name: "ZSCORE", weight: 30, draw: one },
    Generator { name: "ZMSCORE", weight: 15, draw: members },
    Generator { name: "ZRANK", weight: 30, draw: rank },
    Generator { name: "ZREVRANK", weight: 20, draw: rank },
    Generator { name: "ZCOUNT", weight: 25, draw: by_score },
    Generator { name: "ZLEXCOUNT", weight: 20, draw: by_text },
    Generator { name: "ZRANGE", weight: 70, draw: range },
    Generator { name: "ZREVRANGE", weight: 20, draw: rev_range },
    Generator { name: "ZRANGEBYSCORE", weight: 25, draw: range_by_score },
    Generator { name: "ZREVRANGEBYSCORE", weight: 25, draw: range_by_score },
    Generator { name: "ZRANGEBYLEX", weight: 20, draw: range_by_text },
    Generator { name: "ZREVRANGEBYLEX", weight: 20, draw: range_by_text },
    Generator { name: "ZREMRANGEBYRANK", weight: 8, draw: by_rank },
    Generator { name: "ZREMRANGEBYSCORE", weight: 8, draw: by_score },
    Generator { name: "ZREMRANGEBYLEX", weight: 8, draw: by_text },
    Generator { name: "ZPOPMIN", weight: 12, draw: pop },
    Generator { name: "ZPOPMAX", weight: 12, draw: pop },
    Generator { name: "ZMPOP", weight: 12, draw: several },
    Generator { name: "ZRANDMEMBER", weight: 12, draw: random },
    Generator { name: "ZSCAN", weight: 12, draw: scan },
    Generator { name: "OBJECT", weight: 12, draw: encoding },
    Generator { name: "SORT_RO", weight: 10, draw: sort },
    Generator { name: "COPY", weight: 6, draw: copy },
    Generator { name: "DEL", weight: 3, draw: |s, c| c.args.push(any(s)) },
];

/// A key that may hold any scores.
fn scored(source: &mut Source) -> Vec<u8> {
    if source.chance(80) { source.pick(SCORED).into() } else { source.key() }
}

/// A key whose members all have the score zero, if any.
fn equal(source: &mut Source) -> Vec<u8> {
    source.pick(EQUAL).into()
}

/// A key of any kind, but for the one that is sorted.
fn unsorted(source: &mut Source) -> Vec<u8> {
    if source.chance(25) { equal(source) } else { scored(source) }
}

/// A key of any kind.
pub(super) fn any(source: &mut Source) -> Vec<u8> {
    if source.chance(8) { SORTED.into() } else { unsorted(source) }
}

/// A few short members, now and then one of many, an odd one or a long one.
fn member(source: &mut Source) -> Vec<u8> {
    match source.below(100) {
        0..60 => format!("m{}", source.below(12)).into_bytes(),
        60..85 => format!("member:{}", source.below(700)).into_bytes(),
        85..92 => source.key(),
        92..99 => source.integer(),
        _ => {
            let len = *source.pick(&[&11, &31, &32, &63, &64, &65, &255, &256]);
            source.text(len)
        }
    }
}

/// A score: mostly a small number, so that some are equal.
fn score(source: &mut Source) -> Vec<u8> {
    const ODD: &[&str] = &[
        "0.1",
        "0.5",
        "-0.5",
        "1e20",
        "-1e20",
        "inf",
        "-inf",
        "+inf",
        "3.0000000000000004",
        "1e-7",
        "-0",
        "100000",
        "70000",
        "1.7976931348623157e308",
        "5e-324",
        "1e17",
        "17179869184",
        "nan",
    ];
    match source.below(100) {
        0..70 => source.below(20).to_string().into_bytes(),
        70..90 => source.pick(ODD).into(),
        90..96 => source.float(),
        _ => source.integer(),
    }
}

fn one(source: &mut Source, command: &mut Command) {
    command.args.extend([any(source), member(source)]);
}

fn members(source: &mut Source, command: &mut Command) {
    command.args.push(any(source));
    for _ in 0..1 + source.below(4) {
        command.args.push(member(source));
    }
}

fn add(source: &mut Source, command: &mut Command) {
    if source.chance(25) {
        return add_equal(source, command);
    }
    let key = if source.chance(10) { SORTED.into() } else { scored(source) };
    command.args.push(key);
    let increments = source.chance(12);
    source.options(
        command,
        &[
            (12, Choice::Word("NX")),
            (12, Choice::Word("XX")),
            (10, Choice::Word("GT")),
            (10, Choice::Word("LT")),
            (25, Choice::Word("CH")),
            (if increments { 100 } else { 0 }, Choice::Word("INCR")),
        ],
    );
    if !increments && source.chance(3) {
        // A run that makes a set large at once, or nearly so.
        let (from, count) = (source.below(500), 1 + source.below(160));
        for n in from..from + count {
            let score = (n * 7 % 100).to_string();
            command.args.extend([score.into_bytes(), format!("member:{n}").into_bytes()]);
        }
        return;
    }
    let pairs = if increments && source.chance(90) { 1 } else { 1 + source.below(4) };
    for _ in 0..pairs {
        command.args.extend([score(source), member(source)]);
    }
}

fn add_equal(source: &mut Source, command: &mut Command) {
    command.args.push(equal(source));
    if source.chance(3) {
        let (from, count) = (source.below(500), 1 + source.below(160));
        for n in from..from + count {
            command.args.extend([b"0".to_vec(), format!("member:{n}").into_bytes()]);
        }
        return;
    }
    for _ in 0..1 + source.below(4) {
        command.args.extend([b"0".to_vec(), member(source)]);
    }
}

/// Takes other scores than zero from the sets that are to have none.
pub(super) fn keep_equal(command: &mut Command) {
    let adds = command.is("ZADD") || command.is("ZINCRBY");
    let is_equal = |key: &Vec<u8>| EQUAL.iter().any(|equal| equal.as_bytes() == *key);
    if adds && command.args.get(1).is_some_and(is_equal) {
        let is_number = |arg: &[u8]| {
            let digits = arg.strip_prefix(b"-").or(arg.strip_prefix(b"+")).unwrap_or(arg);
            let is_hexadecimal = digits.get(..2).is_some_and(|two| two.eq_ignore_ascii_case(b"0x"));
            let text = std::str::from_utf8(arg);
            is_hexadecimal || text.is_ok_and(|text| text.parse::<f64>().is_ok())
        };
        let numbers = command.args.iter_mut().skip(2).filter(|arg| is_number(arg));
        numbers.for_each(|number| *number = b"0".to_vec());
    }
}

fn increment(source: &mut Source, command: &mut Command) {
    command.args.extend([scored(source), score(source), member(source)]);
}

fn rank(source: &mut Source, command: &mut Command) {
    one(source, command);
    if source.chance(40) {
        let word = source.pick(&["WITHSCORE", "WITHSCORE", "WITHSCORE", "WITHSCORES"]);
        command.args.push(source.cased(word));
    }
}

fn score_bound(source: &mut Source) -> Vec<u8> {
    let mut bound = match source.below(10) {
        0..2 => source.pick(&["-inf", "+inf", "inf"]).into(),
        _ => score(source),
    };
    if source.chance(25) {
        bound.insert(0, b'(');
    }
    bound
}

fn text_bound(source: &mut Source) -> Vec<u8> {
    match source.below(20) {
        0..3 => b"-".to_vec(),
        3..6 => b"+".to_vec(),
        6 => member(source),
        n => {
            let mut bound = member(source);
            bound.insert(0, if n % 2 == 0 { b'[' } else { b'(' });
            bound
        }
    }
}

fn place(source: &mut Source) -> Vec<u8> {
    const NEAR: &[&str] = &["0", "0", "1", "2", "5", "100", "-1", "-1", "-2", "-5", "-100"];
    if source.chance(90) { source.pick(NEAR).into() } else { source.integer() }
}

fn by_score(source: &mut Source, command: &mut Command) {
    command.args.extend([any(source), score_bound(source), score_bound(source)]);
}

fn by_text(source: &mut Source, command: &mut Command) {
    command.args.extend([equal(source), text_bound(source), text_bound(source)]);
}

fn by_rank(source: &mut Source, command: &mut Command) {
    command.args.extend([any(source), place(source), place(source)]);
}

fn limit(source: &mut Source, command: &mut Command, percent: u32) {
    if source.chance(percent) {
        command.args.extend([source.cased("LIMIT"), place(source), place(source)]);
    }
}

fn range(source: &mut Source, command: &mut Command) {
    let limited = match source.below(10) {
        0..4 => {
            by_rank(source, command);
            3
        }
        4..8 => {
            by_score(source, command);
            source.options(command, &[(95, Choice::Word("BYSCORE"))]);
            40
        }
        _ => {
            by_text(source, command);
            source.options(command, &[(95, Choice::Word("BYLEX"))]);
            40
        }
    };
    source.options(command, &[(30, Choice::Word("REV")), (40, Choice::Word("WITHSCORES"))]);
    limit(source, command, limited);
}

fn rev_range(source: &mut Source, command: &mut Command) {
    by_rank(source, command);
    source.options(command, &[(40, Choice::Word("WITHSCORES")), (2, Choice::Word("REV"))]);
}

fn range_by_score(source: &mut Source, command: &mut Command) {
    by_score(source, command);
    source.options(command, &[(40, Choice::Word("WITHSCORES")), (2, Choice::Word("BYLEX"))]);
    limit(source, command, 40);
}

fn range_by_text(source: &mut Source, command: &mut Command) {
    by_text(source, command);
    source.options(command, &[(4, Choice::Word("WITHSCORES"))]);
    limit(source, command, 40);
}

fn count(source: &mut Source) -> Vec<u8> {
    if source.chance(80) {
        source.pick(&["1", "2", "3", "10", "100"]).into()
    } else {
        source.integer()
    }
}

fn pop(source: &mut Source, command: &mut Command) {
    command.args.push(any(source));
    if source.chance(50) {
        command.args.push(count(source));
    }
}

/// MIN or MAX, mostly.
pub(super) fn end(source: &mut Source) -> Vec<u8> {
    let word = source.pick(&["MIN", "MAX", "MIN", "MAX", "MIN", "MAX", "MID"]);
    source.cased(word)
}

fn several(source: &mut Source, command: &mut Command) {
    let keys = 1 + source.below(3);
    command.args.push(keys.to_string().into_bytes());
    for _ in 0..keys {
        command.args.push(any(source));
    }
    command.args.push(end(source));
    source.options(command, &[(50, Choice::With("COUNT", count))]);
}

fn random(source: &mut Source, command: &mut Command) {
    command.args.push(any(source));
    if source.chance(70) {
        // Not far below zero: so many members would be the reply.
        let count =
            ["0", "1", "2", "5", "-1", "-3", "-40", "600", "9223372036854775807", "x", "1.5"];
        command.args.push(source.pick(&count).into());
        source.options(command, &[(50, Choice::Word("WITHSCORES"))]);
    }
}

fn scan(source: &mut Source, command: &mut Command) {
    command.args.push(unsorted(source));
    command.args.push(if source.chance(90) { b"0".to_vec() } else { source.integer() });
    source.options(
        command,
        &[
            (
                40,
                Choice::With("MATCH", |s| {
                    s.pick(&["*", "m?", "m*", "[a-m]*", "member:1*", "", "x"]).into()
                }),
            ),
            (
                50,
                Choice::With("COUNT", |s| {
                    s.pick(&["1", "10", "900", "5000", "0", "-1", "x"]).into()
                }),
            ),
        ],
    );
}

fn encoding(source: &mut Source, command: &mut Command) {
    command.args.extend([source.cased("ENCODING"), unsorted(source)]);
}

/// Members have different texts, so that their order is certain; what is sorted as numbers, mostly
/// are none.
fn sort(source: &mut Source, command: &mut Command) {
    command.args.push(SORTED.into());
    let unsorted = source.chance(50);
    source.options(
        command,
        &[
            (if unsorted { 100 } else { 0 }, Choice::With("BY", |_| b"nosort".to_vec())),
            (if unsorted { 10 } else { 95 }, Choice::Word("ALPHA")),
            (30, Choice::Word("DESC")),
            (20, Choice::With("GET", |s| s.pick(&["#", "k*", "nothing"]).into())),
        ],
    );
    limit(source, command, 40);
}

fn copy(source: &mut Source, command: &mut Command) {
    let is_equal = source.chance(30);
    let draw = if is_equal { equal } else { scored };
    command.args.extend([draw(source), draw(source)]);
    source.options(command, &[(70, Choice::Word("REPLACE"))]);
}
