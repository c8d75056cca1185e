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

/// The turns of work and rest.
pub struct Pace {
    server: &'static Server,
    since: Instant,
    /// Bytes of requests so far, and when there were more of them last.
    served: u64,
    served_at: Option<Instant>,
}

impl Pace {
    /// Work begins now.
    pub fn new(server: &'static Server) -> Pace {
        Pace { server, since: Instant::now(), served: served(server), served_at: None }
    }

    /// Work begins anew, after a while without any.
    pub fn resume(&mut self) {
        self.since = Instant::now();
    }

    /// Rests, if it is time to, and then for as long as what is waiting allows. No lock is held.
    pub fn rest(&mut self, backlog: impl FnOnce() -> Backlog) {
        let now = Instant::now();
        let worked = now - self.since;
        if worked < WORK {
            return;
        }
        let served = served(self.server);
        if served != self.served {
            (self.served, self.served_at) = (served, Some(now));
        }
        if self.served_at.is_some_and(|at| now - at < SERVING) {
            let rest = match backlog() {
                Backlog::Small => worked * 3,
                Backlog::Some => worked,
                Backlog::Large => worked / 4,
            };
            std::thread::sleep(rest.min(REST_MAX));
        }
        self.resume();
    }
}

fn served(server: &Server) -> u64 {
    server.stats.iter().map(|stats| stats.net_input_bytes.value()).sum()
}
