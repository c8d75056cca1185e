//! How long commands take, at almost no cost.
//!
//! Reading the clock costs a tenth of a pipelined GET. So the clock is read once for a run of
//! short commands that are executed one after the other, and the time is divided among them. A
//! command that may take longer is measured alone, and so is every command while
//! `slowlog-log-slower-than` is less than a millisecond. A command that is alone in its batch is
//! always exact.
//!
//! ```text
//!  GET GET SET GET | LRANGE | GET GET        | = a reading of the clock
//!  `--- a run ---'          `- a run
//! ```

use redstart_config::{Config, Setting};
use redstart_engine::stats::{Stats, bucket_of};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

/// While a threshold is below this, every command is measured alone, in nanoseconds.
const PRECISE_NS: u64 = 1_000_000;

/// From which duration on a command is slow, and whether durations are counted at all.
#[derive(Default)]
pub struct Thresholds {
    /// The shorter of the two below, in nanoseconds; `u64::MAX` is never.
    slow_ns: AtomicU64,
    /// The slow log's, in microseconds; negative is never.
    log_us: AtomicI64,
    /// The latency monitor's, in milliseconds; zero is never.
    monitor_ms: AtomicU64,
    /// Whether each command has a histogram of its durations.
    tracks: AtomicBool,
}

impl Thresholds {
    /// Follows the configuration.
    pub fn configure(&self, config: &Config) {
        let log_us = config.integer(Setting::SlowlogLogSlowerThan);
        let monitor_ms = config.count(Setting::LatencyMonitorThreshold) as u64;
        let log_ns = u64::try_from(log_us).map_or(u64::MAX, |us| us.saturating_mul(1000));
        let monitor_ns = match monitor_ms {
            0 => u64::MAX,
            ms => ms.saturating_mul(1_000_000),
        };
        self.log_us.store(log_us, Relaxed);
        self.monitor_ms.store(monitor_ms, Relaxed);
        self.slow_ns.store(log_ns.min(monitor_ns), Relaxed);
        self.tracks.store(config.is(Setting::LatencyTracking), Relaxed);
    }

    /// From which duration on a command is slow, in nanoseconds.
    pub fn slow_ns(&self) -> u64 {
        self.slow_ns.load(Relaxed)
    }

    /// Whether each command has a histogram of its durations.
    pub fn tracks(&self) -> bool {
        self.tracks.load(Relaxed)
    }

    /// Whether every command is measured alone.
    pub fn is_precise(&self) -> bool {
        self.slow_ns() < PRECISE_NS
    }

    /// The latency monitor's threshold in milliseconds; zero is never.
    pub fn monitor_ms(&self) -> u64 {
        self.monitor_ms.load(Relaxed)
    }

    /// The duration in milliseconds, if it belongs in the latency monitor.
    pub fn for_monitor(&self, slow: &Slow) -> Option<u64> {
        let (threshold_ms, ms) = (self.monitor_ms(), slow.ns / 1_000_000);
        (threshold_ms > 0 && ms >= threshold_ms).then_some(ms)
    }

    /// The duration in microseconds, if it belongs in the slow log.
    pub fn for_log(&self, slow: &Slow) -> Option<u64> {
        let threshold_us = u64::try_from(self.log_us.load(Relaxed)).ok()?;
        let us = slow.ns / 1000;
        (us >= threshold_us).then_some(us)
    }
}

/// A command that reached one of the [`Thresholds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// The command's id.
    pub id: u16,
    /// How long it took, in nanoseconds.
    pub ns: u64,
}

/// Measures the commands of one batch.
pub struct CommandTimer {
    since_ns: u64,
    slow_ns: u64,
    tracks: bool,
}

impl CommandTimer {
    /// Starts at a reading of the clock that was taken anyway.
    #[inline]
    pub fn start(thresholds: &Thresholds, now_ns: u64) -> CommandTimer {
        CommandTimer {
            since_ns: now_ns,
            slow_ns: thresholds.slow_ns(),
            tracks: thresholds.tracks(),
        }
    }

    /// Whether every command is to be measured alone.
    #[inline]
    pub fn is_precise(&self) -> bool {
        self.slow_ns < PRECISE_NS
    }

    /// The last reading of the clock, in nanoseconds.
    pub fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// Records the run of the commands in `ran`, which ended at `now_ns`, and empties `ran`.
    /// Returns the command if it ran alone and was slow.
    #[inline]
    #[must_use]
    pub fn record(&mut self, now_ns: u64, stats: &Stats, ran: &mut Vec<u16>) -> Option<Slow> {
        let elapsed_ns = now_ns.saturating_sub(self.since_ns);
        self.since_ns = now_ns;
        let share_ns = elapsed_ns / ran.len().max(1) as u64;
        let bucket = self.tracks.then(|| bucket_of(share_ns));
        stats.note_time_of_prefix(ran.len(), share_ns);
        for run in ran.chunk_by(|a, b| a == b) {
            stats.times[run[0] as usize].add(run.len() as u64, share_ns, bucket);
        }
        let slow = match ran[..] {
            [id] if elapsed_ns >= self.slow_ns => Some(Slow { id, ns: elapsed_ns }),
            _ => None,
        };
        ran.clear();
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thresholds(log_us: i64, monitor_ms: u64) -> Thresholds {
        let thresholds = Thresholds::default();
        let mut config = Config::new();
        let (log_us, monitor_ms) = (log_us.to_string(), monitor_ms.to_string());
        let pairs: [(&[u8], &[u8]); 2] = [
            (b"slowlog-log-slower-than", log_us.as_bytes()),
            (b"latency-monitor-threshold", monitor_ms.as_bytes()),
        ];
        config.set_many(&pairs, redstart_config::Caller::Local).unwrap();
        thresholds.configure(&config);
        thresholds
    }

    #[test]
    fn a_run_shares_its_time_and_only_a_command_alone_is_slow() {
        let (thresholds, stats) = (thresholds(2000, 0), Stats::new(2));
        let mut timer = CommandTimer::start(&thresholds, 1_000);
        assert!(!timer.is_precise());
        let mut ran = vec![0, 0, 1];
        assert_eq!(timer.record(9_001_000, &stats, &mut ran), None);
        assert!(ran.is_empty());
        assert_eq!([0, 1].map(|id| stats.times[id].ns.value()), [6_000_000, 3_000_000]);
        let slow = timer.record(11_001_000, &stats, &mut vec![1]);
        assert_eq!(slow, Some(Slow { id: 1, ns: 2_000_000 }));
        assert_eq!(timer.record(13_000_999, &stats, &mut vec![1]), None);
    }

    #[test]
    fn each_threshold_is_asked_by_itself() {
        let slow = Slow { id: 0, ns: 2_500_000 };
        let for_both = |log_us, monitor_ms| {
            let thresholds = thresholds(log_us, monitor_ms);
            (thresholds.for_log(&slow), thresholds.for_monitor(&slow))
        };
        assert_eq!(for_both(2500, 2), (Some(2500), Some(2)));
        assert_eq!(for_both(2501, 3), (None, None));
        assert_eq!(for_both(-1, 0), (None, None));
        assert_eq!(for_both(0, 1), (Some(2500), Some(2)));
    }
}
