//! The log does the same again whenever it is replayed: also long after deadlines have passed that
//! were still to come, or were taken away, when it was written.

mod common;

use common::{disturb, load, state};
use redstart_engine::Now;
use redstart_engine::driver::Driver;
use redstart_engine::run::effect::Listener;
use redstart_persistence::log::{Log, SegmentReader, Start, decode};
use redstart_persistence::names::segment;
use redstart_persistence::snapshot::{Header, Writer, encoder, write_all};
use redstart_persistence::storage::memory::Memory;
use std::sync::Arc;

const NAME: &str = "base";

/// Replays every record behind `base`.
fn replay(driver: &mut Driver, storage: &Memory, base: u64) {
    let mut reader = SegmentReader::open(storage, &segment("log", 1), 1).expect("it was written");
    let mut payload = Vec::new();
    while let Ok(sequence) = reader.next_record(&mut payload).expect("it is whole") {
        if sequence <= base {
            continue;
        }
        for (db, words) in decode(&payload).expect("it is whole") {
            driver.db = db;
            let reply = driver.call(&words);
            let text =
                || words.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>();
            assert_ne!(reply.first(), Some(&b'-'), "{:?}", text());
        }
    }
}

#[test]
fn a_base_and_the_records_behind_it_are_what_was_there() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let storage = Memory::default();
        let log = Arc::new(Log::default());
        log.rotate(&Start { storage: &storage, prefix: "log" }).expect("memory does not fail");
        let mut driver = Driver::new(seed);
        driver.engine.listen(Listener::Log, log.clone());
        for _ in 0..random.usize(..2000) {
            disturb(&mut driver, &mut random);
        }
        let (mut snapshot, base) =
            driver.engine.keyspace.begin_snapshot(encoder(driver.now), || log.appended());
        let header = Header { sequence: base, ..Header::default() };
        let mut writer =
            Writer::create(&storage, NAME, &header, driver.now).expect("memory takes it");
        while snapshot.step(&mut |item| writer.take(item)) {
            disturb(&mut driver, &mut random);
        }
        writer.finish().expect("memory takes it");
        log.write_out(log.appended()).expect("memory takes it");

        // Ten minutes later, in a process whose clock began anew.
        let later = Now::new(1_000_000, driver.now.wall_ms + 600_000);
        for base in [0, base] {
            let mut again = Driver::new(!seed);
            again.now = later;
            if base > 0 {
                load(&again, &storage, NAME).expect("it is whole");
            }
            again.now = later.replaying();
            replay(&mut again, &storage, base);
            assert_eq!(state(&again), state(&driver), "seed {seed} from record {base}");
            // And then everything expires as it must.
            again.now = later;
            again.advance(1);
            assert!(state(&again).values().all(|text| text.ends_with("until 0")));
        }
    }
}

#[test]
fn a_snapshot_alone_brings_nothing_back_that_expired() {
    let mut driver = Driver::new(1);
    driver.line("SET k v PX 100");
    driver.line("SET kept v");
    let storage = Memory::default();
    let (snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(driver.now), || ());
    let writer = Writer::create(&storage, NAME, &Header::default(), driver.now);
    write_all(snapshot, writer.expect("memory takes it"), |_, _| Ok(())).expect("memory takes it");
    let mut again = Driver::new(2);
    again.now = Now::new(1_000_000, driver.now.wall_ms + 86_400_000 * 400);
    load(&again, &storage, NAME).expect("it is whole");
    assert_eq!(again.line("GET k"), "$-1\r\n");
    assert_eq!(again.line("GET kept"), "$1\r\nv\r\n");
}
