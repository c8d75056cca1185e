//! Snapshots that released versions wrote, and that every later version must still load. One file
//! a format in `snapshots/golden`; `REDSTART_WRITE_GOLDEN=1` writes the present format's anew.

mod common;

use common::{load, state};
use redstart_engine::aging::Rule;
use redstart_engine::driver::Driver;
use redstart_persistence::record::Times;
use redstart_persistence::snapshot::{
    Header, Reader, VERSION, VERSIONS, Writer, encoder, write_all,
};
use redstart_persistence::storage::memory::Memory;
use std::path::PathBuf;

/// What every golden file holds, as commands.
const LINES: [&str; 9] = [
    "SET text hello",
    "SET number -12345",
    "SET volatile v PXAT 4102444800000",
    "RPUSH list a b c 17",
    "HSET hash f 1 g two",
    "HPEXPIREAT hash 4102444800000 FIELDS 1 f",
    "SET long xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "SET moved 1",
    "MOVE moved 7",
];

/// A library of functions that every golden file from the second on holds.
const LIBRARY: &[u8] = b"#!lua name=library\n";

fn file(version: u32) -> PathBuf {
    let name = format!("../../snapshots/golden/format-{version}.redstart");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn filled(version: u32) -> Driver {
    let mut driver = Driver::new(1);
    if version > 2 {
        // Larger than a section.
        let fields: Vec<String> = (0..70).map(|n| format!("f{n} {}", "x".repeat(1000))).collect();
        driver.line(&format!("HSET large {}", fields.join(" ")));
    }
    if version > 4 {
        // Sections of whole entries that are packed.
        for key in 0..50 {
            driver.line(&format!("SET packed:{key} {}", "packed ".repeat(20).replace(' ', "-")));
        }
        driver.line("SADD set a b 17");
        driver.line("SADD numbers 1 2 3");
    }
    if version > 16 {
        driver.line("SET lock owner PXAT 4102444800000");
        driver.line("LOCK.FENCE lock 1234567890123");
    }
    if version > 32 {
        driver.line("SET tagged v");
        driver.line("TAG.ADD tagged a b");
    }
    if version > 8 {
        driver.line("ZADD sorted 1 a 2.5 b");
        driver.line("SET idle v");
        driver.line("SET idle-for-now v PXAT 4102444800000");
        driver.advance(70_000);
    }
    for line in LINES {
        let reply = driver.line(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    driver
}

#[test]
fn every_released_format_is_still_read() {
    let (driver, storage) = (filled(VERSION), Memory::default());
    if std::env::var_os("REDSTART_WRITE_GOLDEN").is_some() {
        let times = Times { now: driver.now, ages: Some(Rule::Idle) };
        let (snapshot, ()) = driver.engine.keyspace.begin_snapshot(encoder(times), || ());
        let header = Header { writer: "golden".into(), wall_ms: driver.now.wall_ms, sequence: 0 };
        let mut writer = Writer::create(&storage, "golden", &header, times).unwrap();
        writer.write_libraries([LIBRARY].into_iter()).unwrap();
        writer.write_locks(&driver.engine.keyspace.save_locks()).unwrap();
        write_all(snapshot, writer, |_, _| Ok(())).unwrap();
        let bytes = storage.bytes("golden").expect("it was written");
        std::io::Write::write_all(&mut create(file(VERSION)), &bytes).unwrap();
    }
    for version in VERSIONS {
        storage.put("golden", &bytes_of(file(version)));
        let mut loaded = Driver::new(2);
        load(&loaded, &storage, "golden").unwrap();
        let mut reader = Reader::open(&storage, "golden").unwrap();
        while reader.next_section().unwrap().is_some() {}
        assert_eq!(reader.libraries(), &[LIBRARY][..usize::from(version > 1)]);
        assert_eq!(state(&loaded), state(&filled(version)), "format {version}");
        loaded.engine.keyspace.restore_locks(reader.locks().clone());
        let fence = loaded.line("LOCK.INFO lock").contains("fence\r\n:1234567890123\r\n");
        assert_eq!(fence, version > 16, "format {version}");
        let tags = loaded.line("TAG.OF tagged");
        let dropped = loaded.line("TAG.DROP b") + &loaded.line("EXISTS tagged");
        let (known, gone) = ("*2\r\n$1\r\na\r\n$1\r\nb\r\n", ":1\r\n:0\r\n");
        let is_known = version > 32;
        assert_eq!(tags == known && dropped == gone, is_known, "format {version}: {tags}");
        for (key, idle_s) in [("idle", 70), ("idle-for-now", 70), ("text", 0)] {
            let is_known = version > 8;
            let there = loaded.line(&format!("OBJECT IDLETIME {key}"));
            assert!(!is_known || there == format!(":{idle_s}\r\n"), "format {version}: {there}");
        }
    }
}

#[allow(clippy::disallowed_types, reason = "tests may read files")]
fn create(path: PathBuf) -> std::fs::File {
    std::fs::File::create(path).expect("the directory is there")
}

#[allow(clippy::disallowed_methods, reason = "tests may read files")]
fn bytes_of(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
