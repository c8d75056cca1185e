//! What memcached has not: the same keys for clients of Redis, and all that these know of a write.

use super::{Served, Talk, serve};
use crate::support::client::Client;
use crate::support::resp::Value;
use crate::support::talk::{call, connect, send, text};

pub fn both(args: &[&str]) -> (Served, Client, Talk) {
    let served = serve(args);
    let (client, talk) = (connect(&served.server), Talk::to(served.port));
    (served, client, talk)
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.into())
}

#[test]
fn what_one_protocol_sets_the_other_gets() {
    let (_served, mut client, mut talk) = both(&[]);
    assert_eq!(talk.ask("set k 7 100 5\r\nhello"), "STORED\r\n");
    assert_eq!(call(&mut client, "GET k"), bulk("hello"));
    assert!(matches!(call(&mut client, "TTL k"), Value::Int(98..=100)));
    assert_eq!(talk.ask("get k"), "VALUE k 7 5\r\nhello\r\nEND\r\n");
    // Another name, a copy and another time keep the flags; a new value has none.
    call(&mut client, "RENAME k l");
    call(&mut client, "COPY l m");
    call(&mut client, "PERSIST m");
    call(&mut client, "APPEND m !");
    assert_eq!(talk.ask("get l m"), "VALUE l 7 5\r\nhello\r\nVALUE m 7 6\r\nhello!\r\nEND\r\n");
    call(&mut client, "SET l other KEEPTTL");
    assert_eq!(talk.ask("mg l v f"), "VA 5 f0\r\nother\r\n");
    assert_eq!(call(&mut client, "SET n 41"), Value::Simple(b"OK".to_vec()));
    assert_eq!(talk.ask("incr n 1"), "42\r\n");
    assert_eq!(call(&mut client, "INCR n"), Value::Int(43));
    assert_eq!(talk.ask("delete n"), "DELETED\r\n");
    assert_eq!(call(&mut client, "EXISTS n"), Value::Int(0));
}

#[test]
fn what_is_no_string_is_not_there() {
    let (_served, mut client, mut talk) = both(&[]);
    call(&mut client, "RPUSH list a");
    for (request, reply) in [
        ("get list", "END\r\n"),
        ("mg list v", "EN\r\n"),
        ("set list 0 0 1\r\nx", "NOT_STORED\r\n"),
        ("cas list 0 0 1 5\r\nx", "NOT_FOUND\r\n"),
        ("append list 0 0 1\r\nx", "NOT_STORED\r\n"),
        ("incr list 1", "NOT_FOUND\r\n"),
        ("touch list 5", "NOT_FOUND\r\n"),
        ("delete list", "NOT_FOUND\r\n"),
        ("gat 5 list", "END\r\n"),
    ] {
        assert_eq!(talk.ask(request), reply, "{request}");
    }
    assert_eq!(call(&mut client, "LLEN list"), Value::Int(1));
}

#[test]
fn a_write_of_either_side_voids_a_version() {
    let (_served, mut client, mut talk) = both(&[]);
    for write in ["SET k 2", "APPEND k 2", "INCR k", "GETSET k 1", "RENAME other k"] {
        talk.ask("set k 0 0 1\r\n1");
        call(&mut client, "SET other x");
        let reply = talk.ask("gets k");
        let version = reply.split([' ', '\r']).nth(4).expect("gets tells a version").to_owned();
        call(&mut client, write);
        let stored = talk.ask(&format!("cas k 0 0 1 {version}\r\n9"));
        assert_eq!(stored, "EXISTS\r\n", "{write}");
    }
    // And WATCH sees a write of the port.
    call(&mut client, "WATCH k");
    call(&mut client, "MULTI");
    call(&mut client, "GET k");
    talk.ask("append k 0 0 1\r\n1");
    assert_eq!(call(&mut client, "EXEC"), Value::NilArray);
}

#[test]
fn leases_are_one_thing_for_both_protocols() {
    let (_served, mut client, mut talk) = both(&[]);
    // A client of the port computes: LEASE.GET knows it.
    assert_eq!(talk.ask("set k 0 10 1\r\nx"), "STORED\r\n");
    assert_eq!(talk.ask("mg k R30"), "HD W\r\n");
    let state = call(&mut client, "LEASE.GET k EARLY 30000");
    assert!(matches!(&state, Value::Items(_, parts) if parts[0] == bulk("hit")), "{state:?}");
    // A client of Redis computes: `mg` knows it.
    let state = call(&mut client, "LEASE.GET none");
    let Value::Items(_, parts) = &state else { panic!("{state:?}") };
    assert_eq!(parts[0], bulk("miss"));
    assert_eq!(talk.ask("mg none N30 v"), "VA 0 Z\r\n\r\n");
    let token = text(parts[2].clone());
    assert_eq!(call(&mut client, &format!("LEASE.PUT none {token} done")), Value::Int(1));
    assert_eq!(talk.ask("mg none N30 v"), "VA 4\r\ndone\r\n");
}

#[test]
fn events_monitor_and_the_list_of_clients_show_the_port() {
    let (_served, mut client, mut talk) = both(&["--notify-keyspace-events", "KEA"]);
    let mut listener = connect(&_served.server);
    send(&mut listener, "PSUBSCRIBE __keyevent@0__:*");
    listener.reply().expect("subscribed");
    let requests =
        ["set k 5 100 1\r\n1", "incr k 1", "append k 0 0 1\r\n1", "touch k 0", "delete k"];
    for request in requests {
        talk.ask(request);
    }
    for expected in ["set", "expire", "incrby", "append", "persist", "del"] {
        let Value::Items(_, parts) = listener.reply().expect("an event") else {
            panic!("a message")
        };
        let channel = text(parts[2].clone());
        if channel == "__keyevent@0__:new" {
            listener.reply().expect("the event behind it");
            continue;
        }
        assert_eq!(channel, format!("__keyevent@0__:{expected}"));
    }
    let list = text(call(&mut client, "CLIENT LIST"));
    assert!(list.contains("cmd=del"), "{list}");
    let calls = text(call(&mut client, "INFO commandstats"));
    assert!(calls.contains("cmdstat_incrby:calls=1"), "{calls}");
}

#[test]
fn flags_survive_a_restart_by_snapshot_and_by_log() {
    for log in ["no", "yes"] {
        let name = format!("redstart-memcached-{}-{log}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let dir = folder.to_str().expect("a path");
        let args = ["--dir", dir, "--appendonly", log];
        let long = "x".repeat(5000);
        {
            let (_served, mut client, mut talk) = both(&args);
            talk.ask("set short 4294967295 0 2\r\nab");
            talk.ask(&format!("set long 6 100 5000\r\n{long}"));
            talk.ask("set plain 0 0 1\r\n1");
            talk.ask("set stale 8 0 1\r\ns");
            talk.ask("md stale I");
            assert_eq!(talk.ask("mg soon N100"), "HD W\r\n");
            talk.ask("set count 9 0 1\r\n1");
            talk.ask("incr count 1");
            if log == "no" {
                call(&mut client, "SAVE");
            }
        }
        let (_served, _client, mut talk) = both(&args);
        assert_eq!(talk.ask("get short plain"), {
            "VALUE short 4294967295 2\r\nab\r\nVALUE plain 0 1\r\n1\r\nEND\r\n"
        });
        assert_eq!(talk.ask("get long"), format!("VALUE long 6 5000\r\n{long}\r\nEND\r\n"));
        assert_eq!(talk.ask("mg stale f v"), "VA 1 f8 X W\r\ns\r\n");
        // What somebody was to compute before the restart is computed by the next that asks.
        assert_eq!(talk.ask("mg soon N100"), "HD W\r\n");
        assert_eq!(talk.ask("mg count f v"), "VA 1 f9\r\n2\r\n");
        let _ = std::fs::remove_dir_all(&folder);
    }
}

#[test]
fn a_delayed_flush_comes_and_a_later_one_takes_its_place() {
    let (_served, _client, mut talk) = both(&[]);
    talk.ask("set k 0 0 1\r\nx");
    assert_eq!(talk.ask("flush_all 1000"), "OK\r\n");
    assert_eq!(talk.ask("flush_all 1"), "OK\r\n");
    assert_eq!(talk.ask("get k"), "VALUE k 0 1\r\nx\r\nEND\r\n");
    let began = std::time::Instant::now();
    while talk.ask("get k") != "END\r\n" {
        assert!(began.elapsed().as_secs() < 20, "the flush comes");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
