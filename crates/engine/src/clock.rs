//! The moment at which a request runs, passed in by the caller.
//!
//! Deadlines live on the monotonic clock, so that a jump of the wall clock neither kills nor
//! immortalises a key. Wall time is what clients speak (EXPIREAT, EXPIRETIME); the two are tied by
//! the offset that the clock's owner keeps steady.

/// One reading of both clocks, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on the monotonic clock. Never zero: zero stands for "no deadline".
    pub mono_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub wall_ms: i64,
    /// How far a replay of the log stands before the present, in milliseconds; zero otherwise.
    replay_offset_ms: u64,
}

impl Now {
    /// A reading from its two parts.
    pub fn new(mono_ms: u64, wall_ms: i64) -> Self {
        Now { mono_ms: mono_ms.max(1), wall_ms, replay_offset_ms: 0 }
    }

    /// The reading under which the log is replayed: no time has come yet, and deadlines mean the
    /// same as under this reading.
    pub fn replaying(&self) -> Now {
        let wall_ms = self.wall_ms.saturating_sub_unsigned(self.mono_ms);
        Now { mono_ms: 0, wall_ms, replay_offset_ms: self.mono_ms }
    }

    /// The reading from which relative times (EXPIRE, TTL) are counted.
    #[inline]
    pub fn present(&self) -> Now {
        let Now { mono_ms, wall_ms, replay_offset_ms } = *self;
        Now {
            mono_ms: mono_ms.saturating_add(replay_offset_ms),
            wall_ms: wall_ms.saturating_add_unsigned(replay_offset_ms),
            replay_offset_ms: 0,
        }
    }

    /// Whether a wall time in milliseconds has come.
    pub fn has_come(&self, at_wall_ms: i64) -> bool {
        self.mono_ms != 0 && at_wall_ms <= self.wall_ms
    }

    /// The monotonic deadline of a wall time in milliseconds; a time that has passed is `1`,
    /// which every reading has reached.
    pub fn deadline(&self, at_wall_ms: i64) -> u64 {
        let ahead = at_wall_ms.saturating_sub(self.wall_ms);
        if ahead >= 0 {
            self.mono_ms.saturating_add(ahead as u64)
        } else {
            self.mono_ms.saturating_sub(ahead.unsigned_abs()).max(1)
        }
    }

    /// The wall time in milliseconds of a monotonic deadline.
    pub fn wall(&self, deadline_ms: u64) -> i64 {
        let ahead = deadline_ms as i128 - self.mono_ms as i128;
        (self.wall_ms as i128 + ahead).clamp(i64::MIN as i128, i64::MAX as i128) as i64
    }

    /// The 24-bit access clock kept in every entry, in seconds.
    pub fn access_clock(&self) -> u32 {
        (self.present().mono_ms / 1000) as u32 & 0x00ff_ffff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_and_its_wall_time_are_the_same_moment() {
        let now = Now::new(5_000, 1_700_000_000_000);
        for at in [1_700_000_000_001, 1_700_000_900_000, 9_000_000_000_000] {
            assert_eq!(now.wall(now.deadline(at)), at);
        }
        assert_eq!(now.deadline(0), 1);
        assert_eq!(now.deadline(1_699_999_999_000), 4_000);
        let again = now.replaying();
        assert_eq!(again.deadline(1_700_000_000_001), 5_001);
        assert!(now.has_come(1_700_000_000_000) && !again.has_come(1));
        assert_eq!((again.present(), now.present()), (now, now));
    }
}
