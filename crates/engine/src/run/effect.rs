//! An effect: what a write command did, as a command that does the same again.

use bytes::Bytes;

/// A command that repeats what was done, in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The database's index.
    pub db: usize,
    /// The command's name and arguments.
    pub args: Vec<Bytes>,
}

/// Who listens to the stream. Called with the shards still locked, so that units which touch the
/// same key arrive in the order in which they happened; it must not block.
pub trait Sink: Send + Sync {
    /// Takes one unit: all of it happened, and nothing of another between.
    fn append(&self, unit: &[Effect]);
}
