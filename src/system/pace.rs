//! How long work in the background shares a core with the workers.
//!
//! Who saves a snapshot, or drops what was deleted, works for a fraction of a millisecond and then
//! rests for longer, while clients are being served: where it has no core of its own, a request
//! waits for one such piece of work at most, and not for a turn of the scheduler's, which is
//! milliseconds. While nobody is served, it does not rest. What waits for it is memory: the more
//! that is, the less it rests.

use crate::server::Server;
use std::time::{Duration, Instant};

/// How long it works at a time.
const WORK: Duration = Duration::from_micros(100);
/// The longest rest.
const REST_MAX: Duration = Duration::from_millis(2);
/// Somebody who was served so long ago may come again.
const SERVING: Duration = Duration::from_millis(100);
/// So many rests are taken before it is known whether anybody is served: who works has the core,
/// and sees nobody served as long as he keeps it.
const GRANTED: u32 = 8;

/// How much is waiting for who works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// It rests three times as long as it works.
    Small,
    /// As long.
    Some,
    /// A quarter of that.
    Large,
}

/// The turns of work and rest, by the clock.
pub struct Pace {
    server: &'static Server,
    turns: Turns,
}

impl Pace {
    /// Work begins now.
    pub fn new(server: &'static Server) -> Pace {
        Pace { server, turns: Turns::new(Instant::now(), served(server)) }
    }

    /// Work begins anew, after a while without any.
    pub fn resume(&mut self) {
        self.turns.since = Instant::now();
    }

    /// Rests, if it is time to, and then for as long as what is waiting allows. No lock is held.
    pub fn rest(&mut self, backlog: impl FnOnce() -> Backlog) {
        let now = Instant::now();
        if now - self.turns.since < WORK {
            return;
        }
        if let Some(rest) = self.turns.rest(now, served(self.server), backlog) {
            std::thread::sleep(rest);
        }
        self.resume();
    }
}

fn served(server: &Server) -> u64 {
    server.stats.iter().map(|stats| stats.net_input_bytes.value()).sum()
}

/// When a turn began, and what has been served.
struct Turns {
    since: Instant,
    /// Bytes of requests so far, and when there were more of them last.
    served: u64,
    served_at: Option<Instant>,
    /// Rests that are left of those that are granted.
    granted: u32,
}

impl Turns {
    fn new(now: Instant, served: u64) -> Turns {
        Turns { since: now, served, served_at: None, granted: GRANTED }
    }

    /// How long to rest after the turn that ends now; not at all while nobody is served.
    fn rest(
        &mut self,
        now: Instant,
        served: u64,
        backlog: impl FnOnce() -> Backlog,
    ) -> Option<Duration> {
        if served != self.served {
            (self.served, self.served_at) = (served, Some(now));
        }
        let serves = self.served_at.is_some_and(|at| now - at < SERVING);
        if !serves && self.granted == 0 {
            return None;
        }
        self.granted = self.granted.saturating_sub(1);
        let worked = now - self.since;
        let rest = match backlog() {
            Backlog::Small => worked * 3,
            Backlog::Some => worked,
            Backlog::Large => worked / 4,
        };
        Some(rest.min(REST_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_turns_rest_before_any_request_was_seen() {
        let begun = Instant::now();
        let mut turns = Turns::new(begun, 7);
        for _ in 0..GRANTED {
            assert_eq!(turns.rest(begun + WORK, 7, || Backlog::Small), Some(3 * WORK));
        }
        assert_eq!(turns.rest(begun + WORK, 7, || Backlog::Small), None);
    }

    #[test]
    fn nobody_rests_while_nobody_is_served() {
        let begun = Instant::now();
        let mut turns = Turns { granted: 0, ..Turns::new(begun, 7) };
        assert_eq!(turns.rest(begun + WORK, 7, || Backlog::Some), None);
        assert_eq!(turns.rest(begun + WORK, 8, || Backlog::Some), Some(WORK));
        turns.since = begun + SERVING;
        assert_eq!(turns.rest(begun + SERVING + WORK / 2, 8, || Backlog::Some), Some(WORK / 2));
        assert_eq!(turns.rest(begun + SERVING + WORK, 8, || Backlog::Some), None);
    }

    #[test]
    fn the_more_is_waiting_the_shorter_the_rest() {
        let begun = Instant::now();
        let rests = [Backlog::Small, Backlog::Some, Backlog::Large]
            .map(|backlog| Turns::new(begun, 0).rest(begun + 4 * WORK, 1, || backlog));
        assert_eq!(rests, [Some(12 * WORK), Some(4 * WORK), Some(WORK)]);
        let long = Turns::new(begun, 0).rest(begun + SERVING / 2, 1, || Backlog::Some);
        assert_eq!(long, Some(REST_MAX));
    }
}
