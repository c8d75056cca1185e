//! What a client may send: `proto-max-bulk-len` and `client-query-buffer-limit`.

use redstart_config::{Config, Setting};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The most input that is kept for a client before it has authenticated, in bytes: AUTH and HELLO
/// are short.
const UNAUTHENTICATED_KEPT_MAX: usize = 64 * 1024;
/// What is read at a time of such a client, in bytes.
pub const UNAUTHENTICATED_READ: usize = 16 * 1024;

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
    pub fn kept_bytes_max(&self, authenticated: bool) -> usize {
        let kept_bytes_max = self.kept_bytes_max.load(Relaxed);
        if authenticated { kept_bytes_max } else { kept_bytes_max.min(UNAUTHENTICATED_KEPT_MAX) }
    }

    /// Whether so much input is kept that the client is to be closed; it is counted then.
    pub fn exceeds(&self, bytes: usize, authenticated: bool) -> bool {
        let exceeds = bytes > self.kept_bytes_max(authenticated);
        if exceeds {
            self.closed.fetch_add(1, Relaxed);
        }
        exceeds
    }
}
