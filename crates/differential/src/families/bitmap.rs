//! Bitmaps and HyperLogLogs: strings whose bytes commands read in their own ways.

use super::Generator;
use crate::source::{Choice, Source};
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const BITMAP: &[Generator] = &[
    Generator { name: "SETBIT", weight: 60, draw: set_bit },
    Generator { name: "GETBIT", weight: 20, draw: get_bit },
    Generator { name: "BITCOUNT", weight: 30, draw: count },
    Generator { name: "BITPOS", weight: 40, draw: position },
    Generator { name: "BITOP", weight: 40, draw: combine },
    Generator { name: "BITFIELD", weight: 60, draw: |s, c| field(s, c, true) },
    Generator { name: "BITFIELD_RO", weight: 15, draw: |s, c| field(s, c, false) },
];

/// See [`super::FAMILIES`].
pub const HYPERLOGLOG: &[Generator] = &[
    Generator { name: "PFADD", weight: 60, draw: add },
    Generator { name: "PFCOUNT", weight: 30, draw: sketches },
    Generator { name: "PFMERGE", weight: 20, draw: sketches },
    Generator { name: "PFDEBUG", weight: 10, draw: debug },
];

/// The place of a bit: seldom far out, and never so far that a string takes much memory.
fn place(source: &mut Source) -> Vec<u8> {
    match source.below(20) {
        0 => source.junk(),
        1 => (source.below(100_000)).to_string().into_bytes(),
        2 => b"4294967296".to_vec(),
        _ => source.below(80).to_string().into_bytes(),
    }
}

fn bit(source: &mut Source) -> Vec<u8> {
    match source.below(25) {
        0 => source.small_integer(),
        n => [b'0' + (n % 2) as u8].to_vec(),
    }
}

fn set_bit(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), place(source), bit(source)]);
}

fn get_bit(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), place(source)]);
}

/// `start end [BYTE | BIT]`, or nothing. A start alone is Valkey's only.
fn range(source: &mut Source, command: &mut Command) {
    if source.chance(70) {
        command.args.extend([source.integer(), source.integer()]);
        source.options(command, &[(40, Choice::Word("BIT")), (10, Choice::Word("BYTE"))]);
    }
}

fn count(source: &mut Source, command: &mut Command) {
    command.args.push(source.key());
    range(source, command);
}

fn position(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), bit(source)]);
    if source.chance(25) {
        command.args.push(source.integer());
    } else {
        range(source, command);
    }
}

fn combine(source: &mut Source, command: &mut Command) {
    let ways = ["AND", "OR", "XOR", "NOT", "DIFF", "DIFF1", "ANDOR", "ONE"];
    let way = ways[source.below(ways.len())];
    command.args.extend([source.cased(way), source.key()]);
    match way {
        "NOT" => command.args.push(source.key()),
        _ => command.args.extend(source.some_keys()),
    }
}

fn encoding(source: &mut Source) -> Vec<u8> {
    let sign = ["u", "i", "U"][if source.chance(3) { 2 } else { source.below(2) }];
    let width = if source.chance(30) {
        [1, 7, 8, 16, 62, 63, 64, 65][source.below(8)]
    } else {
        source.below(34)
    };
    format!("{sign}{width}").into_bytes()
}

fn field(source: &mut Source, command: &mut Command, writes: bool) {
    command.args.push(source.key());
    for _ in 0..source.below(4) {
        let is_write = writes && source.chance(75) || source.chance(2);
        if is_write && source.chance(40) {
            let how = ["WRAP", "SAT", "FAIL"][source.below(3)];
            command.args.extend([b"OVERFLOW".to_vec(), source.cased(how)]);
        }
        let name = if is_write { ["SET", "INCRBY"][source.below(2)] } else { "GET" };
        let mut at = place(source);
        if source.chance(30) {
            at.insert(0, b'#');
        }
        command.args.extend([source.cased(name), encoding(source), at]);
        if is_write {
            command.args.push(source.integer());
        }
    }
}

/// A key whose string no other family changes; only such ones get several elements at once: of a
/// damaged HyperLogLog Redis adds some of them before it notices.
fn whole(source: &mut Source) -> Vec<u8> {
    source.pick(&["sketch:1", "sketch:2"]).into()
}

fn sketches(source: &mut Source, command: &mut Command) {
    for _ in 0..source.key_count() {
        command.args.push(if source.chance(40) { whole(source) } else { source.key() });
    }
}

fn add(source: &mut Source, command: &mut Command) {
    if source.chance(40) {
        command.args.push(source.key());
        let value = source.value();
        command.args.extend(source.chance(80).then_some(value));
        return;
    }
    command.args.push(whole(source));
    if source.chance(9) {
        // Enough for a dense one.
        let from = source.below(100_000);
        command.args.extend((from..from + 1500).map(|n| n.to_string().into_bytes()));
        return;
    }
    for _ in 0..source.below(4) {
        command.args.push(source.value());
    }
}

fn debug(source: &mut Source, command: &mut Command) {
    let what = ["ENCODING", "DECODE", "TODENSE", "GETREG", "OTHER"][source.below(5)];
    let key = if source.chance(40) { whole(source) } else { source.key() };
    command.args.extend([source.cased(what), key]);
}
