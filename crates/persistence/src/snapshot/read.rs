//! Reading a snapshot, strictly.

use super::format::{
    BEGUN, Counts, ENDED, ENTRIES, FRAME, HEADER, Header, LIBRARIES, LOCKS, Locks, MAGIC, PACKED,
    PACKS_SINCE, START, TRAILER, VERSIONS, seal,
};
use super::pack::unpack;
use crate::checksum::checksum;
use crate::codec::{self, Blob};
use crate::fault::{Fault, ReadError};
use crate::record::{self, Builder};
use crate::storage::Storage;
use redstart_engine::keyspace::locks::{Lock, SavedLocks};
use redstart_engine::storage::entry::Entry;
use std::io::Read;

/// A snapshot that is being read.
pub struct Reader {
    file: String,
    input: Box<dyn Read + Send>,
    len: u64,
    /// Bytes read so far.
    at: u64,
    version: u32,
    header: Header,
    counts: Counts,
    libraries: Vec<Vec<u8>>,
    locks: SavedLocks,
    /// What has been read of an entry that has yet to end.
    begun: Option<Section>,
    /// The kind of the section that was read last, and whose checksum was not right.
    wrong: Option<u8>,
    /// Whether sections were passed over: fewer entries were read than were written.
    has_skipped: bool,
    /// Whether the next section may be the end of an entry whose beginning was passed over.
    in_doubt: bool,
}

/// Some entries, as they lie in the file; their checksum is right.
pub struct Section {
    /// Where the payload lies in the file, or the first part of it.
    pub offset: u64,
    /// How many entries.
    pub count: u32,
    /// The entries, as they lie in the file.
    pub payload: Vec<u8>,
    /// Whether they are packed.
    is_packed: bool,
}

impl Section {
    /// Unpacks the payload, if it is packed.
    ///
    /// # Errors
    /// What is wrong with it.
    fn unpack(&mut self) -> Result<(), String> {
        if std::mem::take(&mut self.is_packed) {
            self.payload = unpack(&self.payload)?;
        }
        Ok(())
    }
}

/// A section of any kind.
struct Any {
    kind: u8,
    section: Section,
}

impl Reader {
    /// Opens a snapshot and reads its header.
    ///
    /// # Errors
    /// When it cannot be read, or is no snapshot of a known version.
    pub fn open(storage: &dyn Storage, name: &str) -> Result<Reader, ReadError> {
        let (input, len) = storage.open(name)?;
        let (file, header, counts) = (name.to_owned(), Header::default(), Counts::default());
        let (libraries, locks, begun) = (Vec::new(), SavedLocks::default(), None);
        let (at, version, wrong, has_skipped, in_doubt) = (0, 0, None, false, false);
        let mut reader = Reader {
            file,
            input,
            len,
            at,
            version,
            header,
            counts,
            libraries,
            locks,
            begun,
            wrong,
            has_skipped,
            in_doubt,
        };
        let mut start = [0; START];
        reader.fill(&mut start)?;
        let (magic, version) = start.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(reader.fault(0, "it is not a snapshot of Redstart").into());
        }
        let known = VERSIONS.into_iter().find(|known| version == known.to_le_bytes());
        let unknown = || reader.fault(MAGIC.len() as u64, "its version is not known");
        reader.version = known.ok_or_else(unknown)?;
        let Any { kind, section } = reader.read_section()?;
        if kind != HEADER || section.count != 0 {
            return Err(reader.fault(START as u64, "it does not begin with a header").into());
        }
        let header = codec::decode_all(&section.payload);
        reader.header = header.map_err(|what| reader.fault(section.offset, &what))?;
        Ok(reader)
    }

    /// What the snapshot says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What has been read so far; once all has been, what the snapshot holds.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The texts of the libraries of functions, once all has been read.
    pub fn libraries(&self) -> &[Vec<u8>] {
        &self.libraries
    }

    /// What was saved of locks, once all has been read.
    pub fn locks(&self) -> &SavedLocks {
        &self.locks
    }

    /// The file's length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file is empty, which no snapshot is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Passes over the section in which a fault was found, if what follows may be whole: its
    /// checksum was not right, but its length may be.
    pub fn skip(&mut self) -> bool {
        let Some(kind) = self.wrong.take() else { return false };
        self.counts.sections += 1;
        self.counts.bytes = self.at;
        self.begun = None;
        self.has_skipped = true;
        self.in_doubt = !matches!(kind & !PACKED, ENTRIES | LIBRARIES | LOCKS | ENDED);
        true
    }

    /// The next section of entries; None when all of them have been read and counted.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn next_section(&mut self) -> Result<Option<Section>, ReadError> {
        loop {
            let before = self.counts;
            let Any { kind, mut section } = self.read_section()?;
            let start = section.offset - FRAME as u64;
            // Sections of whole entries are unpacked by who decodes them.
            if kind != ENTRIES {
                section.unpack().map_err(|what| self.fault(section.offset, &what))?;
            }
            if kind != BEGUN && std::mem::take(&mut self.in_doubt) && kind == ENDED {
                continue;
            }
            match kind {
                ENTRIES => return Ok(Some(section)),
                BEGUN if self.in_doubt => {}
                BEGUN if section.count == 0 => match &mut self.begun {
                    Some(begun) => begun.payload.extend_from_slice(&section.payload),
                    None => self.begun = Some(section),
                },
                ENDED if section.count == 1 && self.begun.is_some() => {
                    return Ok(self.begun.take().map(|mut begun| {
                        begun.payload.extend_from_slice(&section.payload);
                        Section { count: 1, ..begun }
                    }));
                }
                LIBRARIES if section.count == 0 => {
                    let texts: Vec<Blob<'_>> = codec::decode_all(&section.payload)
                        .map_err(|what| self.fault(section.offset, &what))?;
                    self.libraries.extend(texts.iter().map(|text| text.0.to_vec()));
                }
                LOCKS if section.count == 0 => {
                    self.locks = locks_in(&section.payload)
                        .map_err(|what| self.fault(section.offset, &what))?;
                }
                TRAILER => {
                    self.check_trailer(&section, before)?;
                    self.counts = Counts { bytes: self.at, ..before };
                    return Ok(None);
                }
                _ => return Err(self.fault(start, "a section of an unknown kind").into()),
            }
        }
    }

    fn check_trailer(&self, section: &Section, before: Counts) -> Result<(), Fault> {
        let counts: Counts = codec::decode_all(&section.payload)
            .map_err(|what| self.fault(section.offset, &what))?;
        let before = match self.has_skipped {
            true => Counts { entries: counts.entries, ..before },
            false => before,
        };
        if counts != before || section.count != 0 {
            let start = section.offset - FRAME as u64;
            return Err(self.fault(start, "its counts are not right"));
        }
        if let Some(begun) = &self.begun {
            return Err(self.fault(begun.offset, "an entry without its end"));
        }
        if self.at != self.len {
            return Err(self.fault(self.at, "there are bytes behind its end"));
        }
        Ok(())
    }

    fn read_section(&mut self) -> Result<Any, ReadError> {
        let start = self.at;
        let mut frame = [0; FRAME];
        self.fill(&mut frame)?;
        let (kind, rest) = (frame[0], &frame[1..]);
        let mut number = [0; 8];
        number[..4].copy_from_slice(&rest[..4]);
        let count = u64::from_le_bytes(number) as u32;
        number.copy_from_slice(&rest[4..12]);
        let len = u64::from_le_bytes(number);
        number.copy_from_slice(&rest[12..]);
        let sum = u64::from_le_bytes(number);
        if len > self.len - self.at {
            return Err(self.fault(start, "a section is longer than the file").into());
        }
        let offset = self.at;
        let mut payload = vec![0; len as usize];
        self.fill(&mut payload)?;
        if checksum(&seal(self.counts.sections, kind, count, len), &payload) != sum {
            self.wrong = Some(kind);
            return Err(self.fault(start, "a section's checksum is not right").into());
        }
        self.counts.sections += 1;
        self.counts.entries += u64::from(count);
        self.counts.bytes = self.at;
        let is_packed = self.version >= PACKS_SINCE && kind & PACKED != 0;
        let kind = if is_packed { kind & !PACKED } else { kind };
        if is_packed && matches!(kind, HEADER | TRAILER) {
            return Err(self.fault(start, "a section of an unknown kind").into());
        }
        Ok(Any { kind, section: Section { offset, count, payload, is_packed } })
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ReadError> {
        if bytes.len() as u64 > self.len - self.at {
            return Err(self.fault(self.len, "the file ends too early").into());
        }
        self.input.read_exact(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// A fault of this file.
    pub fn fault(&self, offset: u64, what: &str) -> Fault {
        Fault { file: self.file.clone(), offset, what: what.to_owned() }
    }
}

/// Reads a section about locks.
fn locks_in(payload: &[u8]) -> Result<SavedLocks, String> {
    let Locks { last_fence, held }: Locks<'_> = codec::decode_all(payload)?;
    let held = held.into_iter().map(|(db, name, owner, fence)| Lock {
        db: db as usize,
        hash: 0,
        name: name.0.into(),
        owner: owner.0.into(),
        fence,
    });
    Ok(SavedLocks { last_fence, held: held.collect() })
}

/// Reads the entries of a section, each with its database.
///
/// # Errors
/// Where in the file something is wrong, and what; of a packed section, where it begins.
pub fn decode(
    section: &Section,
    builder: Builder<'_>,
    entries: &mut Vec<(usize, Entry)>,
) -> Result<(), (u64, String)> {
    let unpacked;
    let payload = if section.is_packed {
        unpacked = unpack(&section.payload).map_err(|what| (section.offset, what))?;
        &unpacked
    } else {
        &section.payload
    };
    let place = |at: usize| section.offset + if section.is_packed { 0 } else { at as u64 };
    let mut at = 0;
    for _ in 0..section.count {
        let place = place(at);
        let read = record::decode(&payload[at..], builder);
        let (db, entry, used) = read.map_err(|what| (place, what))?;
        if db >= builder.options.databases() {
            return Err((place, format!("there is no database {db}: see `databases`")));
        }
        entries.push((db, entry));
        at += used;
    }
    match payload.len() - at {
        0 => Ok(()),
        more => Err((place(at), format!("{more} bytes too many"))),
    }
}
