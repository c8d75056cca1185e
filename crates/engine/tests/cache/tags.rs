//! TAG.ADD, TAG.OF, TAG.DROP and TAG.INFO: what is gone after a drop, for whom, and what it takes.

use crate::common::bytes;
use parking_lot::Mutex;
use redstart_engine::driver::Driver;
use redstart_engine::keyspace::snapshot::{Encode, SnapshotItem};
use redstart_engine::run::effect::{Effect, Listener, Sink};
use redstart_engine::run::event_classes::{GENERIC, KEYEVENT};
use std::collections::BTreeSet;
use std::sync::Arc;

fn tagged() -> Driver {
    let mut driver = Driver::new(5);
    driver.line("SET k v");
    assert_eq!(driver.line("TAG.ADD k a b a"), ":2\r\n");
    driver
}

/// Keys and their tags, as a command lists them.
fn tags_of(driver: &mut Driver, key: &str) -> String {
    driver.line(&format!("TAG.OF {key}")).split("\r\n").skip(2).step_by(2).collect()
}

#[test]
fn a_dropped_key_is_a_miss_for_every_command() {
    let reads = [
        ("GET k", "$-1\r\n"),
        ("EXISTS k", ":0\r\n"),
        ("TYPE k", "+none\r\n"),
        ("TTL k", ":-2\r\n"),
        ("STRLEN k", ":0\r\n"),
        ("OBJECT FREQ k", "$-1\r\n"),
        ("TAG.OF k", "*0\r\n"),
        ("KEYS *", "*0\r\n"),
        ("SCAN 0 COUNT 100000", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ("RANDOMKEY", "$-1\r\n"),
        ("RENAME k l", "-ERR no such key\r\n"),
        ("COPY k l", ":0\r\n"),
        ("MOVE k 1", ":0\r\n"),
        ("SETNX k w", ":1\r\n"),
        ("APPEND k w", ":1\r\n"),
        ("INCR k", ":1\r\n"),
        ("DEL k", ":0\r\n"),
        ("EXPIRE k 10", ":0\r\n"),
        ("TAG.ADD k c", "$-1\r\n"),
        ("MGET k", "*1\r\n$-1\r\n"),
        ("SADD k m", ":1\r\n"),
        ("SUNIONSTORE s k", ":0\r\n"),
        ("PFCOUNT k", ":0\r\n"),
        ("SORT k", "*0\r\n"),
        ("LOCK.ACQUIRE k me TTL 1000 WAIT 0", ":"),
    ];
    for (line, reply) in reads {
        let mut driver = tagged();
        assert_eq!(driver.line("TAG.DROP b"), ":1\r\n");
        let got = driver.line(line);
        assert!(got.starts_with(reply), "{line}: {got}");
    }
}

#[test]
fn what_was_dropped_is_freed_though_nobody_looks() {
    let mut driver = Driver::new(5);
    let empty = bytes(&driver);
    for n in 0..5000 {
        driver.line(&format!("SET k{n} {}", "x".repeat(n % 100)));
        driver.line(&format!("TAG.ADD k{n} t u{}", n % 2));
        driver.line(&format!("EXPIRE k{n} {}", 100 + n % 3));
    }
    driver.line("SET other v");
    driver.line("TAG.ADD other u2");
    assert_eq!(driver.line("TAG.INFO t").split("\r\n").nth(3), Some(":5000"));
    assert_eq!(driver.line("TAG.DROP u1"), ":1\r\n");
    driver.advance(0);
    assert_eq!(driver.line("DBSIZE"), ":2501\r\n");
    assert_eq!(driver.line("TAG.INFO t").split("\r\n").nth(3), Some(":2500"));
    assert_eq!(driver.line("TAG.DROP t u0 u2 u3"), ":3\r\n");
    driver.advance(0);
    assert_eq!(driver.line("DBSIZE"), ":0\r\n");
    assert_eq!(bytes(&driver), empty);
    assert_eq!(driver.stats().dropped_keys.value(), 5001);
    assert!(!driver.engine.keyspace.tags.any_dropped());
    assert_eq!(driver.line("TAG.INFO t"), "$-1\r\n");
}

#[test]
fn bytes_are_counted_with_tags_in_every_shape() {
    let mut driver = Driver::new(5);
    let lines = [
        "SET k v",
        "TAG.ADD k a",
        "SET k longer-than-before",
        "APPEND k more",
        "EXPIRE k 100",
        "TAG.ADD k b c d e f g",
        "PERSIST k",
        "SETRANGE k 5000 x",
        "SET k 17",
        "RPUSH l a b",
        "TAG.ADD l a",
        "RPUSH l c d e f g h i j k l m n o p q r s t u v w x y z",
        "LPOP l 20",
        "SADD s 1 2 3",
        "TAG.ADD s a z",
        "SADD s a b c",
        "RENAME s t",
        "COPY t u",
        "HSET h a 1",
        "TAG.ADD h a",
        "EXPIRE h 100",
        "DEL l",
    ];
    for line in lines {
        let reply = driver.line(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
        let (summed, counted) = bytes(&driver);
        assert_eq!(summed, counted, "{line}");
    }
    for (key, tags) in [("k", "abcdefg"), ("t", "az"), ("u", "az"), ("h", "a"), ("l", "")] {
        assert_eq!(tags_of(&mut driver, key), tags, "{key}");
    }
    assert_eq!(driver.line("TAG.DROP a"), ":1\r\n");
    assert_eq!(driver.line("EXISTS k t u h"), ":0\r\n");
}

#[test]
fn databases_have_tags_of_their_own() {
    let mut driver = tagged();
    driver.db = 1;
    driver.line("SET k w");
    driver.line("TAG.ADD k a");
    assert_eq!(driver.line("TAG.DROP a b"), ":1\r\n");
    driver.db = 0;
    assert_eq!(driver.line("MOVE k 1"), ":1\r\n");
    driver.db = 1;
    assert_eq!(tags_of(&mut driver, "k"), "ab");
    assert_eq!(driver.line("SWAPDB 1 2"), "+OK\r\n");
    assert_eq!(driver.line("TAG.DROP b"), ":0\r\n");
    driver.db = 2;
    assert_eq!(driver.line("TAG.DROP b"), ":1\r\n");
    // Exchanged before it is freed: it is gone all the same.
    assert_eq!(driver.line("SWAPDB 2 0"), "+OK\r\n");
    driver.advance(0);
    driver.db = 0;
    assert_eq!(driver.line("DBSIZE"), ":0\r\n");
    driver.line("SET k v");
    driver.line("TAG.ADD k a");
    driver.line("FLUSHDB");
    assert_eq!(driver.line("TAG.INFO a"), "$-1\r\n");
}

#[test]
fn a_key_has_so_many_tags_at_most_and_names_do_not_pile_up() {
    let mut driver = Driver::new(5);
    driver.line("SET k v");
    let names: Vec<String> = (0..64).map(|n| format!("t{n}")).collect();
    assert_eq!(driver.line(&format!("TAG.ADD k {}", names.join(" "))), ":64\r\n");
    assert_eq!(driver.line("TAG.ADD k t1 more"), "-ERR a key has at most 64 tags\r\n");
    for n in 0..50_000 {
        driver.line("SET k v");
        driver.line(&format!("TAG.ADD k n{n}"));
        driver.line("DEL k");
    }
    let names = driver.engine.keyspace.tags.len();
    assert!(names < 3000, "{names} names of no key");
}

#[test]
fn a_drop_voids_the_leases_of_its_keys() {
    let mut driver = tagged();
    driver.line("EXPIRE k 10");
    let got = driver.line("LEASE.GET k EARLY 100000");
    let token = got.split("\r\n").nth(6).expect("a token").to_owned();
    driver.line("TAG.DROP a");
    assert_eq!(driver.line(&format!("LEASE.PUT k {token} old")), ":0\r\n");
    assert_eq!(driver.line("EXISTS k"), ":0\r\n");
    // Nor is a value given whose time was over before its tag was dropped.
    let got = driver.line("LEASE.GET s");
    let token = got.split("\r\n").nth(5).expect("a token").to_owned();
    assert_eq!(driver.line(&format!("LEASE.PUT s {token} v PX 10 GRACE 100000")), ":1\r\n");
    driver.line("TAG.ADD s a");
    driver.advance(20);
    assert!(driver.line("LEASE.GET s STALE").starts_with("*4\r\n$7\r\nrefresh"));
    driver.line("TAG.DROP a");
    assert!(driver.line("LEASE.GET s STALE").starts_with("*4\r\n$4\r\nbusy"));
}

#[derive(Default)]
struct Log(Mutex<Vec<Effect>>);

impl Sink for Log {
    fn append(&self, unit: &[Effect]) {
        self.0.lock().extend_from_slice(unit);
    }
}

#[test]
fn the_log_has_the_drop_and_nothing_of_what_is_freed() {
    let mut driver = tagged();
    let log = Arc::new(Log::default());
    driver.engine.listen(Listener::Log, log.clone());
    driver.engine.set_events(GENERIC | KEYEVENT);
    driver.line("TAG.DROP a");
    driver.line("GET k");
    driver.advance(0);
    let effects = std::mem::take(&mut *log.0.lock());
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0].args, [&b"TAG.DROP"[..], b"a"]);
}

#[test]
fn a_snapshot_has_what_was_there_at_its_moment() {
    fn names() -> Encode {
        Box::new(|_, entry, to| to.extend_from_slice(&[entry.key(), b" "].concat()))
    }
    for first_dropped in ["early", "none"] {
        let mut driver = Driver::new(5);
        for (key, tag) in [("e", "early"), ("l1", "late"), ("l2", "late"), ("l3", "late")] {
            driver.line(&format!("SET {key} v"));
            driver.line(&format!("TAG.ADD {key} {tag}"));
        }
        driver.line(&format!("TAG.DROP {first_dropped}"));
        let (mut snapshot, ()) = driver.engine.keyspace.begin_snapshot(names(), || ());
        driver.line("TAG.DROP late early");
        driver.line("GET l1");
        driver.line("SET l2 new");
        driver.line("GET e");
        let mut saved = BTreeSet::new();
        while snapshot.step(&mut |item| match item {
            SnapshotItem::Entry(_, entry) => {
                saved.insert(entry.key().to_vec());
            }
            SnapshotItem::Encoded(_, bytes) => {
                saved.extend(bytes.split(|b| *b == b' ').map(<[u8]>::to_vec));
            }
        }) {}
        saved.remove(&b""[..]);
        let saved: Vec<_> = saved.iter().map(|key| String::from_utf8_lossy(key)).collect();
        let early = if first_dropped == "early" { "" } else { "e " };
        assert_eq!(saved.join(" "), format!("{early}l1 l2 l3"));
    }
}

#[test]
fn many_keys_are_dropped_at_once() {
    let mut driver = Driver::new(5);
    for n in 0..20_000_u32 {
        let key = n.to_le_bytes();
        driver.call(&[b"SET", &key, b"v"]);
        driver.call(&[b"TAG.ADD", &key, b"t"]);
    }
    assert_eq!(driver.line("TAG.DROP t"), ":1\r\n");
    assert_eq!(driver.line("KEYS *"), "*0\r\n");
}
