//! What is loaded at the start: the log's newest base and the records behind it if there is a log,
//! else the snapshot.
//!
//! Sections are decoded and put in by as many threads as there are workers, while one reads. The
//! log is replayed under a clock at which nothing has expired yet: what did expire is in it.

use super::append;
use super::{IS_LOADING, dump_place, log_place};
use crate::config::Setting;
use crate::log;
use crate::server::Server;
use parking_lot::Mutex;
use redstart_engine::driver::Driver;
use redstart_persistence::commands::COMMANDS;
use redstart_persistence::log::{End, SegmentReader, decode as decode_record};
use redstart_persistence::names::{self, Plan};
use redstart_persistence::record::Builder;
use redstart_persistence::snapshot::{Counts, Reader, Section, decode};
use redstart_persistence::storage::Storage;
use redstart_persistence::{Fault, ReadError};
use std::io;
use std::sync::atomic::Ordering::*;
use std::sync::mpsc;
use std::time::Instant;

/// Loads what there is, and opens the gate.
///
/// # Errors
/// What is wrong with which file; then the server must not start.
pub fn load(server: &'static Server) -> Result<(), ReadError> {
    let config = server.config.read();
    let (directory, name) = dump_place(&config);
    let (log_directory, prefix) = log_place(&config);
    let logs = config.is(Setting::Appendonly);
    drop(config);
    let began = Instant::now();
    if logs {
        log_directory.make()?;
        let plan = Plan::of(&prefix, &log_directory.list()?);
        if is_unbegun(&log_directory, &prefix, &plan)? {
            load_dump(server, &directory, &name)?;
            append::first_base(server)?;
        } else {
            load_log(server, &log_directory, &prefix, &plan)?;
        }
        append::listen(server);
    } else {
        load_dump(server, &directory, &name)?;
    }
    let keys = server.persist.loading.keys.load(Relaxed);
    if keys > 0 || logs {
        let seconds = began.elapsed().as_secs_f64();
        log::notice(format_args!("DB loaded from disk: {keys} keys, {seconds:.3} seconds"));
    }
    server.persist.status.lock().last_save_s = (crate::clock::wall_us() / 1_000_000) as i64;
    server.persist.open(IS_LOADING);
    // They may have been changed meanwhile.
    super::follow_config(server)?;
    Ok(())
}

fn load_dump(
    server: &'static Server,
    directory: &dyn Storage,
    name: &str,
) -> Result<(), ReadError> {
    match load_snapshot(server, directory, name, Expired::Drop) {
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

/// What becomes of keys whose deadline has passed since they were saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expired {
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
) -> Result<Counts, ReadError> {
    let mut reader = Reader::open(storage, name)?;
    let loading = &server.persist.loading;
    loading.total_bytes.fetch_add(reader.len(), Relaxed);
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
            loading.bytes.fetch_add(section.payload.len() as u64, Relaxed);
            if failed.lock().is_some() || send.send(section).is_err() {
                break;
            }
        }
        drop(send);
        Ok::<(), ReadError>(())
    })?;
    match failed.into_inner() {
        Some(error) => Err(error),
        None => Ok(reader.counts()),
    }
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
    if !engine.keyspace.restore(&mut entries) {
        return Err((section.offset, "a key occurs twice".into()));
    }
    server.persist.loading.keys.fetch_add(loaded, Relaxed);
    server.persist.loading.expired.fetch_add(all - loaded, Relaxed);
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

/// Loads the base and replays the segments, and opens the log behind them.
fn load_log(
    server: &'static Server,
    storage: &dyn Storage,
    prefix: &str,
    plan: &Plan,
) -> Result<(), ReadError> {
    let persist = &server.persist;
    let base = plan.base.unwrap_or(0);
    if plan.base.is_some() {
        let counts = load_snapshot(server, storage, &names::base(prefix, base), Expired::Keep)?;
        persist.status.lock().base_bytes = counts.bytes;
    }
    let mut next = base + 1;
    let mut open_end = None;
    for (at, &first) in plan.segments.iter().enumerate() {
        let name = names::segment(prefix, first);
        if first > next {
            let what = format!("records {next} to {} are missing before it", first - 1);
            return Err(Fault { file: name, offset: 0, what }.into());
        }
        let mut reader = SegmentReader::open(storage, &name, first)?;
        persist.loading.total_bytes.fetch_add(reader.len(), Relaxed);
        let end = replay(server, &mut reader, next, &name)?;
        if let End::Torn(fault) = end {
            if at + 1 < plan.segments.len() {
                return Err(fault.into());
            }
            if !server.config.read().is(Setting::AofLoadTruncated) {
                return Err(fault.into());
            }
            let bytes = reader.len() - reader.offset();
            log::warning(format_args!("{fault}. The log ends there: {bytes} bytes are cut off"));
        }
        next = next.max(reader.next_sequence());
        open_end = Some((name, reader.offset(), reader.next_sequence()));
    }
    match open_end {
        Some((name, len, following)) if following == next => {
            persist.log.reopen(storage, &name, len, next - 1)?;
        }
        // The base is ahead of every segment: a new one has to follow it.
        _ => {
            persist.log.resume(next - 1);
            persist.log.rotate(&redstart_persistence::log::Start { storage, prefix })?;
        }
    }
    plan.superfluous.iter().try_for_each(|name| storage.remove(name))?;
    Ok(())
}

/// Does once more what a segment tells, from record `from` on.
fn replay(
    server: &'static Server,
    reader: &mut SegmentReader,
    from: u64,
    name: &str,
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
        server.persist.loading.bytes.fetch_add(reader.offset() - offset, Relaxed);
        if sequence < from {
            continue;
        }
        for (db, words) in decode_record(&payload).map_err(fault)? {
            if db >= server.engine.options.databases() {
                return Err(fault(format!("there is no database {db}: see `databases`")).into());
            }
            driver.db = db;
            let reply = driver.call(&words);
            if reply.first() == Some(&b'-') {
                let name = String::from_utf8_lossy(words.first().copied().unwrap_or_default());
                let reply = String::from_utf8_lossy(&reply);
                let what = format!("{name} cannot be replayed: {}", reply.trim_end());
                return Err(fault(what).into());
            }
        }
    }
}
