//! How long the calls of a command took, summed over the workers.

use redstart_engine::stats::{BUCKETS, Stats, longest_of};
use std::sync::Arc;

/// A command's durations.
pub struct Histogram {
    /// Calls that were measured.
    pub calls: u64,
    counts: Vec<u64>,
}

impl Histogram {
    /// The durations of the command with this id.
    pub fn of(stats: &[Arc<Stats>], id: u16) -> Histogram {
        let mut counts = vec![0; BUCKETS];
        stats.iter().for_each(|stats| stats.times[id as usize].sum_into(&mut counts));
        Histogram { calls: counts.iter().sum(), counts }
    }

    /// The duration that this percentage of the calls did not exceed, in nanoseconds.
    pub fn percentile(&self, percentage: f64) -> u64 {
        let wanted = ((self.calls as f64 * percentage / 100.0).ceil() as u64).max(1);
        let mut sum = 0;
        let reached = |count: &u64| {
            sum += count;
            sum >= wanted
        };
        self.counts.iter().position(reached).map_or(0, longest_of)
    }

    /// How many calls took less than so many nanoseconds, a power of two.
    pub fn below(&self, limit_ns: u64) -> u64 {
        let within = |(bucket, _): &(usize, &u64)| longest_of(*bucket) < limit_ns;
        self.counts.iter().enumerate().take_while(within).map(|(_, count)| count).sum()
    }

    /// For each power of two from 1024 ns on: the microseconds, as Redis rounds them, and how many
    /// calls took at most so long. Powers that add no call are left out.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let (mut steps, mut previous, mut limit_ns) = (Vec::new(), 0, 1024_u64);
        while previous < self.calls {
            let sum = self.below(limit_ns);
            if sum > previous {
                steps.push(((limit_ns + limit_ns / 128 - 1) / 1000, sum));
                previous = sum;
            }
            if limit_ns > 1 << 40 {
                break;
            }
            limit_ns *= 2;
        }
        steps
    }
}
