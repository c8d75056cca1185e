//! What all workers know of scripts: their texts by digest, which shards they need, and who runs
//! one now.

use super::watch::is_straight;
use super::{Digest, hex, shebang};
use parking_lot::{Mutex, RwLock};
use redstart_engine::Error;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

/// Scripts that are kept although nobody loaded them: they came along with EVAL.
const PASSING_MAX: usize = 500;

/// Which shards a script needs, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It never ran to its end.
    Unknown,
    /// It stayed within the shards of its declared keys.
    Declared,
    /// It does not.
    Everywhere,
}

/// A script.
pub struct Script {
    /// Its text.
    pub text: Box<[u8]>,
    /// Its digest in hexadecimal, by which errors name it.
    pub name: String,
    /// What its first line says.
    pub flags: Option<shebang::Flags>,
    /// Whether it cannot go on for long but in commands.
    pub straight: bool,
    reach: AtomicU8,
    pinned: AtomicBool,
}

impl Script {
    /// A script that nobody has run.
    ///
    /// # Errors
    /// When its first line is not one that scripts may have.
    pub fn new(text: &[u8], digest: &Digest) -> Result<Script, Error> {
        let flags = shebang::of_script(text)?;
        let straight = is_straight(text);
        Ok(Script { text: text.into(), straight, ..Script::named(hex(digest), flags) })
    }

    /// A script without a text, that nobody has run.
    pub fn named(name: String, flags: Option<shebang::Flags>) -> Script {
        let reach = AtomicU8::new(Reach::Unknown as u8);
        let (text, pinned) = (Box::default(), AtomicBool::new(false));
        Script { text, name, flags, straight: false, reach, pinned }
    }

    /// Which shards it needs.
    pub fn reach(&self) -> Reach {
        match self.reach.load(Relaxed) {
            0 => Reach::Unknown,
            1 => Reach::Declared,
            _ => Reach::Everywhere,
        }
    }

    /// What was learnt about the shards that it needs: that it stays within its own is only ever
    /// a first impression.
    pub fn learn(&self, reach: Reach) {
        self.reach.fetch_max(reach as u8, Relaxed);
    }
}

/// A script that may be running on a worker.
#[derive(Default)]
pub struct Running {
    /// Since when, in monotonic milliseconds; zero is not at all.
    pub since_ms: AtomicU64,
    /// Whether it has written.
    pub wrote: AtomicBool,
    /// Whether somebody asked it to end.
    pub kill: AtomicBool,
    /// The function that runs and the request that called it; none for a script.
    pub function: Mutex<Option<Called>>,
}

/// A function's name, and the request that called it.
pub type Called = (Vec<u8>, Vec<Vec<u8>>);

/// All scripts.
#[derive(Default)]
pub struct Store {
    scripts: RwLock<HashMap<Digest, Arc<Script>>>,
    /// Counts the times that all scripts were forgotten: workers then forget theirs.
    pub generation: AtomicU64,
    /// Libraries of functions.
    pub functions: super::functions::Catalogue,
    running: Mutex<Vec<Arc<Running>>>,
    passing: Mutex<VecDeque<Digest>>,
}

/// What KILL looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// EVAL and EVALSHA.
    Script,
    /// FCALL.
    Function,
}

impl Store {
    /// The script of a digest.
    pub fn get(&self, digest: &Digest) -> Option<Arc<Script>> {
        self.scripts.read().get(digest).cloned()
    }

    /// Adds a script; the one that is there stays. One that is not `pinned`, since it only came
    /// along with EVAL, goes when many more have come.
    pub fn add(&self, digest: Digest, script: Script, pinned: bool) -> Arc<Script> {
        let script = self.scripts.write().entry(digest).or_insert_with(|| Arc::new(script)).clone();
        if pinned {
            script.pinned.store(true, Relaxed);
            return script;
        }
        let mut passing = self.passing.lock();
        passing.push_back(digest);
        if passing.len() > PASSING_MAX
            && let Some(oldest) = passing.pop_front()
        {
            let mut scripts = self.scripts.write();
            if scripts.get(&oldest).is_some_and(|script| !script.pinned.load(Relaxed)) {
                scripts.remove(&oldest);
            }
        }
        script
    }

    /// Keeps a script for good.
    pub fn pin(&self, digest: Digest, script: &Arc<Script>) {
        script.pinned.store(true, Relaxed);
        self.scripts.write().entry(digest).or_insert_with(|| script.clone());
    }

    /// Forgets all scripts.
    pub fn flush(&self) {
        self.scripts.write().clear();
        self.passing.lock().clear();
        self.generation.fetch_add(1, Relaxed);
    }

    /// Takes a worker's state on.
    pub fn register(&self, running: Arc<Running>) {
        self.running.lock().push(running);
    }

    /// What runs for longer than `after_ms`.
    fn long_running(&self, now_ms: u64, after_ms: u64) -> Vec<Arc<Running>> {
        let is_long = |running: &&Arc<Running>| {
            let since_ms = running.since_ms.load(Relaxed);
            since_ms != 0 && now_ms.saturating_sub(since_ms) >= after_ms
        };
        self.running.lock().iter().filter(is_long).cloned().collect()
    }

    /// The functions that run for long: each with its request and for how many milliseconds.
    pub fn running_function(&self, now_ms: u64) -> Option<(Vec<u8>, Vec<Vec<u8>>, u64)> {
        self.long_running(now_ms, 0).iter().find_map(|running| {
            let (name, request) = running.function.lock().clone()?;
            Some((name, request, now_ms.saturating_sub(running.since_ms.load(Relaxed))))
        })
    }

    /// Asks what runs for longer than `after_ms` to end.
    ///
    /// # Errors
    /// When there is nothing, or nothing that has not written yet.
    pub fn kill(&self, kind: Kind, now_ms: u64, after_ms: u64) -> Result<(), Error> {
        let is_of_kind =
            |running: &Arc<Running>| running.function.lock().is_some() == (kind == Kind::Function);
        let mut found = self.long_running(now_ms, after_ms);
        let others = !found.is_empty();
        found.retain(is_of_kind);
        if found.is_empty() && others {
            return Err(match kind {
                Kind::Script => Error::BUSY_FUNCTION,
                Kind::Function => Error::BUSY_SCRIPT,
            });
        }
        if found.is_empty() {
            return Err(Error::text("NOTBUSY No scripts in execution right now."));
        }
        found.retain(|running| !running.wrote.load(Relaxed));
        if found.is_empty() {
            return Err(Error::text(
                "UNKILLABLE Sorry the script already executed write commands against the \
                 dataset. You can either wait the script termination or kill the server in a \
                 hard way using the SHUTDOWN NOSAVE command.",
            ));
        }
        found.iter().for_each(|running| running.kill.store(true, Relaxed));
        Ok(())
    }
}
