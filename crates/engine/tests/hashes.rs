//! The hash against std's map: packed and large, the ways between them, deadlines, and scans
//! while it grows; then through the engine, where fields expire as exactly as keys.

mod common;

use common::bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use redstart_engine::driver::Driver;
use redstart_engine::hasher::Hasher;
use redstart_engine::storage::entry::NewValue;
use redstart_engine::storage::value::hash::{Hash, Limits, Ttl};
use std::collections::{BTreeMap, HashMap, HashSet};

fn hasher() -> Hasher {
    Hasher::new([0x5eed, 0xfeed])
}

/// What a hash packs: by count, by length, hardly ever, nearly always.
const LIMITS: [(usize, usize); 4] = [(8, 64), (512, 20), (0, 0), (100_000, 10_000)];

#[derive(Clone, Debug)]
enum Step {
    Set(u16, usize, Ttl),
    SetMany(u16, u16),
    Remove(u16),
    RemoveMany(u16, u16),
    Deadline(u16, u64),
    Pass(u64, usize),
    Clone,
}

fn step() -> impl Strategy<Value = Step> {
    let field = || prop_oneof![4 => 0..12u16, 1 => 0..2000u16];
    let len = prop_oneof![
        6 => 0..24usize,
        2 => prop_oneof![Just(64usize), Just(65), Just(255), Just(256)],
        1 => 4000..5000usize,
    ];
    let ttl = prop_oneof![Just(Ttl::Clear), Just(Ttl::Keep)];
    prop_oneof![
        12 => (field(), len, ttl).prop_map(|(field, len, ttl)| Step::Set(field, len, ttl)),
        1 => (0..2000u16, 1..600u16).prop_map(|(from, count)| Step::SetMany(from, count)),
        6 => field().prop_map(Step::Remove),
        1 => (0..2000u16, 1..900u16).prop_map(|(from, count)| Step::RemoveMany(from, count)),
        8 => (field(), prop_oneof![Just(0u64), 1..50u64]).prop_map(|(f, ms)| Step::Deadline(f, ms)),
        3 => (0..30u64, prop_oneof![Just(1usize), Just(usize::MAX)])
            .prop_map(|(ms, limit)| Step::Pass(ms, limit)),
        1 => Just(Step::Clone),
    ]
}

fn name(field: u16) -> Vec<u8> {
    // Short names, and some that are long for a packed hash.
    match field % 7 {
        0 => format!("a-field-with-a-name-of-some-length-{field}").into_bytes(),
        _ => format!("f{field}").into_bytes(),
    }
}

/// The hash and what it should be.
struct Pair {
    hash: Hash,
    model: BTreeMap<Vec<u8>, (Vec<u8>, u64)>,
    hasher: Hasher,
    limits: (usize, usize),
    now_ms: u64,
}

impl Pair {
    fn set(&mut self, field: u16, len: usize, ttl: Ttl) {
        let (name, value) = (name(field), vec![b'a' + (field % 26) as u8; len]);
        let (fields, bytes) = self.limits;
        let limits = Limits { fields, bytes, hasher: &self.hasher };
        let is_new = self.hash.set(&name, NewValue::Str(&value), ttl, limits);
        let old = self.model.get(&name).map(|(_, deadline_ms)| *deadline_ms);
        assert_eq!(is_new, old.is_none());
        let deadline_ms = if ttl == Ttl::Keep { old.unwrap_or(0) } else { 0 };
        self.model.insert(name, (value, deadline_ms));
    }

    fn remove(&mut self, field: u16) {
        let name = name(field);
        assert_eq!(self.hash.remove(&name, &self.hasher), self.model.remove(&name).is_some());
    }

    fn pass(&mut self, ms: u64, limit: usize) {
        self.now_ms += ms;
        let now_ms = self.now_ms;
        loop {
            let mut gone = 0;
            self.hash.expire(now_ms, limit, &self.hasher, |field| {
                let (_, deadline_ms) = self.model.remove(field).expect("it was there");
                assert!((1..=now_ms).contains(&deadline_ms));
                gone += 1;
            });
            assert!(gone <= limit);
            if gone < limit || gone == 0 {
                break;
            }
        }
        let next_ms = self.hash.next_deadline_ms();
        assert!(next_ms == 0 || next_ms > now_ms);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Set(field, len, ttl) => self.set(field, len, ttl),
            Step::SetMany(from, count) => {
                (from..from + count).for_each(|field| self.set(field, 3, Ttl::Keep));
            }
            Step::Remove(field) => self.remove(field),
            Step::RemoveMany(from, count) => {
                (from..from + count).for_each(|field| self.remove(field));
            }
            Step::Deadline(field, ms) => {
                let name = name(field);
                let deadline_ms = if ms == 0 { 0 } else { self.now_ms + ms };
                let found = self.hash.set_deadline(&name, deadline_ms, &self.hasher);
                let entry = self.model.get_mut(&name);
                assert_eq!(found, entry.is_some());
                entry.into_iter().for_each(|entry| entry.1 = deadline_ms);
            }
            Step::Pass(ms, limit) => self.pass(ms, limit),
            Step::Clone => self.hash = self.hash.clone(),
        }
    }

    fn check(&self) {
        let (hash, model) = (&self.hash, &self.model);
        assert_eq!((hash.len(), hash.is_empty()), (model.len(), model.is_empty()));
        let held: BTreeMap<_, _> = hash
            .iter_timed()
            .map(|(field, value, deadline_ms)| (field.to_vec(), (value.to_vec(), deadline_ms)))
            .collect();
        assert_eq!(&held, model);
        let earliest = model.values().map(|entry| entry.1).filter(|ms| *ms != 0).min();
        match earliest {
            Some(earliest) => assert!((1..=earliest).contains(&hash.next_deadline_ms())),
            None if hash.encoding() != "hashtable" => assert_eq!(hash.next_deadline_ms(), 0),
            None => {}
        }
        let texts: usize = model.iter().map(|(field, (value, _))| field.len() + value.len()).sum();
        assert!(hash.allocated() >= texts, "{hash:?} takes {}", hash.allocated());
        for field in 0..20 {
            let name = name(field);
            let value = hash.get(&name, &self.hasher).map(|value| value.to_vec());
            let modelled = model.get(&name);
            assert_eq!(value.as_ref(), modelled.map(|entry| &entry.0));
            assert_eq!(hash.deadline_ms(&name, &self.hasher), modelled.map(|entry| entry.1));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_hash_is_a_map(limits in 0..LIMITS.len(), steps in vec(step(), 1..120)) {
        let limits = LIMITS[limits];
        let mut pair = Pair {
            hash: Hash::default(),
            model: BTreeMap::new(),
            hasher: hasher(),
            limits,
            now_ms: 1000,
        };
        for step in &steps {
            pair.step(step);
            pair.check();
        }
    }

    #[test]
    fn a_scan_meets_all_that_stays_and_nothing_twice(
        start in 513..3000u32,
        growth in 0..400u32,
        shrinking in 0..3u32,
        count in 1..200u64,
    ) {
        let hasher = hasher();
        let limits = Limits { fields: 512, bytes: 64, hasher: &hasher };
        let mut hash = Hash::default();
        let field = |n: u32| format!("f{n}").into_bytes();
        for n in 0..start {
            hash.set(&field(n), NewValue::Str(b"v"), Ttl::Clear, limits);
        }
        let (mut seen, mut cursor, mut next) = (HashMap::new(), 0, start);
        let mut gone = HashSet::new();
        loop {
            cursor = hash.scan(cursor, count, &hasher, |field, _| {
                *seen.entry(field.to_vec()).or_insert(0) += 1;
            });
            if cursor == 0 {
                break;
            }
            for _ in 0..if next < 20_000 { growth } else { 0 } {
                hash.set(&field(next), NewValue::Str(b"v"), Ttl::Clear, limits);
                next += 1;
            }
            for n in 0..shrinking {
                let victim = (next * 7 + n * 13) % start;
                hash.remove(&field(victim), &hasher);
                gone.insert(victim);
            }
        }
        for n in (0..start).filter(|n| !gone.contains(n)) {
            prop_assert_eq!(seen.get(&field(n)), Some(&1));
        }
    }

    #[test]
    fn draws_are_of_the_hash_and_distinct_ones_differ(
        len in 1..2000usize,
        packed in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let hasher = hasher();
        let fields = if packed { usize::MAX } else { 0 };
        let limits = Limits { fields, bytes: 64, hasher: &hasher };
        let mut hash = Hash::default();
        for n in 0..len {
            hash.set(n.to_string().as_bytes(), NewValue::Str(b"v"), Ttl::Clear, limits);
        }
        let mut random = fastrand::Rng::with_seed(seed);
        let count = random.usize(0..len);
        let mut drawn = HashSet::new();
        hash.draw_distinct(count, &mut random, |field, _| {
            assert!(drawn.insert(field.to_vec()));
        });
        prop_assert_eq!(drawn.len(), count);
        let mut times = 0;
        hash.draw(50, &mut random, |_, _| {
            times += 1;
            true
        });
        prop_assert_eq!(times, 50);
    }
}

#[test]
fn a_large_hash_is_drawn_from_evenly() {
    let hasher = hasher();
    let limits = Limits { fields: 0, bytes: 64, hasher: &hasher };
    let mut hash = Hash::default();
    for n in 0..600 {
        hash.set(n.to_string().as_bytes(), NewValue::Str(b"v"), Ttl::Clear, limits);
    }
    let (mut counts, mut random) = (HashMap::new(), fastrand::Rng::with_seed(7));
    hash.draw(60_000, &mut random, |field, _| {
        *counts.entry(field.to_vec()).or_insert(0) += 1;
        true
    });
    assert_eq!(counts.len(), 600);
    assert!(counts.values().all(|count| (50..170).contains(count)), "{counts:?}");
}

#[test]
fn encodings_change_where_redis_changes_them() {
    let mut driver = Driver::new(1);
    let encoding = |driver: &mut Driver| driver.line("OBJECT ENCODING h");
    for n in 0..512 {
        driver.line(&format!("HSET h f{n} v"));
    }
    assert_eq!(encoding(&mut driver), "$8\r\nlistpack\r\n");
    driver.line("HSET h f0 w");
    assert_eq!(encoding(&mut driver), "$8\r\nlistpack\r\n");
    driver.line("HSET h f512 v");
    assert_eq!(encoding(&mut driver), "$9\r\nhashtable\r\n");
    driver.line("DEL h");
    driver.line(&format!("HSET h f {}", "v".repeat(64)));
    assert_eq!(encoding(&mut driver), "$8\r\nlistpack\r\n");
    driver.line("HEXPIRE h 100 FIELDS 1 f");
    assert_eq!(encoding(&mut driver), "$10\r\nlistpackex\r\n");
    driver.line(&format!("HSET h f {}", "v".repeat(65)));
    assert_eq!(encoding(&mut driver), "$9\r\nhashtable\r\n");
}

#[test]
fn bytes_are_counted_through_every_form() {
    let (mut driver, mut random) = (Driver::new(5), fastrand::Rng::with_seed(5));
    for n in 0..6000 {
        let (key, field) = (random.u8(..4), random.u16(..700));
        let value = "v".repeat(random.usize(..90));
        match random.u8(..12) {
            0 => driver.line(&format!("HDEL k{key} f{field}")),
            1 => driver.line(&format!("HPEXPIRE k{key} {} FIELDS 1 f{field}", random.u16(1..99))),
            2 => driver.line(&format!("HPERSIST k{key} FIELDS 1 f{field}")),
            3 => driver.line(&format!("COPY k{key} k{} REPLACE", random.u8(..4))),
            4 => driver.line(&format!("RENAME k{key} k{}", random.u8(..4))),
            5 if n % 50 == 0 => driver.line(&format!("DEL k{key}")),
            6 => {
                driver.advance(random.u64(..20));
                String::new()
            }
            _ => driver.line(&format!("HSET k{key} f{field} x{value}")),
        };
        if n % 20 == 0 {
            let (summed, counted) = bytes(&driver);
            assert_eq!(summed, counted);
        }
    }
    driver.line("DEL k0 k1 k2 k3");
    assert_eq!(bytes(&driver), (0, 0));
}

#[test]
fn an_expired_field_is_never_seen() {
    for fields in [3, 600] {
        let mut driver = Driver::new(2);
        for n in 0..fields {
            driver.line(&format!("HSET h f{n} v"));
        }
        driver.line("HPEXPIRE h 100 FIELDS 2 f0 f1");
        driver.line("HPEXPIRE h 200 FIELDS 1 f2");
        driver.now.mono_ms += 99;
        assert_eq!(driver.line("HLEN h"), format!(":{fields}\r\n"));
        // No tick has run: the access is what finds them.
        driver.now.mono_ms += 1;
        assert_eq!(driver.line("HLEN h"), format!(":{}\r\n", fields - 2));
        assert_eq!(driver.line("HGET h f0"), "$-1\r\n");
        assert_eq!(driver.line("HMGET h f0 f2"), "*2\r\n$-1\r\n$1\r\nv\r\n");
        assert_eq!(driver.line("HSETNX h f1 w"), ":1\r\n");
    }
}

#[test]
fn the_tick_removes_fields_and_the_key_with_the_last() {
    let mut driver = Driver::new(2);
    driver.line("HSET h a 1 b 2");
    driver.line("HSET other a 1");
    driver.line("HPEXPIRE h 100 FIELDS 1 a");
    driver.line("HPEXPIRE h 150 FIELDS 1 b");
    driver.line("PEXPIRE other 120");
    driver.advance(100);
    // Looked at without an access: the tick has done it.
    assert_eq!(driver.line("DBSIZE"), ":2\r\n");
    assert_eq!(driver.stats().expired_keys.value(), 0);
    driver.advance(25);
    assert_eq!(driver.line("DBSIZE"), ":1\r\n");
    driver.advance(25);
    assert_eq!(driver.line("DBSIZE"), ":0\r\n");
    // A hash that goes with its last field counts as fields.
    assert_eq!(driver.stats().expired_keys.value(), 1);
    assert_eq!(driver.stats().expired_subkeys.value(), 2);
}

#[test]
fn deadlines_of_fields_go_where_their_hash_goes() {
    let mut driver = Driver::new(2);
    driver.line("HSET h a 1 b 2");
    driver.line("HPEXPIRE h 100 FIELDS 1 a");
    driver.line("RENAME h g");
    driver.line("COPY g copy");
    driver.line("MOVE copy 1");
    assert_eq!(driver.line("HPTTL g FIELDS 2 a b"), "*2\r\n:100\r\n:-1\r\n");
    driver.advance(100);
    assert_eq!(driver.line("HKEYS g"), "*1\r\n$1\r\nb\r\n");
    driver.db = 1;
    assert_eq!(driver.line("HKEYS copy"), "*1\r\n$1\r\nb\r\n");
}

#[test]
fn many_fields_expire_within_one_lock_in_parts() {
    let mut driver = Driver::new(2);
    for n in 0..5000 {
        driver.line(&format!("HSET h f{n} v"));
        driver.line(&format!("HPEXPIRE h {} FIELDS 1 f{n}", 1 + n % 100));
    }
    driver.line("HSET h stays v");
    driver.advance(50);
    assert_eq!(driver.line("HLEN h"), ":2501\r\n");
    driver.advance(50);
    assert_eq!(driver.line("HLEN h"), ":1\r\n");
}
