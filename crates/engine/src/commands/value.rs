//! Values on their way between requests, entries and replies, as several families treat them.

use crate::storage::entry::{INLINE_MAX, NewValue, Value};
use redstart_protocol::{Args, Reply};

/// Writes a string value as a bulk reply: long ones by reference.
#[inline]
pub fn write_value(reply: &mut Reply, value: Value<'_>) {
    match value {
        Value::Inline(bytes) => reply.bulk(bytes),
        Value::Int(n) => reply.bulk_integer(n),
        Value::Large(long) => reply.bulk_pieces(long.len(), long.range(0..long.len())),
    }
}

/// Argument `at` as a field's value: by reference where that saves a copy.
#[inline]
pub fn field_value(args: Args<'_>, at: usize) -> NewValue<'_> {
    let bytes = args.at(at);
    if bytes.len() > INLINE_MAX
        && let Some(shared) = args.shared(at)
    {
        return NewValue::Shared(shared);
    }
    NewValue::Str(bytes)
}
