//! From configuration to what the code reads: once at start, and after every CONFIG SET.

use crate::config::Config;
use crate::server::Live;
use redstart_engine::options::Options;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering::Relaxed;

/// What is fixed at start.
pub struct Startup {
    /// The TCP port; zero is none.
    pub port: u16,
    /// Addresses to listen at, and whether each may be missing.
    pub bind: Vec<(IpAddr, bool)>,
    /// Connections that may wait to be accepted.
    pub backlog: i32,
    /// Workers.
    pub threads: usize,
}

impl Startup {
    /// Reads what is fixed at start.
    pub fn of(config: &Config) -> Startup {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Startup {
            port: config.number("port", 6379) as u16,
            bind: vec![(IpAddr::V4(Ipv4Addr::LOCALHOST), false)],
            backlog: 511,
            threads: config.number("threads", cores).max(1),
        }
    }
}

/// Copies what the hot path reads.
pub fn apply(config: &Config, live: &Live, options: &Options) {
    live.maxclients.store(config.number("maxclients", 10_000), Relaxed);
    live.bulk_bytes_max.store(512 << 20, Relaxed);
    live.keepalive_s.store(300, Relaxed);
    live.protected.store(true, Relaxed);
    options.set_string_bytes_max(512 << 20);
}
