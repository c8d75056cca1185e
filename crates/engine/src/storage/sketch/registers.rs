//! Registers of one byte each: what several sketches are merged into.
//!
//! Every fourth one lies beside the next, in four rows, as a dense sketch has four in three bytes:
//! so both are walked in step, many at once.

use super::REGISTERS;
use std::ops::Range;

/// The registers of a row.
pub const QUARTER: usize = REGISTERS / 4;

/// One row: every fourth register.
pub type Row = [u8; QUARTER];

/// All registers.
#[derive(Clone, PartialEq, Eq)]
pub struct Registers([Row; 4]);

impl Default for Registers {
    fn default() -> Registers {
        Registers([[0; QUARTER]; 4])
    }
}

impl Registers {
    /// The rows.
    pub fn quarters(&self) -> &[Row; 4] {
        &self.0
    }

    /// The rows, to be changed.
    pub fn quarters_mut(&mut self) -> &mut [Row; 4] {
        &mut self.0
    }

    /// Raises a range of registers to `rank`.
    pub fn raise(&mut self, range: Range<usize>, rank: u8) {
        for register in range {
            let known = &mut self.0[register % 4][register / 4];
            *known = rank.max(*known);
        }
    }

    /// The registers in order.
    pub fn iter(&self) -> impl Iterator<Item = u8> {
        (0..REGISTERS).map(|register| self.0[register % 4][register / 4])
    }
}
