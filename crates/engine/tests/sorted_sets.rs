//! The sorted set against a vector in order: packed and large, the way between them, and scans
//! while it changes; then through the engine: draws, and what is counted of its bytes.

mod common;

use common::bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use redstart_engine::driver::Driver;
use redstart_engine::hasher::Hasher;
use redstart_engine::storage::value::sorted_set::{Limits, SortedSet, order};
use std::collections::{HashMap, HashSet};

/// What a sorted set packs: by count, by length, hardly ever, nearly always.
const LIMITS: [(usize, usize); 4] = [(8, 64), (128, 20), (0, 0), (100_000, 10_000)];

#[derive(Clone, Debug)]
enum Step {
    Set(u16, i8),
    SetMany(u16, u16),
    Raise(u16, i8),
    Remove(u16),
    RemoveRange(u16, u16),
    Clone,
}

fn step() -> impl Strategy<Value = Step> {
    let member = || prop_oneof![4 => 0..12u16, 1 => 0..2000u16];
    prop_oneof![
        12 => (member(), any::<i8>()).prop_map(|(member, score)| Step::Set(member, score)),
        2 => (0..2000u16, 1..300u16).prop_map(|(from, count)| Step::SetMany(from, count)),
        6 => (member(), any::<i8>()).prop_map(|(member, by)| Step::Raise(member, by)),
        6 => member().prop_map(Step::Remove),
        2 => (0..900u16, 0..300u16).prop_map(|(from, count)| Step::RemoveRange(from, count)),
        1 => Just(Step::Clone),
    ]
}

fn name(member: u16) -> Vec<u8> {
    // Short names, and some that are long for a packed set.
    match member % 7 {
        0 => format!("a-member-with-a-name-of-some-length-{member}").into_bytes(),
        _ => format!("m{member}").into_bytes(),
    }
}

/// The sorted set and what it should be.
struct Pair {
    set: SortedSet,
    model: Vec<(f64, Vec<u8>)>,
    hasher: Hasher,
    limits: (usize, usize),
}

impl Pair {
    fn limits(&self) -> Limits<'_> {
        Limits { members: self.limits.0, bytes: self.limits.1, hasher: &self.hasher }
    }

    fn forget(&mut self, name: &[u8]) -> Option<f64> {
        let at = self.model.iter().position(|(_, own)| own == name)?;
        Some(self.model.remove(at).0)
    }

    fn keep(&mut self, name: Vec<u8>, score: f64) {
        let is_before = |own: &(f64, Vec<u8>)| order((own.0, &own.1), (score, &name)).is_lt();
        let at = self.model.partition_point(is_before);
        self.model.insert(at, (score, name));
    }

    fn set(&mut self, member: u16, score: f64) {
        let name = name(member);
        let old = self.forget(&name);
        let mut set = std::mem::take(&mut self.set);
        assert_eq!(set.set(&name, score, self.limits()), old);
        self.set = set;
        self.keep(name, score);
    }

    /// Adds to the score of a member that is there.
    fn raise(&mut self, member: u16, by: f64) {
        let name = name(member);
        let old = self.forget(&name);
        let mut set = std::mem::take(&mut self.set);
        let seen = set.update(&name, self.limits(), |old| old.map(|old| old + by));
        assert_eq!(seen, old);
        self.set = set;
        if let Some(old) = old {
            self.keep(name, old + by);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Set(member, score) => self.set(member, f64::from(score) / 4.0),
            Step::SetMany(from, count) => {
                (from..from + count).for_each(|member| self.set(member, f64::from(member % 50)));
            }
            Step::Raise(member, by) => self.raise(member, f64::from(by)),
            Step::Remove(member) => {
                let name = name(member);
                let old = self.forget(&name);
                assert_eq!(self.set.remove(&name, &self.hasher), old);
            }
            Step::RemoveRange(from, count) => {
                let from = (from as usize).min(self.model.len());
                let to = (from + count as usize).min(self.model.len());
                self.model.drain(from..to);
                self.set.remove_range(from..to, &self.hasher);
            }
            Step::Clone => self.set = self.set.clone(),
        }
    }

    fn check(&self) {
        let (set, model, hasher) = (&self.set, &self.model, &self.hasher);
        assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
        let pair = |(text, score): (&[u8], f64)| (score, text.to_vec());
        assert!(set.iter(0).map(pair).eq(model.iter().cloned()));
        let middle = model.len() / 2;
        assert!(set.iter(middle).map(pair).eq(model[middle..].iter().cloned()));
        if !model.is_empty() {
            let back = set.iter_back(middle).map(pair);
            assert!(back.eq(model[..=middle].iter().rev().cloned()));
        }
        for (rank, (score, name)) in model.iter().enumerate().step_by(7) {
            assert_eq!(set.rank(name, hasher), Some((rank, *score)));
            assert_eq!(set.score(name, hasher), Some(*score));
            let below = model.iter().filter(|(own, _)| own < score).count();
            assert_eq!(set.count_scores(|own| own < *score), below);
        }
        assert_eq!(set.score(b"absent", hasher), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_sorted_set_is_a_vector_in_order(limits in 0..LIMITS.len(), steps in vec(step(), 1..80)) {
        let limits = LIMITS[limits];
        let hasher = Hasher::new([3, 4]);
        let mut pair = Pair { set: SortedSet::default(), model: Vec::new(), hasher, limits };
        for step in &steps {
            pair.step(step);
            pair.check();
        }
    }

    #[test]
    fn a_scan_meets_all_that_stays_and_nothing_twice(
        start in 1..3000u32,
        growth in 0..400u32,
        changes in 0..20u32,
        shrinking in 0..40u32,
        count in 1..200u32,
    ) {
        let mut driver = Driver::new(u64::from(start));
        let zadd = |driver: &mut Driver, score: u32, n: u32| {
            driver.line(&format!("ZADD z {score} m{n}"));
        };
        (0..start).for_each(|n| zadd(&mut driver, n % 10, n));
        let (mut seen, mut cursor, mut next) = (HashMap::new(), "0".to_string(), start);
        let mut gone = HashSet::new();
        loop {
            let reply = driver.line(&format!("ZSCAN z {cursor} COUNT {count}"));
            let mut words = reply.split("\r\n").skip(2);
            cursor = words.next().expect("there is a cursor").to_string();
            // The head of the array; then members and scores, each behind its length.
            for member in words.skip(2).step_by(4) {
                if !member.is_empty() {
                    *seen.entry(member.to_string()).or_insert(0) += 1;
                }
            }
            if cursor == "0" {
                break;
            }
            for _ in 0..if next < 20_000 { growth } else { 0 } {
                zadd(&mut driver, next % 10, next);
                next += 1;
            }
            (0..changes).for_each(|n| zadd(&mut driver, next + n, (next * 11 + n * 17) % start));
            for n in 0..shrinking {
                let victim = (next * 7 + n * 13) % start;
                driver.line(&format!("ZREM z m{victim}"));
                gone.insert(victim);
            }
            // What was removed may be back by a change, but was not there throughout.
        }
        for n in (0..start).filter(|n| !gone.contains(n)) {
            prop_assert_eq!(seen.get(&format!("m{n}")), Some(&1), "m{}", n);
        }
    }
}

/// How far counts are from being equal, in squares: of 100 of them hardly ever more than 170.
fn unevenness(counts: &HashMap<String, u32>, members: u32) -> f64 {
    let total: u32 = counts.values().sum();
    let expected = f64::from(total) / f64::from(members);
    let square = |count: u32| (f64::from(count) - expected).powi(2) / expected;
    let missing = members - counts.len() as u32;
    counts.values().map(|count| square(*count)).sum::<f64>() + f64::from(missing) * expected
}

#[test]
fn members_are_drawn_evenly_from_either_form() {
    for (limit, count) in [("0", -50), ("0", 10), ("0", 60), ("128", -50), ("128", 10), ("128", 60)]
    {
        let mut driver = Driver::new(9);
        let members: usize = limit.parse().expect("a number");
        driver.engine.options.set_sorted_set_packed_members_max(members);
        for n in 0..100 {
            driver.line(&format!("ZADD z {} m{n}", n % 7));
        }
        let mut counts = HashMap::new();
        for _ in 0..4000 {
            let reply = driver.line(&format!("ZRANDMEMBER z {count}"));
            let drawn: Vec<_> = reply.split("\r\n").filter(|word| word.starts_with('m')).collect();
            let distinct: HashSet<_> = drawn.iter().collect();
            assert!(count < 0 || distinct.len() == drawn.len());
            assert_eq!(drawn.len(), i32::unsigned_abs(count) as usize);
            drawn.iter().for_each(|member| *counts.entry(member.to_string()).or_insert(0) += 1);
        }
        let unevenness = unevenness(&counts, 100);
        assert!(unevenness < 170.0, "{limit} {count}: {unevenness}");
    }
}

#[test]
fn bytes_are_counted_through_every_form() {
    let (mut driver, mut random) = (Driver::new(5), fastrand::Rng::with_seed(5));
    for n in 0..6000 {
        let (key, member) = (random.u8(..4), random.u16(..400));
        let score = random.i16(..);
        match random.u8(..14) {
            0 => driver.line(&format!("ZREM k{key} m{member}")),
            1 => driver.line(&format!("ZPOPMIN k{key} 3")),
            2 => driver.line(&format!("ZMPOP 2 k{key} k0 MAX COUNT 2")),
            3 => driver.line(&format!("COPY k{key} k{} REPLACE", random.u8(..4))),
            4 => driver.line(&format!("RENAME k{key} k{}", random.u8(..4))),
            5 if n % 50 == 0 => driver.line(&format!("ZREMRANGEBYSCORE k{key} -inf {score}")),
            6 => driver.line(&format!("ZINCRBY k{key} 0.5 m{member}")),
            7 if n % 9 == 0 => {
                driver.line(&format!("ZADD k{key} 1 {}", "x".repeat(member as usize)))
            }
            _ => driver.line(&format!("ZADD k{key} {score} m{member}")),
        };
        if n % 20 == 0 {
            let (summed, counted) = bytes(&driver);
            assert_eq!(summed, counted);
        }
    }
    driver.line("DEL k0 k1 k2 k3");
    assert_eq!(bytes(&driver), (0, 0));
}
