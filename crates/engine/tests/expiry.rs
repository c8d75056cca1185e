//! Expiry as a whole, through commands, on the virtual clock: everything is gone at its deadline
//! and nothing before, and what the shards publish is never later than the truth.

use redstart_engine::driver::Driver;
use redstart_engine::hasher::{SHARDS, shard_of};
use redstart_engine::run::effect::{Effect, Listener, Sink};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

/// Keeps every effect.
#[derive(Default)]
struct Effects(Mutex<Vec<Effect>>);

impl Sink for Effects {
    fn append(&self, unit: &[Effect]) {
        self.0.lock().expect("no holder panicked").extend_from_slice(unit);
    }
}

impl Effects {
    fn take(&self) -> Vec<Effect> {
        std::mem::take(&mut self.0.lock().expect("no holder panicked"))
    }
}

type Place = (usize, Vec<u8>);

/// A driver, and what should be in it.
struct World {
    driver: Driver,
    effects: Arc<Effects>,
    random: fastrand::Rng,
    /// Deadlines on the wall clock, None for keys that live for ever.
    truth: HashMap<Place, Option<i64>>,
    queue: BTreeMap<i64, BTreeSet<Place>>,
}

impl World {
    fn new(seed: u64) -> World {
        let driver = Driver::new(seed);
        let effects = Arc::new(Effects::default());
        driver.engine.listen(Listener::Log, effects.clone());
        World {
            driver,
            effects,
            random: fastrand::Rng::with_seed(seed),
            truth: HashMap::new(),
            queue: BTreeMap::new(),
        }
    }

    fn note(&mut self, place: Place, at_ms: Option<Option<i64>>) {
        let old = match at_ms {
            Some(at_ms) => self.truth.insert(place.clone(), at_ms),
            None => self.truth.remove(&place),
        };
        if let Some(Some(old)) = old {
            let same = self.queue.get_mut(&old).expect("a volatile key is queued");
            same.remove(&place);
            if same.is_empty() {
                self.queue.remove(&old);
            }
        }
        if let Some(Some(at_ms)) = at_ms {
            self.queue.entry(at_ms).or_default().insert(place);
        }
    }

    fn call(&mut self, db: usize, args: &[&[u8]]) -> Vec<u8> {
        self.driver.db = db;
        self.driver.call(args)
    }

    fn set(&mut self, db: usize, key: &[u8], ttl_ms: i64) {
        let ttl = ttl_ms.to_string();
        assert_eq!(self.call(db, &[b"SET", key, b"v", b"PX", ttl.as_bytes()]), b"+OK\r\n");
        let at_ms = self.driver.now.wall_ms + ttl_ms;
        self.note((db, key.to_vec()), Some(Some(at_ms)));
    }

    /// Lets time pass, and holds what has gone against what should have.
    fn advance(&mut self, ms: u64) {
        self.effects.take();
        self.driver.advance(ms);
        let now_ms = self.driver.now.wall_ms;
        let mut gone = BTreeSet::new();
        for effect in self.effects.take() {
            assert_eq!((&effect.args[0][..], effect.args.len()), (&b"DEL"[..], 2));
            assert!(gone.insert((effect.db, effect.args[1].to_vec())), "gone twice");
        }
        let due: BTreeSet<Place> =
            self.queue.range(..=now_ms).flat_map(|(_, places)| places.clone()).collect();
        assert_eq!(gone.len(), due.len(), "how many went at {now_ms}");
        assert!(gone == due, "what went at {now_ms}");
        due.into_iter().for_each(|place| self.note(place, None));
    }

    /// Every shard publishes a time that is not later than its earliest deadline.
    fn check_published(&self) {
        let now = self.driver.now;
        let mut earliest = vec![u64::MAX; SHARDS];
        let hasher = self.driver.engine.keyspace.hasher();
        for ((_, key), at_ms) in &self.truth {
            if let Some(at_ms) = at_ms {
                let shard = shard_of(hasher.hash(key));
                earliest[shard] = earliest[shard].min(now.deadline(*at_ms));
            }
        }
        for (shard, earliest_ms) in earliest.into_iter().enumerate() {
            let published_ms = self.driver.engine.keyspace.next_ms(shard);
            assert!(published_ms <= earliest_ms, "shard {shard}: {published_ms}, {earliest_ms}");
        }
    }

    fn check_size(&mut self) {
        for db in 0..3 {
            let size = self.truth.keys().filter(|(of, _)| *of == db).count();
            assert_eq!(self.call(db, &[b"DBSIZE"]), format!(":{size}\r\n").into_bytes());
        }
    }

    /// What is next to go is still there, with its time to live.
    fn check_next(&mut self) {
        let Some((&at_ms, places)) = self.queue.first_key_value() else { return };
        let (db, key) = places.first().expect("no empty set is kept").clone();
        let left = at_ms - self.driver.now.wall_ms;
        assert_eq!(self.call(db, &[b"PTTL", &key]), format!(":{left}\r\n").into_bytes());
        let at = format!(":{at_ms}\r\n").into_bytes();
        assert_eq!(self.call(db, &[b"PEXPIRETIME", &key]), at);
    }

    /// One random command that moves keys or deadlines about.
    fn disturb(&mut self, keys: u32) {
        let key = |random: &mut fastrand::Rng| format!("k{}", random.u32(0..keys)).into_bytes();
        let (from, to) = (key(&mut self.random), key(&mut self.random));
        let (db, other) = (self.random.usize(0..3), self.random.usize(0..3));
        let at_ms = self.driver.now.wall_ms + self.random.i64(1..30_000);
        let (at, other_db) = (at_ms.to_string(), other.to_string());
        let place = (db, from.clone());
        let present = self.truth.get(&place).copied();
        let changes: Vec<(Place, Option<Option<i64>>)> = match self.random.u8(0..7) {
            0 => {
                self.call(db, &[b"PEXPIREAT", &from, at.as_bytes()]);
                present.map(|_| (place, Some(Some(at_ms)))).into_iter().collect()
            }
            1 => {
                self.call(db, &[b"PERSIST", &from]);
                present.map(|_| (place, Some(None))).into_iter().collect()
            }
            2 => {
                self.call(db, &[b"UNLINK", &from]);
                vec![(place, None)]
            }
            3 if from != to && present.is_some() => {
                let reply = self.call(db, &[b"RENAME", &from, &to]);
                assert_eq!(reply, b"+OK\r\n");
                vec![(place, None), ((db, to), present)]
            }
            4 if from != to && present.is_some() => {
                let args: [&[u8]; 6] =
                    [b"COPY", &from, &to, b"DB", other_db.as_bytes(), b"REPLACE"];
                assert_eq!(self.call(db, &args), b":1\r\n");
                vec![((other, to), present)]
            }
            5 if db != other && present.is_some() => {
                let taken = self.truth.contains_key(&(other, from.clone()));
                let reply = self.call(db, &[b"MOVE", &from, other_db.as_bytes()]);
                assert_eq!(reply, format!(":{}\r\n", u8::from(!taken)).into_bytes());
                let moved = vec![(place, None), ((other, from), present)];
                if taken { Vec::new() } else { moved }
            }
            _ => Vec::new(),
        };
        changes.into_iter().for_each(|(place, at_ms)| self.note(place, at_ms));
    }

    fn swap(&mut self, a: usize, b: usize) {
        let names = [a.to_string(), b.to_string()];
        let reply = self.call(0, &[b"SWAPDB", names[0].as_bytes(), names[1].as_bytes()]);
        assert_eq!(reply, b"+OK\r\n");
        let all: Vec<(Place, Option<i64>)> = self.truth.drain().collect();
        self.queue.clear();
        for ((db, key), at_ms) in all {
            let db = if db == a {
                b
            } else if db == b {
                a
            } else {
                db
            };
            self.note((db, key), Some(at_ms));
        }
    }
}

#[test]
fn of_a_hundred_thousand_keys_each_goes_at_its_time() {
    let mut world = World::new(3);
    for n in 0..100_000 {
        let ttl_ms = world.random.i64(1..20_000);
        world.set(0, format!("key:{n}").as_bytes(), ttl_ms);
    }
    world.check_published();
    while !world.queue.is_empty() {
        let ms = world.random.u64(1..120);
        world.advance(ms);
        world.check_size();
        world.check_next();
        if world.random.u8(0..8) == 0 {
            world.check_published();
        }
    }
    assert_eq!(world.driver.stats().expired_keys.value(), 100_000);
    assert!((0..SHARDS).all(|shard| world.driver.engine.keyspace.next_ms(shard) == u64::MAX));
}

#[test]
fn deadlines_follow_their_keys_through_names_and_databases() {
    for seed in 0..4 {
        let mut world = World::new(seed);
        for _ in 0..400 {
            for _ in 0..20 {
                let (db, ttl_ms) = (world.random.usize(0..3), world.random.i64(1..20_000));
                let key = format!("k{}", world.random.u32(0..3_000));
                world.set(db, key.as_bytes(), ttl_ms);
                world.disturb(3_000);
                world.disturb(3_000);
            }
            if world.random.u8(0..20) == 0 {
                let (a, b) = (world.random.usize(0..3), world.random.usize(0..3));
                world.swap(a, b);
            }
            world.check_published();
            world.check_size();
            let ms = world.random.u64(0..100);
            world.advance(ms);
            world.check_next();
        }
    }
}

#[test]
fn a_flush_takes_the_deadlines_along() {
    let mut world = World::new(5);
    for n in 0..3_000 {
        world.set(n % 3, format!("key:{n}").as_bytes(), 1_000 + n as i64);
    }
    assert_eq!(world.call(1, &[b"FLUSHDB"]), b"+OK\r\n");
    let flushed: Vec<Place> = world.truth.keys().filter(|(db, _)| *db == 1).cloned().collect();
    flushed.into_iter().for_each(|place| world.note(place, None));
    world.check_published();
    world.check_size();
    world.advance(2_000);
    assert_eq!(world.call(0, &[b"FLUSHALL"]), b"+OK\r\n");
    assert!((0..SHARDS).all(|shard| world.driver.engine.keyspace.next_ms(shard) == u64::MAX));
    world.truth.clear();
    world.queue.clear();
    world.check_size();
    world.advance(10_000);
}

/// A key whose time has come is gone for every command, before any tick.
#[test]
fn no_command_sees_a_key_after_its_deadline() {
    let mut world = World::new(6);
    let looks: [&[&[u8]]; 8] = [
        &[b"GET", b"k"],
        &[b"EXISTS", b"k"],
        &[b"PTTL", b"k"],
        &[b"KEYS", b"*"],
        &[b"KEYS", b"k"],
        &[b"SCAN", b"0"],
        &[b"RANDOMKEY"],
        &[b"PERSIST", b"k"],
    ];
    let absent: [&[u8]; 8] = [
        b"$-1\r\n",
        b":0\r\n",
        b":-2\r\n",
        b"*0\r\n",
        b"*0\r\n",
        b"*2\r\n$1\r\n0\r\n*0\r\n",
        b"$-1\r\n",
        b":0\r\n",
    ];
    for (look, absent) in looks.into_iter().zip(absent) {
        world.driver.call(&[b"FLUSHALL"]);
        world.driver.call(&[b"SET", b"k", b"v", b"PX", b"100"]);
        world.driver.now.mono_ms += 99;
        assert_ne!(world.driver.call(&[b"GET", b"k"]), b"$-1\r\n");
        world.driver.now.mono_ms += 1;
        assert_eq!(world.driver.call(look), absent, "{:?}", look[0]);
    }
}
