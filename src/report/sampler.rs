//! Reads once a second what the server counts, for the history and the pages over HTTP.
//!
//! Counters and next deadlines are read without a lock. The keyspace's sizes want each shard for
//! some hundred nanoseconds, one after the other, as INFO does.

use crate::report::history::{COUNTS, ROWS, STATES, Sample};
use crate::report::usage::Usage;
use crate::server::Server;
use redstart_engine::Error;
use redstart_engine::hasher::SHARDS;
use redstart_engine::stats::{BUCKETS, Counter, Stats};
use std::sync::atomic::Ordering::Relaxed;

/// The counters as they stood at the last reading.
pub struct Sampler {
    server: &'static Server,
    counts: Option<[u64; COUNTS.len()]>,
    /// Calls of each command, and the durations of each that was called.
    calls: Vec<u64>,
    latency: Vec<[u64; ROWS]>,
}

impl Sampler {
    /// A sampler that has read nothing yet.
    pub fn new(server: &'static Server) -> Sampler {
        let commands = server.registry.len();
        let (calls, latency) = (vec![0; commands], vec![[0; ROWS]; commands]);
        Sampler { server, counts: None, calls, latency }
    }

    /// What has happened since the last reading, and how memory is used now. The first reading
    /// counts nothing.
    ///
    /// # Errors
    /// When a script holds a shard for too long.
    pub fn sample(&mut self) -> Result<(Sample, Usage), Error> {
        let server = self.server;
        let usage = Usage::of(server, None)?;
        let counts = counts(server, &usage);
        let latency = self.latency();
        let mut sample = Sample {
            at_s: u64::try_from(server.clock.now().wall_ms / 1000).unwrap_or(0),
            states: states(server, &usage),
            ..Sample::default()
        };
        if let Some(before) = self.counts.replace(counts) {
            // CONFIG RESETSTAT makes counters smaller.
            sample.counts = std::array::from_fn(|at| counts[at].saturating_sub(before[at]));
            sample.latency = latency;
        }
        Ok((sample, usage))
    }

    /// Commands since the last reading by how long they took. Only those are looked at that ran.
    fn latency(&mut self) -> [u32; ROWS] {
        let stats = self.server.stats;
        let mut sums = [0u32; ROWS];
        let mut buckets = vec![0; BUCKETS];
        for (id, (calls, before)) in self.calls.iter_mut().zip(&mut self.latency).enumerate() {
            let now = stats.iter().map(|stats| stats.calls[id].value()).sum();
            if std::mem::replace(calls, now) == now {
                continue;
            }
            buckets.fill(0);
            stats.iter().for_each(|stats| stats.times[id].sum_into(&mut buckets));
            let rows = buckets.chunks(BUCKETS / ROWS).map(|steps| steps.iter().sum::<u64>());
            for ((row, before), sum) in rows.zip(before).zip(&mut sums) {
                let more = row.saturating_sub(std::mem::replace(before, row));
                *sum = sum.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
            }
        }
        sums
    }
}

/// By [`COUNTS`].
fn counts(server: &Server, usage: &Usage) -> [u64; COUNTS.len()] {
    let sum = |field: fn(&Stats) -> &Counter| -> u64 {
        server.stats.iter().map(|stats| field(stats).value()).sum()
    };
    let cpu_s = usage.process.user_s + usage.process.system_s;
    [
        server.stats.iter().map(|stats| stats.commands()).sum(),
        sum(|stats| &stats.keyspace_hits),
        sum(|stats| &stats.keyspace_misses),
        sum(|stats| &stats.net_input_bytes),
        sum(|stats| &stats.net_output_bytes),
        sum(|stats| &stats.expired_keys),
        sum(|stats| &stats.evicted_keys),
        sum(|stats| &stats.error_replies),
        server.clients.accepted.load(Relaxed),
        (cpu_s * 1000.0) as u64,
    ]
}

/// By [`STATES`].
fn states(server: &Server, usage: &Usage) -> [u64; STATES.len()] {
    let volatile: usize = usage.totals.dbs.iter().map(|db| db.volatile).sum();
    let clients = server.clients.all();
    let blocked = clients.iter().filter(|client| client.is_blocked()).count();
    [
        usage.used as u64,
        usage.resident() as u64,
        usage.totals.keys() as u64,
        volatile as u64,
        clients.len() as u64,
        blocked as u64,
        expiry_lag_ms(server),
        usage.totals.locks as u64,
        usage.totals.leases as u64,
    ]
}

/// By how much the deadline is over of the key that should be gone first, in milliseconds.
pub fn expiry_lag_ms(server: &Server) -> u64 {
    let keyspace = &server.engine.keyspace;
    let first_ms = (0..SHARDS).map(|shard| keyspace.next_ms(shard)).min().unwrap_or(u64::MAX);
    server.clock.now().mono_ms.saturating_sub(first_ms)
}
