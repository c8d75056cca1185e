//! INFO: one function a section, each line a field of Redis's with a value of ours.
//!
//! Only what is known is printed. Counters are summed over the workers; memory is what the shards
//! count of their entries and tables, and what the system says of the process.

use crate::clients::client::ClientInfo;
use crate::clients::pause::PauseMode;
use crate::metrics::histogram::Histogram;
use crate::notify::pubsub::Kind;
use crate::server::Server;
use crate::session::Context;
use crate::system::process::Process;
use redstart_config::{Config, Setting};
use redstart_engine::Error;
use redstart_engine::keyspace::LockedShards;
use redstart_engine::keyspace::totals::{DbTotals, Totals};
use redstart_engine::stats::{Counter, Stats};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A section: its name, its title, whether it is printed by default, whether `all` prints it, and
/// what is in it.
struct Section {
    name: &'static str,
    title: &'static str,
    default: bool,
    all: bool,
    write: fn(&mut Lines, &Facts),
}

const fn section(
    name: &'static str,
    title: &'static str,
    write: fn(&mut Lines, &Facts),
) -> Section {
    Section { name, title, default: true, all: true, write }
}

/// In the order in which they are printed.
static SECTIONS: &[Section] = &[
    section("server", "Server", server),
    section("clients", "Clients", clients),
    section("memory", "Memory", memory),
    section("persistence", "Persistence", persistence),
    section("stats", "Stats", stats),
    section("replication", "Replication", replication),
    section("cpu", "CPU", cpu),
    Section { all: false, ..section("modules", "Modules", |_, _| {}) },
    Section { default: false, ..section("commandstats", "Commandstats", command_stats) },
    section("errorstats", "Errorstats", error_stats),
    Section { default: false, ..section("latencystats", "Latencystats", latency_stats) },
    section("cluster", "Cluster", |lines, _| lines.put("cluster_enabled", 0)),
    section("keyspace", "Keyspace", keyspace),
];

/// What the sections are made of.
struct Facts {
    server: &'static Server,
    now: redstart_engine::Now,
    usage: Usage,
    process: Process,
}

/// The text as it grows.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to memory does not fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    /// A field whose name a client may have made up: nothing in it is taken for the end of a name,
    /// of a line, or for a section.
    fn put_named(&mut self, name: &str, value: impl std::fmt::Display) {
        self.put(&name.replace(['#', ':', '\n', '\r'], "_"), value);
    }

    /// A path, which may have the end of a line in it.
    fn put_path(&mut self, name: &str, path: &std::path::Path) {
        self.put(name, path.to_string_lossy().replace(['\n', '\r'], "_"));
    }

    /// What Redis counts and there is none of.
    fn zeros(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.put(name, 0));
    }

    /// A count of bytes, and the same for people.
    fn bytes(&mut self, name: &str, bytes: usize) {
        self.put(name, bytes);
        self.put(&format!("{name}_human"), human(bytes));
    }
}

/// About how long the text of the default sections is, in bytes.
const TEXT_BYTES: usize = 6 * 1024;

/// The text of the sections that are named, in any case; of the default ones if there are none.
///
/// # Errors
/// When a script holds what it looks at for too long.
pub fn text<'a>(
    context: &mut Context<'_>,
    names: impl Iterator<Item = &'a [u8]>,
) -> Result<String, Error> {
    let names: Vec<Vec<u8>> = names.map(<[u8]>::to_ascii_lowercase).collect();
    let named = |name: &str| names.iter().any(|given| given == name.as_bytes());
    let default = names.is_empty() || named("default");
    let (all, everything) = (named("all"), named("everything"));
    let server = context.session.server;
    let facts = Facts {
        server,
        now: context.now,
        usage: Usage::of(server, context.held.as_deref_mut())?,
        process: Process::now(),
    };
    let mut lines = Lines(String::with_capacity(TEXT_BYTES));
    for section in SECTIONS {
        let wanted =
            everything || all && section.all || default && section.default || named(section.name);
        if wanted {
            if !lines.0.is_empty() {
                lines.0 += "\r\n";
            }
            lines.0 += &format!("# {}\r\n", section.title);
            (section.write)(&mut lines, &facts);
        }
    }
    Ok(lines.0)
}

fn server(lines: &mut Lines, facts: &Facts) {
    let Facts { server, .. } = facts;
    let config = server.config.read();
    let uptime_s = server.clock.uptime().as_secs();
    let hz = config.integer(Setting::Hz);
    lines.put("redis_version", String::from_utf8_lossy(config.text(Setting::RedisVersion)));
    lines.put("redis_git_sha1", "00000000");
    lines.put("redis_git_dirty", 0);
    lines.put("redis_build_id", 0);
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
    lines.put("tcp_port", config.integer(Setting::Port));
    lines.put("server_time_usec", crate::system::clock::wall_us());
    lines.put("uptime_in_seconds", uptime_s);
    lines.put("uptime_in_days", uptime_s / 86_400);
    lines.put("hz", hz);
    lines.put("configured_hz", hz);
    lines.put("lru_clock", facts.now.access_clock());
    lines.put_path("executable", &std::env::current_exe().unwrap_or_default());
    lines.put_path("config_file", config.file().unwrap_or("".as_ref()));
    lines.put("io_threads_active", 0);
    listeners(lines, &config);
    lines.put("threads", server.stats.len());
}

/// What is listened at: addresses and a port, and a path.
fn listeners(lines: &mut Lines, config: &Config) {
    let mut count = 0..;
    let mut put = |text: String| {
        let name = format!("listener{}", count.next().unwrap_or(0));
        lines.put(&name, text.replace(['\n', '\r'], "_"));
    };
    let port = config.integer(Setting::Port);
    if port != 0 {
        let bound = config.addresses().map(|(address, may_be_missing)| {
            let mark = if may_be_missing { "-" } else { "" };
            format!(",bind={mark}{}", String::from_utf8_lossy(address))
        });
        put(format!("name=tcp{},port={port}", bound.collect::<String>()));
    }
    let path = config.text(Setting::Unixsocket);
    if !path.is_empty() {
        put(format!("name=unix,bind={}", String::from_utf8_lossy(path)));
    }
}

fn os() -> String {
    let name = rustix::system::uname();
    let parts = [name.sysname(), name.release(), name.machine()];
    parts.map(|part| part.to_string_lossy().into_owned()).join(" ")
}

fn clients(lines: &mut Lines, facts: &Facts) {
    let clients = facts.server.clients.all();
    let most = |size: fn(&ClientInfo) -> usize| {
        clients.iter().map(|client| size(client)).max().unwrap_or(0)
    };
    lines.put("connected_clients", facts.server.clients.len());
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

fn memory(lines: &mut Lines, facts: &Facts) {
    let config = facts.server.config.read();
    let (used, overhead) = (facts.usage.used_bytes(), facts.usage.overhead_bytes());
    let dataset = used - overhead;
    let peak = facts.server.memory_peak.fetch_max(used, Relaxed).max(used);
    let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
    let rss = facts.process.resident_bytes.unwrap_or(used);
    lines.bytes("used_memory", used);
    lines.bytes("used_memory_rss", rss);
    lines.bytes("used_memory_peak", peak);
    lines.put("used_memory_peak_perc", format_args!("{:.2}%", share(used, peak)));
    lines.put("used_memory_overhead", overhead);
    lines.put("used_memory_startup", 0);
    lines.put("used_memory_dataset", dataset);
    lines.put("used_memory_dataset_perc", format_args!("{:.2}%", share(dataset, used)));
    lines.put("allocator_allocated", used);
    lines.put("allocator_active", rss);
    lines.put("allocator_resident", rss);
    lines.zeros(&["allocator_muzzy"]);
    if let Some(total) = facts.process.machine_bytes {
        lines.bytes("total_system_memory", total);
    }
    lines.zeros(&["used_memory_lua", "used_memory_vm_eval"]);
    lines.put("used_memory_lua_human", human(0));
    lines.zeros(&["used_memory_scripts_eval", "number_of_cached_scripts"]);
    lines.zeros(&["number_of_functions", "number_of_libraries", "used_memory_vm_functions"]);
    lines.bytes("used_memory_vm_total", 0);
    lines.zeros(&["used_memory_functions"]);
    lines.bytes("used_memory_scripts", 0);
    lines.bytes("maxmemory", config.count(Setting::Maxmemory));
    lines.put("maxmemory_policy", config.choice(Setting::MaxmemoryPolicy));
    let ratio = rss as f64 / used.max(1) as f64;
    for name in ["allocator_frag", "allocator_rss", "rss_overhead"] {
        lines.put(&format!("{name}_ratio"), "1.00");
        lines.put(&format!("{name}_bytes"), 0);
    }
    lines.put("mem_fragmentation_ratio", format_args!("{ratio:.2}"));
    lines.put("mem_fragmentation_bytes", rss as i64 - used as i64);
    lines.zeros(&["mem_not_counted_for_evict", "mem_replication_backlog"]);
    lines.zeros(&["mem_total_replication_buffers", "mem_clients_slaves"]);
    lines.put("mem_clients_normal", facts.usage.clients_bytes);
    lines.zeros(&["mem_cluster_links", "mem_aof_buffer", "mem_replica_full_sync_buffer"]);
    lines.zeros(&["mem_overhead_db_hashtable_rehashing"]);
    lines.put("mem_allocator", "mimalloc");
    lines.zeros(&["active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects"]);
}

fn persistence(lines: &mut Lines, facts: &Facts) {
    for (name, value) in facts.server.durability.info_fields() {
        lines.put(name, value);
    }
}

fn stats(lines: &mut Lines, facts: &Facts) {
    let clients = &facts.server.clients;
    let sum = |field: fn(&Stats) -> &Counter| -> u64 {
        facts.server.stats.iter().map(|stats| field(stats).value()).sum()
    };
    lines.put("total_connections_received", clients.accepted.load(Relaxed));
    let commands = facts.server.stats.iter().map(|stats| stats.commands()).sum::<u64>();
    lines.put("total_commands_processed", commands);
    let (commands, input_kb, output_kb) = facts.server.rates.now();
    lines.put("instantaneous_ops_per_sec", commands);
    lines.put("total_net_input_bytes", sum(|stats| &stats.net_input_bytes));
    lines.put("total_net_output_bytes", sum(|stats| &stats.net_output_bytes));
    lines.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    lines.put("instantaneous_input_kbps", format_args!("{input_kb:.2}"));
    lines.put("instantaneous_output_kbps", format_args!("{output_kb:.2}"));
    lines.put("instantaneous_input_repl_kbps", "0.00");
    lines.put("instantaneous_output_repl_kbps", "0.00");
    lines.put("rejected_connections", clients.rejected.load(Relaxed));
    lines.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    lines.put("expired_subkeys", sum(|stats| &stats.expired_subkeys));
    lines.put("expired_keys", sum(|stats| &stats.expired_keys));
    lines.put("expired_stale_perc", "0.00");
    lines.zeros(&["expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds"]);
    lines.put("evicted_keys", sum(|stats| &stats.evicted_keys));
    lines.put("evicted_clients", clients.evicted.load(Relaxed));
    lines.put("evicted_scripts", facts.server.scripts.evicted.load(Relaxed));
    lines.zeros(&["total_eviction_exceeded_time"]);
    lines.zeros(&["current_eviction_exceeded_time"]);
    lines.put("keyspace_hits", sum(|stats| &stats.keyspace_hits));
    lines.put("keyspace_misses", sum(|stats| &stats.keyspace_misses));
    lines.put("pubsub_channels", facts.server.pubsub.len(Kind::Channel));
    lines.put("pubsub_patterns", facts.server.pubsub.len(Kind::Pattern));
    lines.put("pubsubshard_channels", facts.server.pubsub.len(Kind::Shard));
    lines.zeros(&["latest_fork_usec", "total_forks", "migrate_cached_sockets"]);
    lines.zeros(&["slave_expires_tracked_keys", "active_defrag_hits", "active_defrag_misses"]);
    lines.zeros(&["active_defrag_key_hits", "active_defrag_key_misses"]);
    lines.zeros(&["total_active_defrag_time", "current_active_defrag_time"]);
    let tracking = facts.server.tracking.totals();
    lines.put("tracking_total_keys", tracking.keys);
    lines.put("tracking_total_items", tracking.items);
    lines.put("tracking_total_prefixes", tracking.prefixes);
    lines.zeros(&["unexpected_error_replies"]);
    lines.put("total_error_replies", sum(|stats| &stats.error_replies));
    lines.zeros(&["dump_payload_sanitizations"]);
    lines.put("total_reads_processed", sum(|stats| &stats.reads));
    lines.put("total_writes_processed", sum(|stats| &stats.writes));
    lines.zeros(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
    lines.zeros(&["io_threaded_total_prefetch_batches", "io_threaded_total_prefetch_entries"]);
    lines.zeros(&["reply_buffer_shrinks", "reply_buffer_expands"]);
    let too_long = clients.input_limits.closed.load(Relaxed);
    lines.put("client_query_buffer_limit_disconnections", too_long);
    let unread = clients.output_limits.closed.load(Relaxed);
    lines.put("client_output_buffer_limit_disconnections", unread);
    lines.put("acl_access_denied_auth", clients.wrong_passwords.load(Relaxed));
    lines.zeros(&["acl_access_denied_cmd", "acl_access_denied_key"]);
    lines.zeros(&["acl_access_denied_channel", "acl_access_denied_tls_cert"]);
}

fn replication(lines: &mut Lines, facts: &Facts) {
    lines.put("role", "master");
    lines.put("connected_slaves", 0);
    lines.put("master_failover_state", "no-failover");
    lines.put("master_replid", &facts.server.run_id);
    lines.put("master_replid2", "0".repeat(40));
    lines.put("master_repl_offset", 0);
    lines.put("second_repl_offset", -1);
    lines.put("repl_backlog_active", 0);
    lines.put("repl_backlog_size", facts.server.config.read().count(Setting::ReplBacklogSize));
    lines.put("repl_backlog_first_byte_offset", 0);
    lines.put("repl_backlog_histlen", 0);
}

fn cpu(lines: &mut Lines, facts: &Facts) {
    lines.put("used_cpu_sys", format_args!("{:.6}", facts.process.system_s));
    lines.put("used_cpu_user", format_args!("{:.6}", facts.process.user_s));
    lines.put("used_cpu_sys_children", "0.000000");
    lines.put("used_cpu_user_children", "0.000000");
    // There is no main thread that does the work: these are the process's, too.
    lines.put("used_cpu_sys_main_thread", format_args!("{:.6}", facts.process.system_s));
    lines.put("used_cpu_user_main_thread", format_args!("{:.6}", facts.process.user_s));
}

fn command_stats(lines: &mut Lines, facts: &Facts) {
    for registered in facts.server.registry.iter() {
        let sum = |count: fn(&Stats, usize) -> u64| -> u64 {
            let stats = facts.server.stats.iter();
            stats.map(|stats| count(stats, registered.id as usize)).sum()
        };
        let calls = sum(|stats, id| stats.calls[id].value());
        let rejected = sum(|stats, id| stats.times[id].rejected.value());
        let failed = sum(|stats, id| stats.times[id].failed.value());
        if calls + rejected + failed == 0 {
            continue;
        }
        let us = sum(|stats, id| stats.times[id].ns.value()) as f64 / 1000.0;
        let mean_us = us / calls.max(1) as f64;
        let name = format!("cmdstat_{}", registered.full_name());
        let value = format_args!(
            "calls={calls},usec={us:.0},usec_per_call={mean_us:.2},\
             rejected_calls={rejected},failed_calls={failed}"
        );
        lines.put(&name, value);
    }
}

fn latency_stats(lines: &mut Lines, facts: &Facts) {
    let config = facts.server.config.read();
    if !config.is(Setting::LatencyTracking) {
        return;
    }
    for registered in facts.server.registry.iter() {
        let histogram = Histogram::of(facts.server.stats, registered.id);
        if histogram.calls == 0 {
            continue;
        }
        let shown: Vec<String> = config
            .percentiles()
            .iter()
            .map(|percentile| {
                let us = histogram.percentile(*percentile) as f64 / 1000.0;
                format!("p{percentile}={us:.3}")
            })
            .collect();
        let name = format!("latency_percentiles_usec_{}", registered.full_name());
        lines.put(&name, shown.join(","));
    }
}

fn error_stats(lines: &mut Lines, facts: &Facts) {
    for (code, count) in facts.server.errors.all() {
        let name = format!("errorstat_{}", String::from_utf8_lossy(&code));
        lines.put_named(&name, format_args!("count={count}"));
    }
}

fn keyspace(lines: &mut Lines, facts: &Facts) {
    for (index, db) in facts.usage.totals.dbs.iter().enumerate() {
        let DbTotals { keys, volatile, timed, deadline_sum_ms, .. } = *db;
        if keys == 0 {
            continue;
        }
        let mean_ms = deadline_sum_ms.checked_div(volatile as u128).unwrap_or(0);
        let ttl_ms = mean_ms.saturating_sub(facts.now.mono_ms.into());
        let value =
            format_args!("keys={keys},expires={volatile},avg_ttl={ttl_ms},subexpiry={timed}");
        lines.put(&format!("db{index}"), value);
    }
}

/// What the keyspace and the clients take.
pub struct Usage {
    /// What the keyspace holds.
    pub totals: Totals,
    /// Bytes of clients' buffers, and of what is known of them.
    pub clients_bytes: usize,
}

impl Usage {
    /// Adds everything up, under the locks that are held or one lock at a time.
    ///
    /// # Errors
    /// When a script holds a shard for too long.
    pub fn of(server: &Server, held: Option<&mut LockedShards>) -> Result<Usage, Error> {
        let clients_bytes = server.clients.all().iter().map(|client| client.memory()).sum();
        Ok(Usage { totals: Totals::of(&server.engine.keyspace, held)?, clients_bytes })
    }

    /// Bytes of all of it.
    pub fn used_bytes(&self) -> usize {
        self.totals.used_bytes + self.clients_bytes
    }

    /// The part of it that is neither key nor value.
    pub fn overhead_bytes(&self) -> usize {
        self.totals.overhead_bytes + self.clients_bytes
    }
}

/// A count of bytes as Redis shows it to people.
fn human(bytes: usize) -> String {
    let units = [(1usize << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match units.iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.2}{unit}", bytes as f64 / *size as f64),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn bytes_for_people() {
        let shown = [0, 1023, 1024, 990_312, 25_276_510_208].map(human);
        assert_eq!(shown, ["0B", "1023B", "1.00K", "967.10K", "23.54G"]);
    }
}
