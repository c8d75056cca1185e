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

use crate::run::command::Declared;

/// All data commands.
pub fn all() -> impl Iterator<Item = Declared> {
    let families =
        [string::COMMANDS, list::COMMANDS, object::COMMANDS, sort::COMMANDS].into_iter().flatten();
    let data = families.copied().chain(key::commands()).chain(hash::commands());
    data.map(Declared::from)
        .chain(list::WAITING.iter().map(|command| Declared::from(*command)))
        .chain([Declared::session(&object::OBJECT)])
}
