//! What is noted of every command that a batch or a transaction runs: how often and how long, with
//! which errors, and for MONITOR. The scripting crate does so for the commands of scripts.
//!
//! ```text
//!   before ---> the command runs ---> after
//!   (time of commands that share a     (its errors, its line for MONITOR, and its time
//!    reading of the clock is noted)     where it has a reading of its own)
//! ```

use crate::dispatch::slow;
use crate::dispatch::worker::TURN_NS;
use crate::metrics::errors::Failed;
use crate::metrics::timing::CommandTimer;
use crate::session::Session;
use redstart_engine::stats::Stats;
use redstart_protocol::Args;

/// The account of a batch, or of a transaction within one.
pub struct Account {
    timer: CommandTimer,
    opened_ns: u64,
    /// Commands that ran and whose time is not noted yet.
    ran: Vec<u16>,
    monitored: bool,
}

/// How things stand before a request runs.
#[derive(Clone, Copy)]
pub struct Before {
    /// Where its reply will begin, in bytes.
    start: usize,
    /// Errors replied so far.
    pub errors: u32,
    /// Commands in the account.
    ran: usize,
    /// Whether it is timed by itself.
    pub alone: bool,
}

impl Account {
    /// Opens an account at a reading of the clock; `ran` is an empty list to use again.
    #[inline]
    pub fn open(session: &Session, now_ns: u64, ran: Vec<u16>) -> Account {
        let server = session.server;
        let timer = CommandTimer::start(server.thresholds, now_ns);
        Account { timer, opened_ns: now_ns, ran, monitored: server.monitors.is_on() }
    }

    /// Whether what runs is shown to somebody.
    pub fn is_monitored(&self) -> bool {
        self.monitored
    }

    /// Whether it is open for so long that others should have their turn, as far as the last
    /// reading of the clock tells.
    pub fn is_long(&self) -> bool {
        self.timer.since_ns() - self.opened_ns > TURN_NS
    }

    /// A request is about to run; one that `is_short` may share a reading of the clock.
    #[inline(always)]
    pub fn before(&mut self, session: &mut Session, stats: &Stats, is_short: bool) -> Before {
        let alone = self.timer.is_precise() || !is_short;
        if alone && !self.ran.is_empty() {
            self.note_time(session, stats, None);
        }
        let (start, errors) = (session.out.buf_mut().len(), session.out.errors());
        Before { start, errors, ran: self.ran.len(), alone }
    }

    /// A command runs: it is counted.
    #[inline(always)]
    pub fn count(&mut self, stats: &Stats, id: u16) {
        stats.calls[id as usize].add(1);
        self.ran.push(id);
    }

    /// The command that was counted last is to run again.
    #[cold]
    pub fn uncount(&mut self, stats: &Stats, id: u16) {
        let calls = &stats.calls[id as usize];
        calls.set(calls.value().wrapping_sub(1));
        self.ran.pop();
    }

    /// A request has run or was refused; `id` is its command, if it names one.
    #[inline(always)]
    pub fn after<'a>(
        &mut self,
        session: &mut Session,
        stats: &Stats,
        before: Before,
        id: Option<u16>,
        args: impl Fn() -> Args<'a>,
    ) {
        let has_run = self.ran.len() > before.ran;
        if session.out.errors() != before.errors {
            note_error(session, stats, before, id, has_run, args());
        }
        // A client that sends MONITOR watches from here on.
        self.monitored |= session.monitors;
        if self.monitored && has_run {
            let command = session.server.registry.at(self.ran[before.ran]).command;
            session.show_to_monitors(command, args());
        }
        if before.alone && !self.ran.is_empty() {
            self.note_time(session, stats, Some(args()));
        }
    }

    /// Closes the account; `args` are those of the last command that ran. Returns the list.
    #[inline]
    pub fn close<'a>(
        mut self,
        session: &Session,
        stats: &Stats,
        args: impl FnOnce() -> Option<Args<'a>>,
    ) -> Vec<u16> {
        if !self.ran.is_empty() {
            self.note_time(session, stats, args());
        }
        self.ran
    }

    /// Reads the clock, and shares the time since the last reading out among the commands.
    fn note_time(&mut self, session: &Session, stats: &Stats, args: Option<Args<'_>>) {
        let now_ns = session.server.clock.mono_ns();
        if let Some(slow) = self.timer.record(now_ns, stats, &mut self.ran) {
            slow::note(session, slow, args);
        }
    }
}

/// Counts the error that a request was replied.
#[cold]
fn note_error(
    session: &mut Session,
    stats: &Stats,
    before: Before,
    id: Option<u16>,
    ran: bool,
    args: Args<'_>,
) {
    let failed = id.map(|id| if ran { Failed::Ran(id) } else { Failed::Rejected(id) });
    let reply = &session.out.buf_mut()[before.start..];
    session.server.errors.count(stats, failed, reply);
    if let Some(master) = &session.master {
        let name = args.iter().next().unwrap_or(b"a broken request");
        master.failed(name, reply, session.server.replication.offset());
    }
}
