//! What is known of each prefix (`stats-prefixes`), summed over the workers: for PREFIX.STATS and
//! INFO.

use redstart_engine::keyspace::Keyspace;
use redstart_engine::keyspace::prefixes::{CAUSES, Content};
use redstart_engine::run::worker_state::Reach;
use redstart_engine::stats::{PREFIX_BUCKETS, PrefixCounts, Stats, longest_of_prefix};
use std::sync::Arc;

/// What is known of one prefix.
pub struct Prefix {
    /// The prefix; empty for keys without one.
    pub name: Box<[u8]>,
    /// What there is of it, as the last walk has found it.
    pub content: Content,
    /// Lookups that found a key.
    pub hits: u64,
    /// Those that found none, by the cause.
    pub misses: [u64; CAUSES],
    /// Bytes of arguments of commands that write.
    pub bytes_in: u64,
    /// Bytes of replies.
    pub bytes_out: u64,
    durations: Vec<u64>,
}

impl Prefix {
    /// Lookups that found none.
    pub fn missed(&self) -> u64 {
        self.misses.iter().sum()
    }

    /// Which part of the lookups found a key.
    pub fn hit_rate(&self) -> f64 {
        let lookups = self.hits + self.missed();
        if lookups == 0 { 0.0 } else { self.hits as f64 / lookups as f64 }
    }

    /// How long a percentage of its commands took at most, in microseconds.
    pub fn percentile_us(&self, percentage: f64) -> f64 {
        let calls: u64 = self.durations.iter().sum();
        let rank = (calls as f64 * percentage / 100.0).ceil() as u64;
        let mut seen = 0;
        let bucket = self.durations.iter().position(|count| {
            seen += count;
            seen >= rank.max(1)
        });
        bucket.map_or(0.0, |bucket| longest_of_prefix(bucket) as f64 / 1000.0)
    }
}

/// All prefixes about which anything is known, of those that a client might read if they were keys.
pub fn all(
    keyspace: &Keyspace,
    stats: &[Arc<Stats>],
    reach: Option<&Arc<dyn Reach>>,
) -> Vec<Prefix> {
    let is_seen = |name: &[u8]| reach.is_none_or(|reach| reach.reads(name));
    let names = keyspace.prefixes.all().into_iter().enumerate();
    let names = names.filter(|(_, (name, _))| is_seen(name));
    let prefixes = names.map(|(number, (name, content))| {
        let counts: Vec<&PrefixCounts> =
            stats.iter().filter_map(|stats| stats.prefixes().get(number)).collect();
        let sum = |count: fn(&PrefixCounts) -> u64| counts.iter().map(|it| count(it)).sum();
        let mut misses = [0; CAUSES];
        let mut durations = vec![0; PREFIX_BUCKETS];
        for counts in &counts {
            misses.iter_mut().zip(&counts.misses).for_each(|(sum, more)| *sum += more.value());
            counts.sum_into(&mut durations);
        }
        Prefix {
            name,
            content,
            hits: sum(|it| it.hits.value()),
            misses,
            bytes_in: sum(|it| it.bytes_in.value()),
            bytes_out: sum(|it| it.bytes_out.value()),
            durations,
        }
    });
    let is_known =
        |it: &Prefix| it.content.keys + it.hits + it.missed() + it.bytes_in + it.bytes_out > 0;
    prefixes.filter(is_known).collect()
}
