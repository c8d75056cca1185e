//! The tree and its index against a naive model.

use super::*;
use std::collections::{BTreeMap, HashMap};

/// Scores in their order, as a key of a map.
fn key(score: f64) -> i64 {
    let bits = (score + 0.0).to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

#[derive(Default)]
struct Model {
    order: BTreeMap<(i64, Vec<u8>), f64>,
    scores: HashMap<Vec<u8>, f64>,
}

impl Model {
    fn set(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let old = self.scores.insert(member.to_vec(), score);
        if let Some(old) = old {
            self.order.remove(&(key(old), member.to_vec()));
        }
        self.order.insert((key(score), member.to_vec()), score);
        old
    }
    fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let old = self.scores.remove(member)?;
        self.order.remove(&(key(old), member.to_vec()));
        Some(old)
    }
    fn all(&self) -> Vec<(Vec<u8>, f64)> {
        self.order.iter().map(|((_, member), &score)| (member.clone(), score)).collect()
    }
}

fn member(random: &mut fastrand::Rng, range: u32) -> Vec<u8> {
    let n = random.u32(..range);
    if range % 2 == 1 {
        // Of one length, but for very few.
        return format!("{n:0w$}", w = if n.is_multiple_of(999) { 7 } else { 8 }).into_bytes();
    }
    match n % 50 {
        0 => format!("{n}").repeat(60).into_bytes(),
        1 => vec![b'x'; n as usize % 200],
        2 => format!("{n:0100}").into_bytes(),
        _ => format!("member:{n}").into_bytes(),
    }
}

fn agree(large: &Large, model: &Model, hasher: &Hasher) {
    large.tree.check();
    let all = model.all();
    let seen: Vec<_> = large.iter(0).map(|(text, score)| (text.to_vec(), score)).collect();
    assert!(seen == all, "{} {}", seen.len(), all.len());
    if !all.is_empty() {
        let back: Vec<_> =
            large.iter_back(all.len() - 1).map(|(text, score)| (text.to_vec(), score)).collect();
        assert!(back.iter().rev().eq(all.iter()));
    }
    for (rank, (member, score)) in all.iter().enumerate() {
        assert_eq!(large.rank(member, hasher), Some((rank, *score)));
    }
    let mut cursor = 0;
    let mut scanned = Vec::new();
    loop {
        cursor = large.scan(cursor, 10, hasher, |text, score| scanned.push((text.to_vec(), score)));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(scanned.len(), all.len());
    scanned.sort_by(|a, b| a.0.cmp(&b.0));
    scanned.dedup();
    assert_eq!(scanned.len(), all.len());
}

fn run(seed: u64, steps: usize, range: u32, scores: u32) {
    let hasher = Hasher::new([seed, 7]);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut large, mut model) = (Large::with_room(0), Model::default());
    let mut frozen = Vec::new();
    for step in 0..steps {
        let name = member(&mut random, range);
        let growing = (step / (steps / 6)).is_multiple_of(2);
        let score = match random.u8(..8) {
            0 => f64::INFINITY,
            1 => -0.0,
            2 => 0.0,
            _ => random.u32(..scores) as f64 - 5.0,
        };
        match random.u32(..100) {
            0..70 if growing => {
                assert_eq!(large.set(&name, score, &hasher), model.set(&name, score))
            }
            0..20 => assert_eq!(large.set(&name, score, &hasher), model.set(&name, score)),
            _ if model.scores.len() > 1 || model.remove(&name).is_none() => {
                assert_eq!(large.remove(&name, &hasher), model.remove(&name));
            }
            _ => assert!(large.remove(&name, &hasher).is_some()),
        }
        if step % (steps / 12) == 0 {
            agree(&large, &model, &hasher);
            frozen.push((large.freeze(), model.all()));
        }
        if step % (steps / 5) == steps / 5 - 1 && model.scores.len() > 3000 {
            let len = model.scores.len();
            let from = random.usize(..len / 4);
            let to = len - random.usize(1..len / 4);
            let gone: Vec<_> = model.all()[from..to].to_vec();
            large.remove_range(from..to, &hasher);
            gone.iter().for_each(|(member, _)| {
                assert_eq!(large.score(member, &hasher), None);
                model.remove(member);
            });
            agree(&large, &model, &hasher);
        }
        let bound = random.u32(..scores) as f64 - 5.0;
        if step % 97 == 0 {
            let names: Vec<Vec<u8>> = (0..70).map(|_| member(&mut random, range)).collect();
            let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
            large.prefetch_all(&names, &hasher);
            let less = model.order.range(..(key(bound), Vec::new())).count();
            assert_eq!(large.count_scores(|score| score < bound), less);
        }
    }
    agree(&large, &model, &hasher);
    for (copy, all) in frozen {
        let seen: Vec<_> = copy.iter(0).map(|(text, score)| (text.to_vec(), score)).collect();
        assert!(seen == all);
    }
    while model.scores.len() > 1 {
        let name = model.scores.keys().next().unwrap().clone();
        assert_eq!(large.remove(&name, &hasher), model.remove(&name));
    }
    agree(&large, &model, &hasher);
}

#[test]
fn agrees_with_a_model() {
    for seed in 0..4 {
        run(seed, 60_000, 20_000, 1000);
        run(seed, 60_000, 20_000, 3);
        run(seed, 60_000, 20_001, 100_000);
        run(seed, 20_000, 200, 1000);
    }
}

/// A set that gets its members in order, page by page, behind others.
#[test]
fn is_built_in_order() {
    let hasher = Hasher::new([3, 7]);
    let mut random = fastrand::Rng::with_seed(3);
    for (range, count) in [(20_000, 3000), (20_001, 3000), (20_000, 1), (20_001, 40)] {
        for first in [0, 1, 50] {
            let (mut large, mut model) = (Large::with_room(0), Model::default());
            while model.scores.len() < count {
                model.set(&member(&mut random, range), random.u32(..50) as f64);
            }
            let all = model.all();
            let (front, rest) = all.split_at(first.min(count));
            front.iter().for_each(|(text, score)| large.push(text, *score, &hasher));
            large.extend(rest.iter().map(|(text, score)| (&text[..], *score)), &hasher);
            agree(&large, &model, &hasher);
            for _ in 0..2000 {
                let (name, score) = (member(&mut random, range), random.u32(..50) as f64);
                assert_eq!(large.set(&name, score, &hasher), model.set(&name, score));
            }
            agree(&large, &model, &hasher);
        }
    }
}

/// Scores that change by little, at the ends of pages too, and members off both ends.
#[test]
fn small_steps_and_ends() {
    let hasher = Hasher::new([4, 7]);
    let mut random = fastrand::Rng::with_seed(4);
    for (scores, range) in [(100_000, 5001), (40, 5000)] {
        let (mut large, mut model) = (Large::with_room(0), Model::default());
        for _ in 0..5000 {
            let (name, score) = (member(&mut random, range), random.u32(..scores) as f64);
            assert_eq!(large.set(&name, score, &hasher), model.set(&name, score));
        }
        for step in 0..40_000 {
            let name = member(&mut random, range);
            if let Some(old) = model.scores.get(&name) {
                let score = old + [1.0, -1.0, 30.0, -30.0][random.usize(..4)];
                assert_eq!(large.set(&name, score, &hasher), model.set(&name, score));
            }
            if step % 16 == 0 && model.scores.len() > 500 {
                let count = random.usize(1..40) * random.usize(..2) + 1;
                let from = [0, model.scores.len() - count, 17][random.usize(..3)];
                for (gone, _) in &model.all()[from..from + count] {
                    model.remove(gone);
                }
                large.remove_range(from..from + count, &hasher);
            }
            if step % 5000 == 0 {
                agree(&large, &model, &hasher);
            }
        }
        agree(&large, &model, &hasher);
    }
}

/// Members of one page that the index tells apart by their whole hashes only, while it grows.
#[test]
fn a_page_of_members_alike_is_added_as_a_whole() {
    for seed in 0..8 {
        let hasher = Hasher::new([seed, 11]);
        let alike = |member: &Vec<u8>| super::index::bits(hasher.hash(member));
        let mut members: Vec<Vec<u8>> = (0..200_000).map(|n| format!("{n}").into_bytes()).collect();
        members.retain(|member| alike(member).is_multiple_of(32));
        members.sort_by_key(alike);
        let (mut large, mut model) = (Large::with_room(0), Model::default());
        let scores = members.iter().enumerate().map(|(n, member)| (&member[..], n as f64));
        large.extend(scores.clone(), &hasher);
        scores.for_each(|(member, score)| _ = model.set(member, score));
        agree(&large, &model, &hasher);
        for member in &members[1..] {
            assert_eq!(large.remove(member, &hasher), model.remove(member));
        }
        agree(&large, &model, &hasher);
    }
}
