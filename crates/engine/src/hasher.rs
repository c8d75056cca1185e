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
///
/// SipHash-1-3 for bytes that lie in one piece: a key of sixteen takes two thirds of the
/// instructions of the `siphasher` crate, whose results it has (see the tests).
#[derive(Clone, Debug)]
pub struct Hasher {
    /// The state before the first byte.
    seeded: State,
}

/// The four words of SipHash.
#[derive(Clone, Copy, Debug)]
struct State([u64; 4]);

impl State {
    #[inline(always)]
    fn round(&mut self) {
        let State([v0, v1, v2, v3]) = self;
        *v0 = v0.wrapping_add(*v1);
        *v2 = v2.wrapping_add(*v3);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.rotate_left(32).wrapping_add(*v3);
        *v2 = v2.wrapping_add(*v1);
        *v3 = v3.rotate_left(21) ^ *v0;
        *v1 = v1.rotate_left(17) ^ *v2;
        *v2 = v2.rotate_left(32);
    }

    #[inline(always)]
    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }
}

/// The bytes behind the last whole word, and the length in the byte above them.
#[inline(always)]
fn last_word(key: &[u8]) -> u64 {
    let (len, over) = (key.len(), key.len() % 8);
    let bytes = if let Some(last) = key.last_chunk() {
        // The last eight bytes without those that were taken; shifted in two steps, for none may
        // be over.
        u64::from_le_bytes(*last) >> 8 >> (56 - 8 * over)
    } else if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
        u64::from(u32::from_le_bytes(*first))
            | u64::from(u32::from_le_bytes(*last)) << (8 * (over - 4))
    } else if let (Some(first), Some(last)) = (key.first(), key.last()) {
        let middle = u64::from(key[over / 2]) << (8 * (over / 2));
        u64::from(*first) | middle | u64::from(*last) << (8 * (over - 1))
    } else {
        0
    };
    bytes | (len as u64) << 56
}

impl Hasher {
    /// A hasher with the given seed.
    pub fn new(seed: [u64; 2]) -> Self {
        let seeded = State([
            seed[0] ^ 0x736f_6d65_7073_6575,
            seed[1] ^ 0x646f_7261_6e64_6f6d,
            seed[0] ^ 0x6c79_6765_6e65_7261,
            seed[1] ^ 0x7465_6462_7974_6573,
        ]);
        Hasher { seeded }
    }

    /// The 64-bit hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut state = self.seeded;
        let (words, _) = key.as_chunks();
        words.iter().for_each(|word| state.take(u64::from_le_bytes(*word)));
        state.take(last_word(key));
        state.0[2] ^= 0xff;
        state.round();
        state.round();
        state.round();
        let [v0, v1, v2, v3] = state.0;
        v0 ^ v1 ^ v2 ^ v3
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

#[cfg(test)]
mod tests {
    use super::Hasher;

    #[test]
    fn hashes_are_those_of_siphash_1_3() {
        let mut random = fastrand::Rng::with_seed(3);
        for len in (0..80).chain([1000, 4095]) {
            let seed = [random.u64(..), random.u64(..)];
            let key: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
            let expected = siphasher::sip::SipHasher13::new_with_keys(seed[0], seed[1]).hash(&key);
            assert_eq!(Hasher::new(seed).hash(&key), expected, "{len}");
        }
    }
}
