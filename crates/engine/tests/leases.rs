//! LEASE.GET, LEASE.PUT and LEASE.DROP: who computes, who waits, and what voids a token.

mod common;
#[path = "cache/prefixes.rs"]
mod prefixes;
#[path = "cache/tags.rs"]
mod tags;
mod waiting;

use waiting::World;

/// What LEASE.GET has replied.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    state: String,
    value: Option<String>,
    token: Option<String>,
    ttl_ms: i64,
}

fn got(reply: &str) -> Got {
    let mut words = reply.split(' ').skip(1);
    let mut next = || match words.next()? {
        "$-1" => None,
        length if length.starts_with('$') => words.next().map(str::to_owned),
        number => Some(number[1..].to_owned()),
    };
    let state = next().unwrap_or_default();
    let (value, token) = (next(), next());
    let ttl_ms = next().and_then(|text| text.parse().ok()).expect("a number");
    Got { state, value, token, ttl_ms }
}

fn get(world: &mut World, client: usize, line: &str) -> Got {
    got(&world.run(client, &format!("LEASE.GET {line}")))
}

/// A miss, and its token.
fn token(world: &mut World, client: usize, line: &str) -> String {
    let got = get(world, client, line);
    assert_eq!((got.state.as_str(), got.value, got.ttl_ms), ("miss", None, -2));
    got.token.expect("a token")
}

fn put(world: &mut World, line: &str) -> bool {
    world.run(9, &format!("LEASE.PUT {line}")) == ":1"
}

fn world() -> World {
    World::new(10, 1)
}

#[test]
fn one_client_computes_and_the_others_are_told() {
    let mut world = world();
    let token = token(&mut world, 0, "k");
    assert_eq!(token.len(), 16);
    let busy = get(&mut world, 1, "k");
    assert_eq!((busy.state.as_str(), busy.value, busy.token), ("busy", None, None));
    assert!(!put(&mut world, "k 0123456789abcdef other"));
    assert!(put(&mut world, &format!("k {token} v PX 500")));
    let hit = get(&mut world, 1, "k");
    assert_eq!(hit, Got { state: "hit".into(), value: Some("v".into()), token: None, ttl_ms: 500 });
    assert!(!put(&mut world, &format!("k {token} again")));
    assert_eq!(world.run(0, "GET k"), "$1 v");
    world.run(0, "SET endless v");
    assert_eq!(get(&mut world, 1, "endless").ttl_ms, -1);
}

#[test]
fn those_that_wait_get_the_value_when_it_comes() {
    let mut world = world();
    let token = token(&mut world, 0, "k");
    for client in 1..5 {
        assert_eq!(world.start(client, "LEASE.GET k WAIT 1000"), None);
    }
    world.die(4);
    assert!(put(&mut world, &format!("k {token} v")));
    for client in 1..4 {
        let answer = got(&world.answer(client).expect("an answer"));
        assert_eq!((answer.state.as_str(), answer.value.as_deref()), ("hit", Some("v")));
    }
}

#[test]
fn a_wait_ends_by_its_time() {
    let mut world = world();
    token(&mut world, 0, "k");
    assert_eq!(world.start(1, "LEASE.GET k WAIT 100"), None);
    world.advance(99);
    assert_eq!(world.answer(1), None);
    world.advance(1);
    assert_eq!(got(&world.answer(1).expect("an answer")).state, "busy");
}

#[test]
fn the_next_client_computes_when_the_holder_is_gone() {
    let mut world = world();
    for end in ["time", "death", "drop", "delete", "flush"] {
        world.clear();
        let token = token(&mut world, 0, "k LEASE 200");
        for client in [1, 2] {
            assert_eq!(world.start(client, "LEASE.GET k WAIT 9000"), None);
        }
        assert_eq!(world.leases_of(0), 1);
        match end {
            "time" => world.advance(200),
            "death" => {
                world.die(0);
                world.tick();
            }
            "drop" => assert_eq!(world.run(9, &format!("LEASE.DROP k {token}")), ":1"),
            "delete" => assert_eq!(world.run(9, "DEL k"), ":0"),
            _ => assert_eq!(world.run(9, "FLUSHALL"), "+OK"),
        }
        assert_eq!(world.leases_of(0), 0, "{end}");
        let next = got(&world.answer(1).unwrap_or_else(|| panic!("{end} frees the lease")));
        assert_eq!(next.state, "miss");
        assert_eq!(world.leases_of(1), 1);
        assert!(world.is_waiting(2), "{end} frees it for one");
        assert!(!put(&mut world, &format!("k {token} old")), "{end}");
        assert_eq!(world.run(9, &format!("LEASE.DROP k {token}")), ":0");
        let next = next.token.expect("a token");
        assert!(put(&mut world, &format!("k {next} new")));
        assert_eq!(got(&world.answer(2).expect("an answer")).value.as_deref(), Some("new"));
    }
}

#[test]
fn any_write_to_the_key_voids_the_token() {
    let mut world = world();
    let writes = [
        "SET k x",
        "SETEX k 9 x",
        "DEL k",
        "UNLINK k",
        "GETDEL k",
        "EXPIRE k 0",
        "PEXPIRE k -5",
        "INCR k",
        "APPEND k x",
        "LPUSH k x",
        "RENAME other k",
        "COPY other k",
        "FLUSHDB",
        "FLUSHALL",
        "SWAPDB 0 1",
        "MSET a 1 k 2",
        "SORT list STORE k",
    ];
    for write in writes {
        world.clear();
        world.run(9, "SET other x");
        world.run(9, "RPUSH list 1");
        let token = token(&mut world, 0, "k");
        world.run(9, write);
        assert!(!put(&mut world, &format!("k {token} old")), "{write}");
    }
    let writes = ["EXPIRE k 100", "PERSIST k", "RENAME k other", "SETNX k x", "DEL k", "TTL k"];
    for (write, voids) in writes.into_iter().zip([true, true, true, false, true, false]) {
        world.clear();
        world.run(9, "SET k v PX 100");
        let refresh = get(&mut world, 0, "k EARLY 200");
        assert_eq!((refresh.state.as_str(), refresh.ttl_ms), ("refresh", 100));
        world.run(9, write);
        let token = refresh.token.expect("a token");
        assert_eq!(put(&mut world, &format!("k {token} new")), !voids, "{write}");
    }
    world.clear();
    world.run(9, "SET k v PX 100");
    let token = get(&mut world, 0, "k EARLY 200").token.expect("a token");
    world.evict("k");
    assert!(!put(&mut world, &format!("k {token} new")));
}

#[test]
fn a_token_outlives_the_value_that_it_is_to_replace() {
    let mut world = world();
    world.run(9, "SET k v PX 100");
    assert_eq!(get(&mut world, 0, "k EARLY 100").state, "hit");
    world.advance(1);
    let refresh = get(&mut world, 0, "k EARLY 100");
    assert_eq!((refresh.state.as_str(), refresh.value.as_deref()), ("refresh", Some("v")));
    assert_eq!(get(&mut world, 1, "k EARLY 100").state, "hit");
    world.advance(100);
    assert_eq!(get(&mut world, 1, "k").state, "busy");
    assert!(put(&mut world, &format!("k {} new", refresh.token.expect("a token"))));
    assert_eq!(get(&mut world, 1, "k EARLY 100").value.as_deref(), Some("new"));
}

#[test]
fn a_value_is_given_in_its_grace_to_those_that_ask_for_it() {
    let mut world = world();
    let first = token(&mut world, 0, "k");
    assert!(put(&mut world, &format!("k {first} v PX 100 GRACE 300")));
    world.advance(100);
    assert_eq!(world.run(1, "GET k"), "$-1");
    let refresh = get(&mut world, 0, "k STALE");
    let value = refresh.value.as_deref();
    assert_eq!((refresh.state.as_str(), value, refresh.ttl_ms), ("refresh", Some("v"), 0));
    let stale = get(&mut world, 1, "k STALE WAIT 100");
    assert_eq!(
        (stale.state.as_str(), stale.value.as_deref(), stale.token),
        ("stale", Some("v"), None)
    );
    assert_eq!(get(&mut world, 1, "k").state, "busy");
    world.advance(299);
    assert_eq!(get(&mut world, 1, "k STALE").state, "stale");
    world.advance(1);
    assert_eq!(get(&mut world, 1, "k STALE").state, "busy");
    assert!(put(&mut world, &format!("k {} w PX 100 GRACE 300", refresh.token.expect("a token"))));
    world.advance(150);
    assert_eq!(get(&mut world, 1, "k").state, "miss");
    world.run(1, "DEL k");
    assert_eq!(get(&mut world, 1, "k STALE").state, "miss");
}

#[test]
fn nothing_is_left_of_what_is_over() {
    let mut world = world();
    for n in 0..100 {
        let name = format!("k{n}");
        let first = token(&mut world, 0, &name);
        if n % 2 == 0 {
            assert!(put(&mut world, &format!("{name} {first} v PX 100 GRACE 100")));
        }
    }
    world.advance(10_000);
    let mut view = world.engine.keyspace.lock_all();
    for index in 0..redstart_engine::hasher::SHARDS {
        assert!(view.shard_at(index).leases.is_empty());
        assert_eq!(view.shard_at(index).next_ms(), u64::MAX);
    }
}

#[test]
fn a_connection_ends_a_bounded_number_of_leases() {
    let mut world = world();
    for n in 0..10_010 {
        token(&mut world, 0, &format!("k{n}"));
    }
    assert_eq!(world.leases_of(0), 10_000);
    world.die(0);
    world.tick();
    assert_eq!(get(&mut world, 1, "k9999").state, "miss");
    assert_eq!(get(&mut world, 1, "k10000").state, "busy");
    world.advance(10_000);
    assert_eq!(get(&mut world, 1, "k10000").state, "miss");
}

#[test]
fn other_types_and_arguments_are_refused() {
    let mut world = world();
    world.run(0, "RPUSH list x");
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(world.run(0, "LEASE.GET list"), wrong);
    for line in
        ["LEASE.GET k LEASE", "LEASE.GET k NEVER", "LEASE.PUT k t v PX", "LEASE.PUT k t v X 1"]
    {
        assert_eq!(world.run(0, line), "-ERR syntax error", "{line}");
    }
    let invalid = "-ERR invalid expire time in 'lease.get' command";
    assert_eq!(world.run(0, "LEASE.GET k LEASE 0"), invalid);
    assert_eq!(world.run(0, "LEASE.GET k WAIT -1"), "-ERR timeout is negative");
    let beyond = "-ERR timeout is out of range";
    assert_eq!(world.run(0, "LEASE.GET k WAIT 9223372036854775807"), beyond);
    for token in ["", "0000000000000000", "+123456789abcdef", "x"] {
        assert_eq!(world.run(0, &format!("LEASE.PUT k {token} v")), ":0");
    }
    // Nothing of that was granted.
    token(&mut world, 1, "k");
}
