//! The gate: one byte that says whether commands are refused and whether replies have to wait.
//!
//! ```text
//!  bit          while it is set                           refused           held back
//!  IS_LOADING   data is being loaded                      most commands
//!  IS_STOPPING  the server saves a last time                                all replies
//!  IS_LOGGING   the log is on                                               replies, for the log
//!  LOG_FAILS    the log cannot be written                 writes and PING
//!  SAVE_FAILS   snapshots cannot be written, and the      writes and PING
//!               settings say that this matters
//! ```
//!
//! A batch of requests loads this byte twice as long as nothing is wrong: before a command runs,
//! and before its replies leave.

use redstart_config::{Config, Setting};
use redstart_engine::spec::{HEALTH_CHECK, LOADING, WRITE};
use redstart_engine::{Command, Error};
use redstart_persistence::log::{Log, State};
use std::sync::atomic::{AtomicU8, Ordering::*};

/// Data is being loaded.
pub const IS_LOADING: u8 = 1;
/// The server saves a last time: from now on no reply leaves.
pub const IS_STOPPING: u8 = 2;
/// The log is on.
pub const IS_LOGGING: u8 = 4;
/// The log cannot be written.
pub const LOG_FAILS: u8 = 8;
/// Snapshots cannot be written, and the settings say that this matters.
pub const SAVE_FAILS: u8 = 16;

/// Bits that have commands refused.
const REFUSING: u8 = IS_LOADING | LOG_FAILS | SAVE_FAILS;
/// Bits that have replies wait.
const HOLDING: u8 = IS_STOPPING | IS_LOGGING;

/// What clients are told while data is being loaded.
pub const STILL_LOADING: &str = "LOADING Redis is loading the dataset in memory";

const SAVE_MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently \
    unable to persist to disk. Commands that may modify the data set are disabled, because this \
    instance is configured to report errors during writes if RDB snapshotting fails \
    (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB \
    error.";

/// When the log is synced (`appendfsync`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Policy {
    /// When the operating system likes.
    No,
    /// About once a second.
    Everysec,
    /// Before the reply leaves.
    Always,
}

impl Policy {
    /// The policy that the settings ask for.
    pub fn of(config: &Config) -> Policy {
        match config.choice(Setting::Appendfsync) {
            "always" => Policy::Always,
            "no" => Policy::No,
            _ => Policy::Everysec,
        }
    }

    fn from_byte(byte: u8) -> Policy {
        match byte {
            0 => Policy::No,
            1 => Policy::Everysec,
            _ => Policy::Always,
        }
    }
}

/// See the module.
pub struct Gate {
    bits: AtomicU8,
    policy: AtomicU8,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate { bits: AtomicU8::new(IS_LOADING), policy: AtomicU8::new(Policy::Everysec as u8) }
    }
}

impl Gate {
    /// Sets bits.
    pub fn set(&self, bits: u8) {
        self.bits.fetch_or(bits, AcqRel);
    }

    /// Clears bits.
    pub fn clear(&self, bits: u8) {
        self.bits.fetch_and(!bits, AcqRel);
    }

    /// Sets bits or clears them.
    pub fn set_to(&self, bits: u8, on: bool) {
        if on { self.set(bits) } else { self.clear(bits) }
    }

    /// Whether any of the bits is set.
    #[inline]
    pub fn has(&self, bits: u8) -> bool {
        self.bits.load(Acquire) & bits != 0
    }

    /// As [`Gate::has`], where nothing else is read that this has to come before.
    #[inline]
    pub fn has_relaxed(&self, bits: u8) -> bool {
        self.bits.load(Relaxed) & bits != 0
    }

    /// Whether commands may be refused.
    #[inline]
    pub fn refuses(&self) -> bool {
        self.has_relaxed(REFUSING)
    }

    /// Whether replies have to wait.
    #[inline]
    pub fn holds_replies(&self) -> bool {
        self.has(HOLDING)
    }

    /// Why a command must not run now, if so; `log` is the one that LOG_FAILS is about.
    #[cold]
    pub fn refusal(&self, command: &Command, log: &Log) -> Option<Error> {
        if self.has_relaxed(IS_LOADING) && !command.is(LOADING) {
            return Some(Error::text(STILL_LOADING));
        }
        if !command.is(WRITE | HEALTH_CHECK) {
            return None;
        }
        self.disk_error(log)
    }

    /// Why nothing may be written now, if so: a failing disk.
    #[cold]
    pub fn disk_error(&self, log: &Log) -> Option<Error> {
        if self.has_relaxed(SAVE_FAILS) {
            return Some(Error::text(SAVE_MISCONF));
        }
        if self.has_relaxed(LOG_FAILS)
            && let State::Unwritten(text) | State::Broken(text) = log.state()
        {
            // The system's words, without the error's number.
            let text = text.split(" (os error").next().unwrap_or_default();
            return Some(Error::text(format!("MISCONF Errors writing to the AOF file: {text}")));
        }
        None
    }

    /// When the log is synced.
    pub fn policy(&self) -> Policy {
        Policy::from_byte(self.policy.load(Relaxed))
    }

    /// Sets the policy and returns the one before.
    pub fn set_policy(&self, policy: Policy) -> Policy {
        Policy::from_byte(self.policy.swap(policy as u8, Relaxed))
    }
}
