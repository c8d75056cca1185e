//! One bit of a string: SETBIT, GETBIT.

use super::{bit_offset, make_text};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::bits::{bit, with_bit};
use crate::storage::entry::NewValue;

/// SETBIT key offset value
pub static SETBIT: DataCommand = declare("setbit", Group::Bitmap, Exactly(4))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("2.2.0")
    .complexity("O(1)")
    .summary("Sets or clears a bit of a string, which grows with zeros as far as it has to.")
    .syntax("key offset value")
    .run(set_bit);

fn set_bit(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let at = bit_offset(call.args.at(2), None, call.options)?;
    let on = match call.args.at(3) {
        b"0" => false,
        b"1" => true,
        _ => return Err(Error::BIT_VALUE),
    };
    let slot = call.space.find(key);
    let old = match slot {
        Some(slot) => call.space.entry(key, slot).string()?.at(at / 8),
        None => None,
    };
    let new = [with_bit(old.unwrap_or(0), at, on)];
    let slot = slot.unwrap_or_else(|| call.space.put(key, None, NewValue::Raw(b""), 0));
    if old == Some(new[0]) {
        // Nothing changes but that a number is text from now on.
        make_text(call, key, slot);
        call.space.note_left(key, slot);
    } else {
        call.space.modify(key, slot, |entry| entry.write_at(at / 8, &new));
        call.space.count_changes(1);
        call.emit_as_is();
    }
    call.reply.integer(i64::from(old.is_some_and(|byte| bit(byte, at))));
    Ok(())
}

/// GETBIT key offset
pub static GETBIT: DataCommand = declare("getbit", Group::Bitmap, Exactly(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.2.0")
    .complexity("O(1)")
    .summary("Returns a bit of a string; beyond its end all bits are zero.")
    .syntax("key offset")
    .run(|call| {
        let key = call.key(0);
        let at = bit_offset(call.args.at(2), None, call.options)?;
        let byte = call.space.read_string(key)?.and_then(|value| value.at(at / 8));
        call.reply.integer(i64::from(byte.is_some_and(|byte| bit(byte, at))));
        Ok(())
    });
