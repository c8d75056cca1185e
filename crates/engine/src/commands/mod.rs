//! Every data command, one file a family. A command is one static (its declaration), one handler
//! behind it, and one transcript in `tests/conformance`.

pub mod arguments;
pub mod bitmap;
pub mod cache;
pub mod expiry;
pub mod geo;
pub mod hash;
pub mod help;
pub mod hyperloglog;
pub mod key;
pub mod list;
pub mod memcached;
pub mod object;
pub mod parts;
pub(crate) mod runs;
pub mod scan;
pub mod set;
pub mod sort;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod value;
pub mod waiting;

use crate::run::command::Declared;

/// All data commands.
pub fn all() -> impl Iterator<Item = Declared> {
    let families = [
        string::COMMANDS,
        bitmap::COMMANDS,
        hyperloglog::COMMANDS,
        list::COMMANDS,
        object::COMMANDS,
        sort::COMMANDS,
        key::COMMANDS,
        hash::COMMANDS,
        geo::COMMANDS,
        set::COMMANDS,
        sorted_set::COMMANDS,
        stream::COMMANDS,
        cache::COMMANDS,
        memcached::COMMANDS,
        stream::group::COMMANDS,
        stream::info::COMMANDS,
    ];
    let data = families.into_iter().flatten().map(|command| Declared::from(*command));
    let waiting = [list::WAITING, sorted_set::WAITING, stream::WAITING, cache::WAITING];
    let waiting = waiting.into_iter().flatten().map(|command| Declared::from(*command));
    let containers = [&object::OBJECT, &stream::group::XGROUP, &stream::info::XINFO];
    data.chain(waiting).chain(containers.map(Declared::session))
}

/// The longest reply of members that are drawn any number of times each, where all of it is made at
/// once: a count is no data, and may be what it likes.
pub(crate) fn drawn_bytes_max(options: &crate::options::Options) -> usize {
    const AT_ONCE: usize = 8 << 20;
    AT_ONCE.min(options.string_bytes_max() as usize)
}

/// Elements of a collection of which each is passed once, and taken with the chance that as many of
/// those left are still to be taken.
pub(crate) struct Lottery {
    /// How many are yet to be passed.
    pub left: usize,
    /// How many of them are to be taken.
    pub wanted: usize,
    random: fastrand::Rng,
}

impl Lottery {
    /// Elements that are passed in one piece of a reply.
    pub const PASSED_AT_ONCE: u64 = 1 << 16;

    /// To take so many of `len` elements; None where they are better drawn one by one.
    pub fn of_many(wanted: usize, len: usize, random: &fastrand::Rng) -> Option<Lottery> {
        const ONE_BY_ONE: usize = 100_000;
        let many = wanted >= len / 16 || wanted > ONE_BY_ONE;
        many.then(|| Lottery { left: len, wanted, random: random.clone() })
    }

    /// Whether the next element is taken.
    #[inline]
    pub fn takes(&mut self) -> bool {
        let takes = self.wanted > 0 && self.random.usize(..self.left.max(1)) < self.wanted;
        self.wanted -= usize::from(takes);
        self.left = self.left.saturating_sub(1);
        takes
    }
}
