//! Strings.

use super::encoding::{Encoding, Loaded, encoding};
use super::input::{Input, Text};
use super::item::short_number;
use super::output::Output;
use crate::fault::ReadError;
use crate::record::Builder;
use redstart_engine::storage::entry::Value;

/// What is written.
pub const WRITTEN: u8 = 0;

pub static ENCODINGS: &[Encoding] = &[encoding(WRITTEN, read)];

fn read(input: &mut Input<'_>, _: Builder<'_>) -> Result<Loaded, ReadError> {
    Ok(match input.text()? {
        Text::Number(n) => Loaded::Number(n),
        Text::Bytes(bytes) => match short_number(&bytes) {
            Some(n) => Loaded::Number(n),
            None => Loaded::Text(bytes),
        },
    })
}

pub fn write(value: Value<'_>, out: &mut Output) {
    match value {
        Value::Int(n) => out.number(n),
        Value::Inline(bytes) => out.string(bytes),
        Value::Large(long) => long.with(|bytes| out.string(bytes)),
    }
}
