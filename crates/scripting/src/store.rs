//! What all workers know of scripts: their texts by digest, the libraries of functions, the
//! settings that scripts go by, and what runs now.

use crate::digest::Digest;
use crate::interrupt::Interrupt;
use crate::library::Catalogue;
use crate::script::Script;
use parking_lot::{Mutex, RwLock};
use redstart_engine::Error;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, Release},
};

/// The error where what runs has written.
const UNKILLABLE: &str = "UNKILLABLE Sorry the script already executed write commands against \
    the dataset. You can either wait the script termination or kill the server in a hard way \
    using the SHUTDOWN NOSAVE command.";

/// Scripts that are kept although no SCRIPT LOAD named them: they came along with EVAL.
const PASSING_MAX: usize = 500;

/// While a script runs, what has become too long is looked for every so many milliseconds.
const TICK_MS: u64 = 5;
/// While none was seen to run, every so many.
const TICK_IDLE_MS: u64 = 100;

/// A worker's account of the script that it runs, which other threads read.
#[derive(Default)]
pub struct Running {
    /// When it began, in monotonic milliseconds; zero while none runs.
    pub since_ms: AtomicU64,
    /// Whether it has written.
    pub wrote: AtomicBool,
    /// Whether a client asked it to end.
    pub kill: AtomicBool,
    /// What the worker's Lua state takes, in bytes, as of the last run.
    pub state_bytes: AtomicUsize,
    /// Whether it has to look at the clock, and at `kill`, at its next step.
    pub alarm: AtomicBool,
    /// Has its next loop or call be a step.
    pub interrupt: Arc<Interrupt>,
    /// When the library that it loads has taken too long, in monotonic milliseconds; zero is never.
    pub load_end_ms: AtomicU64,
    /// The function that runs; none for a script.
    pub function: Mutex<Option<Called>>,
}

impl Running {
    /// Raises the alarm.
    fn alert(&self) {
        self.alarm.store(true, Release);
        self.interrupt.set();
    }
}

/// A call of a function.
#[derive(Clone)]
pub struct Called {
    /// The function's name.
    pub name: Vec<u8>,
    /// The request's arguments, FCALL included.
    pub request: Vec<Vec<u8>>,
}

/// Where a script comes from, which says how long it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// SCRIPT LOAD: it stays until SCRIPT FLUSH.
    Load,
    /// EVAL: it goes when many more have come.
    Eval,
}

/// What a KILL is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// EVAL and EVALSHA.
    Script,
    /// FCALL.
    Function,
}

/// All scripts and functions.
#[derive(Default)]
pub struct Store {
    /// Libraries of functions.
    pub functions: Catalogue,
    /// Whether scripts may call DEBUG, for tests of them.
    pub debug_allowed: AtomicBool,
    /// Whether a thread calls [`Store::tick`] all the time.
    watched: AtomicBool,
    /// From how long on a script is too long, in milliseconds; zero is never.
    busy_ms: AtomicU64,
    version: RwLock<String>,
    pub(crate) scripts: RwLock<HashMap<Digest, Arc<Script>>>,
    /// Counts the times that all scripts were forgotten.
    generation: AtomicU64,
    pub(crate) running: Mutex<Vec<Arc<Running>>>,
    /// How many came with EVAL and no SCRIPT LOAD named them; changed with `scripts` locked.
    passing: AtomicUsize,
    /// Counts the uses of scripts that are noted, and what it was when the last script came.
    uses: AtomicU64,
    added_at: AtomicU64,
    /// Scripts of EVAL that went because many more had come.
    pub evicted: AtomicU64,
    /// As `evicted`, which CONFIG RESETSTAT sets to zero.
    evictions: AtomicU64,
}

impl Store {
    /// Sets from how long on a script is too long, in milliseconds (zero is never), and the version
    /// of Redis that scripts find in REDIS_VERSION.
    pub fn configure(&self, busy_ms: u64, version: &str) {
        self.busy_ms.store(busy_ms, Relaxed);
        version.clone_into(&mut self.version.write());
    }

    /// A thread calls [`Store::tick`] from now on.
    pub fn watch(&self) {
        self.watched.store(true, Relaxed);
    }

    /// Whether one does.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Relaxed)
    }

    /// Whether a script that has run for so long is too long.
    pub fn is_busy_after(&self, elapsed_ms: u64) -> bool {
        let busy_ms = self.busy_ms.load(Relaxed);
        busy_ms != 0 && elapsed_ms >= busy_ms
    }

    /// The version of Redis that scripts find.
    pub fn version(&self) -> String {
        self.version.read().clone()
    }

    /// How often all scripts were forgotten: a worker that sees another number forgets its own.
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// The script of a digest.
    pub fn get(&self, digest: &Digest) -> Option<Arc<Script>> {
        self.scripts.read().get(digest).cloned()
    }

    /// Adds a script, and returns it; the one that is there already stays. Of those that came with
    /// EVAL the one that was used longest ago goes when there are too many.
    pub fn add(&self, digest: Digest, script: Script, origin: Origin) -> Arc<Script> {
        let mut scripts = self.scripts.write();
        if let Some(known) = scripts.get(&digest).cloned() {
            if origin == Origin::Load {
                self.keep(&known);
            }
            self.touch(&known);
            return known;
        }
        let script = Arc::new(script);
        script.note_use(self.uses.fetch_add(1, Relaxed) + 1);
        self.added_at.store(script.used(), Relaxed);
        scripts.insert(digest, script.clone());
        if origin == Origin::Load {
            script.pin();
        } else if self.passing.fetch_add(1, Relaxed) >= PASSING_MAX {
            let passing = scripts.iter().filter(|(_, script)| !script.is_pinned());
            let oldest = passing.min_by_key(|(_, script)| script.used()).map(|(digest, _)| *digest);
            if let Some(gone) = oldest.and_then(|digest| scripts.remove(&digest)) {
                gone.leave();
                self.passing.fetch_sub(1, Relaxed);
                self.evicted.fetch_add(1, Relaxed);
                self.evictions.fetch_add(1, Relaxed);
            }
        }
        script
    }

    /// How many scripts were ever evicted.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.load(Relaxed)
    }

    /// Notes that a script is used. Of uses between two new scripts only the first one of each
    /// script is: so what all workers share is not written to all the time.
    #[inline]
    pub fn touch(&self, script: &Script) {
        if script.used() < self.added_at.load(Relaxed) {
            script.note_use(self.uses.fetch_add(1, Relaxed) + 1);
        }
    }

    /// Keeps a script until SCRIPT FLUSH. False if it is not there any more.
    pub fn pin(&self, digest: Digest, script: &Arc<Script>) -> bool {
        let scripts = self.scripts.write();
        let is_there = scripts.get(&digest).is_some_and(|known| Arc::ptr_eq(known, script));
        if is_there {
            self.keep(script);
        }
        is_there
    }

    /// Keeps a script that is there; the scripts are locked.
    fn keep(&self, script: &Script) {
        if !script.is_pinned() {
            script.pin();
            self.passing.fetch_sub(1, Relaxed);
        }
    }

    /// Forgets all scripts.
    pub fn flush(&self) {
        let mut scripts = self.scripts.write();
        scripts.values().for_each(|script| script.leave());
        scripts.clear();
        self.passing.store(0, Relaxed);
        self.generation.fetch_add(1, Relaxed);
    }

    /// Adds a worker's account of what it runs.
    pub fn register(&self, running: Arc<Running>) {
        self.running.lock().push(running);
    }

    /// What has run for at least `after_ms`.
    fn long_running(&self, now_ms: u64, after_ms: u64) -> Vec<Arc<Running>> {
        let is_long = |running: &&Arc<Running>| {
            let since_ms = running.since_ms.load(Relaxed);
            since_ms != 0 && now_ms.saturating_sub(since_ms) >= after_ms
        };
        self.running.lock().iter().filter(is_long).cloned().collect()
    }

    /// A function that runs now, and for how many milliseconds it has.
    pub fn running_function(&self, now_ms: u64) -> Option<(Called, u64)> {
        self.long_running(now_ms, 0).iter().find_map(|running| {
            let called = running.function.lock().clone()?;
            Some((called, now_ms.saturating_sub(running.since_ms.load(Relaxed))))
        })
    }

    /// Asks what has run for at least `after_ms` to end.
    ///
    /// # Errors
    /// When there is nothing, or nothing that has not written yet.
    pub fn kill(&self, kind: Kind, now_ms: u64, after_ms: u64) -> Result<(), Error> {
        let is_of_kind =
            |running: &Arc<Running>| running.function.lock().is_some() == (kind == Kind::Function);
        let mut found = self.long_running(now_ms, after_ms);
        if found.is_empty() {
            return Err(Error::text("NOTBUSY No scripts in execution right now."));
        }
        let of_kind: Vec<_> = found.iter().filter(|one| is_of_kind(one)).cloned().collect();
        let is_other = of_kind.is_empty();
        if !is_other {
            found = of_kind;
        }
        // As in Redis, that nothing can be ended is said before what would end it.
        found.retain(|running| !running.wrote.load(Relaxed));
        if found.is_empty() {
            return Err(Error::text(UNKILLABLE));
        }
        if is_other {
            return Err(match kind {
                Kind::Script => Error::BUSY_FUNCTION,
                Kind::Function => Error::BUSY_SCRIPT,
            });
        }
        for running in &found {
            running.kill.store(true, Relaxed);
            running.alert();
        }
        Ok(())
    }

    /// Raises the alarm of what has run for too long. Returns in how many milliseconds to look
    /// again.
    pub fn tick(&self, now_ms: u64) -> u64 {
        let busy_ms = self.busy_ms.load(Relaxed);
        let idle_ms = if busy_ms == 0 { TICK_IDLE_MS } else { busy_ms.min(TICK_IDLE_MS) };
        let mut runs = false;
        for running in &*self.running.lock() {
            let since_ms = running.since_ms.load(Relaxed);
            let end_ms = running.load_end_ms.load(Relaxed);
            runs |= since_ms != 0 || end_ms != 0;
            let is_busy = since_ms != 0 && self.is_busy_after(now_ms.saturating_sub(since_ms));
            if is_busy || end_ms != 0 && now_ms >= end_ms {
                running.alert();
            }
        }
        if runs { TICK_MS } else { idle_ms }
    }
}
