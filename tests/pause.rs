//! CLIENT PAUSE: who has to wait waits, at no cost, and all of it happens afterwards, in order.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::Value;
use support::server::Server;
use support::talk::{call, connect, field, ok, reply, send, text, until, until_blocked};

fn start(args: &[&str]) -> Server {
    let mut all = vec!["--save", "", "--threads", "2"];
    all.extend(args);
    Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &all).expect("redstart starts")
}

#[test]
fn a_pipeline_goes_on_where_it_stopped() {
    let server = start(&[]);
    let (mut control, mut client) = (connect(&server), connect(&server));
    assert_eq!(call(&mut control, "CLIENT PAUSE 60000 WRITE"), ok());
    // Reads before the first write are answered, and what stands behind it waits with it.
    let big = "x".repeat(100_000);
    send(&mut client, "GET n");
    for n in 0..200 {
        send(&mut client, "INCR n");
        if n % 50 == 0 {
            send(&mut client, &format!("SET big{n} {big}"));
        }
    }
    assert_eq!(reply(&mut client), Value::Nil);
    until_blocked(&mut control, 1);
    assert_eq!(call(&mut control, "DBSIZE"), Value::Int(0));
    // More arrives while it waits, in pieces, and inline.
    client.send(b"STRLEN \"big").expect("sent");
    thread::sleep(Duration::from_millis(20));
    client.send(b"0\"\r\nGET n\r\n").expect("sent");
    assert_eq!(call(&mut control, "CLIENT UNPAUSE"), ok());
    for n in 0..200 {
        assert_eq!(reply(&mut client), Value::Int(n + 1));
        if n % 50 == 0 {
            assert_eq!(reply(&mut client), ok());
        }
    }
    assert_eq!(reply(&mut client), Value::Int(100_000));
    assert_eq!(reply(&mut client), Value::Bulk("200".into()));
    assert_eq!(field(&mut control, "blocked_clients"), "0");
}

#[test]
fn a_pause_ends_when_its_time_is_up() {
    let server = start(&[]);
    let (mut control, mut client) = (connect(&server), connect(&server));
    let begin = Instant::now();
    assert_eq!(call(&mut control, "CLIENT PAUSE 200 WRITE"), ok());
    // A shorter and milder one changes nothing.
    assert_eq!(call(&mut control, "CLIENT PAUSE 1 WRITE"), ok());
    assert_eq!(call(&mut client, "SET k v"), ok());
    // The server counts whole milliseconds, and of the first one a part is over.
    assert!(begin.elapsed() >= Duration::from_millis(199));
    assert_eq!(field(&mut control, "paused_actions"), "none");
    // A stricter one stays strict.
    let begin = Instant::now();
    assert_eq!(call(&mut control, "CLIENT PAUSE 300 ALL"), ok());
    assert_eq!(call(&mut client, "PING"), Value::Simple("PONG".into()));
    assert!(begin.elapsed() >= Duration::from_millis(299));
}

#[test]
fn a_pause_is_told() {
    let server = start(&[]);
    let (mut control, mut client) = (connect(&server), connect(&server));
    assert_eq!(field(&mut control, "paused_reason"), "none");
    assert_eq!(field(&mut control, "paused_timeout_milliseconds"), "0");
    call(&mut control, "CLIENT PAUSE 60000 WRITE");
    assert_eq!(field(&mut control, "paused_reason"), "client_pause");
    assert_eq!(field(&mut control, "paused_actions"), "write");
    let left: u64 = field(&mut control, "paused_timeout_milliseconds").parse().expect("a number");
    assert!((1..=60_000).contains(&left));
    let Value::Int(id) = call(&mut client, "CLIENT ID") else { panic!("an id is a number") };
    send(&mut client, "SET k v");
    until_blocked(&mut control, 1);
    let line = support::talk::text(call(&mut control, &format!("CLIENT LIST ID {id}")));
    assert!(line.contains(" flags=b "), "{line}");
    // What waits for the end of a pause is no command's wait.
    assert_eq!(call(&mut control, &format!("CLIENT UNBLOCK {id}")), Value::Int(0));
    // A client that leaves meanwhile takes its command with it.
    client.close();
    until_blocked(&mut control, 0);
    call(&mut control, "CLIENT UNPAUSE");
    assert_eq!(call(&mut control, "EXISTS k"), Value::Int(0));
}

#[test]
fn nothing_expires_and_nothing_is_evicted() {
    let server = start(&["--maxmemory-policy", "allkeys-random"]);
    let mut control = connect(&server);
    for n in 0..100 {
        call(&mut control, &format!("SET volatile{n} v PX 30"));
        call(&mut control, &format!("SET stays{n} v"));
    }
    // In one batch, so that the pause begins before the time is up.
    send(&mut control, "SET watched v PX 500");
    send(&mut control, "CLIENT PAUSE 60000 WRITE");
    assert_eq!([reply(&mut control), reply(&mut control)], [ok(), ok()]);
    thread::sleep(Duration::from_millis(600));
    let kept = call(&mut control, "DBSIZE");
    let expired = field(&mut control, "expired_keys");
    assert_eq!(call(&mut control, "GET volatile5"), Value::Nil);
    call(&mut control, "WATCH watched");
    call(&mut control, "MULTI");
    call(&mut control, "GET stays7");
    assert_eq!(call(&mut control, "EXEC"), Value::NilArray);
    call(&mut control, "CONFIG SET maxmemory 1");
    assert_eq!(call(&mut control, "GET stays5"), Value::Bulk("v".into()));
    assert_eq!(call(&mut control, "DBSIZE"), kept);
    assert_eq!(field(&mut control, "expired_keys"), expired);
    assert_eq!(field(&mut control, "evicted_keys"), "0");
    call(&mut control, "CONFIG SET maxmemory 0");
    call(&mut control, "CLIENT UNPAUSE");
    until("what has expired is gone", || call(&mut control, "DBSIZE") == Value::Int(100));
}

#[test]
fn a_wait_that_has_begun_is_served_after_the_pause() {
    let server = start(&[]);
    let (mut control, mut popper, mut pusher) =
        (connect(&server), connect(&server), connect(&server));
    send(&mut popper, "BLPOP queue 0");
    until_blocked(&mut control, 1);
    call(&mut control, "CLIENT PAUSE 60000 WRITE");
    send(&mut pusher, "RPUSH queue x");
    until_blocked(&mut control, 2);
    assert_eq!(call(&mut control, "EXISTS queue"), Value::Int(0));
    call(&mut control, "CLIENT UNPAUSE");
    assert_eq!(reply(&mut pusher), Value::Int(1));
    assert!(matches!(reply(&mut popper), Value::Items(..)));
}

/// A loop that asks again and again would use all of the time that it waits.
#[test]
fn who_waits_costs_nothing() {
    let server = start(&[]);
    let mut control = connect(&server);
    call(&mut control, "CLIENT PAUSE 60000 WRITE");
    let mut waiting: Vec<Client> = (0..200).map(|_| connect(&server)).collect();
    waiting.iter_mut().for_each(|client| send(client, "INCR n"));
    until_blocked(&mut control, 200);
    let mut used_s = || {
        let user: f64 = field(&mut control, "used_cpu_user").parse().expect("seconds");
        user + field(&mut control, "used_cpu_sys").parse::<f64>().expect("seconds")
    };
    let before_s = used_s();
    thread::sleep(Duration::from_millis(1500));
    let spent_s = used_s() - before_s;
    assert!(spent_s < 0.7, "{spent_s} s of CPU while all wait");
    call(&mut control, "CLIENT UNPAUSE");
    waiting.iter_mut().for_each(|client| assert!(matches!(reply(client), Value::Int(_))));
    assert_eq!(call(&mut control, "GET n"), Value::Bulk("200".into()));
}

#[test]
fn nothing_is_lost_while_everything_is_loaded_again() {
    let server = start(&["--enable-debug-command", "yes"]);
    let writers: Vec<_> = (0..4)
        .map(|at| {
            let mut client = connect(&server);
            thread::spawn(move || {
                let mut last = 0;
                while !matches!(call(&mut client, "GET end"), Value::Bulk(_)) {
                    last += 1;
                    let told = call(&mut client, &format!("INCR {at}"));
                    assert_eq!(told, Value::Int(last), "after a reload");
                }
                last
            })
        })
        .collect();
    let mut control = connect(&server);
    assert_eq!(call(&mut control, "DEBUG POPULATE 20000"), ok());
    for _ in 0..20 {
        assert_eq!(call(&mut control, "DEBUG RELOAD"), ok());
    }
    assert_eq!(call(&mut control, "SET end 1"), ok());
    for (at, writer) in writers.into_iter().enumerate() {
        let last = writer.join().expect("it counts");
        assert_eq!(text(call(&mut control, &format!("GET {at}"))), last.to_string());
    }
    // A pause that was there goes on.
    let mut client = connect(&server);
    assert_eq!(call(&mut control, "CLIENT PAUSE 60000 WRITE"), ok());
    assert_eq!(call(&mut control, "DEBUG RELOAD"), ok());
    send(&mut client, "INCR 0");
    until_blocked(&mut control, 1);
    assert_eq!(call(&mut control, "CLIENT UNPAUSE"), ok());
    assert!(matches!(reply(&mut client), Value::Int(_)));
}

/// What has begun before a reload is not cut in two by it, however long it takes.
#[test]
fn a_reload_waits_for_what_has_begun() {
    let server = start(&["--enable-debug-command", "yes"]);
    let (mut control, mut client) = (connect(&server), connect(&server));
    send(&mut client, "DEBUG POPULATE 500000");
    until("there are keys", || call(&mut control, "DBSIZE") != Value::Int(0));
    assert_eq!(call(&mut control, "DEBUG RELOAD"), ok());
    assert_eq!(reply(&mut client), ok());
    assert_eq!(call(&mut control, "DBSIZE"), Value::Int(500_000));
}
