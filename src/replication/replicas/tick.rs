//! What is due: pings, timeouts, whether there are enough replicas, the end of the backlog.

use super::State;
use crate::replication::Replication;
use crate::system::log;
use redstart_config::Setting;
use redstart_engine::run::effect::Listener;
use std::sync::atomic::Ordering::*;
use std::time::Duration;

/// How often it is looked.
const TICK: Duration = Duration::from_millis(100);

impl Replication {
    /// Does what is due as long as the thread lives.
    pub(in crate::replication) async fn keep_ticking(&'static self) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut pinged_ms, mut empty_since_ms) = (0, None);
        loop {
            interval.tick().await;
            let now_ms = self.parts.clock.now().mono_ms;
            let replicas = self.replicas.len();
            if replicas > 0 {
                pinged_ms = self.ping(now_ms, pinged_ms);
                self.end_silent(now_ms);
                self.measure_output();
                empty_since_ms = None;
            } else if self.stream.extent().is_kept && !self.is_replica() {
                let since_ms = *empty_since_ms.get_or_insert(now_ms);
                self.end_backlog(now_ms.saturating_sub(since_ms));
            } else {
                empty_since_ms = None;
            }
            self.count_good(now_ms);
            self.settle_waits();
            // Requests without a reply nudge nobody.
            self.nudge();
        }
    }

    /// Feeds a ping, if it is time to. Returns when that last was.
    fn ping(&self, now_ms: u64, pinged_ms: u64) -> u64 {
        let period_s = self.parts.config.read().count(Setting::ReplPingReplicaPeriod) as u64;
        // A replica passes on what its master says.
        if self.is_replica() || now_ms.saturating_sub(pinged_ms) < period_s * 1000 {
            return pinged_ms;
        }
        self.stream.append_aside(b"*1\r\n$4\r\nPING\r\n");
        now_ms
    }

    /// Ends the connections of replicas that have said nothing for too long.
    fn end_silent(&self, now_ms: u64) {
        let timeout_s = self.parts.config.read().count(Setting::ReplTimeout) as u64;
        for replica in self.replicas.all() {
            let silent = replica.state() == State::Online && replica.acks;
            if silent && replica.lag_s(now_ms) > timeout_s && replica.info.kill() {
                log::warning(format_args!(
                    "Disconnecting timedout replica (streaming sync): {}",
                    replica.info.addr
                ));
            }
        }
    }

    /// Notes what waits for each replica: one for which it is too much is closed.
    fn measure_output(&self) {
        let end = self.stream.end();
        for replica in self.replicas.all() {
            let position = replica.position.load(Acquire);
            replica.info.set_output(end.saturating_sub(position) as usize, 0);
        }
    }

    /// Forgets the backlog when there were no replicas for long enough. The next one begins anew.
    fn end_backlog(&self, empty_ms: u64) {
        let ttl_s = self.parts.config.read().count(Setting::ReplBacklogTtl) as u64;
        if ttl_s == 0 || empty_ms < ttl_s * 1000 {
            return;
        }
        let engine = self.parts.engine;
        let _all = engine.keyspace.lock_all();
        if self.replicas.len() > 0 || self.is_replica() {
            return;
        }
        engine.set_listening(Listener::Replicas, false);
        self.stream.set_kept(false);
        self.ids.lock().renew();
        log::notice(format_args!(
            "Replication backlog freed after {ttl_s} seconds without connected replicas."
        ));
    }

    /// Counts the replicas that said lately how far they are.
    pub(in crate::replication) fn count_good(&self, now_ms: u64) {
        let wanted = self.wanted.load(Relaxed);
        let lag_max_s = self.lag_max_s.load(Relaxed);
        let counts = wanted > 0 && lag_max_s > 0;
        let good = if counts { self.replicas.good(now_ms, lag_max_s) } else { 0 };
        self.good.store(good, Relaxed);
        self.lacks_replicas.store(counts && good < wanted && !self.is_replica(), Relaxed);
    }
}
