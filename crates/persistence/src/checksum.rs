//! The checksum of everything that is written: XXH3, 64 bits, seeded with what stands around the
//! bytes (their place, kind and length), so that whole pieces in the wrong place are found too.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The checksum of `bytes`, whose frame is `frame`.
pub fn checksum(frame: &[u8], bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, xxh3_64_with_seed(frame, 0))
}
