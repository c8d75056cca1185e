//! Bitmaps: strings whose bits are set, counted, searched and combined, or read as small integers.

mod bit;
mod combine;
mod count;
mod field;

use crate::error::Error;
use crate::options::Options;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::Key;
use crate::storage::table::Slot;
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

/// Makes a number text, as a command does that looks at its bits to change them.
fn make_text(call: &mut Call<'_>, key: Key<'_>, slot: Slot) {
    if call.space.entry(key, slot).encoding() != "raw" {
        call.space.reshape(key, slot, |entry| {
            let first = [entry.value().at(0).unwrap_or(0)];
            entry.write_at(0, &first)
        });
    }
}

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
