//! Where a command's keys are, and the one iterator over them. Locks, ACL patterns and COMMAND
//! GETKEYS all use it, so that they cannot disagree about what a key is.

use crate::error::Error;
use redstart_protocol::{Args, parse_i64};

/// A key of the request: its name and its hash.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The name.
    pub bytes: &'a [u8],
    /// Its hash in this keyspace.
    pub hash: u64,
}

/// A key of a prepared request: where it is among the arguments, and its hash.
#[derive(Clone, Copy, Debug)]
pub struct KeyAt {
    /// The argument's index.
    pub arg: u32,
    /// The key's hash.
    pub hash: u64,
}

/// What a command does with a key: key-spec flags, joined with `|`.
pub type Access = u16;
/// Reads only.
pub const RO: Access = 1 << 0;
/// Reads and writes.
pub const RW: Access = 1 << 1;
/// Overwrites without reading.
pub const OW: Access = 1 << 2;
/// Removes.
pub const RM: Access = 1 << 3;
/// The value, or a part of it, is returned or copied.
pub const ACCESS: Access = 1 << 4;
/// The value is changed, depending on what it was.
pub const UPDATE: Access = 1 << 5;
/// Data is added, nothing is lost.
pub const INSERT: Access = 1 << 6;
/// Content is deleted.
pub const DELETE: Access = 1 << 7;
/// The flags depend on the arguments.
pub const VARIABLE: Access = 1 << 8;

/// Not a key, but routed like one in a cluster: a shard channel.
pub const NOT_KEY: Access = 1 << 9;
/// Specs that COMMAND shows do not say where all keys are.
pub const INCOMPLETE: Access = 1 << 10;

/// The names of key-spec flags, in COMMAND's order.
pub const ACCESS_NAMES: &[(Access, &str)] = &[
    (RO, "RO"),
    (RW, "RW"),
    (OW, "OW"),
    (RM, "RM"),
    (ACCESS, "access"),
    (UPDATE, "update"),
    (INSERT, "insert"),
    (DELETE, "delete"),
    (NOT_KEY, "not_key"),
    (INCOMPLETE, "incomplete"),
    (VARIABLE, "variable_flags"),
];

/// Where some of a command's keys are.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// Where to begin.
    pub begin: Begin,
    /// How to go on from there.
    pub find: Find,
    /// What is done with them.
    pub access: Access,
}

/// Where the keys of a spec begin.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// At an argument index.
    Index(u16),
    /// At an argument index, if a function says that a key is there.
    IndexIf(u16, fn(Args<'_>) -> bool),
    /// Behind a keyword, searched from an index (negative: from the end backwards).
    Keyword(&'static str, i16),
    /// Behind an option, whose keyword COMMAND shows as searched from an index, and which a
    /// function finds among the others.
    Option(&'static str, i16, fn(Args<'_>) -> Option<usize>),
    /// Where a function finds it; COMMAND calls it unknown.
    Search(fn(Args<'_>) -> Option<usize>),
}

/// How many keys there are from the beginning on.
#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// Up to `last` (relative to the beginning; negative: from the end), every `step`th.
    Range {
        /// The last key, relative to the first when not negative, else from the end.
        last: i32,
        /// The distance between keys.
        step: u16,
    },
    /// The beginning is a count of keys, which follow `first` behind it, every `step`th.
    KeyNum {
        /// Where the first key is, relative to the count.
        first: u16,
        /// The distance between keys.
        step: u16,
    },
    /// The first half of what follows; with each key goes an argument of the other half.
    Half,
    /// Keys that no argument names, anywhere in the keyspace.
    Anywhere,
}

impl KeySpec {
    /// One key at an index.
    pub const fn at(index: u16, access: Access) -> KeySpec {
        KeySpec { begin: Begin::Index(index), find: Find::Range { last: 0, step: 1 }, access }
    }

    /// Every `step`th argument from an index to the last one.
    pub const fn from(index: u16, step: u16, access: Access) -> KeySpec {
        KeySpec { begin: Begin::Index(index), find: Find::Range { last: -1, step }, access }
    }

    /// A count at an index, then so many keys, every `step`th.
    pub const fn counted(index: u16, step: u16, access: Access) -> KeySpec {
        let find = Find::KeyNum { first: 1, step };
        KeySpec { begin: Begin::Index(index), find, access }
    }
}

/// Calls `f` with the argument index of every key, in the order of the specs.
///
/// # Errors
/// When a count of keys is no number, not positive, or counts more than there are arguments.
pub fn each_key(
    specs: &[KeySpec],
    args: Args<'_>,
    mut f: impl FnMut(usize, Access),
) -> Result<(), Error> {
    let mut specs = specs.iter().filter(|spec| spec.access & NOT_KEY == 0);
    specs.try_for_each(|spec| each_of_spec(spec, args, &mut f))
}

/// Whether the arguments make a command read keys that none of them names.
pub fn reaches_anywhere(specs: &[KeySpec], args: Args<'_>) -> bool {
    let reaches =
        |spec: &KeySpec| matches!(spec.find, Find::Anywhere) && begin(spec, args).is_some();
    specs.iter().any(reaches)
}

fn each_of_spec(
    spec: &KeySpec,
    args: Args<'_>,
    f: &mut impl FnMut(usize, Access),
) -> Result<(), Error> {
    let Some(begin) = begin(spec, args) else { return Ok(()) };
    match spec.find {
        Find::Range { last, step } => {
            let end = if last >= 0 {
                begin + last as usize
            } else {
                (args.len() as i64 + last as i64).max(0) as usize
            };
            (begin..=end.min(args.len() - 1)).step_by(step as usize).for_each(|at| {
                f(at, spec.access);
            });
        }
        Find::Half => {
            let count = (args.len() - begin) / 2;
            (begin..begin + count).for_each(|at| f(at, spec.access));
        }
        Find::Anywhere => {}
        Find::KeyNum { first, step } => {
            let count = args.get(begin).and_then(parse_i64).ok_or(Error::GETKEYS_INVALID)?;
            let room = args.len().saturating_sub(begin + first as usize).div_ceil(step as usize);
            if count < 1 || count as u64 > room as u64 {
                return Err(Error::GETKEYS_INVALID);
            }
            let first = begin + first as usize;
            (0..count as usize).for_each(|n| f(first + n * step as usize, spec.access));
        }
    }
    Ok(())
}

fn begin(spec: &KeySpec, args: Args<'_>) -> Option<usize> {
    let at = match spec.begin {
        Begin::Index(at) => at as usize,
        Begin::IndexIf(at, is_key) => is_key(args).then_some(at as usize)?,
        Begin::Search(search) | Begin::Option(_, _, search) => search(args)?,
        Begin::Keyword(word, from) => {
            let is = |at: &usize| args[*at].eq_ignore_ascii_case(word.as_bytes());
            let from_end = (args.len() as i64 + from as i64).max(0) as usize;
            1 + if from >= 0 {
                (from as usize..args.len()).find(is)?
            } else {
                (1..=from_end.min(args.len() - 1)).rev().find(is)?
            }
        }
    };
    (at < args.len()).then_some(at)
}
