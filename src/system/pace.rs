//! How a thread in the background shares a core with the workers.
//!
//! A thread that saves a snapshot, or drops what was deleted, works for a fraction of a millisecond
//! and then rests for longer, while clients are being served: where it has no core of its own, a
//! request waits for one such piece of work at most, and not for a turn of the scheduler, which is
//! milliseconds. While no client is served, the thread does not rest. What waits for it is memory:
//! the more that is, the shorter the rests are.

use redstart_engine::stats::Stats;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a thread works at a time.
const WORK: Duration = Duration::from_micros(100);
/// The longest rest.
const REST_MAX: Duration = Duration::from_millis(2);
/// Clients count as being served until this long after the last request.
const SERVING: Duration = Duration::from_millis(100);
/// Rests that a thread takes before it can know whether clients are served: as long as it keeps
/// the core, no worker on that core reads a request.
const GRANTED: u32 = 8;

/// How much waits for the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// Little: the thread rests three times as long as it works.
    Small,
    /// Some: it rests as long as it works.
    Some,
    /// Much: it rests a quarter as long as it works.
    Large,
}

/// Every worker's counters, from which a thread sees that clients are served.
#[derive(Clone, Copy)]
pub struct Served(pub &'static [Arc<Stats>]);

impl Served {
    /// Bytes of requests so far.
    pub fn bytes(self) -> u64 {
        self.0.iter().map(|stats| stats.net_input_bytes.value()).sum()
    }
}

/// The work and the rests of one thread, by the clock.
pub struct Pace {
    served: Served,
    turns: WorkRest,
}

impl Pace {
    /// Work begins now.
    pub fn new(served: Served) -> Pace {
        Pace { served, turns: WorkRest::new(Instant::now(), served.bytes()) }
    }

    /// Work begins again, after a while without any.
    pub fn resume(&mut self) {
        self.turns.since = Instant::now();
    }

    /// Rests, if it is time to, and then for as long as what is waiting allows. The caller holds
    /// no lock.
    pub fn rest(&mut self, backlog: impl FnOnce() -> Backlog) {
        let now = Instant::now();
        if now - self.turns.since < WORK {
            return;
        }
        if let Some(rest) = self.turns.rest(now, self.served.bytes(), backlog) {
            std::thread::sleep(rest);
        }
        self.resume();
    }
}

/// When the thread began to work, and what has been served.
struct WorkRest {
    since: Instant,
    /// Bytes of requests so far, and when that number last grew.
    served: u64,
    served_at: Option<Instant>,
    /// Granted rests that are left.
    granted: u32,
}

impl WorkRest {
    fn new(now: Instant, served: u64) -> WorkRest {
        WorkRest { since: now, served, served_at: None, granted: GRANTED }
    }

    /// How long to rest after the work that ends now; None while no client is served.
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
        let mut turns = WorkRest::new(begun, 7);
        for _ in 0..GRANTED {
            assert_eq!(turns.rest(begun + WORK, 7, || Backlog::Small), Some(3 * WORK));
        }
        assert_eq!(turns.rest(begun + WORK, 7, || Backlog::Small), None);
    }

    #[test]
    fn no_thread_rests_while_no_client_is_served() {
        let begun = Instant::now();
        let mut turns = WorkRest { granted: 0, ..WorkRest::new(begun, 7) };
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
            .map(|backlog| WorkRest::new(begun, 0).rest(begun + 4 * WORK, 1, || backlog));
        assert_eq!(rests, [Some(12 * WORK), Some(4 * WORK), Some(WORK)]);
        let long = WorkRest::new(begun, 0).rest(begun + SERVING / 2, 1, || Backlog::Some);
        assert_eq!(long, Some(REST_MAX));
    }
}
