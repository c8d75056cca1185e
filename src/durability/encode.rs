//! How a snapshot is encoded by several threads, where cores are free.
//!
//! ```text
//!  who saves   walks | writes | walks | writes ...  --->  the file
//!                      ^ full sections
//!  helpers     walk, each other shards
//! ```
//!
//! Who saves alone writes, and does what helpers do besides. Nobody helps where every core has a
//! worker that is busy: what would be gained is taken from clients. Helpers rest as who saves does.

use crate::server::Server;
use crate::system::pace::{Backlog, Pace, Served};
use redstart_engine::Now;
use redstart_engine::keyspace::snapshot::{Snapshot, Walk};
use redstart_persistence::snapshot::{Counts, Portion, Writer, write_all, write_step};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, Builder};
use std::time::Duration;

/// So many entries are worth a thread.
const ENTRIES_EACH: usize = 10_000;
/// More threads than this wait for the disk.
const HELPERS_MAX: usize = 7;
/// Sections that may wait to be written, for each helper.
const AHEAD: usize = 2;
/// From so many commands a second on, workers are held to be busy.
const BUSY: u64 = 5000;
/// With so many large values waiting to be written, helpers walk no further.
const KEPT_MAX: usize = 16;
/// How long who saves waits for a section before he looks after what writers keep, and a helper
/// for him.
const LOOK: Duration = Duration::from_millis(1);

/// How many threads help with a snapshot of so many entries.
pub fn helpers(server: &Server, entries: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (commands, ..) = server.rates.now();
    helping(cores, server.stats.len(), commands >= BUSY, entries)
}

fn helping(cores: usize, workers: usize, busy: bool, entries: usize) -> usize {
    let taken = if busy { workers.max(1) } else { 1 };
    cores.saturating_sub(taken).min(entries / ENTRIES_EACH).min(HELPERS_MAX)
}

/// Brings a snapshot to its end together with `helpers` threads, as [`write_all`] does alone.
///
/// # Errors
/// When the storage or `between` fails; nothing is left of the snapshot then.
pub fn run(
    server: &'static Server,
    (helpers, now): (usize, Now),
    mut snapshot: Snapshot,
    mut writer: Writer<'_>,
    mut between: impl FnMut(u64, &Snapshot) -> io::Result<()>,
) -> io::Result<Counts> {
    let ended = AtomicBool::new(false);
    let told = thread::scope(|scope| {
        let (filled, sections) = mpsc::sync_channel(helpers * AHEAD);
        for _ in 0..helpers {
            let (walk, filled) = (snapshot.walk(), filled.clone());
            let ended = &ended;
            let body = move || help(server, walk, now, (&filled, ended));
            // Without him the others have more to do.
            let _ = Builder::new().name("encode".into()).spawn_scoped(scope, body);
        }
        drop(filled);
        let told = tell(&mut snapshot, &mut writer, &sections, &mut between);
        ended.store(true, Relaxed);
        told
    });
    match told {
        // All who helped have ended: nothing is owed but what is in the queue.
        Ok(()) => write_all(snapshot, writer, between),
        Err(error) => {
            writer.abandon();
            snapshot.abandon();
            Err(error)
        }
    }
}

/// Walks, and writes what others have encoded, until nobody encodes any more. When it fails, those
/// walk on to the end all the same.
fn tell(
    snapshot: &mut Snapshot,
    writer: &mut Writer<'_>,
    sections: &Receiver<Portion>,
    between: &mut impl FnMut(u64, &Snapshot) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        let more = write_step(snapshot, writer, between)?;
        for mut portion in sections.try_iter() {
            writer.portion(&mut portion)?;
        }
        if more {
            continue;
        }
        match sections.recv_timeout(LOOK) {
            Ok(mut portion) => writer.portion(&mut portion)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        between(writer.entries(), snapshot)?;
    }
}

/// Walks to the end, and hands over what it meets as long as who saves has not `ended`.
fn help(
    server: &'static Server,
    mut walk: Walk,
    now: Now,
    (filled, ended): (&SyncSender<Portion>, &AtomicBool),
) {
    let mut pace = Pace::new(Served(server.stats));
    let mut portion = Portion::new(now);
    // Nobody misses what is not taken any more: then the snapshot was given up.
    let hand_over = |portion| drop(filled.send(portion));
    while walk.step(&mut |told| portion.take(told)) {
        if portion.is_full() {
            hand_over(std::mem::replace(&mut portion, Portion::new(now)));
        }
        if !ended.load(Relaxed) {
            pace.rest(|| Backlog::Small);
        }
        while walk.large_waiting() > KEPT_MAX && !ended.load(Relaxed) {
            thread::sleep(LOOK);
        }
    }
    hand_over(portion);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_free_cores_help() {
        let many = 10_000_000;
        assert_eq!(helping(1, 1, false, many), 0);
        assert_eq!(helping(4, 4, false, many), 3);
        assert_eq!(helping(4, 4, true, many), 0);
        assert_eq!(helping(4, 1, true, many), 3);
        assert_eq!(helping(64, 8, true, many), HELPERS_MAX);
        assert_eq!(helping(4, 4, false, ENTRIES_EACH - 1), 0);
        assert_eq!(helping(4, 4, false, 2 * ENTRIES_EACH), 2);
    }
}
