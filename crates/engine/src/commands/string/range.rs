//! Parts of a string: APPEND, STRLEN, SETRANGE, GETRANGE and its old name SUBSTR.

use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::{NewValue, Value};
use crate::storage::table::Slot;
use redstart_protocol::{Reply, parse_i64};

/// APPEND key value
pub static APPEND: DataCommand = declare("append", Group::String, Exactly(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | INSERT)])
    .since("2.0.0")
    .complexity("O(1) amortized: a string that grows is copied a few times in all.")
    .summary("Appends a string to the value of a key; a missing key is created.")
    .syntax("key value")
    .run(append);

fn append(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, tail) = (call.key(0), call.args.at(2));
    let Some(slot) = call.space.find(key) else {
        let value = call.value(2);
        call.space.put(key, None, value, 0);
        call.emit_as_is();
        call.reply.integer(tail.len() as i64);
        return Ok(());
    };
    let len = call.space.entry(key, slot).string()?.len();
    check_len(call, len as u64, tail.len())?;
    write(call, slot, len, tail);
    Ok(())
}

/// STRLEN key
pub static STRLEN: DataCommand = declare("strlen", Group::String, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO)])
    .since("2.2.0")
    .complexity("O(1)")
    .summary("Returns the length of the string value of a key, in bytes.")
    .syntax("key")
    .run(|call| {
        let key = call.key(0);
        let len = call.space.read_string(key)?.map_or(0, |value| value.len());
        call.reply.integer(len as i64);
        Ok(())
    });

/// SETRANGE key offset value
pub static SETRANGE: DataCommand = declare("setrange", Group::String, Exactly(4))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("2.2.0")
    .complexity(
        "O(M) where M is the length of the value; a string of up to 1 MB that has to \
         grow is copied too.",
    )
    .summary("Overwrites a part of a string from an offset on; a gap is filled with zeros.")
    .syntax("key offset value")
    .run(set_range);

fn set_range(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, part) = (call.key(0), call.args.at(3));
    let offset = parse_i64(&call.args[2]).ok_or(Error::NOT_INTEGER)?;
    let offset = u64::try_from(offset).map_err(|_| Error::OFFSET)?;
    let slot = call.space.find(key);
    let len = match slot {
        Some(slot) => call.space.entry(key, slot).string()?.len(),
        None => 0,
    };
    if part.is_empty() {
        if let Some(slot) = slot {
            call.space.note_left(key, slot);
        }
        call.reply.integer(len as i64);
        return Ok(());
    }
    check_len(call, offset, part.len())?;
    let slot = slot.unwrap_or_else(|| call.space.put(key, None, NewValue::Raw(b""), 0));
    write(call, slot, offset as usize, part);
    Ok(())
}

/// Refuses a string that would end beyond the longest that there may be.
fn check_len(call: &Call<'_>, at: u64, len: usize) -> Result<(), Error> {
    match at.checked_add(len as u64) {
        Some(end) if end <= call.options.string_bytes_max() => Ok(()),
        _ => Err(Error::STRING_TOO_LONG),
    }
}

/// Writes into the first key's string, and replies its new length.
fn write(call: &mut Call<'_>, slot: Slot, at: usize, bytes: &[u8]) {
    let key = call.key(0);
    let len = call.space.modify(key, slot, |entry| entry.write_at(at, bytes));
    call.space.count_changes(1);
    call.emit_as_is();
    call.reply.integer(len as i64);
}

/// GETRANGE key start end
pub static GETRANGE: DataCommand = declare("getrange", Group::String, Exactly(4))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.4.0")
    .complexity("O(N) where N is the length of the returned string; of a long one, O(1).")
    .summary("Returns a part of the string value of a key.")
    .syntax("key start end")
    .run(range);

/// SUBSTR key start end
pub static SUBSTR: DataCommand = Command { name: "substr", ..GETRANGE.spec }
    .since("1.0.0")
    .summary("Returns a part of the string value of a key: the old name of GETRANGE.")
    .run(range);

fn range(call: &mut Call<'_>) -> Result<(), Error> {
    let start = parse_i64(&call.args[2]).ok_or(Error::NOT_INTEGER)?;
    let end = parse_i64(&call.args[3]).ok_or(Error::NOT_INTEGER)?;
    let key = call.key(0);
    match call.space.read_string(key)? {
        None => call.reply.bulk(b""),
        Some(value) => write_part(call.reply, value, start, end),
    }
    Ok(())
}

/// Writes the bytes from `start` to `end`, both included and counted from the end if negative.
fn write_part(reply: &mut Reply, value: Value<'_>, start: i64, end: i64) {
    let len = value.len();
    // What lies before the string's beginning is its beginning.
    let index = |n: i64| match usize::try_from(n) {
        Ok(n) => n,
        Err(_) => len.saturating_sub(n.unsigned_abs() as usize),
    };
    let (first, behind) = (index(start), index(end).saturating_add(1).min(len));
    if first >= behind || (end < 0 && start < 0 && start > end) {
        return reply.bulk(b"");
    }
    match value {
        Value::Large(long) => reply.bulk_pieces(behind - first, long.range(first..behind)),
        _ => value.with(|bytes| reply.bulk(&bytes[first..behind])),
    }
}
