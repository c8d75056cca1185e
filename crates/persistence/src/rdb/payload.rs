//! What DUMP replies and RESTORE takes, and the same for libraries of functions.
//!
//! ```text
//! [what is noted of the key] | type | value
//!     | version, two bytes, low first | CRC-64, eight bytes, low first
//! F5 | text | ... | version | CRC-64                      (FUNCTION DUMP)
//! ```

use super::crc64::crc64;
use super::dialect::{self, Part, Version};
use super::encoding::Loaded;
use super::format::opcode;
use super::input::Input;
use super::output::{Compression, Output};
use super::template::Templates;
use super::{module, value};
use crate::fault::ReadError;
use crate::record::Builder;
use redstart_engine::Now;
use redstart_engine::storage::entry::Entry;
use redstart_engine::storage::value::ObjectRef;

/// Why a payload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It was damaged on its way, or is from a version that is not known.
    Footer,
    /// It is whole, but not a value.
    Body,
    /// It is whole, but holds something else than libraries.
    NoFunction,
}

const FOOTER: usize = 2 + 8;

/// A value as a payload, of this version or of the lowest that can hold it.
pub fn dump(entry: &Entry, now: Now, version: Version, compression: Compression) -> Vec<u8> {
    let version = version.max(value::version_needed(entry));
    let mut out = Output::new(compression);
    out.raw(&[value::kind(entry, version)]);
    value::write(entry, now, version, &mut out);
    finish(out, version)
}

/// A value that came by a payload as one that every server reads, if the payload is not; without
/// deadlines of fields.
pub fn in_common(payload: &[u8], entry: &Entry, now: Now) -> Option<Vec<u8>> {
    let is_common = open(payload).is_ok_and(|(_, version)| version <= Version::COMMON);
    if is_common {
        return None;
    }
    let mut out = Output::new(Compression::None);
    out.raw(&[value::kind(entry, Version::COMMON)]);
    value::write(entry, now, Version::COMMON, &mut out);
    Some(finish(out, Version::COMMON))
}

/// The fields of a hash that expire, each with its Unix time in milliseconds.
pub fn timed_fields(entry: &Entry, now: Now) -> Vec<(Vec<u8>, i64)> {
    let Some(ObjectRef::Hash(hash)) = entry.object() else { return Vec::new() };
    let timed = hash.iter_timed().filter(|(_, _, deadline_ms)| *deadline_ms != 0);
    timed.map(|(field, _, deadline_ms)| (field.to_vec(), now.wall(deadline_ms))).collect()
}

fn finish(mut out: Output, version: Version) -> Vec<u8> {
    out.raw(&version.number().to_le_bytes());
    let sum = crc64(0, &out.bytes);
    out.raw(&sum.to_le_bytes());
    out.take()
}

/// The body and the version of a payload whose checksum is right.
fn open(payload: &[u8]) -> Result<(&[u8], Version), Refused> {
    let Some((summed, sum)) = payload.split_last_chunk::<8>() else { return Err(Refused::Footer) };
    let Some((body, version)) = summed.split_last_chunk::<2>() else {
        return Err(Refused::Footer);
    };
    let known = Version::known(u16::from_le_bytes(*version));
    let Some(version) = known.filter(|_| u64::from_le_bytes(*sum) == crc64(0, summed)) else {
        return Err(Refused::Footer);
    };
    debug_assert!(payload.len() >= FOOTER);
    Ok((body, version))
}

/// The value in a payload.
///
/// # Errors
/// Why it is refused.
pub fn restore(payload: &[u8], builder: Builder<'_>) -> Result<Loaded, Refused> {
    let (body, version) = open(payload)?;
    let mut input = Input::new("", Box::new(body), body.len() as u64);
    let value = read(&mut input, version, builder).map_err(|_| Refused::Body)?;
    if input.is_empty() && !value.is_empty() { Ok(value) } else { Err(Refused::Body) }
}

fn read(
    input: &mut Input<'_>,
    version: Version,
    builder: Builder<'_>,
) -> Result<Loaded, ReadError> {
    loop {
        let offset = input.at();
        let kind = input.byte()?;
        if kind < opcode::FIRST {
            return value::read(input, kind, version, &Templates::default(), builder);
        }
        match dialect::part(version, kind) {
            Part::NotEvicted => {}
            Part::KeyMetadata => drop(module::pass_over_metadata(input)?),
            Part::Template => return Err(input.fault(offset, "a template in a payload")),
            Part::Refused(what) => return Err(input.fault(offset, what)),
        }
    }
}

/// The texts of libraries as a payload.
pub fn dump_functions<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Output::new(Compression::Lzf);
    for text in texts {
        out.raw(&[opcode::FUNCTION]);
        out.string(text);
    }
    finish(out, Version::COMMON)
}

/// The texts of libraries in a payload.
///
/// # Errors
/// Why it is refused.
pub fn restore_functions(payload: &[u8]) -> Result<Vec<Vec<u8>>, Refused> {
    let (body, _) = open(payload)?;
    let mut input = Input::new("", Box::new(body), body.len() as u64);
    let mut texts = Vec::new();
    while !input.is_empty() {
        if input.byte().map_err(|_| Refused::Body)? != opcode::FUNCTION {
            return Err(Refused::NoFunction);
        }
        texts.push(input.string().map_err(|_| Refused::Body)?);
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_come_back() {
        for len in [1, 63, 64, 16_383, 16_384] {
            let text: Vec<u8> = (0..len).map(|n| (n * n / 7) as u8).collect();
            let dumped = dump_functions([&text[..]].into_iter());
            assert_eq!(restore_functions(&dumped), Ok(vec![text]));
        }
        let empty = [0x0a, 0x00, 0x5d, 0x9b, 0x5c, 0x40, 0x0f, 0x7f, 0xa2, 0xda];
        assert_eq!(dump_functions(std::iter::empty()), empty);
        assert_eq!(restore_functions(b"abc"), Err(Refused::Footer));
    }
}
