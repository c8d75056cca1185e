//! List commands, and SORT.

use super::Generator;
use crate::source::{Choice, Source};
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "LPUSH", weight: 60, draw: push },
    Generator { name: "RPUSH", weight: 60, draw: push },
    Generator { name: "LPUSHX", weight: 20, draw: push },
    Generator { name: "RPUSHX", weight: 20, draw: push },
    Generator { name: "LPOP", weight: 15, draw: pop },
    Generator { name: "RPOP", weight: 15, draw: pop },
    Generator { name: "LMPOP", weight: 15, draw: lmpop },
    Generator { name: "LLEN", weight: 20, draw: |s, c| c.args.push(s.key()) },
    Generator { name: "LRANGE", weight: 40, draw: range },
    Generator { name: "LTRIM", weight: 8, draw: range },
    Generator { name: "LINDEX", weight: 30, draw: |s, c| c.args.extend([s.key(), index(s)]) },
    Generator { name: "LSET", weight: 30, draw: lset },
    Generator { name: "LINSERT", weight: 35, draw: linsert },
    Generator { name: "LREM", weight: 25, draw: lrem },
    Generator { name: "LPOS", weight: 35, draw: lpos },
    Generator { name: "LMOVE", weight: 30, draw: lmove },
    Generator { name: "RPOPLPUSH", weight: 20, draw: |s, c| c.args.extend([s.key(), s.key()]) },
    Generator { name: "SORT", weight: 30, draw: |s, c| sort(s, c, true) },
    Generator { name: "SORT_RO", weight: 10, draw: |s, c| sort(s, c, false) },
];

/// A list that is no set: of a set, Redis looks up weights in the order of its own table.
pub const LISTED: &str = "listed";

/// An element: often one of a few, so that it is found again.
fn element(source: &mut Source) -> Vec<u8> {
    const FEW: &[&str] = &["a", "b", "c", "1", "2", "3", "10", "-1", "", "0123456789abcdef"];
    if source.chance(70) { source.pick(FEW).into() } else { source.value() }
}

/// An index that is mostly one of a short list.
fn index(source: &mut Source) -> Vec<u8> {
    const NEAR: &[&str] = &["0", "1", "2", "3", "5", "8", "-1", "-2", "-3", "-5"];
    if source.chance(75) { source.pick(NEAR).into() } else { source.integer() }
}

/// LEFT or RIGHT, mostly.
pub fn end(source: &mut Source) -> Vec<u8> {
    let word = source.pick(&["LEFT", "RIGHT", "LEFT", "RIGHT", "LEFT", "RIGHT", "UP"]);
    source.cased(word)
}

fn count(source: &mut Source) -> Vec<u8> {
    if source.chance(80) {
        source.pick(&["1", "2", "3", "10", "100"]).into()
    } else {
        source.integer()
    }
}

fn push(source: &mut Source, command: &mut Command) {
    let key = if source.chance(10) { LISTED.into() } else { source.key() };
    command.args.push(key);
    let many = source.chance(3);
    let count = 1 + source.below(if many { 400 } else { 5 });
    for _ in 0..count {
        command.args.push(element(source));
    }
}

fn pop(source: &mut Source, command: &mut Command) {
    command.args.push(source.key());
    if source.chance(50) {
        command.args.push(count(source));
    }
}

fn lmpop(source: &mut Source, command: &mut Command) {
    let keys = source.some_keys();
    command.args.push(keys.len().to_string().into_bytes());
    command.args.extend(keys);
    command.args.push(end(source));
    source.options(command, &[(50, Choice::With("COUNT", count))]);
}

fn range(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), index(source), index(source)]);
}

fn lset(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), index(source), element(source)]);
}

fn linsert(source: &mut Source, command: &mut Command) {
    let word = source.pick(&["BEFORE", "AFTER", "BEFORE", "AFTER", "AT"]);
    command.args.extend([source.key(), source.cased(word), element(source), element(source)]);
}

fn lrem(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), index(source), element(source)]);
}

fn lpos(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), element(source)]);
    source.options(
        command,
        &[
            (30, Choice::With("RANK", index)),
            (40, Choice::With("COUNT", index)),
            (30, Choice::With("MAXLEN", index)),
        ],
    );
}

fn lmove(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), source.key(), end(source), end(source)]);
}

fn pattern(source: &mut Source) -> Vec<u8> {
    const PATTERNS: &[&str] =
        &["*", "k*", "key:*", "#", "nothing", "k*->a", "*->1", "{tag}*", "*->", "**", ""];
    source.pick(PATTERNS).into()
}

/// A pattern with BY and without: of elements that weigh the same, only those of a whole result
/// come in an order of Redis's that does not depend on its choice of an algorithm.
fn sort(source: &mut Source, command: &mut Command, may_store: bool) {
    let by = source.chance(40);
    command.args.push(if by { LISTED.into() } else { source.key() });
    let limits = source.chance(40) && !by;
    // Redis takes a number for none when an earlier one was too large for it (see `normalise`):
    // what is stored is sorted as text, even when one word of it gets lost.
    let stores = may_store && source.chance(30);
    let alphabetic = if stores { 100 } else { 40 };
    source.options(
        command,
        &[
            (alphabetic, Choice::Word("ALPHA")),
            (alphabetic, Choice::Word("ALPHA")),
            (30, Choice::Word("DESC")),
            (10, Choice::Word("ASC")),
            (if by { 100 } else { 0 }, Choice::With("BY", pattern)),
            (30, Choice::With("GET", pattern)),
            (20, Choice::With("GET", pattern)),
        ],
    );
    if limits {
        command.args.extend([source.cased("LIMIT"), index(source), index(source)]);
    }
    if stores {
        command.args.extend([source.cased("STORE"), source.key()]);
    }
}
