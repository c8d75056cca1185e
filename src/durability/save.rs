//! Snapshots: by SAVE and BGSAVE, by save points, at the end.

use super::{IS_STOPPING, Job, SAVE_FAILS, append, disk::uncached, dump_place, encode};
use crate::server::Server;
use crate::system::allocator;
use crate::system::log;
use crate::system::pace::{Backlog, Pace, Served};
use redstart_config::Setting;
use redstart_engine::Now;
use redstart_engine::keyspace::snapshot::Snapshot;
use redstart_persistence::snapshot::{self, Counts, Header, Writer, encoder};
use redstart_persistence::storage::Storage;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// How long a job is left alone after it failed, in milliseconds.
const RETRY_MS: u64 = 5000;

/// From so many bytes of kept values on, it is some backlog, or a large one.
const BACKLOG_SOME: usize = 256 << 10;
const BACKLOG_LARGE: usize = 2 << 20;

/// From so many changes on, there may be enough keys for a snapshot to be prepared for.
const PREPARED_KEYS: u64 = 100_000;

/// What a background job does.
pub type Body = fn(&'static Server);

/// What became of the wish for a background job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It began.
    Now,
    /// It begins when the other one has ended.
    Scheduled,
    /// One of its kind is under way.
    Already,
    /// One of the other kind is under way.
    Other,
}

/// How the server is to end.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// Save, or do not; None as the save points tell.
    pub save: Option<bool>,
    /// End even if that fails.
    pub force: bool,
}

/// A snapshot's moment: the clocks, the log's last record, the changes so far.
pub struct Moment {
    pub now: Now,
    pub sequence: u64,
    pub changes: u64,
}

/// When the last snapshot was finished, in seconds since the Unix epoch.
pub fn last_save_s(server: &Server) -> i64 {
    server.durability.status.lock().last_save_s
}

/// Changes of keys since the start.
pub fn changes(server: &Server) -> u64 {
    server.stats.iter().map(|stats| stats.changes.value()).sum()
}

/// Takes a snapshot into a file whose name may tell the moment. `job` is held.
pub fn take(
    server: &'static Server,
    storage: &dyn Storage,
    name: impl FnOnce(&Moment) -> String,
    at_flip: impl FnOnce(),
) -> io::Result<(Counts, Moment)> {
    let persist = &server.durability;
    let begun = server.clock.now();
    let (snapshot, (moment, texts)) = server.engine.keyspace.begin_snapshot(encoder(begun), || {
        at_flip();
        // What changes them tells the log before it lets go of them.
        let libraries = server.scripts.functions.libraries.read();
        let (now, sequence) = (server.clock.now(), persist.log.appended());
        let texts: Vec<_> = libraries.values().map(|library| library.code.clone()).collect();
        (Moment { now, sequence, changes: changes(server) }, texts)
    });
    let header = Header {
        writer: env!("CARGO_PKG_VERSION").to_owned(),
        wall_ms: moment.now.wall_ms,
        sequence: moment.sequence,
    };
    let writer = Writer::create(storage, &name(&moment), &header, begun);
    let writer =
        writer.and_then(|mut writer| match writer.libraries(texts.iter().map(|text| &text[..])) {
            Ok(()) => Ok(writer),
            Err(error) => {
                writer.abandon();
                Err(error)
            }
        });
    let writer = match writer {
        Ok(writer) => writer,
        Err(error) => {
            snapshot.abandon();
            return Err(error);
        }
    };
    let mut pace = Pace::new(Served(server.stats));
    let mut linger = Linger::new(server);
    let entries = snapshot.entries();
    persist.saving.total.store(entries as u64, Relaxed);
    let helpers = (encode::helpers(server, entries), begun);
    let counts = encode::run(server, helpers, snapshot, writer, |entries, snapshot| {
        persist.saving.keys.store(entries, Relaxed);
        linger.after(entries, &persist.cancel);
        if persist.cancel.load(Relaxed) {
            return Err(io::Error::other("it was given up"));
        }
        pace.rest(|| waiting(snapshot));
        Ok(())
    });
    persist.saving.total.store(0, Relaxed);
    persist.saving.keys.store(0, Relaxed);
    Ok((counts?, moment))
}

/// `rdb-key-save-delay`: saving is made to take its time, so that what happens meanwhile can be
/// tested.
struct Linger {
    /// After each key.
    delay: Duration,
    /// Keys after which it has been waited.
    keys: u64,
}

impl Linger {
    /// The longest time in which a snapshot is not given up.
    const STEP: Duration = Duration::from_millis(10);

    fn new(server: &Server) -> Linger {
        let delay_us = server.config.read().integer(Setting::RdbKeySaveDelay);
        Linger { delay: Duration::from_micros(delay_us.max(0) as u64), keys: 0 }
    }

    /// Waits for what is due after the first `keys`, unless the snapshot is given up.
    fn after(&mut self, keys: u64, cancelled: &AtomicBool) {
        let more = u32::try_from(keys - self.keys).unwrap_or(u32::MAX);
        self.keys = keys;
        let mut left = self.delay.saturating_mul(more);
        while !left.is_zero() && !cancelled.load(Relaxed) {
            let step = left.min(Self::STEP);
            std::thread::sleep(step);
            left -= step;
        }
    }
}

/// Old values that writers keep for the snapshot are what waits.
fn waiting(snapshot: &Snapshot) -> Backlog {
    match snapshot.backlog() {
        0..BACKLOG_SOME => Backlog::Small,
        BACKLOG_SOME..BACKLOG_LARGE => Backlog::Some,
        _ => Backlog::Large,
    }
}

/// Saves on this thread. Who asked for it hears that it failed; writes are refused only after
/// those snapshots failed that nobody hears of.
///
/// # Errors
/// When that fails. The log of the server has been told.
pub fn save_now(server: &'static Server) -> io::Result<()> {
    server.durability.status.lock().save.begin(server);
    run(server, Heard::ByWhoAsked)
}

/// Whether a snapshot is being saved.
pub fn is_saving(server: &Server) -> bool {
    server.durability.status.lock().save.since_ms.is_some()
}

/// Whether a snapshot is being written, for itself or for the log.
fn is_working(server: &Server) -> bool {
    let status = server.durability.status.lock();
    status.save.since_ms.is_some() || status.rewrite.since_ms.is_some()
}

impl Job {
    fn begin(&mut self, server: &Server) {
        let now_ms = server.clock.now().mono_ms;
        (self.since_ms, self.tried_ms, self.scheduled) = (Some(now_ms), now_ms, false);
    }

    /// Has it begin at the next tick, if it is not under way.
    fn schedule(&mut self) -> Begun {
        if self.since_ms.is_some() {
            return Begun::Already;
        }
        self.scheduled = true;
        Begun::Scheduled
    }

    /// Whether it is too early to try again what failed.
    pub fn rests(&self, server: &Server) -> bool {
        server.clock.now().mono_ms < self.tried_ms + RETRY_MS
    }
}

/// Who hears of it when a snapshot fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    ByWhoAsked,
    ByNobody,
}

/// Saves a snapshot whose wish has been noted. It begins when no other one is taken any more: that
/// one's end has ended the note, too.
fn run(server: &'static Server, heard: Heard) -> io::Result<()> {
    let persist = &server.durability;
    let _job = persist.job.lock();
    persist.cancel.store(false, Relaxed);
    let begun_ms = server.clock.now().mono_ms;
    persist.status.lock().save.since_ms = Some(begun_ms);
    let (directory, name) = dump_place(&server.config.read());
    let result = take(server, &directory, |_| name, || ());
    let end_ms = server.clock.now().mono_ms;
    let mut status = persist.status.lock();
    status.save.since_ms = None;
    status.save.took_s = Some((end_ms - begun_ms) / 1000);
    let cancelled = persist.cancel.swap(false, Relaxed);
    match &result {
        Ok(_) => status.save.failed = false,
        Err(_) => status.save.failed |= !cancelled && heard == Heard::ByNobody,
    }
    let result = result.map(|(counts, moment)| {
        status.changes_saved = moment.changes;
        status.last_save_s = (crate::system::clock::wall_us() / 1_000_000) as i64;
        status.save.done += 1;
        log::notice(format_args!(
            "DB saved on disk: {} keys, {} bytes, {} ms",
            counts.entries,
            counts.bytes,
            end_ms - begun_ms
        ));
    });
    drop(status);
    if let Err(error) = &result {
        log::warning(format_args!("Saving the snapshot failed: {error}"));
    }
    follow_failure(server);
    result
}

/// Begins to save in the background.
///
/// # Errors
/// When the system has no thread to give.
pub fn begin_save(server: &'static Server, schedule: bool) -> io::Result<Begun> {
    {
        let mut status = server.durability.status.lock();
        if status.save.since_ms.is_some() {
            return Ok(Begun::Already);
        }
        if status.rewrite.since_ms.is_some() {
            status.save.scheduled |= schedule;
            return Ok(if schedule { Begun::Scheduled } else { Begun::Other });
        }
        status.save.begin(server);
    }
    spawn(server, |server| drop(run(server, Heard::ByNobody)), |status| &mut status.save)?;
    Ok(Begun::Now)
}

/// Has a snapshot saved when the transaction that asks for it has ended.
pub fn schedule_save(server: &Server) -> Begun {
    server.durability.status.lock().save.schedule()
}

/// Has the log rewritten when the transaction that asks for it has ended.
pub fn schedule_rewrite(server: &Server) -> Begun {
    server.durability.status.lock().rewrite.schedule()
}

/// Begins to rewrite the log in the background.
///
/// # Errors
/// When the system has no thread to give.
pub fn begin_rewrite(server: &'static Server) -> io::Result<Begun> {
    {
        let mut status = server.durability.status.lock();
        if status.rewrite.since_ms.is_some() {
            return Ok(Begun::Already);
        }
        if status.save.since_ms.is_some() {
            status.rewrite.scheduled = true;
            return Ok(Begun::Scheduled);
        }
        status.rewrite.begin(server);
    }
    let body = |server| drop(append::rewrite(server));
    spawn(server, body, |status| &mut status.rewrite)?;
    Ok(Begun::Now)
}

/// Notes that the log is being rewritten.
pub fn note_rewrite(server: &Server) {
    server.durability.status.lock().rewrite.begin(server);
}

/// Has a job done by the thread that saves.
fn spawn(
    server: &'static Server,
    body: Body,
    job: fn(&mut super::Status) -> &mut Job,
) -> io::Result<()> {
    let begun = server.durability.jobs.get().is_some_and(|jobs| jobs.send(body).is_ok());
    if !begun {
        job(&mut server.durability.status.lock()).since_ms = None;
        return Err(io::Error::other("the thread that saves has ended"));
    }
    Ok(())
}

/// Refuses writes after a snapshot failed, if the settings say so.
pub fn follow_failure(server: &Server) {
    let failed = server.durability.status.lock().save.failed;
    let config = server.config.read();
    let minds = config.is(Setting::StopWritesOnBgsaveError) && !config.save_points().is_empty();
    server.durability.set(SAVE_FAILS, failed && minds);
}

/// How often FLUSHALL ran.
fn flushes(server: &Server) -> u64 {
    let Some(registered) = server.registry.get(b"flushall") else { return 0 };
    server.stats.iter().map(|stats| stats.calls[registered.id as usize].value()).sum()
}

/// Begins what is due: what was scheduled, then the save points. Behind FLUSHALL a snapshot is due
/// at once, so that what was to be forgotten does not come back.
pub fn tick(server: &'static Server) {
    let persist = &server.durability;
    let keys = changes(server) + persist.loading.progress.keys.load(Relaxed);
    if keys >= PREPARED_KEYS && !persist.prepared.swap(true, Relaxed) {
        // The thread that saves goes on to live; without this it makes what it needs.
        let _ = persist.jobs.get().map(|jobs| jobs.send(prepare));
    }
    let flushes = flushes(server);
    let is_flushed = persist.flushes.swap(flushes, Relaxed) < flushes;
    if is_flushed && !server.config.read().save_points().is_empty() {
        let mut status = persist.status.lock();
        status.save.scheduled = true;
        // The one that is under way would save what was there before.
        persist.cancel.fetch_or(status.save.since_ms.is_some(), Relaxed);
    }
    let status = persist.status.lock().clone();
    if status.save.since_ms.is_some() || status.rewrite.since_ms.is_some() {
        return;
    }
    if status.save.scheduled {
        report(begin_save(server, true));
    } else if status.rewrite.scheduled {
        report(begin_rewrite(server));
    } else if is_due(server, &status) {
        report(begin_save(server, false));
    }
}

fn is_due(server: &Server, status: &super::Status) -> bool {
    if status.save.failed && status.save.rests(server) {
        return false;
    }
    let changed = changes(server).saturating_sub(status.changes_saved);
    let since_s = (crate::system::clock::wall_us() / 1_000_000) as i64 - status.last_save_s;
    let config = server.config.read();
    let met = |&(seconds, least): &(i64, i32)| since_s > seconds && changed >= least.max(1) as u64;
    let due = config.save_points().iter().find(|point| met(point));
    if let Some((seconds, least)) = due {
        log::notice(format_args!("{least} changes in {seconds} seconds. Saving..."));
    }
    due.is_some()
}

/// Makes the memory that saving needs, some megabytes. To find it while a snapshot is taken takes
/// milliseconds, which would be those of whoever shares the core.
fn prepare(server: &'static Server) {
    server.engine.keyspace.prepare_snapshots();
    snapshot::prepare();
    uncached::prepare();
    SMALL_BLOCKS.get_or_init(allocator::small_blocks);
}

/// Those of the thread that saves.
static SMALL_BLOCKS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();

/// Starts the thread that saves. It is there before it is needed: a thread's beginning takes
/// milliseconds, too.
pub fn start(server: &'static Server) -> io::Result<()> {
    let (jobs, wanted) = mpsc::channel::<Body>();
    // The server starts once.
    let _ = server.durability.jobs.set(jobs);
    let body = move || wanted.iter().for_each(|body| body(server));
    std::thread::Builder::new().name("save".into()).spawn(body).map(drop)
}

fn report(begun: io::Result<Begun>) {
    if let Err(error) = begun {
        log::warning(format_args!("A background job could not be started: {error}"));
    }
}

/// Does what has to be done before the process may end. From the snapshot's moment on, no reply
/// leaves any more. False when that failed, and the server goes on.
pub fn shutdown(server: &'static Server, how: How) -> bool {
    let persist = &server.durability;
    let loading = persist.is_loading();
    persist.close(IS_STOPPING);
    if is_working(server) {
        log::warning("There is a snapshot being saved. It is given up.");
        persist.cancel.store(true, Relaxed);
    }
    let points = !server.config.read().save_points().is_empty();
    let saves = how.save.unwrap_or(points) && !loading;
    let mut whole = append::finish(persist);
    if saves {
        log::notice("Saving the final snapshot before exiting.");
        whole &= save_now(server).is_ok();
    }
    if !whole && !how.force {
        log::warning("Error trying to save the DB, can't exit.");
        persist.cancel.store(false, Relaxed);
        persist.open(IS_STOPPING);
        return false;
    }
    true
}
