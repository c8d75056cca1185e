//! Transactions: what stands between MULTI and EXEC is drawn from the whole plan.

use super::Generator;
use crate::source::Source;
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "MULTI", weight: 14, draw: multi },
    Generator { name: "EXEC", weight: 2, draw: |_, _| () },
    Generator { name: "DISCARD", weight: 2, draw: |_, _| () },
    Generator { name: "WATCH", weight: 8, draw: |s, c| c.args.extend(s.some_keys()) },
    Generator { name: "UNWATCH", weight: 1, draw: |_, _| () },
];

fn multi(source: &mut Source, _: &mut Command) {
    source.begin_transaction();
}

/// How a transaction ends.
pub fn end(source: &mut Source) -> Command {
    let name = if source.chance(90) { "EXEC" } else { "DISCARD" };
    Command::new([source.cased(name)])
}
