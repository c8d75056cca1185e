//! Files as the durability room uses them.

pub mod directory;
pub mod uncached;
