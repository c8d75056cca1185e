//! Full syncs: replicas that want the same form of a snapshot get it from one walk.
//!
//! ```text
//!   replicas that wait --> group --> walk, on a thread of its own --> pieces --> each replica
//!                                      | or a file, where a replica has to know its length
//!                                      +-- flip: offset, and the stream is kept from there on
//! ```

use super::{NOTHING, Replica};
use crate::durability::{About, Form, LeftOut, Pipe};
use crate::replication::{Id, Parts, Replication};
use crate::system::log;
use bytes::Bytes;
use parking_lot::Mutex;
use redstart_config::Setting;
use redstart_engine::WorkerState;
use redstart_engine::run::effect::Listener;
use redstart_engine::stats::Stats;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot};

/// Pieces that a replica may be behind the walk.
const PIECES: usize = 8;
/// The beginning of a full sync.
pub struct Start {
    /// The stream's id.
    pub id: Id,
    /// Where the stream goes on.
    pub offset: u64,
    /// The database that is selected there.
    pub db: usize,
    /// What is before that.
    pub body: Body,
}

/// A snapshot on its way to a replica.
pub enum Body {
    /// As it is made.
    Pieces(mpsc::Receiver<Bytes>),
    /// A file, and its length.
    File(File, u64),
}

/// A replica that waits.
struct Waiting {
    replica: Arc<Replica>,
    form: Form,
    /// Whether it has to know the length first.
    needs_len: bool,
    since: Instant,
    start: oneshot::Sender<Start>,
}

/// All that wait.
#[derive(Default)]
pub struct Syncs {
    waiting: Mutex<Vec<Waiting>>,
    changed: Notify,
    /// Names of files.
    files: AtomicU64,
}

/// What was found at the flip.
#[derive(Clone, Copy)]
struct Flip {
    id: Id,
    offset: u64,
    db: usize,
}

impl Replication {
    /// Puts a replica among those that wait for a full sync.
    pub(super) fn join_sync(&self, replica: &Arc<Replica>) -> oneshot::Receiver<Start> {
        let diskless = self.parts.config.read().is(Setting::ReplDisklessSync);
        let (start, started) = oneshot::channel();
        self.syncs.waiting.lock().push(Waiting {
            replica: replica.clone(),
            form: replica.said.form(),
            needs_len: !replica.said.finds_end || !diskless,
            since: Instant::now(),
            start,
        });
        self.syncs.changed.notify_one();
        started
    }

    /// Makes full syncs for those that wait as long as the thread lives.
    pub(in crate::replication) async fn keep_syncing(&'static self) {
        loop {
            let Some(left) = self.next_sync_in() else {
                self.syncs.changed.notified().await;
                continue;
            };
            if !left.is_zero() {
                // Those that come meanwhile are taken along.
                let _ = tokio::time::timeout(left, self.syncs.changed.notified()).await;
                continue;
            }
            let group = self.take_group();
            let (done, ended) = oneshot::channel();
            let walk = move || {
                if let Err(error) = self.walk_for(group) {
                    log::warning(format_args!("A full sync of replicas failed: {error}"));
                }
                let _ = done.send(());
            };
            match std::thread::Builder::new().name("sync".into()).spawn(walk) {
                Ok(_) => drop(ended.await),
                Err(error) => log::warning(format_args!("A full sync could not begin: {error}")),
            }
        }
    }

    /// How long until the next full sync; None if nobody waits.
    fn next_sync_in(&self) -> Option<Duration> {
        let mut waiting = self.syncs.waiting.lock();
        waiting.retain(|waiting| !waiting.start.is_closed());
        let first = waiting.first()?;
        let (delay_s, most) = {
            let config = self.parts.config.read();
            let delay_s = config.count(Setting::ReplDisklessSyncDelay) as u64;
            (delay_s, config.count(Setting::ReplDisklessSyncMaxReplicas))
        };
        let enough = most > 0 && waiting.len() >= most;
        if first.needs_len || enough {
            return Some(Duration::ZERO);
        }
        Some(Duration::from_secs(delay_s).saturating_sub(first.since.elapsed()))
    }

    /// Takes out those that want what the first one wants.
    fn take_group(&self) -> Vec<Waiting> {
        let mut waiting = self.syncs.waiting.lock();
        let Some((form, needs_len)) = waiting.first().map(|it| (it.form, it.needs_len)) else {
            return Vec::new();
        };
        waiting.extract_if(.., |it| it.form == form && it.needs_len == needs_len).collect()
    }

    fn walk_for(&self, group: Vec<Waiting>) -> io::Result<()> {
        let Some(first) = group.first() else { return Ok(()) };
        let (form, needs_len) = (first.form, first.needs_len);
        let names: Vec<String> = group.iter().map(|it| it.replica.info.addr.to_string()).collect();
        let what = match form {
            Form::Ours => "a snapshot of Redstart's".to_owned(),
            Form::Rdb { version, .. } => version.to_string(),
        };
        log::notice(format_args!("Full sync by {what} for {}", names.join(", ")));
        let began = Instant::now();
        let replicas: Vec<_> = group.iter().map(|waiting| waiting.replica.clone()).collect();
        let walked = match needs_len {
            true => self.walk_to_file(form, group),
            false => self.walk_to_replicas(form, group),
        };
        match walked {
            Ok(left_out) => {
                let took_s = began.elapsed().as_secs_f64();
                log::notice(format_args!("Made the snapshot for the full sync in {took_s:.3} s"));
                self.retell(&left_out);
                Ok(())
            }
            Err(error) => {
                // Those that wait see the end of their channel.
                replicas.iter().for_each(|replica| replica.position.store(NOTHING, Release));
                Err(error)
            }
        }
    }

    /// Feeds what a snapshot could not hold: a replica that knows it has it then.
    fn retell(&self, left_out: &LeftOut) {
        if left_out.is_empty() || self.is_replica() {
            return;
        }
        let Parts { engine, clock, .. } = self.parts;
        let mut local = WorkerState::new(Arc::new(Stats::new(0)), fastrand::u64(..));
        for (db, key) in left_out {
            engine.retell_deadlines(&mut local, clock.now(), *db, key);
        }
        self.nudge();
    }

    /// The moment of a full sync, with all shards locked: from here on the stream is kept for the
    /// replicas.
    fn flip(&self, replicas: &[Arc<Replica>]) -> Flip {
        if !self.stream.extent().is_kept {
            if !self.is_replica() {
                // Nothing was noted of what was before.
                self.ids.lock().renew();
                self.parts.engine.set_listening(Listener::Replicas, true);
            }
            self.stream.set_kept(true);
        }
        if !self.is_replica() {
            self.stream.forget_db();
        }
        let offset = self.stream.end();
        replicas.iter().for_each(|replica| replica.position.store(offset, Release));
        Flip { id: self.ids.lock().id, offset, db: self.stream.db().unwrap_or(0) }
    }

    fn take_for(
        &self,
        form: Form,
        replicas: &[Arc<Replica>],
        flipped: &Mutex<Option<Flip>>,
        pipe: &Pipe,
    ) -> io::Result<LeftOut> {
        let at_flip = || -> About {
            let flip = self.flip(replicas);
            *flipped.lock() = Some(flip);
            vec![
                ("repl-stream-db", flip.db.to_string()),
                ("repl-id", String::from_utf8_lossy(&flip.id).into_owned()),
                ("repl-offset", flip.offset.to_string()),
            ]
        };
        self.parts.durability.stream_snapshot(form, pipe, &self.applying, at_flip)
    }

    /// Hands the snapshot on as it is made.
    fn walk_to_replicas(&self, form: Form, group: Vec<Waiting>) -> io::Result<LeftOut> {
        let replicas: Vec<_> = group.iter().map(|waiting| waiting.replica.clone()).collect();
        let flipped = Arc::new(Mutex::new(None::<Flip>));
        let senders: Arc<Mutex<Vec<mpsc::Sender<Bytes>>>> = Arc::default();
        let (waiting, at_flip, open) = (Mutex::new(group), flipped.clone(), senders.clone());
        let take = move |bytes: &[u8]| -> io::Result<()> {
            let mut senders = open.lock();
            let group = std::mem::take(&mut *waiting.lock());
            if !group.is_empty() {
                let flip = at_flip.lock().ok_or(io::ErrorKind::InvalidInput)?;
                for waiting in group {
                    let (sender, pieces) = mpsc::channel(PIECES);
                    let Flip { id, offset, db } = flip;
                    let start = Start { id, offset, db, body: Body::Pieces(pieces) };
                    if waiting.start.send(start).is_ok() {
                        senders.push(sender);
                    }
                }
            }
            send(&mut senders, bytes);
            match senders.is_empty() {
                true => Err(io::Error::other("no replica is left that wants it")),
                false => Ok(()),
            }
        };
        let left_out = self.take_for(form, &replicas, &flipped, &Pipe(Arc::new(take)))?;
        // An empty piece says that it is whole.
        for sender in senders.lock().drain(..) {
            let _ = sender.blocking_send(Bytes::new());
        }
        Ok(left_out)
    }

    /// Writes the snapshot to a file, whose length is known then.
    fn walk_to_file(&self, form: Form, group: Vec<Waiting>) -> io::Result<LeftOut> {
        let replicas: Vec<_> = group.iter().map(|waiting| waiting.replica.clone()).collect();
        let flipped = Arc::new(Mutex::new(None::<Flip>));
        let file = Arc::new(Mutex::new(self.unnamed_file()?));
        let target = file.clone();
        let take = move |bytes: &[u8]| target.lock().write_all(bytes);
        let left_out = self.take_for(form, &replicas, &flipped, &Pipe(Arc::new(take)))?;
        let Some(Flip { id, offset, db }) = *flipped.lock() else { return Ok(left_out) };
        let mut file = file.lock();
        let len = file.stream_position()?;
        for waiting in group {
            let body = Body::File(file.try_clone()?, len);
            // Whoever has gone meanwhile wants nothing.
            let _ = waiting.start.send(Start { id, offset, db, body });
        }
        Ok(left_out)
    }

    /// A file in `dir` that is gone when nobody has it open any more.
    fn unnamed_file(&self) -> io::Result<File> {
        let number = self.syncs.files.fetch_add(1, Relaxed);
        let name = format!("temp-sync-{}-{number}.rdb", std::process::id());
        let path =
            PathBuf::from(&*String::from_utf8_lossy(self.parts.config.read().text(Setting::Dir)))
                .join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }
}

/// Sends a piece to all who still want it, at the pace of the slowest.
fn send(senders: &mut Vec<mpsc::Sender<Bytes>>, bytes: &[u8]) {
    if !bytes.is_empty() {
        let piece = Bytes::copy_from_slice(bytes);
        senders.retain(|sender| sender.blocking_send(piece.clone()).is_ok());
    }
}
