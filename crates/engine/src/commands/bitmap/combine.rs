//! BITOP: bits of several strings make one.

use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::event_classes::STRING;
use crate::spec::*;
use crate::storage::bits::{self, Combine};
use crate::storage::entry::{Entry, INLINE_MAX, Long, NewValue, Value};
use crate::storage::value::Type;
use std::ops::{ControlFlow, Range};

/// So many bytes are combined at once: of all strings they fit in the first cache.
const BLOCK_BYTES: usize = 8 * 1024;

/// BITOP <AND | OR | ...> destkey key [key ...]
pub static BITOP: DataCommand = declare("bitop", Group::Bitmap, AtLeast(4))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(2, OW | UPDATE), KeySpec::from(3, 1, RO | ACCESS)])
    .since("2.6.0")
    .complexity("O(N)")
    .summary("Combines the bits of strings, and stores the result.")
    .syntax("<AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]")
    .run(bit_op);

const WAYS: &[(&str, Combine)] = &[
    ("AND", Combine::And),
    ("OR", Combine::Or),
    ("XOR", Combine::Xor),
    ("NOT", Combine::Not),
    ("DIFF", Combine::Diff),
    ("DIFF1", Combine::Diff1),
    ("ANDOR", Combine::AndOr),
    ("ONE", Combine::One),
];

fn bit_op(call: &mut Call<'_>) -> Result<(), Error> {
    let word = call.args.at(1);
    let way = WAYS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    let (name, how) = *way.ok_or(Error::SYNTAX)?;
    let sources = call.args.len() - 3;
    if how == Combine::Not && sources != 1 {
        return Err(Error::BITOP_NOT);
    }
    if how.first_to_combine() > 0 && sources < 2 {
        return Err(Error::two_source_keys(name));
    }
    for key in call.keys().skip(1) {
        call.space.read_string(key)?;
    }
    let target = call.key(0);
    let values: Vec<Option<Value<'_>>> = {
        let keys = call.keys().skip(1);
        keys.map(|key| call.space.peek(key).map(Entry::value)).collect()
    };
    let lens = values.iter().flatten().map(Value::len);
    let len = lens.max().unwrap_or(0);
    let made = Long::made_of(len, |range, made| append(how, &values, range, made));
    drop(values);
    let slot = call.space.find(target);
    if len > 0 {
        let text = if len <= INLINE_MAX { made.to_vec() } else { Vec::new() };
        let value = if text.is_empty() { NewValue::Long(made) } else { NewValue::Raw(&text) };
        call.space.note_overwrite(target, slot, Type::Str);
        let slot = call.space.put(target, slot, value, 0);
        if how.is_new() {
            // Older servers have no such operation.
            if call.space.listened_to() {
                call.space.emit_set(target, slot);
            }
        } else {
            call.emit_as_is();
            call.space.note_event(STRING, "set", target);
        }
    } else if let Some(slot) = slot {
        call.space.remove(target, slot);
        call.space.emit(|| [&b"DEL"[..], target.bytes]);
    }
    call.reply.integer(len as i64);
    Ok(())
}

/// Appends the bytes of a range of the result.
fn append(how: Combine, values: &[Option<Value<'_>>], range: Range<usize>, made: &mut Vec<u8>) {
    let mut twice = Vec::new();
    for from in range.clone().step_by(BLOCK_BYTES) {
        let block = from..range.end.min(from + BLOCK_BYTES);
        let begin = made.len();
        let (first, others) = values.split_at(how.first_to_combine() + 1);
        with_block(&first[first.len() - 1], block.clone(), |bytes| made.extend_from_slice(bytes));
        made.resize(begin + block.len(), 0);
        if how == Combine::One {
            twice.clear();
            twice.resize(block.len(), 0);
        }
        for value in others {
            with_block(value, block.clone(), |bytes| {
                bits::combine(how, &mut made[begin..], bytes, &mut twice);
            });
        }
        with_block(&values[0], block, |bytes| {
            bits::finish(how, &mut made[begin..], bytes, &twice);
        });
    }
}

/// Calls `f` once with those bytes of a block that a string has. A block lies in one part of it.
fn with_block(value: &Option<Value<'_>>, block: Range<usize>, mut f: impl FnMut(&[u8])) {
    let len = value.map_or(0, |value| value.len());
    let block = block.start.min(len)..block.end.min(len);
    match value {
        Some(value) if !block.is_empty() => {
            value.walk(block, |piece| {
                f(piece);
                ControlFlow::<()>::Continue(())
            });
        }
        _ => f(b""),
    }
}
