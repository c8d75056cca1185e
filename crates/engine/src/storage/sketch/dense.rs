//! All registers, 6 bits each, the lowest bits of the first byte first.

use super::registers::{QUARTER, Registers};
use super::{HEADER_BYTES, REGISTERS};
use crate::storage::wide::widely;

/// The length of a dense sketch, in bytes.
pub const BYTES: usize = HEADER_BYTES + REGISTERS_BYTES;
const REGISTERS_BYTES: usize = GROUP * QUARTER;

/// Four registers lie in three bytes.
const GROUP: usize = 3;
const _: () = assert!(REGISTERS_BYTES == REGISTERS * 6 / 8);

/// Where among the registers' bytes a register begins, and at which bit.
pub fn place(register: usize) -> (usize, u32) {
    (register * 6 / 8, (register * 6 % 8) as u32)
}

/// A register of two neighbouring bytes.
pub fn read(low: u8, high: u8, bit: u32) -> u8 {
    (u16::from_le_bytes([low, high]) >> bit) as u8 & 0x3f
}

/// Two neighbouring bytes with another register among them.
pub fn write(low: u8, high: u8, bit: u32, rank: u8) -> [u8; 2] {
    let kept = u16::from_le_bytes([low, high]) & !(0x3f << bit);
    (kept | u16::from(rank) << bit).to_le_bytes()
}

/// A register.
pub fn get(bytes: &[u8], register: usize) -> u8 {
    let (at, bit) = place(register);
    read(bytes[at], bytes.get(at + 1).copied().unwrap_or(0), bit)
}

/// Sets a register.
pub fn set(bytes: &mut [u8], register: usize, rank: u8) {
    let (at, bit) = place(register);
    let [low, high] = write(bytes[at], bytes.get(at + 1).copied().unwrap_or(0), bit, rank);
    bytes[at] = low;
    // The last register ends with its first byte.
    if let Some(byte) = bytes.get_mut(at + 1) {
        *byte = high;
    }
}

/// Appends all registers.
pub fn append(registers: &Registers, to: &mut Vec<u8>) {
    let [first, second, third, fourth] = registers.quarters();
    let begin = to.len();
    to.resize(begin + REGISTERS_BYTES, 0);
    let groups: &mut [[u8; GROUP]; QUARTER] =
        to[begin..].as_chunks_mut().0.try_into().expect("there is room for all of them");
    widely(|| {
        for (at, group) in groups.iter_mut().enumerate() {
            let (a, b, c, d) = (first[at], second[at], third[at], fourth[at]);
            *group = [a | b << 6, b >> 2 | c << 4, c >> 4 | d << 2];
        }
    });
}

/// Raises registers to these.
pub fn merge(bytes: &[u8], registers: &mut Registers) {
    let [first, second, third, fourth] = registers.quarters_mut();
    let groups: &[[u8; GROUP]; QUARTER] =
        bytes.as_chunks().0.try_into().expect("a dense sketch has all registers");
    widely(|| {
        for (at, [a, b, c]) in groups.iter().enumerate() {
            first[at] = first[at].max(a & 0x3f);
            second[at] = second[at].max((a >> 6 | b << 2) & 0x3f);
            third[at] = third[at].max((b >> 4 | c << 4) & 0x3f);
            fourth[at] = fourth[at].max(c >> 2);
        }
    });
}

/// Counts how many registers have which value.
pub fn count(bytes: &[u8], counts: &mut [u32; 64]) {
    for group in bytes.chunks_exact(GROUP) {
        let bits = u32::from_le_bytes([group[0], group[1], group[2], 0]);
        (0..4).for_each(|index| counts[(bits >> (6 * index)) as usize & 0x3f] += 1);
    }
}
