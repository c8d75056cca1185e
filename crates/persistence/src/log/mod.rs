//! The log: what happened, in the order in which it happened, in segments.
//!
//! ```text
//! segment  "REDSTLOG" | version u32 | first sequence u64 | checksum u64 | record ...
//! record   length u32 | sequence u64 | checksum u64 | payload              (all little endian)
//! ```
//!
//! A record is one unit of the effect stream: one command, or all of a transaction, so that after
//! a crash all of it happened or nothing. Sequence numbers leave no gap, neither in a segment nor
//! between one and the next; a segment is safe before the next one gets its name. So what is
//! recovered is always a beginning of what happened.
//!
//! Where a record is cut or wrong and no whole record follows, the process or the machine ended
//! while it was written: the log ends there. Where one does follow, the file was damaged.

mod read;
mod record;
mod write;

pub use read::{End, SegmentReader};
pub use record::{MAGIC, START, Words, decode};
pub use write::{Failed, Log, Start, State};
