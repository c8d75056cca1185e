//! What is needed of a disk: one flat directory of files that grow.
//!
//! A file's bytes are safe from a power cut once [`Output::sync`] returned, and its name once
//! [`Storage::sync_directory`] did. Safe from a killed process they are once written.

pub mod encrypted;
pub mod memory;

use crate::fault::Fault;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

/// A directory.
pub trait Storage: Send + Sync {
    /// Makes an empty file; one of that name that is there is emptied.
    fn create(&self, name: &str) -> io::Result<Arc<dyn Output>>;

    /// As [`Storage::create`], for a file that is written once from its beginning to its end.
    fn create_stream(&self, name: &str) -> io::Result<Box<dyn Stream>>;

    /// Opens a file to write behind its first `len` bytes; what is beyond them is cut off.
    fn append(&self, name: &str, len: u64) -> io::Result<Arc<dyn Output>>;

    /// Opens a file that is read once from its beginning to its end. Returns its length in bytes,
    /// too; of one that [`Storage::create`] made it may be less than that.
    fn open(&self, name: &str) -> io::Result<(Box<dyn Read + Send>, u64)>;

    /// Gives a file another name, in place of any other file.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renamings and removals safe.
    fn sync_directory(&self) -> io::Result<()>;

    /// The process that writes, whose number stands in the names of unfinished files.
    fn process(&self) -> u32;

    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
}

/// A file that is written to.
pub trait Output: Send + Sync {
    /// Appends bytes. When it fails, some of them may have been written.
    fn write(&self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to its first `len` bytes; what is written next follows them.
    fn cut(&self, len: u64) -> io::Result<()>;

    /// Makes the bytes safe. After a failure it is unknown which of them are, and another call
    /// would not find out.
    fn sync(&self) -> io::Result<()>;
}

/// A file that is written once, from its beginning to its end.
pub trait Stream: Send {
    /// Appends bytes. They may be held back until [`Stream::finish`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all bytes safe. After a failure it is unknown which of them are.
    fn finish(&mut self) -> io::Result<()>;
}

/// Why a file that grew ends where it does, as an error of who reads it: its last write was cut.
#[derive(Debug)]
pub struct Cut {
    /// Where, and what is there.
    pub fault: Fault,
    /// Bytes that are there of the write.
    pub bytes: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl std::error::Error for Cut {}
