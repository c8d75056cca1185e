//! Background jobs: BGSAVE and BGREWRITEAOF, begun by a client, a save point or the log's growth.
//! One thread does them, one after the other.

use super::Durability;
use super::save::FailureSeenBy;
use super::status::{Begun, JobStatus, Status};
use super::take;
use crate::system::log;
use redstart_config::Setting;
use redstart_persistence::log::State;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Sender};

/// From so many changes on, there may be enough keys for a snapshot to be prepared for.
const PREPARED_KEYS: u64 = 100_000;

/// What the thread does.
type Body = fn(&'static Durability);

/// What the ticks and the thread share.
#[derive(Default)]
pub struct Jobs {
    /// The way to the thread.
    queue: OnceLock<Sender<Body>>,
    /// Whether the memory that saving needs has been asked for.
    prepared: AtomicBool,
    /// How often FLUSHALL had run at the last tick.
    flushes: AtomicU64,
}

/// What becomes of BGSAVE while the log is being rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfRewriting {
    /// It is refused.
    Refuse,
    /// It begins afterwards.
    Schedule,
}

impl Durability {
    /// Starts the thread. It is there before it is needed: to start a thread takes milliseconds.
    pub(super) fn start_jobs(&'static self) -> io::Result<()> {
        let (queue, jobs) = mpsc::channel::<Body>();
        // The server starts once.
        let _ = self.jobs.queue.set(queue);
        let body = move || jobs.iter().for_each(|body| body(self));
        std::thread::Builder::new().name("save".into()).spawn(body).map(drop)
    }

    /// Begins to save in the background.
    ///
    /// # Errors
    /// When another process writes to the folder, or the thread has ended.
    pub fn begin_save(&'static self, if_rewriting: IfRewriting) -> io::Result<Begun> {
        if let Err(error) = self.claim() {
            // It would be tried again at every tick.
            self.status.lock().save.scheduled = false;
            return Err(error);
        }
        {
            let mut status = self.status.lock();
            if status.save.is_running() {
                return Ok(Begun::Already);
            }
            if status.rewrite.is_running() {
                if if_rewriting == IfRewriting::Refuse {
                    return Ok(Begun::Other);
                }
                status.save.scheduled = true;
                return Ok(Begun::Scheduled);
            }
            status.save.begin(self.parts.now_ms());
        }
        let body: Body = |durability| drop(durability.save(FailureSeenBy::Nobody));
        self.enqueue(body, |status| &mut status.save)?;
        Ok(Begun::Now)
    }

    /// Begins to rewrite the log in the background.
    ///
    /// # Errors
    /// When the thread has ended.
    pub fn begin_rewrite(&'static self) -> io::Result<Begun> {
        {
            let mut status = self.status.lock();
            if status.rewrite.is_running() {
                return Ok(Begun::Already);
            }
            if status.save.is_running() {
                status.rewrite.scheduled = true;
                return Ok(Begun::Scheduled);
            }
            status.rewrite.begin(self.parts.now_ms());
        }
        let body: Body = |durability| drop(durability.rewrite());
        self.enqueue(body, |status| &mut status.rewrite)?;
        Ok(Begun::Now)
    }

    /// Has a snapshot saved when the transaction has ended that asks for it.
    pub fn schedule_save(&self) -> Begun {
        self.status.lock().save.schedule()
    }

    /// Has the log rewritten when the transaction has ended that asks for it.
    pub fn schedule_rewrite(&self) -> Begun {
        self.status.lock().rewrite.schedule()
    }

    /// Hands a job to the thread whose status says already that it runs.
    fn enqueue(&self, body: Body, job: fn(&mut Status) -> &mut JobStatus) -> io::Result<()> {
        let sent = self.jobs.queue.get().is_some_and(|queue| queue.send(body).is_ok());
        if !sent {
            job(&mut self.status.lock()).since_ms = None;
            return Err(io::Error::other("the thread that saves has ended"));
        }
        Ok(())
    }

    /// Begins what is due: first what was scheduled, then save points. After FLUSHALL a snapshot
    /// is due at once, so that the keys it removed do not come back with the old one.
    pub(super) fn tick_jobs(&'static self) {
        self.prepare_if_large();
        self.schedule_after_flush();
        let status = self.status.lock().clone();
        if status.is_working() {
            return;
        }
        if status.save.scheduled {
            warn_if_failed(self.begin_save(IfRewriting::Schedule));
        } else if status.rewrite.scheduled {
            warn_if_failed(self.begin_rewrite());
        } else if self.is_save_due(&status) {
            warn_if_failed(self.begin_save(IfRewriting::Refuse));
        }
    }

    /// Begins the log if it is wanted and could not be begun; rewrites it when it has grown by as
    /// much as the settings say.
    pub(super) fn tick_log(&'static self) {
        if self.is_logging() {
            self.rewrite_if_grown();
            return;
        }
        let wanted = self.parts.config.read().is(Setting::Appendonly);
        let job = self.status.lock().rewrite.clone();
        if wanted && !job.is_running() && !job.rests(self.parts.now_ms()) {
            // A failure has been logged.
            let _ = self.turn_on();
        }
    }

    fn rewrite_if_grown(&'static self) {
        if self.log.state() != State::Fine {
            return;
        }
        let (percentage, least) = {
            let config = self.parts.config.read();
            (
                config.integer(Setting::AutoAofRewritePercentage) as u64,
                config.count(Setting::AutoAofRewriteMinSize) as u64,
            )
        };
        let (grown, status) = (self.log.size(), self.status.lock().clone());
        let rests = status.rewrite.failed && status.rewrite.rests(self.parts.now_ms());
        if percentage == 0 || status.rewrite.is_running() || rests {
            return;
        }
        let limit = (status.base_bytes / 100).saturating_mul(percentage);
        if status.base_bytes + grown > least && grown > limit {
            log::notice(format_args!("The log has grown to {grown} bytes. Rewriting..."));
            warn_if_failed(self.begin_rewrite());
        }
    }

    /// Has the thread ask for the memory that saving needs, once there may be many keys. Where
    /// nothing is saved by itself, some megabytes would be taken for nothing.
    fn prepare_if_large(&self) {
        if !self.parts.has_save_points() && !self.is_logging() {
            return;
        }
        let keys = self.parts.changes() + self.loading.progress.keys.load(Relaxed);
        if keys >= PREPARED_KEYS && !self.jobs.prepared.swap(true, Relaxed) {
            let body: Body = |durability| take::prepare(&durability.parts);
            // It fails if the thread has ended: then nothing is saved, either.
            let _ = self.jobs.queue.get().map(|queue| queue.send(body));
        }
    }

    fn schedule_after_flush(&self) {
        let flushes = self.parts.flushes();
        let flushed = self.jobs.flushes.swap(flushes, Relaxed) < flushes;
        if flushed && self.parts.has_save_points() {
            let mut status = self.status.lock();
            status.save.scheduled = true;
            if status.save.is_running() {
                // It would save the keys from before.
                self.taking.cancel();
            }
        }
    }

    /// Whether a save point is met.
    fn is_save_due(&self, status: &Status) -> bool {
        if status.save.failed && status.save.rests(self.parts.now_ms()) {
            return false;
        }
        let changed = self.parts.changes().saturating_sub(status.changes_saved);
        let since_s = self.parts.wall_s() - status.last_save_s;
        let config = self.parts.config.read();
        let met =
            |&&(seconds, least): &&(i64, i32)| since_s > seconds && changed >= least.max(1) as u64;
        let due = config.save_points().iter().find(met);
        if let Some((seconds, least)) = due {
            let least = log::counted(u64::from(least.unsigned_abs()), "change");
            log::notice(format_args!("{least} in {seconds} s. Saving..."));
        }
        due.is_some()
    }
}

fn warn_if_failed(begun: io::Result<Begun>) {
    if let Err(error) = begun {
        log::warning(format_args!("A background job could not be started: {error}"));
    }
}
