//! Passwords that are guessed: after a burst of failed logins, those that follow from the same
//! address get their replies later and later, until they are as rare as people's mistakes.
//!
//! For each address there is a moment up to which its failures are paid for: each one moves it on
//! by [`EACH_MS`]. What lies further ahead than the burst is how long the reply waits. So an
//! address has ten guesses a second, over however many connections, and a login that is right
//! never waits.

use crate::clients::address::Address;
use crate::system::log;
use parking_lot::Mutex;
use redstart_config::{Config, Setting};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a failure costs, in milliseconds.
const EACH_MS: u64 = 100;
/// The longest wait.
pub const LONGEST: Duration = Duration::from_millis(WAIT_MS);
const WAIT_MS: u64 = 10_000;
/// Addresses that are told apart; others together are one.
const ADDRESSES_MAX: usize = 4096;
/// How often it is logged that an address is slowed, at most, in milliseconds.
const LOG_MS: u64 = 1000;

/// The addresses from which logins have failed.
#[derive(Default)]
pub struct Guesses {
    /// Failures that cost nothing; zero where none ever does.
    burst: AtomicU64,
    /// Up to when each address's failures are paid for, in monotonic milliseconds.
    paid_until: Mutex<HashMap<Option<IpAddr>, u64>>,
    slowed: AtomicU64,
    logged_ms: AtomicU64,
}

impl Guesses {
    /// Follows the configuration.
    pub fn configure(&self, config: &Config) {
        self.burst.store(config.count(Setting::AuthFailureBurst) as u64, Relaxed);
    }

    /// Notes that a login has failed. Returns how long its reply has to wait.
    pub fn failed(&self, from: &Address, now_ms: u64) -> Duration {
        let burst = self.burst.load(Relaxed);
        let Address::Tcp(from) = from else { return Duration::ZERO };
        if burst == 0 {
            return Duration::ZERO;
        }
        let free_ms = burst.saturating_mul(EACH_MS);
        let mut known = self.paid_until.lock();
        let mut place = Some(network(from.ip()));
        if known.len() >= ADDRESSES_MAX && !known.contains_key(&place) {
            known.retain(|_, paid_until| *paid_until > now_ms);
            if known.len() >= ADDRESSES_MAX {
                place = None;
            }
        }
        let paid_until = known.entry(place).or_default();
        let first = *paid_until <= now_ms + free_ms;
        let most = now_ms.saturating_add(free_ms).saturating_add(WAIT_MS);
        *paid_until = ((*paid_until).max(now_ms) + EACH_MS).min(most);
        let wait_ms = paid_until.saturating_sub(now_ms.saturating_add(free_ms));
        drop(known);
        if wait_ms > 0 {
            self.slowed.fetch_add(1, Relaxed);
            if first {
                self.warn(place, now_ms);
            }
        }
        Duration::from_millis(wait_ms)
    }

    /// Logs it, but not more often than anyone would want to read: clients choose when it happens.
    fn warn(&self, place: Option<IpAddr>, now_ms: u64) {
        let last_ms = self.logged_ms.swap(now_ms.max(1), Relaxed);
        if last_ms != 0 && now_ms.saturating_sub(last_ms) < LOG_MS {
            return;
        }
        let place = place.map_or("many addresses".to_owned(), |place| place.to_string());
        log::warning(format_args!(
            "Logins from {place} fail again and again: they are slowed (auth-failure-burst)"
        ));
    }

    /// How many logins have waited for their refusal.
    pub fn slowed(&self) -> u64 {
        self.slowed.load(Relaxed)
    }

    /// Sets the counter that INFO shows back to zero.
    pub fn reset_stats(&self) {
        self.slowed.store(0, Relaxed);
    }
}

/// What one guesser has: an address, or a network of IPv6, which has more addresses than can be
/// counted.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guesses(burst: u64) -> Guesses {
        let guesses = Guesses::default();
        guesses.burst.store(burst, Relaxed);
        guesses
    }

    fn at(text: &str) -> Address {
        Address::Tcp(text.parse().expect("it is an address"))
    }

    #[test]
    fn a_burst_is_free_and_the_rest_comes_ten_a_second() {
        let (guesses, from) = (guesses(3), at("10.0.0.1:5"));
        let waits: Vec<u128> = (0..6).map(|_| guesses.failed(&from, 1000).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 300]);
        // Another port is the same guesser, another address is not.
        assert_eq!(guesses.failed(&at("10.0.0.1:6"), 1000).as_millis(), 400);
        assert_eq!(guesses.failed(&at("10.0.0.2:6"), 1000).as_millis(), 0);
        assert_eq!(guesses.slowed(), 4);
        // What was waited for is paid; after some time all is forgotten.
        assert_eq!(guesses.failed(&from, 1400).as_millis(), 100);
        assert_eq!(guesses.failed(&from, 60_000).as_millis(), 0);
        for _ in 0..1000 {
            guesses.failed(&from, 60_000);
        }
        assert_eq!(guesses.failed(&from, 60_000).as_millis(), u128::from(WAIT_MS));
    }

    #[test]
    fn many_addresses_are_one() {
        let guesses = guesses(2);
        for host in 0..ADDRESSES_MAX {
            let from = at(&format!("10.1.{}.{}:1", host / 256, host % 256));
            assert_eq!(guesses.failed(&from, 1000), Duration::ZERO);
        }
        let waits: Vec<u128> = (0..4)
            .map(|host| guesses.failed(&at(&format!("10.9.0.{host}:1")), 1000).as_millis())
            .collect();
        assert_eq!(waits, [0, 0, 100, 200]);
        assert!(guesses.paid_until.lock().len() <= ADDRESSES_MAX + 1);
        // Networks of IPv6 count as one, and those that are paid for make room.
        assert_eq!(guesses.failed(&at("[2001:db8::1]:1"), 9000), Duration::ZERO);
        assert_eq!(guesses.failed(&at("[2001:db8::2:1]:1"), 9000), Duration::ZERO);
        assert_eq!(guesses.failed(&at("[2001:db8::3]:1"), 9000).as_millis(), 100);
        assert_eq!(guesses.paid_until.lock().len(), 1);
    }

    #[test]
    fn zero_is_off() {
        let guesses = guesses(0);
        (0..1000).for_each(|_| assert_eq!(guesses.failed(&at("10.0.0.1:5"), 1), Duration::ZERO));
    }
}
