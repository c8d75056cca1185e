//! A storage for tests: it fails as [`Faults`] says, and forgets at a crash what was not made safe.

use super::{Output, Storage, Stream};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

/// A directory in memory. Clones are the same directory.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    names: BTreeMap<String, Arc<Mutex<Bytes>>>,
    /// The directory as it is after each change since it was last made safe, the safe one first.
    history: Vec<BTreeMap<String, Arc<Mutex<Bytes>>>>,
    faults: Faults,
    /// Changing operations so far.
    operations: u64,
}

#[derive(Clone, Debug, Default)]
struct Bytes {
    written: Vec<u8>,
    safe: Vec<u8>,
}

/// When operations fail.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The operation that fails, counted from 1 over everything that changes something; later
    /// ones fail too if `lasting`.
    pub at: Option<u64>,
    /// Whether the disk stays broken.
    pub lasting: bool,
    /// The most bytes that all files may have together.
    pub space: Option<usize>,
    /// Only syncs fail.
    pub syncs_only: bool,
}

impl Memory {
    /// Sets when operations fail from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// How many changing operations there were.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// The directory after a power cut: names as after some change since they were last made
    /// safe, and of each file what was made safe and some of what was written since.
    pub fn crash(&self, random: &mut fastrand::Rng) -> Memory {
        let state = self.0.lock();
        let mut states: Vec<_> = state.history.clone();
        states.push(state.names.clone());
        let from = states.swap_remove(random.usize(..states.len()));
        let mut names = BTreeMap::new();
        for (name, bytes) in from {
            let Bytes { written, mut safe } = bytes.lock().clone();
            if let Some(fresh) = written.strip_prefix(&safe[..]) {
                safe.extend_from_slice(&fresh[..random.usize(..=fresh.len())]);
            }
            names.insert(name, Arc::new(Mutex::new(Bytes { written: safe.clone(), safe })));
        }
        let history = vec![names.clone()];
        Memory(Arc::new(Mutex::new(State { names, history, ..State::default() })))
    }

    /// A file's bytes.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.0.lock().names.get(name)?.lock().written.clone())
    }

    /// Puts a file there, safe.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.0.lock();
        let file = Bytes { written: bytes.to_vec(), safe: bytes.to_vec() };
        state.names.insert(name.into(), Arc::new(Mutex::new(file)));
        state.history = vec![state.names.clone()];
    }
}

impl Memory {
    fn make(&self, name: &str) -> io::Result<File> {
        let mut state = self.0.lock();
        state.operate(false)?;
        let bytes = Arc::<Mutex<Bytes>>::default();
        state.change(|names| drop(names.insert(name.into(), bytes.clone())));
        Ok(File { bytes, storage: self.clone() })
    }
}

impl State {
    /// Counts an operation, and fails it if it is to fail.
    fn operate(&mut self, sync: bool) -> io::Result<()> {
        if self.faults.syncs_only && !sync {
            return Ok(());
        }
        self.operations += 1;
        let fails = self
            .faults
            .at
            .is_some_and(|at| self.operations == at || self.faults.lasting && self.operations > at);
        if fails { Err(io::Error::other("injected fault")) } else { Ok(()) }
    }

    fn change(&mut self, f: impl FnOnce(&mut BTreeMap<String, Arc<Mutex<Bytes>>>)) {
        let before = self.names.clone();
        self.history.push(before);
        f(&mut self.names);
    }

    fn file(&self, name: &str) -> io::Result<Arc<Mutex<Bytes>>> {
        self.names.get(name).cloned().ok_or(io::ErrorKind::NotFound.into())
    }

    fn used(&self) -> usize {
        self.names.values().map(|bytes| bytes.lock().written.len()).sum()
    }
}

struct File {
    bytes: Arc<Mutex<Bytes>>,
    storage: Memory,
}

impl Storage for Memory {
    fn create(&self, name: &str) -> io::Result<Arc<dyn Output>> {
        Ok(Arc::new(self.make(name)?))
    }

    fn create_stream(&self, name: &str) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.make(name)?))
    }

    fn append(&self, name: &str, len: u64) -> io::Result<Arc<dyn Output>> {
        let bytes = self.0.lock().file(name)?;
        let file = File { bytes, storage: self.clone() };
        file.cut(len)?;
        Ok(Arc::new(file))
    }

    fn open(&self, name: &str) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let bytes = self.0.lock().file(name)?.lock().written.clone();
        let len = bytes.len() as u64;
        Ok((Box::new(Cursor::new(bytes)), len))
    }

    fn process(&self) -> u32 {
        1
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate(false)?;
        let bytes = state.file(from)?;
        state.change(|names| {
            names.remove(from);
            names.insert(to.into(), bytes);
        });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate(false)?;
        state.file(name)?;
        state.change(|names| drop(names.remove(name)));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate(true)?;
        state.history = vec![state.names.clone()];
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().names.keys().cloned().collect())
    }
}

impl Output for File {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.storage.0.lock();
        let room = state.faults.space.map_or(usize::MAX, |most| most - state.used().min(most));
        let operated = state.operate(false);
        let mut file = self.bytes.lock();
        if operated.is_err() || bytes.len() > room {
            file.written.extend_from_slice(&bytes[..room.min(bytes.len() / 2)]);
            return operated.and(Err(io::ErrorKind::StorageFull.into()));
        }
        file.written.extend_from_slice(bytes);
        Ok(())
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.storage.0.lock().operate(false)?;
        self.bytes.lock().written.truncate(len as usize);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.storage.0.lock().operate(true)?;
        let mut file = self.bytes.lock();
        file.safe = file.written.clone();
        Ok(())
    }
}

impl Stream for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        Output::write(self, bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.sync()
    }
}
