//! A script that holds shards for too long: what other threads do instead of waiting for them.
//!
//! A request that needs such a shard gives up, and its client is replied BUSY. A thread that cannot
//! give up waits on, and serves its other clients meanwhile. While no script takes too long, this
//! costs a thread that finds a shard locked a look at one flag, and other threads nothing.

use crate::Error;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a thread does while it waits.
type Meanwhile = Box<dyn Fn() + Send + Sync>;

/// What a function adds to the count of scripts.
const FUNCTION: u64 = 1 << 32;

/// How many scripts run for too long.
#[derive(Default)]
pub struct Busy {
    /// Scripts of EVAL in the lower half, functions in the upper one.
    count: AtomicU64,
    meanwhile: OnceLock<Meanwhile>,
}

impl Busy {
    /// Installs what a thread does, every few milliseconds, while it waits and scripts run for too
    /// long. Without it no thread looks whether they do.
    pub fn watch(&self, meanwhile: impl Fn() + Send + Sync + 'static) {
        assert!(self.meanwhile.set(Box::new(meanwhile)).is_ok(), "it is installed once");
    }

    /// A script, or a function, has run for too long.
    pub fn enter(&self, is_function: bool) {
        self.count.fetch_add(if is_function { FUNCTION } else { 1 }, Relaxed);
    }

    /// A script, or a function, that has run for too long is at its end.
    pub fn leave(&self, is_function: bool) {
        self.count.fetch_sub(if is_function { FUNCTION } else { 1 }, Relaxed);
    }

    /// Whether any runs for too long.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.count.load(Relaxed) != 0
    }

    /// What clients are replied meanwhile.
    #[cold]
    pub fn error(&self) -> Error {
        let only_functions = self.count.load(Relaxed).is_multiple_of(FUNCTION);
        if only_functions { Error::BUSY_FUNCTION } else { Error::BUSY_SCRIPT }
    }

    pub(super) fn is_watched(&self) -> bool {
        self.meanwhile.get().is_some()
    }

    /// Does what was installed by [`Busy::watch`], once.
    pub fn meanwhile(&self) {
        if let Some(meanwhile) = self.meanwhile.get() {
            meanwhile();
        }
    }
}
