//! Every data command, one file a family. A command is one static (its declaration), one handler
//! behind it, and one transcript in `tests/conformance`.

pub mod expiry;
pub mod hash;
pub mod key;
pub mod list;
pub mod object;
pub mod scan;
pub mod sort;
pub mod string;

use crate::spec::Command;

/// All data commands.
pub fn all() -> impl Iterator<Item = &'static Command> {
    let tables =
        [string::COMMANDS, list::COMMANDS, object::COMMANDS, sort::COMMANDS].into_iter().flatten();
    tables.copied().chain(key::commands()).chain(hash::commands())
}
