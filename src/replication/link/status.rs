//! How the link to the master goes.

use super::stream::Failed;

/// What the link does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing: there is no master.
    #[default]
    None,
    /// It is about to connect.
    Connect,
    /// It connects.
    Connecting,
    /// It says who it is.
    Handshake,
    /// The data set comes, or is loaded.
    Sync,
    /// The stream is applied.
    Connected,
}

impl Phase {
    /// Its name in ROLE.
    pub fn name(self) -> &'static str {
        match self {
            Phase::None => "none",
            Phase::Connect => "connect",
            Phase::Connecting => "connecting",
            Phase::Handshake => "handshake",
            Phase::Sync => "sync",
            Phase::Connected => "connected",
        }
    }
}

/// How the link to the master goes. Times are monotonic milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// What it does.
    pub phase: Phase,
    /// When bytes came last, if there is a connection.
    pub last_io_ms: Option<u64>,
    /// Since when it is down, if it was up before.
    pub down_since_ms: Option<u64>,
    /// Since when it is up.
    pub up_since_ms: Option<u64>,
    /// How long it was down in all, after it had been up.
    pub down_ms: u64,
    /// Attempts to sync since it was up last, and in all.
    pub attempts: [u64; 2],
    /// Bytes of the data set in all, and those that have come; while it comes.
    pub transfer: Option<[u64; 2]>,
    /// Syncs by a whole data set, and those that went on from where the link was.
    pub syncs: [u64; 2],
    /// Commands of the master that failed here.
    pub failed: Failed,
    /// Why the link is down, if it is known.
    pub failure: Option<String>,
}

/// For how long a link is said to be down that was never up, in seconds: longer than whoever asks
/// has patience for. Sentinel takes what Redis says, -1, for a healthy one, and makes an empty
/// replica the master.
pub const NEVER_UP_S: u64 = i32::MAX as u64;

impl Status {
    /// For how long the link is down, in seconds, if it is.
    pub fn down_s(&self, now_ms: u64) -> Option<u64> {
        let down = self.phase != Phase::Connected;
        let since = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1000;
        down.then(|| self.down_since_ms.map_or(NEVER_UP_S, since))
    }

    /// The link is down from now on.
    pub(super) fn go_down(&mut self, now_ms: u64) {
        if self.phase == Phase::Connected {
            self.down_since_ms = Some(now_ms);
        }
        (self.phase, self.up_since_ms) = (Phase::Connect, None);
        (self.last_io_ms, self.transfer) = (None, None);
    }

    /// The stream is applied from now on.
    pub(super) fn go_up(&mut self, now_ms: u64) {
        let down_ms = self.down_since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
        self.down_ms += down_ms;
        (self.phase, self.up_since_ms) = (Phase::Connected, Some(now_ms));
        (self.down_since_ms, self.transfer) = (None, None);
        (self.attempts[0], self.failure) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_was_never_up_is_down_for_very_long() {
        let mut status = Status { phase: Phase::Connect, ..Status::default() };
        assert_eq!(status.down_s(3000), Some(NEVER_UP_S));
        status.go_down(3000);
        assert_eq!(status.down_s(9000), Some(NEVER_UP_S));
        status.go_up(10_000);
        assert_eq!(status.down_s(20_000), None);
        status.go_down(21_000);
        assert_eq!(status.down_s(24_500), Some(3));
    }
}
