//! Messages, MONITOR and stale keys under load: the order in which they come, who they reach, and
//! what becomes of those who do not read.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;
use support::client::Client;
use support::resp::{Kind, Value};
use support::server::Server;
use support::talk::{call, connect, reply, send, until};

fn start(args: &[&str]) -> Server {
    let mut all = vec!["--save", "", "--threads", "2"];
    all.extend(args);
    Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &all).expect("redstart starts")
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.into())
}

fn items(reply: Value) -> (Kind, Vec<Value>) {
    let Value::Items(kind, items) = reply else { panic!("{reply:?} has no items") };
    (kind, items)
}

fn text_of(value: &Value) -> String {
    let Value::Bulk(bytes) = value else { panic!("{value:?} is no text") };
    String::from_utf8(bytes.clone()).expect("it is text")
}

#[test]
fn all_listeners_see_one_order() {
    let server = start(&[]);
    let mut listeners: Vec<Client> = (0..6).map(|_| connect(&server)).collect();
    for (n, listener) in listeners.iter_mut().enumerate() {
        if n % 2 == 0 {
            call(listener, "HELLO 3");
        }
        call(listener, if n < 3 { "SUBSCRIBE news" } else { "PSUBSCRIBE n?w*" });
    }
    let port = server.port();
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            thread::spawn(move || {
                let mut client = Client::connect(port).expect("it connects");
                for n in 0..250 {
                    let told = call(&mut client, &format!("PUBLISH news {publisher}:{n}"));
                    assert_eq!(told, Value::Int(6));
                }
            })
        })
        .collect();
    let mut orders = BTreeSet::new();
    for (n, listener) in listeners.iter_mut().enumerate() {
        let kind = if n % 2 == 0 { Kind::Push } else { Kind::Array };
        let order: Vec<String> = (0..1000)
            .map(|_| {
                let (found, parts) = items(reply(listener));
                assert_eq!(found, kind);
                assert_eq!(parts[0], bulk(if n < 3 { "message" } else { "pmessage" }));
                text_of(parts.last().expect("a message ends in its text"))
            })
            .collect();
        orders.insert(order);
    }
    publishers.into_iter().for_each(|publisher| publisher.join().expect("it publishes"));
    assert_eq!(orders.len(), 1, "every listener saw the same");
    let order = orders.first().expect("there is one");
    for publisher in 0..4 {
        let own: Vec<&String> =
            order.iter().filter(|text| text.starts_with(&format!("{publisher}:"))).collect();
        let sent: Vec<String> = (0..250).map(|n| format!("{publisher}:{n}")).collect();
        assert_eq!(own, sent.iter().collect::<Vec<_>>());
    }
}

#[test]
fn listeners_that_leave_are_forgotten() {
    let server = start(&[]);
    let mut control = connect(&server);
    let mut listener = connect(&server);
    for line in ["SUBSCRIBE a", "PSUBSCRIBE p*", "SSUBSCRIBE s"] {
        call(&mut listener, line);
    }
    let count = |control: &mut Client| {
        let lines = ["PUBSUB CHANNELS", "PUBSUB NUMPAT", "PUBSUB SHARDCHANNELS"];
        lines.map(|line| call(control, line))
    };
    let array =
        |names: &[&str]| Value::Items(Kind::Array, names.iter().map(|name| bulk(name)).collect());
    assert_eq!(count(&mut control), [array(&["a"]), Value::Int(1), array(&["s"])]);
    listener.close();
    until("the listener is forgotten", || {
        count(&mut control) == [array(&[]), Value::Int(0), array(&[])]
    });
    assert_eq!(call(&mut control, "PUBLISH a x"), Value::Int(0));
}

#[test]
fn who_leaves_a_channel_hears_the_others() {
    let server = start(&[]);
    let (mut control, mut listener) = (connect(&server), connect(&server));
    let reached = |control: &mut Client| {
        ["PUBLISH a m", "PUBLISH b m", "PUBLISH pq m", "SPUBLISH s m"]
            .map(|line| call(control, line))
    };
    let counts = |counts: [i64; 4]| counts.map(Value::Int);
    // One confirmation for each, in front of any message.
    for line in ["SUBSCRIBE a", "SUBSCRIBE b", "PSUBSCRIBE p*", "SSUBSCRIBE s", "SUBSCRIBE a"] {
        call(&mut listener, line);
    }
    assert_eq!(reached(&mut control), counts([1, 1, 1, 1]));
    let words = ["message", "message", "pmessage", "smessage"];
    for word in words {
        assert_eq!(items(reply(&mut listener)).1[0], bulk(word));
    }
    for (line, left) in [
        ("UNSUBSCRIBE a", [0, 1, 1, 1]),
        ("PUNSUBSCRIBE p*", [0, 1, 0, 1]),
        ("SUNSUBSCRIBE", [0, 1, 0, 0]),
        ("UNSUBSCRIBE", [0, 0, 0, 0]),
    ] {
        let confirmed = items(call(&mut listener, line)).1;
        assert_eq!(confirmed[0], bulk(&line.split(' ').next().unwrap_or_default().to_lowercase()));
        assert_eq!(reached(&mut control), counts(left), "{line}");
        for (count, word) in left.iter().zip(words) {
            if *count == 1 {
                assert_eq!(items(reply(&mut listener)).1[0], bulk(word));
            }
        }
    }
    // It listens to nothing any more, so it may say anything.
    assert_eq!(call(&mut listener, "EXISTS k"), Value::Int(0));
    call(&mut listener, "SUBSCRIBE a");
    call(&mut listener, "RESET");
    assert_eq!(reached(&mut control), counts([0, 0, 0, 0]));
}

#[test]
fn pushes_stand_beside_replies() {
    let server = start(&[]);
    let mut publisher = connect(&server);
    let mut listener = connect(&server);
    call(&mut listener, "HELLO 3");
    call(&mut listener, "SUBSCRIBE c");
    let port = server.port();
    let writer = thread::spawn(move || {
        for n in 0..500 {
            call(&mut publisher, &format!("PUBLISH c {n}"));
        }
    });
    let mut client = Client::connect(port).expect("it connects");
    call(&mut client, "SET k v");
    let (mut messages, mut replies) = (0, 0);
    for _ in 0..500 {
        send(&mut listener, "GET k");
    }
    while messages < 500 || replies < 500 {
        match reply(&mut listener) {
            Value::Items(Kind::Push, parts) => {
                assert_eq!(text_of(&parts[2]), messages.to_string());
                messages += 1;
            }
            other => {
                assert_eq!(other, bulk("v"));
                replies += 1;
            }
        }
    }
    writer.join().expect("it publishes");
}

/// Whether a client of a name is connected.
fn is_there(control: &mut Client, name: &str) -> bool {
    text_of(&call(control, "CLIENT LIST")).contains(&format!(" name={name} "))
}

#[test]
fn who_does_not_read_is_closed() {
    for (class, line) in [("normal", "MONITOR"), ("pubsub", "SUBSCRIBE c")] {
        let limit = format!("{class} 1048576 0 0");
        let server = start(&["--client-output-buffer-limit", &limit]);
        let (mut control, mut slow) = (connect(&server), connect(&server));
        call(&mut slow, "CLIENT SETNAME slow");
        call(&mut slow, line);
        let message = "x".repeat(100_000);
        until("the slow one is closed", || {
            call(&mut control, &format!("PUBLISH c {message}"));
            !is_there(&mut control, "slow")
        });
        assert_eq!(call(&mut control, "PUBLISH c x"), Value::Int(0));
    }
}

#[test]
fn who_watches_sees_every_command_once() {
    let server = start(&[]);
    let mut monitor = connect(&server);
    call(&mut monitor, "MONITOR");
    let port = server.port();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            thread::spawn(move || {
                let mut client = Client::connect(port).expect("it connects");
                for n in 0..250 {
                    call(&mut client, &format!("SET w{writer} {n}"));
                }
            })
        })
        .collect();
    let mut seen: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for _ in 0..1000 {
        let Value::Simple(line) = reply(&mut monitor) else { panic!("a line is a status") };
        let line = String::from_utf8(line).expect("it is quoted");
        let words: Vec<&str> = line.split(' ').map(|word| word.trim_matches('"')).collect();
        let [.., "SET", key, n] = words[..] else { panic!("{line}") };
        seen.entry(key.into()).or_default().push(n.parse().expect("a number"));
    }
    writers.into_iter().for_each(|writer| writer.join().expect("it writes"));
    assert_eq!(seen.len(), 4);
    assert!(seen.values().all(|order| *order == (0..250).collect::<Vec<_>>()));
}

/// A client that keeps what it reads until it hears that it is stale.
struct Cache {
    client: Client,
    kept: BTreeMap<String, Value>,
}

impl Cache {
    /// The answer to a request; what is told meanwhile is forgotten.
    fn ask(&mut self, line: &str) -> Value {
        send(&mut self.client, line);
        loop {
            match reply(&mut self.client) {
                Value::Items(Kind::Push, parts) => {
                    assert_eq!(parts[0], bulk("invalidate"));
                    match &parts[1] {
                        Value::Items(_, keys) => keys.iter().for_each(|key| {
                            self.kept.remove(&text_of(key));
                        }),
                        _ => self.kept.clear(),
                    }
                }
                reply => return reply,
            }
        }
    }
}

#[test]
fn nobody_keeps_what_is_stale() {
    let server = start(&[]);
    let port = server.port();
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            thread::spawn(move || {
                let mut client = Client::connect(port).expect("it connects");
                for n in 0..1500 {
                    let key = n % 10;
                    match (n + writer) % 7 {
                        0 => call(&mut client, &format!("DEL k{key}")),
                        1 => call(&mut client, &format!("SET k{key} {writer}:{n} PX 3")),
                        2 if n % 50 == 0 => call(&mut client, "FLUSHALL"),
                        3 => call(&mut client, &format!("RENAME k{key} k{}", (key + 1) % 10)),
                        _ => call(&mut client, &format!("SET k{key} {writer}:{n}")),
                    };
                }
            })
        })
        .collect();
    let readers: Vec<_> = ["", " BCAST", " BCAST PREFIX k", " NOLOOP"]
        .map(|mode| {
            thread::spawn(move || {
                let client = Client::connect(port).expect("it connects");
                let mut cache = Cache { client, kept: BTreeMap::new() };
                cache.ask("HELLO 3");
                cache.ask(&format!("CLIENT TRACKING ON{mode}"));
                for n in 0..3000 {
                    let key = format!("k{}", n % 10);
                    let value = cache.ask(&format!("GET {key}"));
                    // What was told before the answer came was about an older value.
                    cache.kept.insert(key, value);
                }
                cache
            })
        })
        .into();
    writers.into_iter().for_each(|writer| writer.join().expect("it writes"));
    let mut control = connect(&server);
    for reader in readers {
        let mut cache = reader.join().expect("it reads");
        until("nothing is stale", || {
            cache.ask("PING");
            cache.kept.iter().all(|(key, value)| {
                let now = call(&mut control, &format!("GET {key}"));
                now == *value || now == Value::Nil && *value == Value::Null
            })
        });
    }
}
