//! What is done once the shards are unlocked: garbage is dropped, changes and events are sent.

use crate::dispatch::worker::Worker;
use crate::server::Server;
use crate::session::tracking;

/// Gives garbage to the thread that drops it, and sends invalidations and keyspace events.
#[inline]
pub fn take_out_garbage(worker: &mut Worker, server: &'static Server) {
    if !worker.local.garbage.is_empty() {
        server.reclaimer.drop_later(std::mem::take(&mut worker.local.garbage));
    }
    if !worker.local.changes.is_empty() {
        tracking::settle(server, &mut worker.local, None);
    }
    if let Some(events) = worker.local.take_events() {
        server.pubsub.publish_events(server.engine.events(), events);
    }
}
