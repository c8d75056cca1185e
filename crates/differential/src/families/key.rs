//! Commands on keys of any type, their deadlines, and whole databases.

use super::Generator;
use crate::deadline::{Clock, deadline};
use crate::source::{Choice, Source};
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "DEL", weight: 20, draw: some_keys },
    Generator { name: "UNLINK", weight: 15, draw: some_keys },
    Generator { name: "EXISTS", weight: 20, draw: some_keys },
    Generator { name: "TOUCH", weight: 10, draw: some_keys },
    Generator { name: "TYPE", weight: 15, draw: key },
    Generator { name: "EXPIRE", weight: 30, draw: |s, c| expire(s, c, Clock::Seconds) },
    Generator { name: "PEXPIRE", weight: 30, draw: |s, c| expire(s, c, Clock::Millis) },
    Generator { name: "EXPIREAT", weight: 25, draw: |s, c| expire(s, c, Clock::UnixSeconds) },
    Generator { name: "PEXPIREAT", weight: 25, draw: |s, c| expire(s, c, Clock::UnixMillis) },
    Generator { name: "TTL", weight: 20, draw: key },
    Generator { name: "PTTL", weight: 20, draw: key },
    Generator { name: "EXPIRETIME", weight: 20, draw: key },
    Generator { name: "PEXPIRETIME", weight: 20, draw: key },
    Generator { name: "PERSIST", weight: 20, draw: key },
    Generator { name: "RENAME", weight: 25, draw: two_keys },
    Generator { name: "RENAMENX", weight: 20, draw: two_keys },
    Generator { name: "COPY", weight: 30, draw: copy },
    Generator { name: "MOVE", weight: 20, draw: move_ },
    Generator { name: "RANDOMKEY", weight: 3, draw: |_, _| () },
    Generator { name: "KEYS", weight: 10, draw: |s, c| c.args.push(pattern(s)) },
    Generator { name: "SCAN", weight: 8, draw: scan },
    Generator { name: "DBSIZE", weight: 8, draw: |_, _| () },
    Generator { name: "FLUSHDB", weight: 2, draw: flush },
    Generator { name: "FLUSHALL", weight: 1, draw: flush },
    Generator { name: "SWAPDB", weight: 6, draw: swapdb },
];

fn key(source: &mut Source, command: &mut Command) {
    command.args.push(source.key());
}

fn two_keys(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), source.key()]);
}

fn some_keys(source: &mut Source, command: &mut Command) {
    command.args.extend(source.some_keys());
}

fn expire(source: &mut Source, command: &mut Command, clock: Clock) {
    command.args.extend([source.key(), deadline(source, clock)]);
    if source.chance(50) {
        let word = ["NX", "XX", "GT", "LT", "GT", "LT"];
        let word = source.pick(&word);
        source.options(command, &[(90, Choice::Word(word)), (5, Choice::Word("NX"))]);
    }
    if source.chance(3) {
        source.options(command, &[(50, Choice::Word("XX")), (50, Choice::Word("LT"))]);
    }
}

fn copy(source: &mut Source, command: &mut Command) {
    two_keys(source, command);
    source.options(
        command,
        &[(40, Choice::Word("REPLACE")), (40, Choice::With("DB", Source::database))],
    );
}

fn move_(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), source.database()]);
}

fn swapdb(source: &mut Source, command: &mut Command) {
    command.args.extend([source.database(), source.database()]);
}

fn flush(source: &mut Source, command: &mut Command) {
    source.options(command, &[(30, Choice::Word("SYNC")), (30, Choice::Word("ASYNC"))]);
}

fn pattern(source: &mut Source) -> Vec<u8> {
    const PATTERNS: &[&[u8]] = &[
        b"*",
        b"?",
        b"k*",
        b"k[12]",
        b"k[^1]",
        b"key:?",
        b"*a*",
        b"h\\[*",
        b"h[[]*",
        b"[a-c]",
        b"[c-a]",
        b"\\*",
        b"\\",
        b"[",
        b"[]",
        b"[^]*",
        b"{tag}*",
        b"*\xff*",
        b"**",
        b"a*b*c*d*e*f*g*",
        b"",
    ];
    if source.chance(85) { source.pick(PATTERNS).to_vec() } else { source.key() }
}

fn scan(source: &mut Source, command: &mut Command) {
    // Mostly whole in one call, which needs no round trip of its own; see `normalise`.
    command.args.push(if source.chance(95) { b"0".to_vec() } else { source.integer() });
    source.options(
        command,
        &[
            (40, Choice::With("MATCH", pattern)),
            (
                60,
                Choice::With("COUNT", |s| s.pick(&["1", "5", "10", "900", "0", "-1", "x"]).into()),
            ),
            (
                30,
                // Not "none": Redis 7.0 lists keys by it that it has yet to notice as expired.
                Choice::With("TYPE", |s| s.pick(&["string", "STRING", "list", "hash", ""]).into()),
            ),
        ],
    );
}
