//! What all workers share: references to the parts of the server, and nothing but data.

pub mod rebinder;
pub mod settings;

use crate::access::Access;
use crate::clients::Clients;
use crate::clients::pause::Pause;
use crate::durability::Durability;
use crate::memory::evict::Evictor;
use crate::memory::reclaim::Reclaimer;
use crate::memory::watermarks::Watermarks;
use crate::metrics::errors::Errors;
use crate::metrics::latency::LatencyEvents;
use crate::metrics::rates::{Rates, Sums};
use crate::metrics::slowlog::Slowlog;
use crate::metrics::timing::Thresholds;
use crate::notify::invalidation::Tracking;
use crate::notify::monitor::Monitors;
use crate::notify::pubsub::PubSub;
use crate::replication::Replication;
use crate::server::rebinder::Rebinder;
use crate::system::allocator;
use crate::system::clock::Clock;
use crate::system::heartbeats::Heartbeats;
use crate::tls::Tls;
use parking_lot::RwLock;
use redstart_config::{Config, Setting};
use redstart_engine::keyspace::watching::LeftoverWatches;
use redstart_engine::stats::Stats;
use redstart_engine::{Engine, Registry};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::Notify;

/// What all workers share.
pub struct Server {
    /// Keys and values.
    pub engine: &'static Engine,
    /// The command table.
    pub registry: &'static Registry,
    /// Connected clients.
    pub clients: &'static Clients,
    /// Users.
    pub access: &'static Access,
    /// What connections over TLS are encrypted with.
    pub tls: &'static Tls,
    /// Channels.
    pub pubsub: &'static PubSub,
    /// Clients that sent MONITOR.
    pub monitors: &'static Monitors,
    /// Watches that have ended but are still noted.
    pub leftover_watches: &'static LeftoverWatches,
    /// Clients that cache keys.
    pub tracking: &'static Tracking,
    /// Scripts and functions.
    pub scripts: &'static redstart_scripting::Store,
    /// Every worker's counters.
    pub stats: &'static [Arc<Stats>],
    /// How many clients every worker serves.
    pub loads: &'static [Arc<AtomicUsize>],
    /// Counts for each worker how often it was between two requests.
    pub heartbeats: &'static Heartbeats,
    /// The clocks.
    pub clock: &'static Clock,
    /// Settings.
    pub config: &'static RwLock<Config>,
    /// The thread that drops large values.
    pub reclaimer: &'static Reclaimer,
    /// Forty hexadecimal digits, new at every start.
    pub run_id: String,
    /// The port that is served.
    pub port: u16,
    /// Error replies by their first word.
    pub errors: &'static Errors,
    /// How much memory was in use.
    pub watermarks: &'static Watermarks,
    /// Commands and bytes a second.
    pub rates: &'static Rates,
    /// Keeps the data within `maxmemory`.
    pub evictor: &'static Evictor,
    /// Changes the addresses that are listened at.
    pub rebinder: &'static Rebinder,
    /// From which duration on a command is slow.
    pub thresholds: &'static Thresholds,
    /// The commands that were slow.
    pub slowlog: &'static Slowlog,
    /// Events that made clients wait.
    pub latency: &'static LatencyEvents,
    /// The log and the snapshots.
    pub durability: &'static Durability,
    /// This server as a master of others, and as a replica of one.
    pub replication: &'static Replication,
    /// The pause of commands, if there is one.
    pub pause: &'static Pause,
    /// Somebody asked the server to stop.
    pub stop: Notify,
}

impl Server {
    /// Asks the server to stop: the main thread then ends it.
    pub fn shutdown(&self) {
        self.stop.notify_one();
    }

    /// The version that clients gate features on.
    pub fn redis_version(&self) -> String {
        let config = self.config.read();
        String::from_utf8_lossy(config.text(Setting::RedisVersion)).into_owned()
    }

    /// Notes how much has happened by now.
    pub fn sample_rates(&self) {
        let mut sums = Sums::default();
        for stats in self.stats {
            sums.commands += stats.commands();
            sums.input_bytes += stats.net_input_bytes.value();
            sums.output_bytes += stats.net_output_bytes.value();
        }
        self.rates.sample(self.clock.now().mono_ms, sums);
    }

    /// Notes how much memory is in use by now.
    pub fn sample_memory(&self) {
        let now = self.clock.now();
        self.watermarks.note(allocator::allocated(), now.wall_ms / 1000);
        self.watermarks.note_over(self.evictor.is_over(), now.mono_ms);
    }

    /// Sets the counters that INFO prints back to zero.
    pub fn reset_stats(&self) {
        self.stats.iter().for_each(|stats| stats.reset());
        self.errors.reset();
        self.clients.reset_stats();
        self.access.reset_stats();
        self.scripts.evicted.store(0, Relaxed);
        self.durability.reset_stats();
        self.reclaimer.reset_stats();
        self.watermarks.reset();
    }

    /// The settings that the hot path reads follow the configuration.
    pub fn apply_config(&self) {
        let config = self.config.read();
        crate::server::settings::apply(&config, self);
    }
}
