//! Payloads and files of real servers, damaged at random under a right checksum: each is refused,
//! or is a value that comes back from its own payload. Never a panic.
//!
//! `REDSTART_MUTATIONS=1000000` tries so many, and `REDSTART_SEED` others than last time. The fuzz
//! target `rdb` does the same, led by what code is reached.

mod common;

use common::damage::{again, damage};
use common::files::{driver, payload};
use common::{builder, dumped, golden, load_rdb, state};
use redstart_engine::driver::Driver;
use redstart_persistence::rdb::{Input, Reader, crc64};
use std::panic::{AssertUnwindSafe, catch_unwind};

const FILES: [&str; 6] = [
    "redis-7.0.15-sets.rdb",
    "redis-8.6.3-sets.rdb",
    "valkey-9.1.2-sets.rdb",
    "redis-7.0.15-small.rdb",
    "redis-8.6.3-default.rdb",
    "valkey-9.1.2-small.rdb",
];
/// Versions of payloads, of both makers.
const VERSIONS: [u16; 6] = [6, 10, 11, 13, 16, 80];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("it is a number"))
}

/// The bodies of the payloads of all short values in the files.
fn bodies(files: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for file in files {
        let mut from = driver(1);
        load_rdb(&from, file).unwrap_or_else(|error| panic!("{error}"));
        for version in [10, 13, 80] {
            from.engine.options.set_rdb_version(version);
            for (db, key) in state(&from).into_keys() {
                from.db = db;
                let mut body = dumped(&mut from, &key);
                body.truncate(body.len() - 10);
                bodies.push(body);
            }
        }
    }
    bodies.retain(|body| body.len() < 2000);
    bodies.sort();
    bodies.dedup();
    bodies
}

/// Whether a file is read to its end.
fn is_read(bytes: &[u8], target: &Driver) -> bool {
    let input = Input::new("rdb", Box::new(bytes), bytes.len() as u64);
    let Ok(mut reader) = Reader::new(input) else { return false };
    loop {
        match reader.next(builder(target)) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

#[test]
fn what_is_damaged_under_a_right_checksum_is_refused_or_is_a_value() {
    let mut random = fastrand::Rng::with_seed(number("REDSTART_SEED").unwrap_or(1));
    let count = number("REDSTART_MUTATIONS").unwrap_or(30_000);
    let files = FILES.map(golden);
    let (bodies, target) = (bodies(&files), driver(2));
    // What is small is a table here as often as not.
    target.engine.options.set_set_integers_max(8);
    target.engine.options.set_sorted_set_packed_members_max(5);
    let (mut taken, mut found) = (0, 0);
    for n in 1..=count {
        let other = &bodies[random.usize(..bodies.len())];
        let is_file = n % 8 == 0;
        let bytes = if is_file {
            // The small ones only: most of the others would be read in vain.
            let mut file = files[random.usize(..3)].clone();
            file.truncate(file.len() - 8);
            let mut rest = file.split_off(9);
            damage(&mut rest, other, &mut random);
            let bytes = [file, rest].concat();
            let sum = crc64(0, &bytes).to_le_bytes();
            [bytes, sum.to_vec()].concat()
        } else {
            let mut body = bodies[random.usize(..bodies.len())].clone();
            damage(&mut body, other, &mut random);
            payload(&body, VERSIONS[random.usize(..VERSIONS.len())])
        };
        let tried = catch_unwind(AssertUnwindSafe(|| match is_file {
            true => is_read(&bytes, &target),
            false => again(&bytes, builder(&target)),
        }));
        match tried {
            Ok(is_taken) => taken += u64::from(is_taken),
            Err(_) => {
                found += 1;
                eprintln!("FOUND, file: {is_file}: {}", bytes.escape_ascii());
            }
        }
        if n % 1_000_000 == 0 {
            eprintln!("{n} tried, {taken} taken, {found} found");
        }
    }
    assert_eq!(found, 0, "of {count}");
    assert!((count / 20..count).contains(&taken), "{taken} of {count} are values");
}
