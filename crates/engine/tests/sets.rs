//! The set against std's: in each of its forms, on the ways between them, with deadlines, and
//! scanned while it changes; drawn from evenly in each form; then through the engine, where short
//! sets lie in their entries and members expire as exactly as keys.

mod common;

use common::bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use redstart_engine::driver::Driver;
use redstart_engine::hasher::Hasher;
use redstart_engine::storage::value::set::{Limits, Set};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

fn hasher() -> Hasher {
    Hasher::new([0x5eed, 0xfeed])
}

/// Up to what a set is not large: integers, members, bytes.
const LIMITS: [[usize; 3]; 5] =
    [[512, 128, 64], [8, 12, 20], [0, 0, 0], [40, 4, 64], [100_000, 100_000, 10_000]];

fn limits(of: [usize; 3], hasher: &Hasher) -> Limits<'_> {
    Limits { integers: of[0], members: of[1], bytes: of[2], hasher }
}

#[derive(Clone, Debug)]
enum Step {
    Add(u16),
    AddMany(u16, u16),
    Fit(usize),
    Remove(u16),
    RemoveMany(u16, u16),
    Pop(u8),
    Deadline(u16, u64),
    Pass(u64, usize),
    Freeze,
    Clone,
}

fn step() -> impl Strategy<Value = Step> {
    let member = || prop_oneof![4 => 0..30u16, 1 => 0..3000u16];
    prop_oneof![
        12 => member().prop_map(Step::Add),
        1 => (0..3000u16, 1..900u16).prop_map(|(from, count)| Step::AddMany(from, count)),
        1 => (0..200usize).prop_map(Step::Fit),
        6 => member().prop_map(Step::Remove),
        1 => (0..3000u16, 1..900u16).prop_map(|(from, count)| Step::RemoveMany(from, count)),
        2 => (1..20u8).prop_map(Step::Pop),
        4 => (member(), prop_oneof![Just(0u64), 1..50u64])
            .prop_map(|(member, ms)| Step::Deadline(member, ms)),
        2 => (0..30u64, prop_oneof![Just(1usize), Just(usize::MAX)])
            .prop_map(|(ms, limit)| Step::Pass(ms, limit)),
        1 => Just(Step::Freeze),
        1 => Just(Step::Clone),
    ]
}

/// Integers of every width, the lowest one that there is among them, and other texts.
fn name(member: u16, texts: bool) -> Vec<u8> {
    let n = i64::from(member);
    match member % 8 {
        0 if texts => format!("a-member-of-some-length-{member}").into_bytes(),
        1 if texts => format!("m{member}").into_bytes(),
        2 => (i64::MIN + n - 2).to_string().into_bytes(),
        3 => (n * 100_000_007).to_string().into_bytes(),
        4 => (-n * 40_000_000_000_000).to_string().into_bytes(),
        _ => n.to_string().into_bytes(),
    }
}

/// The set and what it should be: members with their deadlines.
struct Pair {
    set: Set,
    model: BTreeMap<Vec<u8>, u64>,
    frozen: Option<(Set, BTreeMap<Vec<u8>, u64>)>,
    hasher: Hasher,
    limits: [usize; 3],
    texts: bool,
    random: fastrand::Rng,
    now_ms: u64,
}

fn contents(set: &Set) -> BTreeMap<Vec<u8>, u64> {
    let mut held = BTreeMap::new();
    let _ = set.view().walk_timed(|member, deadline_ms| {
        assert!(held.insert(member.to_vec(), deadline_ms).is_none());
        ControlFlow::<()>::Continue(())
    });
    held
}

impl Pair {
    fn add(&mut self, member: u16) {
        let name = name(member, self.texts);
        let is_new = self.set.add(&name, limits(self.limits, &self.hasher));
        assert_eq!(is_new, !self.model.contains_key(&name));
        self.model.entry(name).or_insert(0);
    }

    fn remove(&mut self, member: u16) {
        let name = name(member, self.texts);
        assert_eq!(self.set.remove(&name, &self.hasher), self.model.remove(&name).is_some());
    }

    fn pass(&mut self, ms: u64, limit: usize) {
        self.now_ms += ms;
        let now_ms = self.now_ms;
        loop {
            let mut gone = 0;
            self.set.expire(now_ms, limit, &self.hasher, |member| {
                let deadline_ms = self.model.remove(member).expect("it was there");
                assert!((1..=now_ms).contains(&deadline_ms));
                gone += 1;
            });
            assert!(gone <= limit);
            if gone < limit || gone == 0 {
                break;
            }
        }
        assert!(self.model.values().all(|ms| *ms == 0 || *ms > now_ms));
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Add(member) => self.add(member),
            Step::AddMany(from, count) => (from..from + count).for_each(|it| self.add(it)),
            Step::Fit(count) => self.set.fit(count, limits(self.limits, &self.hasher)),
            Step::Remove(member) => self.remove(member),
            Step::RemoveMany(from, count) => (from..from + count).for_each(|it| self.remove(it)),
            Step::Pop(count) => {
                for _ in 0..count {
                    let mut popped = None;
                    let some = self.set.pop(&mut self.random, &self.hasher, |member| {
                        popped = Some(member.to_vec());
                    });
                    assert_eq!(some, !self.model.is_empty());
                    assert_eq!(some, popped.is_some_and(|it| self.model.remove(&it).is_some()));
                }
            }
            Step::Deadline(member, ms) => {
                let name = name(member, self.texts);
                let deadline_ms = if ms == 0 { 0 } else { self.now_ms + ms };
                let limits = limits(self.limits, &self.hasher);
                let found = self.set.set_deadline(&name, deadline_ms, limits);
                let entry = self.model.get_mut(&name);
                assert_eq!(found, entry.is_some());
                entry.into_iter().for_each(|entry| *entry = deadline_ms);
            }
            Step::Pass(ms, limit) => self.pass(ms, limit),
            Step::Freeze => self.frozen = Some((self.set.freeze(), self.model.clone())),
            Step::Clone => self.set = self.set.clone(),
        }
    }

    fn check(&self) {
        let (set, model) = (&self.set, &self.model);
        assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
        assert_eq!(&contents(set), model);
        set.check(&self.hasher);
        if let Some((frozen, model)) = &self.frozen {
            assert_eq!(&contents(frozen), model);
        }
        let view = set.view();
        if let Some(earliest) = model.values().copied().filter(|ms| *ms != 0).min() {
            assert!((1..=earliest).contains(&set.next_deadline_ms()));
        }
        for member in 0..40 {
            let name = name(member, self.texts);
            assert_eq!(view.contains(&name, &self.hasher), model.contains_key(&name));
            assert_eq!(view.deadline_ms(&name, &self.hasher), model.get(&name).copied());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_set_is_a_set(
        limits in 0..LIMITS.len(),
        texts in any::<bool>(),
        packed in any::<bool>(),
        steps in vec(step(), 1..120),
    ) {
        let mut pair = Pair {
            set: if packed { Set::packed() } else { Set::default() },
            model: BTreeMap::new(),
            frozen: None,
            hasher: hasher(),
            limits: LIMITS[limits],
            texts,
            random: fastrand::Rng::with_seed(7),
            now_ms: 1000,
        };
        for step in &steps {
            pair.step(step);
            pair.check();
        }
    }

    #[test]
    fn a_scan_meets_all_that_stays_and_nothing_twice(
        start in 129..3000u32,
        integers in 0..=4u32,
        growth in 0..400u32,
        turns in 0..40u32,
        losses in prop_oneof![Just(0u32), 1..600u32],
        count in 1..200u64,
    ) {
        let hasher = hasher();
        let limits = limits(LIMITS[0], &hasher);
        // Of each four members so many are integers.
        let member = |n: u32| {
            if n % 4 < integers { n.to_string() } else { format!("m{n}") }.into_bytes()
        };
        let mut set = Set::default();
        set.enlarge(&hasher);
        (0..start).for_each(|n| assert!(set.add(&member(n), limits)));
        let (mut seen, mut cursor, mut next) = (HashMap::new(), 0, start);
        let mut gone = HashSet::new();
        loop {
            cursor = set.view().scan(cursor, count, &hasher, |member| {
                *seen.entry(member.to_vec()).or_insert(0) += 1;
            });
            if cursor == 0 {
                break;
            }
            for _ in 0..if next < 20_000 { growth } else { 0 } {
                set.add(&member(next), limits);
                next += 1;
            }
            // What expires goes from one table to the other, and back.
            for n in 0..turns {
                let turned = (next * 11 + n * 17) % start;
                let deadline_ms = u64::from((n + next) % 2) * 1_000_000;
                set.set_deadline(&member(turned), deadline_ms, limits);
                if n % 8 == 0 {
                    set.remove(&member(turned), &hasher);
                    gone.insert(turned);
                }
            }
            // Segments that are nearly empty become one.
            for n in 0..losses {
                let lost = (next * 7 + gone.len() as u32 + n) % start;
                if !lost.is_multiple_of(16) {
                    set.remove(&member(lost), &hasher);
                    gone.insert(lost);
                }
            }
        }
        for n in (0..start).filter(|n| !gone.contains(n)) {
            prop_assert_eq!(seen.get(&member(n)), Some(&1), "{}", n);
        }
    }

    #[test]
    fn distinct_draws_are_of_the_set_and_differ(
        len in 1..2000u32,
        form in 0..LIMITS.len(),
        seed in any::<u64>(),
    ) {
        let hasher = hasher();
        let mut set = Set::default();
        for n in 0..len {
            set.add(&name(n as u16, true), limits(LIMITS[form], &hasher));
        }
        let mut random = fastrand::Rng::with_seed(seed);
        let count = random.usize(0..set.len());
        let mut drawn = HashSet::new();
        set.view().draw_distinct(count, &mut random, |member| {
            assert!(drawn.insert(member.to_vec()));
            assert!(set.view().has(member, &hasher));
        });
        prop_assert_eq!(drawn.len(), count);
    }
}

/// Whether counts are as if each of them were as likely as the others: chi squared, which lies
/// five standard deviations above its mean once in some million times.
fn are_even(counts: &HashMap<Vec<u8>, u64>, len: usize) -> bool {
    let draws: u64 = counts.values().sum();
    let mean = draws as f64 / len as f64;
    let of = |count: u64| (count as f64 - mean).powi(2) / mean;
    let missing = len - counts.len();
    let chi = counts.values().map(|count| of(*count)).sum::<f64>() + missing as f64 * of(0);
    let freedom = len as f64 - 1.0;
    chi < freedom + 5.0 * (2.0 * freedom).sqrt()
}

/// A set of each form, and how many members it has.
fn of_each_form(hasher: &Hasher) -> Vec<(&'static str, Set)> {
    let fill = |names: &mut dyn Iterator<Item = String>| {
        let mut set = Set::default();
        names.for_each(|name| {
            set.add(name.as_bytes(), limits(LIMITS[0], hasher));
        });
        set
    };
    let mut timed = fill(&mut (0..100).map(|n| format!("m{n}")));
    timed.set_deadline(b"m7", 99, limits(LIMITS[0], hasher));
    let mut thinned = fill(&mut (0..3000).map(|n| format!("{}{n}", ["", "m"][n % 2])));
    (0..2400).for_each(|n| {
        thinned.remove(format!("{}{n}", ["", "m"][n % 2]).as_bytes(), hasher);
    });
    vec![
        ("intset", fill(&mut (0..500).map(|n| (n * 1000).to_string()))),
        ("listpack", fill(&mut (0..100).map(|n| format!("m{n}")))),
        ("listpackex", timed),
        ("hashtable", fill(&mut (0..700).map(|n| n.to_string()))),
        ("hashtable", fill(&mut (0..700).map(|n| format!("m{n}")))),
        ("hashtable", thinned),
    ]
}

#[test]
fn draws_are_even_in_every_form() {
    let (hasher, mut random) = (hasher(), fastrand::Rng::with_seed(11));
    for (encoding, set) in of_each_form(&hasher) {
        let (view, mut counts) = (set.view(), HashMap::new());
        assert_eq!(view.encoding(), encoding);
        for _ in 0..1_000_000 {
            let member = view.draw(&mut random).expect("it is not empty");
            member.with(|text| match counts.get_mut(text) {
                Some(count) => *count += 1,
                None => drop(counts.insert(text.to_vec(), 1)),
            });
        }
        assert!(are_even(&counts, set.len()), "{set:?}");
    }
}

/// What has lost nearly all of its members has given their memory back, and every draw takes one of
/// those that are left, each as likely as another.
#[test]
fn a_set_that_has_become_small_is_drawn_from_evenly() {
    let (hasher, mut random) = (hasher(), fastrand::Rng::with_seed(13));
    for (texts, left) in [(0, 300), (1, 300), (2, 300), (0, 3), (1, 1), (2, 40)] {
        let name = |n: u32| if n % 2 < texts { format!("m{n}") } else { n.to_string() };
        let mut set = Set::default();
        for n in 0..100_000 {
            set.add(name(n).as_bytes(), limits(LIMITS[0], &hasher));
        }
        let full = set.view().allocated();
        for n in left..100_000 {
            assert!(set.remove(name(n).as_bytes(), &hasher));
        }
        set.check(&hasher);
        let now = set.view().allocated();
        assert!(now < full / 20, "{now} of {full} bytes for {left}");
        let mut counts = HashMap::new();
        for _ in 0..left * 1000 {
            let member = set.view().draw(&mut random).expect("it is not empty");
            *counts.entry(member.to_vec()).or_insert(0) += 1;
        }
        assert!(left == 1 || are_even(&counts, set.len()), "{left} of {texts}");
        // It grows again.
        for n in 0..5000 {
            set.add(name(n).as_bytes(), limits(LIMITS[0], &hasher));
        }
        set.check(&hasher);
        assert_eq!(set.len(), 5000);
    }
}

#[test]
fn pops_and_distinct_draws_are_even_in_every_form() {
    let (hasher, mut random) = (hasher(), fastrand::Rng::with_seed(12));
    for (_, set) in of_each_form(&hasher) {
        let (mut popped, mut drawn) = (HashMap::new(), HashMap::new());
        for _ in 0..2000 {
            let mut copy = set.clone();
            for _ in 0..10 {
                copy.pop(&mut random, &hasher, |member| {
                    *popped.entry(member.to_vec()).or_insert(0) += 1;
                });
            }
            set.view().draw_distinct(10, &mut random, |member| {
                *drawn.entry(member.to_vec()).or_insert(0) += 1;
            });
        }
        assert!(are_even(&popped, set.len()), "popped of {set:?}");
        assert!(are_even(&drawn, set.len()), "drawn of {set:?}");
    }
}

#[test]
fn a_large_set_is_dropped_in_pieces() {
    let hasher = hasher();
    let mut set = Set::default();
    for n in 0..20_000 {
        set.add(format!("{}{n}", ["", "m"][n % 2]).as_bytes(), limits(LIMITS[0], &hasher));
    }
    let mut pieces = 0;
    while set.shed() {
        pieces += 1;
    }
    assert!(pieces >= 4, "{pieces}");
    assert!(set.is_empty());
}

#[test]
fn a_member_costs_no_more_than_it_should() {
    let hasher = hasher();
    let (mut texts, mut integers) = (Set::default(), Set::default());
    for n in 0..200_000u64 {
        texts.add(
            format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).as_bytes(),
            limits(LIMITS[0], &hasher),
        );
        integers.add((n * 7919).to_string().as_bytes(), limits(LIMITS[0], &hasher));
    }
    let each = |set: &Set| set.view().allocated() as f64 / set.len() as f64;
    assert!(each(&texts) < 38.0, "{}", each(&texts));
    assert!(each(&integers) < 15.0, "{}", each(&integers));
}

/// The elements of a reply, sorted.
fn elements(reply: &str) -> BTreeSet<String> {
    reply
        .split("\r\n")
        .skip(1)
        .filter(|it| !it.is_empty() && !it.starts_with('$'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn short_sets_in_their_entries_agree_with_a_model_and_their_bytes_are_counted() {
    let (mut driver, mut random) = (Driver::new(5), fastrand::Rng::with_seed(5));
    let mut model: [BTreeSet<String>; 4] = Default::default();
    for n in 0..12_000 {
        let (key, other) = (random.usize(..4), random.usize(..4));
        let member = match key {
            0 => random.i16(..).to_string(),
            1 => random.u8(..60).to_string(),
            2 => format!("m{}", random.u16(..700)),
            _ => format!("member-{:02}", random.u8(..50)),
        };
        match random.u8(..40) {
            0..8 => {
                let removed = driver.line(&format!("SREM k{key} {member}"));
                assert_eq!(removed, format!(":{}\r\n", u8::from(model[key].remove(&member))));
            }
            8 if !model[key].is_empty() => {
                let popped = driver.line(&format!("SPOP k{key}"));
                assert!(model[key].remove(popped.split("\r\n").nth(1).expect("a member")));
            }
            9 if n % 10 == 0 => {
                driver.line(&format!("COPY k{key} k{other} REPLACE"));
                if !model[key].is_empty() {
                    model[other] = model[key].clone();
                }
            }
            10 if n % 10 == 0 && !model[key].is_empty() => {
                driver.line(&format!("RENAME k{key} k{other}"));
                let moved = std::mem::take(&mut model[key]);
                model[other] = moved;
            }
            11 if n % 60 == 0 => {
                driver.line(&format!("DEL k{key}"));
                model[key].clear();
            }
            12 => drop(driver.line(&format!("PEXPIRE k{key} 1000000"))),
            13 => drop(driver.line(&format!("PERSIST k{key}"))),
            14 => {
                let moved = driver.line(&format!("SMOVE k{key} k{other} {member}"));
                let is_there = model[key].contains(&member);
                assert_eq!(moved, format!(":{}\r\n", u8::from(is_there)));
                if is_there {
                    model[key].remove(&member);
                    model[other].insert(member);
                }
            }
            15 if n % 100 == 0 => {
                driver.line(&format!("SUNIONSTORE k{key} k{key} k{other}"));
                let united = &model[key] | &model[other];
                model[key] = united;
            }
            _ => {
                let added = driver.line(&format!("SADD k{key} {member}"));
                assert_eq!(added, format!(":{}\r\n", u8::from(model[key].insert(member))));
            }
        }
        if n % 10 == 0 {
            assert_eq!(elements(&driver.line(&format!("SMEMBERS k{key}"))), model[key]);
            let (summed, counted) = bytes(&driver);
            assert_eq!(summed, counted);
        }
    }
    driver.line("DEL k0 k1 k2 k3");
    assert_eq!(bytes(&driver), (0, 0));
}

#[test]
fn a_set_of_ten_lies_in_its_entry() {
    let mut driver = Driver::new(5);
    for n in 0..10 {
        driver.line(&format!("SADD key:000000000000 member:{n:09}"));
        driver.line(&format!("SADD ints:00000000000 {n}"));
    }
    let (summed, _) = bytes(&driver);
    assert!(summed <= 192 + 56, "{summed}");
}
