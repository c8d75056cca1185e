//! HyperLogLogs: strings of a fixed layout that estimate how many different elements were added.
//! They are Redis's to the byte, so that they can be moved between servers.
//!
//! ```text
//! "HYLL" | form | 3 unused bytes | the last estimate, 8 bytes | registers
//! ```
//!
//! The highest bit of the estimate says that it is stale. There are 16,384 registers of 6 bits, all
//! of them ([`dense`]) or as runs ([`sparse`]). An element's hash says which register it belongs to
//! and what that is at least.

pub mod dense;
mod estimate;
mod registers;
pub mod sparse;

pub use registers::Registers;

/// How many registers there are.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// The highest value of a register.
const RANK_MAX: u8 = 64 - INDEX_BITS as u8 + 1;
/// The length of what stands before the registers, in bytes.
pub const HEADER_BYTES: usize = 16;
const MAGIC: &[u8] = b"HYLL";
/// Where the estimate is, and its byte with the bit that says it is stale.
const ESTIMATE: std::ops::Range<usize> = 8..16;
/// Where the byte is whose highest bit says that the estimate is stale.
pub const STALE_AT: usize = 15;
const STALE: u8 = 0x80;

/// How the registers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// All of them.
    Dense,
    /// Runs of equal ones.
    Sparse,
}

/// The registers do not add up: somebody has written into the string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// A sketch of nothing.
pub fn empty() -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[4] = 1;
    sparse::zeros(REGISTERS, &mut bytes);
    bytes
}

/// How a string's registers are kept, if it is a sketch.
pub fn form(bytes: &[u8]) -> Option<Form> {
    match bytes.get(..HEADER_BYTES)? {
        [b'H', b'Y', b'L', b'L', 0, ..] => (bytes.len() == dense::BYTES).then_some(Form::Dense),
        [b'H', b'Y', b'L', b'L', 1, ..] => Some(Form::Sparse),
        _ => None,
    }
}

/// The estimate that is kept, unless it is stale.
pub fn kept_estimate(bytes: &[u8]) -> Option<u64> {
    let estimate = u64::from_le_bytes(bytes[ESTIMATE].try_into().expect("eight bytes"));
    (bytes[STALE_AT] & STALE == 0).then_some(estimate)
}

/// Says that the estimate is stale.
pub fn invalidate(bytes: &mut [u8]) {
    bytes[STALE_AT] |= STALE;
}

/// The byte at [`STALE_AT`] as it is when the estimate is stale.
pub fn stale(byte: u8) -> u8 {
    byte | STALE
}

/// The bytes of an estimate, which stand at [`ESTIMATE`].
pub fn estimate_bytes(estimate: u64) -> (usize, [u8; 8]) {
    (ESTIMATE.start, estimate.to_le_bytes())
}

/// An element's register, and what it is at least.
pub fn place_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    let rest = hash >> INDEX_BITS | 1 << (64 - INDEX_BITS);
    ((hash % REGISTERS as u64) as usize, rest.trailing_zeros() as u8 + 1)
}

/// Raises a register to `rank`. Returns whether it was lower. A sparse sketch of more than
/// `sparse_max` bytes becomes a dense one.
pub fn raise(
    bytes: &mut Vec<u8>,
    register: usize,
    rank: u8,
    sparse_max: usize,
) -> Result<bool, Damaged> {
    if form(bytes) == Some(Form::Sparse) {
        match sparse::raise(bytes, register, rank, sparse_max)? {
            sparse::Raised::Not => return Ok(false),
            sparse::Raised::Yes => return Ok(true),
            sparse::Raised::DoesNotFit => make_dense(bytes)?,
        }
    }
    let lower = dense::get(&bytes[HEADER_BYTES..], register) < rank;
    if lower {
        dense::set(&mut bytes[HEADER_BYTES..], register, rank);
    }
    Ok(lower)
}

/// Makes a sparse sketch a dense one of the same registers.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<(), Damaged> {
    let mut registers = Registers::default();
    merge(bytes, &mut registers)?;
    bytes.truncate(HEADER_BYTES);
    bytes[4] = 0;
    dense::append(&registers, bytes);
    Ok(())
}

/// Raises registers to those of a sketch.
pub fn merge(bytes: &[u8], registers: &mut Registers) -> Result<(), Damaged> {
    match form(bytes) {
        Some(Form::Dense) => dense::merge(&bytes[HEADER_BYTES..], registers),
        Some(Form::Sparse) => {
            for run in sparse::runs(&bytes[HEADER_BYTES..]) {
                let (range, rank) = run?;
                if rank > 0 {
                    registers.raise(range, rank);
                }
            }
        }
        None => return Err(Damaged),
    }
    Ok(())
}

/// How many different elements were added to a sketch, about.
pub fn estimate(bytes: &[u8]) -> Result<u64, Damaged> {
    let mut counts = [0u32; 64];
    match form(bytes) {
        Some(Form::Dense) => dense::count(&bytes[HEADER_BYTES..], &mut counts),
        Some(Form::Sparse) => {
            for run in sparse::runs(&bytes[HEADER_BYTES..]) {
                let (range, rank) = run?;
                counts[rank as usize] += range.len() as u32;
            }
        }
        None => return Err(Damaged),
    }
    Ok(estimate::estimate(&counts))
}

/// The same of registers that were merged.
pub fn estimate_of(registers: &Registers) -> u64 {
    let mut counts = [0u32; 64];
    registers.iter().for_each(|rank| counts[rank as usize % 64] += 1);
    estimate::estimate(&counts)
}

/// MurmurHash64A by Austin Appleby, little endian, with Redis's seed: the hash of elements is part
/// of the format.
fn murmur(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SEED: u64 = 0xadc8_3b19;
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    for word in words {
        let mut word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        word = word.wrapping_mul(FACTOR);
        word = (word ^ word >> 47).wrapping_mul(FACTOR);
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let word = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(FACTOR);
    hash ^ hash >> 47
}

#[cfg(test)]
mod tests;
