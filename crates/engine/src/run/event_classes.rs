//! The classes of keyspace events, and their letters in `notify-keyspace-events`.

/// Classes of events, joined with `|`.
pub type Classes = u16;
/// Commands on keys of any type.
pub const GENERIC: Classes = 1 << 0;
/// Strings.
pub const STRING: Classes = 1 << 1;
/// Lists.
pub const LIST: Classes = 1 << 2;
/// Sets.
pub const SET: Classes = 1 << 3;
/// Hashes.
pub const HASH: Classes = 1 << 4;
/// Sorted sets.
pub const SORTED_SET: Classes = 1 << 5;
/// The end of a key's time.
pub const EXPIRED: Classes = 1 << 6;
/// A key that went because memory was short.
pub const EVICTED: Classes = 1 << 7;
/// Streams.
pub const STREAM: Classes = 1 << 8;
/// Modules.
pub const MODULE: Classes = 1 << 9;
/// A key that was not there before.
pub const NEW: Classes = 1 << 10;
/// Published under the key's name.
pub const KEYSPACE: Classes = 1 << 11;
/// Published under the event's name.
pub const KEYEVENT: Classes = 1 << 12;
/// A look at a key that is not there.
pub const MISSED: Classes = 1 << 13;
/// A value that replaced another one.
pub const OVERWRITTEN: Classes = 1 << 14;
/// A value that replaced one of another type.
pub const TYPE_CHANGED: Classes = 1 << 15;

/// The letters, in the order in which they are written.
const LETTERS: [(Classes, u8); 16] = [
    (GENERIC, b'g'),
    (STRING, b'$'),
    (LIST, b'l'),
    (SET, b's'),
    (HASH, b'h'),
    (SORTED_SET, b'z'),
    (EXPIRED, b'x'),
    (EVICTED, b'e'),
    (STREAM, b't'),
    (MODULE, b'd'),
    (NEW, b'n'),
    (OVERWRITTEN, b'o'),
    (TYPE_CHANGED, b'c'),
    (KEYSPACE, b'K'),
    (KEYEVENT, b'E'),
    (MISSED, b'm'),
];

/// What the letter `A` stands for: the classes of what happens to a key, except that it is new or
/// replaced.
const ALL: Classes =
    GENERIC | STRING | LIST | SET | HASH | SORTED_SET | EXPIRED | EVICTED | STREAM | MODULE;

/// The classes that letters stand for; None if one of them stands for nothing.
pub fn parse(letters: &[u8]) -> Option<Classes> {
    letters.iter().try_fold(0, |classes, letter| {
        let known = LETTERS.iter().find(|(_, known)| known == letter).map(|(class, _)| *class);
        Some(classes | known.or((*letter == b'A').then_some(ALL))?)
    })
}

/// The letters of classes. Redis does not write `n`, `o` and `c` behind `A`, and neither does this.
pub fn format(classes: Classes) -> Vec<u8> {
    let (all, shown) = match classes & ALL {
        ALL => (Some(b'A'), classes & !(ALL | NEW | OVERWRITTEN | TYPE_CHANGED)),
        _ => (None, classes),
    };
    let letters = LETTERS.iter().filter(|(class, _)| shown & class != 0).map(|(_, letter)| *letter);
    all.into_iter().chain(letters).collect()
}
