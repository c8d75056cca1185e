//! Snapshots hold one moment, however the keyspace changes meanwhile; and what is not a whole
//! snapshot is never read as one.

mod common;

use common::{disturb, load, state};
use redstart_engine::aging::Rule;
use redstart_engine::driver::Driver;
use redstart_persistence::record::Times;
use redstart_persistence::snapshot::{Counts, Header, Packing, Writer, encoder, write_all};
use redstart_persistence::storage::Storage;
use redstart_persistence::storage::memory::{Faults, Memory};

const NAME: &str = "dump.redstart";

fn writer<'s>(driver: &Driver, storage: &'s dyn Storage) -> Writer<'s> {
    let header = Header { writer: "test".into(), wall_ms: driver.now.wall_ms, sequence: 7 };
    Writer::create(storage, NAME, &header, driver.now).expect("memory takes it")
}

fn save(driver: &Driver, storage: &dyn Storage) -> std::io::Result<Counts> {
    let header = Header { writer: "test".into(), wall_ms: driver.now.wall_ms, sequence: 7 };
    let mut writer = Writer::create(storage, NAME, &header, driver.now)?;
    if let Err(error) = writer.write_libraries([&b"#!lua name=library\n"[..]].into_iter()) {
        writer.abandon();
        return Err(error);
    }
    let (snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(driver.now), || ());
    write_all(snapshot, writer, |_, _| Ok(()))
}

/// A little of everything.
fn fill(driver: &mut Driver) {
    let long = format!("SET long {}", "x".repeat(6000));
    for line in [
        "SET text hello",
        "SET number -12345",
        "SET volatile v PX 5000",
        "RPUSH list a b c 17",
        "HSET hash f 1 g two",
        "HPEXPIRE hash 90000 FIELDS 1 f",
        "SADD set b a 17",
        "SADD integers 3 -1 70000",
        "SADD timed-set b a 17",
        "SPEXPIRE timed-set 90000 MEMBERS 2 a 17",
        "PEXPIRE hash 100000",
        &long,
    ] {
        let reply = driver.line(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    driver.db = 3;
    driver.line("SET elsewhere 1");
    driver.call(&[b"SET", &[b'k'; 300], b""]);
    let fields: Vec<String> = (0..600).map(|n| format!("f{n} v{n}")).collect();
    driver.line(&format!("HSET large {}", fields.join(" ")));
    let members: Vec<String> = (0..600).map(|n| format!("m{n} {n}")).collect();
    driver.line(&format!("SADD large-set {}", members.join(" ")));
    driver.line("SPEXPIRE large-set 90000 MEMBERS 3 m1 5 absent");
    let elements: Vec<String> = (0..3000).map(|n| format!("element-{n}")).collect();
    driver.line(&format!("RPUSH long-list {}", elements.join(" ")));
    driver.db = 0;
}

#[test]
fn everything_comes_back() {
    let mut driver = Driver::new(1);
    fill(&mut driver);
    // A string in parts is encoded after the unlock.
    driver.line("SETRANGE parts 1500000 end");
    let storage = Memory::default();
    let counts = save(&driver, &storage).unwrap();
    let loaded = Driver::new(2);
    assert_eq!(load(&loaded, &storage, NAME).unwrap(), counts);
    assert_eq!(state(&loaded), state(&driver));
    assert_eq!(counts.entries, 15);
    // Deadlines come back, too.
    let mut loaded = loaded;
    loaded.advance(5000);
    assert_eq!(loaded.line("EXISTS volatile"), ":0\r\n");
}

#[test]
fn how_far_it_is_gets_from_none_to_all_of_what_there_was_at_the_flip() {
    let mut driver = Driver::new(1);
    fill(&mut driver);
    let storage = Memory::default();
    let writer = writer(&driver, &storage);
    let (snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(driver.now), || ());
    assert_eq!(snapshot.entries(), 14);
    // A key that comes later does not count, and one that goes is not left out.
    driver.line("SET later 1");
    driver.line("DEL text list");
    let mut seen = Vec::new();
    let counts = write_all(snapshot, writer, |entries, snapshot| {
        assert_eq!(snapshot.entries(), 14);
        seen.push(entries);
        Ok(())
    });
    assert_eq!(counts.unwrap().entries, 14);
    assert!(seen.is_sorted() && seen.first() <= Some(&2) && seen.last() == Some(&14), "{seen:?}");
}

#[test]
fn no_cut_and_no_flipped_bit_goes_unnoticed() {
    let mut driver = Driver::new(1);
    for line in ["SET a 1 PX 70000", "SET b text", "RPUSH l x y", "HSET h f v"] {
        driver.line(line);
    }
    every_damage_is_noticed(&driver);
    // A section that is packed.
    driver.line(&format!("SET c {}", "x".repeat(2000)));
    every_damage_is_noticed(&driver);
}

/// Tries all of them on a file that is small, whatever is in it.
fn every_damage_is_noticed(driver: &Driver) {
    let storage = Memory::default();
    save(driver, &storage).expect("nothing fails");
    let whole = storage.bytes(NAME).expect("it was written");
    assert!(whole.len() < 400, "{} bytes", whole.len());
    let target = Driver::new(2);
    let refused = |bytes: &[u8]| {
        storage.put(NAME, bytes);
        load(&target, &storage, NAME).is_err()
    };
    for len in 0..whole.len() {
        assert!(refused(&whole[..len]), "cut to {len} of {} bytes", whole.len());
    }
    let mut flipped = whole.clone();
    for bit in 0..whole.len() * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(&flipped), "bit {} of byte {} flipped", bit % 8, bit / 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(refused(&[&whole[..], b"x"].concat()));
}

/// The same keyspace, packed or not, is the same, and `rdbcompression no` leaves it as it is.
#[test]
fn packed_or_not_it_is_the_same() {
    let mut driver = Driver::new(1);
    fill(&mut driver);
    let fields: Vec<String> = (0..90).map(|n| format!("f{n} {}", "x".repeat(1000))).collect();
    driver.line(&format!("HSET larger {}", fields.join(" ")));
    for key in 0..5000 {
        driver.line(&format!("SET key:{key} a-text-that-occurs-again-and-again:{}", key % 10));
    }
    let mut lengths = Vec::new();
    for packing in [Packing::Off, Packing::Lz4, Packing::Off] {
        let storage = Memory::default();
        let header = Header { writer: "test".into(), wall_ms: driver.now.wall_ms, sequence: 7 };
        let writer = Writer::with_packing(&storage, NAME, &header, driver.now, packing);
        let (snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(driver.now), || ());
        let counts = write_all(snapshot, writer.unwrap(), |_, _| Ok(())).unwrap();
        let loaded = Driver::new(2);
        assert_eq!(load(&loaded, &storage, NAME).unwrap(), counts);
        assert_eq!(state(&loaded), state(&driver), "{packing:?}");
        lengths.push(storage.bytes(NAME).unwrap().len());
    }
    assert!(lengths[1] < lengths[0] / 3 && lengths[0] == lengths[2], "{lengths:?}");
}

/// Where eviction goes by ages, they are in the snapshot, for a byte or some a key; else for none.
#[test]
fn ages_are_kept_where_they_count() {
    const OFTEN: Rule = Rule::Frequency { log_factor: 10, decay_min: 1 };
    let mut lengths = Vec::new();
    for (rule, asked, old, new) in [
        (None, "IDLETIME", ":0\r\n", ":0\r\n"),
        (Some(Rule::Idle), "IDLETIME", ":90\r\n", ":0\r\n"),
        (Some(Rule::Modified), "IDLETIME", ":90\r\n", ":20\r\n"),
        (Some(OFTEN), "FREQ", ":3\r\n", ":5\r\n"),
    ] {
        let mut driver = Driver::new(1);
        driver.engine.options.set_aging(rule.unwrap_or_default());
        driver.line("SET old v");
        driver.line("SET old-for-now v PX 1000000");
        driver.advance(70_000);
        driver.line("SET new 12");
        driver.line(&format!("HSET large f {}", "x".repeat(70_000)));
        driver.advance(20_000);
        let times = Times { now: driver.now, ages: rule };
        let storage = Memory::default();
        let writer = Writer::with_packing(&storage, NAME, &Header::default(), times, Packing::Off);
        let (snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(times), || ());
        // A change has the old value saved with its age; a read is a use that the walk may meet.
        driver.advance(5000);
        driver.line("SET old-for-now changed");
        driver.line("GET new");
        write_all(snapshot, writer.unwrap(), |_, _| Ok(())).unwrap();
        lengths.push(storage.bytes(NAME).unwrap().len());
        let mut loaded = Driver::new(2);
        loaded.engine.options.set_aging(rule.unwrap_or_default());
        load(&loaded, &storage, NAME).unwrap();
        for (key, reply) in [("old", old), ("old-for-now", old), ("new", new)] {
            let there = loaded.line(&format!("OBJECT {asked} {key}"));
            assert_eq!(there, reply, "{rule:?}, {key}");
        }
    }
    let keys = 4;
    assert_eq!(lengths[1..], [lengths[0] + keys; 3]);
}

#[test]
fn whatever_fails_the_old_snapshot_or_the_new_one_is_there() {
    let mut driver = Driver::new(1);
    driver.line("SET which old");
    let storage = Memory::default();
    save(&driver, &storage).unwrap();
    let old = storage.bytes(NAME).unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    fill(&mut driver);
    let mut saved = false;
    for at in 1.. {
        let disk = Memory::default();
        disk.put(NAME, &old);
        disk.set_faults(Faults { at: Some(at), ..Faults::default() });
        let result = save(&driver, &disk);
        for _ in 0..8 {
            let after = disk.crash(&mut random);
            let loaded = Driver::new(2);
            let entries = load(&loaded, &after, NAME).unwrap().entries;
            assert!(entries == 1 && result.is_err() || entries == 15, "fault {at}: {entries}");
        }
        if result.is_ok() {
            saved = true;
            break;
        }
    }
    assert!(saved);
    storage.set_faults(Faults { space: Some(100), ..Faults::default() });
    assert_eq!(save(&driver, &storage).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(storage.list().unwrap(), [NAME]);
}

#[test]
fn a_snapshot_is_one_moment() {
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut driver = Driver::new(seed);
        for _ in 0..random.usize(..3000) {
            disturb(&mut driver, &mut random);
        }
        for round in 0..4 {
            let storage = Memory::default();
            let mut writer = writer(&driver, &storage);
            let (mut snapshot, ()) =
                driver.engine.keyspace.begin_snapshot(encoder(driver.now), || ());
            let moment = state(&driver);
            let now = driver.now;
            let each = [0, 1, 3, 20][round];
            while snapshot.step(&mut |item| writer.take(item)) {
                writer.write_full().unwrap();
                (0..random.usize(..=each)).for_each(|_| disturb(&mut driver, &mut random));
            }
            let counts = writer.finish().unwrap();
            assert_eq!(counts.entries as usize, moment.len(), "seed {seed}, round {round}");
            let mut loaded = Driver::new(99);
            loaded.now = now;
            load(&loaded, &storage, NAME).unwrap();
            assert_eq!(state(&loaded), moment, "seed {seed}, round {round}");
        }
    }
}

#[test]
fn a_snapshot_that_is_given_up_leaves_the_next_one_whole() {
    let mut driver = Driver::new(3);
    fill(&mut driver);
    let (mut snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(driver.now), || ());
    for _ in 0..300 {
        snapshot.step(&mut |_| {});
    }
    driver.line("SET text other");
    snapshot.abandon();
    driver.line("SET later 1");
    let storage = Memory::default();
    save(&driver, &storage).unwrap();
    let loaded = Driver::new(4);
    load(&loaded, &storage, NAME).unwrap();
    assert_eq!(state(&loaded), state(&driver));
}

/// Large values of each type, of some thousand elements.
fn fill_large(driver: &mut Driver) {
    for n in 0..3 {
        let fields: Vec<String> = (0..4000).map(|f| format!("f{f} {n}-{f}")).collect();
        driver.line(&format!("HSET hash{n} {}", fields.join(" ")));
        driver.line(&format!("HPEXPIRE hash{n} 50000 FIELDS 3 f1 f2 f3"));
        let elements: Vec<String> = (0..20_000).map(|e| format!("{n}-{}", e * 7)).collect();
        for some in elements.chunks(5000) {
            driver.line(&format!("RPUSH list{n} {}", some.join(" some-longer-text ")));
        }
        driver.line(&format!("RPUSH wide{n} {}", vec!["w".repeat(1500); 700].join(" ")));
        driver.line(&format!("SET text{n} {}", "t".repeat(60_000)));
    }
}

/// A random change of a large value.
fn disturb_large(driver: &mut Driver, random: &mut fastrand::Rng) {
    let (n, other) = (random.u32(..3), random.u32(..3));
    let (field, index) = (random.u32(..5000), random.i32(-6000..6000));
    let list = ["list", "wide"][random.usize(..2)];
    let line = match random.u32(..200) {
        0..40 => format!("HSET hash{n} f{field} {index}"),
        40..60 => format!("HDEL hash{n} f{field} f{}", field / 2),
        60..65 => format!("HPEXPIRE hash{n} {} FIELDS 1 f{field}", field + 1),
        65..90 => format!("LSET {list}{n} {index} {field}"),
        90..100 => format!("LINSERT {list}{n} BEFORE {n}-{} y", field * 7),
        100..120 => format!("RPUSH {list}{n} {field}"),
        120..140 => format!("LPOP {list}{n}"),
        140..150 => format!("LREM {list}{n} 1 {n}-{}", field * 7),
        150..155 => format!("LTRIM list{n} {} -{}", field / 50, field / 60 + 1),
        155..165 => format!("APPEND text{n} {field}"),
        165..175 => format!("SETRANGE text{n} {field} {index}"),
        175 => format!("DEL hash{n}"),
        176 => format!("DEL {list}{n} text{n}"),
        177 => format!("RENAME hash{n} hash{other}"),
        178 => format!("RENAME list{n} wide{other}"),
        179 => format!("COPY hash{n} hash{other} REPLACE"),
        180 => format!("SET hash{n} short"),
        181 => format!("MOVE list{n} 1"),
        182 => format!("PEXPIRE hash{n} {}", field + 1),
        183 => "SWAPDB 0 1".into(),
        184 if random.u32(..3) == 0 => "FLUSHDB".into(),
        185..190 => {
            driver.advance(random.u64(..200));
            return;
        }
        _ => format!("SET k{field} {index}"),
    };
    driver.line(&line);
}

#[test]
fn a_large_entry_goes_over_several_sections() {
    let mut driver = Driver::new(1);
    fill_large(&mut driver);
    let storage = Memory::default();
    let counts = save(&driver, &storage).unwrap();
    assert_eq!(counts.entries as usize, state(&driver).len());
    // Three hashes, six lists, three strings that are one piece each.
    assert!(counts.sections > 2 * 9, "{}", counts.sections);
    let whole = storage.bytes(NAME).unwrap();
    let target = Driver::new(2);
    let refused = |bytes: &[u8]| {
        storage.put(NAME, bytes);
        load(&target, &storage, NAME).is_err()
    };
    // Without a section, with one twice, with two in another order.
    let sections = sections(&whole);
    let joined = |order: &[usize]| {
        let mut bytes = whole[..12].to_vec();
        order.iter().for_each(|&at| bytes.extend_from_slice(sections[at]));
        bytes
    };
    let order: Vec<usize> = (0..sections.len()).collect();
    assert!(joined(&order) == whole);
    for at in 1..sections.len() - 2 {
        let mut other = order.clone();
        other.swap(at, at + 1);
        assert!(refused(&joined(&other)), "section {at} behind the next");
        other = order.clone();
        other.remove(at);
        assert!(refused(&joined(&other)), "no section {at}");
        other.insert(at, at + 1);
        assert!(refused(&joined(&other)), "another section {at}");
    }
}

/// The sections of a snapshot.
fn sections(mut bytes: &[u8]) -> Vec<&[u8]> {
    bytes = &bytes[12..];
    let mut sections = Vec::new();
    while !bytes.is_empty() {
        let len = u64::from_le_bytes(bytes[5..13].try_into().expect("eight bytes"));
        let (section, rest) = bytes.split_at(21 + len as usize);
        sections.push(section);
        bytes = rest;
    }
    sections
}

#[test]
fn large_values_are_of_the_moment() {
    let mut changed = 0;
    for seed in 0..10 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut driver = Driver::new(seed);
        fill_large(&mut driver);
        for round in 0..3 {
            let storage = Memory::default();
            let writer = writer(&driver, &storage);
            let (snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(driver.now), || ());
            let (moment, now) = (state(&driver), driver.now);
            // Before the walk, and while it encodes what it has found.
            (0..40 * round).for_each(|_| disturb_large(&mut driver, &mut random));
            let counts = write_all(snapshot, writer, |_, _| {
                if random.u32(..4) == 0 {
                    disturb_large(&mut driver, &mut random);
                    changed += 1;
                }
                Ok(())
            });
            assert_eq!(counts.unwrap().entries as usize, moment.len(), "seed {seed}");
            let mut loaded = Driver::new(99);
            loaded.now = now;
            load(&loaded, &storage, NAME).unwrap();
            assert!(state(&loaded) == moment, "seed {seed}, round {round}");
        }
    }
    assert!(changed > 1000, "{changed}");
}
