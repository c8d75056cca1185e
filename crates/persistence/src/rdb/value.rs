//! Which types of values there are, and what reads and writes each. A new type adds its file, a
//! line in [`write`] and one in `dialect.rs`.

use super::dialect::{self, Kind, Version};
use super::encoding::Loaded;
use super::foreign;
use super::input::Input;
use super::output::Output;
use super::template::{self, Templates};
use super::{hash, list, module, set, sorted_set, stream, string};
use crate::fault::ReadError;
use crate::record::Builder;
use redstart_engine::Now;
use redstart_engine::storage::entry::Entry;
use redstart_engine::storage::value::ObjectRef;

/// Reads a value of the encoding `kind`.
///
/// # Errors
/// When it is damaged or of a type that does not exist here.
pub fn read(
    input: &mut Input<'_>,
    kind: u8,
    version: Version,
    templates: &Templates,
    builder: Builder<'_>,
) -> Result<Loaded, ReadError> {
    let offset = input.at();
    let name = match dialect::kind(version, kind) {
        Kind::Known(encoding) => return (encoding.read)(input, builder),
        Kind::Templated(form) => return template::read(input, form, templates, builder),
        Kind::Foreign(name, _) => name.to_owned(),
        Kind::Module(_) => module::type_name(input),
        Kind::Unknown => "of an unknown type".to_owned(),
    };
    let what = format!("the value is {name}, encoding {kind}, which does not exist here");
    Err(input.fault(offset, what))
}

/// Passes over a value if its type does not exist here; returns what it is, or none if it can be
/// read.
///
/// # Errors
/// When it is damaged, or where it ends is not known.
pub fn pass_over(
    input: &mut Input<'_>,
    kind: u8,
    version: Version,
) -> Result<Option<String>, ReadError> {
    let offset = input.at();
    let (name, is_over) = match dialect::kind(version, kind) {
        Kind::Known(_) | Kind::Templated(_) => return Ok(None),
        Kind::Foreign(name, shape) => (name.to_owned(), foreign::pass_over(input, shape)?),
        Kind::Module(shape) => {
            let name = module::type_name(input);
            (name, foreign::pass_over(input, shape)?)
        }
        Kind::Unknown => ("of an unknown type".to_owned(), false),
    };
    if is_over {
        return Ok(Some(name));
    }
    let what = format!(
        "the value is {name}, encoding {kind}, which does not exist here, and where it ends is not \
         known: nothing behind it can be read"
    );
    Err(input.fault(offset, what))
}

/// The lowest version of the format that can hold an entry's value.
pub fn version_needed(entry: &Entry) -> Version {
    match entry.object() {
        Some(ObjectRef::Hash(hash)) => hash::version_needed(hash),
        _ => Version::COMMON,
    }
}

/// The encoding's number that an entry's value is written in.
pub fn kind(entry: &Entry, version: Version) -> u8 {
    match entry.object() {
        Some(ObjectRef::List(_)) => list::WRITTEN,
        Some(ObjectRef::Hash(hash)) => hash::written(hash, version),
        Some(ObjectRef::SortedSet(set)) => sorted_set::written(set),
        Some(ObjectRef::Set(set)) => set::written(set, version),
        Some(ObjectRef::Stream(stream)) => stream::written(stream, version),
        None => string::WRITTEN,
    }
}

/// Writes an entry's value.
pub fn write(entry: &Entry, now: Now, version: Version, out: &mut Output) {
    match entry.object() {
        Some(ObjectRef::List(list)) => list::write(list, out),
        Some(ObjectRef::Hash(hash)) => hash::write(hash, now, version, out),
        Some(ObjectRef::SortedSet(set)) => sorted_set::write(set, out),
        Some(ObjectRef::Set(set)) => set::write(set, version, out),
        Some(ObjectRef::Stream(stream)) => stream::write(stream, version, out),
        None => string::write(entry.value(), out),
    }
}
