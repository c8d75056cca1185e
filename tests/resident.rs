//! The memory that the process has of the system stays near `maxmemory`, whatever goes by which
//! policy and however large the values are. As Linux counts it.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::fs;
use std::path::Path;
use support::client::Client;
use support::resp::{self, Value};
use support::server::Server;
use support::talk::{connect, field};

const LIMIT: usize = 50 << 20;
/// How much a server has at most, in parts of the limit.
const MOST: f64 = 1.25;
/// What an optimised server has before it holds any data. Another one may have more.
const IDLE: usize = 13 << 20;
/// As much is written as fills the memory so often.
const TIMES: usize = 2;
/// A machine where others work, too, gets so many tries.
const TRIES: usize = 3;

const POLICIES: [&str; 8] = [
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

/// What a process has, or the most that it ever had, in bytes.
fn resident(process: u64, field: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("Linux tells");
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<usize>().expect("a number") * 1024
}

/// Sets keys of this size in batches; ends when one is refused.
fn fill(client: &mut Client, value_len: usize) {
    let (value, mut random) = (vec![b'v'; value_len], fastrand::Rng::with_seed(7));
    let batch = (200_000 / value_len).clamp(1, 500);
    let keys = TIMES * LIMIT / value_len;
    for first in (0..keys).step_by(batch) {
        let mut bytes = Vec::new();
        for nth in first..first + batch {
            let seconds = random.u32(1000..9000).to_string();
            let words = [&b"SET"[..], format!("key:{nth}").as_bytes(), &value, b"EX"]
                .map(<[u8]>::to_vec)
                .into_iter()
                .chain([seconds.into_bytes()]);
            bytes.extend(resp::request(&words.collect::<Vec<_>>()));
        }
        client.send(&bytes).expect("the requests are sent");
        let replies: Vec<Value> =
            (0..batch).map(|_| client.reply().expect("the server replies")).collect();
        if replies.iter().all(|reply| matches!(reply, Value::Error(_))) {
            return;
        }
    }
}

/// The most that a server had under a limit, in parts of that.
fn most_under(policy: &str, value_len: usize) -> f64 {
    let limit = LIMIT.to_string();
    let args = ["--save", "", "--threads", "2", "--maxmemory", &limit, "--maxmemory-policy"];
    let args = [&args[..], &[policy]].concat();
    let server =
        Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args).expect("redstart starts");
    let mut client = connect(&server);
    let process = field(&mut client, "process_id").parse().expect("a number");
    let more = resident(process, "VmRSS:").saturating_sub(IDLE);
    fill(&mut client, value_len);
    (resident(process, "VmHWM:") - more) as f64 / LIMIT as f64
}

#[test]
fn no_policy_lets_the_process_grow_far_beyond_the_limit() {
    let mut beyond = Vec::new();
    for policy in POLICIES {
        for value_len in [100, 1000, 100_000] {
            let mut tries = Vec::new();
            let is_near = (0..TRIES).any(|_| {
                tries.push(most_under(policy, value_len));
                tries.last().is_some_and(|most| *most <= MOST)
            });
            println!("{policy}, values of {value_len} bytes: {tries:.3?} of the limit");
            if !is_near {
                beyond.push((policy, value_len, tries));
            }
        }
    }
    assert!(beyond.is_empty(), "beyond {MOST}: {beyond:.3?}");
}

/// What a server has of its own, beside the program's pages, which others share.
#[test]
fn an_idle_server_has_little() {
    let binary = Path::new(env!("CARGO_BIN_EXE_redstart"));
    let server = Server::start(binary, &["--save", ""]).expect("redstart starts");
    let mut client = connect(&server);
    let process = field(&mut client, "process_id").parse().expect("a number");
    let own = resident(process, "RssAnon:");
    assert!(own < 5 << 20, "{own} bytes");
}
