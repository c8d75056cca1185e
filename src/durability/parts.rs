//! What durability works on: the parts of the server that it is given when it is made.

use super::disk::directory::Directory;
use super::keyring::Keyring;
use crate::metrics::rates::Rates;
use crate::system::clock::{Clock, wall_us};
use parking_lot::RwLock;
use redstart_config::{Config, Setting};
use redstart_engine::Engine;
use redstart_engine::stats::Stats;
use redstart_persistence::names;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The parts of the server that durability works on.
#[derive(Clone, Copy)]
pub struct Parts {
    /// Keys and values.
    pub engine: &'static Engine,
    /// The clocks.
    pub clock: &'static Clock,
    /// Settings.
    pub config: &'static RwLock<Config>,
    /// Every worker's counters.
    pub stats: &'static [Arc<Stats>],
    /// How much is going on.
    pub rates: &'static Rates,
    /// Libraries of functions, which are saved with the keys.
    pub libraries: &'static dyn Libraries,
    /// What files are encrypted with.
    pub keyring: &'static Keyring,
    /// FLUSHALL's id among the commands.
    pub flushall_id: u16,
}

/// The libraries of functions, as a snapshot takes them.
pub trait Libraries: Send + Sync {
    /// Returns the text of every library. Calls `meanwhile` at a moment at which exactly these
    /// libraries are there: no change of them is in the log, but not in them, or the other way
    /// round.
    fn texts(&self, meanwhile: &mut dyn FnMut()) -> Vec<Arc<[u8]>>;
}

impl Parts {
    /// Monotonic time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.clock.now().mono_ms
    }

    /// The system's wall clock, in seconds since the Unix epoch.
    pub fn wall_s(&self) -> i64 {
        (wall_us() / 1_000_000) as i64
    }

    /// How many threads serve clients.
    pub fn workers(&self) -> usize {
        self.stats.len()
    }

    /// Changes of keys since the start.
    pub fn changes(&self) -> u64 {
        self.stats.iter().map(|stats| stats.changes.value()).sum()
    }

    /// How often FLUSHALL ran.
    pub fn flushes(&self) -> u64 {
        self.stats.iter().map(|stats| stats.calls[self.flushall_id as usize].value()).sum()
    }

    /// Whether the settings ask for snapshots by save points.
    pub fn has_save_points(&self) -> bool {
        !self.config.read().save_points().is_empty()
    }

    /// Where snapshots are kept, and the name of the present one.
    pub fn dump_place(&self) -> (Directory, String) {
        let config = self.config.read();
        let name = String::from_utf8_lossy(config.text(Setting::Dbfilename));
        (self.directory(&path(config.text(Setting::Dir))), names::dump(&name))
    }

    /// Where the log is kept, and what the names of its files begin with.
    pub fn log_place(&self) -> (Directory, String) {
        let config = self.config.read();
        let name = String::from_utf8_lossy(config.text(Setting::Appendfilename));
        (self.directory(&log_path(&config)), names::prefix(&name).to_owned())
    }

    /// A directory, with the keys of its files.
    pub fn directory(&self, path: &Path) -> Directory {
        Directory::with_keys(path, self.keyring.current())
    }
}

/// Where the log is, ours and Redis's.
pub fn log_path(config: &Config) -> PathBuf {
    let name = path(config.text(Setting::Appenddirname));
    path(config.text(Setting::Dir)).join(name)
}

/// A path as a setting spells it.
pub fn path(text: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsStr::from_bytes(text))
}
