//! What is loaded at the start, and in which order: the log's newest base and the records behind
//! it if there is a log, else the snapshot, else what Redis left.

use super::Durability;
use super::disk::directory::Directory;
use super::gate::IS_LOADING;
use super::load::{Expired, Load, LogEnd};
use super::redis_files::{self, Files};
use super::replay::Replay;
use crate::system::log;
use crate::system::progress::Audience;
use redstart_config::Setting;
use redstart_engine::keyspace::totals::Totals;
use redstart_engine::run::effect::Listener;
use redstart_persistence::log::{End, SegmentReader, Start};
use redstart_persistence::names::{self, Plan};
use redstart_persistence::storage::Storage;
use redstart_persistence::{Fault, ReadError};
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

/// What is loaded again while the server runs, for tests (DEBUG RELOAD, DEBUG LOADAOF).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The snapshot; it is saved before.
    Saved,
    /// The snapshot as it is.
    Snapshot,
    /// The log.
    Log,
}

impl Durability {
    /// Loads what there is, and opens the gate.
    ///
    /// # Errors
    /// What is wrong with which file; then the server must not start.
    pub fn load(&'static self, replay: &mut dyn Replay) -> Result<(), ReadError> {
        let logs = self.parts.config.read().is(Setting::Appendonly);
        let began = Instant::now();
        self.loading.began_ms.store(self.parts.now_ms(), Relaxed);
        let mut load = Load { parts: &self.parts, loading: &self.loading, replay, foreign: None };
        let loaded = self.loading.progress.watch("Loading", Audience::Log, || {
            if logs { self.load_log(&mut load) } else { self.load_snapshot(&mut load, None) }
        });
        loaded.map_err(with_remedy)?;
        // No script holds a shard while data is being loaded, so there is no error.
        let totals = Totals::of(&self.parts.engine.keyspace, None);
        let keys = totals.map_or(0, |totals| totals.keys());
        if keys > 0 || logs {
            let (keys, took_s) = (log::counted(keys as u64, "key"), began.elapsed().as_secs_f64());
            log::notice(format_args!("DB loaded from disk: {keys}, {took_s:.3} s"));
        }
        self.gate.clear(IS_LOADING);
        // The settings may have been changed meanwhile.
        self.follow_config()?;
        Ok(())
    }

    /// Whether there is data to load, and loading began so long ago.
    pub fn has_loaded_for(&self, time: Duration) -> bool {
        let progress = &self.loading.progress;
        let since_ms = self.parts.now_ms().saturating_sub(self.loading.began_ms.load(Relaxed));
        progress.total_bytes.load(Relaxed) > 0 && u128::from(since_ms) >= time.as_millis()
    }

    /// Loads the log; without one, what else there is, which becomes the log's base.
    fn load_log(&self, load: &mut Load<'_>) -> Result<(), ReadError> {
        let (directory, prefix) = self.parts.log_place();
        directory.make()?;
        let plan = Plan::of(&prefix, &directory.list()?);
        if is_unbegun(&directory, &prefix, &plan)? {
            let files = redis_files::find_files(&self.parts)?;
            self.load_snapshot(load, files)?;
            self.write_first_base()?;
        } else {
            let ours = plan.names(&prefix).filter_map(|name| directory.modified(&name)).max();
            // Files that are not read may have faults.
            if let Ok(Some(files)) = redis_files::find_files(&self.parts) {
                warn_if_newer("the log", ours, files.newest());
            }
            let end = load.log(&directory, &prefix, &plan)?;
            load.replay.finish();
            self.resume_log(&directory, &prefix, &plan, end)?;
            self.encrypt_anew(&directory, plan.names(&prefix))?;
        }
        self.listen();
        Ok(())
    }

    /// Loads our snapshot; else Redis's append-only `files`, if they count; else its `dump.rdb`.
    fn load_snapshot(&self, load: &mut Load<'_>, files: Option<Files>) -> Result<(), ReadError> {
        let (directory, name) = self.parts.dump_place();
        let dump = {
            let config = self.parts.config.read();
            String::from_utf8_lossy(config.text(Setting::Dbfilename)).into_owned()
        };
        let ours = directory.modified(&name);
        warn_if_newer(&name, ours, directory.modified(&dump).map(|at| (&dump[..], at)));
        warn_if_newer(&name, ours, files.as_ref().and_then(Files::newest));
        match (load.snapshot(&directory, &name, Expired::Drop), files) {
            (Ok(_), None) => {}
            (Ok(_), Some(_)) => log::notice(format_args!(
                "Loaded {name}: Redis's append-only files beside it are not read"
            )),
            (Err(ReadError::Io(error)), files) if error.kind() == io::ErrorKind::NotFound => {
                match files {
                    Some(files) => files.load(load)?,
                    None => redis_files::load_rdb(load, &directory, &dump)?,
                }
            }
            (Err(error), _) => return Err(error),
        }
        load.replay.finish();
        Ok(())
    }

    /// Opens the log behind what was read.
    fn resume_log(
        &self,
        storage: &Directory,
        prefix: &str,
        plan: &Plan,
        end: LogEnd,
    ) -> io::Result<()> {
        self.status.lock().base_bytes = end.base_bytes;
        let last = end.next - 1;
        match end.segment {
            Some(segment) if segment.next == end.next => {
                self.log.reopen(storage, &segment.name, segment.len, last)?;
                // It goes on as it was begun: with a key from before, or with none.
                if !storage.is_current(&segment.name)? {
                    self.log.rotate(&Start { storage, prefix })?;
                }
            }
            // The base is ahead of every segment: a new one has to follow it.
            _ => {
                self.log.resume(last);
                self.log.rotate(&Start { storage, prefix })?;
            }
        }
        plan.superfluous.iter().try_for_each(|name| storage.remove(name))
    }

    /// Has the log rewritten where one of its files is not encrypted as it would be now.
    fn encrypt_anew(
        &self,
        directory: &Directory,
        mut names: impl Iterator<Item = String>,
    ) -> io::Result<()> {
        if names
            .try_fold(true, |all, name| Ok::<_, io::Error>(all & directory.is_current(&name)?))?
        {
            return Ok(());
        }
        log::notice("The log is rewritten, with the key that files are encrypted with now");
        self.schedule_rewrite();
        Ok(())
    }

    /// Forgets everything, and loads it again. No other command may run meanwhile.
    ///
    /// # Errors
    /// What could not be saved or loaded; the keyspace then holds what was loaded by then.
    pub fn reload(&self, what: Reload, replay: &mut dyn Replay) -> Result<(), ReadError> {
        let (directory, prefix) = self.parts.log_place();
        // BGREWRITEAOF may have left one, though none is written now.
        if what == Reload::Log && Plan::of(&prefix, &directory.list()?).base.is_none() {
            return Err(io::Error::other("there is no log").into());
        }
        if what == Reload::Saved {
            self.save_now()?;
        }
        let _turn = self.taking.turn();
        let logs = self.is_logging() && self.sync_log().is_ok();
        let engine = self.parts.engine;
        engine.set_listening(Listener::Log, false);
        engine.keyspace.clear();
        let mut load = Load { parts: &self.parts, loading: &self.loading, replay, foreign: None };
        let result = if what == Reload::Log {
            let plan = Plan::of(&prefix, &directory.list()?);
            load.log(&directory, &prefix, &plan).map(|end| {
                self.status.lock().base_bytes = end.base_bytes;
                load.replay.finish();
            })
        } else {
            self.load_snapshot(&mut load, None)
        };
        engine.set_listening(Listener::Log, logs);
        result
    }
}

/// Adds to what is wrong with a file what can be done about it.
fn with_remedy(error: ReadError) -> ReadError {
    let ReadError::Fault(Fault { file, offset, what }) = error else { return error };
    let is_ours = [".redstart", ".base", ".log"].iter().any(|end| file.ends_with(end));
    let remedy = if is_ours {
        "The file is left as it is: put an earlier copy in its place, or move it away to start \
         without it. `redstart check` says of a file whether it is whole"
    } else {
        "The file is left as it is: move it away to start without it. `redstart check --for-load` \
         lists all that will not load, and `redstart convert --skip-unsupported` makes a snapshot \
         of an RDB file without it"
    };
    ReadError::Fault(Fault { file, offset, what: format!("{what}. {remedy}") })
}

/// Warns of Redis's files that were changed after ours, which are loaded: after a while with Redis
/// a user may expect its files to be.
fn warn_if_newer(name: &str, ours: Option<SystemTime>, theirs: Option<(&str, SystemTime)>) {
    if let (Some(ours), Some((file, theirs))) = (ours, theirs)
        && theirs > ours
    {
        log::warning(format_args!(
            "Redis's file {file} is newer than {name}, which is loaded nevertheless: to start from \
             Redis's, move ours away"
        ));
    }
}

/// Whether the log's directory holds nothing yet, but perhaps a segment that no record ever
/// reached.
///
/// # Errors
/// Records without a base: turning the log on ended half-way, or the base was removed by hand.
fn is_unbegun(storage: &dyn Storage, prefix: &str, plan: &Plan) -> Result<bool, ReadError> {
    if plan.base.is_some() {
        return Ok(false);
    }
    for &first in &plan.segments {
        let file = names::segment(prefix, first);
        let mut reader = SegmentReader::open(storage, &file, first)?;
        if !matches!(reader.next_record(&mut Vec::new())?, Err(End::Whole)) {
            let what = "there are records, but no base before them; move the file away to start \
                        from the snapshot";
            return Err(Fault { file, offset: 0, what: what.to_owned() }.into());
        }
    }
    Ok(true)
}
