//! The fixed numbers that Redis's and Valkey's files share: how they begin, and what stands where a
//! type could. What differs between the two is in `dialect.rs`.

use super::envelope;

/// How files begin.
pub const MAGIC: &[u8; 5] = b"REDIS";
pub const MAGIC_VALKEY: &[u8; 6] = b"VALKEY";
/// The length of a file's head: magic and version.
pub const HEAD: usize = 9;

/// The field before a string that a client of memcached has noted something of: its flags, and
/// marks, as two numbers. Redis and Valkey pass over fields that they do not know.
pub const NOTE: &[u8] = b"redstart-memcached";

/// What stands where a type could.
pub mod opcode {
    /// No type has this number or a higher one.
    pub const FIRST: u8 = 128;
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION: u8 = 245;
    pub const FUNCTION_UNRELEASED: u8 = 246;
    pub const MODULE_AUX: u8 = 247;
    pub const IDLE: u8 = 248;
    pub const FREQUENCY: u8 = 249;
    pub const AUX: u8 = 250;
    pub const RESIZE: u8 = 251;
    pub const EXPIRES_MS: u8 = 252;
    pub const EXPIRES_S: u8 = 253;
    pub const SELECT: u8 = 254;
    pub const END: u8 = 255;
}

/// Whether a file with these first bytes is one of Redis's or Valkey's, compressed as a whole or
/// not.
pub fn is_rdb(beginning: &[u8]) -> bool {
    let magics: [&[u8]; 3] = [MAGIC, MAGIC_VALKEY, envelope::MAGIC];
    magics.into_iter().any(|magic| beginning.starts_with(magic))
}
