//! Whether a key occurs twice in a file, for those who read it without putting its keys in
//! anywhere. The server would not start from such a file: it would have to guess which of the two
//! values is meant.
//!
//! Kept of a key are 128 bits of hash, in one set for all databases: 20 to 40 bytes a key, however
//! long keys and values are. Two keys are taken for one with a chance below 10^-18 even for ten
//! billion of them, and nobody can make two, for the hash has a random seed. That is why no key is
//! kept and nothing is read a second time. A key counts though its deadline has passed: what the
//! server makes of the file must not depend on when it is looked at.

use redstart_persistence::fault::twice;
use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// The keys of a file so far.
#[derive(Default)]
pub struct Seen {
    halves: [RandomState; 2],
    keys: HashSet<u128, BuildHasherDefault<Itself>>,
}

impl Seen {
    /// Takes a key of a database.
    ///
    /// # Errors
    /// What is to be said when it was taken before.
    pub fn take(&mut self, db: usize, key: &[u8]) -> Result<(), String> {
        let [high, low] = self.halves.each_ref().map(|half| u128::from(half.hash_one((db, key))));
        if self.keys.insert(high << 64 | low) { Ok(()) } else { Err(twice(db, key)) }
    }
}

/// What is a hash need not be hashed.
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
        let mut seen = Seen::default();
        for db in 0..3 {
            for key in 0..10_000u32 {
                assert_eq!(seen.take(db, &key.to_le_bytes()), Ok(()));
            }
        }
        let said = "the key \"\\x00\\x01\\x00\\x00\" occurs twice in database 2";
        assert_eq!(seen.take(2, &256u32.to_le_bytes()), Err(said.to_owned()));
        assert_eq!(seen.take(3, &256u32.to_le_bytes()), Ok(()));
        assert_eq!(seen.take(0, &[]), Ok(()));
    }
}
