//! Commands that make a large value of others do so while others are served. What they make is what
//! one step makes, in a transaction or not, and it is of one moment.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::Value;
use support::server::Server;
use support::talk::{call, connect, field, ok, reply, send, text, until};

/// Members of each set; a multiple of 500.
const MEMBERS: usize = 40_000;

fn start(args: &[&str]) -> Server {
    let mut all = vec!["--save", "", "--threads", "1"];
    all.extend(args);
    Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &all).expect("redstart starts")
}

/// Adds what `item` says of each of the numbers.
fn fill(client: &mut Client, head: &str, numbers: &[usize], item: impl Fn(usize) -> String) {
    for numbers in numbers.chunks(500) {
        let items: String = numbers.iter().map(|n| item(*n)).collect();
        send(client, &format!("{head}{items}"));
    }
    numbers.chunks(500).for_each(|_| _ = reply(client));
}

/// Two sets, two sorted sets and places, each of which is large.
fn fill_all(client: &mut Client) {
    let numbers: Vec<usize> = (0..MEMBERS).collect();
    let others: Vec<usize> = numbers.iter().map(|n| n * 3 / 2).collect();
    fill(client, "SADD s1", &numbers, |n| format!(" {n:040}"));
    fill(client, "SADD s2", &others, |n| format!(" {n:040}"));
    fill(client, "SADD few", &numbers[..100], |n| format!(" {n:040}"));
    fill(client, "SADD all", &numbers[..MEMBERS - 7], |n| format!(" {n:040}"));
    fill(client, "ZADD z1", &numbers, |n| format!(" {} {n:040}", n % 977));
    fill(client, "ZADD z2", &others, |n| format!(" {} {n:040}", n % 1009));
    fill(client, "RPUSH l", &others, |n| format!(" {:040}", n * 7919 % MEMBERS));
    fill(client, "RPUSH words", &numbers, |n| format!(" word{n:040}"));
    fill(client, "GEOADD g", &numbers, |n| {
        format!(" {} {} {n}", (n % 360) as i64 - 180, n as f64 / MEMBERS as f64 * 160.0 - 80.0)
    });
}

/// What each of them stores at `d`.
const STORES: &[&str] = &[
    "SUNIONSTORE d s1 s2 few none",
    "SINTERSTORE d s1 s2",
    "SINTERSTORE d s2 s1 none",
    "SDIFFSTORE d s1 s2",
    "SDIFFSTORE d s1 few",
    "SDIFFSTORE d s1 all",
    "SUNIONSTORE s2 s2 s1",
    "ZUNIONSTORE d 3 z1 z2 s1 WEIGHTS 1 2 0.5",
    "ZINTERSTORE d 2 z1 z2 AGGREGATE MAX",
    "ZINTERSTORE d 3 z1 s2 none",
    "ZDIFFSTORE d 3 z1 few z2",
    "ZUNIONSTORE z2 2 z2 z1",
    "ZRANGESTORE d z1 100 -100",
    "ZRANGESTORE d z1 10 900 BYSCORE LIMIT 50 30000",
    "ZRANGESTORE d z1 0 -1 REV",
    "GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 20000 km STOREDIST",
    "GEOSEARCHSTORE d g FROMLONLAT 0 0 BYBOX 20000 9000 km",
    "GEORADIUS g 0 0 15000 km STORE d",
    "SORT l STORE d",
    "SORT l LIMIT 20 39000 DESC GET # GET # STORE d",
    "SORT s1 ALPHA STORE d",
    "SORT z1 STORE d",
    "SORT words STORE d",
];

/// What is under a key, in order.
fn content(client: &mut Client, key: &str) -> Vec<Value> {
    match text(call(client, &format!("TYPE {key}"))).as_str() {
        "none" => Vec::new(),
        "set" => {
            let Value::Items(_, mut members) = call(client, &format!("SMEMBERS {key}")) else {
                panic!("members of {key}")
            };
            members.sort_by_key(|member| match member {
                Value::Bulk(text) => text.clone(),
                other => panic!("{other:?} is a member of {key}"),
            });
            members
        }
        "list" => match call(client, &format!("LRANGE {key} 0 -1")) {
            Value::Items(_, elements) => elements,
            _ => panic!("elements of {key}"),
        },
        _ => {
            let Value::Items(_, members) = call(client, &format!("ZRANGE {key} 0 -1 WITHSCORES"))
            else {
                panic!("members of {key}")
            };
            members
        }
    }
}

/// The key that a command stores at.
fn target(line: &str) -> &str {
    let words: Vec<&str> = line.split(' ').collect();
    if words[0] == "GEORADIUS" || words[0] == "SORT" { words[words.len() - 1] } else { words[1] }
}

#[test]
fn what_is_made_apart_is_what_one_step_makes() {
    let server = start(&[]);
    let mut client = connect(&server);
    fill_all(&mut client);
    for line in STORES {
        let target = target(line);
        call(&mut client, &format!("COPY {target} before"));
        send(&mut client, line);
        let (apart, encoding) =
            (reply(&mut client), call(&mut client, &format!("OBJECT ENCODING {target}")));
        let made = content(&mut client, target);
        call(&mut client, &format!("COPY before {target} REPLACE"));
        call(&mut client, "MULTI");
        call(&mut client, line);
        let Value::Items(_, replies) = call(&mut client, "EXEC") else { panic!("EXEC runs") };
        assert_eq!(replies, [apart], "{line}");
        assert!(made == content(&mut client, target), "{line}");
        assert_eq!(encoding, call(&mut client, &format!("OBJECT ENCODING {target}")), "{line}");
        call(&mut client, "DEL before");
    }
    for line in [
        "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 20000 km",
        "GEOSEARCH g FROMLONLAT 10 20 BYRADIUS 9000 km WITHDIST WITHCOORD WITHHASH",
        "GEOSEARCH g FROMLONLAT 0 0 BYBOX 30000 9000 km COUNT 25000 ANY",
    ] {
        let apart = call(&mut client, line);
        call(&mut client, "MULTI");
        call(&mut client, line);
        let Value::Items(_, replies) = call(&mut client, "EXEC") else { panic!("EXEC runs") };
        assert!(replies == [apart], "{line}");
    }
    for line in ["ASC WITHDIST", "DESC WITHDIST", "COUNT 20000 WITHDIST"] {
        let line = format!("GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 20000 km {line}");
        let Value::Items(_, found) = call(&mut client, &line) else { panic!("{line}") };
        let metres = |found: &Value| match found {
            Value::Items(_, parts) => text(parts[1].clone()).parse::<f64>().expect("a distance"),
            _ => panic!("{line}"),
        };
        let mut distances: Vec<f64> = found.iter().map(metres).collect();
        if line.contains("DESC") {
            distances.reverse();
        }
        assert!(distances.len() >= 20_000 && distances.is_sorted(), "{line}");
    }
}

#[test]
fn others_are_served_meanwhile_and_what_comes_behind_waits() {
    let server = start(&[]);
    let (mut control, mut client) = (connect(&server), connect(&server));
    fill_all(&mut control);
    for line in STORES {
        let target = target(line);
        send(&mut client, line);
        send(&mut client, &format!("TYPE {target}"));
        let began = Instant::now();
        assert_eq!(text(call(&mut control, "PING")), "PONG");
        let waited = began.elapsed();
        assert!(waited < Duration::from_millis(100), "{line}: {waited:?}");
        let is_error = matches!(reply(&mut client), Value::Error(_));
        assert_eq!(is_error, line.contains("words"), "{line}");
        let kind = text(reply(&mut client));
        assert!(["set", "zset", "list", "none"].contains(&kind.as_str()), "{line}: {kind}");
    }
    call(&mut control, "CONFIG RESETSTAT");
    call(&mut client, "ZUNIONSTORE d 2 z1 z2");
    assert_eq!(field(&mut control, "keyspace_hits"), "2", "each key is read once");
    let calls = field(&mut control, "cmdstat_zunionstore");
    assert!(calls.starts_with("calls=1,"), "{calls}");
}

#[test]
fn a_value_is_of_one_moment_though_its_sources_change_while_it_is_made() {
    let server = start(&[]);
    let (mut control, mut client) = (connect(&server), connect(&server));
    fill_all(&mut control);
    for (n, line) in ["SUNIONSTORE d s1 s2", "ZUNIONSTORE d 2 z1 z2"].iter().enumerate() {
        call(&mut control, "DEL d");
        send(&mut client, line);
        let mut before = 0;
        // More often than it is tried anew.
        for nth in 0..6 {
            let add = if n == 0 { "SADD s1" } else { "ZADD z1 7" };
            call(&mut control, &format!("{add} new{nth}"));
            if call(&mut control, "EXISTS d") == Value::Int(0) {
                before += 1;
            }
        }
        assert!(matches!(reply(&mut client), Value::Int(_)), "{line}");
        let has = if n == 0 { "SISMEMBER d" } else { "ZRANK d" };
        for nth in 0..before {
            let found = call(&mut control, &format!("{has} new{nth}"));
            assert!(!matches!(found, Value::Null | Value::Int(0)), "{line}: new{nth} of {before}");
        }
    }
}

/// A copy shares what is large with the value that it is of; neither sees how the other changes.
#[test]
fn a_copy_is_a_value_of_its_own() {
    let server = start(&[]);
    let mut client = connect(&server);
    fill_all(&mut client);
    let numbers: Vec<usize> = (0..MEMBERS).collect();
    fill(&mut client, "HSET h", &numbers, |n| format!(" {n} {n:040}"));
    call(&mut client, "HPEXPIRE h 3600000 FIELDS 2 7 8");
    let fields = |client: &mut Client, key: &str| {
        let Value::Items(_, found) = call(client, &format!("HGETALL {key}")) else {
            panic!("{key}")
        };
        let mut pairs: Vec<String> = found.chunks(2).map(|pair| format!("{pair:?}")).collect();
        pairs.sort();
        pairs
    };
    let of = |client: &mut Client, key: &str| match key {
        "h" | "copy:h" => fields(client, key),
        _ => content(client, key).iter().map(|value| format!("{value:?}")).collect(),
    };
    // Each is changed in many places: once the copy, once the one that it is of.
    let change = |client: &mut Client, key: &str, at: usize| {
        let some: Vec<usize> = numbers.iter().copied().filter(|n| n % 3 == at).collect();
        match key.trim_start_matches("copy:") {
            "s1" => {
                fill(client, &format!("SREM {key}"), &some, |n| format!(" {n:040}"));
                fill(client, &format!("SADD {key}"), &some, |n| format!(" new{at}:{n}"));
            }
            "z1" => {
                fill(client, &format!("ZREM {key}"), &some[..9000], |n| format!(" {n:040}"));
                fill(client, &format!("ZADD {key}"), &some, |n| format!(" {} new{at}:{n}", n % 77));
                call(client, &format!("ZREMRANGEBYRANK {key} 3000 9000"));
            }
            "h" => {
                fill(client, &format!("HDEL {key}"), &some[..9000], |n| format!(" {n}"));
                fill(client, &format!("HSET {key}"), &some, |n| format!(" new{n} {at}"));
            }
            _ => {
                call(client, &format!("LTRIM {key} {} -5", at * 100 + 1));
                fill(client, &format!("LPUSH {key}"), &some, |n| format!(" new{n}"));
                call(client, &format!("LSET {key} 20000 changed{at}"));
            }
        }
    };
    for key in ["s1", "z1", "l", "h"] {
        let copy = format!("copy:{key}");
        assert_eq!(call(&mut client, &format!("COPY {key} {copy}")), Value::Int(1));
        let before = of(&mut client, key);
        assert!(of(&mut client, &copy) == before, "{key}");
        change(&mut client, &copy, 1);
        assert!(of(&mut client, key) == before, "{key} is as it was");
        let changed = of(&mut client, &copy);
        change(&mut client, key, 2);
        assert!(of(&mut client, &copy) == changed, "{copy} is as it was");
        assert!(of(&mut client, key) != before && changed != before);
        // As if neither had shared anything.
        call(&mut client, &format!("COPY {copy} again"));
        call(&mut client, &format!("DEL {copy} {key}"));
        assert_eq!(call(&mut client, "EXISTS again"), Value::Int(1));
        call(&mut client, "DEL again");
    }
}

#[test]
fn clients_that_go_leave_nothing_behind() {
    let server = start(&[]);
    let mut control = connect(&server);
    fill_all(&mut control);
    for _ in 0..3 {
        for line in STORES {
            let mut client = connect(&server);
            send(&mut client, line);
            send(&mut client, "PING");
        }
        let mut killed = connect(&server);
        let id = text(call(&mut killed, "CLIENT INFO"));
        let id = id.split(' ').next().and_then(|id| id.strip_prefix("id=")).expect("an id");
        send(&mut killed, STORES[0]);
        call(&mut control, &format!("CLIENT KILL ID {id}"));
    }
    until("they are gone", || text(call(&mut control, "CLIENT LIST")).lines().count() == 1);
    assert_eq!(field(&mut control, "total_watched_keys"), "0");
    // What has changed under a lock that nobody holds any more is made anew.
    assert_eq!(call(&mut control, "FLUSHALL"), ok());
    assert_eq!(call(&mut control, STORES[0]), Value::Int(0));
}

#[test]
fn the_log_makes_the_same() {
    let server = start(&["--appendonly", "yes", "--enable-debug-command", "local"]);
    let mut client = connect(&server);
    fill_all(&mut client);
    let mut made = Vec::new();
    let lines = STORES.iter().filter(|line| target(line) == "d");
    for (n, line) in lines.enumerate() {
        let line = match line.strip_suffix(" d") {
            Some(head) => format!("{head} d{n}"),
            None => line.replacen(" d ", &format!(" d{n} "), 1),
        };
        call(&mut client, &line);
        made.push(content(&mut client, &format!("d{n}")));
    }
    assert!(made.iter().filter(|content| content.len() > 1000).count() > 8);
    assert_eq!(call(&mut client, "DEBUG LOADAOF"), ok());
    for (n, before) in made.iter().enumerate() {
        assert!(content(&mut client, &format!("d{n}")) == *before, "d{n}");
    }
}

/// The texts of a reply, in order.
fn sorted(value: Value) -> Vec<String> {
    let Value::Items(_, items) = value else { panic!("{value:?} is no aggregate") };
    let mut texts: Vec<String> = items.into_iter().map(text).collect();
    texts.sort();
    texts
}

#[test]
fn very_many_members_are_drawn_while_others_are_served() {
    let server = start(&["--appendonly", "yes", "--enable-debug-command", "local"]);
    let (mut control, mut client) = (connect(&server), connect(&server));
    fill_all(&mut control);
    let all = sorted(call(&mut control, "SMEMBERS s1"));
    call(&mut control, "EXPIRE s1 10000");
    call(&mut control, "CONFIG RESETSTAT");
    let before = field(&mut control, "rdb_changes_since_last_save").parse::<usize>();
    send(&mut client, &format!("SPOP s1 {}", MEMBERS / 2));
    send(&mut client, "SCARD s1");
    assert_eq!(text(call(&mut control, "PING")), "PONG");
    let drawn = sorted(reply(&mut client));
    assert_eq!(reply(&mut client), Value::Int(MEMBERS as i64 / 2));
    let after = field(&mut control, "rdb_changes_since_last_save").parse::<usize>();
    assert_eq!(after.expect("a count") - before.expect("a count"), MEMBERS / 2);
    assert!(field(&mut control, "cmdstat_spop").starts_with("calls=1,"));
    assert_eq!(field(&mut control, "keyspace_hits"), "1", "SCARD's");
    assert_eq!(field(&mut control, "keyspace_misses"), "0");
    let left = sorted(call(&mut control, "SMEMBERS s1"));
    let mut both = [drawn.clone(), left.clone()].concat();
    both.sort();
    assert!(both == all, "each is drawn, or is left");
    let low = drawn.iter().filter(|member| **member < all[MEMBERS / 2]).count();
    assert!((9_500..10_500).contains(&low), "{low} of the lower half");
    assert!(matches!(call(&mut control, "TTL s1"), Value::Int(9_000..=10_000)));
    call(&mut control, "DEBUG LOADAOF");
    assert!(sorted(call(&mut control, "SMEMBERS s1")) == left);
    // A member that comes meanwhile is there afterwards, or was drawn.
    send(&mut client, &format!("SPOP s2 {}", MEMBERS / 2));
    for nth in 0..6 {
        call(&mut control, &format!("SADD s2 new{nth}"));
    }
    let drawn = sorted(reply(&mut client));
    assert_eq!(drawn.len(), MEMBERS / 2);
    let both = [drawn, sorted(call(&mut control, "SMEMBERS s2"))].concat();
    assert_eq!(both.len(), MEMBERS + 6);
    for nth in 0..6 {
        assert_eq!(both.iter().filter(|member| **member == format!("new{nth}")).count(), 1);
    }
}
