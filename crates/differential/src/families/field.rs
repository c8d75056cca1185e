//! Deadlines of hash fields.

use super::Generator;
use super::hash::{key, name, value};
use crate::deadline::{Clock, deadline};
use crate::source::{Choice, Source};
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "HEXPIRE", weight: 25, draw: |s, c| expire(s, c, Clock::Seconds) },
    Generator { name: "HPEXPIRE", weight: 25, draw: |s, c| expire(s, c, Clock::Millis) },
    Generator { name: "HEXPIREAT", weight: 15, draw: |s, c| expire(s, c, Clock::UnixSeconds) },
    Generator { name: "HPEXPIREAT", weight: 15, draw: |s, c| expire(s, c, Clock::UnixMillis) },
    Generator { name: "HTTL", weight: 8, draw: key_fields },
    Generator { name: "HPTTL", weight: 8, draw: key_fields },
    Generator { name: "HEXPIRETIME", weight: 8, draw: key_fields },
    Generator { name: "HPEXPIRETIME", weight: 8, draw: key_fields },
    Generator { name: "HPERSIST", weight: 15, draw: key_fields },
    Generator { name: "HGETDEL", weight: 15, draw: key_fields },
    Generator { name: "HGETEX", weight: 25, draw: getex },
    Generator { name: "HSETEX", weight: 25, draw: setex },
];

const EXPIRY: [Choice; 4] = [
    Choice::With("EX", |s| deadline(s, Clock::Seconds)),
    Choice::With("PX", |s| deadline(s, Clock::Millis)),
    Choice::With("EXAT", |s| deadline(s, Clock::UnixSeconds)),
    Choice::With("PXAT", |s| deadline(s, Clock::UnixMillis)),
];

/// `FIELDS count field ...`, each with a value if `values` says so. Seldom the count is wrong.
fn fields(source: &mut Source, command: &mut Command, values: bool) {
    let count = 1 + source.below(4);
    let told = if source.chance(97) { count } else { source.below(6) };
    command.args.extend([source.cased("FIELDS"), told.to_string().into_bytes()]);
    for _ in 0..count {
        command.args.push(name(source));
        if values {
            command.args.push(value(source));
        }
    }
}

fn key_fields(source: &mut Source, command: &mut Command) {
    command.args.push(key(source));
    fields(source, command, false);
}

fn expire(source: &mut Source, command: &mut Command, clock: Clock) {
    command.args.extend([key(source), deadline(source, clock)]);
    let word = source.pick(&["NX", "XX", "GT", "LT", "GT", "LT"]);
    source.options(command, &[(40, Choice::Word(word)), (2, Choice::Word("NX"))]);
    fields(source, command, false);
}

fn getex(source: &mut Source, command: &mut Command) {
    command.args.push(key(source));
    let expiry = EXPIRY[source.below(EXPIRY.len())];
    source.options(command, &[(70, expiry), (15, Choice::Word("PERSIST"))]);
    fields(source, command, false);
}

fn setex(source: &mut Source, command: &mut Command) {
    command.args.push(key(source));
    let expiry = EXPIRY[source.below(EXPIRY.len())];
    source.options(
        command,
        &[
            (12, Choice::Word("FNX")),
            (12, Choice::Word("FXX")),
            (70, expiry),
            (15, Choice::Word("KEEPTTL")),
        ],
    );
    fields(source, command, true);
}
