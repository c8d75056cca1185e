//! Every data command, one file a family. A command is one static (its declaration), one handler
//! behind it, and one transcript in `tests/conformance`.

pub mod arguments;
pub mod expiry;
pub mod geo;
pub mod hash;
pub mod key;
pub mod list;
pub mod object;
pub mod parts;
pub mod scan;
pub mod set;
pub mod sort;
pub mod sorted_set;
pub mod string;
pub mod value;
pub mod waiting;

use crate::run::command::Declared;

/// All data commands.
pub fn all() -> impl Iterator<Item = Declared> {
    let families = [
        string::COMMANDS,
        list::COMMANDS,
        object::COMMANDS,
        sort::COMMANDS,
        key::COMMANDS,
        hash::COMMANDS,
        geo::COMMANDS,
        set::COMMANDS,
        sorted_set::COMMANDS,
    ];
    let data = families.into_iter().flatten().map(|command| Declared::from(*command));
    let waiting = [list::WAITING, sorted_set::WAITING];
    let waiting = waiting.into_iter().flatten().map(|command| Declared::from(*command));
    data.chain(waiting).chain([Declared::session(&object::OBJECT)])
}

/// The longest reply of members that are drawn any number of times each, where all of it is made at
/// once: a count is no data, and may be what it likes.
pub(crate) fn drawn_bytes_max(options: &crate::options::Options) -> usize {
    const AT_ONCE: usize = 8 << 20;
    AT_ONCE.min(options.string_bytes_max() as usize)
}
