//! The one place that reads clocks for requests. Deadlines are in monotonic time. Wall time is
//! monotonic time plus an offset that is held steady and only follows the system's clock when that
//! strays, so that EXPIRETIME returns exactly what EXPIREAT was given. A test may put both clocks
//! forward (DEBUG ADVANCE-CLOCK).

use redstart_engine::Now;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How far the system's wall clock may stray before it is followed, in milliseconds.
const STRAY_MS: i64 = 20;
/// Monotonic time at the start, in milliseconds: a day, so that a deadline may lie before it.
const START_MS: u64 = 86_400_000;
/// How far the clocks may be ahead of the system's: a hundred years, in nanoseconds.
const AHEAD_MAX_NS: u64 = 100 * 365 * 86_400 * 1_000_000_000;

/// Both clocks.
pub struct Clock {
    start: Instant,
    /// How far the wall clock was past a whole millisecond at the start, in nanoseconds. Both
    /// clocks turn over at once, so that a time that a client read just now is never ahead of the
    /// server's.
    phase_ns: u64,
    wall_offset_ms: AtomicI64,
    /// How far both are ahead of the system's.
    ahead_ns: AtomicU64,
}

impl Clock {
    /// Clocks that start now.
    pub fn start() -> Clock {
        let (wall, start) = (since_epoch(), Instant::now());
        let offset_ms = wall.as_millis() as i64 - START_MS as i64;
        let phase_ns = u64::from(wall.subsec_nanos()) % 1_000_000;
        let (wall_offset_ms, ahead_ns) = (AtomicI64::new(offset_ms), AtomicU64::new(0));
        Clock { start, phase_ns, wall_offset_ms, ahead_ns }
    }

    /// The present.
    #[inline]
    pub fn now(&self) -> Now {
        self.moment(self.mono_ns())
    }

    /// Nanoseconds since the start of the clock.
    #[inline]
    pub fn mono_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64 + self.ahead_ns.load(Relaxed)
    }

    /// Puts both clocks forward. Returns false where they would be too far ahead.
    pub fn advance(&self, by_ms: u64) -> bool {
        let further = |ahead_ns: u64| {
            let ahead_ns = ahead_ns.checked_add(by_ms.checked_mul(1_000_000)?)?;
            (ahead_ns <= AHEAD_MAX_NS).then_some(ahead_ns)
        };
        self.ahead_ns.fetch_update(Relaxed, Relaxed, further).is_ok()
    }

    /// Wall time, in microseconds since the Unix epoch.
    pub fn wall_us(&self) -> u64 {
        wall_us() + self.ahead_ns.load(Relaxed) / 1000
    }

    /// The moment of a reading of [`Clock::mono_ns`].
    #[inline]
    pub fn moment(&self, mono_ns: u64) -> Now {
        let mono_ms = (mono_ns + self.phase_ns) / 1_000_000 + START_MS;
        Now::new(mono_ms, mono_ms as i64 + self.wall_offset_ms.load(Relaxed))
    }

    /// How long the server has run.
    pub fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    /// Follows the system's wall clock if it has strayed. Called a few times a second.
    pub fn follow_wall(&self) {
        let ahead_ms = (self.ahead_ns.load(Relaxed) / 1_000_000) as i64;
        let strayed = wall_ms() + ahead_ms - self.now().wall_ms;
        if strayed.abs() > STRAY_MS {
            self.wall_offset_ms.fetch_add(strayed, Relaxed);
        }
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn wall_ms() -> i64 {
    since_epoch().as_millis() as i64
}

/// The system's wall time, in microseconds since the Unix epoch.
pub fn wall_us() -> u64 {
    since_epoch().as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_forward_and_stay_ahead() {
        let clock = Clock::start();
        let before = clock.now();
        assert!(clock.advance(3_600_000));
        clock.follow_wall();
        let (now, wall_ms) = (clock.now(), (clock.wall_us() / 1000) as i64);
        assert!((3_600_000..3_660_000).contains(&(now.mono_ms - before.mono_ms)));
        assert!((3_600_000..3_660_000).contains(&(now.wall_ms - before.wall_ms)));
        assert!((wall_ms - now.wall_ms).abs() < 1_000);
        assert!(!clock.advance(AHEAD_MAX_NS / 1_000_000) && !clock.advance(u64::MAX));
        assert!(clock.now().mono_ms - now.mono_ms < 60_000);
    }
}
