//! The sections about the server itself: what it is, its clients and threads, its time.

use super::replica::replica;
use super::{Facts, Lines};
use crate::clients::client::ClientInfo;
use crate::clients::kind::ClientKind;
use crate::clients::pause::PauseMode;
use crate::replication::Id;
use crate::replication::replicas::State;
use redstart_config::{Config, Setting};
use redstart_persistence::rdb::crc64;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

/// Redis's clock of uses, in seconds, has so many bits.
const LRU_CLOCK_MAX: i64 = (1 << 24) - 1;

pub fn server(lines: &mut Lines, facts: &Facts) {
    let Facts { server, .. } = facts;
    let config = server.config.read();
    let uptime_s = server.clock.uptime().as_secs();
    let hz = config.integer(Setting::Hz);
    lines.put("redis_version", String::from_utf8_lossy(config.text(Setting::RedisVersion)));
    lines.put("redis_git_sha1", "00000000");
    lines.put("redis_git_dirty", 0);
    lines.put("redis_build_id", build_id());
    lines.put("redis_mode", "standalone");
    lines.put("redstart_version", env!("CARGO_PKG_VERSION"));
    lines.put("os", os());
    lines.put("arch_bits", usize::BITS);
    lines.put("monotonic_clock", "POSIX clock_gettime");
    lines.put("multiplexing_api", if cfg!(target_os = "linux") { "epoll" } else { "kqueue" });
    lines.put("atomicvar_api", "c11-builtin");
    lines.put("gcc_version", "0.0.0");
    lines.put("process_id", std::process::id());
    lines.put("process_supervised", crate::system::supervisor::by(&config));
    lines.put("run_id", &server.run_id);
    let port = match config.integer(Setting::Port) {
        0 => config.integer(Setting::TlsPort),
        port => port,
    };
    lines.put("tcp_port", port);
    lines.put("server_time_usec", server.clock.wall_us());
    lines.put("uptime_in_seconds", uptime_s);
    lines.put("uptime_in_days", uptime_s / 86_400);
    lines.put("hz", hz);
    lines.put("configured_hz", hz);
    lines.put("lru_clock", (facts.now.wall_ms / 1000) & LRU_CLOCK_MAX);
    lines.put_path("executable", &std::env::current_exe().unwrap_or_default());
    lines.put_path("config_file", config.file().unwrap_or("".as_ref()));
    lines.put("io_threads_active", u8::from(server.stats.len() > 1));
    listeners(lines, &config);
    lines.put("threads", server.stats.len());
    lines.put("sandbox", crate::system::sandbox::state());
}

/// Tells one build from another: a number made of the program's size and age.
fn build_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        let program = std::env::current_exe().and_then(std::fs::metadata);
        let built = program.as_ref().map(|file| (file.len(), file.mtime(), file.mtime_nsec()));
        format!("{:x}", crc64(0, format!("{built:?}").as_bytes()))
    })
}

/// What is listened at: addresses and a port, and a path.
pub fn listeners(lines: &mut Lines, config: &Config) {
    let mut count = 0..;
    let mut put = |text: Option<String>| {
        let name = format!("listener{}", count.next().unwrap_or(0));
        if let Some(text) = text {
            lines.put(&name, text.replace(['\n', '\r'], "_"));
        }
    };
    let bound = |name: &str, port: i64| {
        let bound = config.addresses().map(|(address, may_be_missing)| {
            let mark = if may_be_missing { "-" } else { "" };
            format!(",bind={mark}{}", String::from_utf8_lossy(address))
        });
        (port != 0).then(|| format!("name={name}{},port={port}", bound.collect::<String>()))
    };
    put(bound("tcp", config.integer(Setting::Port)));
    let path = config.text(Setting::Unixsocket);
    let unix = format!("name=unix,bind={}", String::from_utf8_lossy(path));
    put((!path.is_empty()).then_some(unix));
    put(bound("tls", config.integer(Setting::TlsPort)));
    let memcached = config.integer(Setting::MemcachedPort);
    if memcached != 0 {
        put(bound("memcached", memcached));
    }
}

/// The certificates that connections are encrypted with, by Valkey's names.
pub fn tls(lines: &mut Lines, facts: &Facts) {
    let Some(encryption) = facts.server.tls.current() else { return };
    let now_s = u64::try_from(facts.now.wall_ms / 1000).unwrap_or(0);
    for (whose, validity) in [("server", &encryption.own), ("ca", &encryption.authority)] {
        let left_s = validity.as_ref().map_or(0, |validity| validity.ends_s.saturating_sub(now_s));
        let serial = validity.as_ref().map_or("none", |validity| &validity.serial);
        lines.put(&format!("tls_{whose}_cert_serial"), serial);
        lines.put(&format!("tls_{whose}_cert_expires_in_seconds"), left_s);
    }
}

fn os() -> String {
    let name = rustix::system::uname();
    let parts = [name.sysname(), name.release(), name.machine()];
    parts.map(|part| part.to_string_lossy().into_owned()).join(" ")
}

pub fn clients(lines: &mut Lines, facts: &Facts) {
    let clients = facts.server.clients.all();
    let most = |size: fn(&ClientInfo) -> usize| {
        clients.iter().map(|client| size(client)).max().unwrap_or(0)
    };
    let own = clients.iter().filter(|client| client.kind() != ClientKind::Replica);
    lines.put("connected_clients", own.count());
    lines.put("cluster_connections", 0);
    lines.put("maxclients", facts.server.clients.admission.clients_max());
    let input = most(|client| client.input_bytes.load(Relaxed));
    lines.put("client_recent_max_input_buffer", input);
    let output = most(|client| client.unread());
    lines.put("client_recent_max_output_buffer", output);
    let waiting = |timed: bool| {
        let waits =
            |client: &&Arc<ClientInfo>| client.is_blocked() && (!timed || client.times_out());
        clients.iter().filter(waits).count()
    };
    lines.put("blocked_clients", waiting(false));
    lines.put("tracking_clients", facts.server.tracking.totals().clients);
    lines.put("clients_in_timeout_table", waiting(true));
    let count = |is: fn(&ClientInfo) -> bool| clients.iter().filter(|client| is(client)).count();
    let listens =
        |client: &ClientInfo| client.listening.iter().any(|count| count.load(Relaxed) != 0);
    lines.put("pubsub_clients", count(listens));
    lines.put("watching_clients", count(|client| client.watched.load(Relaxed) != 0));
    lines.put("total_watched_keys", facts.usage.totals.watched_keys);
    lines.put("total_blocking_keys", facts.usage.totals.awaited_keys);
    lines.zeros(&["total_blocking_keys_on_nokey"]);
    let pause = facts.server.pause.now();
    lines.put("paused_reason", if pause.is_some() { "client_pause" } else { "none" });
    let actions = match pause {
        None => "none",
        Some((PauseMode::Write, _)) => "write",
        Some((PauseMode::All, _)) => "all",
    };
    lines.put("paused_actions", actions);
    let left_ms = pause.map_or(0, |(_, end_ms)| end_ms.saturating_sub(facts.now.mono_ms));
    lines.put("paused_timeout_milliseconds", left_ms);
}

/// The workers; the first is what others call the main thread.
pub fn threads(lines: &mut Lines, facts: &Facts) {
    let workers = facts.server.stats.iter().zip(facts.server.loads);
    for (index, (stats, clients)) in workers.enumerate() {
        let (clients, reads, writes) =
            (clients.load(Relaxed), stats.reads.value(), stats.writes.value());
        let value = format_args!("clients={clients},reads={reads},writes={writes}");
        lines.put(&format!("io_thread_{index}"), value);
    }
}

pub fn replication(lines: &mut Lines, facts: &Facts) {
    match facts.server.replication.is_replica() {
        true => replica(lines, facts.server, facts.now.mono_ms),
        false => lines.put("role", "master"),
    }
    masters_part(lines, facts);
}

pub fn cpu(lines: &mut Lines, facts: &Facts) {
    lines.put("used_cpu_sys", format_args!("{:.6}", facts.usage.process.system_s));
    lines.put("used_cpu_user", format_args!("{:.6}", facts.usage.process.user_s));
    lines.put("used_cpu_sys_children", "0.000000");
    lines.put("used_cpu_user_children", "0.000000");
    // There is no main thread that does the work: these are the process's, too.
    lines.put("used_cpu_sys_main_thread", format_args!("{:.6}", facts.usage.process.system_s));
    lines.put("used_cpu_user_main_thread", format_args!("{:.6}", facts.usage.process.user_s));
}

/// Its replicas, and how far the stream is: a replica has these, too.
fn masters_part(lines: &mut Lines, facts: &Facts) {
    let Facts { server, now, .. } = facts;
    let replication = server.replication;
    let replicas = replication.replicas.all();
    lines.put("connected_slaves", replicas.len());
    let config = server.config.read();
    let (wanted, lag) = (Setting::MinReplicasToWrite, Setting::MinReplicasMaxLag);
    if config.count(wanted) > 0 && config.count(lag) > 0 {
        lines.put("min_slaves_good_slaves", replication.good_replicas());
    }
    for (index, replica) in replicas.iter().enumerate() {
        let lag_s = match replica.state() {
            State::Online => replica.lag_s(now.mono_ms),
            _ => 0,
        };
        let (ip, port) = (replica.ip().replace(['\n', '\r', ','], "_"), replica.said.port);
        let (state, offset) = (replica.state().name(), replica.acked());
        let value = format_args!(
            "ip={ip},port={port},state={state},offset={offset},lag={lag_s},io-thread=0"
        );
        lines.put(&format!("slave{index}"), value);
    }
    let (ids, backlog) = (replication.ids(), replication.backlog());
    let text = |id: Id| String::from_utf8_lossy(&id).into_owned();
    lines.put("master_failover_state", "no-failover");
    lines.put("master_replid", text(ids.id));
    lines.put("master_replid2", text(ids.id2));
    lines.put("master_repl_offset", replication.offset());
    lines.put("second_repl_offset", ids.second_offset);
    lines.put("repl_backlog_active", u8::from(backlog.is_kept));
    lines.put("repl_backlog_size", config.count(Setting::ReplBacklogSize));
    let first = if backlog.is_kept { backlog.begin + 1 } else { 0 };
    lines.put("repl_backlog_first_byte_offset", first);
    lines.put("repl_backlog_histlen", backlog.end - backlog.begin);
}
