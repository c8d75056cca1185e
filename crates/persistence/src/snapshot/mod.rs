//! The snapshot's format.
//!
//! ```text
//! file     "REDSTART" | version u32 | section ... | trailer section        (all little endian)
//! section  kind u8 | count u32 | length u64 | checksum u64 | payload
//! ```
//!
//! The first section is the header, the last one the trailer; one between them may hold libraries
//! of functions, one the fences of locks; the others hold `count` entries each. A checksum covers
//! its section's number, kind, count, length and payload; the trailer counts sections, entries and
//! bytes; nothing follows it. So a file that is cut, or differs by a bit anywhere, or has its
//! sections in another order, is not read as a snapshot.
//!
//! The payload of a section may be packed (`pack`), which its kind says.
//!
//! A large entry may go over several sections, with others in between: the first ones hold bytes of
//! it, and the last one its end. So a snapshot's writer needs no memory for all of it.
//!
//! A snapshot is written under another name and gets its own when it is whole and safe.

mod format;
mod pack;
mod read;
mod write;

pub use format::{Counts, Header, MAGIC, VERSION, VERSIONS};
pub use pack::{Packer, Packing};
pub use read::{Reader, Section, decode};
pub use write::{Portion, Writer, encoder, packer, prepare, write_all, write_step};
