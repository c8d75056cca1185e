//! Clients that wait: in the order of their arrival, each served once, whatever becomes of keys and
//! of other clients, and at no cost while nothing happens.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::{self, Value};
use support::server::Server;
use support::talk::{call, connect, reply, send, until_blocked};

fn start(threads: &str) -> Server {
    let args = ["--save", "", "--threads", threads];
    Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args).expect("redstart starts")
}

fn pair(key: &str, element: &str) -> Value {
    let bulk = |text: &str| Value::Bulk(text.into());
    Value::Items(resp::Kind::Array, vec![bulk(key), bulk(element)])
}

#[test]
fn the_first_who_came_is_served_first() {
    let server = start("2");
    let mut control = connect(&server);
    let mut waiters = Vec::new();
    for n in 0..60 {
        let mut waiter = connect(&server);
        // Several keys, in different orders: what counts is who came first to the key that is made.
        send(&mut waiter, if n % 2 == 0 { "BLPOP queue other 0" } else { "BLPOP other queue 0" });
        waiters.push(waiter);
        until_blocked(&mut control, n + 1);
    }
    // Every third leaves, in one way or another.
    let mut waiters: Vec<Option<Client>> = waiters.into_iter().map(Some).collect();
    for place in waiters.iter_mut().step_by(3) {
        place.take().expect("nobody has left yet").close();
    }
    until_blocked(&mut control, 40);
    for n in 0..20 {
        call(&mut control, &format!("RPUSH queue {n}"));
    }
    assert_eq!(call(&mut control, "EXISTS queue"), Value::Int(0));
    let last: Vec<String> = (20..60).map(|n| n.to_string()).collect();
    call(&mut control, &format!("RPUSH queue {}", last.join(" ")));
    for (n, waiter) in waiters.iter_mut().flatten().enumerate() {
        assert_eq!(reply(waiter), pair("queue", &n.to_string()));
    }
    assert_eq!(call(&mut control, "LLEN queue"), Value::Int(20));
    until_blocked(&mut control, 0);
}

#[test]
fn a_wait_does_not_end_before_its_millisecond() {
    let server = start("1");
    let mut client = connect(&server);
    for ms in [5, 40, 150] {
        let start = Instant::now();
        assert_eq!(call(&mut client, &format!("BLPOP key 0.{ms:03}")), Value::NilArray);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(ms), "{took:?} of {ms} ms");
        // Milliseconds are not taken for seconds; how late it is, no test can say.
        assert!(took < Duration::from_secs(ms.max(30)), "{took:?} of {ms} ms");
    }
}

#[test]
fn a_chain_of_moves_ends_where_somebody_pops() {
    let server = start("2");
    let mut control = connect(&server);
    let mut links = Vec::new();
    for n in 0..50 {
        let mut link = connect(&server);
        send(&mut link, &format!("BLMOVE k{n} k{} LEFT RIGHT 0", n + 1));
        links.push(link);
    }
    let mut last = connect(&server);
    send(&mut last, "BRPOP k50 0");
    until_blocked(&mut control, 51);
    assert_eq!(call(&mut control, "RPUSH k0 x"), Value::Int(1));
    // All of them are served before the push is answered.
    assert_eq!(call(&mut control, "DBSIZE"), Value::Int(0));
    links.iter_mut().for_each(|link| assert_eq!(reply(link), Value::Bulk("x".into())));
    assert_eq!(reply(&mut last), pair("k50", "x"));
}

/// WAIT for replicas that are not there ends by CLIENT UNBLOCK; what stands behind it runs then.
#[test]
fn a_wait_for_replicas_can_be_ended() {
    let server = start("2");
    let mut control = connect(&server);
    let mut waiting = connect(&server);
    let Value::Int(id) = call(&mut waiting, "CLIENT ID") else { panic!("an id is a number") };
    send(&mut waiting, "WAIT 1 0");
    send(&mut waiting, "ECHO after");
    until_blocked(&mut control, 1);
    assert_eq!(call(&mut control, &format!("CLIENT UNBLOCK {id}")), Value::Int(1));
    assert_eq!(reply(&mut waiting), Value::Int(0));
    assert_eq!(reply(&mut waiting), Value::Bulk("after".into()));
    send(&mut waiting, "WAIT 1 0");
    until_blocked(&mut control, 1);
    assert_eq!(call(&mut control, &format!("CLIENT UNBLOCK {id} ERROR")), Value::Int(1));
    let text = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
    assert_eq!(reply(&mut waiting), Value::Error(text.into()));
}

/// WAITAOF has the log synced where no policy does, and waits for replicas until its time is up.
#[test]
fn a_wait_for_the_log_ends_when_it_is_safe() {
    let args = ["--save", "", "--appendonly", "yes", "--appendfsync", "no"];
    let server = Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args);
    let server = server.expect("redstart starts");
    let mut client = connect(&server);
    let safe = |local| Value::Items(resp::Kind::Array, vec![Value::Int(local), Value::Int(0)]);
    assert_eq!(call(&mut client, "SET k v"), Value::Simple("OK".into()));
    assert_eq!(call(&mut client, "WAITAOF 0 0 0"), safe(0));
    assert_eq!(call(&mut client, "WAITAOF 0 1 10"), safe(0));
    assert_eq!(call(&mut client, "WAITAOF 1 0 0"), safe(1));
    assert_eq!(call(&mut client, "WAITAOF 1 1 10"), safe(1));
}

#[test]
fn who_waits_costs_nothing() {
    let server = start("2");
    let mut control = connect(&server);
    let mut waiters: Vec<Client> = (0..1000).map(|_| connect(&server)).collect();
    let settle = || thread::sleep(Duration::from_millis(300));
    settle();
    let idle = used_ms(&server, Duration::from_secs(2));
    for (n, waiter) in waiters.iter_mut().enumerate() {
        let timeout = if n % 2 == 0 { 0 } else { 1000 };
        send(waiter, &format!("BLPOP all own{n} {timeout}"));
    }
    until_blocked(&mut control, 1000);
    settle();
    let waiting = used_ms(&server, Duration::from_secs(2));
    assert!(waiting <= idle + 60, "{waiting} ms of CPU with waiting clients, {idle} without");
    drop(waiters);
    until_blocked(&mut control, 0);
}

/// The CPU time that the server uses in a while, in milliseconds.
fn used_ms(server: &Server, during: Duration) -> u64 {
    let mut control = connect(server);
    let mut used = || {
        let Value::Bulk(info) = call(&mut control, "INFO cpu") else { panic!("INFO is a bulk") };
        let text = String::from_utf8(info).expect("INFO is text");
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the field");
            line.trim().parse::<f64>().expect("seconds")
        };
        field("used_cpu_user:") + field("used_cpu_sys:")
    };
    let before = used();
    thread::sleep(during);
    ((used() - before) * 1000.0) as u64
}

/// Pushers in every way, poppers in every way, on several workers, some of which give up early:
/// what was pushed arrives, and once.
#[test]
fn every_element_arrives_once() {
    const PUSHERS: usize = 4;
    const EACH: usize = 1500;
    let server = Arc::new(start("3"));
    let popped = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let poppers: Vec<_> = (0..8)
        .map(|n| {
            let (server, popped, done) = (server.clone(), popped.clone(), done.clone());
            thread::spawn(move || pop_all(&server, n, &popped, &done))
        })
        .collect();
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|n| {
            let server = server.clone();
            thread::spawn(move || push_all(&server, n, EACH))
        })
        .collect();
    pushers.into_iter().for_each(|pusher| pusher.join().expect("a pusher ends well"));
    let deadline = Instant::now() + Duration::from_secs(30);
    while popped.load(Relaxed) < PUSHERS * EACH && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    done.store(true, Relaxed);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for popper in poppers {
        for element in popper.join().expect("a popper ends well") {
            *seen.entry(element).or_default() += 1;
        }
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "more than once: {twice:?}");
    assert_eq!(seen.len(), PUSHERS * EACH);
}

fn push_all(server: &Server, n: usize, count: usize) {
    let mut client = connect(server);
    for i in 0..count {
        let key = format!("q{}", (i * 7 + n) % 5);
        match i % 4 {
            0 => drop(call(&mut client, &format!("RPUSH {key} {n}-{i}"))),
            1 => drop(call(&mut client, &format!("LPUSH {key} {n}-{i}"))),
            // Through a key of its own, which becomes the queue if that is free.
            2 => {
                call(&mut client, &format!("RPUSH own{n} {n}-{i}"));
                if call(&mut client, &format!("RENAMENX own{n} {key}")) != Value::Int(1) {
                    call(&mut client, &format!("LMOVE own{n} {key} LEFT RIGHT"));
                }
            }
            _ => {
                call(&mut client, "MULTI");
                call(&mut client, &format!("RPUSH {key} {n}-{i}"));
                call(&mut client, "PING");
                call(&mut client, "EXEC");
            }
        }
    }
}

/// Pops until told that all is over; returns what it got.
fn pop_all(server: &Server, n: usize, popped: &AtomicUsize, done: &AtomicBool) -> Vec<String> {
    let mut client = connect(server);
    let mut got = Vec::new();
    for round in 0.. {
        if done.load(Relaxed) {
            break;
        }
        let request = match (n + round) % 5 {
            0 => "BLPOP q0 q1 q2 q3 q4 0.01".to_owned(),
            1 => "BRPOP q4 q3 q2 q1 q0 0.002".to_owned(),
            2 => "BLMPOP 0.02 5 q2 q3 q4 q0 q1 RIGHT COUNT 3".to_owned(),
            3 => format!("BLMOVE q{} taken{n} LEFT RIGHT 0.003", round % 5),
            _ => "BLPOP q0 q1 q2 q3 q4 0.1".to_owned(),
        };
        match call(&mut client, &request) {
            Value::NilArray => {}
            Value::Bulk(_) => {
                let Value::Bulk(element) = call(&mut client, &format!("LPOP taken{n}")) else {
                    panic!("what was moved is not there")
                };
                got.push(text(element));
                popped.fetch_add(1, Relaxed);
            }
            Value::Items(_, items) => {
                for item in items.into_iter().skip(1) {
                    let elements = match item {
                        Value::Items(_, elements) => elements,
                        element => vec![element],
                    };
                    for element in elements {
                        let Value::Bulk(element) = element else { panic!("{element:?}") };
                        got.push(text(element));
                        popped.fetch_add(1, Relaxed);
                    }
                }
            }
            other => panic!("{request}: {other:?}"),
        }
    }
    got
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("elements are text")
}
