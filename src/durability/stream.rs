//! A snapshot for replicas: as a file of Redis's or as one of ours, to a pipe and not to a disk.

use super::Durability;
use super::take::{Moment, Slowdown, backlog};
use crate::system::log;
use crate::system::pace::{Pace, Served};
use parking_lot::Mutex;
use redstart_engine::keyspace::garbage::Garbage;
use redstart_engine::keyspace::snapshot::{Snapshot, SnapshotItem};
use redstart_persistence::rdb::{self, Compression, Version};
use redstart_persistence::storage::{Output, Storage, Stream};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What a snapshot is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As we save snapshots.
    Ours,
    /// As Redis's or Valkey's file of this version; without any keys, if libraries alone are
    /// wanted, and without libraries, if keys alone are.
    Rdb {
        /// The version of the format.
        version: Version,
        /// Whether keys are wanted.
        keys: bool,
        /// Whether libraries of functions are wanted.
        libraries: bool,
    },
}

/// Takes the bytes of a snapshot, in their order.
pub type Take = dyn Fn(&[u8]) -> io::Result<()> + Send + Sync;

/// A storage of one file, whose bytes go elsewhere as they come.
pub struct Pipe(pub Arc<Take>);

struct PipeStream(Arc<Take>);

impl Stream for PipeStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (self.0)(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Storage for Pipe {
    fn create(&self, _: &str) -> io::Result<Arc<dyn Output>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn create_stream(&self, _: &str) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(PipeStream(self.0.clone())))
    }

    fn append(&self, _: &str, _: u64) -> io::Result<Arc<dyn Output>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open(&self, _: &str) -> io::Result<(Box<dyn Read + Send>, u64)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn process(&self) -> u32 {
        std::process::id()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// The keys of which something was left out that the form cannot hold, with their databases.
pub type LeftOut = Vec<(usize, Box<[u8]>)>;

/// What a file of Redis's says of itself, for replicas: names and texts.
pub type About = Vec<(&'static str, String)>;

impl Durability {
    /// Waits until no other snapshot is being taken, and takes one into a pipe. `at_flip` is called
    /// at its moment, with all shards locked and `applying` held; what it returns stands in a file
    /// of Redis's. Returns of which keys something was left out.
    ///
    /// # Errors
    /// When the pipe fails.
    pub fn stream_snapshot(
        &self,
        form: Form,
        pipe: &Pipe,
        applying: &Mutex<()>,
        at_flip: impl FnOnce() -> About,
    ) -> io::Result<LeftOut> {
        let _turn = self.taking.turn();
        let applying = applying.lock();
        let at_flip = || {
            let about = at_flip();
            drop(applying);
            about
        };
        match form {
            Form::Ours => {
                let name = |_: &Moment| String::new();
                self.take_snapshot(pipe, name, || drop(at_flip())).map(|_| LeftOut::new())
            }
            Form::Rdb { version, keys, libraries } => {
                self.take_rdb(version, (keys, libraries), pipe, at_flip)
            }
        }
    }

    fn take_rdb(
        &self,
        version: Version,
        (with_keys, with_libraries): (bool, bool),
        pipe: &Pipe,
        at_flip: impl FnOnce() -> About,
    ) -> io::Result<LeftOut> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let (mut about, left_out) = (About::new(), Arc::<rdb::LeftOut>::default());
        let encoder = rdb::encoder(version, now, left_out.clone());
        let (snapshot, (_, libraries)) =
            parts.engine.keyspace.begin_snapshot(encoder, || self.moment(|| about = at_flip()));
        let plan = rdb::Plan {
            version,
            compression: Compression::None,
            writer: env!("CARGO_PKG_VERSION"),
            now,
        };
        let mut writer = match rdb::Writer::create(pipe, "", &plan) {
            Ok(writer) => writer,
            Err(error) => {
                snapshot.abandon();
                return Err(error);
            }
        };
        writer.note_left_out(left_out.clone());
        about.iter().for_each(|(name, text)| writer.about(name, text));
        if with_libraries {
            libraries.iter().for_each(|text| writer.library(text));
        }
        if with_keys {
            self.walk(snapshot, &mut writer)?;
        } else {
            snapshot.abandon();
        }
        writer.finish()?;
        let left_out = std::mem::take(&mut *left_out.lock());
        if !left_out.is_empty() {
            let keys = log::counted(left_out.len() as u64, "hash");
            log::notice(format_args!(
                "{version} has no room for the deadlines of fields of {keys}: the replica is told \
                 of them afterwards, if it knows such"
            ));
        }
        Ok(left_out)
    }

    /// Walks a snapshot to its end.
    fn walk(&self, mut snapshot: Snapshot, writer: &mut rdb::Writer<'_>) -> io::Result<()> {
        let mut pace = Pace::new(Served(self.parts.stats));
        let mut slowdown = Slowdown::new(&self.parts);
        let (mut entries, cancelled) = (0, self.taking.cancelled());
        let mut step = |snapshot: &mut Snapshot| -> io::Result<bool> {
            if let Some((db, entry)) = snapshot.take_large() {
                entries += 1;
                writer.take(SnapshotItem::Entry(db, &entry));
                writer.write_full()?;
                Garbage::Entry(entry).drop_in_pieces(&mut || ());
            } else {
                let more = snapshot.step(&mut |item| {
                    entries += 1;
                    writer.take(item);
                });
                if !more {
                    return Ok(false);
                }
                writer.write_full()?;
            }
            slowdown.after(entries, cancelled);
            if cancelled.load(Relaxed) {
                return Err(io::Error::other("it was given up"));
            }
            pace.rest(|| backlog(snapshot));
            Ok(true)
        };
        loop {
            match step(&mut snapshot) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    snapshot.abandon();
                    return Err(error);
                }
            }
        }
    }
}
