//! A snapshot encoded by several threads, where cores are free.
//!
//! ```text
//!  writing thread   walks | writes | walks | writes ...  --->  the file
//!                           ^ full sections
//!  helper threads   walk, each other shards
//! ```
//!
//! Only the thread that called [`Helpers::write`] writes; besides, it walks as helpers do. There
//! are no helpers where every core has a busy worker: clients would pay for what they gain.
//! Helpers rest at the same pace as the writing thread.

use super::parts::Parts;
use super::take::packing;
use crate::system::pace::{Backlog, Pace, Served};
use redstart_engine::keyspace::snapshot::{Snapshot, Walk};
use redstart_persistence::record::Times;
use redstart_persistence::snapshot::{
    self, Counts, Packing, Portion, Writer, write_all, write_step,
};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, Builder};
use std::time::Duration;

/// So many entries are worth a thread.
const ENTRIES_EACH: usize = 10_000;
/// More threads than this would only wait for the disk.
const HELPERS_MAX: usize = 7;
/// Sections that may wait to be written, for each helper.
const SECTIONS_AHEAD: usize = 2;
/// At this many commands a second, every worker counts as busy.
const BUSY_COMMANDS: u64 = 5000;
/// With so many large values waiting to be written, helpers stop walking.
const KEPT_MAX: usize = 16;
/// How long the writing thread waits for a section before it looks again at the values that
/// commands kept for the snapshot; and how long a helper waits for it.
const PATIENCE: Duration = Duration::from_millis(1);

/// The threads that help with a snapshot.
pub struct Helpers {
    count: usize,
    /// Of the snapshot's moment.
    times: Times,
    served: Served,
    packing: Packing,
}

impl Helpers {
    /// The helpers of a snapshot of so many entries.
    pub fn new(parts: &Parts, entries: usize, times: Times) -> Helpers {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let (commands, ..) = parts.rates.now();
        let busy_workers = if commands >= BUSY_COMMANDS { parts.workers() } else { 0 };
        Helpers {
            count: free_threads(cores, busy_workers, entries),
            times,
            served: Served(parts.stats),
            packing: packing(parts),
        }
    }

    /// Writes a snapshot to its end together with the helpers, as [`write_all`] does alone.
    ///
    /// # Errors
    /// When the storage or `between` fails; nothing is left of the snapshot then.
    pub fn write(
        self,
        mut snapshot: Snapshot,
        mut writer: Writer<'_>,
        mut between: impl FnMut(u64, &Snapshot) -> io::Result<()>,
    ) -> io::Result<Counts> {
        let writer_ended = AtomicBool::new(false);
        let written = thread::scope(|scope| {
            let (full, sections) = mpsc::sync_channel(self.count * SECTIONS_AHEAD);
            for _ in 0..self.count {
                let (full, writer_ended) = (full.clone(), &writer_ended);
                let (times, served, packing) = (self.times, self.served, self.packing);
                let helper = Helper { times, served, packing, full, writer_ended };
                let walk = snapshot.walk();
                let body = move || helper.encode(walk);
                // Where a thread cannot be started, the others have more to do.
                let _ = Builder::new().name("encode".into()).spawn_scoped(scope, body);
            }
            drop(full);
            let written = write_sections(&mut snapshot, &mut writer, &sections, &mut between);
            writer_ended.store(true, Relaxed);
            written
        });
        match written {
            // All helpers have ended: only the queue of kept values may still hold something.
            Ok(()) => write_all(snapshot, writer, between),
            Err(error) => {
                writer.abandon();
                snapshot.abandon();
                Err(error)
            }
        }
    }
}

/// How many threads may help: the writing thread and busy workers have a core each.
fn free_threads(cores: usize, busy_workers: usize, entries: usize) -> usize {
    cores.saturating_sub(busy_workers.max(1)).min(entries / ENTRIES_EACH).min(HELPERS_MAX)
}

/// Walks, and writes what helpers have encoded, until all helpers have ended. When it fails,
/// helpers walk on to the end all the same.
fn write_sections(
    snapshot: &mut Snapshot,
    writer: &mut Writer<'_>,
    sections: &Receiver<Portion>,
    between: &mut impl FnMut(u64, &Snapshot) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        let more = write_step(snapshot, writer, between)?;
        for mut portion in sections.try_iter() {
            writer.write_portion(&mut portion)?;
        }
        if more {
            continue;
        }
        match sections.recv_timeout(PATIENCE) {
            Ok(mut portion) => writer.write_portion(&mut portion)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        between(writer.entries(), snapshot)?;
    }
}

/// One helper.
struct Helper<'a> {
    times: Times,
    served: Served,
    packing: Packing,
    /// Takes full sections to the writing thread.
    full: SyncSender<Portion>,
    /// Whether the writing thread needs no help any more.
    writer_ended: &'a AtomicBool,
}

impl Helper<'_> {
    /// Walks to the end, and sends the sections that it fills.
    fn encode(self, mut walk: Walk) {
        let mut pace = Pace::new(self.served);
        let (mut portion, mut packer) = (Portion::new(self.times), snapshot::packer(self.packing));
        while walk.step(&mut |item| portion.take(item)) {
            if portion.is_full() {
                portion.pack(&mut packer);
                self.send(std::mem::replace(&mut portion, Portion::new(self.times)));
            }
            if !self.writer_ended() {
                pace.rest(|| Backlog::Small);
            }
            while walk.large_waiting() > KEPT_MAX && !self.writer_ended() {
                thread::sleep(PATIENCE);
            }
        }
        portion.pack(&mut packer);
        self.send(portion);
    }

    fn send(&self, portion: Portion) {
        // It fails once the snapshot was given up: then the section is not missed.
        let _ = self.full.send(portion);
    }

    fn writer_ended(&self) -> bool {
        self.writer_ended.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_free_cores_help() {
        let many = 10_000_000;
        assert_eq!(free_threads(1, 0, many), 0);
        assert_eq!(free_threads(4, 0, many), 3);
        assert_eq!(free_threads(4, 4, many), 0);
        assert_eq!(free_threads(4, 1, many), 3);
        assert_eq!(free_threads(64, 8, many), HELPERS_MAX);
        assert_eq!(free_threads(4, 0, ENTRIES_EACH - 1), 0);
        assert_eq!(free_threads(4, 0, 2 * ENTRIES_EACH), 2);
    }
}
