//! From configuration to what the code reads: once at start, and after every CONFIG SET.

use crate::server::Server;
use crate::system::log;
use crate::system::process::reserve_descriptors;
use crate::tls;
use redstart_config::error::system_text;
use redstart_config::{Changes, Config, SetError, Setting};
use redstart_engine::Engine;
use redstart_engine::aging::Rule;
use redstart_engine::keyspace::prefixes;
use redstart_engine::keyspace::quotas::Quotas;
use redstart_engine::options::{StreamKeep, StreamLimits};
use redstart_engine::run::event_classes::{KEYEVENT, KEYSPACE};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is fixed at start.
pub struct Startup {
    /// The TCP port; zero is none.
    pub port: u16,
    /// The port for TLS; zero is none.
    pub tls_port: u16,
    /// The port for memcached's clients; zero is none.
    pub memcached_port: u16,
    /// Addresses to listen at, and whether each may be missing.
    pub bind: Vec<(IpAddr, bool)>,
    /// The path of the unix socket, if there is to be one.
    pub unix_path: Option<String>,
    /// Its permissions; zero leaves them to the system.
    pub unix_mode: u32,
    /// Connections that may wait to be accepted.
    pub backlog: i32,
    /// Workers.
    pub threads: usize,
}

/// The addresses that a setting names, and whether each may be missing.
///
/// # Errors
/// When one is none that may not be missing.
pub fn resolve<'a>(
    addresses: impl Iterator<Item = (&'a [u8], bool)>,
) -> std::io::Result<Vec<(IpAddr, bool)>> {
    let mut found = Vec::new();
    for (address, optional) in addresses {
        let text = String::from_utf8_lossy(address);
        match &*text {
            "*" => found.push((IpAddr::V4(Ipv4Addr::UNSPECIFIED), optional)),
            "::*" => found.push((IpAddr::V6(Ipv6Addr::UNSPECIFIED), optional)),
            name => match (name, 0).to_socket_addrs() {
                Ok(first) => found.extend(first.take(1).map(|first| (first.ip(), optional))),
                Err(_) if optional => {}
                Err(error) => {
                    let text = format!("could not resolve the bind address {name}: {error}");
                    return Err(std::io::Error::new(error.kind(), text));
                }
            },
        }
    }
    Ok(found)
}

/// What clients speak at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// Redis's protocol.
    Plain,
    /// The same, over TLS.
    Tls,
    /// Memcached's protocol.
    Memcached,
}

/// A place to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub addr: SocketAddr,
    /// Whether it may be missing.
    pub optional: bool,
    /// What clients speak there.
    pub talk: Talk,
}

impl Place {
    /// Whether it is one of these, be it needed or not.
    pub fn is_in(&self, places: &[Place]) -> bool {
        places.iter().any(|place| place.addr == self.addr && place.talk == self.talk)
    }
}

impl Startup {
    /// Reads what is fixed at start.
    ///
    /// # Errors
    /// When an address of the bind list is none.
    pub fn of(config: &Config) -> std::io::Result<Startup> {
        let bind = resolve(config.addresses())?;
        Ok(Startup {
            port: config.integer(Setting::Port) as u16,
            tls_port: config.integer(Setting::TlsPort) as u16,
            memcached_port: config.integer(Setting::MemcachedPort) as u16,
            bind,
            unix_path: Some(config.text(Setting::Unixsocket))
                .filter(|path| !path.is_empty())
                .map(|path| String::from_utf8_lossy(path).into_owned()),
            unix_mode: config.count(Setting::Unixsocketperm) as u32,
            backlog: config.integer(Setting::TcpBacklog) as i32,
            threads: config.count(Setting::Threads).max(1),
        })
    }
}

impl Startup {
    /// The places to listen at.
    pub fn places(&self) -> Vec<Place> {
        let ports = [
            (self.port, Talk::Plain),
            (self.tls_port, Talk::Tls),
            (self.memcached_port, Talk::Memcached),
        ];
        let at = |(port, talk): (u16, Talk)| {
            let place = move |(ip, optional): &(IpAddr, bool)| Place {
                addr: SocketAddr::new(*ip, port),
                optional: *optional,
                talk,
            };
            self.bind.iter().map(place)
        };
        ports.into_iter().filter(|(port, _)| *port != 0).flat_map(at).collect()
    }
}

/// What CONFIG SET of these changes is which files are written.
const FILES: [Setting; 4] = [Setting::Dir, Setting::Dbfilename, Setting::Appendonly, Setting::Save];
/// And of these what they are encrypted with.
const KEYS: [Setting; 2] = [Setting::EncryptionKeyFile, Setting::EncryptionPlainFiles];

/// Applies what a CONFIG SET changed and what may fail.
///
/// # Errors
/// What could not be applied, and why; nothing else is applied then.
pub fn take_on(server: &'static Server, changes: &Changes) -> Result<(), SetError> {
    let not_applied = |setting: Setting, reason: Cow<'static, str>| {
        Err(SetError::not_applied(setting.param().name, reason))
    };
    if changes.contains(Setting::Maxclients) {
        let wanted = server.config.read().count(Setting::Maxclients) as u64;
        let reached = reserve_descriptors(wanted);
        if reached < wanted {
            let text = format!(
                "The operating system is not able to handle the specified number of clients, \
                 try with {reached}"
            );
            return not_applied(Setting::Maxclients, text.into());
        }
    }
    let before = std::env::current_dir();
    if changes.contains(Setting::Dir) {
        let dir = server.config.read().text(Setting::Dir).to_vec();
        let dir = Path::new(std::ffi::OsStr::from_bytes(&dir)).to_owned();
        if let Err(error) = std::env::set_current_dir(dir) {
            return not_applied(Setting::Dir, system_text(&error));
        }
    }
    if let Some(setting) = FILES.into_iter().find(|&setting| changes.contains(setting))
        && let Err(error) = server.durability.claim_as_configured()
    {
        // The folder from before; if it is gone, there is no other to go back to.
        let _ = before.and_then(std::env::set_current_dir);
        return not_applied(setting, error.to_string().into());
    }
    if changes.contains(Setting::Appendonly) && server.durability.follow_config().is_err() {
        let text = "Unable to turn on AOF. Check server logs.";
        return not_applied(Setting::Appendonly, text.into());
    }
    let encrypted_before = match tls::asked_for(changes) {
        Some(setting) => match server.tls.make(&server.config.read()) {
            Ok(made) => Some(server.tls.replace(made)),
            Err(reason) => {
                log::warning(reason);
                let text = "Unable to update TLS configuration. Check server logs.";
                return not_applied(setting, text.into());
            }
        },
        None => None,
    };
    let places = [Setting::Port, Setting::TlsPort, Setting::MemcachedPort, Setting::Bind];
    if let Some(name) = places.into_iter().find(|&setting| changes.contains(setting)) {
        let settings = Startup::of(&server.config.read());
        if let Err(error) = settings.and_then(|settings| server.rebinder.rebind(settings)) {
            log::warning(error);
            if let Some(before) = encrypted_before {
                server.tls.replace(before);
            }
            let text = match name {
                Setting::Bind => "Failed to bind to specified addresses.",
                _ => "Unable to listen on this port. Check server logs.",
            };
            return not_applied(name, text.into());
        }
    }
    if let Some(setting) = KEYS.into_iter().find(|&setting| changes.sets(setting))
        && let Err(error) = server.durability.take_keys()
    {
        return not_applied(setting, error.to_string().into());
    }
    if changes.contains(Setting::Requirepass) {
        server.access.set_default_password(server.config.read().text(Setting::Requirepass));
    }
    Ok(())
}

/// Makes the users that the configuration and the ACL file declare.
///
/// # Errors
/// What is wrong with the first of them.
pub fn declare_users(server: &Server) -> std::io::Result<()> {
    let config = server.config.read();
    let (access, file) = (server.access, config.text(Setting::Aclfile));
    access.configure(&config);
    access.set_default_password(config.text(Setting::Requirepass));
    if !file.is_empty() && !config.users().is_empty() {
        return Err(std::io::Error::other(USERS_TWICE));
    }
    access.declare(config.users()).map_err(std::io::Error::other)?;
    if !file.is_empty() {
        let loaded = access.load(&String::from_utf8_lossy(file));
        loaded.map_err(|error| {
            std::io::Error::other(format!("Aborting the start because of ACL errors: {error}"))
        })?;
    }
    Ok(())
}

const USERS_TWICE: &str = "Users are declared both in the configuration and in an ACL file: keep \
    them in one of both";

/// Copies what is fixed at start to the engine.
pub fn apply_once(config: &Config, engine: &'static Engine) {
    engine.options.set_databases(config.count(Setting::Databases));
    let quotas = config.quotas();
    if !quotas.is_empty() {
        engine.keyspace.set_quotas(Quotas::new(quotas));
    }
}

/// What the ages of entries mean, which eviction goes by.
fn aging(config: &Config, now: Rule) -> Rule {
    match config.choice(Setting::MaxmemoryPolicy).split_once('-') {
        Some((_, "lfu")) => Rule::Frequency {
            log_factor: config.count(Setting::LfuLogFactor) as u32,
            decay_min: config.count(Setting::LfuDecayTime) as u32,
        },
        Some((_, "lrm")) => Rule::Modified,
        // Its time goes on.
        Some((_, "tinylfu")) if matches!(now, Rule::Popularity { .. }) => now,
        Some((_, "tinylfu")) => Rule::Popularity { moment: 0 },
        _ => Rule::Idle,
    }
}

/// Whether eviction goes by ages.
fn goes_by_ages(config: &Config) -> bool {
    let policy = config.choice(Setting::MaxmemoryPolicy);
    ["lru", "lfu", "lrm"].iter().any(|kind| policy.ends_with(kind))
}

/// Copies what is read without looking into the configuration.
pub fn apply(config: &Config, server: &Server) {
    let Server { engine, scripts, slowlog, .. } = server;
    crate::system::log::set_level(config.choice(Setting::Loglevel));
    server.clients.configure(config);
    server.access.configure(config);
    server.thresholds.configure(config);
    slowlog.configure(config);
    server.evictor.configure(config);
    server.link.configure(config);
    server.replication.configure(config);
    let busy_ms = config.count(Setting::BusyReplyThreshold) as u64;
    let version = String::from_utf8_lossy(config.text(Setting::RedisVersion));
    scripts.configure(busy_ms, &version);
    server.tracking.set_keys_max(config.count(Setting::TrackingTableMaxKeys));
    // Without K and E nothing is published.
    let (events, published) = (config.events(), KEYSPACE | KEYEVENT);
    engine.set_events(if events & published == 0 { 0 } else { events });
    let rule = prefixes::Rule::parse(config.text(Setting::StatsPrefixes)).unwrap_or_default();
    engine.keyspace.prefixes.set_rule(rule);
    let options = &engine.options;
    options.set_aging(aging(config, options.aging()));
    options.set_keeps_ages(goes_by_ages(config));
    options.set_string_bytes_max(config.count(Setting::ProtoMaxBulkLen) as u64);
    let rdb_version = config.choice(Setting::RdbVersion).parse();
    options.set_rdb_version(rdb_version.expect("each of the table's choices is a number"));
    options.set_compresses(config.is(Setting::Rdbcompression));
    options.set_list_packed_max(config.integer(Setting::ListMaxListpackSize));
    options.set_hash_packed_fields_max(config.count(Setting::HashMaxListpackEntries));
    options.set_sorted_set_packed_members_max(config.count(Setting::ZsetMaxListpackEntries));
    options.set_sorted_set_packed_bytes_max(config.count(Setting::ZsetMaxListpackValue));
    options.set_hash_packed_bytes_max(config.count(Setting::HashMaxListpackValue));
    options.set_sketch_sparse_bytes_max(config.count(Setting::HllSparseMaxBytes));
    options.set_set_integers_max(config.count(Setting::SetMaxIntsetEntries));
    options.set_set_packed_members_max(config.count(Setting::SetMaxListpackEntries));
    options.set_set_packed_bytes_max(config.count(Setting::SetMaxListpackValue));
    options.set_memcached_item_bytes_max(config.count(Setting::MemcachedItemSizeMax));
    options.set_stream_limits(StreamLimits {
        bytes: config.count(Setting::StreamNodeMaxBytes),
        entries: config.count(Setting::StreamNodeMaxEntries),
    });
    options.set_stream_keep(StreamKeep {
        duration_s: config.count(Setting::StreamIdmpDuration) as u64,
        most: config.count(Setting::StreamIdmpMaxsize) as u64,
    });
}
