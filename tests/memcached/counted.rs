//! Quotas and statistics by prefix: requests of the port are in them as those of Redis are.

use super::alone::both;
use crate::support::client::Client;
use crate::support::resp::Value;
use crate::support::talk::{call, quota};

const NO_ROOM: &str = "SERVER_ERROR out of memory storing object\r\n";

#[test]
fn what_a_quota_has_no_room_for_is_not_stored() {
    let (_served, mut client, mut talk) = both(&["--quota", "prefix", "q:", "keys", "2"]);
    assert_eq!(talk.ask("set q:1 0 0 1\r\n1"), "STORED\r\n");
    assert_eq!(talk.ask("set q:2 0 0 1\r\n2"), "STORED\r\n");
    let refused = [
        "set q:3 0 0 1\r\n3",
        "add q:3 0 0 1\r\n3",
        "ms q:3 1\r\n3",
        "mg q:3 N30 v",
        "ma q:3 N30 J1",
    ];
    for request in refused {
        assert_eq!(talk.ask(request), NO_ROOM, "{request}");
    }
    assert_eq!(talk.ask("set q:3 0 0 1 noreply\r\n3"), "");
    assert_eq!(quota(&mut client, 0, "refused"), refused.len() as u64 + 1);
    assert_eq!(call(&mut client, "EXISTS q:3"), Value::Int(0));
    // What is there may change, go, and make room.
    assert_eq!(talk.ask("incr q:1 4"), "5\r\n");
    assert_eq!(talk.ask("set q:1 0 0 1\r\n1"), "STORED\r\n");
    assert_eq!(talk.ask("touch q:1 100"), "TOUCHED\r\n");
    assert_eq!(talk.ask("delete q:2"), "DELETED\r\n");
    assert_eq!(talk.ask("set q:3 0 0 1\r\n3"), "STORED\r\n");
    assert_eq!(talk.ask("set other 0 0 1\r\nx"), "STORED\r\n");
    assert_eq!(quota(&mut client, 0, "keys"), 2);
}

#[test]
fn a_cache_of_the_port_stays_within_its_quota() {
    let (_served, mut client, mut talk) = both(&[
        "--quota",
        "prefix",
        "c:",
        "bytes",
        "64kb",
        "policy",
        "allkeys-lru",
        "--quota",
        "prefix",
        "q:",
    ]);
    let value = "x".repeat(1000);
    for n in 0..20 {
        assert_eq!(talk.ask(&format!("set q:{n} 0 0 1000\r\n{value}")), "STORED\r\n");
    }
    let sets = (0..500).map(|n| format!("set c:{n} 0 0 1000\r\n{value}\r\n"));
    let stored = talk.ask(sets.collect::<String>().trim_end());
    assert_eq!(stored, "STORED\r\n".repeat(500));
    assert!(quota(&mut client, 0, "bytes") <= 64 * 1024);
    assert!(quota(&mut client, 0, "evicted") > 400);
    assert_eq!(quota(&mut client, 1, "keys"), 20);
}

/// A figure of PREFIX.STATS, or the map under it.
fn of_prefix(client: &mut Client, prefix: &str, name: &str) -> Value {
    let Value::Items(_, parts) = call(client, &format!("PREFIX.STATS {prefix}")) else {
        panic!("{prefix} is known")
    };
    let name = Value::Bulk(name.into());
    let at = parts.iter().position(|part| *part == name).expect("there is such a figure");
    parts[at + 1].clone()
}

#[test]
fn requests_of_the_port_are_counted_by_prefix() {
    let (_served, mut client, mut talk) = both(&["--stats-prefixes", ":"]);
    talk.ask("set u:1 0 0 10\r\n0123456789");
    talk.ask("set u:2 0 0 1\r\nx");
    talk.ask("delete u:2");
    assert_eq!(talk.ask("get u:1 other u:2 u:3"), "VALUE u:1 0 10\r\n0123456789\r\nEND\r\n");
    assert_eq!(talk.ask("mg u:1 v"), "VA 10\r\n0123456789\r\n");
    assert_eq!(talk.ask("mg u:2 v"), "EN\r\n");
    assert_eq!(of_prefix(&mut client, "u:", "hits"), Value::Int(2));
    let Value::Items(_, misses) = of_prefix(&mut client, "u:", "misses") else { panic!("a map") };
    let misses: Vec<_> = misses.chunks(2).map(|pair| pair[1].clone()).collect();
    // Never there, expired, evicted, deleted, dropped.
    assert_eq!(misses, [1, 0, 0, 2, 0].map(Value::Int));
    // The words of both `set`s, with their values; DEL's.
    let Value::Int(bytes) = of_prefix(&mut client, "u:", "bytes-in") else { panic!("a number") };
    assert!((17..200).contains(&bytes), "{bytes}");
    let told = "VALUE u:1 0 10\r\n0123456789\r\n".len() + "VA 10\r\n0123456789\r\n".len();
    assert_eq!(of_prefix(&mut client, "u:", "bytes-out"), Value::Int(told as i64));
    // Off and on again: nothing is known of what was before.
    call(&mut client, "CONFIG SET stats-prefixes \"\"");
    call(&mut client, "CONFIG SET stats-prefixes :");
    talk.ask("get u:1");
    assert_eq!(of_prefix(&mut client, "u:", "hits"), Value::Int(1));
}
