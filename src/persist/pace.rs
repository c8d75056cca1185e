//! How a snapshot shares a core with the workers.
//!
//! It works for a fraction of a millisecond and then rests for a few times as long, while clients
//! are being served: where it has no core of its own, a request waits for one such piece of work at
//! most, and not for a turn of the scheduler's, which is milliseconds. While nobody is served, it
//! does not rest.

use crate::server::Server;
use std::time::{Duration, Instant};

/// How long it works at a time.
const WORK: Duration = Duration::from_micros(200);
/// How long it rests, in times of that.
const REST_TIMES: u32 = 3;
/// The longest rest.
const REST_MAX: Duration = Duration::from_millis(2);

/// The turns of work and rest.
pub struct Pace {
    server: &'static Server,
    since: Instant,
    /// Bytes of requests so far.
    served: u64,
}

impl Pace {
    /// Work begins now.
    pub fn new(server: &'static Server) -> Pace {
        Pace { server, since: Instant::now(), served: served(server) }
    }

    /// Rests, if it is time to. No lock is held.
    pub fn rest(&mut self) {
        let worked = self.since.elapsed();
        if worked < WORK {
            return;
        }
        let served = served(self.server);
        if served != self.served {
            std::thread::sleep((worked * REST_TIMES).min(REST_MAX));
        }
        (self.since, self.served) = (Instant::now(), served);
    }
}

fn served(server: &Server) -> u64 {
    server.stats.iter().map(|stats| stats.net_input_bytes.value()).sum()
}
