//! Which connections become clients: `maxclients`, `protected-mode`, a password; and the
//! keepalive probes of their sockets.

use crate::clients::address::Address;
use redstart_config::{Config, Setting};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// The rules by which connections become clients.
#[derive(Default)]
pub struct Admission {
    clients_max: AtomicUsize,
    /// Whether any password is right for the user `default`.
    has_no_password: AtomicBool,
    /// Whether clients of other machines are refused while no password is set.
    protected: AtomicBool,
    /// Zero is no probes.
    keepalive_s: AtomicU64,
}

impl Admission {
    /// Follows the configuration.
    pub fn configure(&self, config: &Config) {
        self.clients_max.store(config.count(Setting::Maxclients), Relaxed);
        self.protected.store(config.is(Setting::ProtectedMode), Relaxed);
        self.keepalive_s.store(config.count(Setting::TcpKeepalive) as u64, Relaxed);
    }

    /// Follows the user `default`.
    pub fn follow_default(&self, has_no_password: bool) {
        self.has_no_password.store(has_no_password, Relaxed);
    }

    /// The most clients at a time.
    pub fn clients_max(&self) -> usize {
        self.clients_max.load(Relaxed)
    }

    /// Whether any password is right for the user `default`.
    pub fn has_no_password(&self) -> bool {
        self.has_no_password.load(Relaxed)
    }

    /// Whether a client that connects from there is refused: anyone could use a server without a
    /// password.
    pub fn refuses(&self, addr: &Address) -> bool {
        !addr.is_local() && self.has_no_password() && self.protected.load(Relaxed)
    }

    /// How long a socket is idle before it is probed, if it is at all.
    pub fn keepalive(&self) -> Option<Duration> {
        let keepalive_s = self.keepalive_s.load(Relaxed);
        (keepalive_s > 0).then(|| Duration::from_secs(keepalive_s))
    }
}
