//! Redis's own files: RDB snapshots and the payloads of DUMP, read as Redis 2.8 to 8 and Valkey
//! write them, and written as Redis 7.0 and everything newer reads them, or as Valkey 9 does.
//!
//! ```text
//! file     "REDIS" and four digits, or "VALKEY" and three | part ... | FF | CRC-64
//! part     FE db | FA name text | FB sizes | F5 library | F7 module data | F2 template
//!          | [FC or FD time] [F8 idle | F9 use] [F1] [F3 metadata] entry
//! entry    type | key | value
//! payload  type | value | version u16 | CRC-64
//! ```
//!
//! Strict: a structure that is whole but means nothing (a field twice, half a pair, a count that
//! differs from the elements) is a fault at its offset, as is a type that does not exist here, with
//! its name and the key's. Nothing is allocated for a length that the input does not account for.
//!
//! One file beside this one knows one type of value; `value.rs` lists the types. `dialect.rs` alone
//! knows where Redis's numbers and Valkey's differ.

mod crc64;
mod dialect;
mod encoding;
pub mod envelope;
mod foreign;
mod format;
mod hash;
mod input;
mod item;
mod list;
mod listpack;
mod lzf;
mod module;
mod output;
pub mod payload;
mod read;
mod set;
mod sorted_set;
mod stream;
mod string;
mod template;
mod value;
mod write;
mod ziplist;
mod zipmap;

pub use crc64::crc64;
pub use dialect::Version;
pub use encoding::Loaded;
pub use format::is_rdb;
pub use input::Input;
pub use output::Compression;
pub use read::{About, Found, Reader};
pub use write::{LeftOut, Plan, Writer, encoder};
