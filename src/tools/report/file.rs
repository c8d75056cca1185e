//! Keys from a file: a snapshot of Redstart's, or an RDB file of Redis's or Valkey's. What a key
//! takes is what it takes in Redstart.

use super::Subject;
use super::tally::{Key, Left, Tally};
use crate::durability::looks_like_rdb;
use crate::system::clock;
use crate::system::log::date;
use crate::system::progress::Progress;
use crate::tools::file::{builder, place};
use redstart_engine::Engine;
use redstart_engine::storage::entry::Entry;
use redstart_engine::storage::timed_table::SLOT_BYTES;
use redstart_engine::storage::value::ObjectRef;
use redstart_persistence::ReadError;
use redstart_persistence::rdb::{self, Found, envelope};
use redstart_persistence::snapshot::{self, decode};
use redstart_persistence::storage::encrypted::Keys;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Counts the keys of a file.
///
/// # Errors
/// What is wrong with it.
pub fn read(
    file: &Path,
    keys: &Arc<Keys>,
    tally: &mut Tally,
    progress: &Progress,
) -> Result<Subject, ReadError> {
    let (directory, name) = place(file, keys)?;
    let now_ms = clock::wall_us() / 1000;
    let mut subject = Subject { title: name.clone(), ..Subject::default() };
    subject.note(
        "Sizes are what keys take in Redstart, encodings those that it keeps them in. What \
         deadlines have left counts from now."
            .to_owned(),
    );
    let engine = Engine::new([0; 2]);
    let builder = builder(&engine);
    if looks_like_rdb(&directory, &name)? {
        let input = envelope::open(&directory, &name)?;
        progress.total_bytes.store(input.len(), Relaxed);
        let mut reader = rdb::Reader::new(input)?.passes_over_foreign(true);
        while let Some(found) = reader.next(builder)? {
            if let Found::Entry(db, entry) = found {
                count(db, &entry, now_ms, tally);
            }
            progress.bytes.store(reader.at(), Relaxed);
            progress.keys.store(reader.about().entries, Relaxed);
        }
        let about = reader.about();
        let writer = about.writer.as_ref().map_or(String::new(), |by| format!(", written by {by}"));
        subject.about = format!("{}{writer}", about.version);
        for (what, times) in &about.passed_over {
            subject.note(format!("{what} is not counted; it stands there {times} times."));
        }
        return Ok(subject);
    }
    let mut reader = snapshot::Reader::open(&directory, &name)?;
    progress.total_bytes.store(reader.len(), Relaxed);
    let mut entries = Vec::new();
    while let Some(section) = reader.next_section()? {
        decode(&section, builder, &mut entries)
            .map_err(|(offset, what)| reader.fault(offset, &what))?;
        for (db, entry) in entries.drain(..) {
            count(db, &entry, now_ms, tally);
            progress.keys.fetch_add(1, Relaxed);
        }
        progress.bytes.store(reader.counts().bytes, Relaxed);
    }
    let header = reader.header();
    let at_ms = u64::try_from(header.wall_ms).unwrap_or(0);
    let at = date(at_ms / 1000, (at_ms % 1000) as u32);
    subject.about = format!("snapshot of Redstart {}, of {at} UTC", header.writer);
    Ok(subject)
}

fn count(db: usize, entry: &Entry, now_ms: u64, tally: &mut Tally) {
    let left = match entry.deadline_ms() {
        0 => Left::Forever,
        deadline_ms if deadline_ms <= now_ms => Left::Nothing,
        deadline_ms => Left::Ms(deadline_ms - now_ms),
    };
    let elements = match entry.object() {
        None => entry.value().len() as u64,
        Some(ObjectRef::List(list)) => list.len() as u64,
        Some(ObjectRef::Hash(hash)) => hash.len() as u64,
        Some(ObjectRef::SortedSet(set)) => set.len() as u64,
        Some(ObjectRef::Set(set)) => set.len() as u64,
        Some(ObjectRef::Stream(stream)) => stream.len(),
    };
    tally.add(&Key {
        db,
        name: entry.key(),
        kind: entry.kind().name(),
        encoding: entry.encoding(),
        bytes: (entry.allocated() + SLOT_BYTES) as u64,
        left,
        elements: Some(elements),
    });
}
