//! Scripts that have written and then reach for keys that they did not declare: they wait for them
//! out of order, and are never seen half done; of two that cross, one ends with an error.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::thread;
use support::client::Client;
use support::resp::{Kind, Value};
use support::server::Server;
use support::talk::connect;

/// Stays within its key when the second argument is empty, so that it is learnt to do so.
const REACHING: &str = "
    redis.call('set', KEYS[1], 'half-' .. ARGV[1])
    if ARGV[2] ~= '' then
        for i = 1, tonumber(ARGV[3]) do end
        redis.call('append', ARGV[2], 'x')
    end
    redis.call('set', KEYS[1], 'whole')
    return 'done'
";

fn start() -> Server {
    let args = ["--save", "", "--threads", "4"];
    Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args).expect("redstart starts")
}

fn call(client: &mut Client, args: &[&str]) -> Value {
    client.call(args).expect("there is a reply")
}

/// A script that no one has run so far, learnt to stay within its key.
fn learnt(client: &mut Client, name: &str, key: &str) -> String {
    let script = format!("{REACHING} -- {name}");
    assert_eq!(call(client, &["EVAL", &script, "1", key, name, ""]), done());
    script
}

fn done() -> Value {
    Value::Bulk(b"done".to_vec())
}

/// Whether a script went to its end; otherwise it must have crossed with another.
fn is_done(reply: &Value) -> bool {
    let crossed = |text: &[u8]| text.windows(20).any(|part| part == b"the other way round:");
    match reply {
        Value::Error(text) => assert!(crossed(text), "{reply:?}"),
        reply => assert_eq!(*reply, done()),
    }
    !matches!(reply, Value::Error(_))
}

#[test]
fn a_script_that_has_written_may_reach_for_another_key() {
    let server = start();
    let mut client = connect(&server);
    for n in 0..20 {
        let script = learnt(&mut client, &n.to_string(), "near");
        let far = format!("far{n}");
        let reply = call(&mut client, &["EVAL", &script, "1", "near", "", &far, "1"]);
        assert_eq!(reply, done());
        assert_eq!(call(&mut client, &["GET", &far]), Value::Bulk(b"x".to_vec()));
    }
    // All keys, too.
    let script = "redis.call('set', KEYS[1], 'v') \
                  if ARGV[1] == 'all' then return redis.call('dbsize') end return 0";
    call(&mut client, &["EVAL", script, "1", "near", ""]);
    let reply = call(&mut client, &["EVAL", script, "1", "near", "all"]);
    assert_eq!(reply, Value::Int(21));
}

#[test]
fn of_two_scripts_that_cross_at_most_one_ends() {
    const ROUNDS: usize = 150;
    let server = start();
    let barrier = Barrier::new(2);
    let run = |near: &str, far: &str| -> Vec<bool> {
        let mut client = connect(&server);
        let rounds = 0..ROUNDS;
        let rounds = rounds.map(|round| {
            let name = format!("{near}{round}");
            let script = learnt(&mut client, &name, near);
            barrier.wait();
            is_done(&call(&mut client, &["EVAL", &script, "1", near, &name, far, "20000"]))
        });
        rounds.collect()
    };
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| run("a", "b"));
        let second = scope.spawn(|| run("b", "a"));
        (first.join().expect("it ends"), second.join().expect("it ends"))
    });
    let ended = first.iter().zip(&second).filter(|(a, b)| !**a || !**b).count();
    println!("{ended} of {ROUNDS} rounds crossed");
    for (round, pair) in first.into_iter().zip(second).enumerate() {
        assert_ne!(pair, (false, false), "both ended in round {round}");
    }
}

/// Those who take several shards in order, at the same time, by different commands.
fn takers(stop: &AtomicBool, mut client: Client, seen: &Mutex<HashSet<String>>) {
    while !stop.load(Relaxed) {
        let reply = call(&mut client, &["MGET", "n0", "m0", "n1", "m1", "n2", "m2"]);
        let Value::Items(Kind::Array, items) = reply else { panic!("MGET is an array") };
        for item in items {
            if let Value::Bulk(text) = item
                && let Some(name) = text.strip_prefix(b"half-")
            {
                seen.lock().expect("not poisoned").insert(String::from_utf8_lossy(name).into());
            }
        }
        call(&mut client, &["RENAMENX", "none", "m1"]);
        call(&mut client, &["MSETNX", "n0", "x", "m0", "x", "m2", "x"]);
        call(&mut client, &["MULTI"]);
        call(&mut client, &["DBSIZE"]);
        call(&mut client, &["EXEC"]);
    }
}

/// Ends the others' loops, also when a check of its owner fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn nobody_sees_a_script_half_done_and_nobody_waits_for_ever() {
    const SCRIPTS: usize = 150;
    let server = start();
    let (stop, seen) = (AtomicBool::new(false), Mutex::new(HashSet::new()));
    let crossed = Mutex::new(HashSet::new());
    thread::scope(|scope| {
        let takers: Vec<_> =
            (0..3).map(|_| scope.spawn(|| takers(&stop, connect(&server), &seen))).collect();
        let (server, crossed, stop) = (&server, &crossed, Stop(&stop));
        let scripts: Vec<_> = (0..3)
            .map(|who| {
                scope.spawn(move || {
                    let mut client = connect(server);
                    for n in 0..SCRIPTS {
                        let (name, near) = (format!("{who}-{n}"), format!("n{who}"));
                        let script = learnt(&mut client, &name, &near);
                        let far = format!("m{}", (who + n) % 3);
                        let args = ["EVAL", &script, "1", &near, &name, &far, "2000"];
                        if !is_done(&call(&mut client, &args)) {
                            crossed.lock().expect("not poisoned").insert(name);
                        }
                    }
                })
            })
            .collect();
        scripts.into_iter().for_each(|script| script.join().expect("the scripts end"));
        drop(stop);
        takers.into_iter().for_each(|taker| taker.join().expect("the takers end"));
    });
    let (seen, crossed) = (seen.into_inner(), crossed.into_inner());
    let (seen, crossed) = (seen.expect("not poisoned"), crossed.expect("not poisoned"));
    println!("{} of {} scripts crossed", crossed.len(), 3 * SCRIPTS);
    let half: Vec<_> = seen.difference(&crossed).collect();
    assert!(half.is_empty(), "seen half done: {half:?}");
}
