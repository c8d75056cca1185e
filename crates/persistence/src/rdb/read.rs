//! Reading a file of Redis's, part by part.

use super::dialect::{self, Part, Version};
use super::format::{HEAD, opcode};
use super::input::{Input, Short};
use super::item::short_number;
use super::template::Templates;
use super::{module, string, value};
use crate::fault::{Fault, ReadError, shown};
use crate::record::Builder;
use redstart_engine::storage::entry::{Entry, INLINE_MAX, NewValue};
use std::collections::BTreeMap;

/// A part of a file that matters.
pub enum Found {
    /// A key with its value, and its database.
    Entry(usize, Entry),
    /// The text of a library of functions.
    Library(Vec<u8>),
    /// A key that was passed over: its database, its name, and what its value is. Only
    /// [`Reader::passes_over_foreign`] has them found.
    Foreign(usize, Vec<u8>, String),
}

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The format's version.
    pub version: Version,
    /// The name and version of the server that wrote it, if the file says so.
    pub writer: Option<String>,
    /// The database that is selected in the stream of the server that wrote it, if it says so.
    pub stream_db: Option<usize>,
    /// Keys so far.
    pub entries: u64,
    /// Libraries of functions so far.
    pub libraries: u64,
    /// Keys so far whose values have no elements: they are passed over, as Redis does.
    pub empty: u64,
    /// What was passed over so far because it does not exist here, and how often it stood there.
    pub passed_over: BTreeMap<String, u64>,
}

impl About {
    fn new(version: Version) -> About {
        let (entries, libraries, empty) = (0, 0, 0);
        let passed_over = BTreeMap::new();
        About { version, writer: None, stream_db: None, entries, libraries, empty, passed_over }
    }

    fn pass_over(&mut self, what: String) {
        *self.passed_over.entry(what).or_default() += 1;
    }
}

/// A file that is being read.
pub struct Reader<'a> {
    input: Input<'a>,
    about: About,
    templates: Templates,
    db: usize,
    /// What the file said last of how many keys a database has.
    announced: Option<(usize, u64)>,
    /// Where begins what was found last.
    found_at: u64,
    ended: bool,
    /// Whether values of types that do not exist here are passed over.
    passes_over: bool,
}

/// Bytes that a key with its value takes in a file, at least: room is made for no more keys than
/// this allows, whatever the file says.
const KEY_BYTES: u64 = 16;

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
        if input.left() < HEAD as u64 {
            return Err(input.fault(offset, "it is too short for an RDB file"));
        }
        let version = Version::of_head(&input.array()?);
        let version = version.map_err(|(at, what)| input.fault(offset + at, what))?;
        let templates = Templates::default();
        Ok(Reader {
            input,
            about: About::new(version),
            templates,
            db: 0,
            announced: None,
            found_at: 0,
            ended: false,
            passes_over: false,
        })
    }

    /// Has keys passed over, and found as foreign, whose types do not exist here.
    pub fn passes_over_foreign(mut self, passes_over: bool) -> Reader<'a> {
        self.passes_over = passes_over;
        self
    }

    /// What the file says of itself, and what has been read so far.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// A database and how many keys it will have, if the file has said so since this was last
    /// asked; never more than the rest of the file may hold.
    pub fn take_announced(&mut self) -> Option<(usize, u64)> {
        self.announced.take()
    }

    /// How many bytes have been read.
    pub fn at(&self) -> u64 {
        self.input.at()
    }

    /// Where begins what was found last: an entry, behind what is said about it, or a library.
    pub fn found_at(&self) -> u64 {
        self.found_at
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
                let is_about_entry = self.is_about_entry(kind);
                if prelude.any && !is_about_entry {
                    return Err(self.input.fault(offset, "what is said of a key, without a key"));
                }
                prelude.any = is_about_entry;
                if let Some(found) = self.special(kind, offset, &mut prelude, builder)? {
                    return Ok(Some(found));
                }
                continue;
            }
            let found = self.entry(kind, offset, &prelude, builder)?;
            prelude = Prelude::default();
            self.found_at = offset;
            match found {
                Some(Found::Entry(..)) => self.about.entries += 1,
                Some(_) => {}
                None => {
                    self.about.empty += 1;
                    continue;
                }
            }
            return Ok(found);
        }
        Ok(None)
    }

    /// Whether a part is about the entry behind it.
    fn is_about_entry(&self, kind: u8) -> bool {
        match kind {
            opcode::IDLE | opcode::FREQUENCY | opcode::EXPIRES_MS | opcode::EXPIRES_S => true,
            ..opcode::SLOT_INFO => matches!(
                dialect::part(self.about.version, kind),
                Part::NotEvicted | Part::KeyMetadata
            ),
            _ => false,
        }
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
                let keys = input.length()?;
                input.length()?;
                self.announced = Some((self.db, keys.min(input.left() / KEY_BYTES)));
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
                    b"repl-stream-db" => {
                        let db = std::str::from_utf8(&text).ok().and_then(|db| db.parse().ok());
                        let most = builder.options.databases();
                        self.about.stream_db = db.filter(|db| *db < most);
                        return Ok(None);
                    }
                    _ => return Ok(None),
                };
                self.about.writer = Some(format!("{server} {}", String::from_utf8_lossy(&text)));
            }
            opcode::FUNCTION => {
                let text = input.string()?;
                self.about.libraries += 1;
                self.found_at = offset;
                return Ok(Some(Found::Library(text)));
            }
            opcode::END => self.end()?,
            opcode::MODULE_AUX => {
                let name = module::pass_over_aux(input)?;
                self.about.pass_over(format!("data of the module {name}"));
            }
            _ => self.own_part(kind, offset)?,
        }
        Ok(None)
    }

    /// A part that only one of the servers writes.
    fn own_part(&mut self, kind: u8, offset: u64) -> Result<(), ReadError> {
        let input = &mut self.input;
        match dialect::part(self.about.version, kind) {
            Part::NotEvicted => self.about.pass_over("protection from eviction".to_owned()),
            Part::Template => self.templates.read(input)?,
            Part::KeyMetadata => {
                for name in module::pass_over_metadata(input)? {
                    self.about.pass_over(format!("metadata {name} of a module"));
                }
            }
            Part::Refused(what) => {
                return Err(input.fault(offset, format!("{what}, number {kind}")));
            }
        }
        Ok(())
    }

    /// Checks the checksum of what was read.
    fn end(&mut self) -> Result<(), ReadError> {
        self.ended = true;
        if !self.about.version.is_summed() {
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
    ) -> Result<Option<Found>, ReadError> {
        if kind == string::WRITTEN
            && let Some((key, value)) = self.input.short_strings(INLINE_MAX)
        {
            let value = match value {
                Short::Number(n) => NewValue::Int(n),
                Short::Bytes(bytes) => {
                    short_number(bytes).map_or(NewValue::Str(bytes), NewValue::Int)
                }
            };
            let entry = Entry::new(key, value, deadline_ms(prelude, builder));
            return Ok(Some(self.found(entry, prelude, builder)));
        }
        let key = self.input.string()?;
        let (version, templates) = (self.about.version, &self.templates);
        if self.passes_over {
            let passed = value::pass_over(&mut self.input, kind, version);
            if let Some(what) = passed.map_err(|error| named(error, &key, offset))? {
                return Ok(Some(Found::Foreign(self.db, key, what)));
            }
        }
        let read = value::read(&mut self.input, kind, version, templates, builder);
        let value = read.map_err(|error| named(error, &key, offset))?;
        if value.is_empty() {
            return Ok(None);
        }
        let entry = value.into_entry(&key, deadline_ms(prelude, builder));
        Ok(Some(self.found(entry, prelude, builder)))
    }

    /// An entry, as old as what is said of it.
    fn found(&self, mut entry: Entry, prelude: &Prelude, builder: Builder<'_>) -> Found {
        let idle_s = prelude.idle_s.map(|idle_s| u32::try_from(idle_s).unwrap_or(u32::MAX));
        let aging = builder.options.aging();
        entry.touch(aging.known(idle_s, prelude.frequency, builder.now));
        Found::Entry(self.db, entry)
    }
}

/// The deadline that is said of an entry; zero is none.
fn deadline_ms(prelude: &Prelude, builder: Builder<'_>) -> u64 {
    prelude.at_ms.map_or(0, |at_ms| builder.now.deadline(at_ms))
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
