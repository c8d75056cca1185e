//! Counters of one worker. Only that worker writes them, without a locked instruction; INFO sums
//! all workers' counters by relaxed loads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the counter. Only its owner may call this.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The count.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Sets the counter back to zero (CONFIG RESETSTAT). A count that the owner adds at the same
    /// moment may survive.
    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// What one worker counts.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Stats {
    pub keyspace_hits: Counter,
    pub keyspace_misses: Counter,
    pub expired_keys: Counter,
    pub commands: Counter,
    pub errors: Counter,
    pub net_input_bytes: Counter,
    pub net_output_bytes: Counter,
    /// Changes of keys, which save points count.
    pub changes: Counter,
    /// Calls of each command, by its id in the registry.
    pub calls: Box<[Counter]>,
}

impl Stats {
    /// Counters for a registry of `commands` commands, subcommands included.
    pub fn new(commands: usize) -> Self {
        Stats {
            keyspace_hits: Counter::default(),
            keyspace_misses: Counter::default(),
            expired_keys: Counter::default(),
            commands: Counter::default(),
            errors: Counter::default(),
            net_input_bytes: Counter::default(),
            net_output_bytes: Counter::default(),
            changes: Counter::default(),
            calls: (0..commands).map(|_| Counter::default()).collect(),
        }
    }

    /// Sets what CONFIG RESETSTAT resets back to zero.
    pub fn reset(&self) {
        let named = [
            &self.keyspace_hits,
            &self.keyspace_misses,
            &self.expired_keys,
            &self.commands,
            &self.errors,
            &self.net_input_bytes,
            &self.net_output_bytes,
        ];
        named.into_iter().chain(&self.calls).for_each(Counter::reset);
    }
}
