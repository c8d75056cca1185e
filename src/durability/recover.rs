//! What is loaded at the start: the log's newest base and the records behind it if there is a log,
//! else the snapshot, else what Redis left.
//!
//! Sections are decoded and put in by as many threads as there are workers, while one reads. The
//! log is replayed under a clock at which nothing has expired yet: what did expire is in it.

use super::redis_files::{self, Files};
use super::{IS_LOADING, append, dump_place, log_place};
use crate::scripting::functions::Loader;
use crate::server::Server;
use crate::system::log;
use crate::system::progress::Told;
use parking_lot::Mutex;
use redstart_config::Setting;
use redstart_engine::driver::Driver;
use redstart_engine::keyspace::totals::Totals;
use redstart_persistence::commands::COMMANDS;
use redstart_persistence::fault::twice;
use redstart_persistence::log::{End, SegmentReader, decode as decode_record};
use redstart_persistence::names::{self, Plan};
use redstart_persistence::record::Builder;
use redstart_persistence::snapshot::{Counts, Reader, Section, decode};
use redstart_persistence::storage::Storage;
use redstart_persistence::{Fault, ReadError};
use std::io;
use std::sync::atomic::Ordering::*;
use std::sync::mpsc;
use std::time::{Instant, SystemTime};

/// Libraries of functions on their way in.
pub struct Libraries {
    server: &'static Server,
    loader: Option<Loader>,
}

impl Libraries {
    fn new(server: &'static Server) -> Libraries {
        Libraries { server, loader: None }
    }

    /// What loads them, made when it is first needed.
    pub fn loader(&mut self) -> io::Result<&mut Loader> {
        match &mut self.loader {
            Some(loader) => Ok(loader),
            none => {
                let made = Loader::new(self.server).map_err(|error| io::Error::other(text(&error)));
                Ok(none.insert(made?))
            }
        }
    }

    /// Does a command once more.
    pub fn replay(&mut self, driver: &mut Driver, words: &[&[u8]]) -> Result<(), String> {
        let name = words.first().copied().unwrap_or_default();
        let failure = if name.eq_ignore_ascii_case(b"function") {
            let loader = self.loader().map_err(|error| error.to_string())?;
            loader.replay(words).err().map(|error| text(&error))
        } else {
            let reply = driver.call(words);
            let failed = reply.first() == Some(&b'-');
            failed.then(|| String::from_utf8_lossy(&reply).trim_end().to_owned())
        };
        match failure {
            None => Ok(()),
            Some(why) => {
                Err(format!("{} cannot be replayed: {why}", String::from_utf8_lossy(name)))
            }
        }
    }

    /// Lets scripts call the functions that have come so far.
    pub fn publish(&self) {
        if let Some(loader) = &self.loader {
            loader.publish();
        }
    }

    fn finish(self) {
        match self.loader {
            Some(loader) => loader.finish(),
            None => self.server.scripts.functions.set(Default::default(), || ()),
        }
    }
}

fn text(error: &redstart_engine::Error) -> String {
    String::from_utf8_lossy(error.as_bytes()).into_owned()
}

/// Loads what there is, and opens the gate.
///
/// # Errors
/// What is wrong with which file; then the server must not start.
pub fn load(server: &'static Server) -> Result<(), ReadError> {
    let logs = server.config.read().is(Setting::Appendonly);
    let began = Instant::now();
    server.durability.loading.began_ms.store(server.clock.now().mono_ms, Relaxed);
    server.durability.loading.progress.watch("Loading", Told::Log, || {
        if logs { load_logged(server) } else { load_unlogged(server) }
    })?;
    // Nothing holds a shard for long as long as data is being loaded.
    let keys = Totals::of(&server.engine.keyspace, None).map_or(0, |totals| totals.keys());
    if keys > 0 || logs {
        let seconds = began.elapsed().as_secs_f64();
        log::notice(format_args!("DB loaded from disk: {keys} keys, {seconds:.3} seconds"));
    }
    server.durability.open(IS_LOADING);
    // They may have been changed meanwhile.
    super::follow_config(server)?;
    Ok(())
}

/// Loads the log; without one, what else there is, which becomes the log's base.
fn load_logged(server: &'static Server) -> Result<(), ReadError> {
    let (directory, prefix) = log_place(&server.config.read());
    directory.make()?;
    let plan = Plan::of(&prefix, &directory.list()?);
    if is_unbegun(&directory, &prefix, &plan)? {
        let files = redis_files::find_files(&server.config.read())?;
        load_other(server, files)?;
        append::first_base(server)?;
    } else {
        let ours = plan.names(&prefix).filter_map(|name| directory.modified(&name)).max();
        // What is wrong with files that are not read is nobody's trouble.
        if let Ok(Some(files)) = redis_files::find_files(&server.config.read()) {
            tell_of_newer("the log", ours, files.newest());
        }
        let mut libraries = Libraries::new(server);
        let end = read_log(server, &directory, &prefix, &plan, &mut libraries)?;
        libraries.finish();
        resume_log(server, &directory, &prefix, &plan, end)?;
    }
    append::listen(server);
    Ok(())
}

fn load_unlogged(server: &'static Server) -> Result<(), ReadError> {
    load_other(server, None)
}

/// Loads our snapshot; else Redis's append-only files, if they count; else its `dump.rdb`.
fn load_other(server: &'static Server, files: Option<Files>) -> Result<(), ReadError> {
    let mut libraries = Libraries::new(server);
    let (directory, name) = dump_place(&server.config.read());
    let dump = String::from_utf8_lossy(server.config.read().text(Setting::Dbfilename)).into_owned();
    let ours = directory.modified(&name);
    tell_of_newer(&name, ours, directory.modified(&dump).map(|at| (&dump[..], at)));
    tell_of_newer(&name, ours, files.as_ref().and_then(Files::newest));
    let loaded = load_snapshot(server, &directory, &name, Expired::Drop, &mut libraries);
    match (loaded, files) {
        (Ok(_), None) => {}
        (Ok(_), Some(_)) => log::notice(format_args!(
            "Loaded {name}: Redis's append-only files beside it are not read"
        )),
        (Err(ReadError::Io(error)), files) if error.kind() == io::ErrorKind::NotFound => {
            match files {
                Some(files) => files.load(server, &mut libraries)?,
                None => {
                    redis_files::load_rdb(server, &directory, &dump, &mut libraries)?;
                }
            }
        }
        (Err(error), _) => return Err(error),
    }
    libraries.finish();
    Ok(())
}

/// Tells of Redis's files that were changed after ours, which are loaded: who went back to Redis
/// for a while may expect that they are.
fn tell_of_newer(name: &str, ours: Option<SystemTime>, theirs: Option<(&str, SystemTime)>) {
    if let (Some(ours), Some((file, theirs))) = (ours, theirs)
        && theirs > ours
    {
        log::warning(format_args!(
            "Redis's file {file} is newer than {name}, which is loaded nevertheless: to start from \
             Redis's, move ours away"
        ));
    }
}

/// What is loaded once more while the server runs, for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The snapshot; it is saved before.
    Saved,
    /// The snapshot as it is.
    Snapshot,
    /// The log.
    Log,
}

/// Forgets everything, and loads it again. Nobody else may run a command meanwhile.
///
/// # Errors
/// What could not be saved or loaded; the keyspace is then what was loaded by then.
pub fn load_again(server: &'static Server, what: Again) -> Result<(), ReadError> {
    let persist = &server.durability;
    let (directory, prefix) = log_place(&server.config.read());
    // BGREWRITEAOF may have left one, though none is written now.
    if what == Again::Log && Plan::of(&prefix, &directory.list()?).base.is_none() {
        return Err(io::Error::other("there is no log").into());
    }
    if what == Again::Saved {
        super::save_now(server)?;
    }
    let _job = persist.job.lock();
    let logs = persist.is_logging() && append::finish(persist);
    server.engine.set_listening(false);
    server.engine.keyspace.clear();
    let result = if what == Again::Log {
        let mut libraries = Libraries::new(server);
        let plan = Plan::of(&prefix, &directory.list()?);
        read_log(server, &directory, &prefix, &plan, &mut libraries).map(|_| libraries.finish())
    } else {
        load_other(server, None)
    };
    server.engine.set_listening(logs);
    result
}

/// What becomes of keys whose deadline has passed since they were saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Nothing asks for them any more.
    Drop,
    /// The records that follow may know better.
    Keep,
}

/// Loads a snapshot; returns what it holds.
fn load_snapshot(
    server: &'static Server,
    storage: &dyn Storage,
    name: &str,
    expired: Expired,
    libraries: &mut Libraries,
) -> Result<Counts, ReadError> {
    let mut reader = Reader::open(storage, name)?;
    let loading = &server.durability.loading;
    loading.progress.total_bytes.fetch_add(reader.len(), Relaxed);
    let threads = server.stats.len();
    let (send, receive) = mpsc::sync_channel::<Section>(threads * 2);
    let (receive, failed) = (Mutex::new(receive), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Ok(section) = receive.lock().recv() else { break };
                    if let Err((offset, what)) = put_in(server, &section, expired) {
                        let fault = Fault { file: name.to_owned(), offset, what };
                        failed.lock().get_or_insert(ReadError::Fault(fault));
                    }
                }
            });
        }
        while let Some(section) = reader.next_section()? {
            loading.progress.bytes.fetch_add(section.payload.len() as u64, Relaxed);
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
    for code in reader.libraries() {
        let added = libraries.loader()?.add(code, false);
        added.map_err(|error| {
            reader.fault(0, &format!("a library of functions: {}", text(&error)))
        })?;
    }
    Ok(reader.counts())
}

/// Decodes the entries of a section and puts them in.
fn put_in(
    server: &'static Server,
    section: &Section,
    expired: Expired,
) -> Result<(), (u64, String)> {
    let engine = &server.engine;
    let (options, hasher) = (&engine.options, engine.keyspace.hasher());
    let now = server.clock.now();
    let builder = Builder { options, hasher, now };
    let mut entries = Vec::with_capacity(section.count.min(1 << 16) as usize);
    decode(section, builder, &mut entries)?;
    if expired == Expired::Drop {
        let lives = |ms: u64| ms == 0 || ms > now.mono_ms;
        entries.retain(|(_, entry)| lives(entry.deadline_ms()));
    }
    let (loaded, all) = (entries.len() as u64, u64::from(section.count));
    let restored = engine.keyspace.restore(&mut entries);
    restored.map_err(|found| (section.offset, twice(found.db, &found.key)))?;
    server.durability.loading.progress.keys.fetch_add(loaded, Relaxed);
    server.durability.loading.expired.fetch_add(all - loaded, Relaxed);
    Ok(())
}

/// Whether the log's directory holds nothing yet, but perhaps a segment that no record ever
/// reached.
///
/// # Errors
/// Records without a base: turning the log on ended half-way, or somebody removed the base.
fn is_unbegun(storage: &dyn Storage, prefix: &str, plan: &Plan) -> Result<bool, ReadError> {
    if plan.base.is_some() {
        return Ok(false);
    }
    for &first in &plan.segments {
        let file = names::segment(prefix, first);
        if !SegmentReader::open(storage, &file, first)?.is_empty() {
            let what = "there are records, but no base before them; move the file away to start \
                        from the snapshot";
            return Err(Fault { file, offset: 0, what: what.to_owned() }.into());
        }
    }
    Ok(true)
}

/// Where a log that was read ends.
struct LogEnd {
    /// The number of the next record.
    next: u64,
    /// The last segment: its name, its length as far as it is whole, the number behind it.
    segment: Option<(String, u64, u64)>,
}

/// Loads the base and replays the segments.
fn read_log(
    server: &'static Server,
    storage: &dyn Storage,
    prefix: &str,
    plan: &Plan,
    libraries: &mut Libraries,
) -> Result<LogEnd, ReadError> {
    let persist = &server.durability;
    let base = plan.base.unwrap_or(0);
    if plan.base.is_some() {
        let name = names::base(prefix, base);
        let counts = load_snapshot(server, storage, &name, Expired::Keep, libraries)?;
        persist.status.lock().base_bytes = counts.bytes;
    }
    let mut end = LogEnd { next: base + 1, segment: None };
    for (at, &first) in plan.segments.iter().enumerate() {
        let name = names::segment(prefix, first);
        if first > end.next {
            let what = format!("records {} to {} are missing before it", end.next, first - 1);
            return Err(Fault { file: name, offset: 0, what }.into());
        }
        let mut reader = SegmentReader::open(storage, &name, first)?;
        persist.loading.progress.total_bytes.fetch_add(reader.len(), Relaxed);
        let ended = replay(server, &mut reader, end.next, &name, libraries)?;
        if let End::Torn(fault) = ended {
            if at + 1 < plan.segments.len() {
                return Err(fault.into());
            }
            if !server.config.read().is(Setting::AofLoadTruncated) {
                return Err(fault.into());
            }
            let bytes = reader.len() - reader.offset();
            log::warning(format_args!("{fault}. The log ends there: {bytes} bytes are cut off"));
        }
        end.next = end.next.max(reader.next_sequence());
        end.segment = Some((name, reader.offset(), reader.next_sequence()));
    }
    Ok(end)
}

/// Opens the log behind what was read.
fn resume_log(
    server: &'static Server,
    storage: &dyn Storage,
    prefix: &str,
    plan: &Plan,
    end: LogEnd,
) -> io::Result<()> {
    let (log, next) = (&server.durability.log, end.next);
    match end.segment {
        Some((name, len, following)) if following == next => {
            log.reopen(storage, &name, len, next - 1)?;
        }
        // The base is ahead of every segment: a new one has to follow it.
        _ => {
            log.resume(next - 1);
            log.rotate(&redstart_persistence::log::Start { storage, prefix })?;
        }
    }
    plan.superfluous.iter().try_for_each(|name| storage.remove(name))
}

/// Does once more what a segment tells, from record `from` on.
fn replay(
    server: &'static Server,
    reader: &mut SegmentReader,
    from: u64,
    name: &str,
    libraries: &mut Libraries,
) -> Result<End, ReadError> {
    let now = server.clock.now().replaying();
    let mut driver = Driver::of(&server.engine, fastrand::u64(..), now, COMMANDS);
    let mut payload = Vec::new();
    loop {
        let offset = reader.offset();
        let fault = |what: String| Fault { file: name.to_owned(), offset, what };
        let sequence = match reader.next_record(&mut payload)? {
            Ok(sequence) => sequence,
            Err(end) => return Ok(end),
        };
        server.durability.loading.progress.bytes.fetch_add(reader.offset() - offset, Relaxed);
        if sequence < from {
            continue;
        }
        for (db, words) in decode_record(&payload).map_err(fault)? {
            if db >= server.engine.options.databases() {
                return Err(fault(format!("there is no database {db}: see `databases`")).into());
            }
            driver.db = db;
            libraries.replay(&mut driver, &words).map_err(fault)?;
        }
    }
}
