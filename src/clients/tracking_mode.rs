//! How a client tracks the keys that it keeps copies of (CLIENT TRACKING).

use bytes::Bytes;

/// How a client tracks.
#[derive(Clone, Debug, Default)]
pub struct TrackingMode {
    /// Whether it tracks at all.
    pub on: bool,
    /// It follows prefixes, whatever it reads.
    pub broadcast: bool,
    /// Its reads are noted only behind CLIENT CACHING YES.
    pub opt_in: bool,
    /// Its reads are noted except behind CLIENT CACHING NO.
    pub opt_out: bool,
    /// It is sent no invalidations for its own changes.
    pub no_loop: bool,
    /// Its invalidations go to the client with this id; zero is itself.
    pub redirect: u64,
    /// The client that its invalidations went to has gone.
    pub is_broken: bool,
    /// The prefixes that it follows.
    pub prefixes: Vec<Bytes>,
}
