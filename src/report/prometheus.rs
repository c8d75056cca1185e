//! The figures in Prometheus's text format, as `/metrics` shows them.
//!
//! What INFO has is shown under the names that redis_exporter gives it, so that boards made for it
//! work as they are: the text of INFO is read, so both always agree. What no Redis has stands under
//! `redstart_`.

use crate::metrics::histogram::Histogram;
use crate::report::info;
use crate::report::sampler::expiry_lag_ms;
use crate::server::Server;
use redstart_engine::Error;
use redstart_engine::keyspace::totals::Totals;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::Ordering::Relaxed;

/// What the text is, for the header of a reply.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Fields of INFO that go up and down, and their names behind `redis_`. `ok` counts as one, `err`
/// as zero.
const GAUGES: &[(&str, &str)] = &[
    ("uptime_in_seconds", "uptime_in_seconds"),
    ("process_id", "process_id"),
    ("io_threads_active", "io_threads_active"),
    ("configured_hz", "configured_hz"),
    ("hz", "hz"),
    ("connected_clients", "connected_clients"),
    ("maxclients", "max_clients"),
    ("maxclients", "config_maxclients"),
    ("blocked_clients", "blocked_clients"),
    ("tracking_clients", "tracking_clients"),
    ("clients_in_timeout_table", "clients_in_timeout_table"),
    ("pubsub_clients", "pubsub_clients"),
    ("watching_clients", "watching_clients"),
    ("total_watched_keys", "total_watched_keys"),
    ("total_blocking_keys", "total_blocking_keys"),
    ("client_recent_max_output_buffer", "client_recent_max_output_buffer_bytes"),
    ("client_recent_max_input_buffer", "client_recent_max_input_buffer_bytes"),
    ("allocator_active", "allocator_active_bytes"),
    ("allocator_allocated", "allocator_allocated_bytes"),
    ("allocator_resident", "allocator_resident_bytes"),
    ("allocator_frag_ratio", "allocator_frag_ratio"),
    ("allocator_frag_bytes", "allocator_frag_bytes"),
    ("allocator_rss_ratio", "allocator_rss_ratio"),
    ("allocator_rss_bytes", "allocator_rss_bytes"),
    ("used_memory", "memory_used_bytes"),
    ("used_memory_rss", "memory_used_rss_bytes"),
    ("used_memory_peak", "memory_used_peak_bytes"),
    ("used_memory_lua", "memory_used_lua_bytes"),
    ("used_memory_overhead", "memory_used_overhead_bytes"),
    ("used_memory_startup", "memory_used_startup_bytes"),
    ("used_memory_dataset", "memory_used_dataset_bytes"),
    ("used_memory_scripts", "memory_used_scripts_bytes"),
    ("number_of_cached_scripts", "number_of_cached_scripts"),
    ("number_of_functions", "number_of_functions"),
    ("number_of_libraries", "number_of_libraries"),
    ("maxmemory", "memory_max_bytes"),
    ("maxmemory", "config_maxmemory"),
    ("total_system_memory", "total_system_memory_bytes"),
    ("mem_fragmentation_ratio", "mem_fragmentation_ratio"),
    ("mem_fragmentation_bytes", "mem_fragmentation_bytes"),
    ("mem_clients_slaves", "mem_clients_slaves"),
    ("mem_clients_normal", "mem_clients_normal"),
    ("mem_not_counted_for_evict", "mem_not_counted_for_eviction_bytes"),
    ("lazyfree_pending_objects", "lazyfree_pending_objects"),
    ("active_defrag_running", "active_defrag_running"),
    ("expired_stale_perc", "expired_stale_percentage"),
    ("loading", "loading_dump_file"),
    ("rdb_changes_since_last_save", "rdb_changes_since_last_save"),
    ("rdb_bgsave_in_progress", "rdb_bgsave_in_progress"),
    ("rdb_last_save_time", "rdb_last_save_timestamp_seconds"),
    ("rdb_last_bgsave_status", "rdb_last_bgsave_status"),
    ("rdb_last_bgsave_time_sec", "rdb_last_bgsave_duration_sec"),
    ("rdb_current_bgsave_time_sec", "rdb_current_bgsave_duration_sec"),
    ("rdb_last_cow_size", "rdb_last_cow_size_bytes"),
    ("aof_enabled", "aof_enabled"),
    ("aof_rewrite_in_progress", "aof_rewrite_in_progress"),
    ("aof_rewrite_scheduled", "aof_rewrite_scheduled"),
    ("aof_last_rewrite_time_sec", "aof_last_rewrite_duration_sec"),
    ("aof_current_rewrite_time_sec", "aof_current_rewrite_duration_sec"),
    ("aof_last_cow_size", "aof_last_cow_size_bytes"),
    ("aof_current_size", "aof_current_size_bytes"),
    ("aof_base_size", "aof_base_size_bytes"),
    ("aof_pending_rewrite", "aof_pending_rewrite"),
    ("aof_buffer_length", "aof_buffer_length"),
    ("aof_pending_bio_fsync", "aof_pending_bio_fsync"),
    ("aof_delayed_fsync", "aof_delayed_fsync"),
    ("aof_last_bgrewrite_status", "aof_last_bgrewrite_status"),
    ("aof_last_write_status", "aof_last_write_status"),
    ("pubsub_channels", "pubsub_channels"),
    ("pubsub_patterns", "pubsub_patterns"),
    ("latest_fork_usec", "latest_fork_usec"),
    ("instantaneous_ops_per_sec", "instantaneous_ops_per_sec"),
    ("connected_slaves", "connected_slaves"),
    ("repl_backlog_size", "replication_backlog_bytes"),
    ("repl_backlog_active", "repl_backlog_is_active"),
    ("master_repl_offset", "master_repl_offset"),
];

/// Fields of INFO that only grow, and their names behind `redis_`.
const COUNTERS: &[(&str, &str)] = &[
    ("total_connections_received", "connections_received_total"),
    ("total_commands_processed", "commands_processed_total"),
    ("rejected_connections", "rejected_connections_total"),
    ("total_net_input_bytes", "net_input_bytes_total"),
    ("total_net_output_bytes", "net_output_bytes_total"),
    ("total_reads_processed", "total_reads_processed_total"),
    ("total_writes_processed", "total_writes_processed_total"),
    ("expired_keys", "expired_keys_total"),
    ("expired_subkeys", "expired_subkeys_total"),
    ("evicted_keys", "evicted_keys_total"),
    ("evicted_clients", "evicted_clients_total"),
    ("evicted_scripts", "evicted_scripts_total"),
    ("keyspace_hits", "keyspace_hits_total"),
    ("keyspace_misses", "keyspace_misses_total"),
    ("total_error_replies", "error_replies_total"),
    ("acl_access_denied_auth", "acl_access_denied_auth_total"),
    ("acl_access_denied_cmd", "acl_access_denied_cmd_total"),
    ("acl_access_denied_key", "acl_access_denied_key_total"),
    ("acl_access_denied_channel", "acl_access_denied_channel_total"),
    ("acl_access_denied_db", "acl_access_denied_db_total"),
    ("used_cpu_sys", "cpu_sys_seconds_total"),
    ("used_cpu_user", "cpu_user_seconds_total"),
];

/// Fields of INFO that tell one server from another, and stand as labels of `redis_instance_info`.
const LABELS: [&str; 10] = [
    "role",
    "redis_version",
    "redis_build_id",
    "redis_mode",
    "os",
    "maxmemory_policy",
    "tcp_port",
    "run_id",
    "process_id",
    "master_replid",
];

/// The bounds of the histograms of commands' durations, as powers of two in nanoseconds: from 256
/// ns to 4.3 s.
const BOUNDS: std::ops::RangeInclusive<u32> = 8..=32;

/// All figures.
///
/// # Errors
/// When a script holds what is looked at for too long.
pub fn text(server: &'static Server) -> Result<String, Error> {
    let now = server.clock.now();
    let info = info::sections(server, now, (None, None), std::iter::once(&b"everything"[..]))?;
    let totals = Totals::of(&server.engine.keyspace, None)?;
    let fields: Vec<(&str, &str)> = info.lines().filter_map(|line| line.split_once(':')).collect();
    let known: BTreeMap<&str, &str> = fields.iter().copied().collect();
    let mut page = Page::default();
    page.family("redis_up", "gauge", "The server answers.");
    page.value("redis_up", &[], 1);
    plain(&mut page, &known);
    by_command(&mut page, &fields);
    by_database(&mut page, &fields);
    let labels = LABELS.map(|name| (name, known.get(name).copied().unwrap_or_default()));
    page.family("redis_instance_info", "gauge", "What tells this server from another.");
    page.value("redis_instance_info", &labels, 1);
    let started_s = now.wall_ms / 1000 - server.clock.uptime().as_secs() as i64;
    page.gauge("redis_start_time_seconds", "When the server started.", started_s);
    slow(&mut page, server);
    page.family("redstart_build_info", "gauge", "The version of Redstart.");
    page.value("redstart_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    own(&mut page, server, &totals, &known);
    durations(&mut page, server);
    Ok(page.0)
}

/// The text as it grows.
#[derive(Default)]
struct Page(String);

impl Page {
    /// Begins a metric.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to memory does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A value of the metric that was begun.
    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0 += name;
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if at == 0 { '{' } else { ',' });
            escape(&mut self.0, text);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.value(name, &[], value);
    }
}

/// A label's value: what a client may have made up ends neither the value nor the line.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\\' => *out += "\\\\",
            '"' => *out += "\\\"",
            '\n' => *out += "\\n",
            other => out.push(other),
        }
    }
}

/// The fields that stand alone.
fn plain(page: &mut Page, known: &BTreeMap<&str, &str>) {
    for (kind, table) in [("gauge", GAUGES), ("counter", COUNTERS)] {
        for (field, name) in table {
            let value = match known.get(field).copied() {
                Some("ok") => "1",
                Some("err") => "0",
                Some(number) if number.parse::<f64>().is_ok() => number,
                _ => continue,
            };
            let name = format!("redis_{name}");
            page.family(&name, kind, &format!("The field {field} of INFO."));
            page.value(&name, &[], value);
        }
    }
}

/// The part of a line such as `calls=3,usec=10` that has a name.
fn part<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

/// Numbers of commands and of errors.
fn by_command(page: &mut Page, fields: &[(&str, &str)]) {
    let each = |prefix: &'static str| {
        fields.iter().filter_map(move |(field, line)| Some((field.strip_prefix(prefix)?, *line)))
    };
    let mut put = |name: &str, what: &str, part_name: &str, seconds: bool| {
        page.family(name, "counter", what);
        for (command, line) in each("cmdstat_") {
            let Some(number) = part(line, part_name) else { continue };
            match number.parse::<f64>() {
                Ok(us) if seconds => page.value(name, &[("cmd", command)], us / 1e6),
                _ => page.value(name, &[("cmd", command)], number),
            }
        }
    };
    put("redis_commands_total", "Calls of each command.", "calls", false);
    let duration = "redis_commands_duration_seconds_total";
    put(duration, "Time spent in each command.", "usec", true);
    let rejected = "redis_commands_rejected_calls_total";
    put(rejected, "Calls refused before they ran.", "rejected_calls", false);
    put("redis_commands_failed_calls_total", "Calls that failed.", "failed_calls", false);
    page.family("redis_errors_total", "counter", "Error replies by their first word.");
    for (code, line) in each("errorstat_") {
        page.value("redis_errors_total", &[("err", code)], part(line, "count").unwrap_or("0"));
    }
    let name = "redis_latency_percentiles_usec";
    page.family(name, "summary", "How long each command takes, in microseconds.");
    for (command, line) in each("latency_percentiles_usec_") {
        for (percentile, us) in line.split(',').filter_map(|part| part.split_once('=')) {
            let Ok(percentile) = percentile.trim_start_matches('p').parse::<f64>() else {
                continue;
            };
            let quantile = format!("{}", (percentile * 1e6).round() / 1e8);
            page.value(name, &[("cmd", command), ("quantile", &quantile)], us);
        }
        let stats = each("cmdstat_").find(|(other, _)| *other == command);
        let Some((_, stats)) = stats else { continue };
        for (suffix, part_name) in [("sum", "usec"), ("count", "calls")] {
            let number = part(stats, part_name).unwrap_or("0");
            page.value(&format!("{name}_{suffix}"), &[("cmd", command)], number);
        }
    }
}

/// The keys of each database.
fn by_database(page: &mut Page, fields: &[(&str, &str)]) {
    let databases: Vec<_> = fields
        .iter()
        .filter(|(field, line)| field.starts_with("db") && line.starts_with("keys="))
        .collect();
    let mut put = |name: &str, help: &str, part_name: &str, unit: f64| {
        page.family(name, "gauge", help);
        for (database, line) in &databases {
            let number: f64 = part(line, part_name).and_then(|n| n.parse().ok()).unwrap_or(0.0);
            page.value(name, &[("db", database)], number * unit);
        }
    };
    put("redis_db_keys", "Keys of each database.", "keys", 1.0);
    put("redis_db_keys_expiring", "Keys with a deadline.", "expires", 1.0);
    put("redis_db_avg_ttl_seconds", "Mean time to live.", "avg_ttl", 1e-3);
    put("redis_db_keys_with_expiring_items", "Keys with fields that expire.", "subexpiry", 1.0);
}

/// The slow log, and what made clients wait.
fn slow(page: &mut Page, server: &Server) {
    let newest = server.slowlog.newest(1);
    page.gauge("redis_slowlog_length", "Commands in the slow log.", server.slowlog.len());
    if let Some(entry) = newest.first() {
        page.gauge("redis_slowlog_last_id", "The number of the newest of them.", entry.id);
        let help = "How long the newest of them took.";
        page.gauge("redis_last_slow_execution_duration_seconds", help, entry.us as f64 / 1e6);
    }
    let events = server.latency.all();
    page.family("redis_latency_spike_last", "gauge", "When an event last made clients wait.");
    for (name, event) in &events {
        page.value("redis_latency_spike_last", &[("event_name", name)], event.latest().0);
    }
    let name = "redis_latency_spike_duration_seconds";
    page.family(name, "gauge", "How long it then took.");
    for (event_name, event) in &events {
        page.value(name, &[("event_name", event_name)], event.latest().1 as f64 / 1e3);
    }
}

/// What no Redis has.
fn own(page: &mut Page, server: &Server, totals: &Totals, known: &BTreeMap<&str, &str>) {
    let help = "By how much the deadline of the first key that should be gone is over.";
    page.gauge("redstart_expiry_lag_seconds", help, expiry_lag_ms(server) as f64 / 1e3);
    page.gauge("redstart_locks", "Locks with a fence (LOCK.ACQUIRE).", totals.locks);
    page.gauge("redstart_leases", "Keys with a lease (LEASE.GET).", totals.leases);
    let number = |field: &str| known.get(field).and_then(|text| text.parse::<i64>().ok());
    if let Some(saved_s) = number("rdb_last_save_time") {
        let age_s = (server.clock.now().wall_ms / 1000 - saved_s).max(0);
        page.gauge("redstart_snapshot_age_seconds", "Since the last snapshot.", age_s);
    }
    if let (Some(appended), Some(synced)) = (number("aof_records"), number("aof_records_synced")) {
        let help = "Records of the log that are not yet safe on disk.";
        page.gauge("redstart_log_unsynced_records", help, (appended - synced).max(0));
    }
    page.family("redstart_worker_clients", "gauge", "Clients of each worker.");
    for (index, load) in server.loads.iter().enumerate() {
        let worker = index.to_string();
        page.value("redstart_worker_clients", &[("worker", &worker)], load.load(Relaxed));
    }
    let waiting = server.reclaimer.bytes_waiting();
    page.gauge("redstart_reclaimer_waiting_bytes", "Values that wait to be freed.", waiting);
}

/// A histogram of each command's durations.
fn durations(page: &mut Page, server: &Server) {
    let name = "redstart_command_duration_seconds";
    page.family(name, "histogram", "How long the calls of each command took.");
    let (bucket, sum, count) =
        (format!("{name}_bucket"), format!("{name}_sum"), format!("{name}_count"));
    for registered in server.registry.iter() {
        let histogram = Histogram::of(server.stats, registered.id);
        if histogram.calls == 0 {
            continue;
        }
        let command = registered.full_name();
        for power in BOUNDS.step_by(2) {
            let bound = format!("{}", (1u64 << power) as f64 / 1e9);
            let calls = histogram.below(1 << power);
            page.value(&bucket, &[("cmd", &command), ("le", &bound)], calls);
        }
        page.value(&bucket, &[("cmd", &command), ("le", "+Inf")], histogram.calls);
        let stats = server.stats.iter();
        let ns: u64 = stats.map(|stats| stats.times[registered.id as usize].ns.value()).sum();
        page.value(&sum, &[("cmd", &command)], ns as f64 / 1e9);
        page.value(&count, &[("cmd", &command)], histogram.calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_ends_where_it_should() {
        let mut page = Page::default();
        page.value("m", &[("a", "x\"} 1\nm 2"), ("b", "\\")], 3);
        assert_eq!(page.0, "m{a=\"x\\\"} 1\\nm 2\",b=\"\\\\\"} 3\n");
    }

    #[test]
    fn a_name_stands_once() {
        let names = GAUGES.iter().chain(COUNTERS).map(|(_, name)| *name);
        let mut sorted: Vec<&str> = names.collect();
        let count = sorted.len();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), count);
        assert!(COUNTERS.iter().all(|(_, name)| name.ends_with("_total")));
    }

    #[test]
    fn fields_of_a_line() {
        assert_eq!(part("calls=3,usec=10,usec_per_call=3.33", "usec"), Some("10"));
        assert_eq!(part("calls=3", "usec"), None);
    }
}
