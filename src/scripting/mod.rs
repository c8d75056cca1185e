//! Scripts: EVAL and its kin, run by Luau.
//!
//! Each worker has one Lua state ([`runtime`]) with the scripts it has compiled; the texts are in
//! one map of the server ([`store`]), so that EVALSHA finds a script on whichever worker. A script
//! runs whole, as one unit of effects, under locks that are taken before it begins:
//!
//! - A script that was never seen to its end holds all shards, and it is noted whether it stayed
//!   within the shards of its declared keys.
//! - One that did runs under these alone, and so beside others.
//! - If such a one reaches for another shard before it has written anything, it starts again with
//!   all of them, and unseen: so far it has only read. From then on it always holds all.
//! - If it has written already, it cannot start again. It waits for the shard out of order, as
//!   `engine/src/keyspace/escalation.rs` says. Two that do so for each other's shards cannot both
//!   go on: one ends with an error, as any script may after some of its writes. From then on
//!   either holds all.
//!
//! A script that runs for longer than `busy-reply-threshold` lets its worker's desk serve the other
//! clients (`desk.rs`); they, and those of other workers, are told that the server is busy, and may
//! end it. So they may a pattern match that takes long ([`patterns.luau`](patterns.luau)); a single
//! `string.rep` cannot be interrupted, nor need be: the limit of memory bounds it.
//!
//! What stays different from Lua 5.1 is listed in the README.

mod call;
mod convert;
pub mod functions;
mod libraries;
#[cfg(test)]
mod patterns;
mod run;
mod runtime;
mod shapes;
pub mod shebang;
mod slate;
pub mod store;
mod watch;

pub use run::{Given, eval, load};

/// The most that the scripts of a worker may hold in memory, in bytes.
const MEMORY_MAX: usize = 512 << 20;

/// The SHA-1 of a script's text.
pub type Digest = [u8; 20];

/// The digest of a text.
pub fn digest(text: &[u8]) -> Digest {
    use sha1::Digest as _;
    sha1::Sha1::digest(text).into()
}

/// A digest in hexadecimal.
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value of each hexadecimal digit; 255 for what is none.
const DIGITS: [u8; 256] = {
    let mut digits = [255; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Reads a digest as EVALSHA and SCRIPT EXISTS take it.
pub fn unhex(text: &[u8]) -> Option<Digest> {
    let mut digest = [0; 20];
    if text.len() != 40 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_chunks::<2>().0) {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        if high > 15 || low > 15 {
            return None;
        }
        *byte = high << 4 | low;
    }
    Some(digest)
}
