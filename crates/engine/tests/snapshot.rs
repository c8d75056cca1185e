//! What writers encode for a running snapshot: buffer after buffer of it, when they are far ahead
//! of the walk, and buffers that are used again when they are not.

use redstart_engine::driver::Driver;
use redstart_engine::keyspace::snapshot::{Encode, Snapshot, SnapshotItem};
use std::collections::BTreeMap;

type Strings = BTreeMap<Vec<u8>, Vec<u8>>;

/// The length of a string that makes a buffer too large to be used again.
const LONG: usize = 3000;

/// Strings, each as the lengths of key and value, and both.
fn encoder() -> Encode {
    Box::new(|_, entry, to| {
        let value = entry.string().expect("only strings are here").to_vec();
        to.reserve(if value.len() == LONG { 50_000 } else { 0 });
        for part in [entry.key(), &value] {
            to.extend_from_slice(&(part.len() as u32).to_le_bytes());
        }
        to.extend_from_slice(&[entry.key(), &value].concat());
    })
}

fn decode(mut bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut strings = Vec::new();
    while let Some((lengths, rest)) = bytes.split_first_chunk::<8>() {
        let length = |at: usize| u32::from_le_bytes(lengths[at..at + 4].try_into().expect("four"));
        let (key, rest) = rest.split_at(length(0) as usize);
        let (value, rest) = rest.split_at(length(4) as usize);
        strings.push((key.to_vec(), value.to_vec()));
        bytes = rest;
    }
    strings
}

/// Takes a step, and adds what it saves. Returns how many strings of that writers had encoded, or
/// None at the end.
fn step(snapshot: &mut Snapshot, strings: &mut Strings) -> Option<usize> {
    let mut encoded = 0;
    let more = snapshot.step(&mut |item| encoded += add(item, strings));
    more.then_some(encoded)
}

/// Adds a piece of a snapshot. Returns how many strings of it writers had encoded.
fn add(item: SnapshotItem<'_>, strings: &mut Strings) -> usize {
    let (saved, encoded) = match item {
        SnapshotItem::Entry(_, entry) => {
            let value = entry.string().expect("only strings are here").to_vec();
            (vec![(entry.key().to_vec(), value)], 0)
        }
        SnapshotItem::Encoded(count, bytes) => {
            let saved = decode(bytes);
            assert_eq!(saved.len(), count as usize, "strings in a buffer");
            (saved, count as usize)
        }
    };
    for (key, value) in saved {
        assert_eq!(strings.insert(key, value), None, "a key is saved once");
    }
    encoded
}

/// An engine with `count` strings, every hundredth of which makes a buffer too large to be used
/// again.
fn filled(count: usize) -> (Driver, Strings) {
    let mut driver = Driver::new(1);
    let mut strings = Strings::new();
    for n in 0..count {
        let length = if n % 100 == 0 { LONG } else { 20 + n % 200 };
        let (key, value) = (format!("key:{n}").into_bytes(), vec![b'a' + (n % 26) as u8; length]);
        driver.call(&[b"SET", &key, &value]);
        strings.insert(key, value);
    }
    (driver, strings)
}

/// Changes a string, or takes it away.
fn disturb(driver: &mut Driver, key: &[u8], n: usize) {
    match n % 3 {
        0 => driver.call(&[b"SET", key, b"another"]),
        1 => driver.call(&[b"APPEND", key, b"more"]),
        _ => driver.call(&[b"DEL", key]),
    };
}

#[test]
fn writers_ahead_of_the_walk_fill_as_many_buffers_as_it_takes() {
    let (mut driver, strings) = filled(10_000);
    let (mut snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(), || ());
    for (n, key) in strings.keys().enumerate() {
        disturb(&mut driver, key, n);
        driver.call(&[b"SET", &[b"new:", &key[..]].concat(), b"of no concern"]);
    }
    // More than there were spare ones.
    assert!(snapshot.backlog() > 16 * 6 * 4096, "{}", snapshot.backlog());
    let (mut saved, mut encoded) = (Strings::new(), 0);
    while let Some(count) = step(&mut snapshot, &mut saved) {
        encoded += count;
    }
    assert_eq!(encoded, strings.len(), "the walk has found none by itself");
    assert!(saved == strings);
    assert_eq!(snapshot.backlog(), 0);
}

#[test]
fn buffers_are_used_again_while_the_walk_goes_on() {
    let (mut driver, strings) = filled(10_000);
    driver.engine.keyspace.prepare_snapshots();
    let (mut snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(), || ());
    // In the order of the names, which is none of the walk's.
    let mut keys = strings.keys().enumerate();
    let (mut saved, mut encoded) = (Strings::new(), 0);
    while let Some(count) = step(&mut snapshot, &mut saved) {
        encoded += count;
        keys.by_ref().take(5).for_each(|(n, key)| disturb(&mut driver, key, n));
    }
    // More than went into all buffers that there were, and some were left to the walk.
    assert!((4000..9000).contains(&encoded), "{encoded}");
    assert!(saved == strings);
}

#[test]
fn walks_side_by_side_save_every_string_once() {
    let (mut driver, strings) = filled(10_000);
    let (mut snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(), || ());
    let mut walks = [snapshot.walk(), snapshot.walk()];
    let mut keys = strings.keys().enumerate();
    let (mut saved, mut by_helpers) = (Strings::new(), 0);
    loop {
        let before = saved.len();
        let mut walked = false;
        for walk in &mut walks {
            walked |= walk.step(&mut |item| _ = add(item, &mut saved));
        }
        by_helpers += saved.len() - before;
        // It comes to an end of its own before the others have come to theirs.
        step(&mut snapshot, &mut saved);
        keys.by_ref().take(5).for_each(|(n, key)| disturb(&mut driver, key, n));
        if !walked {
            break;
        }
    }
    while step(&mut snapshot, &mut saved).is_some() {}
    assert!(saved == strings);
    assert!(by_helpers > strings.len() / 3, "{by_helpers}");
    // The next one finds nothing of this one left.
    let (mut snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(), || ());
    let mut saved = Strings::new();
    while step(&mut snapshot, &mut saved).is_some() {}
    let later = driver.engine.keyspace.begin_snapshot(encoder(), || ()).0;
    assert_eq!(saved.len(), later.entries());
    later.abandon();
}

#[test]
fn large_values_that_wait_are_counted() {
    let mut driver = Driver::new(1);
    let element = vec![b'e'; 10_000];
    for n in 0..200 {
        let key = format!("list:{n}").into_bytes();
        for _ in 0..20 {
            driver.call(&[b"RPUSH", &key, &element]);
        }
    }
    let (snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(), || ());
    let mut walk = snapshot.walk();
    assert_eq!(walk.large_waiting(), 0);
    while walk.step(&mut |_| panic!("a large value goes to the queue")) {}
    assert_eq!(walk.large_waiting(), 200);
    while snapshot.take_large().is_some() {}
    assert_eq!(walk.large_waiting(), 0);
    snapshot.abandon();
}
