//! Writing a snapshot.

use super::format::{
    BEGUN, Counts, ENDED, ENTRIES, FRAME, HEADER, Header, LIBRARIES, LOCKS, Locks, MAGIC, PACKED,
    START, TRAILER, VERSION, seal,
};
use super::pack::{Packer, Packing};
use crate::checksum::checksum;
use crate::codec::{self, Blob};
use crate::names::unfinished;
use crate::record::{self, Times};
use crate::storage::{Storage, Stream};
use parking_lot::Mutex;
use redstart_engine::keyspace::garbage::Garbage;
use redstart_engine::keyspace::locks::SavedLocks;
use redstart_engine::keyspace::snapshot::{Encode, Snapshot, SnapshotItem};
use redstart_engine::storage::entry::Entry;
use std::io;

/// A section is written once it holds so many bytes. To pack it takes the thread that saves a tenth
/// of a millisecond, in which it does not rest.
const SECTION: usize = 32 * 1024;
/// The memory of a section, in bytes: it grows by a piece of a snapshot at a time.
const ROOM: usize = 3 * SECTION;
/// After so many bytes of a large entry `between` is called.
const TURN: usize = 1024;
/// The memory of the last writer, for the next one.
static SPARE: Mutex<Option<(Vec<u8>, Packer)>> = Mutex::new(None);

/// Allocates the memory that the next writer needs.
pub fn prepare() {
    let mut section = vec![1; ROOM];
    section.clear();
    *SPARE.lock() = Some((section, Packer::new(Packing::Lz4, ROOM)));
}

/// What packs the sections that a helper thread encodes.
pub fn packer(packing: Packing) -> Packer {
    Packer::new(packing, ROOM)
}

/// How a snapshot's entries are encoded.
pub fn encoder(times: impl Into<Times>) -> Encode {
    let times = times.into();
    Box::new(move |db, entry, to| record::encode(db, entry, times, to))
}

/// A section of entries that a helper thread encodes, for the writer to write.
pub struct Portion {
    times: Times,
    /// The section, its frame left free.
    section: Vec<u8>,
    count: u32,
    is_packed: bool,
}

impl Portion {
    /// One without entries.
    pub fn new(times: Times) -> Portion {
        let mut section = Vec::with_capacity(ROOM);
        section.extend_from_slice(&[0; FRAME]);
        Portion { times, section, count: 0, is_packed: false }
    }

    /// Packs it, if that pays: nothing may be taken any more.
    pub fn pack(&mut self, packer: &mut Packer) {
        self.is_packed = packer.pack(&mut self.section, FRAME);
    }

    /// Takes a piece of a snapshot: copies it and nothing else, so a lock may be held.
    pub fn take(&mut self, item: SnapshotItem<'_>) {
        take(item, self.times, &mut self.section, &mut self.count);
    }

    /// Whether it is enough for a section.
    pub fn is_full(&self) -> bool {
        self.section.len() >= SECTION
    }
}

/// Adds a piece of a snapshot to a section and its count.
fn take(item: SnapshotItem<'_>, times: Times, section: &mut Vec<u8>, count: &mut u32) {
    match item {
        SnapshotItem::Entry(db, entry) => {
            record::encode(db, entry, times, section);
            *count += 1;
        }
        SnapshotItem::Encoded(number, bytes) => {
            section.extend_from_slice(bytes);
            *count += number;
        }
    }
}

/// What is called from time to time while a large entry is written.
pub type Between<'a, 's> = dyn FnMut(&mut Writer<'s>) -> io::Result<()> + 'a;

/// A snapshot that is being written.
pub struct Writer<'s> {
    storage: &'s dyn Storage,
    output: Box<dyn Stream>,
    name: String,
    times: Times,
    /// The section that grows, its frame left free.
    section: Vec<u8>,
    count: u32,
    counts: Counts,
    packer: Packer,
}

impl<'s> Writer<'s> {
    /// Begins the snapshot that will be called `name`, packed; `times` are of the moment that it
    /// holds.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn create(
        storage: &'s dyn Storage,
        name: &str,
        header: &Header,
        times: impl Into<Times>,
    ) -> io::Result<Self> {
        Writer::with_packing(storage, name, header, times, Packing::Lz4)
    }

    /// As [`Writer::create`], packed or not.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn with_packing(
        storage: &'s dyn Storage,
        name: &str,
        header: &Header,
        times: impl Into<Times>,
        packing: Packing,
    ) -> io::Result<Self> {
        let output = storage.create_stream(&unfinished(name, storage.process()))?;
        let spare = SPARE.lock().take();
        let (section, packer) = spare.unwrap_or_else(|| (Vec::new(), self::packer(packing)));
        let packer = packer.for_packing(packing);
        let (name, times, counts) = (name.to_owned(), times.into(), Counts::default());
        let mut writer = Writer { storage, output, name, times, section, count: 0, counts, packer };
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
        self.take(SnapshotItem::Entry(db, entry));
    }

    /// Takes a piece of a snapshot, as [`Writer::entry`] takes an entry.
    pub fn take(&mut self, item: SnapshotItem<'_>) {
        take(item, self.times, &mut self.section, &mut self.count);
    }

    /// Writes a section that a helper has encoded, and leaves it empty.
    ///
    /// # Errors
    /// When the storage fails; the snapshot is then to be given up.
    pub fn write_portion(&mut self, portion: &mut Portion) -> io::Result<()> {
        if portion.count == 0 {
            return Ok(());
        }
        let count = std::mem::take(&mut portion.count);
        let packed = if std::mem::take(&mut portion.is_packed) { PACKED } else { 0 };
        self.write_apart(&mut portion.section, ENTRIES | packed, count)
    }

    /// Writes an entry that does not change, however large, while no lock is held. Calls `between`
    /// from time to time, which may take and write other entries.
    ///
    /// # Errors
    /// When the storage or `between` fails; the snapshot is then to be given up.
    pub fn write_whole(
        &mut self,
        db: usize,
        entry: Entry,
        between: &mut Between<'_, 's>,
    ) -> io::Result<()> {
        if !entry.is_heavy() {
            self.entry(db, &entry);
            self.write_full()?;
            return between(self);
        }
        let (times, mut kind, mut turn) = (self.times, ENTRIES, 0);
        let mut part = vec![0; FRAME];
        record::encode_through(db, &entry, times, &mut |bytes| {
            for bytes in bytes.chunks(SECTION) {
                part.extend_from_slice(bytes);
                if part.len() >= SECTION {
                    kind = ENDED;
                    self.write_apart(&mut part, BEGUN, 0)?;
                }
                turn += bytes.len();
                if turn >= TURN {
                    turn = 0;
                    between(self)?;
                }
            }
            Ok(())
        })?;
        self.write_apart(&mut part, kind, 1)?;
        let mut result = Ok(());
        Garbage::Entry(entry).drop_in_pieces(&mut || {
            if result.is_ok() {
                result = between(self);
            }
        });
        result
    }

    /// Writes a section while another one grows; `part` is as empty as a new one then.
    fn write_apart(&mut self, part: &mut Vec<u8>, kind: u8, count: u32) -> io::Result<()> {
        std::mem::swap(&mut self.section, part);
        let grown = std::mem::replace(&mut self.count, count);
        let written = self.write_section(kind, 0);
        std::mem::swap(&mut self.section, part);
        self.count = grown;
        written
    }

    /// Writes out what has been taken, if it is enough for a section.
    ///
    /// # Errors
    /// When the storage fails; the snapshot is then to be given up.
    pub fn write_full(&mut self) -> io::Result<()> {
        if self.section.len() >= SECTION { self.write_section(ENTRIES, 0) } else { Ok(()) }
    }

    /// Writes the section whose frame lies at `at` in the buffer.
    fn write_section(&mut self, mut kind: u8, at: usize) -> io::Result<()> {
        let is_content = matches!(kind, ENTRIES | LIBRARIES | LOCKS | BEGUN | ENDED);
        if is_content && self.packer.pack(&mut self.section, FRAME) {
            kind |= PACKED;
        }
        let (frame, payload) = self.section[at..].split_at_mut(FRAME);
        let len = payload.len() as u64;
        let sum = checksum(&seal(self.counts.sections, kind, self.count, len), payload);
        frame[0] = kind;
        frame[1..5].copy_from_slice(&self.count.to_le_bytes());
        frame[5..13].copy_from_slice(&len.to_le_bytes());
        frame[13..].copy_from_slice(&sum.to_le_bytes());
        self.output.write(&self.section)?;
        self.counts.sections += 1;
        self.counts.entries += u64::from(self.count);
        self.counts.bytes += self.section.len() as u64;
        self.count = 0;
        self.section.clear();
        self.section.extend_from_slice(&[0; FRAME]);
        Ok(())
    }

    /// Writes the texts of the libraries of functions, behind the entries taken so far.
    ///
    /// # Errors
    /// When the storage fails; the snapshot is then to be given up.
    pub fn write_libraries<'t>(&mut self, texts: impl Iterator<Item = &'t [u8]>) -> io::Result<()> {
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

    /// Writes what is known of locks, behind the entries taken so far.
    ///
    /// # Errors
    /// When the storage fails; the snapshot is then to be given up.
    pub fn write_locks(&mut self, saved: &SavedLocks) -> io::Result<()> {
        if self.count > 0 {
            self.write_section(ENTRIES, 0)?;
        }
        if saved.last_fence == 0 {
            return Ok(());
        }
        let held = saved.held.iter();
        let held = held.map(|it| (it.db as u32, Blob(&it.name), Blob(&it.owner), it.fence));
        let locks = Locks { last_fence: saved.last_fence, held: held.collect() };
        codec::encode(&locks, &mut self.section);
        self.write_section(LOCKS, 0)
    }

    /// How many entries have been taken.
    pub fn entries(&self) -> u64 {
        self.counts.entries + u64::from(self.count)
    }

    /// Ends the snapshot: when this returns, it has its name and is safe. The bytes of what is
    /// returned are the whole file's.
    ///
    /// # Errors
    /// When the storage fails: then there is no such snapshot, and an older one of that name is
    /// still there, unless the directory alone could not be made safe.
    pub fn finish(mut self) -> io::Result<Counts> {
        let (storage, name) = (self.storage, std::mem::take(&mut self.name));
        let finished = self.write_rest().and_then(|counts| {
            self.output.finish()?;
            storage.rename(&unfinished(&name, storage.process()), &name)?;
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
        let before = self.counts;
        codec::encode(&before, &mut self.section);
        self.write_section(TRAILER, 0)?;
        Ok(Counts { bytes: self.counts.bytes, ..before })
    }

    /// Gives the snapshot up.
    pub fn abandon(self) {
        remove_unfinished(self.storage, &self.name);
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        let mut section = std::mem::take(&mut self.section);
        section.clear();
        section.shrink_to(ROOM);
        let packer = std::mem::replace(&mut self.packer, Packer::new(Packing::Off, 0));
        *SPARE.lock() = Some((section, packer.shrunk(ROOM)));
    }
}

fn remove_unfinished(storage: &dyn Storage, name: &str) {
    // What cannot be removed now is overwritten by the next one.
    let _ = storage.remove(&unfinished(name, storage.process()));
}

/// Brings a snapshot of the keyspace to its end. Calls `between` after each step with the entries
/// taken so far and the snapshot; it may wait there, or fail.
///
/// # Errors
/// When the storage or `between` fails; nothing is left of the snapshot then.
pub fn write_all(
    mut snapshot: Snapshot,
    mut writer: Writer<'_>,
    mut between: impl FnMut(u64, &Snapshot) -> io::Result<()>,
) -> io::Result<Counts> {
    loop {
        match write_step(&mut snapshot, &mut writer, &mut between) {
            Ok(true) => {}
            Ok(false) => return writer.finish(),
            Err(error) => {
                writer.abandon();
                snapshot.abandon();
                return Err(error);
            }
        }
    }
}

/// Takes one step of a snapshot of the keyspace: false at its end. Calls `between` as [`write_all`]
/// does.
///
/// # Errors
/// When the storage or `between` fails; the snapshot is then to be given up.
pub fn write_step(
    snapshot: &mut Snapshot,
    writer: &mut Writer<'_>,
    between: &mut impl FnMut(u64, &Snapshot) -> io::Result<()>,
) -> io::Result<bool> {
    if let Some((db, entry)) = snapshot.take_large() {
        writer.write_whole(db, entry, &mut |writer| {
            snapshot.save_full(&mut |item| writer.take(item));
            writer.write_full()?;
            between(writer.entries(), snapshot)
        })?;
        return Ok(true);
    }
    let more = snapshot.step(&mut |item| writer.take(item));
    if more {
        writer.write_full()?;
        between(writer.entries(), snapshot)?;
    }
    Ok(more)
}
