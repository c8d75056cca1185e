//! The keyed hash of a key: SipHash-1-3 with a seed drawn at start.
//!
//! SCAN's order shows a part of every hash, so the hash must withstand keys that were chosen by
//! a client that sees it. The bits are dealt out once, here:
//!
//! ```text
//!  63        54 53                24 23    16 15     8 7 6 5      0
//! +------------+--------------------+--------+--------+---+--------+
//! |   shard    |  directory prefix  | unused |  tag   |   |  home  |
//! +------------+--------------------+--------+--------+---+--------+
//! ```

use siphasher::sip::SipHasher13;

/// How many bits of the hash choose the shard. The model check has few shards: what it looks for
/// is between two or three of them.
pub const SHARD_BITS: u32 = if cfg!(feature = "model") { 2 } else { 10 };
/// The number of shards.
pub const SHARDS: usize = 1 << SHARD_BITS;
/// How many bits of the hash the directory of a shard may use.
pub const PREFIX_BITS: u32 = 30;
/// How many bits of the hash choose the home bucket in a segment.
pub const HOME_BITS: u32 = 6;

/// A seeded hasher of keys.
#[derive(Clone, Debug)]
pub struct Hasher {
    sip: SipHasher13,
}

impl Hasher {
    /// A hasher with the given seed.
    pub fn new(seed: [u64; 2]) -> Self {
        Hasher { sip: SipHasher13::new_with_keys(seed[0], seed[1]) }
    }

    /// The 64-bit hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.sip.hash(key)
    }
}

/// The shard that a hash belongs to.
#[inline]
pub fn shard_of(hash: u64) -> usize {
    (hash >> (64 - SHARD_BITS)) as usize
}

/// Some hash that belongs to a shard.
pub fn hash_in(shard: usize) -> u64 {
    (shard as u64) << (64 - SHARD_BITS)
}

/// The 30 bits below the shard's, of which a directory uses the upper ones.
#[inline]
pub fn prefix_of(hash: u64) -> u32 {
    (hash >> 24) as u32 & ((1 << PREFIX_BITS) - 1)
}

/// The home bucket in a segment of the largest size.
#[inline]
pub fn home_of(hash: u64) -> usize {
    (hash & ((1 << HOME_BITS) - 1)) as usize
}

/// The one-byte tag kept in the bucket; never zero, which marks an empty slot.
#[inline]
pub fn tag_of(hash: u64) -> u8 {
    ((hash >> 8) as u8).max(1)
}
