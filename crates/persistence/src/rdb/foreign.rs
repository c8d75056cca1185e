//! Values of types that do not exist here: where they end, so that what follows can be read.
//!
//! ```text
//! stream    count | (16 bytes | listpack) ... | length | last id | [first id | deleted | added]
//!           | count | group ... | [time | count | count | producer ... | added | again]
//! group     name | id | [read] | count | (16 bytes | time, 8 | times) ... | count | consumer ...
//! consumer  name | seen, 8 | [active, 8] | count | 16 bytes ...
//! producer  name | count | (name | id) ...
//! id        ms | number                        each in brackets came with a later encoding
//! ```
//!
//! What is passed over is not looked at any closer: whether it means something does not matter
//! here.

use super::input::Input;
use super::module;
use crate::fault::ReadError;

/// How a value is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A stream in the encoding of Redis 5, 7.0, 7.2 or 8.6.
    Stream(u8),
    /// A value of a module, which says itself where it ends: behind its name.
    Module,
    /// It is not known how.
    Unknown,
}

/// The numbers of the encodings of streams.
const READ_COUNTS: u8 = 19;
const ACTIVE_TIMES: u8 = 21;
const PRODUCERS: u8 = 26;

/// The bytes of an entry's id that is not stored as two lengths.
const ID: usize = 16;

/// Passes over a value, if it is known how; returns whether it is.
///
/// # Errors
/// When it is damaged.
pub fn pass_over(input: &mut Input<'_>, shape: Shape) -> Result<bool, ReadError> {
    match shape {
        Shape::Stream(kind) => stream(input, kind)?,
        Shape::Module => module::pass_over_value(input)?,
        Shape::Unknown => return Ok(false),
    }
    Ok(true)
}

fn lengths(input: &mut Input<'_>, count: usize) -> Result<(), ReadError> {
    (0..count).try_for_each(|_| input.length().map(drop))
}

fn stream(input: &mut Input<'_>, kind: u8) -> Result<(), ReadError> {
    for _ in 0..input.count(ID as u64)? {
        input.string()?;
        input.string()?;
    }
    // How many entries there are, and the last id; since 19 three more of them.
    lengths(input, if kind >= READ_COUNTS { 8 } else { 3 })?;
    for _ in 0..input.count(1)? {
        group(input, kind)?;
    }
    if kind >= PRODUCERS {
        lengths(input, 2)?;
        for _ in 0..input.count(1)? {
            input.string()?;
            for _ in 0..input.count(1)? {
                input.string()?;
                lengths(input, 2)?;
            }
        }
        lengths(input, 2)?;
    }
    Ok(())
}

fn group(input: &mut Input<'_>, kind: u8) -> Result<(), ReadError> {
    input.string()?;
    lengths(input, if kind >= READ_COUNTS { 3 } else { 2 })?;
    for _ in 0..input.count(ID as u64)? {
        input.array::<{ ID + 8 }>()?;
        lengths(input, 1)?;
    }
    for _ in 0..input.count(1)? {
        input.string()?;
        input.array::<8>()?;
        if kind >= ACTIVE_TIMES {
            input.array::<8>()?;
        }
        for _ in 0..input.count(ID as u64)? {
            input.array::<ID>()?;
        }
    }
    Ok(())
}
