//! Streams against a naive model, and their bytes.

mod common;

use common::bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use redstart_engine::driver::Driver;
use redstart_engine::options::StreamLimits;
use redstart_engine::storage::value::stream::group::{Group, Pending};
use redstart_engine::storage::value::stream::id::Id;
use redstart_engine::storage::value::stream::{Bound, References, Stream, Trim};
use std::collections::BTreeMap;

type Texts = Vec<Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    /// So many milliseconds, or so many numbers, behind the last one; the shape of the entry.
    Add(u64, u64, u8),
    AddMany(u16),
    Remove(u16),
    TrimTo(u16, bool),
    TrimBefore(u16, bool),
    Clone,
    /// A frozen copy is looked at after the steps that follow.
    Freeze,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..300u64, 0..4u64, 0..6u8).prop_map(|(ms, seq, shape)| Step::Add(ms, seq, shape)),
        1 => (1..400u16).prop_map(Step::AddMany),
        4 => any::<u16>().prop_map(Step::Remove),
        1 => (any::<u16>(), any::<bool>()).prop_map(|(at, about)| Step::TrimTo(at, about)),
        1 => (any::<u16>(), any::<bool>()).prop_map(|(at, about)| Step::TrimBefore(at, about)),
        1 => Just(Step::Clone),
        1 => Just(Step::Freeze),
    ]
}

fn texts(shape: u8, n: u64) -> Texts {
    let fixed = |n: u64| format!("{n:08}").into_bytes();
    match shape {
        0 => vec![b"a".to_vec(), fixed(n), b"b".to_vec(), fixed(n * 7)],
        1 => vec![b"a".to_vec(), n.to_string().into_bytes(), b"b".to_vec(), Vec::new()],
        2 => vec![b"other".to_vec(), fixed(n)],
        3 => vec![b"a".to_vec(), vec![b'x'; (n % 600) as usize], b"b".to_vec(), fixed(n)],
        4 => vec![Vec::new(), Vec::new()],
        _ => vec![b"a".to_vec(), b"-17".to_vec(), b"b".to_vec(), b"+17".to_vec()],
    }
}

const LIMITS: [StreamLimits; 3] = [
    StreamLimits { bytes: 4096, entries: 100 },
    StreamLimits { bytes: 200, entries: 0 },
    StreamLimits { bytes: 0, entries: 3 },
];

struct Pair {
    stream: Stream,
    model: BTreeMap<Id, Texts>,
    limits: StreamLimits,
    added: u64,
    frozen: Option<(Stream, String)>,
}

impl Pair {
    fn add(&mut self, ms: u64, seq: u64, shape: u8) {
        let last = self.stream.last_id();
        let id =
            if ms == 0 { Id::new(last.ms, last.seq + seq + 1) } else { Id::new(last.ms + ms, seq) };
        let texts = texts(shape, self.added);
        self.stream.add(id, texts.iter().map(|text| &text[..]), self.limits);
        self.model.insert(id, texts);
        self.added += 1;
    }

    fn nth(&self, n: u16) -> Option<Id> {
        let len = self.model.len().max(1);
        self.model.keys().nth(usize::from(n) % len).copied()
    }

    fn trim(&mut self, bound: Bound, is_approximate: bool) {
        let before = self.model.len();
        let old: Vec<Id> = match bound {
            Bound::Length(most) => {
                let count = before.saturating_sub(most as usize);
                self.model.keys().take(count).copied().collect()
            }
            Bound::Id(id) => self.model.range(..id).map(|(id, _)| *id).collect(),
        };
        let references = References::Keep;
        let (removed, rest) =
            self.stream.trim(Trim { bound, is_approximate, limit: None, references });
        assert!(removed as usize <= old.len() && (is_approximate || removed as usize == old.len()));
        assert!(rest.is_some() || removed == 0);
        old.iter().take(removed as usize).for_each(|id| {
            self.model.remove(id);
        });
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Add(ms, seq, shape) => self.add(ms, seq, shape),
            Step::AddMany(count) => (0..count).for_each(|n| self.add(u64::from(n % 3), 0, 0)),
            Step::Remove(n) => {
                let id = self.nth(n).unwrap_or(Id::new(1, 1));
                assert_eq!(self.stream.remove(id), self.model.remove(&id).is_some());
                assert!(!self.stream.remove(id));
            }
            Step::TrimTo(n, about) => {
                let most = u64::from(n) % (self.model.len() as u64 + 2);
                self.trim(Bound::Length(most), about);
            }
            Step::TrimBefore(n, about) => {
                let id = self.nth(n).unwrap_or(Id::MIN);
                self.trim(Bound::Id(id), about);
            }
            Step::Clone => self.stream = self.stream.clone(),
            Step::Freeze => {
                let contents = self.stream.contents();
                self.frozen = Some((self.stream.freeze(), contents));
            }
        }
    }

    fn check(&self) {
        let (stream, model) = (&self.stream, &self.model);
        assert_eq!(stream.len() as usize, model.len());
        assert_eq!(stream.added(), self.added);
        assert_eq!(stream.first_id(), model.keys().next().copied().unwrap_or(Id::MIN));
        let entry = |item: redstart_engine::storage::value::stream::block::Item<'_>| {
            let texts =
                item.fields.iter().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]);
            (item.id, texts.collect::<Texts>())
        };
        let kept = || model.iter().map(|(id, texts)| (*id, texts.clone()));
        assert!(stream.from(Id::MIN).map(entry).eq(kept()));
        assert!(stream.back_from(Id::MAX).map(entry).eq(kept().rev()));
        if let Some(middle) = model.keys().nth(model.len() / 2) {
            assert!(stream.from(*middle).map(entry).eq(kept().filter(|(id, _)| id >= middle)));
            let before = kept().rev().filter(|(id, _)| id <= middle);
            assert!(stream.back_from(*middle).map(entry).eq(before));
            assert!(stream.get(*middle).is_some());
        }
        if let Some((frozen, contents)) = &self.frozen {
            assert_eq!(frozen.contents(), *contents);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_is_a_map_in_order(limits in 0..LIMITS.len(), steps in vec(step(), 1..60)) {
        let limits = LIMITS[limits];
        let (stream, model) = (Stream::default(), BTreeMap::new());
        let mut pair = Pair { stream, model, limits, added: 0, frozen: None };
        for step in &steps {
            pair.step(step);
            pair.check();
        }
    }
}

#[test]
fn bytes_are_counted_through_every_change() {
    let (mut driver, mut random) = (Driver::new(5), fastrand::Rng::with_seed(5));
    for n in 0..8000 {
        let (key, ms) = (random.u8(..4), random.u32(..200));
        let consumer = random.u8(..5);
        match random.u8(..20) {
            0 => driver.line(&format!("XDEL k{key} {ms}-0 {n}-0")),
            1 => driver.line(&format!("XTRIM k{key} MAXLEN {ms}")),
            2 => driver.line(&format!("XTRIM k{key} MINID {}", n / 2)),
            3 => driver.line(&format!("COPY k{key} k{} REPLACE", random.u8(..4))),
            4 => driver.line(&format!("RENAME k{key} k{}", random.u8(..4))),
            5 => driver.line(&format!("XGROUP CREATE k{key} g{} 0 MKSTREAM", random.u8(..2))),
            6 if n % 9 == 0 => driver.line(&format!("XGROUP DESTROY k{key} g0")),
            7 | 8 => driver.line(&format!(
                "XREADGROUP GROUP g{} c{consumer} COUNT {} STREAMS k{key} >",
                random.u8(..2),
                random.u8(1..50),
            )),
            9 => driver.line(&format!("XAUTOCLAIM k{key} g0 c{consumer} 0 0 COUNT 20")),
            10 => driver.line(&format!("XGROUP DELCONSUMER k{key} g0 c{consumer}")),
            11 => driver.line(&format!("XADD k{key} IDMP p{consumer} i{ms} * a b")),
            12 => driver.line(&format!("XTRIM k{key} MAXLEN {ms} DELREF")),
            13 if n % 100 == 0 => driver.line(&format!("DEL k{key}")),
            _ => driver.line(&format!("XADD k{key} {n}-0 name {} b {ms}", "x".repeat(ms as usize))),
        };
        if n % 20 == 0 {
            let (summed, counted) = bytes(&driver);
            assert_eq!(summed, counted);
        }
    }
    driver.line("DEL k0 k1 k2 k3");
    assert_eq!(bytes(&driver), (0, 0));
}

/// What the figures are in the table of the benchmark.
#[test]
fn entries_and_small_streams_take_few_bytes() {
    let limits = StreamLimits { bytes: 4096, entries: 100 };
    let values = |n: u64| [format!("{n:016}"), format!("{:016x}", n * 0x9e37_79b9)];
    let filled = |count: u64| {
        let mut stream = Stream::default();
        for n in 0..count {
            let [first, second] = values(n);
            let pairs = [&b"field-one"[..], first.as_bytes(), b"field-two", second.as_bytes()];
            stream.add(Id::new(1_700_000_000_000 + n * 20, 0), pairs.into_iter(), limits);
        }
        stream
    };
    let (small, large) = (filled(100).allocated(), filled(100_000).allocated());
    assert!(small <= 4400, "{small}");
    assert!(large <= 100_000 * 41, "{}", large / 100_000);
}

#[test]
fn groups_know_whose_is_what() {
    let mut group = Group::new(b"g", Id::MIN, Some(0));
    let [a, b] = [b"a", b"b"].map(|name| group.add_consumer(name, 5).expect("it is new"));
    assert_eq!(group.add_consumer(b"a", 6), None);
    let record =
        |ms: u64, consumer| Pending { id: Id::new(ms, 0), given_ms: 1, count: 1, consumer };
    (1..500).for_each(|ms| group.give_new(record(ms, a)));
    (1..500).step_by(2).for_each(|ms| group.give(record(ms, b)));
    assert_eq!(group.consumer(a).pending().len(), 249);
    assert_eq!(group.consumer(b).pending().len(), 250);
    assert!(group.acknowledge(Id::new(7, 0)) && !group.acknowledge(Id::new(7, 0)));
    assert_eq!(group.remove_consumer(b"b"), Some(249));
    assert_eq!((group.pending().len(), group.find_consumer(b"b")), (249, None));
    assert_eq!(group.add_consumer(b"c", 7), Some(b));
    let again = group.clone();
    assert_eq!(again.pending().len(), again.consumer(a).pending().len());
}
