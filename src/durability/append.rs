//! The log at work: which threads write and sync it, how it is rewritten, how it is turned on and
//! off.
//!
//! Workers write it themselves before their replies leave, each all that has gathered. The log
//! thread syncs it, for all replies that wait at once, and writes what no reply waits for (expired
//! keys). When the log fails, that thread tries again, and rewrites it if nothing else helps.

use super::Durability;
use super::disk::directory::remedy;
use super::gate::{IS_LOGGING, LOG_FAILS, Policy};
use super::take::Moment;
use crate::system::log;
use bytes::Bytes;
use redstart_engine::run::effect::{Effect, Listener, Sink};
use redstart_persistence::log::{Failed, Log, Start, State};
use redstart_persistence::names::{self, Plan};
use redstart_persistence::storage::Storage;
use redstart_protocol::Args;
use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Release};
use std::time::{Duration, Instant};

/// How often the log thread looks at the log.
const TICK: Duration = Duration::from_millis(100);
/// How often `everysec` syncs: with the sync itself this makes a second at most, unless the disk
/// is slow. Then replies wait for it (see [`Durability::release`]).
const EVERY: Duration = Duration::from_millis(500);
/// How long a failing log is left alone.
const RETRY: Duration = Duration::from_secs(1);

thread_local! {
    /// The last record that this thread made since the mark was taken.
    static MARK: Cell<u64> = const { Cell::new(0) };
}

/// The log as the effects' listener.
pub struct Appender(pub Arc<Log>);

impl Sink for Appender {
    fn append(&self, unit: &[Effect]) {
        self.0.append(unit);
        MARK.set(self.0.appended());
    }
}

/// The last record that this thread made since it last asked; zero for none.
#[inline]
pub fn take_mark() -> u64 {
    MARK.replace(0)
}

/// What a rewrite does at the snapshot's moment.
type AtFlip<'a> = &'a mut dyn FnMut();

impl Durability {
    /// Logs a request that changed something other than keys.
    pub fn log_request(&self, args: Args<'_>) {
        if self.is_logging() {
            let name = self.parts.engine.options.declared_name(args.at(0));
            let args = std::iter::once(name).chain(args.from(1).iter());
            let args = args.map(Bytes::copy_from_slice).collect();
            Appender(self.log.clone()).append(&[Effect { db: 0, args }]);
        }
    }

    /// Starts the log thread.
    pub(super) fn start_log_thread(&'static self) -> io::Result<()> {
        let body = move || self.tend_log();
        std::thread::Builder::new().name("log".into()).spawn(body).map(drop)
    }

    fn tend_log(&'static self) {
        let (mut synced, mut tried) = (Instant::now(), Instant::now());
        loop {
            // An overdue sync is one that the policy does not want.
            let due_in = EVERY.checked_sub(synced.elapsed()).unwrap_or(TICK);
            self.syncs.wait_for_request(due_in.min(TICK));
            if !self.is_logging() {
                continue;
            }
            if self.log.state() == State::Fine {
                // A failure shows in the state.
                let _ = self.log.write_out(self.log.appended());
            }
            let state = self.log.state();
            let due = match self.gate.policy() {
                Policy::No => false,
                Policy::Everysec => synced.elapsed() >= EVERY,
                Policy::Always => true,
            };
            // What was written before a write failed needs the sync as much as ever.
            if (due || self.syncs.take_forced()) && !matches!(state, State::Broken(_)) {
                synced = Instant::now();
                let began_ms = self.parts.now_ms();
                if self.log.sync().is_ok() {
                    self.syncs.note_synced(began_ms);
                }
            }
            if state == State::Fine {
                self.notice_log();
            } else if tried.elapsed() >= RETRY {
                tried = Instant::now();
                self.repair_log();
            }
        }
    }

    /// Tries to get the log out of its trouble.
    fn repair_log(&self) {
        match self.log.state() {
            State::Fine => {}
            State::Unwritten(_) => {
                if self.log.retry().is_ok() {
                    log::notice("The log can be written again.");
                }
            }
            State::Broken(_) => {
                self.status.lock().rewrite.begin(self.parts.now_ms());
                if self.rewrite().is_ok() {
                    log::notice("The log was begun anew, and can be written again.");
                }
            }
        }
        self.notice_log();
    }

    /// Lets the gate follow the log's state, and wakes the tasks that wait for the log.
    pub(super) fn notice_log(&self) {
        let fails = self.is_logging() && self.log.state() != State::Fine;
        if fails
            && !self.gate.has(LOG_FAILS)
            && let State::Unwritten(why) | State::Broken(why) = self.log.state()
        {
            log::warning(format_args!(
                "The log in {} cannot be written: {why}. Writes are refused until it can be",
                self.log_folder()
            ));
        }
        self.gate.set_to(LOG_FAILS, fails);
        self.syncs.note_progress();
    }

    /// Where the log is, for people.
    fn log_folder(&self) -> String {
        self.parts.log_place().0.path().display().to_string()
    }

    /// Replaces the log by a snapshot and what follows it. The status says already that this goes
    /// on.
    pub(super) fn rewrite(&self) -> io::Result<()> {
        self.rewrite_and(&mut || ())
    }

    fn rewrite_and(&self, at_flip: AtFlip<'_>) -> io::Result<()> {
        let result = self.write_base(at_flip);
        let end_ms = self.parts.now_ms();
        let mut status = self.status.lock();
        let began_ms = status.rewrite.since_ms.take().unwrap_or(end_ms);
        let took_ms = end_ms - began_ms;
        status.rewrite.took_s = Some(took_ms / 1000);
        status.rewrite.failed = result.is_err();
        match &result {
            Ok(()) => {
                status.rewrite.done += 1;
                status.rewrite.failed_in_row = 0;
                let took_s = took_ms as f64 / 1000.0;
                log::notice(format_args!("The log was rewritten in {took_s:.3} s"));
            }
            Err(error) => {
                status.rewrite.failed_in_row += 1;
                let (folder, remedy) = (self.log_folder(), remedy(error.kind()));
                log::warning(format_args!("Rewriting the log in {folder} failed: {error}{remedy}"));
            }
        }
        result
    }

    /// Writes a new base, and removes what it replaces.
    fn write_base(&self, at_flip: AtFlip<'_>) -> io::Result<()> {
        let _turn = self.taking.turn();
        let (directory, prefix) = self.parts.log_place();
        directory.make()?;
        let start = Start { storage: &directory, prefix: &prefix };
        let fine = self.log.state() == State::Fine;
        if fine {
            skip_stale(&self.log, &directory, &prefix)?;
            // The old segment ends before the base's moment, so that it is superfluous afterwards.
            self.log.rotate(&start)?;
        }
        let name = |moment: &Moment| names::base(&prefix, moment.sequence);
        let (counts, moment) = self.take_snapshot(&directory, name, at_flip)?;
        if !fine {
            self.log.restart(&start, moment.sequence)?;
        }
        self.status.lock().base_bytes = counts.bytes;
        for name in Plan::of(&prefix, &directory.list()?).superfluous {
            directory.remove(&name)?;
        }
        directory.sync_directory()
    }

    /// Writes a first base, of what was loaded from elsewhere.
    pub(super) fn write_first_base(&self) -> io::Result<()> {
        self.write_base(&mut || ())
    }

    /// Begins the log of a server that runs: a base in the background, and records from its moment
    /// on.
    pub(super) fn turn_on(&'static self) -> io::Result<()> {
        if self.log_begins.swap(true, AcqRel) {
            return Ok(());
        }
        self.status.lock().rewrite.begin(self.parts.now_ms());
        let begun = self.check_writable().and_then(|()| {
            std::thread::Builder::new().name("log-begin".into()).spawn(move || self.begin_log())
        });
        if let Err(error) = begun {
            let mut status = self.status.lock();
            (status.rewrite.since_ms, status.rewrite.failed) = (None, true);
            self.log_begins.store(false, Release);
            let (folder, remedy) = (self.log_folder(), remedy(error.kind()));
            log::warning(format_args!("The log in {folder} could not be begun: {error}{remedy}"));
            return Err(error);
        }
        Ok(())
    }

    /// Fails where the log's files cannot be made: CONFIG SET is answered with an error then.
    fn check_writable(&self) -> io::Result<()> {
        let (directory, prefix) = self.parts.log_place();
        let probe = names::unfinished(&format!("{prefix}.probe"), directory.process());
        directory.make()?;
        directory.create(&probe)?;
        directory.remove(&probe)
    }

    fn begin_log(&'static self) {
        let engine = self.parts.engine;
        let begun = self.rewrite_and(&mut || {
            engine.set_listening(Listener::Log, true);
            self.syncs.note_synced(self.parts.now_ms());
            self.gate.set(IS_LOGGING);
        });
        if begun.is_err() {
            // Without a base, records are worth nothing.
            engine.set_listening(Listener::Log, false);
            self.gate.clear(IS_LOGGING);
        }
        self.log_begins.store(false, Release);
        // A log that could not be begun is tried again by the tick; one that was may not be wanted
        // any more.
        if begun.is_ok() {
            // A failure has been logged.
            let _ = self.follow_config();
        }
    }

    /// Ends the log of a server that runs.
    pub(super) fn turn_off(&self) {
        // A failure is no matter: the log is not wanted any more.
        let _ = self.sync_log();
        // A unit that runs now may still be appended: the next base holds what it did.
        self.parts.engine.set_listening(Listener::Log, false);
        let _ = self.sync_log();
        self.gate.clear(IS_LOGGING);
        self.notice_log();
    }

    /// Begins the log at the start, once everything has been loaded.
    pub(super) fn listen(&self) {
        self.parts.engine.set_listening(Listener::Log, true);
        self.gate.set(IS_LOGGING);
        // A killed server may have left its last writes unsynced. Without this, the first write
        // would wait for the sync of once a second.
        let began_ms = self.parts.now_ms();
        if self.sync_log().is_ok() {
            self.syncs.note_synced(began_ms);
        }
    }

    /// Writes and syncs everything that has been appended.
    pub(super) fn sync_log(&self) -> Result<(), Failed> {
        if self.is_logging() {
            self.log.write_out(self.log.appended())?;
            self.log.sync()?;
        }
        Ok(())
    }
}

/// A log that begins beside the files of an earlier one goes on behind them, so that the newest
/// base is the one with the highest number.
fn skip_stale(log: &Log, storage: &dyn Storage, prefix: &str) -> io::Result<()> {
    if log.appended() > 0 {
        return Ok(());
    }
    let plan = Plan::of(prefix, &storage.list()?);
    let mut highest = plan.base.unwrap_or(0);
    for first in plan.segments {
        // There are no more records than bytes.
        let (_, len) = storage.open(&names::segment(prefix, first))?;
        highest = highest.max(first + len);
    }
    log.resume(highest);
    Ok(())
}
