//! Whether a key occurs twice in a file, where its keys are not put into an engine. The server does
//! not start from such a file: it would have to guess which of the two values is meant.
//!
//! Of a key, 128 bits of hash are kept, in one set for all databases: 20 to 40 bytes a key, however
//! long keys and values are. Even among ten billion keys, two are taken for one with a chance below
//! 10^-18; and such keys cannot be made, for the hash has a random seed. So no key is kept, and
//! nothing is read a second time. A key counts even if its deadline has passed: the verdict on a
//! file must not depend on the time of day.

use redstart_persistence::fault::twice;
use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// The keys of a file so far.
#[derive(Default)]
pub struct DuplicateKeys {
    halves: [RandomState; 2],
    keys: HashSet<u128, BuildHasherDefault<Itself>>,
}

impl DuplicateKeys {
    /// Notes a key of a database.
    ///
    /// # Errors
    /// The text of the fault, when it was noted before.
    pub fn check(&mut self, db: usize, key: &[u8]) -> Result<(), String> {
        let [high, low] = self.halves.each_ref().map(|half| u128::from(half.hash_one((db, key))));
        if self.keys.insert(high << 64 | low) { Ok(()) } else { Err(twice(db, key)) }
    }
}

/// Hashes are not hashed again.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_new_once_in_each_database() {
        let mut seen = DuplicateKeys::default();
        for db in 0..3 {
            for key in 0..10_000u32 {
                assert_eq!(seen.check(db, &key.to_le_bytes()), Ok(()));
            }
        }
        let fault = "the key \"\\x00\\x01\\x00\\x00\" occurs twice in database 2";
        assert_eq!(seen.check(2, &256u32.to_le_bytes()), Err(fault.to_owned()));
        assert_eq!(seen.check(3, &256u32.to_le_bytes()), Ok(()));
        assert_eq!(seen.check(0, &[]), Ok(()));
    }
}
