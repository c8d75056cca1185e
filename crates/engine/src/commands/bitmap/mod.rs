//! Bitmaps: strings whose bits are set, counted, searched and combined, or read as small integers.

mod bit;
mod combine;
mod count;
mod field;

use crate::error::Error;
use crate::options::Options;
use crate::run::command::DataCommand;
use redstart_protocol::parse_i64;

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[
    &bit::GETBIT,
    &bit::SETBIT,
    &combine::BITOP,
    &count::BITCOUNT,
    &count::BITPOS,
    &field::BITFIELD,
    &field::BITFIELD_RO,
];

/// An argument as the place of a bit, or with `#` before it as the place of the `width`th one.
fn bit_offset(word: &[u8], width: Option<u32>, options: &Options) -> Result<usize, Error> {
    let (word, factor) = match (word, width) {
        ([b'#', number @ ..], Some(width)) => (number, u64::from(width)),
        _ => (word, 1),
    };
    let offset = parse_i64(word).and_then(|offset| u64::try_from(offset).ok());
    let offset = offset.and_then(|offset| offset.checked_mul(factor));
    let offset = offset.filter(|offset| offset / 8 < options.string_bytes_max());
    offset.and_then(|offset| usize::try_from(offset).ok()).ok_or(Error::BIT_OFFSET)
}
