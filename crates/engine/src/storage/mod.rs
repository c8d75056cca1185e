//! What a key is in memory: an entry, the table of entries, the index of deadlines, the value
//! types.
//!
//! ```text
//! timed_table   entries, their deadlines and their bytes, in step
//!   table         from a key to its entry
//!   expires       which entry expires next
//! entry         key, value, age and deadline in one block
//!   value         what is more than a string: lists, hashes, sets
//! tags          what keys remember of the tags that they have
//! bits, sketch  what bitmaps and HyperLogLogs do to the bytes of a string
//! wide          loops over many bytes, for what instructions the processor has
//! part, memory  shared parts of large values; the allocator's size classes, the prefetch
//! ```
//!
//! The data recurses here, and so do the files: a large hash is a [`timed_table::TimedTable`] of
//! its fields, a large set one of its members, a table holds entries, and an entry holds a hash.
//! Elsewhere in this room a file
//! names only files below it.

pub mod bits;
pub mod entry;
pub mod expires;
pub mod memory;
pub mod part;
pub mod sketch;
pub mod table;
pub mod tags;
pub mod timed_table;
pub mod value;
mod wide;
