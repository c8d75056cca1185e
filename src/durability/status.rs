//! What is going on and how it went: the state of the background jobs, and INFO's section
//! `Persistence`.

use super::Durability;
use super::gate::LOG_FAILS;
use redstart_config::Setting;
use std::sync::atomic::Ordering::*;
use std::time::Duration;

/// How long a job rests after it failed, in milliseconds.
const RETRY_MS: u64 = 5000;

/// What is going on and how it went.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Snapshots.
    pub save: JobStatus,
    /// Rewriting of the log.
    pub rewrite: JobStatus,
    /// Changes by the last snapshot.
    pub changes_saved: u64,
    /// When the last snapshot was finished, in seconds since the Unix epoch.
    pub last_save_s: i64,
    /// Bytes of the log's base.
    pub base_bytes: u64,
}

/// A kind of background job.
#[derive(Clone, Debug, Default)]
pub struct JobStatus {
    /// When the running one began, in monotonic milliseconds.
    pub since_ms: Option<u64>,
    /// Whether one begins at the next tick at which no other runs.
    pub scheduled: bool,
    /// Whether the last one failed.
    pub failed: bool,
    /// How long the last one took, in seconds.
    pub took_s: Option<u64>,
    /// When the last one began, in monotonic milliseconds.
    pub tried_ms: u64,
    /// How many succeeded.
    pub done: u64,
    /// How many failed since one succeeded.
    pub failed_in_row: u64,
}

/// What became of a request for a background job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It began.
    Now,
    /// It begins when the other one has ended.
    Scheduled,
    /// One of its kind is under way.
    Already,
    /// One of the other kind is under way.
    Other,
}

impl Status {
    /// Whether a snapshot is being written, for itself or as the log's base.
    pub fn is_working(&self) -> bool {
        self.save.is_running() || self.rewrite.is_running()
    }
}

impl JobStatus {
    /// Whether one is under way, or about to be.
    pub fn is_running(&self) -> bool {
        self.since_ms.is_some()
    }

    /// Notes that one begins.
    pub fn begin(&mut self, now_ms: u64) {
        (self.since_ms, self.tried_ms, self.scheduled) = (Some(now_ms), now_ms, false);
    }

    /// Has it begin at the next tick, unless it is under way.
    pub fn schedule(&mut self) -> Begun {
        if self.is_running() {
            return Begun::Already;
        }
        self.scheduled = true;
        Begun::Scheduled
    }

    /// Whether it is too early to try again what failed.
    pub fn rests(&self, now_ms: u64) -> bool {
        now_ms < self.tried_ms + RETRY_MS
    }
}

impl Durability {
    /// Sets back the counters that CONFIG RESETSTAT is about.
    pub fn reset_stats(&self) {
        let mut status = self.status.lock();
        (status.save.done, status.rewrite.done) = (0, 0);
        status.rewrite.failed_in_row = 0;
        self.syncs.reset_late();
    }

    /// Bytes that are appended to the log and not written yet.
    pub fn log_buffer(&self) -> usize {
        if self.is_logging() { self.log.waiting() } else { 0 }
    }

    /// The fields of INFO's section `Persistence`, in order.
    pub fn info_fields(&self) -> Vec<(&'static str, String)> {
        let status = self.status.lock().clone();
        let now_ms = self.parts.now_ms();
        let seconds = |time: Option<u64>| time.map_or("-1".to_owned(), |time| time.to_string());
        let well = |failed: bool| if failed { "err" } else { "ok" }.to_owned();
        let since = |began_ms: u64| now_ms.saturating_sub(began_ms) / 1000;
        let changed = self.parts.changes().saturating_sub(status.changes_saved);
        let (save, rewrite) = (&status.save, &status.rewrite);
        // The setting, not the gate: the log begins with its base, after CONFIG SET was answered.
        let enabled = self.parts.config.read().is(Setting::Appendonly);
        let (saved, to_save) = self.taking.progress();
        let none = |name: &'static str| (name, "0".to_owned());
        let mut fields = vec![
            ("loading", flag(self.is_loading())),
            none("async_loading"),
            // Nothing is forked, so nothing is copied by the system.
            none("current_cow_peak"),
            none("current_cow_size"),
            none("current_cow_size_age"),
            ("current_fork_perc", format!("{:.2}", 100.0 * saved as f64 / to_save.max(1) as f64)),
            ("current_save_keys_processed", saved.to_string()),
            ("current_save_keys_total", to_save.to_string()),
            ("rdb_changes_since_last_save", changed.to_string()),
            ("rdb_bgsave_in_progress", flag(save.is_running())),
            ("rdb_last_save_time", status.last_save_s.to_string()),
            ("rdb_last_bgsave_status", well(save.failed)),
            ("rdb_last_bgsave_time_sec", seconds(save.took_s)),
            ("rdb_current_bgsave_time_sec", seconds(save.since_ms.map(since))),
            ("rdb_saves", save.done.to_string()),
            ("rdb_saves_consecutive_failures", save.failed_in_row.to_string()),
            none("rdb_last_cow_size"),
            ("rdb_last_load_keys_expired", self.loading.expired.load(Relaxed).to_string()),
            ("rdb_last_load_keys_loaded", self.loading.progress.keys.load(Relaxed).to_string()),
            ("aof_enabled", flag(enabled)),
            ("aof_rewrite_in_progress", flag(rewrite.is_running())),
            ("aof_rewrite_scheduled", flag(rewrite.scheduled)),
            ("aof_last_rewrite_time_sec", seconds(rewrite.took_s)),
            ("aof_current_rewrite_time_sec", seconds(rewrite.since_ms.map(since))),
            ("aof_last_bgrewrite_status", well(rewrite.failed)),
            ("aof_rewrites", rewrite.done.to_string()),
            ("aof_last_write_status", well(self.gate.has_relaxed(LOG_FAILS))),
            ("aof_rewrites_consecutive_failures", rewrite.failed_in_row.to_string()),
            none("aof_last_cow_size"),
            none("module_fork_in_progress"),
            none("module_fork_last_cow_size"),
        ];
        if self.is_logging() {
            fields.extend(self.log_fields(&status));
        }
        if self.is_loading() {
            fields.extend(self.loading_fields(now_ms));
        }
        fields
    }

    fn log_fields(&self, status: &Status) -> [(&'static str, String); 10] {
        let log = &self.log;
        [
            ("aof_current_size", (status.base_bytes + log.size()).to_string()),
            ("aof_base_size", status.base_bytes.to_string()),
            ("aof_pending_rewrite", flag(status.rewrite.scheduled)),
            ("aof_buffer_length", log.waiting().to_string()),
            ("aof_pending_bio_fsync", "0".to_owned()),
            ("aof_delayed_fsync", self.syncs.late().to_string()),
            ("aof_records", log.appended().to_string()),
            ("aof_records_written", log.written().to_string()),
            ("aof_records_synced", log.synced().to_string()),
            ("aof_fsyncs", log.syncs().to_string()),
        ]
    }

    fn loading_fields(&self, now_ms: u64) -> [(&'static str, String); 4] {
        let progress = &self.loading.progress;
        let (total, bytes) = (progress.total_bytes.load(Relaxed), progress.bytes.load(Relaxed));
        let took_ms = now_ms.saturating_sub(self.loading.began_ms.load(Relaxed));
        // One second as long as nothing has been read.
        let left_s = progress.left_s(Duration::from_millis(took_ms)).map_or(1, |left| left as u64);
        let percent = 100.0 * progress.part();
        [
            ("loading_total_bytes", total.to_string()),
            ("loading_loaded_bytes", bytes.to_string()),
            ("loading_loaded_perc", format!("{percent:.2}")),
            ("loading_eta_seconds", left_s.to_string()),
        ]
    }
}

fn flag(on: bool) -> String {
    u8::from(on).to_string()
}
