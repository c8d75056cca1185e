//! WAITAOF: when the log is as safe as a client wants it, whatever appendfsync says.

use crate::server::Server;
use redstart_persistence::log::State;
use std::sync::atomic::Ordering::Release;

/// Whether the log up to the record `target` is safe from a power cut. A server without a log has
/// nothing safe.
pub fn is_safe(server: &Server, target: u64) -> bool {
    server.durability.is_logging() && server.durability.log.synced() >= target
}

/// Has the log synced up to the record `target`, and ends when it is, or when nobody `waits` any
/// more. While the log is in trouble, that may be when the disk has room again.
pub async fn wait_until_safe(server: &'static Server, target: u64, waits: impl Fn() -> bool) {
    let persist = &server.durability;
    let mut progress = persist.progress.subscribe();
    while waits() && persist.is_logging() && persist.log.synced() < target {
        if persist.log.state() == State::Fine {
            persist.sync_wanted.store(true, Release);
            persist.ask_for_sync();
        }
        if progress.changed().await.is_err() {
            return;
        }
    }
}
