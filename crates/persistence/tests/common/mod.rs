//! What the tests of files share: loading into an engine, an engine's content as text, and commands
//! that change it.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod damage;
pub mod files;

use redstart_engine::Now;
use redstart_engine::driver::Driver;
use redstart_engine::hasher::SHARDS;
use redstart_engine::keyspace::snapshot::SnapshotItem;
use redstart_engine::storage::entry::Entry;
use redstart_engine::storage::value::ObjectRef;
use redstart_engine::storage::value::list::End;
use redstart_persistence::rdb::Writer as RdbWriter;
use redstart_persistence::rdb::{
    About, Compression, Found, Input, Plan, Reader as RdbReader, Version,
};
use redstart_persistence::record::Builder;
use redstart_persistence::snapshot::{Counts, Reader, decode, encoder};
use redstart_persistence::storage::Storage;
use redstart_persistence::storage::memory::Memory;
use redstart_persistence::{Fault, ReadError};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Loads a snapshot.
pub fn load(driver: &Driver, storage: &dyn Storage, name: &str) -> Result<Counts, ReadError> {
    let engine = driver.engine;
    let (options, hasher) = (&engine.options, engine.keyspace.hasher());
    let builder = Builder { options, hasher, now: driver.now };
    let mut reader = Reader::open(storage, name)?;
    let mut entries = Vec::new();
    while let Some(section) = reader.next_section()? {
        decode(&section, builder, &mut entries).map_err(|(offset, what)| Fault {
            file: name.into(),
            offset,
            what,
        })?;
    }
    engine.keyspace.restore(&mut entries).expect("each key is there once");
    Ok(reader.counts())
}

/// What builds values of an engine.
pub fn builder(driver: &Driver) -> Builder<'_> {
    let engine = driver.engine;
    Builder { options: &engine.options, hasher: engine.keyspace.hasher(), now: driver.now }
}

/// Loads a file of Redis's; returns what it says of itself, and its libraries.
pub fn load_rdb(driver: &Driver, bytes: &[u8]) -> Result<(About, Vec<Vec<u8>>), ReadError> {
    let mut reader = RdbReader::new(Input::new("rdb", Box::new(bytes), bytes.len() as u64))?;
    let (mut entries, mut libraries) = (Vec::new(), Vec::new());
    while let Some(found) = reader.next(builder(driver))? {
        match found {
            Found::Entry(db, entry) => entries.push((db, entry)),
            Found::Library(text) => libraries.push(text),
            Found::Foreign(..) => unreachable!("none is passed over"),
        }
    }
    let about = reader.about().clone();
    let input = reader.into_input();
    if !input.is_empty() {
        return Err(input.fault(input.at(), "there are bytes behind its end"));
    }
    driver.engine.keyspace.restore(&mut entries).expect("each key is there once");
    Ok((about, libraries))
}

/// Saves a file of Redis's.
pub fn save_rdb(driver: &Driver, version: Version, compression: Compression) -> Vec<u8> {
    let storage = Memory::default();
    let plan = Plan { version, compression, writer: "test", now: driver.now };
    let mut writer = RdbWriter::create(&storage, "rdb", &plan).expect("memory takes it");
    writer.library(b"#!lua name=library\n");
    let begun = driver.engine.keyspace.begin_snapshot(encoder(driver.now), || ());
    let mut snapshot = begun.0;
    while snapshot.step(&mut |item| match item {
        SnapshotItem::Entry(db, entry) => writer.entry(db, entry).expect("memory takes it"),
        SnapshotItem::Encoded(..) => unreachable!("no command runs meanwhile"),
    }) {}
    writer.finish().expect("memory takes it");
    storage.bytes("rdb").expect("it was written")
}

/// A golden file of Redis's or Valkey's.
#[allow(clippy::disallowed_methods, reason = "tests may read files")]
pub fn golden(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../snapshots/golden");
    std::fs::read(folder.join(name)).expect("it is in the repository")
}

/// The payload of a key, of a driver that knows DUMP.
pub fn dumped(driver: &mut Driver, key: &[u8]) -> Vec<u8> {
    let reply = driver.call(&[b"DUMP", key]);
    let start = reply.iter().position(|&byte| byte == b'\n').expect("a bulk") + 1;
    reply[start..reply.len() - 2].to_vec()
}

/// Everything that an engine holds, with wall times.
pub fn state(driver: &Driver) -> BTreeMap<(usize, Vec<u8>), String> {
    let mut all = BTreeMap::new();
    for index in 0..SHARDS {
        let mut view = driver.engine.keyspace.lock_shard(index);
        for (db, part) in view.shard_at(index).dbs() {
            for entry in part.table().iter() {
                let text = shown(entry, driver.now);
                assert!(all.insert((db, entry.key().to_vec()), text).is_none());
            }
        }
    }
    all
}

/// A value and its deadlines as text, whatever order its parts are in.
pub fn shown(entry: &Entry, now: Now) -> String {
    let wall = |deadline_ms| if deadline_ms == 0 { 0 } else { now.wall(deadline_ms) };
    let value = match entry.object() {
        Some(ObjectRef::List(list)) => {
            let mut elements = Vec::new();
            let _ = list.walk(0, End::Head, |element| {
                elements.push(element.as_bytes().to_vec());
                ControlFlow::<()>::Continue(())
            });
            format!("{elements:?}")
        }
        Some(ObjectRef::Hash(hash)) => {
            let fields: BTreeMap<_, _> = hash
                .iter_timed()
                .map(|(field, value, at)| (field, (value.to_vec(), wall(at))))
                .collect();
            format!("{fields:?}")
        }
        Some(ObjectRef::SortedSet(set)) => {
            let members: Vec<_> =
                set.iter(0).map(|(member, score)| (member.to_vec(), score)).collect();
            format!("{members:?}")
        }
        Some(ObjectRef::Set(set)) => {
            let mut members = BTreeMap::new();
            let _ = set.walk_timed(|member, deadline_ms| {
                members.insert(member.to_vec(), wall(deadline_ms));
                ControlFlow::<()>::Continue(())
            });
            format!("{members:?}")
        }
        Some(ObjectRef::Stream(stream)) => stream.contents(),
        None => format!("{:?}", entry.value().to_vec()),
    };
    let note = match entry.note() {
        note if note.is_empty() => String::new(),
        note => format!(" noted {} {}", note.flags, note.marks()),
    };
    format!("{value}{note} until {}", wall(entry.deadline_ms()))
}

/// A random command, sometimes with time that passes behind it.
pub fn disturb(driver: &mut Driver, random: &mut fastrand::Rng) {
    driver.db = random.usize(..3);
    let (key, other) = (random.u32(..400), random.u32(..400));
    let line = match random.u32(..22) {
        0..6 => format!("SET k{key} {}", random.u32(..)),
        6 => format!("SET k{key} {} PX {}", "y".repeat(random.usize(..90)), random.u32(1..900)),
        7 => format!("DEL k{key} k{other}"),
        8 => format!("APPEND k{key} {other}"),
        9 => format!("RENAME k{key} k{other}"),
        10 => format!("COPY k{key} k{other} DB {} REPLACE", random.u32(..3)),
        11 => format!("MOVE k{key} {}", random.u32(..3)),
        12 => format!("RPUSH l{key} {other} x"),
        13 => format!("LPOP l{key}"),
        14 => format!("HSET h{key} f{} {other}", other % 5),
        15 => format!("HDEL h{key} f{}", other % 5),
        16 => format!("PEXPIRE h{key} {}", random.u32(1..900)),
        17 => format!("PERSIST k{key}"),
        18 => format!("HPEXPIRE h{key} {} FIELDS 1 f{}", random.u32(1..900), other % 5),
        19 if random.u32(..20) == 0 => format!("SWAPDB {} {}", key % 3, other % 3),
        20 if random.u32(..60) == 0 => "FLUSHDB".into(),
        20 if random.u32(..120) == 0 => "FLUSHALL".into(),
        19 => format!("SETRANGE k{key} {} zz", random.usize(..6000)),
        20 => format!("SET k{key} {}", "big".repeat(random.usize(1300..1600))),
        21 if random.bool() => format!("MEMCACHED.NOTE k{key} {other} {}", random.u8(..4)),
        _ => format!("INCRBY n{key} {other}"),
    };
    driver.line(&line);
    if random.u32(..10) == 0 {
        driver.advance(random.u64(..20));
    }
}
