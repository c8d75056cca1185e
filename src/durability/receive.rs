//! What a master sends in place of the data set that is here: received into a file, looked at, and
//! loaded. Only a file of a format that is known has the old data set dropped.

use super::Durability;
use super::disk::directory::Directory;
use super::gate::IS_LOADING;
use super::load::{Expired, Load};
use super::redis_files::{self, looks_like_rdb};
use super::replay::Replay;
use crate::system::progress::Audience;
use redstart_persistence::ReadError;
use redstart_persistence::names;
use redstart_persistence::rdb::{Reader, envelope};
use redstart_persistence::snapshot;
use redstart_persistence::storage::{Storage, Stream};
use std::io;
use std::sync::atomic::Ordering::Relaxed;

/// A data set in a file, which goes with this.
pub struct Received {
    directory: Directory,
    name: String,
}

impl Drop for Received {
    fn drop(&mut self) {
        // What cannot be removed takes space until the next one comes.
        let _ = self.directory.remove(&self.name);
    }
}

/// What was loaded of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The database that is selected where the stream begins, if the file says so.
    pub stream_db: Option<usize>,
    /// Keys.
    pub keys: u64,
    /// Keys that were left out because their types do not exist here.
    pub foreign: u64,
}

impl Durability {
    /// Makes the file that a data set is received into, and what writes it.
    ///
    /// # Errors
    /// When there cannot be one.
    pub fn begin_receiving(&self) -> io::Result<(Received, Box<dyn Stream>)> {
        self.claim()?;
        let (directory, name) = self.parts.dump_place();
        let name = names::unfinished(&format!("{name}-received"), directory.process());
        let file = directory.create_stream(&name)?;
        Ok((Received { directory, name }, file))
    }

    /// Looks whether a data set is of a format that is known.
    ///
    /// # Errors
    /// When it is not: nothing of it can be loaded.
    pub fn check_received(&self, received: &Received) -> Result<(), ReadError> {
        let Received { directory, name } = received;
        if looks_like_rdb(directory, name)? {
            Reader::new(envelope::open(directory, name)?).map(drop)
        } else {
            snapshot::Reader::open(directory, name).map(drop)
        }
    }

    /// Has commands refused from now on, because data is about to be loaded.
    pub fn begin_loading(&self) {
        let progress = &self.loading.progress;
        let counters = [&progress.total_bytes, &progress.bytes, &progress.keys];
        counters.into_iter().for_each(|counter| counter.store(0, Relaxed));
        self.loading.began_ms.store(self.parts.now_ms(), Relaxed);
        self.gate.set(IS_LOADING);
    }

    /// Commands run again: nothing is loaded after all.
    pub fn give_up_loading(&self) {
        self.gate.clear(IS_LOADING);
    }

    /// Drops everything, and loads a data set in its place; the log begins anew behind it. Comes
    /// behind [`Durability::begin_loading`], once no request runs any more.
    ///
    /// # Errors
    /// What is wrong with it; nothing is here then.
    pub fn load_received(
        &'static self,
        received: &Received,
        replay: &mut dyn Replay,
    ) -> Result<Loaded, ReadError> {
        if self.is_logging() {
            self.turn_off();
        }
        replay.empty();
        // A replica without some keys is better than none, and says so.
        let (parts, loading) = (&self.parts, &self.loading);
        let mut load = Load { parts, loading, replay, foreign: Some(0) };
        let loaded =
            self.loading.progress.watch("Loading", Audience::Log, || load_one(&mut load, received));
        if loaded.is_err() {
            load.replay.empty();
        }
        load.replay.finish();
        self.gate.clear(IS_LOADING);
        self.follow_config()?;
        loaded
    }
}

/// Loads one of Redis's files or of ours. Keys past their deadline are kept: the master says when
/// they are gone.
fn load_one(load: &mut Load<'_>, received: &Received) -> Result<Loaded, ReadError> {
    let Received { directory, name } = received;
    if !looks_like_rdb(directory, name)? {
        let keys = load.snapshot(directory, name, Expired::Keep)?.entries;
        return Ok(Loaded { stream_db: None, keys, foreign: 0 });
    }
    let stream_db = redis_files::load_stream(load, directory, name)?;
    let keys = load.loading.progress.keys.load(Relaxed);
    Ok(Loaded { stream_db, keys, foreign: load.foreign.unwrap_or(0) })
}
