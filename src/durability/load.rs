//! Loading: our snapshots and our log, put into the engine.
//!
//! Sections of a snapshot are decoded and put in by as many threads as there are workers, while
//! one thread reads. The log is run again under a clock at which nothing has expired yet: what did
//! expire is in it.

use super::parts::Parts;
use super::replay::{self, Replay, Source};
use crate::system::log;
use crate::system::progress::Progress;
use parking_lot::Mutex;
use redstart_config::Setting;
use redstart_engine::Now;
use redstart_engine::driver::Driver;
use redstart_persistence::commands::COMMANDS;
use redstart_persistence::fault::twice;
use redstart_persistence::log::{End, SegmentReader, decode as decode_record};
use redstart_persistence::names::{self, Plan};
use redstart_persistence::record::Builder;
use redstart_persistence::snapshot::{Counts, Reader, Section, decode};
use redstart_persistence::storage::Storage;
use redstart_persistence::{Fault, ReadError};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;

/// How far loading is.
#[derive(Default)]
pub struct Loading {
    /// Bytes and keys.
    pub progress: Progress,
    /// When it began, in monotonic milliseconds.
    pub began_ms: AtomicU64,
    /// Keys that were left out because their deadline had passed.
    pub expired: AtomicU64,
}

/// What becomes of keys whose deadline has passed since they were saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Nothing asks for them any more.
    Drop,
    /// The records that follow may give them another deadline.
    Keep,
}

impl Expired {
    /// Whether a key with this deadline is put in; zero is none.
    pub fn keeps(self, deadline_ms: u64, now: Now) -> bool {
        self == Expired::Keep || deadline_ms == 0 || deadline_ms > now.mono_ms
    }
}

/// Where a log that was read ends.
pub struct LogEnd {
    /// The number of the next record.
    pub next: u64,
    /// The last segment.
    pub segment: Option<Segment>,
    /// Bytes of the base.
    pub base_bytes: u64,
}

/// A segment that was read.
pub struct Segment {
    /// The name of its file.
    pub name: String,
    /// Its length in bytes as far as it is whole.
    pub len: u64,
    /// The number of the record behind it.
    pub next: u64,
}

/// What files are loaded into.
pub struct Load<'a> {
    /// The engine, and what decoding needs.
    pub parts: &'a Parts,
    /// Counts what is loaded.
    pub loading: &'a Loading,
    /// Takes what the engine cannot do.
    pub replay: &'a mut dyn Replay,
    /// Keys that were passed over because their types do not exist here; None where they are a
    /// fault.
    pub foreign: Option<u64>,
}

impl Load<'_> {
    /// Loads a snapshot; returns what it holds.
    pub fn snapshot(
        &mut self,
        storage: &dyn Storage,
        name: &str,
        expired: Expired,
    ) -> Result<Counts, ReadError> {
        let mut reader = Reader::open(storage, name)?;
        let Load { parts, loading, .. } = *self;
        loading.progress.total_bytes.fetch_add(reader.len(), Relaxed);
        let threads = parts.workers();
        let (send, receive) = mpsc::sync_channel::<Section>(threads * 2);
        let (receive, failed) = (Mutex::new(receive), Mutex::new(None));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let Ok(section) = receive.lock().recv() else { break };
                        if let Err((offset, what)) = put_in(parts, loading, &section, expired) {
                            let fault = Fault { file: name.to_owned(), offset, what };
                            failed.lock().get_or_insert(ReadError::Fault(fault));
                        }
                    }
                });
            }
            let mut counted = 0;
            while let Some(section) = reader.next_section()? {
                let read = reader.counts().bytes;
                loading.progress.bytes.fetch_add(read - counted, Relaxed);
                counted = read;
                if failed.lock().is_some() || send.send(section).is_err() {
                    break;
                }
            }
            drop(send);
            Ok::<(), ReadError>(())
        })?;
        if let Some(error) = failed.into_inner() {
            return Err(error);
        }
        for text in reader.libraries() {
            let added = self.replay.add_library(text, false);
            added.map_err(|why| reader.fault(0, &format!("a library of functions: {why}")))?;
        }
        parts.engine.keyspace.restore_locks(reader.locks().clone());
        Ok(reader.counts())
    }

    /// Loads the base of a log and runs its segments again.
    pub fn log(
        &mut self,
        storage: &dyn Storage,
        prefix: &str,
        plan: &Plan,
    ) -> Result<LogEnd, ReadError> {
        let base = plan.base.unwrap_or(0);
        let mut end = LogEnd { next: base + 1, segment: None, base_bytes: 0 };
        if plan.base.is_some() {
            let name = names::base(prefix, base);
            end.base_bytes = self.snapshot(storage, &name, Expired::Keep)?.bytes;
        }
        for (at, &first) in plan.segments.iter().enumerate() {
            let name = names::segment(prefix, first);
            if first > end.next {
                let what = format!("records {} to {} are missing before it", end.next, first - 1);
                return Err(Fault { file: name, offset: 0, what }.into());
            }
            let mut reader = SegmentReader::open(storage, &name, first)?;
            self.loading.progress.total_bytes.fetch_add(reader.file_len(), Relaxed);
            if let End::Torn(fault, bytes) = self.segment(&mut reader, end.next, &name)? {
                let is_last = at + 1 == plan.segments.len();
                if !is_last || !self.may_cut() {
                    return Err(fault.into());
                }
                log::warning(format_args!(
                    "{fault}. The log ends there: {bytes} bytes are cut off"
                ));
            }
            end.next = end.next.max(reader.next_sequence());
            let (len, next) = (reader.offset(), reader.next_sequence());
            end.segment = Some(Segment { name, len, next });
        }
        Ok(end)
    }

    /// Whether a log that ends in the middle of a record is loaded up to there.
    pub fn may_cut(&self) -> bool {
        self.parts.config.read().is(Setting::AofLoadTruncated)
    }

    /// What runs commands again.
    pub fn driver(&self) -> Driver {
        let now = self.parts.clock.now().replaying();
        Driver::of(self.parts.engine, fastrand::u64(..), now, COMMANDS)
    }

    /// Runs the records of a segment again, from record `from` on.
    fn segment(
        &mut self,
        reader: &mut SegmentReader,
        from: u64,
        name: &str,
    ) -> Result<End, ReadError> {
        let mut driver = self.driver();
        let mut payload = Vec::new();
        loop {
            let offset = reader.offset();
            let fault = |what: String| Fault { file: name.to_owned(), offset, what };
            let sequence = match reader.next_record(&mut payload)? {
                Ok(sequence) => sequence,
                Err(end) => return Ok(end),
            };
            self.loading.progress.bytes.fetch_add(reader.offset() - offset, Relaxed);
            if sequence < from {
                continue;
            }
            for (db, words) in decode_record(&payload).map_err(fault)? {
                if db >= self.parts.engine.options.databases() {
                    return Err(fault(format!("there is no database {db}: see `databases`")).into());
                }
                driver.db = db;
                replay::run(self.replay, &mut driver, &words, Source::Ours).map_err(fault)?;
            }
        }
    }
}

/// Decodes the entries of a section and puts them in.
///
/// # Errors
/// Where the fault is and what it is.
fn put_in(
    parts: &Parts,
    loading: &Loading,
    section: &Section,
    expired: Expired,
) -> Result<(), (u64, String)> {
    let keyspace = &parts.engine.keyspace;
    let now = parts.clock.now();
    let builder = Builder { options: &parts.engine.options, hasher: keyspace.hasher(), now };
    let mut entries = Vec::with_capacity(section.count.min(1 << 16) as usize);
    decode(section, builder, &mut entries)?;
    entries.retain(|(_, entry)| expired.keeps(entry.deadline_ms(), now));
    let (loaded, all) = (entries.len() as u64, u64::from(section.count));
    let restored = keyspace.restore(&mut entries);
    restored.map_err(|found| (section.offset, twice(found.db, &found.key)))?;
    loading.progress.keys.fetch_add(loaded, Relaxed);
    loading.expired.fetch_add(all - loaded, Relaxed);
    Ok(())
}
