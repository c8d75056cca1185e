//! How much memory the process had in use at its start, at most, and for how long it was beyond
//! `maxmemory`.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// See the module. Looked at a few times a second, and whenever INFO is asked for.
#[derive(Default)]
pub struct Watermarks {
    startup: AtomicUsize,
    peak: AtomicUsize,
    /// When the peak was, in seconds since the Unix epoch.
    peak_s: AtomicI64,
    /// Since when memory has been beyond the limit, in monotonic milliseconds; zero if it is not.
    over_since_ms: AtomicU64,
    /// For how long it was, earlier.
    over_ms: AtomicU64,
}

impl Watermarks {
    /// Notes what is in use before there is any data, in bytes.
    pub fn note_startup(&self, used: usize) {
        self.startup.store(used, Relaxed);
    }

    /// What was in use before there was any data, in bytes.
    pub fn startup(&self) -> usize {
        self.startup.load(Relaxed)
    }

    /// Notes what is in use at a time in seconds since the Unix epoch. Returns the peak and its
    /// time.
    pub fn note(&self, used: usize, wall_s: i64) -> (usize, i64) {
        if used > self.peak.fetch_max(used, Relaxed) {
            self.peak_s.store(wall_s, Relaxed);
        }
        (self.peak.load(Relaxed), self.peak_s.load(Relaxed))
    }

    /// Notes whether memory is beyond the limit now.
    pub fn note_over(&self, is_over: bool, now_ms: u64) {
        let since_ms = if is_over { now_ms } else { 0 };
        match self.over_since_ms.load(Relaxed) {
            0 => self.over_since_ms.store(since_ms, Relaxed),
            _ if is_over => {}
            began_ms => {
                self.over_ms.fetch_add(now_ms.saturating_sub(began_ms), Relaxed);
                self.over_since_ms.store(0, Relaxed);
            }
        }
    }

    /// For how long memory has been beyond the limit now, and altogether, in milliseconds.
    pub fn over_ms(&self, now_ms: u64) -> (u64, u64) {
        let now = match self.over_since_ms.load(Relaxed) {
            0 => 0,
            began_ms => now_ms.saturating_sub(began_ms),
        };
        (now, now + self.over_ms.load(Relaxed))
    }

    /// Forgets for how long memory was beyond the limit (CONFIG RESETSTAT).
    pub fn reset(&self) {
        self.over_since_ms.store(0, Relaxed);
        self.over_ms.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_has_its_time() {
        let marks = Watermarks::default();
        assert_eq!(marks.note(10, 100), (10, 100));
        assert_eq!(marks.note(7, 101), (10, 100));
        assert_eq!(marks.note(10, 102), (10, 100));
        assert_eq!(marks.note(11, 103), (11, 103));
    }

    #[test]
    fn time_beyond_the_limit_adds_up() {
        let marks = Watermarks::default();
        for (is_over, now_ms) in [(false, 50), (true, 100), (true, 130), (false, 150)] {
            marks.note_over(is_over, now_ms);
        }
        assert_eq!(marks.over_ms(160), (0, 50));
        marks.note_over(true, 200);
        assert_eq!(marks.over_ms(220), (20, 70));
        marks.reset();
        assert_eq!(marks.over_ms(230), (0, 0));
    }
}
