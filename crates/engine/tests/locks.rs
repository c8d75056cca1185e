//! LOCK.ACQUIRE and its kin: fences, the queue, and locks by SET NX beside them.

mod waiting;

use waiting::World;

fn world() -> World {
    World::new(10, 1)
}

/// The fence that a reply is.
fn fence(reply: &str) -> u64 {
    reply.strip_prefix(':').and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{reply}"))
}

#[test]
fn a_lock_has_one_owner_and_a_fence_that_grows() {
    let mut world = world();
    let first = fence(&world.run(0, "LOCK.ACQUIRE l a TTL 100"));
    assert_eq!(world.run(1, "LOCK.ACQUIRE l b TTL 100"), "$-1");
    assert_eq!(world.run(1, "LOCK.RELEASE l b"), ":0");
    assert_eq!(world.run(1, "LOCK.RENEW l b TTL 500"), ":0");
    assert_eq!(world.run(0, "LOCK.RENEW l a TTL 500"), ":1");
    let info = world.run(1, "LOCK.INFO l");
    let expected = format!("*8 $5 owner $1 a $5 fence :{first} $3 ttl :500 $7 waiting :0");
    assert_eq!(info, expected);
    assert_eq!(world.run(0, "GET l"), "$1 a");
    assert_eq!(world.run(0, "LOCK.RELEASE l a"), ":1");
    assert_eq!(world.run(0, "LOCK.RELEASE l a"), ":0");
    assert_eq!(world.run(0, "LOCK.INFO l"), "$-1");
    let second = fence(&world.run(1, "LOCK.ACQUIRE l b TTL 100"));
    assert!(second > first);
    world.advance(100);
    assert_eq!(world.run(1, "LOCK.RENEW l b TTL 100"), ":0");
    assert!(fence(&world.run(0, "LOCK.ACQUIRE l a TTL 100")) > second);
}

#[test]
fn an_owner_that_asks_again_has_its_fence() {
    let mut world = world();
    let first = fence(&world.run(0, "LOCK.ACQUIRE l a TTL 100"));
    assert_eq!(fence(&world.run(0, "LOCK.ACQUIRE l a TTL 900 WAIT 50")), first);
    assert_eq!(world.run(0, "PTTL l"), ":900");
    world.run(0, "DEL l");
    world.run(0, "SET l a NX PX 100");
    world.run(0, "SET l b");
    assert_eq!(world.run(0, "LOCK.ACQUIRE l a TTL 100"), "$-1");
    assert!(fence(&world.run(0, "LOCK.ACQUIRE l b TTL 100")) > first);
}

#[test]
fn those_that_wait_have_it_in_their_order() {
    let mut world = world();
    let mut last = fence(&world.run(0, "LOCK.ACQUIRE l c0 TTL 1000"));
    for client in 1..5 {
        assert_eq!(
            world.start(client, &format!("LOCK.ACQUIRE l c{client} TTL 1000 WAIT 5000")),
            None
        );
    }
    assert!(world.run(9, "LOCK.INFO l").ends_with("$7 waiting :4"));
    world.die(3);
    for (end, next) in [("LOCK.RELEASE l c0", 1), ("DEL l", 2), ("PEXPIRE l 0", 4)] {
        assert!(world.is_waiting(next));
        world.run(9, end);
        let given = fence(&world.answer(next).unwrap_or_else(|| panic!("{end} frees it")));
        assert!(given > last);
        last = given;
        assert_eq!(world.run(9, "GET l"), format!("$2 c{next}"));
        assert_eq!(world.run(9, "PTTL l"), ":1000");
    }
    assert_eq!(world.start(5, "LOCK.ACQUIRE l c5 TTL 1000 WAIT 5000"), None);
    world.advance(1000);
    assert!(fence(&world.answer(5).expect("its time is over")) > last);
    assert_eq!(world.start(6, "LOCK.ACQUIRE l c6 TTL 1000 WAIT 100"), None);
    world.advance(100);
    assert_eq!(world.answer(6).as_deref(), Some("$-1"));
    for (client, end) in [(6, "FLUSHALL"), (7, "RENAME l other"), (8, "EVICT")] {
        let asked = format!("LOCK.ACQUIRE l c{client} TTL 1000 WAIT 5000");
        assert_eq!(world.start(client, &asked), None);
        match end {
            "EVICT" => world.evict("l"),
            end => drop(world.run(9, end)),
        }
        assert!(fence(&world.answer(client).expect("it is free")) > last, "{end}");
    }
}

#[test]
fn a_late_client_does_not_pass_those_that_wait() {
    let mut world = world();
    world.run(0, "LOCK.ACQUIRE l c0 TTL 100");
    assert_eq!(world.start(1, "LOCK.ACQUIRE l c1 TTL 100 WAIT 5000"), None);
    // The lock's time is over, and no tick has come by yet.
    world.now = redstart_engine::Now::new(world.now.mono_ms + 100, world.now.wall_ms + 100);
    assert_eq!(world.run(2, "LOCK.ACQUIRE l c2 TTL 100"), "$-1");
    assert!(world.answer(1).is_some_and(|reply| reply.starts_with(':')));
}

#[test]
fn locks_by_set_nx_and_these_respect_each_other() {
    let mut world = world();
    world.run(0, "SET l old NX PX 100");
    assert_eq!(world.run(1, "LOCK.ACQUIRE l new TTL 100"), "$-1");
    assert_eq!(world.start(1, "LOCK.ACQUIRE l new TTL 100 WAIT 5000"), None);
    assert!(world.run(2, "LOCK.INFO l").contains("$3 old $5 fence $-1 $3 ttl :100"));
    assert_eq!(world.run(0, "DELIFEQ l old"), ":1");
    assert!(world.answer(1).is_some());
    assert_eq!(world.run(0, "SET l old NX PX 100"), "$-1");
    assert_eq!(world.run(0, "SETNX l old"), ":0");
    world.run(0, "LPUSH list x");
    assert!(world.run(0, "LOCK.ACQUIRE list a TTL 100").starts_with("-WRONGTYPE"));
}

#[test]
fn the_list_has_what_is_held() {
    let mut world = world();
    for n in 0..20 {
        world.run(0, &format!("LOCK.ACQUIRE job:{n} a TTL {}", 100 + n));
    }
    world.run(0, "SET job:by-hand a PX 1000");
    world.run(0, "DEL job:3");
    let list = |world: &mut World, line: &str| world.run(9, line);
    assert!(list(&mut world, "LOCK.LIST").starts_with("*19 *4 "));
    assert!(list(&mut world, "LOCK.LIST COUNT 5").starts_with("*5 *4 "));
    assert!(list(&mut world, "LOCK.LIST MATCH job:1?").starts_with("*10 *4 "));
    world.advance(110);
    assert!(list(&mut world, "LOCK.LIST").starts_with("*9 *4 "));
    world.run(0, "PERSIST job:19");
    world.advance(100_000);
    assert!(list(&mut world, "LOCK.LIST").starts_with("*1 *4 $6 job:19 $1 a :"));
    world.run(0, "DEL job:19");
    world.advance(100_000);
    assert_eq!(list(&mut world, "LOCK.LIST"), "*0");
    let mut view = world.engine.keyspace.lock_all();
    for index in 0..redstart_engine::hasher::SHARDS {
        assert_eq!(view.shard_at(index).locks.iter().count(), 0);
    }
}

#[test]
fn fences_go_on_after_a_restart_from_the_log() {
    let mut world = world();
    let mut last = fence(&world.run(0, "LOCK.ACQUIRE other a TTL 100"));
    for n in 0..5 {
        let held = fence(&world.run(0, &format!("LOCK.ACQUIRE l a{n} TTL 100000")));
        assert!(held > last);
        last = held;
        let engine = Box::leak(Box::new(redstart_engine::Engine::new([7, n])));
        // Not even a clock that was set back makes fences smaller.
        world.jump(-3_600_000);
        world.restart(engine);
        let info = world.run(0, "LOCK.INFO l");
        assert!(info.contains(&format!("$2 a{n} $5 fence :{held} ")), "{info}");
        assert_eq!(fence(&world.run(0, &format!("LOCK.ACQUIRE l a{n} TTL 100000"))), held);
        assert_eq!(world.run(0, &format!("LOCK.RELEASE l a{n}")), ":1");
    }
}

#[test]
fn arguments_are_checked() {
    let mut world = world();
    for line in [
        "LOCK.ACQUIRE l a PX 100",
        "LOCK.ACQUIRE l a TTL 100 WAIT",
        "LOCK.ACQUIRE l a TTL 100 FOR 1",
        "LOCK.RENEW l a PX 100",
        "LOCK.LIST MATCH",
    ] {
        assert_eq!(world.run(0, line), "-ERR syntax error", "{line}");
    }
    let invalid = "-ERR invalid expire time in 'lock.acquire' command";
    assert_eq!(world.run(0, "LOCK.ACQUIRE l a TTL 0"), invalid);
    assert_eq!(world.run(0, "LOCK.ACQUIRE l a TTL 9 WAIT -1"), "-ERR timeout is negative");
    let number = "-ERR value is not an integer or out of range";
    for fence in ["-1", "x", "9223372036854775807"] {
        assert_eq!(world.run(0, &format!("LOCK.FENCE l {fence}")), number);
    }
}
