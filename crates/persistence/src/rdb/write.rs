//! Writing a file of Redis's.

use super::crc64::crc64;
use super::dialect::Version;
use super::format::{NOTE, opcode};
use super::output::{Compression, Output};
use super::value;
use crate::names::unfinished;
use crate::storage::{Storage, Stream};
use redstart_engine::Now;
use redstart_engine::storage::entry::Entry;
use std::io;

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
        };
        writer.field(b"redstart-ver", plan.writer);
        writer.field(b"redis-bits", "64");
        Ok(writer)
    }

    /// Adds a field, which servers that do not know it pass over.
    fn field(&mut self, name: &[u8], text: &str) {
        self.out.raw(&[opcode::AUX]);
        self.out.string(name);
        self.out.string(text.as_bytes());
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
        if self.db != Some(db) {
            self.out.raw(&[opcode::SELECT]);
            self.out.length(db as u64);
            self.db = Some(db);
        }
        let note = entry.note();
        if !note.is_empty() {
            self.field(NOTE, &format!("{} {}", note.flags, note.marks()));
        }
        if entry.deadline_ms() != 0 {
            self.out.raw(&[opcode::EXPIRES_MS]);
            self.out.raw(&self.now.wall(entry.deadline_ms()).to_le_bytes());
        }
        self.out.raw(&[value::kind(entry, self.version)]);
        self.out.string(entry.key());
        value::write(entry, self.now, self.version, &mut self.out);
        if self.out.bytes.len() < CHUNK { Ok(()) } else { self.write_out() }
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
