//! Every shape of an entry, and the ways from one to another; Miri runs these.

use super::*;
use crate::storage::value::list::{End, Limit, List, ListRef};
use std::collections::VecDeque;

#[test]
fn every_shape_reads_back() {
    for key_len in [0, 1, 16, 255, 256, 70_000] {
        for deadline in [0, 77] {
            for value_len in [0, 1, 32, INLINE_MAX, INLINE_MAX + 1] {
                let (key, value) = (vec![b'k'; key_len], vec![b'v'; value_len]);
                let entry = Entry::new(&key, NewValue::Str(&value), deadline);
                assert_eq!(entry.key(), key);
                assert_eq!(entry.value().to_vec(), value);
                assert_eq!(entry.deadline_ms(), deadline);
            }
        }
    }
}

#[test]
fn replacing_keeps_the_key_and_moves_between_shapes() {
    let mut entry = Entry::new(b"key", NewValue::Int(7), 0);
    entry.touch(9);
    assert!(entry.replace(NewValue::Int(8), 0).is_none());
    assert!(matches!(entry.value(), Value::Int(8)));
    assert!(entry.replace(NewValue::Str(b"abc"), 5).is_some());
    assert!(entry.replace(NewValue::Str(b"xyz"), 6).is_none());
    assert_eq!((entry.value().to_vec(), entry.deadline_ms()), (b"xyz".to_vec(), 6));
    entry.set_deadline(0);
    assert_eq!((entry.key(), entry.deadline_ms(), entry.age()), (&b"key"[..], 0, 9));
    entry.replace(NewValue::Str(&[1; 9000]), 0);
    assert_eq!(entry.large_mut().expect("long").len(), 9000);
}

#[test]
fn writing_in_place_agrees_with_a_vector() {
    for key_len in [3, 300] {
        for deadline in [0, 9] {
            let mut entry = Entry::new(&vec![b'k'; key_len], NewValue::Int(-42), deadline);
            let (mut model, mut held) = (b"-42".to_vec(), Vec::new());
            let writes = [(3, 0), (3, 5), (0, 2), (20, 9), (4000, 90), (4090, 6), (4096, 1)];
            for (round, (at, len)) in writes.into_iter().chain([(9, 3), (5000, 9000)]).enumerate() {
                let bytes = vec![round as u8; len];
                model.resize(model.len().max(at + len), 0);
                model[at..at + len].copy_from_slice(&bytes);
                assert_eq!(entry.write_at(at, &bytes), model.len());
                assert_eq!((entry.value().to_vec(), entry.key().len()), (model.clone(), key_len));
                assert_eq!((entry.deadline_ms(), entry.encoding()), (deadline, "raw"));
                held.extend(entry.large_mut().cloned());
            }
            assert!(held.iter().all(|long| long.len() > INLINE_MAX) && held.len() > 2);
        }
    }
}

#[test]
fn a_reply_keeps_its_bytes_while_the_value_changes() {
    let mut entry = Entry::new(b"k", NewValue::Str(&[1; 9000]), 0);
    let held = entry.large_mut().expect("long").clone();
    entry.write_at(0, &[2]);
    let first = |long: &Long| long.with(|text| text[0]);
    assert_eq!((first(&held), entry.large_mut().map(|long| first(long))), (1, Some(2)));
}

#[test]
fn a_small_string_costs_eight_bytes_above_key_and_value() {
    let entry = Entry::new(&[b'k'; 16], NewValue::Str(&[b'v'; 32]), 0);
    assert_eq!(entry.allocated(), 56);
    let entry = Entry::new(&[b'k'; 16], NewValue::Str(&[b'v'; 32]), 1);
    assert_eq!(entry.allocated(), 64);
}

const LIMIT: Limit = Limit { bytes: 8192, count: usize::MAX };

fn list_in(entry: &Entry) -> (ListRef<'_>, bool) {
    match entry.object() {
        Some(ObjectRef::List(list @ ListRef::Tail(_))) => (list, true),
        Some(ObjectRef::List(list)) => (list, false),
        _ => panic!("the entry holds a list"),
    }
}

fn empty_list(key: &[u8], deadline_ms: u64) -> Entry {
    let list = Object::List(List::default());
    Entry::new(key, NewValue::Object(Box::new(list)), deadline_ms)
}

#[test]
fn a_short_list_of_even_elements_costs_sixteen_bytes_above_key_and_elements() {
    let mut entry = empty_list(&[b'k'; 16], 0);
    for _ in 0..10 {
        entry.edit_list(|list| list.push(End::Tail, &[b'v'; 16], LIMIT));
    }
    assert_eq!((list_in(&entry).0.len(), list_in(&entry).1), (10, true));
    assert_eq!(entry.allocated(), 192);
}

#[test]
fn an_element_behind_the_last_makes_a_short_entry_longer() {
    for deadline in [0, 9] {
        let mut entry = empty_list(b"key", deadline);
        entry.edit_list(|list| list.push(End::Tail, &[0; 16], LIMIT));
        entry.touch(5);
        entry.set_epoch(true);
        for n in 1..28 {
            assert!(entry.try_push(End::Tail, &[n; 16], LIMIT), "{n}");
        }
        let (list, in_tail) = list_in(&entry);
        assert!((0..28).all(|n| list.get(n).is_some_and(|it| it.as_bytes() == [n as u8; 16])));
        assert_eq!((list.len(), in_tail, entry.key()), (28, true, &b"key"[..]));
        assert_eq!((entry.deadline_ms(), entry.age(), entry.epoch()), (deadline, 5, true));
        // Others are not a matter of bytes at the end, or too many.
        assert!(!entry.try_push(End::Head, &[1; 16], LIMIT));
        assert!(!entry.try_push(End::Tail, &[1; 15], LIMIT));
        assert!(!(0..12).all(|_| entry.try_push(End::Tail, &[1; 16], LIMIT)));
    }
}

#[test]
fn a_list_agrees_with_a_deque_in_the_tail_and_out_of_it() {
    for (key_len, deadline) in [(3, 0), (3, 9), (300, 0)] {
        let mut random = fastrand::Rng::with_seed(key_len as u64 + deadline);
        let mut entry = empty_list(&vec![b'k'; key_len], deadline);
        entry.touch(5);
        let (mut model, mut homes) = (VecDeque::<Vec<u8>>::new(), [0, 0]);
        for round in 0..3000 {
            let end = if random.bool() { End::Head } else { End::Tail };
            // Long stretches of growing and of shrinking, beyond the tail and back.
            if model.is_empty() || random.u32(0..10) < if round % 120 < 60 { 7 } else { 3 } {
                let len = if round % 400 < 200 { 16 } else { random.usize(0..40) };
                let value = vec![round as u8; len];
                if !entry.try_push(end, &value, LIMIT) {
                    entry.edit_list(|list| list.push(end, &value, LIMIT));
                }
                match end {
                    End::Head => model.push_front(value),
                    End::Tail => model.push_back(value),
                }
            } else {
                if !entry.try_pop(end) {
                    entry.edit_list(|list| list.remove_end(end, LIMIT));
                }
                match end {
                    End::Head => model.pop_front(),
                    End::Tail => model.pop_back(),
                };
            }
            let (list, in_tail) = list_in(&entry);
            homes[usize::from(in_tail)] += 1;
            let mut seen = Vec::new();
            let _ = list.walk(0, End::Head, |element| {
                seen.push(element.as_bytes().to_vec());
                std::ops::ControlFlow::<()>::Continue(())
            });
            assert!(seen.iter().eq(&model), "round {round}");
            assert_eq!(list.len(), model.len());
            let last = list.end(End::Tail).map(|element| element.as_bytes());
            assert_eq!(last, model.back().map(Vec::as_slice));
            assert_eq!(
                (entry.key().len(), entry.deadline_ms(), entry.age()),
                (key_len, deadline, 5)
            );
        }
        assert!(homes.iter().all(|&rounds| rounds > 50), "{homes:?}");
    }
}

#[test]
fn a_short_list_is_copied_renamed_and_given_a_deadline() {
    let mut entry = empty_list(b"key", 0);
    entry.edit_list(|list| list.extend(End::Tail, [&b"one"[..], b"three"].into_iter(), LIMIT));
    entry.set_epoch(true);
    entry.set_deadline(7);
    let copy = entry.clone();
    entry.edit_list(|list| list.set(0, &[b'x'; 100], LIMIT));
    assert_eq!((entry.deadline_ms(), entry.epoch(), entry.encoding()), (7, true, "listpack"));
    let renamed = copy.renamed(&[b'k'; 400], 0);
    let element = |entry: &Entry, at| list_in(entry).0.get(at).map(|e| e.as_bytes().to_vec());
    assert_eq!(element(&renamed, 0), Some(b"one".to_vec()));
    assert_eq!(
        (element(&entry, 0), element(&entry, 1)),
        (Some(vec![b'x'; 100]), Some(b"three".to_vec()))
    );
    assert!(entry.replace(NewValue::Str(b"text"), 0).is_some());
    assert_eq!(entry.string().map(|value| value.to_vec()), Ok(b"text".to_vec()));
    assert!(entry.edit_list(|_| ()).is_none());
}
