//! Hash commands. Keys are mostly those of hashes, so that hashes live long enough to become large.

use super::Generator;
use crate::source::{Choice, Source};
use crate::stream::Command;

const HASHES: &[&str] = &["h1", "h2", "h3"];

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "HSET", weight: 100, draw: pairs },
    Generator { name: "HMSET", weight: 15, draw: pairs },
    Generator { name: "HSETNX", weight: 20, draw: field_value },
    Generator { name: "HGET", weight: 40, draw: field },
    Generator { name: "HMGET", weight: 20, draw: fields },
    Generator { name: "HGETALL", weight: 15, draw: hash },
    Generator { name: "HKEYS", weight: 10, draw: hash },
    Generator { name: "HVALS", weight: 10, draw: hash },
    Generator { name: "HLEN", weight: 20, draw: hash },
    Generator { name: "HSTRLEN", weight: 20, draw: field },
    Generator { name: "HEXISTS", weight: 20, draw: field },
    Generator { name: "HDEL", weight: 40, draw: fields },
    Generator { name: "HINCRBY", weight: 40, draw: add },
    Generator { name: "HINCRBYFLOAT", weight: 40, draw: add_float },
    Generator { name: "HRANDFIELD", weight: 15, draw: random },
    Generator { name: "HSCAN", weight: 15, draw: scan },
    Generator { name: "OBJECT", weight: 15, draw: encoding },
    Generator { name: "COPY", weight: 8, draw: copy },
    Generator { name: "RENAME", weight: 4, draw: rename },
    Generator { name: "DEL", weight: 4, draw: hash },
];

pub(super) fn key(source: &mut Source) -> Vec<u8> {
    if source.chance(70) { source.pick(HASHES).into() } else { source.key() }
}

/// A few short fields, now and then one of many, an odd one or a long one.
pub(super) fn name(source: &mut Source) -> Vec<u8> {
    match source.below(100) {
        0..70 => format!("f{}", source.below(12)).into_bytes(),
        70..90 => format!("field:{}", source.below(2000)).into_bytes(),
        90..96 => source.key(),
        96..99 => source.integer(),
        _ => {
            let len = *source.pick(&[&11, &12, &63, &64, &65, &255, &256]);
            source.text(len)
        }
    }
}

/// A value, seldom one that is too long for a packed hash.
pub(super) fn value(source: &mut Source) -> Vec<u8> {
    let value = source.value();
    if value.len() > 64 && source.chance(95) { value[..64].to_vec() } else { value }
}

fn hash(source: &mut Source, command: &mut Command) {
    command.args.push(key(source));
}

fn field(source: &mut Source, command: &mut Command) {
    command.args.extend([key(source), name(source)]);
}

fn field_value(source: &mut Source, command: &mut Command) {
    command.args.extend([key(source), name(source), value(source)]);
}

fn fields(source: &mut Source, command: &mut Command) {
    hash(source, command);
    for _ in 0..1 + source.below(4) {
        command.args.push(name(source));
    }
}

fn pairs(source: &mut Source, command: &mut Command) {
    hash(source, command);
    if source.chance(2) {
        // A run that makes a hash large at once, or nearly so.
        let (from, count) = (source.below(1500), 1 + source.below(500));
        for n in from..from + count {
            command.args.extend([format!("field:{n}").into_bytes(), n.to_string().into_bytes()]);
        }
        return;
    }
    for _ in 0..1 + source.below(4) {
        command.args.extend([name(source), value(source)]);
    }
}

fn add(source: &mut Source, command: &mut Command) {
    field(source, command);
    command.args.push(source.integer());
}

fn add_float(source: &mut Source, command: &mut Command) {
    field(source, command);
    command.args.push(source.float());
}

fn random(source: &mut Source, command: &mut Command) {
    hash(source, command);
    if source.chance(70) {
        // Not far below zero: so many fields would be the reply.
        let count =
            ["0", "1", "2", "5", "-1", "-3", "-40", "600", "9223372036854775807", "x", "1.5"];
        command.args.push(source.pick(&count).into());
        source.options(command, &[(50, Choice::Word("WITHVALUES"))]);
    }
}

fn scan(source: &mut Source, command: &mut Command) {
    hash(source, command);
    command.args.push(if source.chance(90) { b"0".to_vec() } else { source.integer() });
    source.options(
        command,
        &[
            (
                40,
                Choice::With("MATCH", |s| {
                    s.pick(&["*", "f?", "f*", "[a-f]*", "field:1*", "", "x"]).into()
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
    command.args.extend([source.cased("ENCODING"), key(source)]);
}

fn copy(source: &mut Source, command: &mut Command) {
    command.args.extend([key(source), key(source)]);
    source.options(command, &[(70, Choice::Word("REPLACE"))]);
}

fn rename(source: &mut Source, command: &mut Command) {
    command.args.extend([key(source), key(source)]);
}
