//! How a snapshot shares a core with the workers.
//!
//! It works for a fraction of a millisecond and then rests for longer, while clients are being
//! served: where it has no core of its own, a request waits for one such piece of work at most, and
//! not for a turn of the scheduler's, which is milliseconds. While nobody is served, it does not
//! rest. Old values that writers keep for it are memory: the more of them wait, the less it rests.

use crate::server::Server;
use redstart_engine::snapshot::Snapshot;
use std::time::{Duration, Instant};

/// How long it works at a time.
const WORK: Duration = Duration::from_micros(100);
/// The longest rest.
const REST_MAX: Duration = Duration::from_millis(2);
/// Somebody who was served so long ago may come again.
const SERVING: Duration = Duration::from_millis(100);
/// From so many bytes of kept values on, it rests as long as it works; from the second number on,
/// a quarter of that.
const BACKLOG: [usize; 2] = [256 << 10, 2 << 20];

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

    /// Rests, if it is time to. No lock is held.
    pub fn rest(&mut self, snapshot: &Snapshot) {
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
            let backlog = snapshot.backlog();
            let rest = match BACKLOG {
                [first, _] if backlog < first => worked * 3,
                [_, second] if backlog < second => worked,
                _ => worked / 4,
            };
            std::thread::sleep(rest.min(REST_MAX));
        }
        self.since = Instant::now();
    }
}

fn served(server: &Server) -> u64 {
    server.stats.iter().map(|stats| stats.net_input_bytes.value()).sum()
}
