//! Commands that wait, for a moment: see [`crate::wait`].

use super::Generator;
use super::list::end;
use super::sorted_set;
use crate::source::Source;
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "BLPOP", weight: 1, draw: pop },
    Generator { name: "BRPOP", weight: 1, draw: pop },
    Generator { name: "BLMOVE", weight: 1, draw: blmove },
    Generator { name: "BRPOPLPUSH", weight: 1, draw: brpoplpush },
    Generator { name: "BLMPOP", weight: 1, draw: blmpop },
    Generator { name: "BZPOPMIN", weight: 1, draw: zpop },
    Generator { name: "BZPOPMAX", weight: 1, draw: zpop },
    Generator { name: "BZMPOP", weight: 1, draw: bzmpop },
];

fn timeout(source: &mut Source) -> Vec<u8> {
    let short = ["0.001", "1e-3", ".001", "0.002", "0.0001", "0.0019999"];
    if source.chance(80) { source.pick(&short).into() } else { source.float() }
}

/// Keys of the small key space, a few of which are lists.
fn pop(source: &mut Source, command: &mut Command) {
    command.args.extend((0..6).map(|_| source.key()));
    command.args.push(timeout(source));
}

fn zpop(source: &mut Source, command: &mut Command) {
    command.args.extend((0..4).map(|_| sorted_set::any(source)));
    command.args.push(timeout(source));
}

fn bzmpop(source: &mut Source, command: &mut Command) {
    let keys: Vec<_> = (0..3).map(|_| sorted_set::any(source)).collect();
    command.args.extend([timeout(source), keys.len().to_string().into_bytes()]);
    command.args.extend(keys);
    command.args.push(sorted_set::end(source));
    if source.chance(40) {
        command.args.extend([source.cased("COUNT"), source.small_integer()]);
    }
}

fn blmove(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), source.key(), end(source), end(source), timeout(source)]);
}

fn brpoplpush(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), source.key(), timeout(source)]);
}

fn blmpop(source: &mut Source, command: &mut Command) {
    let keys = source.some_keys();
    command.args.extend([timeout(source), keys.len().to_string().into_bytes()]);
    command.args.extend(keys);
    command.args.push(end(source));
    if source.chance(40) {
        command.args.extend([source.cased("COUNT"), source.small_integer()]);
    }
}
