//! Redis's own files: RDB snapshots and the payloads of DUMP, read as Redis 2.8 to 8 and Valkey
//! write them, and written as Redis 7.0 and everything newer reads them.
//!
//! ```text
//! file     "REDIS" and four digits, or "VALKEY" and three | part ... | FF | CRC-64
//! part     FE db | FA name text | FB sizes | F5 library | [FC or FD time] [F8 idle | F9 use] entry
//! entry    type | key | value
//! payload  type | value | version u16 | CRC-64
//! ```
//!
//! Strict: a structure that is whole but means nothing (a field twice, half a pair, a count that
//! is not its elements') is a fault at its offset, as is a type that does not exist here, by its
//! name and the key's. Nothing is allocated for a length that the input does not account for.
//!
//! One file beside this one knows one type of value; `value.rs` lists them.

mod crc64;
mod hash;
mod input;
mod list;
mod listpack;
mod lzf;
mod output;
pub mod payload;
mod read;
mod string;
mod value;
mod write;
mod ziplist;
mod zipmap;

pub use crc64::crc64;
pub use input::Input;
pub use output::Compression;
pub use read::{About, Found, Reader};
pub use value::Loaded;
pub use write::{Plan, Writer};

/// The oldest version that is written: that of Redis 7.0.
pub const VERSION_MIN: u16 = 10;
/// The newest version of Redis's that is read and written: that of Redis 7.4 and 8.
pub const VERSION_MAX: u16 = 12;
/// The version of Valkey 9, whose hashes with deadlines are its own.
const VERSION_VALKEY: u16 = 80;

/// How files begin.
const MAGIC: &[u8; 5] = b"REDIS";
const MAGIC_VALKEY: &[u8; 6] = b"VALKEY";

/// What stands where a type could.
mod opcode {
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

/// Whether a file with these first bytes is one of Redis's.
pub fn is_rdb(beginning: &[u8]) -> bool {
    beginning.starts_with(MAGIC) || beginning.starts_with(MAGIC_VALKEY)
}

/// An element of a packed encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// A number, which stands for its digits.
    Number(i64),
}

impl Item<'_> {
    /// Calls `f` with the element's bytes.
    fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Item::Bytes(bytes) => f(bytes),
            Item::Number(n) => f(itoa::Buffer::new().format(*n).as_bytes()),
        }
    }
}
