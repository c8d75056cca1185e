//! Locks as clients make them: `SET NX PX` to take one, a compare-and-delete by script or by
//! DELIFEQ to give it back. Fifty clients pause, give back too late, and die; no lock ever has two
//! holders.
//!
//! The test's process knows who holds what: whoever takes a lock notes until when it is its own,
//! counted from before the request was sent, and finds no other's time that has not passed. So
//! nothing depends on how fast the machine is. `REDSTART_ACQUISITIONS=1000000` runs the long form.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::{self, Value};
use support::server::Server;

const CLIENTS: u64 = 50;
const LOCKS: usize = 12;
const ACQUISITIONS: u64 = 10_000;
/// For who means to give the lock back in time.
const LONG_MS: u64 = 20_000;
/// Servers count in whole milliseconds: one begins up to one before it is told so.
const GRAIN: Duration = Duration::from_millis(1);

const RELEASE: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

/// What all clients know.
struct Shared {
    port: u16,
    start: Instant,
    digest: Vec<u8>,
    /// Until when each lock is somebody's: nanoseconds since the start, and below them the
    /// holder's number; zero is nobody's.
    held_until: [Mutex<u64>; LOCKS],
    acquired: AtomicU64,
    expired: AtomicU64,
    wanted: u64,
    /// Set by a check that failed, so that the others end, too.
    failed: AtomicBool,
}

impl Shared {
    fn now(&self) -> u64 {
        stamp(self.start.elapsed(), 0)
    }
}

/// A time and a client in one number, ordered by time.
fn stamp(at: Duration, client: u64) -> u64 {
    (at.as_nanos() as u64) << 6 | client
}

/// Tells the others when a check fails.
struct Watch<'a>(&'a Shared);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.failed.store(true, SeqCst);
        }
    }
}

struct Worker<'a> {
    shared: &'a Shared,
    number: u64,
    random: fastrand::Rng,
    connection: Client,
    tokens: u64,
}

/// A lock that was taken.
struct Held {
    lock: usize,
    token: String,
    until: u64,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared, number: u64) -> Worker<'a> {
        let connection = Client::connect(shared.port).expect("the server takes connections");
        let random = fastrand::Rng::with_seed(number);
        Worker { shared, number, random, connection, tokens: 0 }
    }

    fn run(&mut self) {
        let _watch = Watch(self.shared);
        while self.shared.acquired.load(SeqCst) < self.shared.wanted
            && !self.shared.failed.load(SeqCst)
        {
            // Most give back at once; some hold on, longer than they may at times.
            let is_short = self.random.u8(..50) == 0;
            let ttl_ms = if is_short { self.random.u64(2..30) } else { LONG_MS };
            let Some(held) = self.acquire(ttl_ms) else { continue };
            if is_short {
                let pause_ms = self.random.u64(..40);
                thread::sleep(Duration::from_millis(pause_ms));
                if self.random.bool() {
                    self.die(held);
                    continue;
                }
            } else if self.random.u8(..20) == 0 {
                thread::yield_now();
            }
            self.release(&held);
        }
    }

    fn reconnect(&mut self) {
        self.connection = Client::connect(self.shared.port).expect("the server takes connections");
    }

    /// Tries to take a lock. Whoever gets one finds out whether it is another's.
    fn acquire(&mut self, ttl_ms: u64) -> Option<Held> {
        self.tokens += 1;
        let lock = self.random.usize(..LOCKS);
        let token = format!("{}-{}", self.number, self.tokens);
        let (key, ttl) = (format!("lock:{lock}"), ttl_ms.to_string());
        let asked = self.shared.start.elapsed();
        let request = ["SET", &key, &token, "NX", "PX", &ttl];
        if ttl_ms < LONG_MS && self.random.u8(..10) == 0 {
            // Dies before it knows whether it has the lock.
            let words = request.map(|word| word.as_bytes().to_vec());
            self.connection.send(&resp::request(&words)).expect("the request is sent");
            self.reconnect();
            return None;
        }
        match self.connection.call(&request).expect("there is a reply") {
            Value::Nil => return None,
            reply => assert_eq!(reply, Value::Simple(b"OK".to_vec())),
        }
        let until = asked + Duration::from_millis(ttl_ms) - GRAIN;
        let until = stamp(until, self.number);
        let mut held_until = self.shared.held_until[lock].lock().expect("no check has failed");
        let (others, now) = (*held_until, self.shared.now());
        if until <= now {
            // The answer took longer than the lock's time; it may rightly be another's by now.
            return None;
        }
        assert!(others <= now, "lock {lock} has two holders: {} and {}", others % 64, self.number);
        *held_until = until;
        drop(held_until);
        if others != 0 {
            self.shared.expired.fetch_add(1, SeqCst);
        }
        self.shared.acquired.fetch_add(1, SeqCst);
        Some(Held { lock, token, until })
    }

    /// Notes that the lock is given back, unless its time has passed and it is another's.
    fn let_go(&self, held: &Held) -> bool {
        let mut until = self.shared.held_until[held.lock].lock().expect("no check has failed");
        let is_held = *until == held.until;
        if is_held {
            *until = 0;
        }
        is_held
    }

    fn release_request(&mut self, held: &Held) -> Vec<Vec<u8>> {
        let (key, token) = (format!("lock:{}", held.lock), held.token.clone());
        let (key, token) = (key.into_bytes(), token.into_bytes());
        match self.random.u8(..3) {
            0 => vec![b"DELIFEQ".to_vec(), key, token],
            1 => vec![b"EVAL".to_vec(), RELEASE.into(), b"1".to_vec(), key, token],
            _ => {
                vec![b"EVALSHA".to_vec(), self.shared.digest.clone(), b"1".to_vec(), key, token]
            }
        }
    }

    fn release(&mut self, held: &Held) {
        let request = self.release_request(held);
        let was_held = self.let_go(held) && held.until > self.shared.now();
        let reply = self.connection.call(&request).expect("there is a reply");
        match reply {
            Value::Int(1) => {}
            // Its time may have passed since the look.
            Value::Int(0) => assert!(!was_held || held.until <= self.shared.now()),
            other => panic!("{other:?}"),
        }
    }

    /// The client's connection ends: without a word, or while its release is on the way.
    fn die(&mut self, held: Held) {
        if self.random.bool() {
            let request = self.release_request(&held);
            self.let_go(&held);
            self.connection.send(&resp::request(&request)).expect("the request is sent");
        }
        self.reconnect();
    }
}

#[test]
fn no_lock_has_two_holders() {
    let args = ["--save", "", "--threads", "2"];
    let server = Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args);
    let server = server.expect("redstart starts");
    let mut control = Client::connect(server.port()).expect("the server takes connections");
    let reply = control.call(&["SCRIPT", "LOAD", RELEASE]).expect("there is a reply");
    let Value::Bulk(digest) = reply else { panic!("{reply:?}") };
    let wanted = std::env::var("REDSTART_ACQUISITIONS").ok();
    let wanted = wanted.and_then(|text| text.parse().ok()).unwrap_or(ACQUISITIONS);
    let shared = Shared {
        port: server.port(),
        start: Instant::now(),
        digest,
        held_until: Default::default(),
        acquired: AtomicU64::new(0),
        expired: AtomicU64::new(0),
        wanted,
        failed: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let shared = &shared;
            scope.spawn(move || Worker::new(shared, number).run());
        }
    });
    let (acquired, expired) = (shared.acquired.into_inner(), shared.expired.into_inner());
    println!("{acquired} acquisitions, {expired} of them of a lock whose time had passed");
}
