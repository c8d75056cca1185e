//! Redis's files and payloads, whatever bytes they hold: never a panic, never an allocation that
//! the input does not account for; and what is read as a value is the same value once it has been
//! dumped and restored.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redstart_engine::storage::entry::Entry;
use redstart_engine::storage::value::ObjectRef;
use redstart_engine::storage::value::list::End;
use redstart_engine::{Engine, Now};
use redstart_persistence::aof::{self, Next};
use redstart_persistence::rdb::{Compression, Found, Input, Reader, Version, crc64, payload};
use redstart_persistence::record::Builder;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::LazyLock;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new([1, 2]));

fn builder() -> Builder<'static> {
    let now = Now::new(1 << 40, 1 << 40);
    Builder { options: &ENGINE.options, hasher: ENGINE.keyspace.hasher(), now }
}

/// What files and payloads may say, for each of a few choices.
const HEADS: [&[u8; 9]; 4] = [b"REDIS0012", b"REDIS0016", b"VALKEY080", b"VALKEY081"];
const VERSIONS: [u16; 4] = [12, 16, 80, 81];

/// The bytes with a version and their sum behind them.
fn sealed(body: &[u8], version: u16) -> Vec<u8> {
    let mut bytes = [body, &version.to_le_bytes()].concat();
    let sum = crc64(0, &bytes).to_le_bytes();
    bytes.extend_from_slice(&sum);
    bytes
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, data)) = data.split_first() else { return };
    let choice = usize::from(kind >> 6);
    match kind % 4 {
        0 => read_file(data),
        1 => {
            let mut file = [&HEADS[choice][..], data, b"\xff"].concat();
            let sum = crc64(0, &file).to_le_bytes();
            file.extend_from_slice(&sum);
            read_file(&file);
        }
        2 => {
            let payload = sealed(data, VERSIONS[choice]);
            let Ok(value) = payload::restore(&payload, builder()) else { return };
            let entry = value.into_entry(b"key", 0);
            let now = builder().now;
            for version in Version::WRITTEN {
                let dumped = payload::dump(&entry, now, version, Compression::Lzf);
                let again = payload::restore(&dumped, builder()).expect("it was dumped here");
                assert_eq!(shown(&again.into_entry(b"key", 0)), shown(&entry));
            }
        }
        _ => {
            let mut input = Input::new("aof", Box::new(data), data.len() as u64);
            while let Ok(Next::Unit(_)) = aof::next(&mut input) {}
        }
    }
});

/// A value, whatever order its fields are in.
fn shown(entry: &Entry) -> String {
    match entry.object() {
        Some(ObjectRef::List(list)) => {
            let mut elements = Vec::new();
            let _ = list.walk(0, End::Head, |element| {
                elements.push(element.as_bytes().to_vec());
                ControlFlow::<()>::Continue(())
            });
            format!("{elements:?}")
        }
        Some(ObjectRef::Hash(hash)) => {
            let fields = hash.iter_timed();
            let fields: BTreeMap<_, _> =
                fields.map(|(field, value, at_ms)| (field, (value.to_vec(), at_ms))).collect();
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
                members.insert(member.to_vec(), deadline_ms);
                ControlFlow::<()>::Continue(())
            });
            format!("{members:?}")
        }
        Some(ObjectRef::Stream(stream)) => stream.contents(),
        None => format!("{:?}", entry.value().to_vec()),
    }
}

fn read_file(bytes: &[u8]) {
    let input = Input::new("rdb", Box::new(bytes), bytes.len() as u64);
    let Ok(mut reader) = Reader::new(input) else { return };
    while let Ok(Some(found)) = reader.next(builder()) {
        if let Found::Library(text) = found {
            assert!(text.len() <= bytes.len() * 88);
        }
    }
}
