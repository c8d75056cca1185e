//! The sections of what is counted: requests, errors, times, keys.

use super::{Facts, Lines};
use crate::access::log::Refused;
use crate::metrics::histogram::Histogram;
use crate::notify::pubsub::Kind;
use crate::report::prefixes;
use redstart_config::Setting;
use redstart_engine::keyspace::prefixes::CAUSE_NAMES;
use redstart_engine::keyspace::quotas::Of;
use redstart_engine::keyspace::totals::DbTotals;
use redstart_engine::stats::{Counter, Stats};
use std::sync::atomic::Ordering::Relaxed;

/// What users are refused, by Redis's and Valkey's names.
const DENIED: [(&str, Refused); 6] = [
    ("auth", Refused::Login),
    ("cmd", Refused::Command),
    ("key", Refused::Key),
    ("channel", Refused::Channel),
    ("tls_cert", Refused::Certificate),
    ("db", Refused::Database),
];

pub fn stats(lines: &mut Lines, facts: &Facts) {
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
    let replicas = &facts.server.replication.replicas;
    lines.zeros(&["total_net_repl_input_bytes"]);
    lines.put("total_net_repl_output_bytes", replicas.sent.load(Relaxed));
    lines.put("instantaneous_input_kbps", format_args!("{input_kb:.2}"));
    lines.put("instantaneous_output_kbps", format_args!("{output_kb:.2}"));
    lines.put("instantaneous_input_repl_kbps", "0.00");
    lines.put("instantaneous_output_repl_kbps", "0.00");
    lines.put("rejected_connections", clients.rejected.load(Relaxed));
    lines.put("sync_full", replicas.full.load(Relaxed));
    lines.put("sync_partial_ok", replicas.partial.load(Relaxed));
    lines.put("sync_partial_err", replicas.refused.load(Relaxed));
    lines.put("expired_subkeys", sum(|stats| &stats.expired_subkeys));
    lines.put("expired_subkeys_active", sum(|stats| &stats.expired_subkeys_active));
    lines.put("expired_keys", sum(|stats| &stats.expired_keys));
    lines.put("expired_keys_active", sum(|stats| &stats.expired_keys_active));
    lines.put("expired_stale_perc", "0.00");
    lines.zeros(&["expired_time_cap_reached_count"]);
    lines.put("expire_cycle_cpu_milliseconds", sum(|stats| &stats.expiry_ns) / 1_000_000);
    lines.put("evicted_keys", sum(|stats| &stats.evicted_keys));
    lines.put("tag_dropped_keys", sum(|stats| &stats.dropped_keys));
    lines.put("evicted_clients", clients.evicted.load(Relaxed));
    lines.put("evicted_scripts", facts.server.scripts.evicted.load(Relaxed));
    let (over_now_ms, over_ms) = facts.server.watermarks.over_ms(facts.now.mono_ms);
    lines.put("total_eviction_exceeded_time", over_ms);
    lines.put("current_eviction_exceeded_time", over_now_ms);
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
    let beside_first = |field: fn(&Stats) -> &Counter| -> u64 {
        facts.server.stats.iter().skip(1).map(|stats| field(stats).value()).sum()
    };
    lines.put("io_threaded_reads_processed", beside_first(|stats| &stats.reads));
    lines.put("io_threaded_writes_processed", beside_first(|stats| &stats.writes));
    lines.zeros(&["io_threaded_total_prefetch_batches", "io_threaded_total_prefetch_entries"]);
    lines.zeros(&["reply_buffer_shrinks", "reply_buffer_expands"]);
    let too_long = clients.input_limits.closed.load(Relaxed);
    lines.put("client_query_buffer_limit_disconnections", too_long);
    let unread = clients.output_limits.closed.load(Relaxed);
    lines.put("client_output_buffer_limit_disconnections", unread);
    refusals(lines, facts);
}

fn refusals(lines: &mut Lines, facts: &Facts) {
    let access = facts.server.access;
    for (name, refused) in DENIED {
        lines.put(&format!("acl_access_denied_{name}"), access.refused(refused));
    }
    lines.put("auth_failures_slowed", access.guesses.slowed());
}

pub fn command_stats(lines: &mut Lines, facts: &Facts) {
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

pub fn latency_stats(lines: &mut Lines, facts: &Facts) {
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

pub fn error_stats(lines: &mut Lines, facts: &Facts) {
    for (code, count) in facts.server.errors.all() {
        let name = format!("errorstat_{}", String::from_utf8_lossy(&code));
        lines.put_named(&name, format_args!("count={count}"));
    }
}

pub fn keyspace(lines: &mut Lines, facts: &Facts) {
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

pub fn prefixes(lines: &mut Lines, facts: &Facts) {
    let keyspace = &facts.server.engine.keyspace;
    lines.put("prefixes_walks", keyspace.prefixes.walks());
    for prefix in prefixes::all(keyspace, facts.server.stats, facts.reach.as_ref()) {
        let mut value = format!(
            "keys={},bytes={},hits={},misses={},hit_rate={:.4},bytes_in={},bytes_out={}",
            prefix.content.keys,
            prefix.content.bytes,
            prefix.hits,
            prefix.missed(),
            prefix.hit_rate(),
            prefix.bytes_in,
            prefix.bytes_out,
        );
        for (name, count) in CAUSE_NAMES.iter().zip(prefix.misses) {
            value += &format!(",misses_{name}={count}");
        }
        let (p50, p99) = (prefix.percentile_us(50.0), prefix.percentile_us(99.0));
        value += &format!(",p50_usec={p50:.1},p99_usec={p99:.1}");
        lines.put_named(&format!("prefix_{}", String::from_utf8_lossy(&prefix.name)), value);
    }
}

pub fn quotas(lines: &mut Lines, facts: &Facts) {
    let quotas = facts.server.engine.keyspace.quotas();
    for (nth, quota) in quotas.into_iter().flat_map(|quotas| quotas.iter()).enumerate() {
        let most = |most: u64| if most == u64::MAX { "none".to_owned() } else { most.to_string() };
        let of = match &quota.of {
            Of::Db(db) => format!("db={db}"),
            Of::Prefix(prefix) => {
                let prefix = String::from_utf8_lossy(prefix);
                format!("prefix={}", prefix.replace([',', '=', '\n', '\r'], "_"))
            }
        };
        let value = format!(
            "{of},bytes={},bytes_max={},keys={},keys_max={},policy={},evicted={},refused={}",
            quota.bytes(),
            most(quota.bytes_max),
            quota.keys(),
            most(quota.keys_max),
            quota.policy.name,
            quota.evicted.load(Relaxed),
            quota.refused.load(Relaxed),
        );
        lines.put(&format!("quota{nth}"), value);
    }
}
