//! How long commands take, for almost nothing.
//!
//! Reading the clock costs a tenth of a pipelined GET. So the clock is read once for a run of
//! short commands that are executed one after the other, and the time is shared out among them;
//! what may take longer is measured alone, and so is everything while `slowlog-log-slower-than`
//! asks for less than a millisecond. A command that is alone in its batch is always exact.
//!
//! ```text
//!  GET GET SET GET | LRANGE | GET GET        | = a reading of the clock
//!  `--- a run ---'          `- a run
//! ```

use crate::server::Server;
use crate::session::Session;
use redstart_config::Setting;
use redstart_engine::Registry;
use redstart_engine::spec::FAST;
use redstart_engine::stats::{Stats, bucket_of};
use redstart_protocol::Args;
use std::sync::atomic::Ordering::Relaxed;

/// More arguments than these make every command long, as far as is known beforehand.
const ARGS_MAX: usize = 24;
/// Below this, asking for slow commands asks for each to be measured, in nanoseconds.
const PRECISE_NS: u64 = 1_000_000;
/// Commands that are short although their declaration does not say so.
const SHORT: [&str; 6] = ["set", "del", "unlink", "setex", "psetex", "getset"];

/// Which commands are short, by their ids.
pub struct Short(Box<[bool]>);

impl Short {
    /// Looks through the registry.
    pub fn of(registry: &Registry) -> Short {
        let short = registry.iter().map(|registered| {
            let command = registered.command;
            command.is(FAST) || SHORT.contains(&command.name)
        });
        Short(short.collect())
    }

    /// Whether a request may share a reading of the clock.
    #[inline]
    pub fn is(&self, id: u16, args: usize) -> bool {
        args <= ARGS_MAX && self.0[id as usize]
    }
}

/// Measures one batch.
pub struct Stopwatch {
    since_ns: u64,
    /// From this duration on a command is looked at, in nanoseconds.
    slow_ns: u64,
    tracks: bool,
}

impl Stopwatch {
    /// Starts at a reading of the clock that was taken anyway.
    #[inline]
    pub fn start(server: &Server, now_ns: u64) -> Stopwatch {
        Stopwatch {
            since_ns: now_ns,
            slow_ns: server.live.slow_ns.load(Relaxed),
            tracks: server.live.tracks_latency.load(Relaxed),
        }
    }

    /// Whether every command is to be measured alone.
    #[inline]
    pub fn is_precise(&self) -> bool {
        self.slow_ns < PRECISE_NS
    }

    /// Ends the run of the commands in `ran`, which becomes empty; `args` are the last one's.
    /// Returns the reading of the clock.
    #[inline]
    pub fn settle(
        &mut self,
        session: &Session,
        stats: &Stats,
        ran: &mut Vec<u16>,
        args: Option<Args<'_>>,
    ) -> u64 {
        let now_ns = session.server.clock.mono_ns();
        let elapsed_ns = now_ns.saturating_sub(self.since_ns);
        self.since_ns = now_ns;
        let share_ns = elapsed_ns / ran.len().max(1) as u64;
        let bucket = self.tracks.then(|| bucket_of(share_ns));
        for run in ran.chunk_by(|a, b| a == b) {
            stats.times[run[0] as usize].add(run.len() as u64, share_ns, bucket);
        }
        if elapsed_ns >= self.slow_ns
            && let [id] = ran[..]
        {
            note_slow(session, id, elapsed_ns, args);
        }
        ran.clear();
        now_ns
    }
}

#[cold]
fn note_slow(session: &Session, id: u16, ns: u64, args: Option<Args<'_>>) {
    let server = session.server;
    let command = server.registry.at(id).command;
    let threshold_ms = server.live.latency_threshold_ms.load(Relaxed);
    let ms = ns / 1_000_000;
    if threshold_ms > 0 && ms >= threshold_ms {
        server.latency.add(if command.is(FAST) { "fast-command" } else { "command" }, ms);
    }
    let slower_us = server.live.slower_us.load(Relaxed);
    let is_sensitive =
        |name: &[u8]| Setting::find(name).is_some_and(|(setting, _)| setting.param().sensitive);
    let is_secret = matches!(command.name, "auth" | "hello" | "exec")
        || server.registry.at(id).full_name() == "config|set"
            && args.as_ref().is_some_and(|args| args.iter().skip(2).step_by(2).any(is_sensitive));
    if let Some(args) = args
        && slower_us >= 0
        && ns / 1000 >= slower_us as u64
        && !is_secret
    {
        let name = session.info.names.lock().name.clone();
        server.slowlog.add(ns / 1000, args, session.info.addr.to_string(), name);
    }
}
