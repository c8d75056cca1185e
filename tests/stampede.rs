//! A hot key that expires, and many clients that want it: with leases one of them computes, each
//! time, and the others wait or have the value before. Beside it the same with a plain cache, where
//! all that miss compute.
//!
//! `REDSTART_STAMPEDE_CLIENTS=1000` and `REDSTART_STAMPEDE_SECONDS=30` run the long form.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::Value;
use support::server::Server;

/// How long a value is good.
const TTL_MS: u64 = 250;
/// How long it takes to compute one.
const COMPUTATION: Duration = Duration::from_millis(50);
/// How long a client rests between two looks.
const REST: Duration = Duration::from_millis(10);

/// What the clients of one run did.
#[derive(Default)]
struct Counts {
    reads: AtomicU64,
    computations: AtomicU64,
    /// How many are computing now, and how many were at once at most.
    computing: AtomicU64,
    at_once: AtomicU64,
    /// Computations whose value was not wanted any more.
    void: AtomicU64,
    /// How long those took that did not compute.
    waits: Mutex<Vec<Duration>>,
}

impl Counts {
    /// Computes a value: a number that no other computation has.
    fn compute(&self) -> u64 {
        let computing = self.computing.fetch_add(1, SeqCst) + 1;
        self.at_once.fetch_max(computing, SeqCst);
        thread::sleep(COMPUTATION);
        self.computing.fetch_sub(1, SeqCst);
        self.computations.fetch_add(1, SeqCst) + 1
    }

    fn percentile(&self, part: f64) -> Duration {
        let mut waits = self.waits.lock().expect("no client has failed").clone();
        waits.sort_unstable();
        waits[((waits.len() - 1) as f64 * part) as usize]
    }
}

/// How a client gets the value. Returns whether it has computed it.
type Read = fn(&mut Client, &Counts) -> bool;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn call(client: &mut Client, words: &[&str]) -> Value {
    client.call(words).expect("there is a reply")
}

/// A plain cache: whoever misses computes.
fn cache_aside(client: &mut Client, counts: &Counts) -> bool {
    let misses = call(client, &["GET", "hot"]) == Value::Nil;
    if misses {
        let value = counts.compute().to_string();
        call(client, &["SET", "hot", &value, "PX", &TTL_MS.to_string()]);
    }
    misses
}

/// With a lease; whoever comes meanwhile waits.
fn lease(client: &mut Client, counts: &Counts) -> bool {
    compute_or_read(client, counts, &["LEASE.GET", "hot", "WAIT", "20000"])
}

/// With a lease, taken before the value's time is over; whoever comes meanwhile has the old value.
fn early_lease(client: &mut Client, counts: &Counts) -> bool {
    let words = ["LEASE.GET", "hot", "EARLY", "100", "STALE", "WAIT", "20000"];
    compute_or_read(client, counts, &words)
}

fn compute_or_read(client: &mut Client, counts: &Counts, words: &[&str]) -> bool {
    let Value::Items(_, fields) = call(client, words) else { panic!("an array") };
    let [state, value, token, _] = &fields[..] else { panic!("four fields") };
    let is = |name: &[u8]| *state == Value::Bulk(name.to_vec());
    assert!(!is(b"busy"), "nobody computes for so long");
    assert_eq!(*value == Value::Nil, is(b"miss"));
    let Value::Bulk(token) = token else { return false };
    let (token, ttl) = (String::from_utf8_lossy(token).into_owned(), TTL_MS.to_string());
    let value = counts.compute().to_string();
    let put = ["LEASE.PUT", "hot", &token, &value, "PX", &ttl, "GRACE", "5000"];
    if call(client, &put) == Value::Int(0) {
        counts.void.fetch_add(1, SeqCst);
    }
    true
}

/// Many clients read for a while.
fn run(read: Read) -> Counts {
    let args = ["--save", "", "--threads", "2"];
    let server = Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args);
    let server = server.expect("redstart starts");
    let clients = number("REDSTART_STAMPEDE_CLIENTS", 60);
    let end = Instant::now() + Duration::from_secs(number("REDSTART_STAMPEDE_SECONDS", 3));
    let counts = Counts::default();
    thread::scope(|scope| {
        for _ in 0..clients {
            let (counts, port) = (&counts, server.port());
            let body = move || {
                let mut client = Client::connect(port).expect("the server takes connections");
                let mut waits = Vec::new();
                while Instant::now() < end {
                    let begun = Instant::now();
                    if !read(&mut client, counts) {
                        waits.push(begun.elapsed());
                    }
                    counts.reads.fetch_add(1, SeqCst);
                    thread::sleep(REST);
                }
                counts.waits.lock().expect("no client has failed").extend(waits);
            };
            let thread = thread::Builder::new().stack_size(256 << 10);
            thread.spawn_scoped(scope, body).expect("there are threads");
        }
    });
    counts
}

fn report(name: &str, counts: &Counts) {
    let Counts { reads, computations, at_once, void, .. } = counts;
    println!(
        "{name}: {} reads, {} computations, at most {} at once, {} in vain; a reader waits \
         {:?} (p50), {:?} (p99)",
        reads.load(SeqCst),
        computations.load(SeqCst),
        at_once.load(SeqCst),
        void.load(SeqCst),
        counts.percentile(0.5),
        counts.percentile(0.99),
    );
}

#[test]
fn one_client_computes_each_time_that_a_hot_key_expires() {
    let (plain, leased, early) = (run(cache_aside), run(lease), run(early_lease));
    report("cache-aside", &plain);
    report("leases", &leased);
    report("leases, early and stale", &early);
    assert!(plain.at_once.load(SeqCst) > 10, "there is something to be held off");
    for counts in [&leased, &early] {
        // Two at once would be two for one expiry; one in vain was not the only one.
        assert_eq!((counts.at_once.load(SeqCst), counts.void.load(SeqCst)), (1, 0));
        assert!(counts.computations.load(SeqCst) > 3, "the key has expired several times");
    }
}
