//! Writing a file of Redis's.

use super::crc64::crc64;
use super::dialect::Version;
use super::format::{NOTE, opcode};
use super::output::{Compression, Output};
use super::value;
use crate::names::unfinished;
use crate::storage::{Storage, Stream};
use parking_lot::Mutex;
use redstart_engine::Now;
use redstart_engine::keyspace::snapshot::{Encode, SnapshotItem};
use redstart_engine::storage::entry::Entry;
use std::io;
use std::sync::Arc;

/// What is written at once, in bytes.
const CHUNK: usize = 256 * 1024;

/// A file that is being written.
pub struct Writer<'s> {
    storage: &'s dyn Storage,
    file: Box<dyn Stream>,
    name: String,
    out: Output,
    version: Version,
    now: Now,
    db: Option<usize>,
    sum: u64,
    written: u64,
    left_out: Arc<LeftOut>,
}

/// The keys of which something was left out that the version cannot hold, with their databases.
pub type LeftOut = Mutex<Vec<(usize, Box<[u8]>)>>;

/// How entries of a snapshot are encoded that change before the writer comes to them. What the
/// version cannot hold is left out.
pub fn encoder(version: Version, now: Now, left_out: Arc<LeftOut>) -> Encode {
    Box::new(move |db, entry, to| {
        if value::version_needed(entry) > version {
            left_out.lock().push((db, entry.key().into()));
        }
        let mut out = Output::default();
        std::mem::swap(&mut out.bytes, to);
        select(db, &mut out);
        write_entry(entry, now, version, &mut out);
        std::mem::swap(&mut out.bytes, to);
    })
}

fn select(db: usize, out: &mut Output) {
    out.raw(&[opcode::SELECT]);
    out.length(db as u64);
}

/// A field, which servers that do not know it pass over.
fn field(name: &[u8], text: &str, out: &mut Output) {
    out.raw(&[opcode::AUX]);
    out.string(name);
    out.string(text.as_bytes());
}

fn write_entry(entry: &Entry, now: Now, version: Version, out: &mut Output) {
    let note = entry.note();
    if !note.is_empty() {
        field(NOTE, &format!("{} {}", note.flags, note.marks()), out);
    }
    if entry.deadline_ms() != 0 {
        out.raw(&[opcode::EXPIRES_MS]);
        out.raw(&now.wall(entry.deadline_ms()).to_le_bytes());
    }
    out.raw(&[value::kind(entry, version)]);
    out.string(entry.key());
    value::write(entry, now, version, out);
}

/// What becomes a file.
pub struct Plan<'a> {
    /// The version of the format.
    pub version: Version,
    /// Whether strings are compressed.
    pub compression: Compression,
    /// The version of Redstart that writes it.
    pub writer: &'a str,
    /// Ties deadlines to wall time.
    pub now: Now,
}

impl<'s> Writer<'s> {
    /// Begins the file that will be called `name`.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn create(storage: &'s dyn Storage, name: &str, plan: &Plan<'_>) -> io::Result<Self> {
        let file = storage.create_stream(&unfinished(name, storage.process()))?;
        let mut out = Output::new(plan.compression);
        out.raw(plan.version.head().as_bytes());
        let mut writer = Writer {
            storage,
            file,
            name: name.to_owned(),
            out,
            version: plan.version,
            now: plan.now,
            db: None,
            sum: 0,
            written: 0,
            left_out: Arc::default(),
        };
        writer.about("redstart-ver", plan.writer);
        writer.about("redis-bits", "64");
        Ok(writer)
    }

    /// Adds what the file says of itself; before any entry.
    pub fn about(&mut self, name: &str, text: &str) {
        field(name.as_bytes(), text, &mut self.out);
    }

    /// Adds a library of functions.
    pub fn library(&mut self, text: &[u8]) {
        self.out.raw(&[opcode::FUNCTION]);
        self.out.string(text);
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When the storage fails, or the format's version cannot hold the entry.
    pub fn entry(&mut self, db: usize, entry: &Entry) -> io::Result<()> {
        let needed = value::version_needed(entry);
        if needed > self.version {
            let key = entry.key().escape_ascii();
            let text = format!("{} cannot hold \"{key}\", {needed} can", self.version);
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        self.take_entry(db, entry);
        self.write_full()
    }

    fn take_entry(&mut self, db: usize, entry: &Entry) {
        if self.db != Some(db) {
            select(db, &mut self.out);
            self.db = Some(db);
        }
        write_entry(entry, self.now, self.version, &mut self.out);
    }

    /// Takes a piece of a snapshot that [`encoder`] encodes: copies it and nothing else, so a lock
    /// may be held. What the version cannot hold is left out.
    pub fn take(&mut self, item: SnapshotItem<'_>) {
        match item {
            SnapshotItem::Entry(db, entry) => {
                if value::version_needed(entry) > self.version {
                    self.left_out.lock().push((db, entry.key().into()));
                }
                self.take_entry(db, entry);
            }
            SnapshotItem::Encoded(_, bytes) => {
                self.out.raw(bytes);
                self.db = None;
            }
        }
    }

    /// Writes out what was taken, if it is enough.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn write_full(&mut self) -> io::Result<()> {
        if self.out.bytes.len() < CHUNK { Ok(()) } else { self.write_out() }
    }

    /// Where it is noted of which keys [`Writer::take`] leaves something out.
    pub fn note_left_out(&mut self, left_out: Arc<LeftOut>) {
        self.left_out = left_out;
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.sum = crc64(self.sum, &self.out.bytes);
        self.file.write(&self.out.bytes)?;
        self.written += self.out.bytes.len() as u64;
        self.out.bytes.clear();
        Ok(())
    }

    /// Ends the file: when this returns, it has its name and is safe. Returns its length.
    ///
    /// # Errors
    /// When the storage fails: then there is no such file, or the one that was there.
    pub fn finish(mut self) -> io::Result<u64> {
        let name = std::mem::take(&mut self.name);
        let temporary = unfinished(&name, self.storage.process());
        let finished = self.write_end().and_then(|()| {
            self.file.finish()?;
            self.storage.rename(&temporary, &name)
        });
        if finished.is_err() {
            let _ = self.storage.remove(&temporary);
        }
        finished?;
        self.storage.sync_directory()?;
        Ok(self.written)
    }

    fn write_end(&mut self) -> io::Result<()> {
        self.out.raw(&[opcode::END]);
        self.write_out()?;
        let sum = self.sum.to_le_bytes();
        self.out.raw(&sum);
        self.write_out()
    }

    /// Gives the file up.
    pub fn abandon(self) {
        // What cannot be removed now is overwritten by the next one.
        let _ = self.storage.remove(&unfinished(&self.name, self.storage.process()));
    }
}
