//! What INFO says of a replica: its master, and how the link to it goes.

use super::Lines;
use crate::replication::link::{Phase, Status};
use crate::server::Server;
use redstart_config::Setting;

/// The fields of a replica, in Redis's order.
pub fn replica(lines: &mut Lines, server: &Server, now_ms: u64) {
    let Some(master) = server.replication.master_address() else { return };
    let status = server.link.status();
    let up = status.phase == Phase::Connected;
    let since_s = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1000;
    let seconds = |time: Option<u64>| time.map_or("-1".to_owned(), |ms| since_s(ms).to_string());
    let offset = server.replication.offset();
    lines.put("role", "slave");
    lines.put("master_host", master.host.replace(['\n', '\r'], "_"));
    lines.put("master_port", master.port);
    lines.put("master_link_status", if up { "up" } else { "down" });
    lines.put("master_last_io_seconds_ago", seconds(status.last_io_ms));
    lines.put("master_sync_in_progress", u8::from(status.phase == Phase::Sync));
    lines.put("slave_read_repl_offset", offset);
    // What failed here makes this the last replica to be chosen.
    lines.put("slave_repl_offset", status.failed.behind.unwrap_or(offset));
    transfer(lines, &status, now_ms);
    if let Some(down_s) = status.down_s(now_ms) {
        lines.put("master_link_down_since_seconds", down_s);
        if let Some(why) = &status.failure {
            lines.put("master_link_failure", why.replace(['\n', '\r'], "_"));
        }
    }
    lines.put("master_link_up_since_seconds", seconds(status.up_since_ms));
    lines.put("total_disconnect_time_sec", status.down_ms / 1000);
    lines.put("master_current_sync_attempts", status.attempts[0]);
    lines.put("master_total_sync_attempts", status.attempts[1]);
    lines.put("master_full_syncs", status.syncs[0]);
    lines.put("master_partial_syncs", status.syncs[1]);
    lines.put("master_failed_commands", status.failed.count);
    let config = server.config.read();
    lines.put("slave_priority", config.integer(Setting::ReplicaPriority));
    lines.put("slave_read_only", u8::from(config.is(Setting::ReplicaReadOnly)));
    lines.put("replica_announced", u8::from(config.is(Setting::ReplicaAnnounced)));
}

fn transfer(lines: &mut Lines, status: &Status, now_ms: u64) {
    let (Some([total, read]), Phase::Sync) = (status.transfer, status.phase) else { return };
    lines.put("master_sync_total_bytes", total);
    lines.put("master_sync_read_bytes", read);
    lines.put("master_sync_left_bytes", total as i64 - read as i64);
    let percent = if total == 0 { 0.0 } else { 100.0 * read as f64 / total as f64 };
    lines.put("master_sync_perc", format_args!("{percent:.2}"));
    let last_ms = status.last_io_ms.unwrap_or(now_ms);
    lines.put("master_sync_last_io_seconds_ago", now_ms.saturating_sub(last_ms) / 1000);
}
