//! What a reply does not show of the key commands: their effects, what they share instead of
//! copying, their counters, and scans that run while keys come and go.

use redstart_engine::driver::Driver;
use redstart_engine::hasher::SHARDS;
use redstart_engine::keyspace::garbage::Garbage;
use redstart_engine::run::command::Runner;
use redstart_engine::run::effect::{Effect, Listener, Sink};
use redstart_engine::stats::Stats;
use redstart_engine::storage::entry::Value;
use redstart_engine::{Engine, Now, Prepared, Registry, WorkerState};
use redstart_protocol::{OwnedArgs, Protocol, Reply};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Keeps every effect as a line: the database, then the words.
#[derive(Default)]
struct Effects(Mutex<Vec<String>>);

impl Sink for Effects {
    fn append(&self, unit: &[Effect]) {
        let mut lines = self.0.lock().expect("no holder panicked");
        for effect in unit {
            let words = effect.args.iter().map(|word| String::from_utf8_lossy(word));
            let line = words.fold(effect.db.to_string(), |line, word| line + " " + &word);
            lines.push(line);
        }
    }
}

fn listening() -> (Driver, Arc<Effects>) {
    let (driver, effects) = (Driver::new(1), Arc::new(Effects::default()));
    driver.engine.listen(Listener::Log, effects.clone());
    (driver, effects)
}

#[test]
fn effects_replay_exactly_and_nothing_done_has_none() {
    let (mut driver, effects) = listening();
    driver.db = 2;
    // The wall clock stands at 1 700 000 000 000 ms.
    let cases: &[(&str, &[&str])] = &[
        ("SET a 1", &["2 SET a 1"]),
        ("EXPIRE a 10", &["2 PEXPIREAT a 1700000010000"]),
        ("PEXPIRE a 7 GT", &[]),
        ("PEXPIRE a 20000 GT", &["2 PEXPIREAT a 1700000020000"]),
        ("EXPIREAT a 1700000030", &["2 PEXPIREAT a 1700000030000"]),
        ("PEXPIREAT a 9223372036854775807", &["2 PEXPIREAT a 9223372036854775807"]),
        ("PERSIST a", &["2 PERSIST a"]),
        ("PERSIST a", &[]),
        ("EXPIRE missing 10", &[]),
        ("RENAME a a", &[]),
        ("RENAME a b", &["2 RENAME a b"]),
        ("RENAME a b", &[]),
        ("SET a 1", &["2 SET a 1"]),
        ("RENAMENX a b", &[]),
        ("RENAMENX a c", &["2 RENAMENX a c"]),
        ("COPY b c", &[]),
        ("COPY b c REPLACE", &["2 COPY b c DB 2 REPLACE"]),
        ("COPY b c DB 5", &["2 COPY b c DB 5 REPLACE"]),
        ("COPY missing c DB 5", &[]),
        ("MOVE c 5", &[]),
        ("MOVE b 5", &["2 MOVE b 5"]),
        ("TOUCH c", &[]),
        ("EXPIRE c -1", &["2 DEL c"]),
        ("SET a 1", &["2 SET a 1"]),
        ("SET b 1", &["2 SET b 1"]),
        ("DEL a missing b a", &["2 DEL a b"]),
        ("UNLINK a", &[]),
        ("SWAPDB 2 2", &[]),
        ("SWAPDB 2 5", &["2 SWAPDB 2 5"]),
        ("FLUSHDB async", &["2 FLUSHDB async"]),
        ("FLUSHDB", &[]),
        ("FLUSHALL", &[]),
        ("SET a 1", &["2 SET a 1"]),
        ("FLUSHALL SYNC", &["2 FLUSHALL SYNC"]),
    ];
    for (line, expected) in cases {
        driver.line(line);
        let effects = std::mem::take(&mut *effects.0.lock().expect("no holder panicked"));
        assert_eq!(effects, *expected, "{line}");
    }
}

/// A key that a command finds expired has its removal among the effects, in its own database,
/// before those of the command itself.
#[test]
fn what_has_expired_is_removed_in_its_database() {
    let (mut driver, effects) = listening();
    driver.db = 3;
    driver.line("SET k old PX 10");
    driver.db = 0;
    driver.line("SET k new");
    driver.now.mono_ms += 10;
    driver.now.wall_ms += 10;
    assert_eq!(driver.line("MOVE k 3"), ":1\r\n");
    let effects = effects.0.lock().expect("no holder panicked");
    assert_eq!(effects[2..], ["3 DEL k", "0 MOVE k 3"]);
}

/// Where the bytes of a long value lie.
fn address(driver: &Driver, db: usize, key: &[u8]) -> *const u8 {
    let hash = driver.engine.keyspace.hasher().hash(key);
    let mut view = driver.engine.keyspace.lock([hash].into_iter());
    let table = view.shard(hash).db(db).expect("the database exists").table();
    match table.at(table.find(hash, key).expect("the key exists")).value() {
        Value::Large(long) => long.joined().as_ptr(),
        other => panic!("not a long string: {other:?}"),
    }
}

#[test]
fn long_values_are_renamed_moved_and_copied_by_reference() {
    let mut driver = Driver::new(1);
    driver.call(&[b"SET", b"a", &[b'x'; 100_000], b"EX", b"100"]);
    let before = address(&driver, 0, b"a");
    driver.line("RENAME a b");
    assert_eq!(address(&driver, 0, b"b"), before);
    driver.line("COPY b c");
    assert_eq!(address(&driver, 0, b"c"), before);
    driver.line("MOVE c 4");
    assert_eq!(address(&driver, 4, b"c"), before);
    driver.db = 4;
    assert_eq!(driver.line("TTL c"), ":100\r\n");
}

#[test]
fn absolute_times_come_back_as_they_were_given() {
    let mut driver = Driver::new(1);
    driver.line("SET k v");
    for at in ["1700000000100", "1999999999999", "253402300799999", "9223372036854775807"] {
        assert_eq!(driver.line(&format!("PEXPIREAT k {at}")), ":1\r\n");
        driver.advance(7);
        assert_eq!(driver.line("PEXPIRETIME k"), format!(":{at}\r\n"));
    }
    driver.line("EXPIREAT k 9223372036854775");
    assert_eq!(driver.line("EXPIRETIME k"), ":9223372036854775\r\n");
}

#[test]
fn looks_count_as_hits_and_misses_and_changes_do_not() {
    let mut driver = Driver::new(1);
    driver.line("SET k v");
    for line in ["EXISTS k x k", "TOUCH k x", "TYPE k", "TTL x", "COPY k l", "PEXPIRETIME k"] {
        driver.line(line);
    }
    let stats = (driver.stats().keyspace_hits.value(), driver.stats().keyspace_misses.value());
    assert_eq!(stats, (6, 3));
    for line in ["EXPIRE k 9", "PERSIST k", "RENAME k m", "MOVE m 1", "DEL k l", "KEYS *", "SCAN 0"]
    {
        driver.line(line);
    }
    let after = (driver.stats().keyspace_hits.value(), driver.stats().keyspace_misses.value());
    assert_eq!(after, stats);
}

/// The reply of a SCAN: the cursor and the names.
fn scan(driver: &mut Driver, cursor: &str, count: usize) -> (String, Vec<String>) {
    let reply = driver.line(&format!("SCAN {cursor} COUNT {count}"));
    let mut lines = reply.split("\r\n").filter(|line| !line.starts_with(['*', '$']));
    let cursor = lines.next().expect("a cursor").to_owned();
    (cursor, lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

#[test]
fn a_scan_returns_what_is_there_all_along_once() {
    let mut driver = Driver::new(7);
    let mut random = fastrand::Rng::with_seed(7);
    for n in 0..20_000 {
        driver.line(&format!("SET stays:{n} v"));
        driver.line(&format!("SET goes:{n} v"));
    }
    let (mut cursor, mut seen, mut calls) = ("0".to_owned(), HashMap::new(), 0);
    loop {
        let (next, names) = scan(&mut driver, &cursor, 200);
        for name in names {
            *seen.entry(name).or_insert(0) += 1;
        }
        for _ in 0..100 {
            driver.line(&format!("DEL goes:{}", random.u32(0..20_000)));
            driver.line(&format!("SET comes:{} v", random.u32(0..1_000_000)));
        }
        calls += 1;
        cursor = next;
        if cursor == "0" {
            break;
        }
    }
    assert!(calls > 100, "the scan took {calls} calls");
    assert!(seen.values().all(|times| *times == 1), "no name comes twice");
    assert!((0..20_000).all(|n| seen.contains_key(&format!("stays:{n}"))));
}

#[test]
fn any_cursor_is_taken() {
    let mut driver = Driver::new(1);
    (0..3_000).for_each(|n| drop(driver.line(&format!("SET {n} v"))));
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..2_000 {
        let cursor = random.u64(..) >> random.u32(0..64);
        let (_, names) = scan(&mut driver, &cursor.to_string(), 5);
        assert!(names.len() < 3_000);
    }
}

#[test]
fn random_keys_are_spread_over_all_and_found_among_the_expired() {
    let mut driver = Driver::new(1);
    (0..50).for_each(|n| drop(driver.line(&format!("SET {n} v"))));
    let mut times: HashMap<String, usize> = HashMap::new();
    for _ in 0..5_000 {
        *times.entry(driver.line("RANDOMKEY")).or_default() += 1;
    }
    assert_eq!(times.len(), 50);
    assert!(times.values().all(|times| (40..250).contains(times)), "{times:?}");
    (0..3_000).for_each(|n| drop(driver.line(&format!("SET {n} v PX 5"))));
    driver.line("SET lives v");
    driver.now.mono_ms += 5;
    driver.now.wall_ms += 5;
    assert_eq!(driver.line("RANDOMKEY"), "$5\r\nlives\r\n");
    assert_eq!(driver.line("DBSIZE"), ":3001\r\n");
}

#[test]
fn a_flush_leaves_nothing_allocated() {
    let mut driver = Driver::new(1);
    for db in [0, 9] {
        driver.db = db;
        (0..5_000).for_each(|n| drop(driver.line(&format!("SET {n} v EX 100"))));
    }
    driver.line("FLUSHALL");
    let mut view = driver.engine.keyspace.lock_all();
    let left: usize = (0..SHARDS)
        .map(|index| view.shard_at(index).dbs().map(|(_, db)| db.allocated()).sum::<usize>())
        .sum();
    assert_eq!(left, 0);
}

/// What is large is not freed by the request, under its locks, but left to its caller.
#[test]
fn flushed_parts_and_large_values_are_garbage_until_after_the_unlock() {
    let registry = Registry::new(redstart_engine::commands::all());
    let engine: &'static Engine = Box::leak(Box::new(Engine::new([1, 2])));
    let mut local = WorkerState::new(Arc::new(Stats::new(registry.len())), 1);
    let mut run = |words: &[&[u8]]| {
        let (owned, mut keys) = (OwnedArgs::from_slices(words), Vec::new());
        let (args, mut reply) = (owned.as_args(), Reply::new(Protocol::Resp2));
        let found = registry.get(words[0]).expect("a command");
        let Runner::Data(run, _) = found.runner else { panic!("a data command") };
        engine.hash_keys(found, args, &mut keys).expect("the keys are found");
        let request = Prepared { command: found.command, run, args, keys: &keys, db: 0 };
        engine.run(&mut local, request, Now::new(1, 1), &mut reply);
        std::mem::take(&mut local.garbage)
    };
    let large = vec![b'x'; 2 << 20];
    assert!(run(&[b"SET", b"large", &large]).is_empty());
    assert!(matches!(run(&[b"DEL", b"large"])[..], [Garbage::Entry(_)]));
    for n in 0..5_000 {
        assert!(run(&[b"SET", n.to_string().as_bytes(), b"v"]).is_empty());
    }
    let parts = run(&[b"FLUSHALL", b"SYNC"]);
    let freed = parts.iter().map(|part| match part {
        Garbage::Db(db) => db.table().len(),
        Garbage::Entry(_) | Garbage::Rest(_) => 0,
    });
    assert_eq!(freed.sum::<usize>(), 5_000);
}

#[test]
fn short_names_are_found_by_their_words() {
    let registry = Registry::new(redstart_engine::commands::all());
    let word = |name: &str| {
        let mut bytes = [0; 8];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        registry.get_short(u64::from_le_bytes(bytes)).map(|found| found.id)
    };
    let mut found = 0;
    for registered in registry.iter().filter(|it| it.command.name.len() <= 8) {
        let is_alone = registered.container.is_none() && registered.command.subcommands.is_empty();
        let expected = is_alone.then_some(registered.id);
        for name in [registered.command.name.to_uppercase(), registered.command.name.into()] {
            let same = registry.get(name.as_bytes()).is_some_and(|it| it.id == registered.id);
            assert!(word(&name) == expected || !same, "{name}");
        }
        found += usize::from(is_alone);
    }
    assert!(found > 100, "{found}");
    for name in ["", "g", "gett", "get1", "[et"] {
        assert_eq!(word(name), None, "{name}");
    }
}
