//! The latency monitor: what took at least `latency-monitor-threshold` milliseconds, by events.
//! Of each event, the longest is kept for each of the last 160 seconds in which it happened.

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};

/// Seconds that are kept of an event.
const SAMPLES_MAX: usize = 160;

/// How long one kind of event took.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Seconds since 1970 and the longest in that second, in milliseconds; the oldest first.
    pub samples: VecDeque<(u64, u64)>,
    /// The longest since the start or the last reset, in milliseconds.
    pub worst_ms: u64,
}

impl Event {
    /// The newest sample.
    pub fn latest(&self) -> (u64, u64) {
        self.samples.back().copied().unwrap_or_default()
    }
}

/// All events.
#[derive(Default)]
pub struct LatencyEvents(Mutex<BTreeMap<&'static str, Event>>);

impl LatencyEvents {
    /// Adds an event that took `ms` milliseconds.
    pub fn add(&self, name: &'static str, ms: u64) {
        let unix_s = crate::system::clock::wall_us() / 1_000_000;
        let mut events = self.0.lock();
        let event = events.entry(name).or_default();
        event.worst_ms = event.worst_ms.max(ms);
        match event.samples.back_mut() {
            Some((last_s, worst_ms)) if *last_s == unix_s => *worst_ms = (*worst_ms).max(ms),
            _ => event.samples.push_back((unix_s, ms)),
        }
        if event.samples.len() > SAMPLES_MAX {
            event.samples.pop_front();
        }
    }

    /// All events by name.
    pub fn all(&self) -> Vec<(&'static str, Event)> {
        self.0.lock().iter().map(|(name, event)| (*name, event.clone())).collect()
    }

    /// One event.
    pub fn event(&self, name: &[u8]) -> Option<(&'static str, Event)> {
        let named = |(known, _): &(&str, Event)| name.eq_ignore_ascii_case(known.as_bytes());
        self.all().into_iter().find(named)
    }

    /// Forgets the events that are named, or all; returns how many there were.
    pub fn reset(&self, names: &[&[u8]]) -> usize {
        let mut events = self.0.lock();
        let before = events.len();
        let named = |event: &str| names.iter().any(|n| n.eq_ignore_ascii_case(event.as_bytes()));
        events.retain(|event, _| !names.is_empty() && !named(event));
        before - events.len()
    }
}
