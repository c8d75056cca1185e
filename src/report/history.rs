//! What was: figures of each second, kept for the last five minutes; of each five seconds for the
//! last hour; of each minute for the last day. So a page that is opened late shows what happened.
//!
//! ```text
//!   second --+--> 1 s  x 300
//!            +--> 5 s  x 720    a sample of a longer span adds up what its seconds counted, and
//!            +--> 60 s x 1440   stands as the last of them stood
//! ```
//!
//! Bounded: 2460 samples of some 300 bytes.

use std::collections::VecDeque;

/// Figures that count what happened in a span.
pub const COUNTS: [&str; 10] = [
    "commands",
    "hits",
    "misses",
    "input_bytes",
    "output_bytes",
    "expired",
    "evicted",
    "errors",
    "connections",
    "cpu_ms",
];
/// Figures that say how things stood at its end.
pub const STATES: [&str; 9] = [
    "used_bytes",
    "resident_bytes",
    "keys",
    "volatile",
    "clients",
    "blocked",
    "expiry_lag_ms",
    "locks",
    "leases",
];
/// Rows of the latency's map: row n has the commands that took from 2^(n+5) to 2^(n+6) nanoseconds.
pub const ROWS: usize = 32;

/// What happened in a span of time, and how things stood at its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// When it ended, in seconds since 1970.
    pub at_s: u64,
    /// By [`COUNTS`].
    pub counts: [u64; COUNTS.len()],
    /// By [`STATES`].
    pub states: [u64; STATES.len()],
    /// Commands by how long they took.
    pub latency: [u32; ROWS],
}

impl Sample {
    /// Adds the span that follows.
    fn extend(&mut self, next: &Sample) {
        self.at_s = next.at_s;
        self.states = next.states;
        self.counts.iter_mut().zip(next.counts).for_each(|(sum, count)| *sum += count);
        let rows = self.latency.iter_mut().zip(next.latency);
        rows.for_each(|(sum, count)| *sum = sum.saturating_add(count));
    }
}

/// Spans of one length.
pub struct Ring {
    /// How long they are, in seconds.
    pub step_s: u64,
    capacity: usize,
    samples: VecDeque<Sample>,
}

impl Ring {
    const fn new(step_s: u64, capacity: usize) -> Ring {
        Ring { step_s, capacity, samples: VecDeque::new() }
    }

    fn push(&mut self, sample: &Sample) {
        let step_s = self.step_s;
        match self.samples.back_mut() {
            Some(last) if last.at_s / step_s == sample.at_s / step_s => last.extend(sample),
            _ => {
                if self.samples.len() == self.capacity {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample.clone());
            }
        }
    }

    /// The samples, the oldest first. The last span may go on.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = &Sample> {
        self.samples.iter()
    }
}

/// All that is kept.
pub struct History {
    rings: [(&'static str, Ring); 3],
}

impl Default for History {
    fn default() -> History {
        let ring = Ring::new;
        History {
            rings: [("minutes", ring(1, 300)), ("hour", ring(5, 720)), ("day", ring(60, 1440))],
        }
    }
}

impl History {
    /// Adds the last second.
    pub fn push(&mut self, sample: &Sample) {
        self.rings.iter_mut().for_each(|(_, ring)| ring.push(sample));
    }

    /// The spans of a range by its name: `minutes`, `hour` or `day`.
    pub fn range(&self, name: &str) -> Option<&Ring> {
        self.rings.iter().find(|(known, _)| *known == name).map(|(_, ring)| ring)
    }

    /// The last second.
    pub fn last(&self) -> Option<&Sample> {
        self.rings[0].1.samples.back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_add_up_to_longer_spans_and_all_is_bounded() {
        let mut history = History::default();
        for at_s in 1200..1200 + 90_000 {
            let mut sample = Sample { at_s, ..Sample::default() };
            (sample.counts[0], sample.states[0], sample.latency[3]) = (2, at_s, 1);
            history.push(&sample);
        }
        let lens =
            ["minutes", "hour", "day"].map(|name| history.range(name).unwrap().samples.len());
        assert_eq!(lens, [300, 720, 1440]);
        let minute = history.range("day").unwrap().samples().last().unwrap().clone();
        assert_eq!((minute.counts[0], minute.states[0], minute.latency[3]), (120, 91_199, 60));
        assert!(history.range("week").is_none());
    }
}
