//! What a client may send: `proto-max-bulk-len` and `client-query-buffer-limit`.

use redstart_config::{Config, Setting};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The limits on what clients send.
#[derive(Default)]
pub struct InputLimits {
    bulk_bytes_max: AtomicUsize,
    kept_bytes_max: AtomicUsize,
    /// Clients that were closed because too much of their input was kept.
    pub closed: AtomicU64,
}

impl InputLimits {
    /// Follows the configuration.
    pub fn configure(&self, config: &Config) {
        self.bulk_bytes_max.store(config.count(Setting::ProtoMaxBulkLen), Relaxed);
        self.kept_bytes_max.store(config.count(Setting::ClientQueryBufferLimit), Relaxed);
    }

    /// The longest argument, in bytes.
    #[inline]
    pub fn bulk_bytes_max(&self) -> usize {
        self.bulk_bytes_max.load(Relaxed)
    }

    /// The most input that is kept for a client until its requests are whole, in bytes.
    pub fn kept_bytes_max(&self) -> usize {
        self.kept_bytes_max.load(Relaxed)
    }
}
