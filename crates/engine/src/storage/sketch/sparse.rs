//! Runs of equal registers, as long as there are few that are not zero.
//!
//! ```text
//! 00llllll            1 to 64 registers that are zero
//! 01llllll llllllll   1 to 16,384 that are zero
//! 1vvvvvll            1 to 4 whose value is 1 to 32
//! ```

use super::{Damaged, HEADER_BYTES, REGISTERS};
use std::ops::Range;

/// The highest value of a run.
const VALUE_MAX: u8 = 32;
/// The longest run of a value.
const RUN_MAX: usize = 4;
/// The longest run of zeros that one byte can say.
const SHORT_MAX: usize = 64;

/// What became of a register that was to be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It was as high already.
    Not,
    /// It is higher than it was.
    Yes,
    /// It is as it was: its value, or one run more, does not fit.
    DoesNotFit,
}

/// Appends a run of zeros.
pub(super) fn zeros(len: usize, to: &mut Vec<u8>) {
    match len {
        0 => {}
        1..=SHORT_MAX => to.push(len as u8 - 1),
        _ => to.extend_from_slice(&(0x4000 | (len - 1) as u16).to_be_bytes()),
    }
}

fn value(rank: u8, len: usize) -> u8 {
    0x80 | (rank - 1) << 2 | (len - 1) as u8
}

/// A run: how many bytes say it, how many registers it is, and their value.
#[derive(Clone, Copy)]
struct Run {
    bytes: usize,
    len: usize,
    rank: u8,
}

fn run_at(bytes: &[u8], at: usize) -> Option<Run> {
    let first = *bytes.get(at)?;
    Some(match first >> 6 {
        0 => Run { bytes: 1, len: first as usize + 1, rank: 0 },
        1 => {
            let len = u16::from_be_bytes([first & 0x3f, *bytes.get(at + 1)?]);
            Run { bytes: 2, len: len as usize + 1, rank: 0 }
        }
        _ => Run { bytes: 1, len: (first & 3) as usize + 1, rank: (first >> 2 & 0x1f) + 1 },
    })
}

/// The runs with their registers, or that they are not all registers.
pub fn runs(bytes: &[u8]) -> impl Iterator<Item = Result<(Range<usize>, u8), Damaged>> {
    let (mut at, mut register, mut is_over) = (0, 0, false);
    std::iter::from_fn(move || {
        if is_over || (at == bytes.len() && register == REGISTERS) {
            return None;
        }
        let run = run_at(bytes, at).filter(|run| register + run.len <= REGISTERS);
        let Some(run) = run else {
            is_over = true;
            return Some(Err(Damaged));
        };
        let range = register..register + run.len;
        (at, register) = (at + run.bytes, range.end);
        Some(Ok((range, run.rank)))
    })
}

/// Raises a register to `rank`, if the sketch does not grow beyond `max` bytes by that.
pub fn raise(
    sketch: &mut Vec<u8>,
    register: usize,
    rank: u8,
    max: usize,
) -> Result<Raised, Damaged> {
    if rank > VALUE_MAX {
        return Ok(Raised::DoesNotFit);
    }
    let (mut at, mut begin, mut before) = (HEADER_BYTES, 0, None);
    let run = loop {
        let run = run_at(sketch, at).ok_or(Damaged)?;
        if register < begin + run.len {
            break run;
        }
        before = Some(at);
        (at, begin) = (at + run.bytes, begin + run.len);
    };
    if run.rank >= rank {
        return Ok(Raised::Not);
    }
    let (left, right) = (register - begin, begin + run.len - 1 - register);
    let mut split = Vec::with_capacity(5);
    for (len, is_new) in [(left, false), (1, true), (right, false)] {
        match (len, is_new, run.rank) {
            (0, ..) => {}
            (_, true, _) => split.push(value(rank, 1)),
            (_, _, 0) => zeros(len, &mut split),
            (_, _, old) => split.push(value(old, len)),
        }
    }
    if split.len() > run.bytes && sketch.len() + split.len() - run.bytes > max {
        return Ok(Raised::DoesNotFit);
    }
    sketch.splice(at..at + run.bytes, split);
    join(sketch, before.unwrap_or(HEADER_BYTES));
    Ok(Raised::Yes)
}

/// Joins runs of the same value around a change: of the five from `at` on those that fit in one.
fn join(sketch: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = run_at(sketch, at) else { return };
        let next = run_at(sketch, at + run.bytes).filter(|next| next.rank == run.rank);
        match next {
            Some(next) if run.rank > 0 && run.len + next.len <= RUN_MAX => {
                sketch[at + 1] = value(run.rank, run.len + next.len);
                sketch.remove(at);
            }
            _ => at += run.bytes,
        }
    }
}
