//! What scripts need of the server around them.
//!
//! Data commands go straight to the engine. What is left is rare: commands about the session or the
//! server, a disk that refuses writes, MONITOR and tracking, the clock, the log. A test implements
//! [`Host`] in ten lines.

use crate::store::Store;
use redstart_engine::keyspace::LockedShards;
use redstart_engine::run::registry::Registered;
use redstart_engine::{Command, Engine, Error, KeyAt, Now, Registry, WorkerState};
use redstart_protocol::{Args, Reply};

/// The parts that all workers share.
#[derive(Clone, Copy)]
pub struct Parts {
    /// Keys and values.
    pub engine: &'static Engine,
    /// All commands, those of the host included.
    pub registry: &'static Registry,
    /// Scripts and functions.
    pub scripts: &'static Store,
}

/// The script's unit of effects, as a command of it works in it.
pub struct Unit<'a> {
    /// The shards that the script holds.
    pub shards: &'a mut LockedShards,
    /// The worker's part of the engine.
    pub local: &'a mut WorkerState,
    /// The moment: it does not pass while the script runs.
    pub now: Now,
    /// The database that the script has selected.
    pub db: &'a mut usize,
    /// Takes the command's reply.
    pub reply: &'a mut Reply,
}

/// How important a line of the log is, by the numbers that scripts use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// LOG_DEBUG
    Debug,
    /// LOG_VERBOSE
    Verbose,
    /// LOG_NOTICE
    Notice,
    /// LOG_WARNING
    Warning,
}

/// How exactly the host wants commands to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Measuring {
    /// From which duration on a command is slow, in nanoseconds.
    pub slow_ns: u64,
    /// Whether each short command is measured, too.
    pub precisely: bool,
    /// Whether each command has a histogram of its durations.
    pub histograms: bool,
}

impl Default for Measuring {
    /// No command is slow.
    fn default() -> Measuring {
        Measuring { slow_ns: u64::MAX, precisely: false, histograms: true }
    }
}

/// The server around the scripts of one worker.
pub trait Host {
    /// Runs a command that is not the engine's (PUBLISH, SELECT, TIME), by its id, and writes its
    /// reply.
    ///
    /// # Errors
    /// What the command replies instead.
    fn session_command(&self, id: u16, args: Args<'_>, unit: Unit<'_>) -> Result<(), Error>;

    /// The error for a script that wants to write while the disk fails, or on a replica.
    fn refuses_writes(&self) -> Option<Error> {
        None
    }

    /// The error for a call in this database that the client's user may not make. Asked where
    /// [`crate::Caller::checks_rights`] says so.
    fn refuses_call(
        &self,
        _registered: &Registered,
        _args: Args<'_>,
        _db: usize,
        _local: &mut WorkerState,
    ) -> Option<Error> {
        None
    }

    /// Whether the client's user may make a call; nobody is told that it was asked.
    fn allows_call(&self, _registered: &Registered, _args: Args<'_>, _db: usize) -> bool {
        true
    }

    /// Whether a client watches commands (MONITOR). Asked for each command, so it must be quick.
    fn is_monitored(&self) -> bool {
        false
    }

    /// Shows a command that has run to the clients that watch.
    fn show(&self, _db: usize, _command: &Command, _args: Args<'_>) {}

    /// Notes that the client has read the keys of a command, of which it keeps copies (CLIENT
    /// TRACKING); their shards are locked.
    fn note_reads(&self, _shards: &mut LockedShards, _args: Args<'_>, _keys: &[KeyAt]) {}

    /// How commands are to be measured. Asked when a script begins.
    fn measuring(&self) -> Measuring {
        Measuring::default()
    }

    /// Notes a command that was slow by what [`Host::measuring`] says.
    fn note_slow(&self, _id: u16, _args: Args<'_>, _ns: u64) {}

    /// The present on a clock that never goes back, in nanoseconds.
    fn now_ns(&self) -> u64;

    /// The present on the clock of [`Now::mono_ms`], in milliseconds.
    fn now_ms(&self) -> u64;

    /// Whether data is being loaded: other clients are refused for that already.
    fn is_loading(&self) -> bool {
        false
    }

    /// Runs a job on a thread of its own, where there are threads.
    fn aside(&self, job: Box<dyn FnOnce() + Send>) {
        job();
    }

    /// Writes a line to the server's log.
    fn log(&self, level: Level, text: &str);
}
