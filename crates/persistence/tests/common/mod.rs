//! What the tests of files share: loading into an engine, and what an engine holds, as text.

use redstart_engine::driver::Driver;
use redstart_engine::hasher::SHARDS;
use redstart_engine::value::Object;
use redstart_engine::value::list::End;
use redstart_persistence::record::Builder;
use redstart_persistence::snapshot::{Counts, Reader, decode};
use redstart_persistence::storage::Storage;
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
    assert!(engine.keyspace.restore(&mut entries), "a key was there twice");
    Ok(reader.counts())
}

/// Everything that an engine holds, with wall times.
pub fn state(driver: &Driver) -> BTreeMap<(usize, Vec<u8>), String> {
    let mut all = BTreeMap::new();
    let wall = |deadline_ms| if deadline_ms == 0 { 0 } else { driver.now.wall(deadline_ms) };
    for index in 0..SHARDS {
        let mut view = driver.engine.keyspace.lock_shard(index);
        for (db, part) in view.shard_at(index).dbs() {
            for entry in part.table.iter() {
                let value = match entry.object() {
                    Some(Object::List(list)) => {
                        let mut elements = Vec::new();
                        let _ = list.walk(0, End::Head, |element| {
                            elements.push(element.as_bytes().to_vec());
                            ControlFlow::<()>::Continue(())
                        });
                        format!("{elements:?}")
                    }
                    Some(Object::Hash(hash)) => {
                        let fields: BTreeMap<_, _> = hash
                            .iter_timed()
                            .map(|(field, value, at)| (field, (value.to_vec(), wall(at))))
                            .collect();
                        format!("{fields:?}")
                    }
                    None => format!("{:?}", entry.value().to_vec()),
                };
                let text = format!("{value} until {}", wall(entry.deadline_ms()));
                assert!(all.insert((db, entry.key().to_vec()), text).is_none());
            }
        }
    }
    all
}
