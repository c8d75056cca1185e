//! Writing a snapshot.

use super::{
    Counts, ENTRIES, FRAME, HEADER, Header, LIBRARIES, MAGIC, START, TRAILER, VERSION, seal,
};
use crate::checksum::checksum;
use crate::codec::{self, Blob};
use crate::names::unfinished;
use crate::record;
use crate::storage::{Output, Storage};
use redstart_engine::Now;
use redstart_engine::entry::Entry;
use redstart_engine::snapshot::{Encode, Snapshot, Told};
use std::io;
use std::sync::Arc;

/// A section is written once it holds so many bytes.
const SECTION: usize = 64 * 1024;
/// Bytes that are written at once. The system copies them without a pause, and may have to find
/// memory for them.
const PIECE: usize = 16 * 1024;

/// The system is asked to write out so many bytes at a time: at the end it would take longer, and
/// as long as it prepares it no thread gets the core.
const FLUSH: u64 = 1 << 20;

/// How a snapshot's entries are encoded; `now` ties their deadlines to wall time.
pub fn encoder(now: Now) -> Encode {
    Box::new(move |db, entry, to| record::encode(db, entry, now, to))
}

/// A snapshot that is being written.
pub struct Writer<'s> {
    storage: &'s dyn Storage,
    output: Arc<dyn Output>,
    name: String,
    now: Now,
    /// The section that grows, its frame left free.
    section: Vec<u8>,
    count: u32,
    /// The section before it, and how much of it has been written.
    sealed: Vec<u8>,
    written: usize,
    /// Bytes of the file, and those of them that the system was asked to write out.
    at: u64,
    flushed: u64,
    counts: Counts,
}

impl<'s> Writer<'s> {
    /// Begins the snapshot that will be called `name`; `now` is the moment that it holds.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn create(
        storage: &'s dyn Storage,
        name: &str,
        header: &Header,
        now: Now,
    ) -> io::Result<Self> {
        let output = storage.create(&unfinished(name))?;
        let section = Vec::with_capacity(SECTION + SECTION / 2);
        let sealed = Vec::with_capacity(section.capacity());
        let (name, counts) = (name.to_owned(), Counts::default());
        let mut writer = Writer {
            storage,
            output,
            name,
            now,
            section,
            count: 0,
            sealed,
            written: 0,
            at: 0,
            flushed: 0,
            counts,
        };
        writer.section.extend_from_slice(MAGIC);
        writer.section.extend_from_slice(&VERSION.to_le_bytes());
        writer.section.extend_from_slice(&[0; FRAME]);
        codec::encode(header, &mut writer.section);
        match writer.write_section(HEADER, START) {
            Ok(()) => Ok(writer),
            Err(error) => {
                writer.abandon();
                Err(error)
            }
        }
    }

    /// Takes an entry: copies it and nothing else, so a lock may be held.
    pub fn entry(&mut self, db: usize, entry: &Entry) {
        record::encode(db, entry, self.now, &mut self.section);
        self.count += 1;
    }

    /// Takes what a snapshot tells of, as [`Writer::entry`] does.
    pub fn take(&mut self, told: Told<'_>) {
        match told {
            Told::Entry(db, entry) => self.entry(db, entry),
            Told::Encoded(count, bytes) => {
                self.section.extend_from_slice(bytes);
                self.count += count;
            }
        }
    }

    /// Writes out what has been taken, if it is enough for a section.
    ///
    /// # Errors
    /// When the storage fails; the snapshot is then to be given up.
    pub fn write_full(&mut self) -> io::Result<()> {
        while self.write_some()? {}
        Ok(())
    }

    /// Writes a piece of what has been taken, if it is enough for a section. True when more is to
    /// be written before more is taken.
    ///
    /// # Errors
    /// When the storage fails; the snapshot is then to be given up.
    pub fn write_some(&mut self) -> io::Result<bool> {
        if self.written < self.sealed.len() {
            let end = self.sealed.len().min(self.written + PIECE);
            self.write_to(end)?;
        } else if self.section.len() >= SECTION {
            self.seal_section(ENTRIES, 0);
        }
        Ok(self.written < self.sealed.len())
    }

    /// Ends the section whose frame lies at `at` in the buffer; the one before it was written.
    fn seal_section(&mut self, kind: u8, at: usize) {
        let (frame, payload) = self.section[at..].split_at_mut(FRAME);
        let len = payload.len() as u64;
        let sum = checksum(&seal(self.counts.sections, kind, self.count, len), payload);
        frame[0] = kind;
        frame[1..5].copy_from_slice(&self.count.to_le_bytes());
        frame[5..13].copy_from_slice(&len.to_le_bytes());
        frame[13..].copy_from_slice(&sum.to_le_bytes());
        self.counts.sections += 1;
        self.counts.entries += u64::from(self.count);
        self.counts.bytes += self.section.len() as u64;
        std::mem::swap(&mut self.section, &mut self.sealed);
        (self.count, self.written) = (0, 0);
        self.section.clear();
        self.section.extend_from_slice(&[0; FRAME]);
    }

    /// Writes the section whose frame lies at `at` in the buffer, behind the one before it.
    fn write_section(&mut self, kind: u8, at: usize) -> io::Result<()> {
        self.write_sealed()?;
        self.seal_section(kind, at);
        self.write_sealed()
    }

    fn write_sealed(&mut self) -> io::Result<()> {
        if self.written < self.sealed.len() {
            self.write_to(self.sealed.len())?;
        }
        Ok(())
    }

    fn write_to(&mut self, end: usize) -> io::Result<()> {
        self.output.write(&self.sealed[self.written..end])?;
        self.at += (end - self.written) as u64;
        self.written = end;
        let more = self.at - self.flushed;
        if more >= FLUSH {
            self.output.begin_sync(self.flushed, more);
            self.flushed = self.at;
        }
        Ok(())
    }

    /// Writes the texts of the libraries of functions, behind the entries taken so far.
    ///
    /// # Errors
    /// When the storage fails; the snapshot is then to be given up.
    pub fn libraries<'t>(&mut self, texts: impl Iterator<Item = &'t [u8]>) -> io::Result<()> {
        if self.count > 0 {
            self.write_section(ENTRIES, 0)?;
        }
        let texts: Vec<Blob<'_>> = texts.map(Blob).collect();
        if texts.is_empty() {
            return Ok(());
        }
        codec::encode(&texts, &mut self.section);
        self.write_section(LIBRARIES, 0)
    }

    /// How many entries have been taken.
    pub fn entries(&self) -> u64 {
        self.counts.entries + u64::from(self.count)
    }

    /// Ends the snapshot: when this returns, it has its name and is safe.
    ///
    /// # Errors
    /// When the storage fails: then there is no such snapshot, and an older one of that name is
    /// still there, unless the directory alone could not be made safe.
    pub fn finish(mut self) -> io::Result<Counts> {
        let (storage, name) = (self.storage, std::mem::take(&mut self.name));
        let finished = self.write_rest().and_then(|counts| {
            self.output.sync()?;
            storage.rename(&unfinished(&name), &name)?;
            Ok(counts)
        });
        if finished.is_err() {
            remove_unfinished(storage, &name);
        }
        let counts = finished?;
        storage.sync_directory()?;
        Ok(counts)
    }

    fn write_rest(&mut self) -> io::Result<Counts> {
        if self.count > 0 {
            self.write_section(ENTRIES, 0)?;
        }
        let counts = self.counts;
        codec::encode(&counts, &mut self.section);
        self.write_section(TRAILER, 0)?;
        Ok(counts)
    }

    /// Gives the snapshot up.
    pub fn abandon(self) {
        remove_unfinished(self.storage, &self.name);
    }
}

fn remove_unfinished(storage: &dyn Storage, name: &str) {
    // What cannot be removed now is overwritten by the next one.
    let _ = storage.remove(&unfinished(name));
}

/// Brings a snapshot of the keyspace to its end. Calls `between` after each step and each piece
/// that was written with the entries taken so far and the snapshot; it may wait there, or fail.
///
/// # Errors
/// When the storage or `between` fails; nothing is left of the snapshot then.
pub fn pump(
    mut snapshot: Snapshot,
    mut writer: Writer<'_>,
    mut between: impl FnMut(u64, &Snapshot) -> io::Result<()>,
) -> io::Result<Counts> {
    let mut write = |writer: &mut Writer<'_>, snapshot: &Snapshot| -> io::Result<()> {
        loop {
            let more = writer.write_some()?;
            between(writer.entries(), snapshot)?;
            if !more {
                return Ok(());
            }
        }
    };
    while snapshot.step(&mut |told| writer.take(told)) {
        if let Err(error) = write(&mut writer, &snapshot) {
            writer.abandon();
            snapshot.abandon();
            return Err(error);
        }
    }
    writer.finish()
}
