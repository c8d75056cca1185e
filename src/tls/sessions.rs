//! Sessions that clients may resume, instead of all that a first handshake costs. They are kept
//! here and not in the tickets that clients get: so many and so long as the settings say. A session
//! of TLS 1.3 is resumed once.

use crate::system::clock::Clock;
use parking_lot::Mutex;
use rustls::server::StoresServerSessions;
use std::collections::{HashMap, VecDeque};
use std::fmt;

/// The most sessions where the settings have no bound.
const MOST: usize = 1 << 20;

/// The sessions of one configuration.
pub struct Sessions {
    clock: &'static Clock,
    most: usize,
    for_ms: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The session, and when it ends.
    sessions: HashMap<Vec<u8>, (Vec<u8>, u64)>,
    /// The keys in the order of their ends. Some may be gone, or have been put again since.
    order: VecDeque<(Vec<u8>, u64)>,
}

impl Sessions {
    /// Keeps `most` sessions at most, as long as it says; as many as are reasonable for zero.
    pub fn new(clock: &'static Clock, most: usize, for_s: u64) -> Sessions {
        let most = if most == 0 { MOST } else { most };
        Sessions { clock, most, for_ms: for_s.saturating_mul(1000), kept: Mutex::default() }
    }
}

impl Kept {
    /// Forgets what has ended, and the oldest beyond `most`.
    fn trim(&mut self, now_ms: u64, most: usize) {
        while let Some((_, ends_ms)) = self.order.front()
            && (*ends_ms <= now_ms || self.order.len() > most)
        {
            let Some((key, ends_ms)) = self.order.pop_front() else { return };
            if self.sessions.get(&key).is_some_and(|(_, ends)| *ends == ends_ms) {
                self.sessions.remove(&key);
            }
        }
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let now_ms = self.clock.now().mono_ms;
        let ends_ms = now_ms.saturating_add(self.for_ms);
        let mut kept = self.kept.lock();
        kept.trim(now_ms, self.most.saturating_sub(1));
        kept.order.push_back((key.clone(), ends_ms));
        kept.sessions.insert(key, (value, ends_ms));
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let now_ms = self.clock.now().mono_ms;
        let kept = self.kept.lock();
        let (value, ends_ms) = kept.sessions.get(key)?;
        (*ends_ms > now_ms).then(|| value.clone())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let now_ms = self.clock.now().mono_ms;
        let (value, ends_ms) = self.kept.lock().sessions.remove(key)?;
        (ends_ms > now_ms).then_some(value)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in them is secret.
        write!(out, "Sessions {{ most: {} }}", self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(most: usize, for_s: u64) -> Sessions {
        Sessions::new(Box::leak(Box::new(Clock::start())), most, for_s)
    }

    #[test]
    fn the_oldest_go_first() {
        let sessions = sessions(3, 300);
        for key in 0..5u8 {
            assert!(sessions.put(vec![key], vec![key; 10]));
        }
        let there: Vec<bool> = (0..5u8).map(|key| sessions.get(&[key]).is_some()).collect();
        assert_eq!(there, [false, false, true, true, true]);
        assert_eq!(sessions.take(&[4]), Some(vec![4; 10]));
        assert_eq!(sessions.take(&[4]), None);
        let kept = sessions.kept.lock();
        assert!(kept.order.len() <= 3 && kept.sessions.len() == 2);
    }

    #[test]
    fn they_end() {
        let sessions = sessions(3, 0);
        sessions.put(vec![1], vec![2]);
        assert_eq!(sessions.get(&[1]), None);
        assert_eq!(sessions.take(&[1]), None);
    }
}
