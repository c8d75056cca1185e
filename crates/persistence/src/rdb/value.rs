//! Which types of values there are, and what reads and writes each. A new type adds its file, a
//! line in `ENCODINGS` and one in [`write`], and leaves [`FOREIGN`].

use super::encoding::{Encoding, Loaded};
use super::format::{VERSION_MIN, VERSION_VALKEY};
use super::input::Input;
use super::output::Output;
use super::{hash, list, string};
use crate::fault::ReadError;
use crate::record::Builder;
use redstart_engine::Now;
use redstart_engine::storage::entry::Entry;
use redstart_engine::storage::value::ObjectRef;

/// All encodings, type by type.
static ENCODINGS: [&[Encoding]; 3] = [string::ENCODINGS, list::ENCODINGS, hash::ENCODINGS];

/// The encodings of modules' types. Their values begin with the module's name, in six bits a
/// letter.
const MODULES: [u8; 2] = [6, 7];

/// The types that exist elsewhere, by their encodings.
static FOREIGN: &[(&[u8], &str)] = &[
    (&[2, 11, 20], "a set"),
    (&[3, 5, 12, 17], "a sorted set"),
    (&MODULES, "a module's type"),
    (&[15, 19, 21], "a stream"),
];

/// Reads a value of the encoding `kind`, which stands at `offset` in front of the key.
///
/// # Errors
/// When it is damaged or of a type that does not exist here.
pub fn read(
    input: &mut Input<'_>,
    kind: u8,
    version: u16,
    builder: Builder<'_>,
) -> Result<Loaded, ReadError> {
    let known = if version == VERSION_VALKEY && kind >= hash::VALKEY.kind {
        // From there on the numbers mean something else than Redis's.
        (kind == hash::VALKEY.kind).then_some(&hash::VALKEY)
    } else {
        ENCODINGS.iter().copied().flatten().find(|encoding| encoding.kind == kind)
    };
    match known {
        Some(encoding) => (encoding.read)(input, builder),
        None => Err(refuse(input, kind)),
    }
}

fn refuse(input: &mut Input<'_>, kind: u8) -> ReadError {
    let offset = input.at();
    let foreign = FOREIGN.iter().find(|(kinds, _)| kinds.contains(&kind));
    let name = foreign.map_or("of an unknown type", |(_, name)| name);
    let module = if MODULES.contains(&kind) { module(input) } else { String::new() };
    let what = format!("the value is {name}{module}, encoding {kind}, which does not exist here");
    input.fault(offset, what)
}

/// A module's name, which comes first in whatever a module wrote, if it is there.
pub fn module(input: &mut Input<'_>) -> String {
    input.length().map_or(String::new(), |id| format!(" ({})", module_name(id)))
}

/// The name in a module type's number: nine letters of six bits above ten bits of a version.
fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).map(|at| char::from(LETTERS[(id >> (58 - 6 * at)) as usize & 63])).collect()
}

/// The lowest version of the format that can hold an entry's value.
pub fn version_needed(entry: &Entry) -> u16 {
    match entry.object() {
        Some(ObjectRef::Hash(hash)) => hash::version_needed(hash),
        Some(ObjectRef::List(_)) | None => VERSION_MIN,
    }
}

/// The encoding's number that an entry's value is written in.
pub fn kind(entry: &Entry) -> u8 {
    match entry.object() {
        Some(ObjectRef::List(_)) => list::WRITTEN,
        Some(ObjectRef::Hash(hash)) => hash::written(hash),
        None => string::WRITTEN,
    }
}

/// Writes an entry's value.
pub fn write(entry: &Entry, now: Now, out: &mut Output) {
    match entry.object() {
        Some(ObjectRef::List(list)) => list::write(list, out),
        Some(ObjectRef::Hash(hash)) => hash::write(hash, now, out),
        None => string::write(entry.value(), out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_one_thing() {
        let known = ENCODINGS.iter().copied().flatten().map(|encoding| encoding.kind);
        let foreign = FOREIGN.iter().flat_map(|(kinds, _)| kinds.iter().copied());
        let mut all: Vec<u8> = known.chain(foreign).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_module_is_named() {
        assert_eq!(module_name(0x44_9d_a5_2b_62_c0_00_00), "RJ2lK2LAA");
    }
}
