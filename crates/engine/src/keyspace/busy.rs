//! A script that holds shards for too long: what others do instead of waiting for them.
//!
//! Who asks for a shard in a client's name gives up, and the client is told. Who has to have it
//! waits on, and lets its thread look after its other clients meanwhile. While no script is too
//! long, this costs a look at one flag for those who find a shard taken, and nothing for others.

use crate::Error;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is asked of a thread that waits.
type Meanwhile = Box<dyn Fn() + Send + Sync>;

/// A function, among the scripts that are counted.
const FUNCTION: u64 = 1 << 32;

/// Whether scripts run for too long.
#[derive(Default)]
pub struct Busy {
    /// How many do: those of EVAL below, functions above.
    count: AtomicU64,
    meanwhile: OnceLock<Meanwhile>,
}

impl Busy {
    /// Says what a thread does, every few milliseconds, while it waits and scripts are too long.
    /// Only from then on does anybody ask whether they are.
    pub fn watch(&self, meanwhile: impl Fn() + Send + Sync + 'static) {
        assert!(self.meanwhile.set(Box::new(meanwhile)).is_ok(), "it is said once");
    }

    /// A script, or a function, has run for too long.
    pub fn enter(&self, is_function: bool) {
        self.count.fetch_add(if is_function { FUNCTION } else { 1 }, Relaxed);
    }

    /// One that has is at its end.
    pub fn leave(&self, is_function: bool) {
        self.count.fetch_sub(if is_function { FUNCTION } else { 1 }, Relaxed);
    }

    /// Whether any runs for too long.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.count.load(Relaxed) != 0
    }

    /// What clients are told meanwhile.
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
