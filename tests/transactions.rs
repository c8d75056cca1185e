//! Transactions of many clients on two workers: each is seen whole or not at all, and none that
//! watches goes on from what has changed.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use support::client::Client;
use support::resp::{Kind, Value};
use support::server::Server;
use support::talk::{call, connect, ok, reply, send};

const ACCOUNTS: usize = 8;

fn start() -> Server {
    let args = ["--save", "", "--threads", "2"];
    Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args).expect("redstart starts")
}

/// Queues commands, runs them, and returns what EXEC answered.
fn transact(client: &mut Client, lines: &[String]) -> Value {
    assert_eq!(call(client, "MULTI"), ok());
    for line in lines {
        assert_eq!(call(client, line), Value::Simple("QUEUED".into()), "{line}");
    }
    call(client, "EXEC")
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Int(n) => *n,
        Value::Bulk(text) => String::from_utf8_lossy(text).parse().expect("a number"),
        other => panic!("{other:?} is no number"),
    }
}

fn elements(value: Value) -> Vec<Value> {
    let Value::Items(Kind::Array, elements) = value else { panic!("{value:?} is no array") };
    elements
}

/// Runs clients that do something until others are done.
fn beside<R>(
    port: u16,
    count: usize,
    work: impl Fn(&mut Client, usize) + Send + Sync + Clone + 'static,
    look: impl Fn(&mut Client) -> R,
) {
    let done = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..count)
        .map(|n| {
            let work = work.clone();
            thread::spawn(move || work(&mut Client::connect(port).expect("it connects"), n))
        })
        .collect();
    let waiter = {
        let done = done.clone();
        thread::spawn(move || {
            let ended = workers.into_iter().map(thread::JoinHandle::join).collect::<Vec<_>>();
            done.store(true, Relaxed);
            assert!(ended.iter().all(Result::is_ok));
        })
    };
    let mut client = Client::connect(port).expect("it connects");
    loop {
        look(&mut client);
        if done.load(Relaxed) {
            break;
        }
    }
    waiter.join().expect("everybody has done his work");
}

fn open_accounts(server: &Server) {
    let mut client = connect(server);
    for n in 0..ACCOUNTS {
        assert_eq!(call(&mut client, &format!("SET account{n} 100")), ok());
    }
}

fn total(client: &mut Client) -> i64 {
    let lines: Vec<String> = (0..ACCOUNTS).map(|n| format!("GET account{n}")).collect();
    elements(transact(client, &lines)).iter().map(number).sum()
}

#[test]
fn transfers_are_seen_whole() {
    let server = start();
    open_accounts(&server);
    let transfer = |client: &mut Client, seed: usize| {
        for n in 0..400 {
            let (from, to) = ((n * 3 + seed) % ACCOUNTS, (n * 5 + seed + 1) % ACCOUNTS);
            let lines = [format!("DECRBY account{from} 7"), format!("INCRBY account{to} 7")];
            assert_eq!(elements(transact(client, &lines)).len(), 2);
        }
    };
    beside(server.port(), 4, transfer, |client| {
        assert_eq!(total(client), 100 * ACCOUNTS as i64);
        let all: Vec<String> = (0..ACCOUNTS).map(|n| format!("account{n}")).collect();
        let sum: i64 =
            elements(call(client, &format!("MGET {}", all.join(" ")))).iter().map(number).sum();
        assert_eq!(sum, 100 * ACCOUNTS as i64);
    });
}

#[test]
fn what_is_watched_has_not_changed() {
    let server = start();
    let increment = |client: &mut Client, _| {
        let mut done = 0;
        while done < 100 {
            assert_eq!(call(client, "WATCH counter"), ok());
            let next = match call(client, "GET counter") {
                Value::Nil => 1,
                value => number(&value) + 1,
            };
            match transact(client, &[format!("SET counter {next}"), "INCR shadow".into()]) {
                Value::NilArray => {}
                answer => {
                    assert_eq!(elements(answer)[0], ok());
                    done += 1;
                }
            }
        }
    };
    beside(server.port(), 4, increment, |client| {
        let lines = ["GET counter".to_string(), "GET shadow".to_string()];
        let pair = elements(transact(client, &lines));
        assert_eq!(pair[0], pair[1]);
    });
    assert_eq!(number(&call(&mut connect(&server), "GET counter")), 400);
}

#[test]
fn a_transaction_over_everything_is_alone() {
    let server = start();
    open_accounts(&server);
    let replace = |client: &mut Client, seed: usize| {
        for n in 0..60 {
            let mut lines = vec!["FLUSHALL".to_string()];
            lines.extend((0..ACCOUNTS).map(|k| format!("SET account{k} {}", n * 10 + seed)));
            transact(client, &lines);
        }
    };
    beside(server.port(), 3, replace, |client| {
        let keys: Vec<String> = (0..ACCOUNTS).map(|n| format!("account{n}")).collect();
        let values = elements(call(client, &format!("MGET {}", keys.join(" "))));
        assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
        assert_ne!(values[0], Value::Nil);
        assert_eq!(call(client, "DBSIZE"), Value::Int(ACCOUNTS as i64));
    });
}

/// Whether EXEC runs what is queued, after `meanwhile` between WATCH and MULTI.
fn runs(server: &Server, meanwhile: impl FnOnce(&mut Client, &mut Client)) -> bool {
    let (mut own, mut other) = (connect(server), connect(server));
    call(&mut other, "FLUSHALL");
    call(&mut other, "SET k v");
    assert_eq!(call(&mut own, "WATCH k none"), ok());
    meanwhile(&mut own, &mut other);
    transact(&mut own, &["SET seen 1".into()]) != Value::NilArray
}

#[test]
fn changes_break_a_watch_and_nothing_else_does() {
    let server = start();
    for line in ["GET k", "EXISTS k none", "SET else 1", "DEL none", "KEYS *", "TTL k"] {
        assert!(runs(&server, |_, other| drop(call(other, line))), "{line}");
        assert!(runs(&server, |own, _| drop(call(own, line))), "{line}");
    }
    for line in [
        "SET k v",
        "DEL k",
        "APPEND k x",
        "EXPIRE k 100",
        "RENAME k j",
        "SET none 1",
        "LPUSH none 1",
        "COPY k none",
        "FLUSHALL",
        "FLUSHDB ASYNC",
        "SWAPDB 0 1",
    ] {
        assert!(!runs(&server, |_, other| drop(call(other, line))), "{line}");
        assert!(!runs(&server, |own, _| drop(call(own, line))), "{line}");
    }
}

#[test]
fn a_watch_ends_where_it_should() {
    let server = start();
    let change = |other: &mut Client| assert_eq!(call(other, "SET k other"), ok());
    assert!(runs(&server, |own, other| {
        change(other);
        call(own, "UNWATCH");
    }));
    assert!(runs(&server, |own, other| {
        call(own, "MULTI");
        call(own, "DISCARD");
        change(other);
    }));
    // It ends with EXEC, whether that runs, is refused, or comes to nothing.
    assert!(runs(&server, |own, other| {
        transact(own, &["GET k".into()]);
        change(other);
    }));
    assert!(runs(&server, |own, other| {
        change(other);
        assert_eq!(transact(own, &["GET k".into()]), Value::NilArray);
    }));
    assert!(runs(&server, |own, other| {
        call(own, "MULTI");
        assert_eq!(call(own, "SET refused 1"), Value::Simple("QUEUED".into()));
        assert!(matches!(call(own, "GET"), Value::Error(_)));
        let Value::Error(text) = call(own, "EXEC") else { panic!("EXEC is refused") };
        assert!(text.starts_with(b"EXECABORT"), "{text:?}");
        assert_eq!(call(own, "EXISTS refused"), Value::Int(0));
        change(other);
    }));
    // What RESET ends is no transaction any more, and watches nothing.
    assert!(runs(&server, |own, other| {
        call(own, "MULTI");
        call(own, "RESET");
        change(other);
    }));
}

#[test]
fn what_expires_breaks_a_watch() {
    let server = start();
    let (mut own, mut other) = (connect(&server), connect(&server));
    // Until it is seen alive once it was watched, however slow all this is.
    let mut ttl_ms = 50;
    loop {
        assert_eq!(call(&mut own, &format!("SET k v PX {ttl_ms}")), ok());
        assert_eq!(call(&mut own, "WATCH k"), ok());
        if call(&mut own, "EXISTS k") == Value::Int(1) {
            break;
        }
        assert_eq!(call(&mut own, "UNWATCH"), ok());
        ttl_ms *= 2;
    }
    support::talk::until("it has expired", || call(&mut other, "EXISTS k") == Value::Int(0));
    assert_eq!(transact(&mut own, &["SET seen 1".into()]), Value::NilArray);
    // One that had expired before it was watched does not.
    assert_eq!(call(&mut own, "WATCH k"), ok());
    assert_ne!(transact(&mut own, &["SET seen 1".into()]), Value::NilArray);
}

#[test]
fn waiting_commands_do_not_wait_inside() {
    let server = start();
    let mut client = connect(&server);
    let lines = ["BLPOP none 0", "BLMOVE none other LEFT RIGHT 0", "BLMPOP 0 1 none LEFT"];
    let answer = elements(transact(&mut client, &lines.map(String::from)));
    assert_eq!(answer, [Value::NilArray, Value::Nil, Value::NilArray]);
    // What comes to be inside is given to those who wait only when all of it has happened.
    let mut waiter = connect(&server);
    send(&mut waiter, "BLPOP queue 0");
    support::talk::until("it waits", || {
        let Value::Bulk(info) = call(&mut client, "INFO clients") else { panic!("INFO is text") };
        String::from_utf8_lossy(&info).contains("blocked_clients:1\r\n")
    });
    let lines = ["RPUSH queue 1", "LPOP queue", "RPUSH queue 2", "LLEN queue"];
    let answer = elements(transact(&mut client, &lines.map(String::from)));
    assert_eq!(answer[3], Value::Int(1));
    let pair = [Value::Bulk(b"queue".to_vec()), Value::Bulk(b"2".to_vec())];
    assert_eq!(elements(reply(&mut waiter)), pair);
}

#[test]
fn a_watch_ends_with_its_connection() {
    let server = start();
    let mut control = connect(&server);
    for _ in 0..50 {
        let mut watcher = connect(&server);
        call(&mut watcher, "WATCH k other");
        call(&mut watcher, "MULTI");
        call(&mut watcher, "SET k lost");
        watcher.close();
        call(&mut control, "SET k v");
    }
    assert_eq!(call(&mut control, "GET k"), Value::Bulk(b"v".to_vec()));
    assert_eq!(transact(&mut control, &["GET k".into()]), {
        Value::Items(Kind::Array, vec![Value::Bulk(b"v".to_vec())])
    });
}
