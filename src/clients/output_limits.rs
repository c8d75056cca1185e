//! What a client may leave unread (`client-output-buffer-limit`).
//!
//! Beyond the hard limit of its class a client is closed at once, beyond the soft one when it has
//! been there for some seconds. What counts is what waits in the server: replies that the socket
//! does not take, and pushed messages. The hard limit is checked wherever that grows. A tick
//! measures the time beyond the soft limit, and looks at no client while none is there.

use crate::clients::kind::ClientKind;
use redstart_config::OutputLimit;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// One class's limits; zero is none.
#[derive(Default)]
struct Class {
    hard_bytes: AtomicUsize,
    soft_bytes: AtomicUsize,
    soft_s: AtomicU64,
}

/// The limits of normal clients, replicas and listeners, and how many clients exceeded them.
#[derive(Default)]
pub struct OutputLimits {
    classes: [Class; 3],
    /// Clients that are beyond their soft limit.
    beyond_soft: AtomicUsize,
    /// Clients that were closed.
    pub closed: AtomicU64,
}

/// Whether a client is beyond its soft limit.
#[derive(Default)]
pub struct SoftLimitState {
    beyond: AtomicBool,
    /// Since when, in monotonic milliseconds; zero until a tick has seen it.
    since_ms: AtomicU64,
}

/// What has to become of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Stays,
    /// It left too much unread, and is to be closed.
    Closes,
}

impl OutputLimits {
    /// Follows the configuration.
    pub fn configure(&self, limits: [OutputLimit; 3]) {
        let bytes = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        for (class, limit) in self.classes.iter().zip(limits) {
            class.hard_bytes.store(bytes(limit.hard_bytes), Relaxed);
            class.soft_bytes.store(bytes(limit.soft_bytes), Relaxed);
            class.soft_s.store(limit.soft_s.unsigned_abs(), Relaxed);
        }
    }

    /// Checks a client that leaves so many bytes unread against the hard limit, and notes whether
    /// it is beyond the soft one.
    #[inline]
    pub fn check(&self, state: &SoftLimitState, kind: ClientKind, bytes: usize) -> Verdict {
        let Class { hard_bytes, soft_bytes, .. } = self.class(kind);
        let (hard_bytes, soft_bytes) = (hard_bytes.load(Relaxed), soft_bytes.load(Relaxed));
        if hard_bytes != 0 && bytes > hard_bytes {
            return Verdict::Closes;
        }
        let beyond = soft_bytes != 0 && bytes > soft_bytes;
        if state.beyond.load(Relaxed) != beyond {
            self.note(state, beyond);
        }
        Verdict::Stays
    }

    /// Whether any client is beyond its soft limit.
    pub fn any_beyond_soft(&self) -> bool {
        self.beyond_soft.load(Relaxed) != 0
    }

    /// Checks how long a client has been beyond its soft limit; called by every tick.
    pub fn check_time(&self, state: &SoftLimitState, kind: ClientKind, now_ms: u64) -> Verdict {
        if !state.beyond.load(Relaxed) {
            return Verdict::Stays;
        }
        let since_ms = state.since_ms.load(Relaxed);
        if since_ms == 0 {
            state.since_ms.store(now_ms, Relaxed);
            return Verdict::Stays;
        }
        let soft_ms = self.class(kind).soft_s.load(Relaxed).saturating_mul(1000);
        if now_ms.saturating_sub(since_ms) > soft_ms { Verdict::Closes } else { Verdict::Stays }
    }

    /// Forgets a client that has gone.
    pub fn forget(&self, state: &SoftLimitState) {
        self.note(state, false);
    }

    #[cold]
    fn note(&self, state: &SoftLimitState, beyond: bool) {
        if state.beyond.swap(beyond, Relaxed) == beyond {
            return;
        }
        state.since_ms.store(0, Relaxed);
        if beyond {
            self.beyond_soft.fetch_add(1, Relaxed);
        } else {
            self.beyond_soft.fetch_sub(1, Relaxed);
        }
    }

    fn class(&self, kind: ClientKind) -> &Class {
        &self.classes[match kind {
            ClientKind::Normal | ClientKind::Master => 0,
            ClientKind::Replica => 1,
            ClientKind::PubSub => 2,
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hard_limit_closes_at_once_and_the_soft_one_after_its_time() {
        let limits = OutputLimits::default();
        let limit = OutputLimit { hard_bytes: 100, soft_bytes: 50, soft_s: 2 };
        limits.configure([limit, OutputLimit::default(), OutputLimit::default()]);
        let state = SoftLimitState::default();
        let check = |bytes| limits.check(&state, ClientKind::Normal, bytes);
        let check_time = |now_ms| limits.check_time(&state, ClientKind::Normal, now_ms);
        assert_eq!((check(101), check(100)), (Verdict::Closes, Verdict::Stays));
        assert!(limits.any_beyond_soft());
        assert_eq!([1000, 3000, 3001].map(check_time)[..2], [Verdict::Stays; 2]);
        assert_eq!(check_time(3001), Verdict::Closes);
        assert_eq!(check(50), Verdict::Stays);
        assert!(!limits.any_beyond_soft());
        assert_eq!(check_time(9000), Verdict::Stays);
        assert_eq!(limits.check(&state, ClientKind::PubSub, usize::MAX), Verdict::Stays);
    }
}
