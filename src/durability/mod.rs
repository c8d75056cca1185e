//! Durability, the server's side of it: who writes what to the disk when, and what clients may
//! rely on meanwhile.
//!
//! ```text
//!   save      a snapshot in `dir`: SAVE, BGSAVE, save points, the end      durability/save.rs
//!   encode    what a snapshot is encoded by: one thread, or several         durability/encode.rs
//!   append    the log in `appenddirname`: its threads, its rewriting       durability/append.rs
//!   recover   what is loaded at the start                                  durability/recover.rs
//!   redis     what Redis left, loaded at the start                         durability/redis.rs
//!   release   when a reply may leave                                       here
//!   wait      when the log is as safe as WAITAOF asks                      durability/wait.rs
//! ```
//!
//! Two looks at one atomic, the gate, are all that a batch of requests pays while nothing is the
//! matter: one before a command runs (is it refused?), one before replies leave (must they wait?).
//!
//! One snapshot is taken at a time: who takes it holds `job` for as long.

mod append;
pub mod disk;
mod encode;
pub mod recover;
pub mod redis_files;
mod save;
mod status;
mod wait;

pub use recover::{Again, load, load_again};
pub use save::{Begun, How, begin_rewrite, begin_save, is_saving, last_save_s, save_now};
pub use save::{schedule_rewrite, schedule_save, shutdown};
pub use status::fields as info_fields;
pub use wait::{is_safe, wait_until_safe};

use crate::server::Server;
use crate::system::clock::Clock;
use disk::directory::Directory;
use parking_lot::{Condvar, Mutex};
use redstart_config::{Config, Setting};
use redstart_engine::run::effects::{Effect, Sink};
use redstart_engine::spec::{HEALTH_CHECK, LOADING, WRITE};
use redstart_engine::{Command, Error};
use redstart_persistence::log::{Log, State};
use redstart_persistence::names;
use redstart_protocol::Args;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::*};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;
use tokio::sync::watch;

/// Data is being loaded.
const IS_LOADING: u8 = 1;
/// The server saves a last time: what happens from now on is not told to anybody.
const IS_STOPPING: u8 = 2;
/// Replies wait for the log.
const IS_LOGGING: u8 = 4;
/// The log cannot be written.
const LOG_FAILS: u8 = 8;
/// Snapshots cannot be written, and that is to be noticed.
const SAVE_FAILS: u8 = 16;

/// Under `everysec`, writes are acknowledged as long as what is not safe yet is no older.
const LATE_MS: u64 = 900;

/// Bits that have commands refused.
const REFUSING: u8 = IS_LOADING | LOG_FAILS | SAVE_FAILS;
/// Bits that have replies wait.
const HOLDING: u8 = IS_STOPPING | IS_LOGGING;

const SAVE_MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently \
    unable to persist to disk. Commands that may modify the data set are disabled, because this \
    instance is configured to report errors during writes if RDB snapshotting fails \
    (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB \
    error.";

/// When the log is made safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Policy {
    /// When the system likes.
    No,
    /// About once a second.
    Everysec,
    /// Before the reply leaves.
    Always,
}

/// Everything about durability that the server's threads share.
pub struct Durability {
    gate: AtomicU8,
    policy: AtomicU8,
    log: Arc<Log>,
    /// Held by whoever takes a snapshot.
    job: Mutex<()>,
    /// The way to the thread that saves.
    jobs: OnceLock<mpsc::Sender<save::Body>>,
    /// Whether the running BGSAVE is to be given up.
    cancel: AtomicBool,
    /// Whether the memory that saving needs is made.
    prepared: AtomicBool,
    /// How often FLUSHALL had run at the last look.
    flushes: AtomicU64,
    saving: Saving,
    status: Mutex<Status>,
    loading: Loading,
    /// Whether somebody waits for a sync, and the way to wake the thread that makes it.
    asked: Mutex<bool>,
    /// Whether somebody waits for a sync, whatever the policy.
    sync_wanted: AtomicBool,
    ask: Condvar,
    /// Changes whenever the log got further, or into trouble.
    progress: watch::Sender<()>,
    /// What had been written at this moment, in monotonic milliseconds, is safe, or nobody was
    /// promised that it would be.
    safe_ms: AtomicU64,
    /// Of which `safe_ms` it was found that the sync after it is late; how often that happened.
    late_after_ms: AtomicU64,
    late: AtomicU64,
    /// Whether the log is being begun.
    begins: AtomicBool,
}

/// How far loading is.
#[derive(Default)]
struct Loading {
    progress: crate::system::progress::Progress,
    /// When it began, in monotonic milliseconds.
    began_ms: AtomicU64,
    expired: AtomicU64,
}

/// How far the snapshot is that is being taken; zero while there is none.
#[derive(Default)]
struct Saving {
    /// Keys that it has.
    keys: AtomicU64,
    /// Keys that it will have.
    total: AtomicU64,
}

/// What is going on and how it went.
#[derive(Clone, Debug, Default)]
struct Status {
    save: Job,
    rewrite: Job,
    /// Changes by the last snapshot.
    changes_saved: u64,
    /// When the last snapshot was finished, in seconds since the Unix epoch.
    last_save_s: i64,
    /// Bytes of the log's base.
    base_bytes: u64,
}

/// A kind of background job.
#[derive(Clone, Debug, Default)]
struct Job {
    /// When it began, in monotonic milliseconds.
    since_ms: Option<u64>,
    scheduled: bool,
    failed: bool,
    /// How long the last one took, in seconds.
    took_s: Option<u64>,
    /// When the last one was tried, in monotonic milliseconds.
    tried_ms: u64,
    /// How many succeeded.
    done: u64,
    /// How many failed since one succeeded.
    failed_in_row: u64,
}

impl Default for Durability {
    fn default() -> Durability {
        Durability {
            gate: AtomicU8::new(IS_LOADING),
            policy: AtomicU8::new(Policy::Everysec as u8),
            log: Arc::default(),
            job: Mutex::default(),
            jobs: OnceLock::new(),
            cancel: AtomicBool::new(false),
            prepared: AtomicBool::new(false),
            flushes: AtomicU64::new(0),
            saving: Saving::default(),
            status: Mutex::default(),
            loading: Loading::default(),
            asked: Mutex::new(false),
            sync_wanted: AtomicBool::new(false),
            ask: Condvar::new(),
            progress: watch::Sender::new(()),
            safe_ms: AtomicU64::new(0),
            late_after_ms: AtomicU64::new(0),
            late: AtomicU64::new(0),
            begins: AtomicBool::new(false),
        }
    }
}

impl Durability {
    /// Whether data is being loaded: then nothing expires by itself.
    pub fn is_loading(&self) -> bool {
        self.gate.load(Relaxed) & IS_LOADING != 0
    }

    /// Whether anything refuses commands.
    #[inline]
    pub fn refuses(&self) -> bool {
        self.gate.load(Relaxed) & REFUSING != 0
    }

    /// Why a command may not run now, if so.
    #[cold]
    pub fn refusal(&self, command: &Command) -> Option<Error> {
        let gate = self.gate.load(Relaxed);
        if gate & IS_LOADING != 0 && !command.is(LOADING) {
            return Some(Error::text("LOADING Redis is loading the dataset in memory"));
        }
        if !command.is(WRITE | HEALTH_CHECK) {
            return None;
        }
        self.disk_error()
    }

    /// Why nothing may be written now, if so: a failing disk.
    #[cold]
    pub fn disk_error(&self) -> Option<Error> {
        let gate = self.gate.load(Relaxed);
        if gate & SAVE_FAILS != 0 {
            return Some(Error::text(SAVE_MISCONF));
        }
        if gate & LOG_FAILS != 0
            && let State::Unwritten(text) | State::Broken(text) = self.log.state()
        {
            // As the system words it, without the number.
            let text = text.split(" (os error").next().unwrap_or_default();
            return Some(Error::text(format!("MISCONF Errors writing to the AOF file: {text}")));
        }
        None
    }

    /// Whether replies have to be released.
    #[inline]
    pub fn holds_replies(&self) -> bool {
        // Sequenced with the flip of the last snapshot by the shards' locks.
        self.gate.load(Acquire) & HOLDING != 0
    }

    /// The last record that anybody made: what another worker did for a client is not behind it.
    pub fn last_mark(&self) -> u64 {
        self.log.appended()
    }

    /// Waits until replies may leave; `mark` is the last record that their requests made. False
    /// when they must never leave, because what they tell is not as durable as promised.
    pub async fn release(&self, clock: &Clock, mark: u64) -> bool {
        while self.gate.load(Acquire) & IS_STOPPING != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if self.gate.load(Acquire) & IS_LOGGING == 0 {
            return true;
        }
        // What others wrote may have been read, too; but while the log fails, reading goes on.
        let target = self.log.appended();
        if self.log.write_out(target).is_err() {
            self.notice_log();
        }
        if self.log.written() < mark {
            return false;
        }
        match self.policy() {
            Policy::No => return true,
            Policy::Everysec => return self.in_time(clock, mark).await,
            Policy::Always => {}
        }
        let mut progress = self.progress.subscribe();
        while self.log.synced() < target {
            if self.log.state() != State::Fine {
                self.notice_log();
                return self.log.synced() >= mark;
            }
            self.ask_for_sync();
            if progress.changed().await.is_err() {
                return false;
            }
        }
        true
    }

    /// Waits, if the sync of once a second is late, until it has caught up: so that what a power
    /// cut takes was acknowledged within one second, however slow the disk is. Reading goes on.
    async fn in_time(&self, clock: &Clock, mark: u64) -> bool {
        if mark == 0 || !self.is_late(clock) {
            return true;
        }
        let mut progress = self.progress.subscribe();
        while self.is_late(clock) && self.policy() == Policy::Everysec {
            if self.log.state() != State::Fine {
                self.notice_log();
                return self.log.synced() >= mark;
            }
            if progress.changed().await.is_err() {
                return false;
            }
        }
        true
    }

    fn is_late(&self, clock: &Clock) -> bool {
        let safe_ms = self.safe_ms.load(Acquire);
        if clock.now().mono_ms.saturating_sub(safe_ms) < LATE_MS {
            return false;
        }
        if self.late_after_ms.swap(safe_ms, Relaxed) != safe_ms {
            self.late.fetch_add(1, Relaxed);
            crate::system::log::warning(
                "A sync of the log takes too long (disk is busy?). Replies to writes wait for it.",
            );
        }
        true
    }

    /// Counters that CONFIG RESETSTAT sets back.
    pub fn reset_stats(&self) {
        let mut status = self.status.lock();
        (status.save.done, status.rewrite.done) = (0, 0);
        status.rewrite.failed_in_row = 0;
        self.late.store(0, Relaxed);
    }

    fn policy(&self) -> Policy {
        match self.policy.load(Relaxed) {
            0 => Policy::No,
            1 => Policy::Everysec,
            _ => Policy::Always,
        }
    }

    fn ask_for_sync(&self) {
        let mut asked = self.asked.lock();
        if !*asked {
            *asked = true;
            self.ask.notify_one();
        }
    }

    fn open(&self, bits: u8) {
        self.gate.fetch_and(!bits, AcqRel);
    }

    fn close(&self, bits: u8) {
        self.gate.fetch_or(bits, AcqRel);
    }

    fn set(&self, bits: u8, on: bool) {
        if on { self.close(bits) } else { self.open(bits) }
    }

    pub fn is_logging(&self) -> bool {
        self.gate.load(Acquire) & IS_LOGGING != 0
    }

    /// Lets the gate follow the log's state, and wakes who waits for it.
    fn notice_log(&self) {
        let fails = self.is_logging() && self.log.state() != State::Fine;
        if fails && self.gate.load(Acquire) & LOG_FAILS == 0 {
            let state = self.log.state();
            crate::system::log::warning(format_args!("The log cannot be written: {state:?}"));
        }
        self.set(LOG_FAILS, fails);
        self.progress.send_replace(());
    }
}

/// Where snapshots are kept, and the name of the present one.
fn dump_place(config: &Config) -> (Directory, String) {
    let name = String::from_utf8_lossy(config.text(Setting::Dbfilename));
    (Directory::new(path(config.text(Setting::Dir))), names::dump(&name))
}

/// Where the log is kept, and what its files' names begin with.
fn log_place(config: &Config) -> (Directory, String) {
    let directory = path(config.text(Setting::Dir)).join(path(config.text(Setting::Appenddirname)));
    let name = String::from_utf8_lossy(config.text(Setting::Appendfilename));
    (Directory::new(directory), names::prefix(&name).to_owned())
}

fn path(text: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsStr::from_bytes(text))
}

/// Lets durability follow the settings, after the start and after every CONFIG SET.
///
/// # Errors
/// When the log is to be written and cannot be begun.
pub fn follow_config(server: &'static Server) -> io::Result<()> {
    let persist = &server.durability;
    let config = server.config.read();
    let policy = match config.choice(Setting::Appendfsync) {
        "always" => Policy::Always,
        "no" => Policy::No,
        _ => Policy::Everysec,
    };
    let before = persist.policy.swap(policy as u8, Relaxed);
    if policy == Policy::Everysec && before != policy as u8 {
        persist.safe_ms.store(server.clock.now().mono_ms, Release);
    }
    let wanted = config.is(Setting::Appendonly);
    drop(config);
    save::follow_failure(server);
    if persist.is_loading() || wanted == persist.is_logging() {
        return Ok(());
    }
    if wanted { append::turn_on(server) } else { append::turn_off(server) }
}

/// What is done every tenth of a second: save points, scheduled jobs, the log's growth.
pub fn tick(server: &'static Server) {
    if !server.durability.is_loading() {
        save::tick(server);
        append::tick(server);
    }
}

/// Starts the threads.
///
/// # Errors
/// When the system has no thread to give.
pub fn start(server: &'static Server) -> io::Result<()> {
    // What is on the disk now is what was saved last.
    server.durability.status.lock().last_save_s =
        (crate::system::clock::wall_us() / 1_000_000) as i64;
    server.engine.listen(Arc::new(append::Appender(server.durability.log.clone())));
    server.engine.set_listening(false);
    save::start(server)?;
    append::start(server)
}

/// Tells the log of a request that changed something else than keys.
pub fn tell(server: &Server, args: Args<'_>) {
    if server.durability.is_logging() {
        let args = args.iter().map(bytes::Bytes::copy_from_slice).collect();
        append::Appender(server.durability.log.clone()).append(&[Effect { db: 0, args }]);
    }
}

/// The last record that this worker made since it was last asked; zero for none.
#[inline]
pub fn take_mark() -> u64 {
    append::take_mark()
}
