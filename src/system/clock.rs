//! The one place that reads clocks for requests. Deadlines are in monotonic time. Wall time is
//! monotonic time plus an offset that is held steady and only follows the system's clock when that
//! strays, so that EXPIRETIME returns exactly what EXPIREAT was given.

use redstart_engine::Now;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How far the system's wall clock may stray before it is followed, in milliseconds.
const STRAY_MS: i64 = 20;
/// Monotonic time at the start, in milliseconds: a day, so that a deadline may lie before it.
const START_MS: u64 = 86_400_000;

/// Both clocks.
pub struct Clock {
    start: Instant,
    /// How far the wall clock was past a whole millisecond at the start, in nanoseconds. Both
    /// clocks turn over at once, so that a time that a client read just now is never ahead of the
    /// server's.
    phase_ns: u64,
    wall_offset_ms: AtomicI64,
}

impl Clock {
    /// Clocks that start now.
    pub fn start() -> Clock {
        let (wall, start) = (since_epoch(), Instant::now());
        let offset_ms = wall.as_millis() as i64 - START_MS as i64;
        let phase_ns = u64::from(wall.subsec_nanos()) % 1_000_000;
        Clock { start, phase_ns, wall_offset_ms: AtomicI64::new(offset_ms) }
    }

    /// The present.
    #[inline]
    pub fn now(&self) -> Now {
        self.moment(self.mono_ns())
    }

    /// Nanoseconds since the start of the clock.
    #[inline]
    pub fn mono_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
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
        let strayed = wall_ms() - self.now().wall_ms;
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

/// Microseconds since the Unix epoch.
pub fn wall_us() -> u64 {
    since_epoch().as_micros() as u64
}
