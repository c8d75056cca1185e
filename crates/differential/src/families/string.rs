//! String commands.

use super::Generator;
use crate::deadline::{Clock, deadline};
use crate::source::{Choice, Source};
use crate::stream::Command;

const EXPIRY: [(u32, Choice); 4] = [
    (12, Choice::With("EX", |s| deadline(s, Clock::Seconds))),
    (12, Choice::With("PX", |s| deadline(s, Clock::Millis))),
    (8, Choice::With("EXAT", |s| deadline(s, Clock::UnixSeconds))),
    (8, Choice::With("PXAT", |s| deadline(s, Clock::UnixMillis))),
];

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "SET", weight: 160, draw: set },
    Generator { name: "GET", weight: 60, draw: key },
    Generator { name: "SETNX", weight: 20, draw: key_value },
    Generator { name: "SETEX", weight: 15, draw: |s, c| expiring(s, c, Clock::Seconds) },
    Generator { name: "PSETEX", weight: 15, draw: |s, c| expiring(s, c, Clock::Millis) },
    Generator { name: "GETSET", weight: 20, draw: key_value },
    Generator { name: "GETDEL", weight: 10, draw: key },
    Generator { name: "GETEX", weight: 30, draw: getex },
    Generator { name: "MGET", weight: 20, draw: |s, c| c.args.extend(s.some_keys()) },
    Generator { name: "MSET", weight: 20, draw: pairs },
    Generator { name: "MSETNX", weight: 20, draw: pairs },
    Generator { name: "APPEND", weight: 40, draw: key_value },
    Generator { name: "STRLEN", weight: 20, draw: key },
    Generator { name: "SETRANGE", weight: 30, draw: setrange },
    Generator { name: "GETRANGE", weight: 30, draw: range },
    Generator { name: "SUBSTR", weight: 10, draw: range },
    Generator { name: "INCR", weight: 30, draw: key },
    Generator { name: "DECR", weight: 30, draw: key },
    Generator { name: "INCRBY", weight: 30, draw: key_integer },
    Generator { name: "DECRBY", weight: 30, draw: key_integer },
    Generator { name: "INCRBYFLOAT", weight: 40, draw: key_float },
    Generator { name: "LCS", weight: 12, draw: lcs },
];

fn key(source: &mut Source, command: &mut Command) {
    command.args.push(source.key());
}

fn key_value(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), source.value()]);
}

fn key_integer(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), source.integer()]);
}

fn key_float(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), source.float()]);
}

fn expiring(source: &mut Source, command: &mut Command, clock: Clock) {
    command.args.extend([source.key(), deadline(source, clock), source.value()]);
}

fn set(source: &mut Source, command: &mut Command) {
    key_value(source, command);
    if source.chance(50) {
        return;
    }
    source.options(
        command,
        &[
            (20, Choice::Word("NX")),
            (20, Choice::Word("XX")),
            (25, Choice::Word("GET")),
            (20, Choice::Word("KEEPTTL")),
        ],
    );
    expiry(source, command);
}

fn getex(source: &mut Source, command: &mut Command) {
    key(source, command);
    expiry(source, command);
    source.options(command, &[(15, Choice::Word("PERSIST"))]);
}

fn expiry(source: &mut Source, command: &mut Command) {
    if source.chance(80) {
        let (_, option) = EXPIRY[source.below(EXPIRY.len())];
        source.options(command, &[(70, option)]);
    } else {
        source.options(command, &EXPIRY);
    }
}

fn pairs(source: &mut Source, command: &mut Command) {
    for _ in 0..source.key_count() {
        key_value(source, command);
    }
}

fn setrange(source: &mut Source, command: &mut Command) {
    let offset = if source.chance(90) { source.small_integer() } else { source.integer() };
    command.args.extend([source.key(), offset]);
    // The largest string is 512 MiB: one byte beyond it, and no bytes at all.
    let value = if source.chance(10) { Vec::new() } else { source.value() };
    command.args.push(value);
    if source.chance(3) {
        command.args[2] = b"536870912".to_vec();
    }
}

fn range(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), source.integer(), source.integer()]);
}

fn lcs(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), source.key()]);
    source.options(
        command,
        &[
            (20, Choice::Word("LEN")),
            (40, Choice::Word("IDX")),
            (30, Choice::Word("WITHMATCHLEN")),
            (30, Choice::With("MINMATCHLEN", Source::integer)),
        ],
    );
}
