//! Jobs in a stream, as queues keep them: XADD brings them, a group of consumers takes them by
//! XREADGROUP, gives each back by XACK, and takes over by XAUTOCLAIM what the dead have left. One
//! consumer in twenty dies, with its request or its acknowledgements on the way. In the end each
//! job was acknowledged exactly once or is still pending, and no job was handed out twice.
//!
//! The test's process counts what the replies say. What a dead consumer asked for and never heard
//! of is in doubt: it happened or not, and the group has to say which. `REDSTART_JOBS=1000000`
//! (`make jobs`) runs the long form.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::{self, Kind, Value};
use support::server::Server;

const JOBS: usize = 10_000;
const PRODUCERS: usize = 2;
/// How many consumers are alive at a time.
const CONSUMERS: usize = 8;
/// How often a consumer asks for jobs before another one takes its place.
const LIFE: usize = 5;
/// Every consumer with a number that this divides dies.
const DEADLY: usize = 20;
/// A job that is pending for so long may be claimed.
const IDLE_MS: &str = "50";

/// What the replies have said of one job.
#[derive(Default)]
struct Job {
    /// How often XREADGROUP handed it out as a new one.
    handed: AtomicU8,
    /// How often XAUTOCLAIM gave it to somebody else.
    claimed: AtomicU8,
    /// How often XACK said 1.
    acknowledged: AtomicU8,
    /// XACKs whose reply nobody read.
    in_doubt: AtomicU8,
}

/// What all threads know.
struct Shared {
    port: u16,
    jobs: Vec<Job>,
    /// The job of each entry.
    ids: Mutex<HashMap<Vec<u8>, usize>>,
    /// How many jobs the producers have taken on.
    begun: AtomicUsize,
    added: AtomicUsize,
    consumers: AtomicUsize,
    killed: AtomicUsize,
    /// Set by a check that failed, so that the others end, too.
    failed: AtomicBool,
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

fn connect(port: u16) -> Client {
    Client::connect(port).expect("the server takes connections")
}

/// Sends the commands at once.
fn send(client: &mut Client, commands: &[Vec<String>]) {
    let mut bytes = Vec::new();
    for command in commands {
        let words: Vec<Vec<u8>> = command.iter().map(|word| word.clone().into_bytes()).collect();
        bytes.extend(resp::request(&words));
    }
    client.send(&bytes).expect("it is sent");
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Items(Kind::Array, items) => items,
        other => panic!("no array: {other:?}"),
    }
}

fn bulk(value: &Value) -> &[u8] {
    match value {
        Value::Bulk(text) => text,
        other => panic!("no text: {other:?}"),
    }
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("no integer: {other:?}"),
    }
}

/// The entries of a reply: their IDs and the jobs in them.
fn entries(value: Value) -> Vec<(String, usize)> {
    let read = |entry: Value| {
        let parts = items(entry);
        let id = String::from_utf8_lossy(bulk(&parts[0])).into_owned();
        let fields = items(parts[1].clone());
        let number = String::from_utf8_lossy(bulk(&fields[1])).parse().expect("a job's number");
        (id, number)
    };
    items(value).into_iter().map(read).collect()
}

/// Brings jobs in bursts until there are enough.
fn produce(shared: &Shared, seed: u64) {
    let _watch = Watch(shared);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut client = connect(shared.port);
    while !shared.failed.load(SeqCst) {
        let burst = random.usize(1..100);
        let first = shared.begun.fetch_add(burst, SeqCst);
        let numbers = first..(first + burst).min(shared.jobs.len());
        if numbers.is_empty() {
            return;
        }
        let command = |number| words(&format!("XADD jobs * job {number} kind mail"));
        send(&mut client, &numbers.clone().map(command).collect::<Vec<_>>());
        for number in numbers {
            let id = client.reply().expect("XADD replies");
            let twice =
                shared.ids.lock().expect("no check failed").insert(bulk(&id).into(), number);
            assert_eq!(twice, None, "an ID of two entries: {id:?}");
            shared.added.fetch_add(1, SeqCst);
        }
        // At times the consumers wait for jobs, at times jobs wait for them.
        if random.u8(..8) == 0 {
            thread::sleep(Duration::from_millis(random.u64(..5)));
        }
    }
}

/// At which step a consumer dies.
#[derive(Clone, Copy, PartialEq)]
enum Death {
    /// It has asked for jobs, and does not read which.
    Asking,
    /// It has jobs, and has acknowledged some of them or none.
    Working,
    /// It has sent its acknowledgements, and reads the replies of some of them or of none.
    Acknowledging,
}

struct Consumer<'a> {
    shared: &'a Shared,
    random: fastrand::Rng,
    client: Client,
    name: String,
    /// With how many more requests for jobs, and how.
    dies: Option<(usize, Death)>,
}

impl<'a> Consumer<'a> {
    fn new(shared: &'a Shared) -> Consumer<'a> {
        let number = shared.consumers.fetch_add(1, SeqCst);
        let mut random = fastrand::Rng::with_seed(number as u64);
        let deaths = [Death::Asking, Death::Working, Death::Acknowledging];
        let dies = (number % DEADLY == DEADLY - 1)
            .then(|| (random.usize(..LIFE), deaths[random.usize(..deaths.len())]));
        let client = connect(shared.port);
        Consumer { shared, random, client, name: format!("consumer-{number}"), dies }
    }

    /// Lives and leaves, or dies. False when there is nothing left to do.
    fn live(mut self) -> bool {
        for turn in 0..LIFE {
            let death = self.dies.filter(|(last, _)| *last == turn).map(|(_, death)| death);
            let claims = turn == 0;
            let are_all_there = self.shared.added.load(SeqCst) == self.shared.jobs.len();
            self.ask(claims);
            if death == Some(Death::Asking) {
                return self.die();
            }
            let taken = self.take(claims);
            let is_over = are_all_there && !claims && taken.is_empty();
            self.acknowledge(&taken, death);
            if death.is_some() {
                return self.die();
            }
            if is_over || self.shared.failed.load(SeqCst) {
                return false;
            }
        }
        let command = ["XGROUP", "DELCONSUMER", "jobs", "workers", &self.name];
        let pending = self.client.call(&command).expect("there is a reply");
        assert_eq!(pending, Value::Int(0), "{} has acknowledged all that it had", self.name);
        true
    }

    fn die(self) -> bool {
        self.shared.killed.fetch_add(1, SeqCst);
        true
    }

    /// Asks for what others have left, or for new jobs.
    fn ask(&mut self, claims: bool) {
        let count = self.random.usize(1..50);
        let name = &self.name;
        let line = if claims {
            format!("XAUTOCLAIM jobs workers {name} {IDLE_MS} 0-0 COUNT {count}")
        } else {
            format!("XREADGROUP GROUP workers {name} COUNT {count} BLOCK 20 STREAMS jobs >")
        };
        send(&mut self.client, &[words(&line)]);
    }

    /// Reads which jobs it was given.
    fn take(&mut self, claims: bool) -> Vec<(String, usize)> {
        let reply = self.client.reply().expect("there is a reply");
        if matches!(reply, Value::NilArray) {
            return Vec::new();
        }
        let taken = if claims {
            entries(items(reply).swap_remove(1))
        } else {
            let stream = items(reply).swap_remove(0);
            entries(items(stream).swap_remove(1))
        };
        for (id, number) in &taken {
            let job = &self.shared.jobs[*number];
            let counter = if claims { &job.claimed } else { &job.handed };
            let before = counter.fetch_add(1, SeqCst);
            assert!(claims || before == 0, "job {number}, {id}, was handed out twice");
        }
        taken
    }

    /// Gives jobs back, up to its death.
    fn acknowledge(&mut self, taken: &[(String, usize)], death: Option<Death>) {
        let some = self.random.usize(..=taken.len());
        let sent = if death == Some(Death::Working) { &taken[..some] } else { taken };
        let command = |(id, _): &(String, usize)| words(&format!("XACK jobs workers {id}"));
        send(&mut self.client, &sent.iter().map(command).collect::<Vec<_>>());
        let heard = if death == Some(Death::Acknowledging) { some } else { sent.len() };
        for (at, (id, number)) in sent.iter().enumerate() {
            let job = &self.shared.jobs[*number];
            if at >= heard {
                job.in_doubt.fetch_add(1, SeqCst);
            } else if integer(&self.client.reply().expect("XACK replies")) == 1 {
                let before = job.acknowledged.fetch_add(1, SeqCst);
                assert_eq!(before, 0, "job {number}, {id}, was acknowledged twice");
            }
        }
    }
}

/// Waits until no dead consumer's requests are on the way.
fn wait_until_alone(client: &mut Client) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let reply = client.call(&["CLIENT", "LIST"]).expect("there is a reply");
        if bulk(&reply).iter().filter(|byte| **byte == b'\n').count() == 1 {
            return;
        }
        assert!(Instant::now() < end, "dead consumers are still connected");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The jobs that XPENDING lists, page by page.
fn pending(client: &mut Client, ids: &HashMap<Vec<u8>, usize>) -> Vec<usize> {
    let (mut found, mut from) = (Vec::new(), "-".to_owned());
    loop {
        let command = ["XPENDING", "jobs", "workers", &from, "+", "100"];
        let page = items(client.call(&command).expect("there is a reply"));
        let Some(last) = page.last() else { return found };
        from = format!("({}", String::from_utf8_lossy(bulk(&items(last.clone())[0])));
        found.extend(page.into_iter().map(|entry| ids[bulk(&items(entry)[0])]));
    }
}

/// A field of a reply that is names and values.
fn field(value: &Value, name: &str) -> i64 {
    let parts = items(value.clone());
    let at = parts.iter().position(|part| *part == Value::Bulk(name.into()));
    integer(&parts[at.expect("the field is there") + 1])
}

/// Each job was acknowledged once or is pending; what is in doubt is one of both. Says how many are
/// pending.
fn check(shared: &Shared, client: &mut Client) -> usize {
    let ids = shared.ids.lock().expect("no check failed");
    let pending = pending(client, &ids);
    let mut is_pending = vec![false; shared.jobs.len()];
    for number in &pending {
        assert!(!is_pending[*number], "job {number} is pending twice");
        is_pending[*number] = true;
    }
    for (number, (job, is_pending)) in shared.jobs.iter().zip(is_pending).enumerate() {
        let acknowledged = job.acknowledged.load(SeqCst);
        let in_doubt = job.in_doubt.load(SeqCst);
        assert!(!is_pending || acknowledged == 0, "job {number} is pending, and acknowledged");
        assert!(is_pending || acknowledged == 1 || in_doubt > 0, "job {number} is lost");
        let was_seen = job.handed.load(SeqCst) + job.claimed.load(SeqCst) > 0;
        assert!(was_seen || is_pending, "job {number} is not pending, and nobody ever had it");
    }
    let count = |client: &mut Client, command: &[&str]| {
        items(client.call(command).expect("there is a reply"))
    };
    let group = count(client, &["XINFO", "GROUPS", "jobs"]).swap_remove(0);
    assert_eq!(field(&group, "pending"), pending.len() as i64);
    assert_eq!(field(&group, "entries-read"), shared.jobs.len() as i64);
    assert_eq!(field(&group, "lag"), 0);
    let consumers = count(client, &["XINFO", "CONSUMERS", "jobs", "workers"]);
    let sum: i64 = consumers.iter().map(|consumer| field(consumer, "pending")).sum();
    assert_eq!(sum, pending.len() as i64, "what the consumers have is what the group has");
    let length = client.call(&["XLEN", "jobs"]).expect("there is a reply");
    assert_eq!(length, Value::Int(shared.jobs.len() as i64));
    pending.len()
}

/// Takes over all that is pending and acknowledges it.
fn drain(shared: &Shared) {
    let mut consumer = Consumer::new(shared);
    loop {
        let line = format!("XAUTOCLAIM jobs workers {} 0 0-0 COUNT 1000", consumer.name);
        send(&mut consumer.client, &[words(&line)]);
        let taken = consumer.take(true);
        if taken.is_empty() {
            return;
        }
        let acknowledged = || shared.jobs.iter().map(|job| job.acknowledged.load(SeqCst) as usize);
        let before: usize = acknowledged().sum();
        consumer.acknowledge(&taken, None);
        assert_eq!(acknowledged().sum::<usize>(), before + taken.len());
    }
}

#[test]
fn each_job_is_acknowledged_once_or_pending() {
    let args = ["--save", "", "--threads", "2"];
    let server = Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args);
    let server = server.expect("redstart starts");
    let mut control = connect(server.port());
    let made = control.call(&["XGROUP", "CREATE", "jobs", "workers", "0", "MKSTREAM"]);
    assert_eq!(made.expect("there is a reply"), Value::Simple(b"OK".to_vec()));
    let jobs = std::env::var("REDSTART_JOBS").ok().and_then(|text| text.parse().ok());
    let jobs = jobs.unwrap_or(JOBS);
    let shared = Shared {
        port: server.port(),
        jobs: std::iter::repeat_with(Job::default).take(jobs).collect(),
        ids: Mutex::default(),
        begun: AtomicUsize::new(0),
        added: AtomicUsize::new(0),
        consumers: AtomicUsize::new(0),
        killed: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        for seed in 0..PRODUCERS {
            let shared = &shared;
            scope.spawn(move || produce(shared, seed as u64));
        }
        for _ in 0..CONSUMERS {
            scope.spawn(|| {
                let _watch = Watch(&shared);
                while Consumer::new(&shared).live() {}
            });
        }
    });
    wait_until_alone(&mut control);
    let left = check(&shared, &mut control);
    drain(&shared);
    wait_until_alone(&mut control);
    assert_eq!(check(&shared, &mut control), 0);
    let (consumers, killed) = (shared.consumers.load(SeqCst), shared.killed.load(SeqCst));
    println!(
        "{jobs} jobs, {consumers} consumers, {killed} of them killed, {left} jobs left pending"
    );
    assert!(killed * (DEADLY + 5) >= consumers, "{killed} of {consumers} consumers were killed");
}
