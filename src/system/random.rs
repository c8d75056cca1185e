//! Seeds and secrets from the system's random source.

use std::fs::File;
use std::io::{self, Read};

/// Fills `bytes` with random ones that cannot be guessed.
///
/// # Errors
/// When the system's random source cannot be read.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

/// The seed of the keyspace's hash.
///
/// # Errors
/// When the system's random source cannot be read.
pub fn seed() -> io::Result<[u64; 2]> {
    let mut bytes = [0u8; 16];
    fill(&mut bytes)?;
    let (low, high) = bytes.split_at(8);
    let word = |half: &[u8]| u64::from_ne_bytes(half.try_into().expect("half of 16 bytes"));
    Ok([word(low), word(high)])
}
