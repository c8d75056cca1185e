//! Redis's files at the start: `dump.rdb`, the log of Redis 7 in its directory, the single file of
//! servers before. They are read and left as they are; all files that are written are ours.

use super::disk::directory::Directory;
use super::load::{Expired, Load, Loading};
use super::parts::{Parts, log_path, path};
use super::replay::{self, Source};
use crate::system::log;
use redstart_config::Setting;
use redstart_engine::driver::Driver;
use redstart_engine::keyspace::Keyspace;
use redstart_engine::storage::entry::Entry;
use redstart_persistence::aof::{self, Next, Role, Words, manifest_line};
use redstart_persistence::fault::{shown, twice};
use redstart_persistence::rdb::{About, Found, Input, Reader, envelope, is_rdb};
use redstart_persistence::record::Builder;
use redstart_persistence::storage::Storage;
use redstart_persistence::{Fault, ReadError};
use std::io::{self, Read};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;
use std::time::SystemTime;

/// Entries that are put in at once.
const BATCH: usize = 512;
/// Batches that may have been read and not put in yet.
const BATCHES_AHEAD: usize = 8;

/// Loads an RDB file, if it is there.
pub fn load_rdb(load: &mut Load<'_>, storage: &dyn Storage, name: &str) -> Result<(), ReadError> {
    let input = match open(load, storage, name) {
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    read_whole(load, input, Expired::Drop).map(drop)
}

/// Loads an RDB file that a master has sent; returns the database that is selected where the stream
/// behind it begins, if the file says so.
pub fn load_stream(
    load: &mut Load<'_>,
    storage: &dyn Storage,
    name: &str,
) -> Result<Option<usize>, ReadError> {
    let input = open(load, storage, name)?;
    read_whole(load, input, Expired::Keep).map(|about| about.stream_db)
}

/// Reads an RDB file behind which nothing may follow.
fn read_whole(
    load: &mut Load<'_>,
    input: Input<'static>,
    expired: Expired,
) -> Result<About, ReadError> {
    let (input, about) = read_rdb(load, input, expired)?;
    if input.is_empty() {
        Ok(about)
    } else {
        Err(input.fault(input.at(), "there are bytes behind its end"))
    }
}

/// Opens a file as an input, whose bytes count as to be loaded.
fn open(load: &Load<'_>, storage: &dyn Storage, name: &str) -> Result<Input<'static>, ReadError> {
    let input = envelope::open(storage, name)?;
    load.loading.progress.total_bytes.fetch_add(input.len(), Relaxed);
    Ok(input)
}

/// Entries that were read, each with its database.
#[derive(Default)]
struct Batch {
    entries: Vec<(usize, Entry)>,
    /// Where each of them lies in the file.
    places: Vec<u64>,
    /// Bytes of the file that this is, with what lies between.
    bytes: u64,
}

/// Where in the file an entry is that cannot be put in, and why.
type Refused = (u64, String);

/// Reads an RDB file up to its end, and puts in what it holds: on a thread of its own while the
/// next entries are read, where there is a core for it.
fn read_rdb(
    load: &mut Load<'_>,
    input: Input<'static>,
    expired: Expired,
) -> Result<(Input<'static>, About), ReadError> {
    let reader = Reader::new(input)?.passes_over_foreign(load.foreign.is_some());
    let (keyspace, loading) = (&load.parts.engine.keyspace, load.loading);
    let put_in = |batch| put_in(keyspace, loading, batch);
    let here = |batch: Option<Batch>| batch.map_or(Ok(()), put_in);
    if thread::available_parallelism().map_or(1, usize::from) == 1 {
        return read_batches(load, reader, expired, here);
    }
    thread::scope(|scope| {
        let (send, batches) = mpsc::sync_channel::<Batch>(BATCHES_AHEAD);
        let body = move || batches.into_iter().try_for_each(put_in);
        let started = thread::Builder::new().name("load".into()).spawn_scoped(scope, body);
        let Ok(started) = started else { return read_batches(load, reader, expired, here) };
        let mut putting = Some((send, started));
        read_batches(load, reader, expired, move |batch| {
            if let (Some(batch), Some((send, _))) = (batch, &putting)
                && send.send(batch).is_ok()
            {
                return Ok(());
            }
            // This was the last one, or one was refused.
            let Some((send, started)) = putting.take() else { return Ok(()) };
            drop(send);
            started.join().expect("a panic ends the process")
        })
    })
}

/// Puts entries in.
fn put_in(keyspace: &'static Keyspace, loading: &Loading, batch: Batch) -> Result<(), Refused> {
    let Batch { mut entries, places, bytes } = batch;
    loading.progress.keys.fetch_add(entries.len() as u64, Relaxed);
    loading.progress.bytes.fetch_add(bytes, Relaxed);
    let restored = keyspace.restore(&mut entries);
    restored.map_err(|found| (places[found.place], twice(found.db, &found.key)))
}

/// Reads a file, and calls `put` with what it holds, and with None at its end.
fn read_batches(
    load: &mut Load<'_>,
    mut reader: Reader<'static>,
    expired: Expired,
    mut put: impl FnMut(Option<Batch>) -> Result<(), Refused>,
) -> Result<(Input<'static>, About), ReadError> {
    let (engine, clock, loading) = (load.parts.engine, load.parts.clock, load.loading);
    let (options, hasher) = (&engine.options, engine.keyspace.hasher());
    let (mut batch, mut counted) = (Batch::default(), reader.at());
    let mut now = clock.now();
    loop {
        let builder = Builder { options, hasher, now };
        let found = reader.next(builder)?;
        if let Some((db, keys)) = reader.take_announced() {
            engine.keyspace.reserve(db, keys);
        }
        let ended = found.is_none();
        match found {
            Some(Found::Library(text)) => {
                let added = load.replay.add_library(&text, false);
                added.map_err(|why| reader.fault(reader.found_at(), why))?;
            }
            Some(Found::Entry(db, entry)) => {
                if expired.keeps(entry.deadline_ms(), now) {
                    batch.entries.push((db, entry));
                    batch.places.push(reader.found_at());
                } else {
                    loading.expired.fetch_add(1, Relaxed);
                }
            }
            Some(Found::Foreign(db, key, what)) => pass_over(load, db, &key, &what),
            None => {}
        }
        if ended || batch.entries.len() >= BATCH {
            batch.bytes = reader.at() - counted;
            counted = reader.at();
            let room = batch.entries.len();
            let full = std::mem::take(&mut batch);
            let put = put(Some(full)).and_then(|()| if ended { put(None) } else { Ok(()) });
            put.map_err(|(at, why)| reader.fault(at, why))?;
            batch.entries.reserve(room);
            batch.places.reserve(room);
            now = clock.now();
        }
        if ended {
            log_about(&reader);
            let about = reader.about().clone();
            return Ok((reader.into_input(), about));
        }
    }
}

/// Foreign keys that are logged one by one.
const FOREIGN_LOGGED: u64 = 10;

/// Leaves out a key whose type does not exist here.
fn pass_over(load: &mut Load<'_>, db: usize, key: &[u8], what: &str) {
    let count = load.foreign.map_or(1, |count| count + 1);
    load.foreign = Some(count);
    if count <= FOREIGN_LOGGED {
        let key = shown(key);
        log::warning(format_args!("The key {key} of database {db} is left out: {what}"));
    }
}

/// Logs what an RDB file says of itself.
fn log_about(reader: &Reader<'_>) {
    let about = reader.about();
    let writer = about.writer.as_deref().unwrap_or("an unnamed server");
    log::notice(format_args!("Read {} of {writer}", about.version));
    if about.empty > 0 {
        let what = "keys were passed over that have values without elements";
        log::warning(format_args!("{} {what}", about.empty));
    }
    for (what, count) in &about.passed_over {
        log::warning(format_args!("{what} does not exist here: it was passed over {count} times"));
    }
}

/// Redis's append-only files, in the order in which they are read.
pub struct Files {
    directory: Directory,
    names: Vec<String>,
}

/// Finds Redis's append-only files: by the manifest, or the single file of servers before 7. The
/// single file is read, too, where Redis 7 had written a manifest of it, but not moved it yet.
pub fn find_files(parts: &Parts) -> Result<Option<Files>, ReadError> {
    let config = parts.config.read();
    let name = String::from_utf8_lossy(config.text(Setting::Appendfilename)).into_owned();
    let directory = parts.directory(&log_path(&config));
    let manifest = format!("{name}.manifest");
    let names = match if_there(directory.open(&manifest))? {
        Some((source, len)) => read_manifest(&manifest, source, len)?,
        None => Vec::new(),
    };
    let unmoved = names == [&name[..]] && if_there(directory.open(&name))?.is_none();
    if names.is_empty() || unmoved {
        let directory = parts.directory(&path(config.text(Setting::Dir)));
        if if_there(directory.open(&name))?.is_some() {
            return Ok(Some(Files { directory, names: vec![name] }));
        }
    }
    Ok((!names.is_empty()).then_some(Files { directory, names }))
}

/// The file that was opened; none if there is no such file.
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
/// refused, in its words: a manifest that was edited may lack files, and nothing would show it.
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
            let words = redstart_protocol::split_words(line).ok_or_else(|| {
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
    /// The file that was changed last, and when.
    pub fn newest(&self) -> Option<(&str, SystemTime)> {
        let changed = self.names.iter().filter_map(|name| {
            let at = self.directory.modified(name)?;
            Some((&name[..], at))
        });
        changed.max_by_key(|&(_, at)| at)
    }

    /// Loads them.
    pub fn load(&self, load: &mut Load<'_>) -> Result<(), ReadError> {
        let mut driver = load.driver();
        for (at, name) in self.names.iter().enumerate() {
            log::notice(format_args!("Loading Redis's append-only file {name}"));
            let torn = self.load_one(load, &mut driver, name)?;
            let Some(Torn { offset, len }) = torn else { continue };
            let what = format!("it ends in the middle of a command, {} bytes", len - offset);
            let fault = Fault { file: name.clone(), offset, what };
            let is_last = at + 1 == self.names.len();
            if !is_last || !load.may_cut() {
                return Err(fault.into());
            }
            log::warning(format_args!("{fault}. They are left out"));
        }
        Ok(())
    }

    /// Loads one; returns where it is torn, if it is.
    fn load_one(
        &self,
        load: &mut Load<'_>,
        driver: &mut Driver,
        name: &str,
    ) -> Result<Option<Torn>, ReadError> {
        let mut input = open(load, &self.directory, name)?;
        if let Some(b'R' | b'V') = input.peek()? {
            (input, _) = read_rdb(load, input, Expired::Keep)?;
        }
        // Each file begins in the first database.
        driver.db = 0;
        loop {
            let before = input.at();
            match aof::next(&mut input)? {
                Next::End => return Ok(None),
                Next::Torn(offset) => return Ok(Some(Torn { offset, len: input.len() })),
                Next::Unit(unit) => {
                    for words in &unit.commands {
                        let ran = run(load, driver, words);
                        ran.map_err(|what| input.fault(unit.offset, what))?;
                    }
                }
            }
            load.loading.progress.bytes.fetch_add(input.at() - before, Relaxed);
        }
    }
}

/// A file that ends in the middle of a command: where that begins, and the length in bytes.
struct Torn {
    offset: u64,
    len: u64,
}

/// Runs a command of a file again.
fn run(load: &mut Load<'_>, driver: &mut Driver, words: &Words) -> Result<(), String> {
    let words: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
    if words[0].eq_ignore_ascii_case(b"select") {
        let db = words.get(1).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
        let most = load.parts.engine.options.databases();
        driver.db = db.filter(|&db| db < most).ok_or("there is no such database")?;
        return Ok(());
    }
    replay::run(load.replay, driver, &words, Source::Redis)
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
            let Err((offset, error)) = read(&format!("{first}{line}")) else { panic!("{line}") };
            assert!(error.contains(what), "{line}: {error}");
            let before = if what == "duplicate base" { 20 } else { 0 };
            assert_eq!(offset, (first.len() + before) as u64, "{line}");
        }
        assert_eq!(read(""), Err((0, "Found an empty AOF manifest".to_owned())));
    }
}
