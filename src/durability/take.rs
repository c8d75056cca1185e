//! One snapshot, from its moment to its file: for SAVE and BGSAVE, or as the log's base.

use super::Durability;
use super::disk::uncached;
use super::encode::Helpers;
use super::parts::Parts;
use crate::system::allocator;
use crate::system::pace::{Backlog, Pace, Served};
use parking_lot::{Mutex, MutexGuard};
use redstart_config::Setting;
use redstart_engine::Now;
use redstart_engine::keyspace::locks::SavedLocks;
use redstart_engine::keyspace::snapshot::Snapshot;
use redstart_persistence::record::Times;
use redstart_persistence::snapshot::{self, Counts, Header, Packing, Writer, encoder};
use redstart_persistence::storage::Storage;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// From so many bytes of kept values on, it is some backlog, or a large one.
const BACKLOG_SOME: usize = 256 << 10;
const BACKLOG_LARGE: usize = 2 << 20;

/// The snapshot that is being taken.
#[derive(Default)]
pub struct Taking {
    /// Held while a snapshot is taken: there is one at a time.
    turn: Mutex<()>,
    /// Whether it is to be given up.
    cancelled: AtomicBool,
    /// Keys that it has, and keys that it will have; zero while there is none.
    keys: AtomicU64,
    total_keys: AtomicU64,
}

impl Taking {
    /// Waits until no snapshot is being taken; none begins as long as the guard lives.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock()
    }

    /// What says that the snapshot is to be given up.
    pub(super) fn cancelled(&self) -> &AtomicBool {
        &self.cancelled
    }

    /// Has the snapshot given up that is being taken.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// Takes back [`Taking::cancel`]; returns whether there was one.
    pub fn uncancel(&self) -> bool {
        self.cancelled.swap(false, Relaxed)
    }

    /// How many keys the snapshot has, and how many it will have.
    pub fn progress(&self) -> (u64, u64) {
        (self.keys.load(Relaxed), self.total_keys.load(Relaxed))
    }
}

/// A snapshot's moment.
pub struct Moment {
    /// The clocks.
    pub now: Now,
    /// The last record of the log.
    pub sequence: u64,
    /// Changes of keys by then.
    pub changes: u64,
}

impl Durability {
    /// Takes a snapshot into a file whose name may depend on the moment, and calls `at_flip` at
    /// that moment, while all shards are locked. The caller holds [`Taking::turn`].
    pub(super) fn take_snapshot(
        &self,
        storage: &dyn Storage,
        name: impl FnOnce(&Moment) -> String,
        at_flip: impl FnOnce(),
    ) -> io::Result<(Counts, Moment)> {
        let (parts, taking) = (&self.parts, &self.taking);
        let begun = Times { now: parts.clock.now(), ages: parts.engine.options.kept_ages() };
        let (snapshot, (moment, libraries)) =
            parts.engine.keyspace.begin_snapshot(encoder(begun), || self.moment(at_flip));
        let (name, packing) = (name(&moment), packing(parts));
        let file = begin_file(storage, &name, &moment, begun, packing);
        let locks = parts.engine.keyspace.save_locks();
        let with_libraries = file.and_then(|writer| write_apart(writer, &libraries, &locks));
        let writer = match with_libraries {
            Ok(writer) => writer,
            Err(error) => {
                snapshot.abandon();
                return Err(error);
            }
        };
        let mut pace = Pace::new(Served(parts.stats));
        let mut slowdown = Slowdown::new(parts);
        let entries = snapshot.entries();
        taking.total_keys.store(entries as u64, Relaxed);
        let helpers = Helpers::new(parts, entries, begun);
        let counts = helpers.write(snapshot, writer, |entries, snapshot| {
            taking.keys.store(entries, Relaxed);
            slowdown.after(entries, &taking.cancelled);
            if taking.cancelled.load(Relaxed) {
                return Err(io::Error::other("it was given up"));
            }
            pace.rest(|| backlog(snapshot));
            Ok(())
        });
        taking.total_keys.store(0, Relaxed);
        taking.keys.store(0, Relaxed);
        Ok((counts?, moment))
    }

    /// The moment that is now, and the libraries of functions that there are at it. `at_flip` is
    /// called then.
    pub(super) fn moment(&self, at_flip: impl FnOnce()) -> (Moment, Vec<Arc<[u8]>>) {
        let (mut sequence, mut at_flip) = (0, Some(at_flip));
        let libraries = self.parts.libraries.texts(&mut || {
            sequence = self.log.appended();
            at_flip.take().into_iter().for_each(|at_flip| at_flip());
        });
        let (now, changes) = (self.parts.clock.now(), self.parts.changes());
        (Moment { now, sequence, changes }, libraries)
    }
}

/// Whether snapshots are packed (`rdbcompression`).
pub(super) fn packing(parts: &Parts) -> Packing {
    match parts.config.read().is(Setting::Rdbcompression) {
        true => Packing::Lz4,
        false => Packing::Off,
    }
}

/// Begins a snapshot's file.
fn begin_file<'s>(
    storage: &'s dyn Storage,
    name: &str,
    moment: &Moment,
    begun: Times,
    packing: Packing,
) -> io::Result<Writer<'s>> {
    let header = Header {
        writer: env!("CARGO_PKG_VERSION").to_owned(),
        wall_ms: moment.now.wall_ms,
        sequence: moment.sequence,
    };
    Writer::with_packing(storage, name, &header, begun, packing)
}

/// Writes what are no entries: the libraries of functions, and what is known of locks.
fn write_apart<'s>(
    mut writer: Writer<'s>,
    libraries: &[Arc<[u8]>],
    locks: &SavedLocks,
) -> io::Result<Writer<'s>> {
    let written = writer.write_libraries(libraries.iter().map(|text| &text[..]));
    match written.and_then(|()| writer.write_locks(locks)) {
        Ok(()) => Ok(writer),
        Err(error) => {
            writer.abandon();
            Err(error)
        }
    }
}

/// How far the writing thread is behind: the bytes of old values that commands kept for it.
pub(super) fn backlog(snapshot: &Snapshot) -> Backlog {
    match snapshot.backlog() {
        0..BACKLOG_SOME => Backlog::Small,
        BACKLOG_SOME..BACKLOG_LARGE => Backlog::Some,
        _ => Backlog::Large,
    }
}

/// `rdb-key-save-delay`: makes saving slow, so that tests see what happens meanwhile.
pub(super) struct Slowdown {
    /// After each key.
    delay: Duration,
    /// Keys after which it has waited.
    keys: u64,
}

impl Slowdown {
    /// The longest time in which the snapshot cannot be given up.
    const STEP: Duration = Duration::from_millis(10);

    pub(super) fn new(parts: &Parts) -> Slowdown {
        let delay_us = parts.config.read().integer(Setting::RdbKeySaveDelay);
        Slowdown { delay: Duration::from_micros(delay_us.max(0) as u64), keys: 0 }
    }

    /// Waits for what is due after the first `keys`, unless the snapshot is given up.
    pub(super) fn after(&mut self, keys: u64, cancelled: &AtomicBool) {
        let more = u32::try_from(keys - self.keys).unwrap_or(u32::MAX);
        self.keys = keys;
        let mut left = self.delay.saturating_mul(more);
        while !left.is_zero() && !cancelled.load(Relaxed) {
            let step = left.min(Self::STEP);
            std::thread::sleep(step);
            left -= step;
        }
    }
}

/// Takes the memory that saving needs, some megabytes, from the system. In the middle of a
/// snapshot this would take milliseconds from a worker on the same core.
pub fn prepare(parts: &Parts) {
    /// Blocks of every small size, for the thread that saves.
    static SMALL_BLOCKS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    parts.engine.keyspace.prepare_snapshots();
    snapshot::prepare();
    uncached::prepare();
    SMALL_BLOCKS.get_or_init(allocator::small_blocks);
}
