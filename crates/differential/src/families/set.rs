//! Set commands. Sets have keys of their own, so that the lists' SORT, which is compared element by
//! element, meets none; and no member is drawn and removed: the servers would draw others.

use super::Generator;
use crate::source::{Choice, Source};
use crate::stream::Command;

/// The keys of sets.
pub const SETS: &[&str] = &["s1", "s2", "s3", "s4"];

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "SADD", weight: 100, draw: add },
    Generator { name: "SREM", weight: 50, draw: members },
    Generator { name: "SISMEMBER", weight: 25, draw: member },
    Generator { name: "SMISMEMBER", weight: 20, draw: members },
    Generator { name: "SCARD", weight: 20, draw: any_key },
    Generator { name: "SMEMBERS", weight: 15, draw: any_key },
    Generator { name: "SRANDMEMBER", weight: 15, draw: random },
    Generator { name: "SPOP", weight: 10, draw: pop },
    Generator { name: "SMOVE", weight: 30, draw: smove },
    Generator { name: "SSCAN", weight: 15, draw: scan },
    Generator { name: "SINTER", weight: 15, draw: several },
    Generator { name: "SUNION", weight: 15, draw: several },
    Generator { name: "SDIFF", weight: 15, draw: several },
    Generator { name: "SINTERSTORE", weight: 15, draw: store },
    Generator { name: "SUNIONSTORE", weight: 12, draw: store },
    Generator { name: "SDIFFSTORE", weight: 15, draw: store },
    Generator { name: "SINTERCARD", weight: 15, draw: count },
    Generator { name: "OBJECT", weight: 15, draw: encoding },
    Generator { name: "SORT", weight: 10, draw: |s, c| sort(s, c, true) },
    Generator { name: "SORT_RO", weight: 5, draw: |s, c| sort(s, c, false) },
    Generator { name: "EVAL", weight: 5, draw: sort_in_script },
    Generator { name: "COPY", weight: 8, draw: copy },
    Generator { name: "RENAME", weight: 4, draw: |s, c| c.args.extend([set(s), set(s)]) },
    Generator { name: "SET", weight: 3, draw: |s, c| c.args.extend([set(s), b"x".to_vec()]) },
    Generator { name: "DEL", weight: 6, draw: |s, c| c.args.push(set(s)) },
];

fn set(source: &mut Source) -> Vec<u8> {
    source.pick(SETS).into()
}

/// A set's key, or now and then another one, of a command that stores nothing there.
fn key(source: &mut Source) -> Vec<u8> {
    if source.chance(93) { set(source) } else { source.key() }
}

fn any_key(source: &mut Source, command: &mut Command) {
    command.args.push(key(source));
}

/// A few short members and integers, now and then one of many, an odd one or a long one.
fn name(source: &mut Source) -> Vec<u8> {
    match source.below(100) {
        0..30 => format!("m{}", source.below(12)).into_bytes(),
        30..70 => source.below(20).to_string().into_bytes(),
        70..85 => (source.below(1000) * 997).to_string().into_bytes(),
        85..92 => format!("member:{}", source.below(1000)).into_bytes(),
        92..96 => source.integer(),
        96..99 => source.pick(&["", "01", "-0", "+1", "1.0", "-1", " 1"]).into(),
        _ => {
            let len = *source.pick(&[&63, &64, &65, &255, &256]);
            source.text(len)
        }
    }
}

/// Members of which nearly all are integers.
fn integer(source: &mut Source) -> Vec<u8> {
    if source.chance(99) {
        (source.below(3000) * 31).to_string().into_bytes()
    } else {
        name(source)
    }
}

fn add(source: &mut Source, command: &mut Command) {
    command.args.push(set(source));
    let (many, integers) = (source.chance(3), source.chance(40));
    let count = 1 + source.below(if many { 300 } else { 5 });
    for _ in 0..count {
        let member = if integers { integer(source) } else { name(source) };
        command.args.push(member);
    }
}

fn member(source: &mut Source, command: &mut Command) {
    command.args.extend([key(source), name(source)]);
}

fn members(source: &mut Source, command: &mut Command) {
    command.args.push(key(source));
    for _ in 0..1 + source.below(5) {
        command.args.push(name(source));
    }
}

fn smove(source: &mut Source, command: &mut Command) {
    command.args.extend([set(source), set(source), name(source)]);
}

fn random(source: &mut Source, command: &mut Command) {
    command.args.push(key(source));
    if source.chance(70) {
        let count =
            ["0", "1", "2", "5", "-1", "-3", "-40", "600", "9223372036854775807", "x", "1.5"];
        command.args.push(source.pick(&count).into());
    }
}

/// All members, or none.
fn pop(source: &mut Source, command: &mut Command) {
    let count = ["0", "1000000", "9223372036854775807", "-1", "x", "9223372036854775808"];
    command.args.extend([key(source), source.pick(&count).into()]);
}

fn scan(source: &mut Source, command: &mut Command) {
    command.args.push(key(source));
    command.args.push(if source.chance(90) { b"0".to_vec() } else { source.integer() });
    let pattern = |s: &mut Source| s.pick(&["*", "m?", "m*", "[1-5]*", "1?", "", "x"]).into();
    let count = |s: &mut Source| s.pick(&["1", "10", "900", "5000", "0", "-1", "x"]).into();
    source.options(
        command,
        &[(40, Choice::With("MATCH", pattern)), (50, Choice::With("COUNT", count))],
    );
}

fn several(source: &mut Source, command: &mut Command) {
    for _ in 0..1 + source.below(4) {
        command.args.push(key(source));
    }
}

fn store(source: &mut Source, command: &mut Command) {
    command.args.push(set(source));
    several(source, command);
}

fn count(source: &mut Source, command: &mut Command) {
    let count = 1 + source.below(3);
    let told = if source.chance(95) { count } else { source.below(6) };
    command.args.push(told.to_string().into_bytes());
    for _ in 0..count {
        command.args.push(key(source));
    }
    let limit = |s: &mut Source| s.pick(&["0", "1", "2", "5", "100", "-1", "x"]).into();
    source.options(command, &[(40, Choice::With("LIMIT", limit))]);
}

fn encoding(source: &mut Source, command: &mut Command) {
    command.args.extend([source.cased("ENCODING"), set(source)]);
}

/// Sorted by the members themselves, by numbers that other keys hold, or not at all; then where
/// they lie is each server's own, unless it is stored or a script that asks.
fn sort(source: &mut Source, command: &mut Command, may_store: bool) {
    command.args.push(set(source));
    let stores = may_store && source.chance(30);
    let (alphabetic, by) = match source.below(10) {
        // As text only what is compared whole: else "a" and "a\0" are equal.
        0..5 => (if stores { 100 } else { 0 }, None),
        5..8 => (20, Some("nosort")),
        _ => (0, Some(source.pick(&["*", "w:*", "1*", "h1->*"]))),
    };
    let mut options = vec![
        (alphabetic, Choice::Word("ALPHA")),
        (30, Choice::Word("DESC")),
        (10, Choice::Word("ASC")),
    ];
    if by.is_none_or(|by| stores || by.contains('*')) {
        let get = |s: &mut Source| s.pick(&["#", "*", "k*", "w:*", "h1->*"]).into();
        options.push((if by.is_some() { 20 } else { 0 }, Choice::With("GET", get)));
    }
    source.options(command, &options);
    if let Some(by) = by {
        command.args.extend([source.cased("BY"), by.into()]);
    }
    if by.is_some() && stores && source.chance(30) {
        limit(source, command);
    }
    if stores {
        command.args.extend([source.cased("STORE"), set(source)]);
    }
}

fn limit(source: &mut Source, command: &mut Command) {
    let bound = |s: &mut Source| s.pick(&["0", "1", "3", "-1", "100", "x"]).into();
    command.args.extend([source.cased("LIMIT"), bound(source), bound(source)]);
}

/// What a script sees is in order.
fn sort_in_script(source: &mut Source, command: &mut Command) {
    let key = set(source);
    let name = if source.chance(50) { "SORT" } else { "SORT_RO" };
    let text = b"return redis.call(unpack(ARGV))".to_vec();
    command.args.extend([text, b"1".to_vec(), key.clone(), source.cased(name), key]);
    command.args.extend([source.cased("BY"), b"nosort".to_vec()]);
    let get = |s: &mut Source| s.pick(&["#", "*", "k*"]).into();
    source.options(command, &[(30, Choice::Word("DESC")), (20, Choice::With("GET", get))]);
    if source.chance(40) {
        limit(source, command);
    }
}

fn copy(source: &mut Source, command: &mut Command) {
    command.args.extend([set(source), set(source)]);
    source.options(command, &[(70, Choice::Word("REPLACE"))]);
}
