//! What is wrong with a file, and where.

use crate::storage::Cut;
use std::fmt;
use std::io;

/// The first thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file's name.
    pub file: String,
    /// Where in it, in bytes from its beginning.
    pub offset: u64,
    /// What.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}: {}", self.file, self.offset, self.what)
    }
}

impl std::error::Error for Fault {}

/// The most bytes of a key that a fault shows.
const KEY_SHOWN: usize = 64;

/// A key as a fault shows it, in quotes.
pub fn shown(key: &[u8]) -> String {
    format!("\"{}\"", key[..key.len().min(KEY_SHOWN)].escape_ascii())
}

/// What is wrong where a key was there before, in the same database.
pub fn twice(db: usize, key: &[u8]) -> String {
    format!("the key {} occurs twice in database {db}", shown(key))
}

/// Why a file could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// The storage failed.
    Io(io::Error),
    /// The file is not what it has to be.
    Fault(Fault),
}

impl From<io::Error> for ReadError {
    /// A storage that looks into its files finds faults itself.
    fn from(error: io::Error) -> ReadError {
        match error.downcast::<Fault>() {
            Ok(fault) => ReadError::Fault(fault),
            Err(error) => match error.downcast::<Cut>() {
                Ok(cut) => ReadError::Fault(cut.fault),
                Err(error) => ReadError::Io(error),
            },
        }
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> ReadError {
        ReadError::Fault(fault)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => error.fmt(f),
            ReadError::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}
