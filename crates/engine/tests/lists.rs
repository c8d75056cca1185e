//! The list against a `VecDeque`: every operation, elements of all sizes, and the way from one
//! chunk to many and back.

use proptest::collection::vec;
use proptest::prelude::*;
use redstart_engine::driver::Driver;
use redstart_engine::hasher::SHARDS;
use redstart_engine::storage::value::list::{End, Limit, List};
use std::collections::VecDeque;
use std::ops::ControlFlow;

const LIMITS: [Limit; 3] = [
    Limit { bytes: 8192, count: usize::MAX },
    Limit { bytes: 4096, count: usize::MAX },
    Limit { bytes: 8192, count: 5 },
];

/// An element in short: its length, and the byte that it repeats.
type Short = (usize, u8);

#[derive(Clone, Debug)]
enum Step {
    Push(End, Short, usize),
    Pop(End),
    Get(usize),
    Set(usize, Short),
    Insert(usize, Short, usize),
    Remove(usize, usize),
    RemoveEqual(usize, usize, End),
    Walk(usize, End),
    Cut(Vec<usize>),
    Clone,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Head), Just(End::Tail)]
}

fn element() -> impl Strategy<Value = Short> {
    let len = prop_oneof![
        10 => Just(16usize),
        10 => 0..4usize,
        4 => 120..140usize,
        2 => 2000..3000usize,
        1 => 8100..8300usize,
        1 => Just(20_000usize),
    ];
    (len, b'a'..b'd')
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..usize::MAX;
    let few = prop_oneof![5 => 1..4usize, 1 => 1..700usize];
    prop_oneof![
        8 => (end(), element(), few.clone()).prop_map(|(e, v, n)| Step::Push(e, v, n)),
        4 => end().prop_map(Step::Pop),
        2 => any.clone().prop_map(Step::Get),
        4 => (any.clone(), element()).prop_map(|(i, v)| Step::Set(i, v)),
        5 => (any.clone(), element(), few.clone()).prop_map(|(i, v, n)| Step::Insert(i, v, n)),
        2 => (any.clone(), few).prop_map(|(i, n)| Step::Remove(i, n)),
        2 => (any.clone(), 1..9usize, end()).prop_map(|(i, n, e)| Step::RemoveEqual(i, n, e)),
        1 => (any.clone(), end()).prop_map(|(i, e)| Step::Walk(i, e)),
        1 => vec(any, 0..6).prop_map(Step::Cut),
        1 => Just(Step::Clone),
    ]
}

fn long((len, byte): Short) -> Vec<u8> {
    vec![byte; len]
}

fn short(bytes: &[u8]) -> Short {
    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
    (bytes.len(), bytes.first().copied().unwrap_or(b'a'))
}

fn shorts<'a>(model: impl Iterator<Item = &'a Vec<u8>>) -> Vec<Short> {
    model.map(|bytes| short(bytes)).collect()
}

fn walked(list: &List, index: usize, from: End) -> Vec<Short> {
    let mut seen = Vec::new();
    let _ = list.walk(index, from, |element| {
        seen.push(short(element.as_bytes()));
        ControlFlow::<()>::Continue(())
    });
    seen
}

fn remove_equal(model: &mut VecDeque<Vec<u8>>, value: &[u8], most: usize, from: End) -> usize {
    let mut places: Vec<usize> = (0..model.len()).filter(|&n| model[n] == value).collect();
    if from == End::Tail {
        places.reverse();
    }
    places.truncate(most);
    places.sort_unstable();
    for place in places.iter().rev() {
        model.remove(*place);
    }
    places.len()
}

fn run(list: &mut List, model: &mut VecDeque<Vec<u8>>, step: &Step, limit: Limit) {
    let len = model.len().max(1);
    match step {
        Step::Push(end, value, count) => {
            let value = &long(*value);
            list.extend(*end, std::iter::repeat_n(&value[..], *count), limit);
            for _ in 0..*count {
                match end {
                    End::Head => model.push_front(value.clone()),
                    End::Tail => model.push_back(value.clone()),
                }
            }
        }
        Step::Pop(end) => {
            let expected = match end {
                End::Head => model.pop_front(),
                End::Tail => model.pop_back(),
            };
            let found = list.end(*end).map(|e| short(e.as_bytes()));
            assert_eq!(found, expected.as_deref().map(short));
            if expected.is_some() {
                list.remove_end(*end, limit);
            }
        }
        Step::Get(index) => {
            let found = list.get(index % len).map(|e| short(e.as_bytes()));
            assert_eq!(found, model.get(index % len).map(|bytes| short(bytes)));
        }
        Step::Set(index, value) if !model.is_empty() => {
            let value = &long(*value);
            list.set(index % len, value, limit);
            model[index % len] = value.clone();
        }
        Step::Insert(index, value, count) => {
            let value = &long(*value);
            for _ in 0..*count {
                let index = index % (model.len() + 1);
                list.insert(index, value, limit);
                model.insert(index, value.clone());
            }
        }
        Step::Remove(index, count) => {
            let index = index % len;
            let count = (*count).min(model.len() - index.min(model.len()));
            list.remove(index, count, limit);
            model.drain(index..index + count);
        }
        Step::RemoveEqual(index, most, from) if !model.is_empty() => {
            let value = model[index % len].clone();
            let removed = list.remove_equal(&value, *most, *from, limit);
            assert_eq!(removed, remove_equal(model, &value, *most, *from));
        }
        Step::Walk(index, from) if !model.is_empty() => {
            let index = index % len;
            let expected = match from {
                End::Head => shorts(model.iter().skip(index)),
                End::Tail => shorts(model.iter().take(index + 1).rev()),
            };
            assert_eq!(walked(list, index, *from), expected);
        }
        Step::Cut(places) if !model.is_empty() => {
            let mut places: Vec<usize> = places.iter().map(|place| place % len).collect();
            places.sort_unstable();
            list.cut(&places);
            assert_eq!(list.encoding(), "quicklist");
        }
        Step::Clone => *list = list.clone(),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_list_does_what_a_deque_does(steps in vec(step(), 1..60), limit in 0..3usize) {
        let (mut list, mut model) = (List::default(), VecDeque::new());
        for step in &steps {
            run(&mut list, &mut model, step, LIMITS[limit]);
            list.check();
            assert_eq!(list.len(), model.len());
        }
        assert_eq!(walked(&list, 0, End::Head), shorts(model.iter()));
        // To the last element and down to nothing again.
        let count = model.len();
        list.remove(0, count, LIMITS[limit]);
        assert!(list.is_empty());
        list.check();
        assert_eq!(list.encoding(), "listpack");
    }
}

#[test]
fn ten_short_elements_of_one_length_take_what_they_have() {
    let mut list = List::default();
    for n in 0..10 {
        list.push(End::Tail, format!("element:{n:08}").as_bytes(), LIMITS[0]);
    }
    assert_eq!(list.allocated(), 160);
}

#[test]
fn a_queue_keeps_its_memory_small() {
    let mut list = List::default();
    for n in 0..200_000u32 {
        list.push(End::Tail, &n.to_le_bytes(), LIMITS[0]);
        if n >= 1000 {
            assert_eq!(
                list.end(End::Head).map(|e| e.as_bytes().to_vec()),
                Some((n - 1000).to_le_bytes().to_vec())
            );
            list.remove_end(End::Head, LIMITS[0]);
        }
    }
    assert!(list.allocated() < 40_000, "{}", list.allocated());
    list.check();
}

#[test]
fn a_million_elements_are_found_by_index() {
    let mut list = List::default();
    for n in 0..1_000_000u32 {
        list.push(End::Tail, n.to_string().as_bytes(), LIMITS[0]);
    }
    for index in [0, 1, 499_999, 500_000, 999_999, 123_456] {
        let text = list.get(index).map(|e| e.as_bytes().to_vec());
        assert_eq!(text, Some(index.to_string().into_bytes()));
    }
    assert_eq!(list.encoding(), "quicklist");
    list.check();
}

#[test]
fn the_bytes_of_lists_are_counted_as_they_change() {
    let mut driver = Driver::new(7);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let key = [b'k', random.u8(b'0'..b'4')];
        let value = vec![b'v'; [3, 3, 16, 200, 9000][random.usize(..5)]];
        let index = random.usize(..300).to_string();
        match random.u8(..10) {
            0..4 => driver.call(&[b"RPUSH", &key, &value, &value, &value]),
            4 => driver.call(&[b"LPOP", &key]),
            5 => driver.call(&[b"LSET", &key, index.as_bytes(), &value]),
            6 => driver.call(&[b"LINSERT", &key, b"BEFORE", &value, &value]),
            7 => driver.call(&[b"LREM", &key, b"-2", &value]),
            8 => driver.call(&[b"LMOVE", &key, b"k1", b"LEFT", b"RIGHT"]),
            _ => driver.call(&[b"LTRIM", &key, b"1", b"400"]),
        };
    }
    let mut view = driver.engine.keyspace.lock_all();
    let mut lists = 0;
    for index in 0..SHARDS {
        for (_, part) in view.shard_at(index).dbs() {
            let entries = part.table().iter().map(|entry| entry.allocated()).sum::<usize>();
            assert_eq!(part.allocated() - part.overhead(), entries);
            lists += part.table().len();
        }
    }
    assert!(lists > 1);
}
