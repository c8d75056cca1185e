//! Files on the disk: a directory of them, and the way past the page cache.

pub mod directory;
pub mod uncached;
