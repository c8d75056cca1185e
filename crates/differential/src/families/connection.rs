//! Commands on the connection, and what the server says about commands.

use super::Generator;
use crate::source::Source;
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "PING", weight: 6, draw: ping },
    Generator { name: "ECHO", weight: 4, draw: |s, c| c.args.push(s.value()) },
    Generator { name: "SELECT", weight: 12, draw: |s, c| c.args.push(s.database()) },
    Generator { name: "CLIENT", weight: 4, draw: client },
    Generator { name: "COMMAND", weight: 8, draw: command_getkeys },
    Generator { name: "NOSUCHCOMMAND", weight: 3, draw: unknown },
];

fn ping(source: &mut Source, command: &mut Command) {
    if source.chance(50) {
        command.args.push(source.value());
    }
}

fn client(source: &mut Source, command: &mut Command) {
    match source.below(4) {
        0 => command.args.push(source.cased("GETNAME")),
        1 => command.args.extend([source.cased("SETNAME"), source.value()]),
        2 => command.args.extend([source.cased("SETNAME"), b"name".to_vec()]),
        _ => command.args.push(source.pick(&["NOSUCH", "", "get name"]).into()),
    }
}

/// The command that is asked about follows: [`super::Plan::draw`] appends one.
fn command_getkeys(source: &mut Source, command: &mut Command) {
    command.args.push(source.cased("GETKEYS"));
}

fn unknown(source: &mut Source, command: &mut Command) {
    for _ in 0..source.below(5) {
        command.args.push(source.value());
    }
    if source.chance(20) {
        command.args[0] = [b"no-".as_slice(), &source.value()].concat();
    }
}
