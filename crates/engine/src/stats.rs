//! Counters of one worker. Only that worker writes them, without a locked instruction; INFO sums
//! all workers' counters by relaxed loads.

use std::sync::OnceLock;
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

    /// Sets the counter to what it has to be. Only its owner may call this.
    #[inline]
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
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
    /// Those of them that no command came upon.
    pub expired_keys_active: Counter,
    /// Fields of hashes.
    pub expired_subkeys: Counter,
    pub expired_subkeys_active: Counter,
    /// How long the search for what has expired took, in nanoseconds.
    pub expiry_ns: Counter,
    pub evicted_keys: Counter,
    /// Keys that were freed because a tag of theirs was dropped.
    pub dropped_keys: Counter,
    pub errors: Counter,
    /// Error replies, those inside transactions included.
    pub error_replies: Counter,
    pub net_input_bytes: Counter,
    pub net_output_bytes: Counter,
    /// Calls of the system that brought something from a socket, or took something to one.
    pub reads: Counter,
    pub writes: Counter,
    /// Changes, which save points count: of whole keys, or of elements where a command names
    /// several of them.
    pub changes: Counter,
    /// Calls of each command, by its id in the registry.
    pub calls: Box<[Counter]>,
    /// What else is known of the calls of each command.
    pub times: Box<[Times]>,
    /// What is counted by the prefixes of keys, once it is.
    prefixes: OnceLock<Box<[PrefixCounts]>>,
    /// The prefix that was counted last.
    pub last_prefix: Counter,
}

/// What is counted of the keys with one prefix.
#[derive(Debug, Default)]
pub struct PrefixCounts {
    /// Lookups that found a key.
    pub hits: Counter,
    /// Those that found none, by the cause.
    pub misses: [Counter; CAUSES],
    /// Bytes of arguments of commands that write.
    pub bytes_in: Counter,
    /// Bytes of replies.
    pub bytes_out: Counter,
    latency: OnceLock<Box<[Counter]>>,
}

/// The most prefixes.
pub const PREFIXES_MAX: usize = 512;
/// How many causes of misses are told apart.
pub const CAUSES: usize = 5;
/// Buckets of durations for a prefix: four for each doubling, in nanoseconds.
pub const PREFIX_BUCKETS: usize = 4 * 40;

/// The bucket of a duration, for a prefix.
fn prefix_bucket_of(ns: u64) -> usize {
    let power = ns.max(4).ilog2();
    ((power as usize * 4) | (ns.max(4) >> (power - 2) & 3) as usize).min(PREFIX_BUCKETS - 1)
}

/// The longest duration of such a bucket, in nanoseconds.
pub fn longest_of_prefix(bucket: usize) -> u64 {
    let (power, step) = (bucket / 4, bucket as u64 % 4);
    ((4 + step + 1) << power.saturating_sub(2)) - 1
}

impl PrefixCounts {
    /// Adds the counts of durations to `sums`, which has [`PREFIX_BUCKETS`] places.
    pub fn sum_into(&self, sums: &mut [u64]) {
        let counts = self.latency.get().map_or(&[][..], |counts| counts);
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count.value());
    }

    fn reset(&self) {
        let named = [&self.hits, &self.bytes_in, &self.bytes_out].into_iter().chain(&self.misses);
        named.chain(self.latency.get().into_iter().flatten()).for_each(Counter::reset);
    }
}

/// How the calls of one command went.
#[derive(Debug, Default)]
pub struct Times {
    /// How long they took, in nanoseconds.
    pub ns: Counter,
    /// Those that ended in an error.
    pub failed: Counter,
    /// Those that were refused before they ran.
    pub rejected: Counter,
    histogram: OnceLock<Box<[Counter]>>,
}

/// Buckets for each doubling of a duration: a duration is exact to a 32nd.
const STEPS: u64 = 32;
/// The shortest and the longest duration that are distinguished, in nanoseconds, as powers of
/// two.
const SHORTEST: u32 = 5;
const LONGEST: u32 = 37;
/// The buckets of a histogram.
pub const BUCKETS: usize = (LONGEST - SHORTEST) as usize * STEPS as usize;

/// The bucket of a duration.
#[inline]
pub fn bucket_of(ns: u64) -> usize {
    let ns = ns.clamp(1 << SHORTEST, (1 << LONGEST) - 1);
    let power = ns.ilog2();
    let step = (ns >> (power - SHORTEST)) & (STEPS - 1);
    (u64::from(power - SHORTEST) * STEPS + step) as usize
}

/// The longest duration of a bucket, in nanoseconds.
pub fn longest_of(bucket: usize) -> u64 {
    let (power, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    ((STEPS + step + 1) << power) - 1
}

impl Times {
    /// Adds `calls` calls that took `ns` each, in the histogram's `bucket`; None leaves the
    /// histogram as it is.
    #[inline]
    pub fn add(&self, calls: u64, ns: u64, bucket: Option<usize>) {
        self.ns.add(calls * ns);
        if let Some(bucket) = bucket {
            let make = || (0..BUCKETS).map(|_| Counter::default()).collect();
            self.histogram.get_or_init(make)[bucket].add(calls);
        }
    }

    /// Adds the histogram's counts to `sums`, which has [`BUCKETS`] places.
    pub fn sum_into(&self, sums: &mut [u64]) {
        let counts = self.histogram.get().map_or(&[][..], |counts| counts);
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count.value());
    }

    /// Sets everything back to zero.
    pub fn reset(&self) {
        [&self.ns, &self.failed, &self.rejected].into_iter().for_each(Counter::reset);
        self.histogram.get().into_iter().flatten().for_each(Counter::reset);
    }
}

impl Stats {
    /// Counters for a registry of `commands` commands, subcommands included.
    pub fn new(commands: usize) -> Self {
        Stats {
            keyspace_hits: Counter::default(),
            keyspace_misses: Counter::default(),
            expired_keys: Counter::default(),
            expired_keys_active: Counter::default(),
            expired_subkeys: Counter::default(),
            expired_subkeys_active: Counter::default(),
            expiry_ns: Counter::default(),
            evicted_keys: Counter::default(),
            dropped_keys: Counter::default(),
            errors: Counter::default(),
            error_replies: Counter::default(),
            net_input_bytes: Counter::default(),
            net_output_bytes: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            changes: Counter::default(),
            calls: (0..commands).map(|_| Counter::default()).collect(),
            times: (0..commands).map(|_| Times::default()).collect(),
            prefixes: OnceLock::new(),
            last_prefix: Counter::default(),
        }
    }

    /// Counts what one call brought from a socket.
    #[inline]
    pub fn read(&self, bytes: usize) {
        self.reads.add(1);
        self.net_input_bytes.add(bytes as u64);
    }

    /// Counts what one call took to a socket.
    #[inline]
    pub fn wrote(&self, bytes: usize) {
        self.writes.add(1);
        self.net_output_bytes.add(bytes as u64);
    }

    /// Counts what has expired and no command came upon.
    pub fn expired_actively(&self, keys: u64, fields: u64) {
        self.expired_keys.add(keys);
        self.expired_keys_active.add(keys);
        self.expired_subkeys.add(fields);
        self.expired_subkeys_active.add(fields);
    }

    /// How many commands ran, those inside of transactions and scripts included.
    pub fn commands(&self) -> u64 {
        self.calls.iter().map(Counter::value).sum()
    }

    /// What is counted by prefix, made if need be. Only the owner may call this.
    #[inline]
    pub fn by_prefix(&self) -> &[PrefixCounts] {
        self.prefixes.get_or_init(|| (0..PREFIXES_MAX).map(|_| PrefixCounts::default()).collect())
    }

    /// What is counted by prefix; nothing before the first count.
    pub fn prefixes(&self) -> &[PrefixCounts] {
        self.prefixes.get().map_or(&[], |counts| counts)
    }

    /// Prefixes have other numbers from now on.
    pub fn reset_prefixes(&self) {
        self.prefixes().iter().for_each(PrefixCounts::reset);
        self.last_prefix.reset();
    }

    /// Commands took so long, in nanoseconds each: it is noted for the prefix of the last one's
    /// key, if that is counted.
    #[inline]
    pub fn note_time_of_prefix(&self, calls: usize, ns: u64) {
        if let Some(prefixes) = self.prefixes.get() {
            let make = || (0..PREFIX_BUCKETS).map(|_| Counter::default()).collect();
            let counts = &prefixes[self.last_prefix.value() as usize % PREFIXES_MAX];
            counts.latency.get_or_init(make)[prefix_bucket_of(ns)].add(calls as u64);
        }
    }

    /// Sets what CONFIG RESETSTAT resets back to zero.
    pub fn reset(&self) {
        let named = [
            &self.keyspace_hits,
            &self.keyspace_misses,
            &self.expired_keys,
            &self.expired_keys_active,
            &self.expired_subkeys,
            &self.expired_subkeys_active,
            &self.expiry_ns,
            &self.evicted_keys,
            &self.dropped_keys,
            &self.errors,
            &self.error_replies,
            &self.net_input_bytes,
            &self.net_output_bytes,
            &self.reads,
            &self.writes,
        ];
        named.into_iter().chain(&self.calls).for_each(Counter::reset);
        self.times.iter().for_each(Times::reset);
        self.prefixes().iter().for_each(PrefixCounts::reset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_durations() {
        for ns in [0, 31, 32, 33, 63, 64, 1000, 123_456, 10_000_000_000, 1 << 36] {
            let bucket = bucket_of(ns);
            assert!(longest_of(bucket) >= ns, "{ns}");
            assert!(bucket == 0 || longest_of(bucket - 1) < ns, "{ns}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }
}
