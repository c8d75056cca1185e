//! Durability, the server's side of it: which thread writes what to the disk when, and what
//! clients may rely on meanwhile.
//!
//! ```text
//!   gate         whether commands are refused, whether replies wait
//!   wait         what waits for the log: replies, WAITAOF
//!   syncs        what the log thread and the tasks that wait for it share
//!   append       the log in `appenddirname`: its threads, its rewriting
//!   take         one snapshot, from its moment to its file
//!   encode       the threads that a snapshot is encoded by
//!   stream       a snapshot for replicas, to a pipe
//!   folder       whose files these are: the claim on them
//!   save         a snapshot in `dir`: SAVE, BGSAVE, the end
//!   jobs         BGSAVE and BGREWRITEAOF, by request, save point or growth
//!   recover      what is loaded at the start, and in which order
//!   load         how our files are loaded
//!   redis_files  how Redis's files are loaded
//!   receive      what a master sends: received into a file, and loaded
//!   replay       what is left to the server: scripts and libraries of functions
//!   status       the state of the jobs, and INFO
//!   parts        the parts of the server that all this works on
//!   disk         files
//!   keyring      what they are encrypted with
//! ```
//!
//! One snapshot is taken at a time. Durability knows neither clients nor sessions: it is made with
//! the parts of the server that it works on.

mod append;
mod disk;
mod encode;
mod folder;
mod gate;
mod jobs;
pub mod keyring;
mod load;
mod parts;
mod receive;
mod recover;
mod redis_files;
mod replay;
mod save;
mod status;
mod stream;
mod syncs;
mod take;
mod wait;

pub use append::take_mark;
pub use disk::claim::{Claim, NotClaimed, lock_name};
pub use disk::directory::{Directory, check_regular, remedy};
pub use gate::STILL_LOADING;
pub use jobs::IfRewriting;
pub use parts::{Libraries, Parts};
pub use receive::Loaded;
pub use recover::Reload;
pub use redis_files::{looks_like_rdb, read_manifest};
pub use replay::{Replay, can_replay};
pub use save::{Ending, FinalSave};
pub use status::Begun;
pub use stream::{About, Form, LeftOut, Pipe};
pub use wait::Release;

use folder::Claims;
use gate::{Gate, IS_LOADING, IS_LOGGING, Policy};
use jobs::Jobs;
use load::Loading;
use parking_lot::Mutex;
use redstart_config::Setting;
use redstart_engine::run::effect::Listener;
use redstart_engine::{Command, Error};
use redstart_persistence::log::Log;
use redstart_persistence::storage::encrypted::KeyId;
use status::Status;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use syncs::Syncs;
use take::Taking;

/// What is kept on disk, and how safely.
pub struct Durability {
    gate: Gate,
    parts: Parts,
    claims: Claims,
    log: Arc<Log>,
    syncs: Syncs,
    /// Whether the log is being begun.
    log_begins: AtomicBool,
    taking: Taking,
    jobs: Jobs,
    status: Mutex<Status>,
    loading: Loading,
}

impl Durability {
    /// Durability over these parts. Data counts as being loaded until [`Durability::load`] ends.
    pub fn new(parts: Parts) -> Durability {
        Durability {
            gate: Gate::default(),
            parts,
            claims: Claims::default(),
            log: Arc::default(),
            syncs: Syncs::default(),
            log_begins: AtomicBool::new(false),
            taking: Taking::default(),
            jobs: Jobs::default(),
            status: Mutex::default(),
            loading: Loading::default(),
        }
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(&'static self) -> io::Result<()> {
        // What is on the disk now is what was saved last.
        self.status.lock().last_save_s = self.parts.wall_s();
        let engine = self.parts.engine;
        engine.listen(Listener::Log, Arc::new(append::Appender(self.log.clone())));
        engine.set_listening(Listener::Log, false);
        self.start_jobs()?;
        self.start_log_thread()
    }

    /// Follows the settings, after the start and after every CONFIG SET.
    ///
    /// # Errors
    /// When the log is to be written and cannot be begun.
    pub fn follow_config(&'static self) -> io::Result<()> {
        let (policy, wanted) = {
            let config = self.parts.config.read();
            (Policy::of(&config), config.is(Setting::Appendonly))
        };
        let before = self.gate.set_policy(policy);
        if policy == Policy::Everysec && before != policy {
            self.syncs.note_synced(self.parts.now_ms());
        }
        self.follow_failure();
        if self.is_loading() || wanted == self.is_logging() {
            return Ok(());
        }
        if wanted {
            self.turn_on()
        } else {
            self.turn_off();
            Ok(())
        }
    }

    /// The key that files are encrypted with, if they are.
    pub fn key(&self) -> Option<KeyId> {
        self.parts.keyring.written_with()
    }

    /// Reads the keys that the settings name. Where files are written otherwise from now on, the
    /// log is rewritten: what the old key was for goes with it.
    ///
    /// # Errors
    /// What is wrong with the key file; the keys from before count on.
    pub fn take_keys(&self) -> io::Result<()> {
        let changed = self.parts.keyring.follow(&self.parts.config.read())?;
        if changed && self.is_logging() {
            self.schedule_rewrite();
        }
        Ok(())
    }

    /// Does what is due, every tenth of a second: save points, scheduled jobs, the log's growth.
    pub fn tick(&'static self) {
        if !self.is_loading() {
            self.tick_jobs();
            self.tick_log();
        }
    }

    /// Whether data is being loaded: then nothing expires by itself.
    pub fn is_loading(&self) -> bool {
        self.gate.has_relaxed(IS_LOADING)
    }

    /// Whether the log is on.
    pub fn is_logging(&self) -> bool {
        self.gate.has(IS_LOGGING)
    }

    /// Whether commands may be refused: then [`Durability::refusal`] says which.
    #[inline]
    pub fn refuses(&self) -> bool {
        self.gate.refuses()
    }

    /// Why a command may not run now, if so.
    #[cold]
    pub fn refusal(&self, command: &Command) -> Option<Error> {
        self.gate.refusal(command, &self.log)
    }

    /// Why nothing may be written now, if so: a failing disk.
    #[cold]
    pub fn disk_error(&self) -> Option<Error> {
        self.gate.disk_error(&self.log)
    }

    /// Whether replies have to be [released](Durability::release).
    #[inline]
    pub fn holds_replies(&self) -> bool {
        // Sequenced with the flip of the last snapshot by the shards' locks.
        self.gate.holds_replies()
    }
}
