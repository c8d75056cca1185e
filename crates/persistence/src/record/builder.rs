//! What values that are read are built with.

use redstart_engine::Now;
use redstart_engine::hasher::Hasher;
use redstart_engine::options::Options;

/// What values are built with: the settings that decide their encodings, and the keyspace's hasher.
#[derive(Clone, Copy)]
pub struct Builder<'a> {
    /// The engine's settings.
    pub options: &'a Options,
    /// The hasher of the keyspace that they go to.
    pub hasher: &'a Hasher,
    /// The moment, which ties wall time to the deadlines' clock.
    pub now: Now,
}
