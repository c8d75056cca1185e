//! Reading a file of Redis's, part by part.

use super::format::{MAGIC, MAGIC_VALKEY, VERSION_READ_MAX, VERSION_VALKEY, opcode};
use super::input::Input;
use super::value;
use crate::fault::{Fault, ReadError, shown};
use crate::record::Builder;
use redstart_engine::storage::entry::Entry;

/// Files from this version on end with a checksum.
const SUMMED_FROM: u16 = 5;

/// A part of a file that matters.
pub enum Found {
    /// A key with its value, and its database.
    Entry(usize, Entry),
    /// The text of a library of functions.
    Library(Vec<u8>),
}

/// What a file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The format's version.
    pub version: u16,
    /// The name and version of the server that wrote it, if the file says so.
    pub writer: Option<String>,
    /// Keys so far.
    pub entries: u64,
    /// Libraries of functions so far.
    pub libraries: u64,
    /// Keys so far whose values have no elements: they are passed over, as Redis does.
    pub empty: u64,
}

/// A file that is being read.
pub struct Reader<'a> {
    input: Input<'a>,
    about: About,
    db: usize,
    /// Where the entry begins that was found last.
    entry_at: u64,
    ended: bool,
}

/// What stands before an entry and is about it.
#[derive(Default)]
struct Prelude {
    at_ms: Option<i64>,
    idle_s: Option<u64>,
    /// How often it was used.
    frequency: Option<u8>,
    any: bool,
}

impl<'a> Reader<'a> {
    /// Begins to read, at the file's first byte.
    ///
    /// # Errors
    /// When it is no such file, or of a version that is not known.
    pub fn new(mut input: Input<'a>) -> Result<Reader<'a>, ReadError> {
        let offset = input.at();
        if input.left() < 9 {
            return Err(input.fault(offset, "it is too short for an RDB file"));
        }
        let head: [u8; 9] = input.array()?;
        let digits = |digits: &[u8]| {
            let text = std::str::from_utf8(digits).ok()?;
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok())?
        };
        let version = if let Some(rest) = head.strip_prefix(MAGIC) {
            digits(rest).filter(|version| (1..=VERSION_READ_MAX).contains(version))
        } else if let Some(rest) = head.strip_prefix(MAGIC_VALKEY) {
            digits(rest).filter(|&version| version == VERSION_VALKEY)
        } else {
            return Err(input.fault(offset, "it is not an RDB file"));
        };
        let Some(version) = version else {
            return Err(input.fault(offset + 5, "a version of RDB that is not known"));
        };
        let about = About { version, ..About::default() };
        Ok(Reader { input, about, db: 0, entry_at: 0, ended: false })
    }

    /// What the file says of itself, and what has been read so far.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// How many bytes have been read.
    pub fn at(&self) -> u64 {
        self.input.at()
    }

    /// Where the entry begins that was found last, behind what is said about it.
    pub fn entry_at(&self) -> u64 {
        self.entry_at
    }

    /// A fault of this file.
    pub fn fault(&self, offset: u64, what: impl Into<String>) -> ReadError {
        self.input.fault(offset, what)
    }

    /// The input, behind the end of what was read.
    pub fn into_input(self) -> Input<'a> {
        self.input
    }

    /// The next part; None behind the last one, when the checksum is right.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn next(&mut self, builder: Builder<'_>) -> Result<Option<Found>, ReadError> {
        let mut prelude = Prelude::default();
        while !self.ended {
            let offset = self.input.at();
            let kind = self.input.byte()?;
            if kind >= opcode::FIRST {
                let is_about_entry = matches!(
                    kind,
                    opcode::IDLE | opcode::FREQUENCY | opcode::EXPIRES_MS | opcode::EXPIRES_S
                );
                if prelude.any && !is_about_entry {
                    return Err(self.input.fault(offset, "a time without a key"));
                }
                prelude.any = is_about_entry;
                if let Some(found) = self.special(kind, offset, &mut prelude, builder)? {
                    return Ok(Some(found));
                }
                continue;
            }
            let entry = self.entry(kind, offset, &prelude, builder)?;
            prelude = Prelude::default();
            if let Some(entry) = entry {
                self.about.entries += 1;
                self.entry_at = offset;
                return Ok(Some(Found::Entry(self.db, entry)));
            }
            self.about.empty += 1;
        }
        Ok(None)
    }

    fn special(
        &mut self,
        kind: u8,
        offset: u64,
        prelude: &mut Prelude,
        builder: Builder<'_>,
    ) -> Result<Option<Found>, ReadError> {
        let input = &mut self.input;
        match kind {
            opcode::EXPIRES_MS => prelude.at_ms = Some(input.time_ms()?),
            opcode::EXPIRES_S => {
                prelude.at_ms = Some(i64::from(i32::from_le_bytes(input.array()?)) * 1000);
            }
            opcode::IDLE => prelude.idle_s = Some(input.length()?),
            opcode::FREQUENCY => prelude.frequency = Some(input.byte()?),
            opcode::SELECT => {
                let db = input.length()?;
                if db >= builder.options.databases() as u64 {
                    let what = format!("there is no database {db}: see `databases`");
                    return Err(input.fault(offset, what));
                }
                self.db = db as usize;
            }
            opcode::RESIZE => {
                input.length()?;
                input.length()?;
            }
            opcode::SLOT_INFO => {
                for _ in 0..3 {
                    input.length()?;
                }
            }
            opcode::AUX => {
                let (name, text) = (input.string()?, input.string()?);
                let server = match &name[..] {
                    b"redis-ver" => "Redis",
                    b"valkey-ver" => "Valkey",
                    b"redstart-ver" => "Redstart",
                    _ => return Ok(None),
                };
                self.about.writer = Some(format!("{server} {}", String::from_utf8_lossy(&text)));
            }
            opcode::FUNCTION => {
                let text = input.string()?;
                self.about.libraries += 1;
                return Ok(Some(Found::Library(text)));
            }
            opcode::END => self.end()?,
            opcode::MODULE_AUX => {
                let name = value::module(input);
                let what = format!("data of a module{name}, which do not exist here");
                return Err(input.fault(offset, what));
            }
            opcode::FUNCTION_UNRELEASED => {
                let what = "a library of functions as no released server writes it";
                return Err(input.fault(offset, what));
            }
            _ => return Err(input.fault(offset, "a part of an unknown kind")),
        }
        Ok(None)
    }

    /// Checks the checksum of what was read.
    fn end(&mut self) -> Result<(), ReadError> {
        self.ended = true;
        if self.about.version < SUMMED_FROM {
            return Ok(());
        }
        let (offset, sum) = (self.input.at(), self.input.sum());
        let expected = u64::from_le_bytes(self.input.array()?);
        // Zero where the server was set not to sum.
        if expected != 0 && expected != sum {
            return Err(self.input.fault(offset, "the checksum is not right"));
        }
        Ok(())
    }

    fn entry(
        &mut self,
        kind: u8,
        offset: u64,
        prelude: &Prelude,
        builder: Builder<'_>,
    ) -> Result<Option<Entry>, ReadError> {
        let key = self.input.string()?;
        let read = value::read(&mut self.input, kind, self.about.version, builder);
        let value = read.map_err(|error| named(error, &key, offset))?;
        if value.is_empty() {
            return Ok(None);
        }
        let deadline_ms = prelude.at_ms.map_or(0, |at_ms| builder.now.deadline(at_ms));
        let mut entry = value.into_entry(&key, deadline_ms);
        let idle_s = prelude.idle_s.map(|idle_s| u32::try_from(idle_s).unwrap_or(u32::MAX));
        let aging = builder.options.aging();
        entry.touch(aging.known(idle_s, prelude.frequency, builder.now));
        Ok(Some(entry))
    }
}

/// Adds to a fault which key's value it is in, and where that begins.
fn named(error: ReadError, key: &[u8], offset: u64) -> ReadError {
    match error {
        ReadError::Fault(fault) => {
            let what = format!("{} (key {}, at byte {offset})", fault.what, shown(key));
            ReadError::Fault(Fault { what, ..fault })
        }
        error => error,
    }
}
