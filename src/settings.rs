//! From configuration to what the code reads: once at start, and after every CONFIG SET.

use crate::config::{Config, Setting};
use crate::server::Server;
use redstart_engine::options::Options;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
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
    ///
    /// # Errors
    /// When an address of the bind list is none.
    pub fn of(config: &Config) -> std::io::Result<Startup> {
        let mut bind = Vec::new();
        for (address, optional) in config.addresses() {
            let text = String::from_utf8_lossy(address);
            match &*text {
                "*" => bind.push((IpAddr::V4(Ipv4Addr::UNSPECIFIED), optional)),
                "::*" => bind.push((IpAddr::V6(Ipv6Addr::UNSPECIFIED), optional)),
                name => match (name, 0).to_socket_addrs() {
                    Ok(found) => bind.extend(found.take(1).map(|found| (found.ip(), optional))),
                    Err(_) if optional => {}
                    Err(error) => {
                        let text = format!("could not resolve the bind address {name}: {error}");
                        return Err(std::io::Error::new(error.kind(), text));
                    }
                },
            }
        }
        Ok(Startup {
            port: config.integer(Setting::Port) as u16,
            bind,
            backlog: config.integer(Setting::TcpBacklog) as i32,
            threads: config.count(Setting::Threads).max(1),
        })
    }
}

/// Copies what is fixed at start to the engine.
pub fn apply_once(config: &Config, options: &Options) {
    options.set_databases(config.count(Setting::Databases));
}

/// Copies what is read without looking into the configuration.
pub fn apply(config: &Config, server: &Server) {
    let Server { live, engine, slowlog, .. } = server;
    live.maxclients.store(config.count(Setting::Maxclients), Relaxed);
    live.keepalive_s.store(config.count(Setting::TcpKeepalive), Relaxed);
    live.timeout_s.store(config.count(Setting::Timeout) as u64, Relaxed);
    live.protected.store(config.is(Setting::ProtectedMode), Relaxed);
    live.password_set.store(!config.text(Setting::Requirepass).is_empty(), Relaxed);
    live.tracks_latency.store(config.is(Setting::LatencyTracking), Relaxed);
    let slower_us = config.integer(Setting::SlowlogLogSlowerThan);
    let latency_ms = config.count(Setting::LatencyMonitorThreshold) as u64;
    live.slower_us.store(slower_us, Relaxed);
    live.latency_threshold_ms.store(latency_ms, Relaxed);
    let slow_ns = u64::try_from(slower_us).map_or(u64::MAX, |us| us.saturating_mul(1000));
    let latency_ns = match latency_ms {
        0 => u64::MAX,
        ms => ms.saturating_mul(1_000_000),
    };
    live.slow_ns.store(slow_ns.min(latency_ns), Relaxed);
    slowlog.set_len_max(config.count(Setting::SlowlogMaxLen));
    let bulk_bytes_max = config.count(Setting::ProtoMaxBulkLen);
    live.bulk_bytes_max.store(bulk_bytes_max, Relaxed);
    let options = &engine.options;
    options.set_string_bytes_max(bulk_bytes_max as u64);
    options.set_list_packed_max(config.integer(Setting::ListMaxListpackSize));
    options.set_hash_packed_fields_max(config.count(Setting::HashMaxListpackEntries));
    options.set_hash_packed_bytes_max(config.count(Setting::HashMaxListpackValue));
}
