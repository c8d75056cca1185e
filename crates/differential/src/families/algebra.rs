//! Sorted sets of several keys together, and what they are made of: sorted sets, and sets.

use super::Generator;
use crate::source::{Choice, Source};
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "ZADD", weight: 60, draw: add },
    Generator { name: "SADD", weight: 12, draw: add_plain },
    Generator { name: "ZUNION", weight: 30, draw: |s, c| algebra(s, c, &[&WEIGHED, &REPLIED]) },
    Generator { name: "ZINTER", weight: 30, draw: |s, c| algebra(s, c, &[&WEIGHED, &REPLIED]) },
    Generator { name: "ZDIFF", weight: 20, draw: |s, c| algebra(s, c, &[&REPLIED]) },
    Generator { name: "ZINTERCARD", weight: 20, draw: |s, c| algebra(s, c, &[&LIMITED]) },
    Generator { name: "ZUNIONSTORE", weight: 30, draw: |s, c| store(s, c, &[&WEIGHED]) },
    Generator { name: "ZINTERSTORE", weight: 30, draw: |s, c| store(s, c, &[&WEIGHED]) },
    Generator { name: "ZDIFFSTORE", weight: 15, draw: |s, c| store(s, c, &[]) },
    Generator { name: "ZRANGESTORE", weight: 30, draw: range_store },
    Generator { name: "ZRANGE", weight: 15, draw: range },
];

type Part = fn(&mut Source, &mut Command, usize);

const WEIGHED: Part = |source, command, keys| {
    if source.chance(35) {
        command.args.push(source.cased("WEIGHTS"));
        let wrong = source.chance(3) as usize;
        for _ in 0..keys + wrong {
            command.args.push(score(source));
        }
    }
    let how = |source: &mut Source| {
        let word = source.pick(&["SUM", "MIN", "MAX", "MIN", "MAX", "AVG"]);
        source.cased(word)
    };
    source.options(command, &[(40, Choice::With("AGGREGATE", how))]);
};

const REPLIED: Part =
    |source, command, _| source.options(command, &[(60, Choice::Word("WITHSCORES"))]);

const LIMITED: Part =
    |source, command, _| source.options(command, &[(50, Choice::With("LIMIT", rank))]);

fn score(source: &mut Source) -> Vec<u8> {
    const FEW: &[&str] = &["0", "1", "2", "-1", "0.1", "1.5", "inf", "-inf", "-0", "1e300", "3"];
    match source.below(20) {
        0 => source.float(),
        1..12 => source.pick(FEW).into(),
        _ => source.small_integer(),
    }
}

fn member(source: &mut Source) -> Vec<u8> {
    if source.chance(95) { source.below(60).to_string().into_bytes() } else { source.value() }
}

fn rank(source: &mut Source) -> Vec<u8> {
    const NEAR: &[&str] = &["0", "1", "2", "3", "5", "-1", "-2", "-5", "10"];
    if source.chance(90) { source.pick(NEAR).into() } else { source.integer() }
}

fn count(source: &mut Source) -> usize {
    let many = source.chance(3);
    1 + source.below(if many { 200 } else { 6 })
}

/// A key whose members have one score: what lies between two texts is not said of others.
const LEVEL: &[u8] = b"level";

/// Keeps that so, whatever became of a command's arguments.
pub fn settle(command: &mut Command) {
    if command.args.get(1).is_some_and(|key| key == LEVEL) {
        command.args = ["ZADD", "level", "0"].map(|word| word.as_bytes().to_vec()).into();
        command.args.push(b"a".to_vec());
    }
}

fn add(source: &mut Source, command: &mut Command) {
    if source.chance(10) {
        command.args.extend([LEVEL.to_vec(), b"0".to_vec(), member(source)]);
        return;
    }
    command.args.push(source.key());
    for _ in 0..count(source) {
        command.args.extend([score(source), member(source)]);
    }
}

fn add_plain(source: &mut Source, command: &mut Command) {
    command.args.push(source.key());
    for _ in 0..count(source) {
        command.args.push(source.below(60).to_string().into_bytes());
    }
}

fn algebra(source: &mut Source, command: &mut Command, parts: &[&Part]) {
    let keys = source.some_keys();
    let count = keys.len();
    let said = if source.chance(96) { count } else { source.below(5) };
    command.args.push(said.to_string().into_bytes());
    command.args.extend(keys);
    parts.iter().for_each(|part| part(source, command, count));
}

fn store(source: &mut Source, command: &mut Command, parts: &[&Part]) {
    command.args.push(source.key());
    algebra(source, command, parts);
}

fn score_bound(source: &mut Source) -> Vec<u8> {
    let mut bound = if source.chance(25) { b"(".to_vec() } else { Vec::new() };
    bound.extend(score(source));
    bound
}

fn text_bound(source: &mut Source) -> Vec<u8> {
    match source.below(8) {
        0 => b"-".to_vec(),
        1 => b"+".to_vec(),
        n => [&b"[("[n % 2..n % 2 + 1], &member(source)[..]].concat(),
    }
}

fn bounds(source: &mut Source, command: &mut Command) {
    match source.below(10) {
        0..4 => command.args.extend([rank(source), rank(source)]),
        4..8 => {
            command.args.extend([score_bound(source), score_bound(source)]);
            command.args.push(source.cased("BYSCORE"));
        }
        _ => {
            if let Some(set) = command.args.last_mut() {
                *set = LEVEL.to_vec();
            }
            command.args.extend([text_bound(source), text_bound(source)]);
            command.args.push(source.cased("BYLEX"));
        }
    }
    source.options(command, &[(30, Choice::Word("REV"))]);
    if source.chance(25) {
        command.args.extend([source.cased("LIMIT"), rank(source), rank(source)]);
    }
}

fn range_store(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), source.key()]);
    bounds(source, command);
}

fn range(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), b"0".to_vec(), b"-1".to_vec()]);
    source.options(command, &[(90, Choice::Word("WITHSCORES"))]);
}
