//! The log at work: who writes and syncs it, how it is rewritten, how it is turned on and off.
//!
//! Workers write it themselves, before their replies leave, one for all that has gathered. One
//! thread makes it safe, for all who wait at once, and writes what no reply waits for (expired
//! keys). When the log fails, that thread tries again, and rewrites it if nothing else helps.

use super::save::{self, Moment};
use super::{Durability, IS_LOGGING, Policy, log_place};
use crate::server::Server;
use crate::system::log;
use redstart_config::Setting;
use redstart_engine::run::effects::{Effect, Sink};
use redstart_persistence::log::{Log, Start, State};
use redstart_persistence::names::{self, Plan};
use redstart_persistence::storage::Storage;
use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Release};
use std::time::{Duration, Instant};

/// How often the log is looked after.
const TICK: Duration = Duration::from_millis(100);
/// How often `everysec` makes it safe: so that with the sync itself it is a second at most, unless
/// the disk is slow. Then replies wait for it (see [`Durability::release`]).
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

/// See [`super::take_mark`].
#[inline]
pub fn take_mark() -> u64 {
    MARK.replace(0)
}

/// Starts the thread that looks after the log.
pub fn start(server: &'static Server) -> io::Result<()> {
    let body = move || look_after(server);
    std::thread::Builder::new().name("log".into()).spawn(body).map(drop)
}

fn look_after(server: &'static Server) {
    let persist = &server.durability;
    let (mut synced, mut tried) = (Instant::now(), Instant::now());
    loop {
        {
            let mut asked = persist.asked.lock();
            if !*asked {
                // Where it is overdue, it is not wanted.
                let due_in = EVERY.checked_sub(synced.elapsed()).unwrap_or(TICK);
                persist.ask.wait_for(&mut asked, due_in.min(TICK));
            }
            *asked = false;
        }
        if !persist.is_logging() {
            continue;
        }
        if persist.log.state() == State::Fine {
            // What failed shows in the state.
            let _ = persist.log.write_out(persist.log.appended());
        }
        let state = persist.log.state();
        let due = match persist.policy() {
            Policy::No => false,
            Policy::Everysec => synced.elapsed() >= EVERY,
            Policy::Always => true,
        } || persist.sync_wanted.swap(false, AcqRel);
        // What was written before a write failed is as much in need of it as ever.
        if due && !matches!(state, State::Broken(_)) {
            synced = Instant::now();
            let began_ms = server.clock.now().mono_ms;
            if persist.log.sync().is_ok() {
                persist.safe_ms.store(began_ms, Release);
            }
        }
        if state == State::Fine {
            persist.notice_log();
        } else if tried.elapsed() >= RETRY {
            tried = Instant::now();
            recover(server);
        }
    }
}

/// Tries to get the log out of its trouble.
fn recover(server: &'static Server) {
    let persist = &server.durability;
    match persist.log.state() {
        State::Fine => {}
        State::Unwritten(_) => {
            if persist.log.retry().is_ok() {
                log::notice("The log can be written again.");
            }
        }
        State::Broken(_) => {
            save::note_rewrite(server);
            if rewrite(server).is_ok() {
                log::notice("The log was begun anew, and can be written again.");
            }
        }
    }
    persist.notice_log();
}

/// Replaces the log by a snapshot and what follows it. Its beginning has been noted.
pub fn rewrite(server: &'static Server) -> io::Result<()> {
    rewrite_noted(server, || ())
}

fn rewrite_noted(server: &'static Server, at_flip: impl FnOnce()) -> io::Result<()> {
    let result = rewrite_with(server, at_flip);
    let end_ms = server.clock.now().mono_ms;
    let mut status = server.durability.status.lock();
    let began_ms = status.rewrite.since_ms.take().unwrap_or(end_ms);
    status.rewrite.took_s = Some((end_ms - began_ms) / 1000);
    status.rewrite.failed = result.is_err();
    status.rewrite.done += u64::from(result.is_ok());
    status.rewrite.failed_in_row = match result {
        Ok(()) => 0,
        Err(_) => status.rewrite.failed_in_row + 1,
    };
    match &result {
        Ok(()) => log::notice(format_args!("The log was rewritten in {} ms", end_ms - began_ms)),
        Err(error) => log::warning(format_args!("Rewriting the log failed: {error}")),
    }
    result
}

fn rewrite_with(server: &'static Server, at_flip: impl FnOnce()) -> io::Result<()> {
    let persist = &server.durability;
    let _job = persist.job.lock();
    let (directory, prefix) = log_place(&server.config.read());
    directory.make()?;
    let start = Start { storage: &directory, prefix: &prefix };
    let fine = persist.log.state() == State::Fine;
    if fine {
        skip_stale(&persist.log, &directory, &prefix)?;
        // The old segment ends before the base's moment, so that it is superfluous afterwards.
        persist.log.rotate(&start)?;
    }
    let name = |moment: &Moment| names::base(&prefix, moment.sequence);
    let (counts, moment) = save::take(server, &directory, name, at_flip)?;
    if !fine {
        persist.log.restart(&start, moment.sequence)?;
    }
    persist.status.lock().base_bytes = counts.bytes;
    for name in Plan::of(&prefix, &directory.list()?).superfluous {
        directory.remove(&name)?;
    }
    directory.sync_directory()
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
        // More records than bytes there are not.
        let (_, len) = storage.open(&names::segment(prefix, first))?;
        highest = highest.max(first + len);
    }
    log.resume(highest);
    Ok(())
}

/// Begins the log of a server that runs: a base in the background, and records from its moment
/// on.
pub fn turn_on(server: &'static Server) -> io::Result<()> {
    let persist = &server.durability;
    if persist.begins.swap(true, AcqRel) {
        return Ok(());
    }
    save::note_rewrite(server);
    let body = move || begin(server);
    let begun = writable(server)
        .and_then(|()| std::thread::Builder::new().name("log-begin".into()).spawn(body));
    if let Err(error) = begun {
        let mut status = persist.status.lock();
        (status.rewrite.since_ms, status.rewrite.failed) = (None, true);
        persist.begins.store(false, Release);
        log::warning(format_args!("The log could not be begun: {error}"));
        return Err(error);
    }
    Ok(())
}

/// Fails where the log's files cannot be made: who turns the log on is to hear of it.
fn writable(server: &Server) -> io::Result<()> {
    const PROBE: &str = "temp-probe";
    let (directory, _) = log_place(&server.config.read());
    directory.make()?;
    directory.create(PROBE)?;
    directory.remove(PROBE)
}

fn begin(server: &'static Server) {
    let persist = &server.durability;
    let begun = rewrite_noted(server, || {
        server.engine.set_listening(true);
        persist.safe_ms.store(server.clock.now().mono_ms, Release);
        persist.close(IS_LOGGING);
    });
    if begun.is_err() {
        // Without a base, what is logged is worth nothing.
        server.engine.set_listening(false);
        persist.open(IS_LOGGING);
    }
    persist.begins.store(false, Release);
    // It may not be wanted any more; what failed is tried again by the tick.
    if begun.is_ok() {
        // What fails has been told.
        let _ = super::follow_config(server);
    }
}

/// Ends the log of a server that runs.
pub fn turn_off(server: &'static Server) -> io::Result<()> {
    finish(&server.durability);
    // A unit that runs now may still be appended: the next base holds what it did.
    server.engine.set_listening(false);
    finish(&server.durability);
    server.durability.open(IS_LOGGING);
    server.durability.notice_log();
    Ok(())
}

/// Lets a log begin at the start, once everything has been loaded.
pub fn listen(server: &'static Server) {
    let persist = &server.durability;
    server.engine.set_listening(true);
    persist.close(IS_LOGGING);
    // A killed server may have left it to the system. Without this the first who write would wait
    // for the sync of once a second.
    let began_ms = server.clock.now().mono_ms;
    if finish(persist) {
        persist.safe_ms.store(began_ms, Release);
    }
}

/// A first base, of what was loaded from elsewhere.
pub fn first_base(server: &'static Server) -> io::Result<()> {
    rewrite_with(server, || ())
}

/// Makes everything safe that has been appended; false when that fails.
pub fn finish(persist: &Durability) -> bool {
    if !persist.is_logging() {
        return true;
    }
    persist.log.write_out(persist.log.appended()).is_ok() && persist.log.sync().is_ok()
}

/// Rewrites the log when it has grown by as much as the settings say; begins one that is wanted
/// and could not be begun.
pub fn tick(server: &'static Server) {
    let config = server.config.read();
    if !server.durability.is_logging() {
        let wanted = config.is(Setting::Appendonly);
        drop(config);
        let job = server.durability.status.lock().rewrite.clone();
        if wanted && job.since_ms.is_none() && !job.rests(server) {
            // What fails has been told.
            let _ = turn_on(server);
        }
        return;
    }
    if server.durability.log.state() != State::Fine {
        return;
    }
    let percentage = config.integer(Setting::AutoAofRewritePercentage) as u64;
    let least = config.count(Setting::AutoAofRewriteMinSize) as u64;
    drop(config);
    let (grown, status) = (server.durability.log.size(), server.durability.status.lock().clone());
    if percentage == 0
        || status.rewrite.since_ms.is_some()
        || status.rewrite.failed && status.rewrite.rests(server)
    {
        return;
    }
    let limit = (status.base_bytes / 100).saturating_mul(percentage);
    if status.base_bytes + grown > least && grown > limit {
        log::notice(format_args!("The log has grown to {grown} bytes. Rewriting..."));
        if let Err(error) = save::begin_rewrite(server) {
            log::warning(format_args!("A background job could not be started: {error}"));
        }
    }
}
