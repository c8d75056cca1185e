//! Writing the log.
//!
//! ```text
//!  commands, under their shards' locks      before replies leave           fsync thread
//!        |                                        |                            |
//!        v                                        v                            v
//!   front: a buffer   -- all of it at once -->  back: the file  ---------->  safe
//!   `appended`                                `written`                     `synced`
//! ```
//!
//! Each of the three marks is the number of the last record that got so far. Front is locked for
//! a copy, back for a write; no thread holds a shard while it waits for back. A sync holds neither.
//!
//! When a write fails, its bytes are kept, the file is cut to what was whole, and the write is
//! tried again later. When a sync fails, what is on the disk is unknown: the segment is given up,
//! and only a new base with a new segment behind it helps.

use super::record::{START, encode, segment_start};
use crate::names::{segment, unfinished};
use crate::storage::{Output, Storage};
use parking_lot::Mutex;
use redstart_engine::run::effect::{Effect, Sink};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};

/// The log is in trouble: what depends on it must not be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// How the log is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Records are written and synced.
    #[default]
    Fine,
    /// A write failed; what it was to write is kept.
    Unwritten(String),
    /// A sync failed, what a failed write left behind could not be cut off, or a new segment may
    /// have its name or not.
    Broken(String),
}

/// The log as it is written.
#[derive(Default)]
pub struct Log {
    front: Mutex<Front>,
    back: Mutex<Back>,
    appended: AtomicU64,
    written: AtomicU64,
    synced: AtomicU64,
    /// How often the file was made safe.
    syncs: AtomicU64,
    /// Bytes in the segment that is written to.
    size: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct Front {
    buffer: Vec<u8>,
    sequence: u64,
}

#[derive(Default)]
struct Back {
    output: Option<Arc<dyn Output>>,
    /// What goes to the file next, up to the record `pending_to`.
    pending: Vec<u8>,
    pending_to: u64,
    /// The file's whole records end here.
    len: u64,
}

/// Where the log goes on.
pub struct Start<'a> {
    /// The directory.
    pub storage: &'a dyn Storage,
    /// What names begin with.
    pub prefix: &'a str,
}

impl Log {
    /// The last record that was made.
    #[inline]
    pub fn appended(&self) -> u64 {
        self.appended.load(Acquire)
    }

    /// The last record that the kernel has.
    #[inline]
    pub fn written(&self) -> u64 {
        self.written.load(Acquire)
    }

    /// The last record that is safe from a power cut.
    pub fn synced(&self) -> u64 {
        self.synced.load(Acquire)
    }

    /// How often the file was made safe.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Relaxed)
    }

    /// Bytes in the segment that is written to.
    pub fn size(&self) -> u64 {
        self.size.load(Relaxed)
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.front.lock().buffer.len()
    }

    /// How the log is.
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// Goes on behind record `last`: all up to there is safe. Before anything is appended.
    pub fn resume(&self, last: u64) {
        self.front.lock().sequence = last;
        self.set_all(last);
    }

    fn set_all(&self, last: u64) {
        self.appended.store(last, Release);
        self.written.store(last, Release);
        self.synced.store(last, Release);
    }

    /// Goes on in the segment `name`, behind its first `len` bytes, with record `last + 1`.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn reopen(&self, storage: &dyn Storage, name: &str, len: u64, last: u64) -> io::Result<()> {
        let output = storage.append(name, len)?;
        output.sync()?;
        self.resume(last);
        let mut back = self.back.lock();
        (back.output, back.len, back.pending_to) = (Some(output), len, last);
        self.size.store(len, Relaxed);
        Ok(())
    }

    /// Writes out what has been appended, at least up to `mark`.
    ///
    /// # Errors
    /// When the log is in trouble, or comes into it.
    pub fn write_out(&self, mark: u64) -> Result<(), Failed> {
        if self.written() >= mark {
            return Ok(());
        }
        let mut back = self.back.lock();
        if self.written() >= mark {
            return Ok(());
        }
        if *self.state.lock() != State::Fine {
            return Err(Failed);
        }
        self.write_pending(&mut back)
    }

    /// Takes what is in front and writes it. Back is locked, so the next thread finds it written.
    fn write_pending(&self, back: &mut Back) -> Result<(), Failed> {
        {
            let mut front = self.front.lock();
            if back.pending.is_empty() {
                std::mem::swap(&mut back.pending, &mut front.buffer);
            } else {
                back.pending.append(&mut front.buffer);
            }
            back.pending_to = front.sequence;
        }
        let Some(output) = &back.output else { return Err(Failed) };
        if let Err(error) = output.write(&back.pending) {
            let text = error.to_string();
            *self.state.lock() = match output.cut(back.len) {
                Ok(()) => State::Unwritten(text),
                Err(_) => State::Broken(text),
            };
            return Err(Failed);
        }
        back.len += back.pending.len() as u64;
        back.pending.clear();
        // A burst's buffer is not kept for ever.
        back.pending.shrink_to(1 << 20);
        self.size.store(back.len, Relaxed);
        self.written.store(back.pending_to, Release);
        Ok(())
    }

    /// Makes what has been written safe.
    ///
    /// # Errors
    /// When the log is in trouble, or comes into it.
    pub fn sync(&self) -> Result<(), Failed> {
        let (output, target) = {
            let back = self.back.lock();
            (back.output.clone(), self.written())
        };
        if self.synced() >= target {
            return Ok(());
        }
        let Some(output) = output else { return Err(Failed) };
        if let State::Broken(_) = *self.state.lock() {
            return Err(Failed);
        }
        self.sync_file(&*output)?;
        self.synced.fetch_max(target, AcqRel);
        Ok(())
    }

    fn sync_file(&self, output: &dyn Output) -> Result<(), Failed> {
        self.syncs.fetch_add(1, Relaxed);
        output.sync().map_err(|error| {
            *self.state.lock() = State::Broken(error.to_string());
            Failed
        })
    }

    /// Tries again what a failed write left over.
    ///
    /// # Errors
    /// When that fails too.
    pub fn retry(&self) -> Result<(), Failed> {
        let mut back = self.back.lock();
        if !matches!(*self.state.lock(), State::Unwritten(_)) {
            return Ok(());
        }
        self.write_pending(&mut back)?;
        *self.state.lock() = State::Fine;
        Ok(())
    }

    /// Begins a new segment: what has been appended goes to the old one, which is safe before
    /// the new one has its name. Returns the last record of the old one.
    ///
    /// # Errors
    /// When the log is in trouble or the storage fails; the old segment is then written on.
    pub fn rotate(&self, start: &Start<'_>) -> io::Result<u64> {
        // Most of it is made safe before back is locked, so that few writers have to wait.
        let failed = |Failed| io::Error::other("the log could not be written");
        let is_open = self.back.lock().output.is_some();
        if is_open {
            self.sync().map_err(failed)?;
        }
        let mut back = self.back.lock();
        if *self.state.lock() != State::Fine {
            return Err(failed(Failed));
        }
        if let Some(output) = back.output.clone() {
            self.write_pending(&mut back).map_err(failed)?;
            self.sync_file(&*output).map_err(failed)?;
            self.synced.fetch_max(self.written(), AcqRel);
        }
        let last = back.pending_to.max(self.written());
        self.open_segment(&mut back, start, last)?;
        Ok(last)
    }

    /// Begins a segment behind a base that holds everything up to `base`: what was appended up to
    /// there need not be written any more. The way out of every trouble.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn restart(&self, start: &Start<'_>, base: u64) -> io::Result<()> {
        let mut back = self.back.lock();
        // What lies in front and was not written anywhere comes first, the base's records too:
        // they are passed over when the log is read.
        let first = self.written();
        back.output = None;
        self.open_segment(&mut back, start, first)?;
        *self.state.lock() = State::Fine;
        let written = self.write_pending(&mut back);
        self.synced.fetch_max(base.min(self.written()), AcqRel);
        written.map_err(|Failed| io::Error::other("the log could not be written"))
    }

    /// Makes the segment behind record `last` and writes there from now on.
    fn open_segment(&self, back: &mut Back, start: &Start<'_>, last: u64) -> io::Result<()> {
        let Start { storage, prefix } = *start;
        let name = segment(prefix, last + 1);
        let temporary = unfinished(&name, storage.process());
        let output = storage.create(&temporary)?;
        output.write(&segment_start(last + 1))?;
        output.sync()?;
        // If this fails, the segment may be there or not after a power cut: nothing may be added
        // to the one before it any more.
        let named = storage.rename(&temporary, &name);
        if let Err(error) = named.and_then(|()| storage.sync_directory()) {
            *self.state.lock() = State::Broken(error.to_string());
            return Err(error);
        }
        (back.output, back.len) = (Some(output), START as u64);
        self.size.store(back.len, Relaxed);
        Ok(())
    }
}

impl Sink for Log {
    fn append(&self, unit: &[Effect]) {
        let mut front = self.front.lock();
        front.sequence += 1;
        let sequence = front.sequence;
        encode(sequence, unit, &mut front.buffer);
        self.appended.store(sequence, Release);
    }
}
