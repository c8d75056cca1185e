//! Quotas: a cache and a queue in one instance, each within its own room.

use super::{is_oom, number, pipeline, start};
use crate::support::client::Client;
use crate::support::resp::Value;
use crate::support::talk::{call, connect, ok as fine, quota};

fn ok(client: &mut Client, line: &str) {
    assert_eq!(call(client, line), fine(), "{line}");
}

#[test]
fn a_cache_that_is_filled_twenty_times_over_takes_nothing_from_a_queue() {
    let quota_lines = ["--quota", "prefix", "cache:", "bytes", "512kb", "policy", "allkeys-lru"];
    let kept = ["--quota", "prefix", "queue:"];
    let mut args = vec!["--maxmemory", "64mb"];
    args.extend(quota_lines);
    args.extend(kept);
    let server = start(&args);
    let mut client = connect(&server);
    let value = "x".repeat(500);
    let mut pushed = 0;
    for round in 0..40 {
        let first = round * 500;
        let sets = (first..first + 500).map(|n| format!("SET cache:{n} {value}"));
        let replies = pipeline(&mut client, sets);
        assert!(replies.iter().all(|reply| *reply == Value::Simple("OK".into())));
        let pushes = (0..50).map(|n| format!("RPUSH queue:{} job{n}", n % 5));
        let replies = pipeline(&mut client, pushes);
        assert!(!replies.iter().any(is_oom));
        pushed += 50;
    }
    let lens: i64 = (0..5)
        .map(|n| match call(&mut client, &format!("LLEN queue:{n}")) {
            Value::Int(len) => len,
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(lens, pushed);
    assert!(quota(&mut client, 0, "bytes") <= 512 * 1024);
    assert!(quota(&mut client, 0, "keys") > 500);
    assert!(quota(&mut client, 0, "evicted") > 10_000);
    assert_eq!(quota(&mut client, 1, "evicted"), 0);
    assert_eq!(quota(&mut client, 1, "keys"), 5);
    // What was used of late is there.
    assert_eq!(call(&mut client, "EXISTS cache:19999"), Value::Int(1));
}

#[test]
fn where_all_memory_is_short_only_what_a_quota_lets_go_goes() {
    let cache = ["--quota", "db", "1", "policy", "allkeys-random"];
    let mut args = vec!["--maxmemory-policy", "noeviction"];
    args.extend(cache);
    let server = start(&args);
    let mut client = connect(&server);
    let value = "x".repeat(1000);
    pipeline(&mut client, (0..1000).map(|n| format!("SET kept{n} {value}")));
    ok(&mut client, "SELECT 1");
    pipeline(&mut client, (0..4000).map(|n| format!("SET cache{n} {value}")));
    let used =
        number(&mut client, "used_memory") - number(&mut client, "mem_not_counted_for_evict");
    ok(&mut client, &format!("CONFIG SET maxmemory {}", used - 1_000_000));
    ok(&mut client, "SELECT 0");
    let replies = pipeline(&mut client, (1000..1200).map(|n| format!("SET kept{n} {value}")));
    assert!(!replies.iter().any(is_oom));
    assert_eq!(call(&mut client, "DBSIZE"), Value::Int(1200));
    ok(&mut client, "SELECT 1");
    let Value::Int(left) = call(&mut client, "DBSIZE") else { panic!("a number") };
    assert!((1000..3500).contains(&left), "{left}");
    assert_eq!(quota(&mut client, 0, "keys"), left as u64);
}

#[test]
fn a_quota_without_a_policy_refuses_and_follows_its_database() {
    let server =
        start(&["--quota", "db", "1", "keys", "2", "--quota", "prefix", "q:", "bytes", "1kb"]);
    let mut client = connect(&server);
    ok(&mut client, "SELECT 1");
    ok(&mut client, "SET a v");
    ok(&mut client, "SET b v");
    assert!(is_oom(&call(&mut client, "SET c v")));
    ok(&mut client, "SET a other");
    assert_eq!(call(&mut client, "DEL b"), Value::Int(1));
    ok(&mut client, "SET c v");
    ok(&mut client, "SET q:1 v");
    assert!(is_oom(&call(&mut client, &format!("SET q:2 {}", "x".repeat(2000)))));
    assert_eq!(quota(&mut client, 0, "keys"), 2);
    assert_eq!(quota(&mut client, 1, "keys"), 1);
    assert_eq!(quota(&mut client, 1, "refused"), 1);
    ok(&mut client, "SWAPDB 1 2");
    assert_eq!(quota(&mut client, 0, "keys"), 0);
    assert_eq!(quota(&mut client, 1, "keys"), 1);
    ok(&mut client, "SET x v");
    ok(&mut client, "FLUSHALL");
    assert_eq!((quota(&mut client, 0, "bytes"), quota(&mut client, 1, "bytes")), (0, 0));
}
