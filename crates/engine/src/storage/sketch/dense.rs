//! All registers, 6 bits each, the lowest bits of the first byte first.

use super::{HEADER_BYTES, REGISTERS, Registers};

/// The length of a dense sketch, in bytes.
pub const BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;

/// Four registers lie in three bytes.
const GROUP: usize = 3;

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
    for four in registers.chunks_exact(4) {
        let bits = four.iter().rev().fold(0, |bits, rank| bits << 6 | u32::from(*rank));
        to.extend_from_slice(&bits.to_le_bytes()[..GROUP]);
    }
}

/// Raises registers to these.
pub fn merge(bytes: &[u8], registers: &mut Registers) {
    let groups = registers.chunks_exact_mut(4).zip(bytes.chunks_exact(GROUP));
    for (four, group) in groups {
        let bits = u32::from_le_bytes([group[0], group[1], group[2], 0]);
        for (index, register) in four.iter_mut().enumerate() {
            *register = (*register).max((bits >> (6 * index)) as u8 & 0x3f);
        }
    }
}

/// Counts how many registers have which value.
pub fn count(bytes: &[u8], counts: &mut [u32; 64]) {
    for group in bytes.chunks_exact(GROUP) {
        let bits = u32::from_le_bytes([group[0], group[1], group[2], 0]);
        (0..4).for_each(|index| counts[(bits >> (6 * index)) as usize & 0x3f] += 1);
    }
}
