//! What a key is in memory: entries, the table of them, deadlines, the value types.

pub mod entry;
pub mod expires;
pub mod memory;
pub mod part;
pub mod table;
pub mod timed_table;
pub mod value;
