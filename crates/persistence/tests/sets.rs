//! Sets and sorted sets as Redis and Valkey save them: small golden files of theirs, of which every
//! cut and every flipped bit is tried, and encodings of servers of old, made by hand.

mod common;

use common::damage::again;
use common::files::{driver, entry, file, listpack, payload, string, ziplist};
use common::{builder, dumped, golden, load_rdb, state};
use redstart_engine::driver::Driver;

/// The servers that the golden files are of.
const SERVERS: [&str; 3] = ["redis-7.0.15", "redis-8.6.3", "valkey-9.1.2"];

/// Small sets are tables here as they were where the files are from.
fn reader() -> Driver {
    let driver = driver(1);
    driver.engine.options.set_set_integers_max(8);
    driver.engine.options.set_sorted_set_packed_members_max(5);
    driver
}

/// The types of the values of a file, as far as the first byte of each payload tells.
fn encodings(driver: &mut Driver) -> Vec<u8> {
    let keys = driver.line("KEYS *");
    let keys = keys.split("\r\n").filter(|line| !line.starts_with(['*', '$']) && !line.is_empty());
    let mut found: Vec<u8> = keys.map(|key| dumped(driver, key.as_bytes())[0]).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn no_cut_and_no_flipped_bit_of_a_real_file_goes_unnoticed() {
    for server in SERVERS {
        let whole = golden(&format!("{server}-sets.rdb"));
        let target = reader();
        let mut loaded = reader();
        load_rdb(&loaded, &whole).unwrap_or_else(|error| panic!("{server}: {error}"));
        assert_eq!(state(&loaded).len(), 10, "{server}");
        loaded.engine.options.set_rdb_version(11);
        assert_eq!(encodings(&mut loaded), [2, 5, 11, 17, 20], "{server}");
        for len in 0..whole.len() {
            assert!(load_rdb(&target, &whole[..len]).is_err(), "{server}: cut to {len}");
        }
        let mut flipped = whole.clone();
        for bit in 0..whole.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(load_rdb(&target, &flipped).is_err(), "{server}: bit {bit}");
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(state(&target).is_empty());
    }
}

#[test]
fn sorted_sets_are_read_in_every_encoding() {
    let mut wanted = driver(2);
    wanted.line("ZADD key -inf least -2.5 17 0 zero 1000000 m inf greatest");
    let plain = |scores: [&[u8]; 5]| {
        let members: [&[u8]; 5] =
            [b"\x05least", b"\xc0\x11", b"\x04zero", b"\x01m", b"\x08greatest"];
        let pairs = members.iter().zip(scores).map(|(member, score)| [*member, score].concat());
        [b"\x05".to_vec(), pairs.collect::<Vec<_>>().concat()].concat()
    };
    let texts = plain([b"\xff", b"\x04-2.5", b"\x010", b"\x071000000", b"\xfe"]);
    let of = |score: f64| score.to_le_bytes();
    let [least, half, zero, large, greatest] =
        [f64::NEG_INFINITY, -2.5, 0.0, 1e6, f64::INFINITY].map(of);
    let doubles = plain([&least, &half, &zero, &large, &greatest]);
    let old = ziplist(&[
        b"\x05least",
        b"\x04-inf",
        b"\xfe\x11",
        b"\x04-2.5",
        b"\x04zero",
        b"\xf1",
        b"\x01m",
        b"\xf0\x40\x42\x0f",
        b"\x08greatest",
        b"\x03inf",
    ]);
    let new = listpack(&[
        b"\x85least",
        b"\x84-inf",
        b"\x11",
        b"\x84-2.5",
        b"\x84zero",
        b"\x00",
        b"\x81m",
        b"\xf2\x40\x42\x0f",
        b"\x88greatest",
        b"\x83inf",
    ]);
    for (kind, value) in [(3, texts), (5, doubles), (12, string(&old)), (17, string(&new))] {
        for version in ["REDIS0006", "REDIS0011", "REDIS0016", "VALKEY080", "VALKEY081"] {
            let loaded = driver(1);
            let read = load_rdb(&loaded, &file(version, &entry(kind, &value)));
            read.unwrap_or_else(|error| panic!("{kind} in {version}: {error}"));
            assert_eq!(state(&loaded), state(&wanted), "{kind} in {version}");
        }
        let loaded = driver(1);
        for version in [6, 11, 13, 80] {
            let bytes = payload(&[&[kind][..], &value].concat(), version);
            assert!(again(&bytes, builder(&loaded)), "{kind}, version {version}");
        }
    }
}
