//! Files on the disk: a directory of them, the claim on them, and the way past the page cache.

pub mod claim;
pub mod directory;
pub mod uncached;
