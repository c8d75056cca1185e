//! Every shape of an entry, and the ways from one to another; Miri runs these.

use super::*;

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

#[test]
fn size_classes_are_the_allocators() {
    let classes = [(1, 8), (57, 64), (65, 80), (81, 96), (128, 128), (129, 160), (1025, 1280)];
    for (size, class) in classes {
        assert_eq!(size_class(size), class, "{size}");
    }
}
