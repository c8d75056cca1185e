//! What a client may leave unread (`client-output-buffer-limit`): who lets more pile up is closed.
//!
//! Beyond the hard limit of its class a client is closed at once, beyond the soft one when it has
//! been there for some seconds. What counts is what waits in the server: replies that the socket
//! does not take, and mail. The hard limit is looked at wherever that grows. The time beyond the
//! soft one is noted by a tick, which looks at nobody while nobody is there.

use crate::clients::{ClientInfo, Kind};
use crate::server::Server;
use redstart_config::Limit;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// One class's limits; zero is none.
#[derive(Default)]
struct Class {
    hard_bytes: AtomicUsize,
    soft_bytes: AtomicUsize,
    soft_s: AtomicU64,
}

/// The limits of normal clients, replicas and listeners, and who came near them.
#[derive(Default)]
pub struct Limits {
    classes: [Class; 3],
    /// Clients beyond their soft limit.
    beyond_soft: AtomicUsize,
    /// Clients that were closed.
    pub closed: AtomicU64,
}

/// How a client stands to its soft limit.
#[derive(Default)]
pub struct Standing {
    /// Whether it is beyond.
    beyond: AtomicBool,
    /// Since when in monotonic milliseconds, once a tick has seen it.
    since_ms: AtomicU64,
}

impl Limits {
    /// Follows the configuration.
    pub fn configure(&self, limits: [Limit; 3]) {
        for (class, limit) in self.classes.iter().zip(limits) {
            class
                .hard_bytes
                .store(usize::try_from(limit.hard_bytes).unwrap_or(usize::MAX), Relaxed);
            class
                .soft_bytes
                .store(usize::try_from(limit.soft_bytes).unwrap_or(usize::MAX), Relaxed);
            class.soft_s.store(limit.soft_s.unsigned_abs(), Relaxed);
        }
    }

    fn class(&self, kind: Kind) -> &Class {
        &self.classes[match kind {
            Kind::Normal | Kind::Master => 0,
            Kind::Replica => 1,
            Kind::PubSub => 2,
        }]
    }
}

impl ClientInfo {
    /// Bytes that wait to be read by the client.
    pub fn unread(&self) -> usize {
        self.output_bytes.load(Relaxed) + self.mail.bytes()
    }

    /// So many bytes of replies wait for the socket from now on.
    #[cold]
    pub fn set_output(&self, bytes: usize) {
        self.output_bytes.store(bytes, Relaxed);
        self.check_output(self.unread());
    }

    /// Closes the client if so many unread bytes are too many. Returns whether they are.
    #[inline]
    pub fn check_output(&self, bytes: usize) -> bool {
        let Class { hard_bytes, soft_bytes, .. } = self.limits.class(self.kind());
        let (hard_bytes, soft_bytes) = (hard_bytes.load(Relaxed), soft_bytes.load(Relaxed));
        if hard_bytes != 0 && bytes > hard_bytes {
            self.close_for_output(bytes);
            return true;
        }
        let beyond = soft_bytes != 0 && bytes > soft_bytes;
        if self.standing.beyond.load(Relaxed) != beyond {
            self.stand(beyond);
        }
        false
    }

    #[cold]
    fn stand(&self, beyond: bool) {
        if self.standing.beyond.swap(beyond, Relaxed) == beyond {
            return;
        }
        self.standing.since_ms.store(0, Relaxed);
        match beyond {
            true => self.limits.beyond_soft.fetch_add(1, Relaxed),
            false => self.limits.beyond_soft.fetch_sub(1, Relaxed),
        };
    }

    /// The client is gone: it is not beyond any limit any more.
    pub fn forget_output(&self) {
        self.stand(false);
    }

    #[cold]
    fn close_for_output(&self, bytes: usize) {
        if self.kill() {
            self.limits.closed.fetch_add(1, Relaxed);
            let Self { id, addr, .. } = self;
            crate::system::log::warning(format_args!(
                "Client id={id} addr={addr} omem={bytes} closed for overcoming of output buffer \
                 limits."
            ));
        }
    }
}

/// Closes who has been beyond the soft limit for too long.
pub fn tick(server: &Server) {
    if server.clients.limits.beyond_soft.load(Relaxed) == 0 {
        return;
    }
    let now_ms = server.clock.now().mono_ms;
    for client in server.clients.all() {
        let bytes = client.unread();
        if client.check_output(bytes) || !client.standing.beyond.load(Relaxed) {
            continue;
        }
        let since_ms = client.standing.since_ms.load(Relaxed);
        let soft_s = client.limits.class(client.kind()).soft_s.load(Relaxed);
        if since_ms == 0 {
            client.standing.since_ms.store(now_ms, Relaxed);
        } else if now_ms.saturating_sub(since_ms) > soft_s.saturating_mul(1000) {
            client.close_for_output(bytes);
        }
    }
}
