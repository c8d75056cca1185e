//! Commands that do something if a string is, or is not, this very one: SET with a condition,
//! DELEX, DELIFEQ; and those that came with them.

use super::Generator;
use crate::deadline::{Clock, deadline};
use crate::source::{Choice, Source};
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "SET", weight: 30, draw: set },
    Generator { name: "DELEX", weight: 12, draw: delex },
    Generator { name: "DELIFEQ", weight: 8, draw: |s, c| c.args.extend([s.key(), text(s)]) },
    Generator { name: "DIGEST", weight: 8, draw: |s, c| c.args.push(s.key()) },
    Generator { name: "MSETEX", weight: 20, draw: msetex },
];

/// Few texts, so that a condition is often met; and their digests.
const TEXTS: [(&str, &str); 4] = [
    ("1", "65cd25028f98f158"),
    ("one", "911faba7321fe1a0"),
    ("", "2d06800538d394c2"),
    ("12345678901234567890", "6478f49846c49336"),
];

fn text(source: &mut Source) -> Vec<u8> {
    if source.chance(90) {
        source.pick(&TEXTS.map(|(text, _)| text)).into()
    } else {
        source.value()
    }
}

fn digest(source: &mut Source) -> Vec<u8> {
    match source.below(10) {
        0 => source.value(),
        1 => source.pick(&TEXTS.map(|(_, digest)| digest)).to_uppercase().into_bytes(),
        _ => source.pick(&TEXTS.map(|(_, digest)| digest)).into(),
    }
}

fn condition(source: &mut Source) -> Choice {
    let all = [
        Choice::With("IFEQ", text),
        Choice::With("IFNE", text),
        Choice::With("IFDEQ", digest),
        Choice::With("IFDNE", digest),
    ];
    all[source.below(all.len())]
}

fn set(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), text(source)]);
    let condition = condition(source);
    source.options(
        command,
        &[
            (70, condition),
            (20, Choice::Word("GET")),
            (8, Choice::Word("XX")),
            (15, Choice::Word("KEEPTTL")),
            (15, Choice::With("EX", |s| deadline(s, Clock::Seconds))),
        ],
    );
}

fn delex(source: &mut Source, command: &mut Command) {
    command.args.push(source.key());
    let condition = condition(source);
    source.options(command, &[(85, condition)]);
}

fn msetex(source: &mut Source, command: &mut Command) {
    let count = source.key_count();
    let told = if source.chance(95) { count } else { source.below(6) };
    command.args.push(told.to_string().into_bytes());
    for _ in 0..count {
        command.args.extend([source.key(), source.value()]);
    }
    source.options(
        command,
        &[
            (15, Choice::Word("NX")),
            (15, Choice::Word("XX")),
            (20, Choice::Word("KEEPTTL")),
            (15, Choice::With("EX", |s| deadline(s, Clock::Seconds))),
            (15, Choice::With("PXAT", |s| deadline(s, Clock::UnixMillis))),
        ],
    );
}
