//! Redis's files at the start: `dump.rdb`, the log of Redis 7 in its directory, the single file of
//! servers before. They are read and left as they are; what is written later is our own.

use super::recover::{Expired, Libraries};
use super::{disk::directory::Directory, path};
use crate::dispatch::replay::{self, Scripts};
use crate::server::Server;
use crate::system::log;
use redstart_config::{Config, Setting, split_words};
use redstart_engine::driver::Driver;
use redstart_persistence::aof::{self, Next, Role, Words, manifest_line};
use redstart_persistence::commands::COMMANDS;
use redstart_persistence::fault::twice;
use redstart_persistence::rdb::{Found, Input, Reader, is_rdb};
use redstart_persistence::record::Builder;
use redstart_persistence::storage::Storage;
use redstart_persistence::{Fault, ReadError};
use std::io::{self, Read};
use std::sync::atomic::Ordering::*;
use std::time::SystemTime;

/// Entries that are put in at once.
const BATCH: usize = 512;

/// Opens a file as an input, whose bytes count as to be loaded.
fn open(server: &Server, storage: &dyn Storage, name: &str) -> io::Result<Input<'static>> {
    let (source, len) = storage.open(name)?;
    server.durability.loading.progress.total_bytes.fetch_add(len, Relaxed);
    Ok(Input::new(name, source, len))
}

/// Loads an RDB file, if it is there.
pub fn load_rdb(
    server: &'static Server,
    storage: &dyn Storage,
    name: &str,
    libraries: &mut Libraries,
) -> Result<bool, ReadError> {
    let input = match open(server, storage, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let input = read_rdb(server, input, Expired::Drop, libraries)?;
    match input.is_empty() {
        true => Ok(true),
        false => Err(input.fault(input.at(), "there are bytes behind its end")),
    }
}

/// Reads an RDB file up to its end, and puts in what it holds.
fn read_rdb(
    server: &'static Server,
    input: Input<'static>,
    expired: Expired,
    libraries: &mut Libraries,
) -> Result<Input<'static>, ReadError> {
    let engine = &server.engine;
    let loading = &server.durability.loading;
    let (options, hasher) = (&engine.options, engine.keyspace.hasher());
    let mut reader = Reader::new(input)?;
    let (mut entries, mut told) = (Vec::with_capacity(BATCH), reader.at());
    // Where each of the entries lies in the file.
    let mut places = Vec::with_capacity(BATCH);
    loop {
        let now = server.clock.now();
        let builder = Builder { options, hasher, now };
        let found = reader.next(builder)?;
        let ended = found.is_none();
        match found {
            Some(Found::Library(text)) => {
                let added = libraries.loader()?.add(&text, false);
                added.map_err(|error| refused(&reader, told, error.as_bytes()))?;
            }
            Some(Found::Entry(db, entry)) => {
                let lives = entry.deadline_ms() == 0 || entry.deadline_ms() > now.mono_ms;
                if lives || expired == Expired::Keep {
                    entries.push((db, entry));
                    places.push(reader.entry_at());
                } else {
                    loading.expired.fetch_add(1, Relaxed);
                }
            }
            None => {}
        }
        if ended || entries.len() >= BATCH {
            loading.progress.keys.fetch_add(entries.len() as u64, Relaxed);
            loading.progress.bytes.fetch_add(reader.at() - told, Relaxed);
            let restored = engine.keyspace.restore(&mut entries);
            restored
                .map_err(|found| reader.fault(places[found.place], twice(found.db, &found.key)))?;
            places.clear();
            told = reader.at();
        }
        if ended {
            let about = reader.about();
            let writer = about.writer.as_deref().unwrap_or("an unnamed server");
            log::notice(format_args!("Read RDB {} of {writer}", about.version));
            if about.empty > 0 {
                let what = "keys were passed over that have values without elements";
                log::warning(format_args!("{} {what}", about.empty));
            }
            return Ok(reader.into_input());
        }
    }
}

fn refused(reader: &Reader<'_>, offset: u64, what: &[u8]) -> ReadError {
    reader.fault(offset, String::from_utf8_lossy(what))
}

/// Redis's append-only files, in the order in which they are read.
pub struct Files {
    directory: Directory,
    names: Vec<String>,
}

/// Finds Redis's append-only files: by the manifest, or the single file of servers before 7. That
/// is read, too, where Redis 7 was about to move it and got no further than the manifest.
pub fn find_files(config: &Config) -> Result<Option<Files>, ReadError> {
    let name = String::from_utf8_lossy(config.text(Setting::Appendfilename)).into_owned();
    let dir = path(config.text(Setting::Dir));
    let directory = Directory::new(dir.join(path(config.text(Setting::Appenddirname))));
    let manifest = format!("{name}.manifest");
    let names = match if_there(directory.open(&manifest))? {
        Some((source, len)) => read_manifest(&manifest, source, len)?,
        None => Vec::new(),
    };
    let unmoved = names == [&name[..]] && if_there(directory.open(&name))?.is_none();
    if names.is_empty() || unmoved {
        let directory = Directory::new(dir);
        if if_there(directory.open(&name))?.is_some() {
            return Ok(Some(Files { directory, names: vec![name] }));
        }
    }
    Ok((!names.is_empty()).then_some(Files { directory, names }))
}

/// What was opened, unless it is not there.
fn if_there<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The longest manifest that is read, in bytes.
const MANIFEST_MAX: u64 = 16 << 20;
/// The longest line of one, with its end.
const MANIFEST_LINE_MAX: usize = 1024;

/// The names of the files that a manifest says are to be read. What Redis would not start from is
/// refused, in its words: somebody has been at it, and files that it does not name would not be
/// missed.
pub fn read_manifest(file: &str, source: impl Read, len: u64) -> Result<Vec<String>, ReadError> {
    let fault = |offset: usize, what: &str| Fault {
        file: file.to_owned(),
        offset: offset as u64,
        what: what.to_owned(),
    };
    if len > MANIFEST_MAX {
        return Err(fault(0, "it is too long for a manifest").into());
    }
    let mut text = Vec::new();
    source.take(len).read_to_end(&mut text)?;
    if text.is_empty() {
        return Err(fault(0, "Found an empty AOF manifest").into());
    }
    let (mut base, mut increments, mut at) = (None, Vec::new(), 0);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if !line.starts_with(b"#") {
            if line.len() > MANIFEST_LINE_MAX || !line.ends_with(b"\n") {
                return Err(fault(
                    at,
                    "The AOF manifest file contains too long line, or one without an end",
                )
                .into());
            }
            let words = split_words(line).ok_or_else(|| {
                fault(at, "Invalid AOF manifest file format: its quotes do not close")
            })?;
            let (name, number, role) = manifest_line(&words).map_err(|what| fault(at, what))?;
            match role {
                Role::Base if base.is_some() => {
                    return Err(fault(at, "Found duplicate base file information").into());
                }
                Role::Base => base = Some(name),
                Role::Increment => {
                    if increments.last().is_some_and(|&(last, _)| last >= number) {
                        return Err(fault(at, "Found a non-monotonic sequence number").into());
                    }
                    increments.push((number, name));
                }
                Role::History => {}
            }
        }
        at += line.len();
    }
    Ok(base.into_iter().chain(increments.into_iter().map(|(_, name)| name)).collect())
}

impl Files {
    /// The one that was changed last, and when.
    pub fn newest(&self) -> Option<(&str, SystemTime)> {
        let changed = self.names.iter().filter_map(|name| {
            let at = self.directory.modified(name)?;
            Some((&name[..], at))
        });
        changed.max_by_key(|&(_, at)| at)
    }

    /// Loads them.
    pub fn load(
        &self,
        server: &'static Server,
        libraries: &mut Libraries,
    ) -> Result<(), ReadError> {
        let mut replay = Replay::new(server);
        for (at, name) in self.names.iter().enumerate() {
            log::notice(format_args!("Loading Redis's append-only file {name}"));
            let torn = replay.file(&self.directory, name, libraries)?;
            let Some((offset, len)) = torn else { continue };
            let what = format!("it ends in the middle of a command, {} bytes", len - offset);
            let fault = Fault { file: name.clone(), offset, what };
            let is_last = at + 1 == self.names.len();
            if !is_last || !server.config.read().is(Setting::AofLoadTruncated) {
                return Err(fault.into());
            }
            log::warning(format_args!("{fault}. They are left out"));
        }
        Ok(())
    }
}

/// What does once more what the files tell.
struct Replay {
    server: &'static Server,
    driver: Driver,
    /// What runs scripts, made when it is first needed.
    scripts: Option<Scripts>,
}

impl Replay {
    fn new(server: &'static Server) -> Replay {
        let now = server.clock.now().replaying();
        let driver = Driver::of(&server.engine, fastrand::u64(..), now, COMMANDS);
        Replay { server, driver, scripts: None }
    }

    /// Reads a file; where it is torn and how long it is, if so.
    fn file(
        &mut self,
        storage: &dyn Storage,
        name: &str,
        libraries: &mut Libraries,
    ) -> Result<Option<(u64, u64)>, ReadError> {
        let bytes = &self.server.durability.loading.progress.bytes;
        let mut input = open(self.server, storage, name)?;
        if let Some(first) = input.peek()?
            && matches!(first, b'R' | b'V')
        {
            input = read_rdb(self.server, input, Expired::Keep, libraries)?;
        }
        // Each file begins in the first database.
        self.driver.db = 0;
        loop {
            let before = input.at();
            match aof::next(&mut input)? {
                Next::End => return Ok(None),
                Next::Torn(offset) => return Ok(Some((offset, input.len()))),
                Next::Unit(unit) => {
                    for words in &unit.commands {
                        let run = self.command(words, libraries);
                        run.map_err(|what| input.fault(unit.offset, what))?;
                    }
                }
            }
            bytes.fetch_add(input.at() - before, Relaxed);
        }
    }

    fn command(&mut self, words: &Words, libraries: &mut Libraries) -> Result<(), String> {
        let words: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
        if words[0].eq_ignore_ascii_case(b"select") {
            let db = words.get(1).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
            let most = self.server.engine.options.databases();
            self.driver.db = db.filter(|&db| db < most).ok_or("there is no such database")?;
            return Ok(());
        }
        if replay::runs(words[0]) {
            libraries.publish();
            let scripts = self.scripts.get_or_insert_with(|| Scripts::new(self.server));
            return scripts.replay(self.driver.now, self.driver.db, &words);
        }
        libraries.replay(&mut self.driver, &words)
    }
}

/// Whether a file is one of Redis's, by its first bytes.
pub fn looks_like_rdb(storage: &dyn Storage, name: &str) -> io::Result<bool> {
    let mut beginning = Vec::new();
    storage.open(name)?.0.take(9).read_to_end(&mut beginning)?;
    Ok(is_rdb(&beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, (u64, String)> {
        match read_manifest("manifest", text.as_bytes(), text.len() as u64) {
            Ok(names) => Ok(names),
            Err(ReadError::Fault(fault)) => Err((fault.offset, fault.what)),
            Err(ReadError::Io(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn a_manifest_is_read_as_strictly_as_redis_does() {
        let whole = "# a note\nfile b.rdb seq 2 type b\nfile h.aof seq 1 type h\n\
            file \"an i.aof\" seq 3 type i more words\nfile j.aof seq 9 type i\n";
        let names = ["b.rdb", "an i.aof", "j.aof"].map(str::to_owned).to_vec();
        assert_eq!(read(whole), Ok(names));
        let first = "file a seq 1 type i\n";
        let too_long = format!("file {} seq 2 type i\n", "b".repeat(MANIFEST_LINE_MAX));
        for (line, what) in [
            ("\n", "Invalid AOF manifest file format"),
            (" \t\r\n", "Invalid AOF manifest file format"),
            ("file b seq 2 type x\n", "Unknown AOF file type"),
            ("file b seq 0 type i\n", "Invalid AOF manifest file format"),
            ("file b seq 2\n", "Invalid AOF manifest file format"),
            ("file b seq 2 type i odd\n", "Invalid AOF manifest file format"),
            ("file a/b seq 2 type i\n", "File can't be a path"),
            ("file b seq 1 type i\n", "non-monotonic"),
            ("file b seq 2 type b\nfile c seq 3 type b\n", "duplicate base"),
            ("file b seq 2 type i", "without an end"),
            (&too_long, "too long"),
        ] {
            let Err((offset, told)) = read(&format!("{first}{line}")) else { panic!("{line}") };
            assert!(told.contains(what), "{line}: {told}");
            let before = if what == "duplicate base" { 20 } else { 0 };
            assert_eq!(offset, (first.len() + before) as u64, "{line}");
        }
        assert_eq!(read(""), Err((0, "Found an empty AOF manifest".to_owned())));
    }
}
