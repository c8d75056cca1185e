//! What transcripts cannot see of the string commands: encodings, sharing, limits, counters.
//! Their replies are in `tests/conformance/string`.

use proptest::prelude::*;
use redstart_engine::driver::Driver;
use redstart_engine::storage::entry::Value;

/// OBJECT ENCODING, without the command.
fn encoding(driver: &Driver, key: &str) -> &'static str {
    with_entry(driver, key, |entry| entry.encoding())
}

fn with_entry<R>(
    driver: &Driver,
    key: &str,
    f: impl FnOnce(&redstart_engine::storage::entry::Entry) -> R,
) -> R {
    let hash = driver.engine.keyspace.hasher().hash(key.as_bytes());
    let mut view = driver.engine.keyspace.lock([hash].into_iter());
    let table = view.shard(hash).db(driver.db).expect("the database exists").table();
    f(table.at(table.find(hash, key.as_bytes()).expect("the key exists")))
}

#[test]
fn encodings_are_redis_s() {
    let long = "x".repeat(41);
    let cases = [
        ("SET k 12", "int"),
        ("SET k 012", "embstr"),
        ("SET k -9223372036854775808", "int"),
        ("SET k 9223372036854775808", "embstr"),
        (&format!("SET k {}", &long[1..]), "embstr"),
        (&format!("SET k {long}"), "raw"),
        ("APPEND new 12", "int"),
        ("APPEND new abc", "embstr"),
        ("SETRANGE new 0 12", "raw"),
        ("INCRBYFLOAT new 3", "embstr"),
        ("INCR new", "int"),
        ("SET k 1|APPEND k 2", "raw"),
        ("SET k 1|APPEND k ", "raw"),
        ("SET k 1|APPEND k 2|INCR k", "int"),
        ("SET k 1|APPEND k 2|SET k v", "embstr"),
        ("SET k abc|SETRANGE k 1 x", "raw"),
        ("SET k abc|SETRANGE k 1 ", "embstr"),
        ("MSET a 1 k v", "embstr"),
    ];
    for (lines, expected) in cases {
        let mut driver = Driver::new(1);
        let mut key = "";
        for line in lines.split('|') {
            driver.line(line);
            key = line.split(' ').nth(if line.starts_with("MSET") { 3 } else { 1 }).unwrap_or("");
        }
        assert_eq!(encoding(&driver, key), expected, "{lines}");
    }
}

#[test]
fn a_large_string_is_changed_where_it_lies() {
    let mut driver = Driver::new(1);
    driver.call(&[b"SET", b"k", &[b'x'; 100_000]]);
    // Once to have a buffer with room at its end, and then in place.
    driver.line("APPEND k y");
    let address = |driver: &Driver| {
        with_entry(driver, "k", |entry| match entry.value() {
            Value::Large(long) => long.joined().as_ptr() as usize,
            other => panic!("{other:?}"),
        })
    };
    let first = address(&driver);
    assert_eq!(driver.line("APPEND k z"), ":100002\r\n");
    assert_eq!(driver.line("SETRANGE k 50000 abc"), ":100002\r\n");
    assert_eq!(driver.line("GETRANGE k 49999 50003"), "$5\r\nxabcx\r\n");
    assert_eq!(driver.line("GETRANGE k -3 -1"), "$3\r\nxyz\r\n");
    assert_eq!(address(&driver), first);
}

#[test]
fn no_string_grows_beyond_the_limit() {
    let mut driver = Driver::new(1);
    driver.engine.options.set_string_bytes_max(1000);
    let refused = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
    assert_eq!(driver.line("SETRANGE k 999 x"), ":1000\r\n");
    assert_eq!(driver.line("SETRANGE k 1000 x"), refused);
    assert_eq!(driver.line("SETRANGE new 9223372036854775807 x"), refused);
    assert_eq!(driver.line("APPEND k x"), refused);
    assert_eq!(driver.line("APPEND k "), ":1000\r\n");
    driver.call(&[b"SET", b"a", &[b'x'; 15]]);
    driver.call(&[b"SET", b"b", &[b'x'; 14]]);
    assert_eq!(driver.line("LCS a b LEN"), ":14\r\n");
    driver.call(&[b"SET", b"b", &[b'x'; 15]]);
    let refused =
        "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n";
    assert_eq!(driver.line("LCS a b LEN"), refused);
}

#[test]
fn only_fetches_for_reading_count_as_hits_and_misses() {
    let cases = [
        ("GET k", 1),
        ("SET k v", 0),
        ("SET k v GET", 1),
        ("SETNX k v", 0),
        ("GETSET k v", 1),
        ("GETDEL k", 1),
        ("GETEX k EX 1", 1),
        ("MGET k k k", 3),
        ("MSETNX k v", 0),
        ("INCR k", 0),
        ("APPEND k v", 0),
        ("STRLEN k", 1),
        ("GETRANGE k 0 -1", 1),
        ("LCS k k", 2),
        ("DIGEST k", 1),
    ];
    for (line, count) in cases {
        let mut driver = Driver::new(1);
        driver.line(line);
        assert_eq!(driver.stats().keyspace_misses.value(), count, "{line}");
        driver.line("SET k 1");
        let hits = driver.stats().keyspace_hits.value();
        driver.line(line);
        assert_eq!(driver.stats().keyspace_hits.value() - hits, count, "{line}");
    }
}

#[test]
fn the_memory_count_returns_to_where_it_was() {
    let mut driver = Driver::new(1);
    let allocated = |driver: &Driver| {
        let hash = driver.engine.keyspace.hasher().hash(b"k");
        let mut view = driver.engine.keyspace.lock([hash].into_iter());
        let part = view.shard(hash).db_mut(0);
        part.allocated() - part.overhead()
    };
    for line in ["SET k v", "APPEND k ww", "SETRANGE k 4090 abc", "SETRANGE k 9000 abc", "GETDEL k"]
    {
        driver.line(line);
        let expected = match line {
            "GETDEL k" => 0,
            _ => with_entry(&driver, "k", |entry| entry.allocated()),
        };
        assert_eq!(allocated(&driver), expected, "{line}");
    }
}

/// The length of a longest common subsequence, by its definition.
fn longest(a: &[u8], b: &[u8]) -> usize {
    match (a, b) {
        ([x, a @ ..], [y, b @ ..]) if x == y => 1 + longest(a, b),
        ([_, less_a @ ..], [_, less_b @ ..]) => longest(less_a, b).max(longest(a, less_b)),
        _ => 0,
    }
}

proptest! {
    #[test]
    fn lcs_finds_a_common_subsequence_of_the_right_length(a in "[abc]{0,9}", b in "[abc]{0,9}") {
        let mut driver = Driver::new(1);
        driver.call(&[b"MSET", b"a", a.as_bytes(), b"b", b.as_bytes()]);
        let len = longest(a.as_bytes(), b.as_bytes());
        prop_assert_eq!(driver.line("LCS a b LEN"), format!(":{len}\r\n"));
        let reply = driver.line("LCS a b");
        let common = reply.split("\r\n").nth(1).unwrap_or("");
        prop_assert_eq!(common.len(), len);
        for text in [&a, &b] {
            let mut rest = text.bytes();
            prop_assert!(common.bytes().all(|byte| rest.any(|other| other == byte)));
        }
    }

    #[test]
    fn getrange_is_a_slice(text in "[a-z]{0,12}", start in -15i64..15, end in -15i64..15) {
        let mut driver = Driver::new(1);
        driver.call(&[b"SET", b"k", text.as_bytes()]);
        let len = text.len() as i64;
        let index = |n: i64| if n < 0 { (len + n).max(0) } else { n };
        let (first, last) = (index(start), index(end).min(len - 1));
        let backwards = start < 0 && end < 0 && start > end;
        let part = match first <= last && !backwards {
            true => &text[first as usize..=last as usize],
            false => "",
        };
        let reply = driver.line(&format!("GETRANGE k {start} {end}"));
        prop_assert_eq!(reply, format!("${}\r\n{}\r\n", part.len(), part));
    }
}
