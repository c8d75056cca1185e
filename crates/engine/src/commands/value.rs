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

/// A number as Redis 8 reads it for a look, not to store it: no blanks around it, up to the first
/// zero byte, not in hexadecimal; nothing is zero, and what is too large is infinite.
pub fn parse_lenient(text: &[u8]) -> Option<f64> {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let text = &text[..end];
    if text.is_empty() {
        return Some(0.0);
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|number: &f64| !number.is_nan())
}
