//! What INFO tells about durability.

use super::{Durability, LOG_FAILS, save};
use crate::server::Server;
use redstart_config::Setting;
use std::sync::atomic::Ordering::*;
use std::time::Duration;

/// The fields of the section `Persistence`, in order.
pub fn fields(server: &Server) -> Vec<(&'static str, String)> {
    let persist = &server.durability;
    let status = persist.status.lock().clone();
    let now_ms = server.clock.now().mono_ms;
    let flag = |on: bool| u8::from(on).to_string();
    let seconds = |time: Option<u64>| time.map_or("-1".to_owned(), |time| time.to_string());
    let well = |failed: bool| if failed { "err" } else { "ok" }.to_owned();
    let since = |began_ms: u64| now_ms.saturating_sub(began_ms) / 1000;
    let changed = save::changes(server).saturating_sub(status.changes_saved);
    let (save, rewrite) = (&status.save, &status.rewrite);
    let logging = persist.is_logging();
    // It is asked for before its base is written, and may end after it is not wanted any more.
    let enabled = server.config.read().is(Setting::Appendonly);
    let (saved, to_save) = (&persist.saving.keys, &persist.saving.total);
    let (saved, to_save) = (saved.load(Relaxed), to_save.load(Relaxed));
    let none = |name: &'static str| (name, "0".to_owned());
    let mut fields = vec![
        ("loading", flag(persist.is_loading())),
        none("async_loading"),
        // Nothing is forked, so nothing is copied by the system.
        none("current_cow_peak"),
        none("current_cow_size"),
        none("current_cow_size_age"),
        ("current_fork_perc", format!("{:.2}", 100.0 * saved as f64 / to_save.max(1) as f64)),
        ("current_save_keys_processed", saved.to_string()),
        ("current_save_keys_total", to_save.to_string()),
        ("rdb_changes_since_last_save", changed.to_string()),
        ("rdb_bgsave_in_progress", flag(save.since_ms.is_some())),
        ("rdb_last_save_time", status.last_save_s.to_string()),
        ("rdb_last_bgsave_status", well(save.failed)),
        ("rdb_last_bgsave_time_sec", seconds(save.took_s)),
        ("rdb_current_bgsave_time_sec", seconds(save.since_ms.map(since))),
        none("rdb_last_cow_size"),
        ("rdb_saves", save.done.to_string()),
        ("rdb_last_load_keys_expired", persist.loading.expired.load(Relaxed).to_string()),
        ("rdb_last_load_keys_loaded", persist.loading.progress.keys.load(Relaxed).to_string()),
        ("aof_enabled", flag(enabled)),
        ("aof_rewrite_in_progress", flag(rewrite.since_ms.is_some())),
        ("aof_rewrite_scheduled", flag(rewrite.scheduled)),
        ("aof_last_rewrite_time_sec", seconds(rewrite.took_s)),
        ("aof_current_rewrite_time_sec", seconds(rewrite.since_ms.map(since))),
        ("aof_last_bgrewrite_status", well(rewrite.failed)),
        ("aof_rewrites", rewrite.done.to_string()),
        ("aof_last_write_status", well(persist.gate.load(Relaxed) & LOG_FAILS != 0)),
        ("aof_rewrites_consecutive_failures", rewrite.failed_in_row.to_string()),
        none("aof_last_cow_size"),
        none("module_fork_in_progress"),
        none("module_fork_last_cow_size"),
    ];
    if logging {
        let log = &persist.log;
        fields.extend([
            ("aof_current_size", (status.base_bytes + log.size()).to_string()),
            ("aof_base_size", status.base_bytes.to_string()),
            ("aof_pending_rewrite", flag(rewrite.scheduled)),
            ("aof_buffer_length", log.waiting().to_string()),
            none("aof_pending_bio_fsync"),
            ("aof_delayed_fsync", persist.late.load(Relaxed).to_string()),
            ("aof_records", log.appended().to_string()),
            ("aof_records_written", log.written().to_string()),
            ("aof_records_synced", log.synced().to_string()),
            ("aof_fsyncs", log.syncs().to_string()),
        ]);
    }
    if persist.is_loading() {
        fields.extend(loading(persist, now_ms));
    }
    fields
}

/// How far loading is.
fn loading(persist: &Durability, now_ms: u64) -> Vec<(&'static str, String)> {
    let progress = &persist.loading.progress;
    let (total, bytes) = (progress.total_bytes.load(Relaxed), progress.bytes.load(Relaxed));
    let took_ms = now_ms.saturating_sub(persist.loading.began_ms.load(Relaxed));
    // One second, as long as nobody knows.
    let left_s = progress.left_s(Duration::from_millis(took_ms)).map_or(1, |left| left as u64);
    let percent = 100.0 * progress.part();
    vec![
        ("loading_total_bytes", total.to_string()),
        ("loading_loaded_bytes", bytes.to_string()),
        ("loading_loaded_perc", format!("{percent:.2}")),
        ("loading_eta_seconds", left_s.to_string()),
    ]
}
