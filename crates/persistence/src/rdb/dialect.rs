//! Whose numbers a file or a payload uses. Redis and Valkey share the format up to version 11; from
//! there on each counts for itself, and the same number means different things:
//!
//! ```text
//!                 Redis, 12 to 16                          Valkey, 80 and 81
//! type 22, 23     hashes with deadlines of Redis 7.4 RC    a hash with deadlines | a path hash
//! type 24 .. 37   hashes, streams, arrays, sets            none
//! part 241        the next key is not evicted              none
//! part 242        the fields of a hash template            a command that ran meanwhile
//! part 243        what modules note of the next key        how far a slot's import is
//! ```
//!
//! A file says by its magic whose it is. A payload of DUMP has no magic: there the version alone
//! tells, for none is used by both. No other file of this crate looks at a number above 21 or below
//! 244 without asking here.

use super::encoding::Encoding;
use super::foreign::Shape;
use super::format::{HEAD, MAGIC, MAGIC_VALKEY, opcode};
use super::template::Form;
use super::{hash, list, set, sorted_set, stream, string};
use std::fmt;

/// The newest version of Redis's that is read: that of Redis 8.12.
const REDIS_MAX: u16 = 16;
/// The first and the newest version of Valkey's own that are read: of Valkey 9.0 and 9.2.
const VALKEY_MIN: u16 = 80;
const VALKEY_MAX: u16 = 81;
/// Files from this version on end with a checksum.
const SUMMED_FROM: u16 = 5;

/// Whose numbers are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Redis's; up to version 11 Valkey's, too.
    Redis,
    /// Valkey's.
    Valkey,
}

/// The version of a file or a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u16);

impl Version {
    /// What Redis 7.0 and all newer servers of both makers read.
    pub const COMMON: Version = Version(10);
    /// The first that can hold packed sets.
    pub const PACKED_SETS: Version = Version(11);
    /// The first that can hold deadlines of fields, as can all that are greater.
    pub const TIMED: Version = Version(12);
    /// What is written when it is asked for: `rdb-version`, `redstart convert --rdb-version`.
    pub const WRITTEN: [Version; 5] =
        [Version::COMMON, Version(11), Version::TIMED, Version(13), Version(VALKEY_MIN)];

    /// The version of this number, if it is known.
    pub fn known(number: u16) -> Option<Version> {
        matches!(number, 1..=REDIS_MAX | VALKEY_MIN..=VALKEY_MAX).then_some(Version(number))
    }

    /// The version of this number, if it can be written.
    pub fn written(number: u16) -> Option<Version> {
        Version::WRITTEN.into_iter().find(|version| version.0 == number)
    }

    /// The version that a file's head says.
    ///
    /// # Errors
    /// In which byte the fault is, and what it is.
    pub fn of_head(head: &[u8; HEAD]) -> Result<Version, (u64, String)> {
        let (magic, maker) = if head.starts_with(MAGIC_VALKEY) {
            (MAGIC_VALKEY.len(), Maker::Valkey)
        } else if head.starts_with(MAGIC) {
            (MAGIC.len(), Maker::Redis)
        } else {
            return Err((0, "it is not an RDB file".to_owned()));
        };
        let digits = &head[magic..];
        let number = digits.iter().try_fold(0u16, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0'))
        });
        let version = number.and_then(Version::known).filter(|version| version.maker() == maker);
        version.ok_or_else(|| {
            let digits = digits.escape_ascii();
            let known = match maker {
                Maker::Redis => format!("1 to {REDIS_MAX}"),
                Maker::Valkey => format!("{VALKEY_MIN} and {VALKEY_MAX}"),
            };
            let what = format!("a version of RDB that is not known: {digits}, not {known}");
            (magic as u64, what)
        })
    }

    /// A file's head.
    pub fn head(self) -> String {
        match self.maker() {
            Maker::Redis => format!("REDIS{:04}", self.0),
            Maker::Valkey => format!("VALKEY{:03}", self.0),
        }
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }

    /// Whose numbers are used.
    pub fn maker(self) -> Maker {
        if self.0 >= VALKEY_MIN { Maker::Valkey } else { Maker::Redis }
    }

    /// Whether it can hold what a stream's producers have sent.
    pub fn has_producers(self) -> bool {
        self.maker() == Maker::Redis && self.0 >= 13
    }

    /// Whether files of it end with a checksum.
    pub fn is_summed(self) -> bool {
        self.0 >= SUMMED_FROM
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RDB {}", self.0)
    }
}

/// What the number in front of a value says.
pub enum Kind {
    /// It is read as this encoding.
    Known(&'static Encoding),
    /// It is a hash whose fields' names are a template's.
    Templated(Form),
    /// It is of a type that does not exist here: which, and how it is passed over.
    Foreign(&'static str, Shape),
    /// It is of a module's type, whose name comes first.
    Module(Shape),
    /// No server that is known writes it.
    Unknown,
}

/// The encodings that both makers have.
static COMMON: [&[Encoding]; 6] = [
    string::ENCODINGS,
    list::ENCODINGS,
    hash::ENCODINGS,
    sorted_set::ENCODINGS,
    set::ENCODINGS,
    stream::ENCODINGS,
];

/// What `kind` says in front of a value.
pub fn kind(version: Version, kind: u8) -> Kind {
    let of = |encodings: &'static [Encoding]| encodings.iter().find(|known| known.kind == kind);
    let own: &[&[Encoding]] = match version.maker() {
        Maker::Redis => &[hash::TIMED_OF_REDIS, stream::OF_REDIS],
        Maker::Valkey => &[hash::TIMED_OF_VALKEY],
    };
    if let Some(encoding) = COMMON.iter().chain(own).find_map(|encodings| of(encodings)) {
        return Kind::Known(encoding);
    }
    match (version.maker(), kind) {
        // Modules of before Redis 4 did not say where their values end.
        (_, 6) => Kind::Module(Shape::Unknown),
        (_, 7) => Kind::Module(Shape::Module),
        (Maker::Redis, 28) => Kind::Foreign("an array", Shape::Unknown),
        (Maker::Redis, 29..=32) => Kind::Templated(match kind {
            29 => Form::Packed,
            30 => Form::PackedByNumber,
            31 => Form::Plain,
            _ => Form::PlainByNumber,
        }),
        (Maker::Redis, 33) => Kind::Foreign("a rate limiter (GCRA)", Shape::Unknown),
        (Maker::Redis, 34..=37) => {
            let what = "a set whose members expire, or a compressed bitmap";
            Kind::Foreign(what, Shape::Unknown)
        }
        (Maker::Valkey, 23) => Kind::Foreign("a path hash", Shape::Unknown),
        _ => Kind::Unknown,
    }
}

/// A part that only one maker has.
pub enum Part {
    /// The next key is not evicted.
    NotEvicted,
    /// The names of fields that hashes refer to.
    Template,
    /// What modules note of the next key.
    KeyMetadata,
    /// What must be neither read nor passed over.
    Refused(&'static str),
}

/// What `number` says where a type could stand, if it is not one that both makers have.
pub fn part(version: Version, number: u8) -> Part {
    match (version.maker(), number) {
        (Maker::Redis, 241) => Part::NotEvicted,
        (Maker::Redis, 242) => Part::Template,
        (Maker::Redis, 243) => Part::KeyMetadata,
        (Maker::Valkey, 242) => Part::Refused("a command that ran while the file was written"),
        (Maker::Valkey, 243) => Part::Refused("the import of a cluster's slot, half done"),
        (_, opcode::FUNCTION_UNRELEASED) => {
            Part::Refused("a library of functions as no released server writes it")
        }
        _ => Part::Refused("a part of an unknown kind"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_one_thing() {
        for own in [&[hash::TIMED_OF_REDIS, stream::OF_REDIS][..], &[hash::TIMED_OF_VALKEY]] {
            let all = COMMON.iter().chain(own).copied().flatten();
            let mut all: Vec<u8> = all.map(|encoding| encoding.kind).collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count);
        }
    }

    #[test]
    fn a_head_is_read_as_it_is_written() {
        for number in 0..1000 {
            let Some(version) = Version::known(number) else { continue };
            let head = version.head();
            let head: &[u8; HEAD] = head.as_bytes().try_into().expect("it has nine bytes");
            assert_eq!(Version::of_head(head), Ok(version));
        }
        for (head, at) in [
            (b"REDIS0000", 5),
            (b"REDIS0017", 5),
            (b"REDIS0080", 5),
            (b"REDIS9999", 5),
            (b"REDIS001x", 5),
            (b"VALKEY079", 6),
            (b"VALKEY011", 6),
            (b"VALKEY082", 6),
            (b"VALKEY-80", 6),
            (b"REDSTART1", 0),
        ] {
            let found = Version::of_head(head).map_err(|(at, _)| at);
            assert_eq!(found, Err(at), "{}", head.escape_ascii());
        }
    }

    /// What stands at the top of this file.
    #[test]
    fn the_same_number_means_different_things() {
        let [redis, valkey] = [16, 81].map(|number| Version::known(number).expect("it is known"));
        let known = |version, number| match kind(version, number) {
            Kind::Known(encoding) => Some(std::ptr::from_ref(encoding)),
            _ => None,
        };
        assert!(known(redis, 22) != known(valkey, 22));
        assert!(known(redis, 22).is_some() && known(valkey, 22).is_some());
        assert!(known(redis, 23).is_some());
        assert!(matches!(kind(valkey, 23), Kind::Foreign("a path hash", _)));
        for number in 24..=37 {
            assert!(!matches!(kind(redis, number), Kind::Unknown), "{number}");
            assert!(matches!(kind(valkey, number), Kind::Unknown), "{number}");
        }
        assert!(matches!(kind(redis, 38), Kind::Unknown));
        assert!(matches!(part(redis, 241), Part::NotEvicted));
        assert!(matches!(part(redis, 242), Part::Template));
        assert!(matches!(part(redis, 243), Part::KeyMetadata));
        for number in [241, 242, 243] {
            assert!(matches!(part(valkey, number), Part::Refused(_)), "{number}");
        }
        for number in 0..22 {
            assert_eq!(known(redis, number), known(valkey, number), "{number}");
        }
    }
}
