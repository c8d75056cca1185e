//! Pages against a naive set.

use super::*;
use redstart_protocol::parse_i64;
use std::collections::HashSet;

fn stored(text: &[u8]) -> Stored<'_> {
    Stored::of(text, parse_i64(text)).expect("the tests' members are short")
}

/// Members of all kinds, `nth` of them.
fn text(nth: u32) -> Vec<u8> {
    match nth % 5 {
        0 => format!("{}", i64::from(nth) * 7_919 - 100_000).into_bytes(),
        1 => format!("{}", i64::MIN + i64::from(nth)).into_bytes(),
        2 => format!("member:{nth}").into_bytes(),
        3 => vec![b'x'; nth as usize / 5 % (TEXT_MAX + 1)],
        _ => nth.to_le_bytes()[..1 + nth as usize % 4].to_vec(),
    }
}

struct Both {
    pages: Pages,
    naive: HashSet<Vec<u8>>,
    hasher: Hasher,
}

impl Both {
    fn new() -> Both {
        let hasher = Hasher::new([3, 5]);
        Both { pages: Pages::default(), naive: HashSet::new(), hasher }
    }

    fn add(&mut self, text: &[u8]) {
        let hash = self.hasher.hash(text);
        let found = self.pages.find(hash, &stored(text));
        assert_eq!(found.is_none(), self.naive.insert(text.to_vec()));
        if found.is_none() {
            assert!(self.pages.insert(hash, &stored(text), &self.hasher));
        }
    }

    fn remove(&mut self, text: &[u8]) {
        let found = self.pages.find(self.hasher.hash(text), &stored(text));
        assert_eq!(found.is_some(), self.naive.remove(text));
        found.into_iter().for_each(|at| self.pages.remove(at));
    }

    fn check(&self) {
        self.pages.check(&self.hasher);
        let all: HashSet<Vec<u8>> = self.pages.iter().map(Member::to_vec).collect();
        assert_eq!(all, self.naive);
    }
}

#[test]
fn members_come_and_go() {
    let mut both = Both::new();
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..6 {
        for _ in 0..20_000 {
            let text = text(random.u32(..9_000));
            // It grows in one round and shrinks in the next one.
            if random.u32(..4) == 0 || round % 2 == 1 && random.u32(..4) != 0 {
                both.remove(&text);
            } else {
                both.add(&text);
            }
        }
        both.check();
    }
    for text in both.naive.clone() {
        both.remove(&text);
    }
    both.check();
    assert_eq!((both.pages.len(), both.pages.allocated()), (0, 0));
}

#[test]
fn integers_are_as_short_as_they_can_be() {
    let integers = [0, 1, -1, 127, -128, 128, -129, 65_535, i64::MAX, i64::MIN, i64::MIN + 1];
    let sizes = [1, 1, 1, 1, 1, 2, 2, 3, 8, 8, 8];
    let mut both = Both::new();
    for (n, size) in integers.into_iter().zip(sizes) {
        let text = n.to_string();
        assert_eq!(stored(text.as_bytes()).size(), 2 + size, "{n}");
        both.add(text.as_bytes());
    }
    both.check();
    let all: HashSet<Vec<u8>> = integers.iter().map(|n| n.to_string().into_bytes()).collect();
    assert_eq!(all, both.naive);
}

#[test]
fn a_scan_meets_what_stays_once_through_splits_and_merges() {
    for shrinks in [false, true] {
        let mut both = Both::new();
        let (first, last) = if shrinks { (0, 8_000) } else { (0, 300) };
        (first..last).for_each(|nth| both.add(format!("m{nth}").as_bytes()));
        let mut seen = std::collections::HashMap::<Vec<u8>, u32>::new();
        let (mut from, mut nth) = (Some(Position::default()), 300);
        while let Some(at) = from {
            let hasher = &both.hasher;
            let mut count = |member: Member<'_>| *seen.entry(member.to_vec()).or_default() += 1;
            from = both.pages.visit(at, hasher, &mut count);
            for _ in 0..40 {
                match shrinks {
                    true if nth < 8_000 => both.remove(format!("m{nth}").as_bytes()),
                    false if nth < 6_000 => both.add(format!("m{nth}").as_bytes()),
                    _ => {}
                }
                nth += 1;
            }
        }
        assert!((0..300).all(|nth| seen[format!("m{nth}").as_bytes()] == 1));
        assert!(seen.values().all(|times| *times == 1));
    }
}

#[test]
fn what_two_have_in_common_is_found_page_by_page() {
    let mut random = fastrand::Rng::with_seed(2);
    for (one_len, other_len) in [(5_000, 5_000), (100, 9_000), (9_000, 100), (0, 10), (10, 0)] {
        let (mut one, mut other) = (Both::new(), Both::new());
        (0..one_len).for_each(|_| one.add(&text(random.u32(..10_000))));
        (0..other_len).for_each(|_| other.add(&text(random.u32(..10_000))));
        for common in [true, false] {
            let mut found = Vec::new();
            let _ = one.pages.compare(&other.pages, common, &one.hasher, |member| {
                found.push(member.to_vec());
                ControlFlow::<()>::Continue(())
            });
            let is_wanted = |text: &&Vec<u8>| other.naive.contains(*text) == common;
            assert_eq!(found.len(), one.naive.iter().filter(is_wanted).count());
            assert!(found.iter().all(|text| is_wanted(&text) && one.naive.contains(text)));
        }
    }
}

#[test]
fn a_copy_keeps_what_there_was() {
    let mut both = Both::new();
    (0..3_000).for_each(|nth| both.add(&text(nth)));
    let (copy, then) = (both.pages.freeze(), both.naive.clone());
    for nth in 0..6_000 {
        if nth % 3 == 0 { both.remove(&text(nth)) } else { both.add(&text(nth)) }
    }
    both.check();
    let kept: HashSet<Vec<u8>> = copy.iter().map(Member::to_vec).collect();
    assert_eq!(kept, then);
}

#[test]
fn every_member_is_drawn_as_often() {
    let mut both = Both::new();
    (0..500).for_each(|nth| both.add(format!("m{nth}").as_bytes()));
    let mut random = fastrand::Rng::with_seed(3);
    let mut drawn = std::collections::HashMap::<Vec<u8>, f64>::new();
    let mut all = 0.0;
    while all < 200_000.0 {
        if let Some((_, member)) = both.pages.nth(random.usize(..both.pages.places())) {
            *drawn.entry(member.to_vec()).or_default() += 1.0;
            all += 1.0;
        }
    }
    let expected = all / 500.0;
    let chi: f64 = drawn.values().map(|times| (times - expected).powi(2) / expected).sum();
    // 499 degrees of freedom: 3 in 10,000 would be above.
    assert!(drawn.len() == 500 && chi < 615.0, "{chi}");
}
