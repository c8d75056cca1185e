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

/// Who hears of effects; each has a sink of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The log.
    Log,
    /// Replicas.
    Replicas,
}

impl Listener {
    /// All of them.
    pub const ALL: [Listener; 2] = [Listener::Log, Listener::Replicas];

    /// The bit that stands for it.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Where the stream goes. It is called with the shards still locked, so that units that touch the
/// same key arrive in the order in which they happened; it must not block.
pub trait Sink: Send + Sync {
    /// Takes one unit: all of it happened, with nothing of another unit between.
    fn append(&self, unit: &[Effect]);
}
