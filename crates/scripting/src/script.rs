//! A script: its text, what its first line promises, and which shards it needs.

use crate::digest::{Digest, hex};
use crate::shebang::{self, Flags};
use redstart_engine::Error;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

/// Which shards a script needs, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It never ran to its end.
    Unknown,
    /// It stayed within the shards of its declared keys.
    Declared,
    /// It did not.
    Everywhere,
}

/// A script, or what is known of a function as if it were one.
pub struct Script {
    /// Its text; empty for a function.
    pub text: Box<[u8]>,
    /// The name that errors give it: its digest in hexadecimal, or the function's name.
    pub name: String,
    /// What its first line promises; `None` without such a line.
    pub flags: Option<Flags>,
    reach: AtomicU8,
    pinned: AtomicBool,
    /// Whether the server has forgotten it: a worker that still has it must, too.
    gone: AtomicBool,
    /// When it was last used, by the store's count.
    used: AtomicU64,
}

impl Script {
    /// A script that has not run yet.
    ///
    /// # Errors
    /// When its first line is not one that scripts may have.
    pub fn new(text: &[u8], digest: &Digest) -> Result<Script, Error> {
        let flags = shebang::of_script(text)?;
        Ok(Script { text: text.into(), ..Script::named(hex(digest), flags) })
    }

    /// A function that has not run yet.
    pub fn function(name: &[u8], flags: Flags) -> Script {
        Script::named(String::from_utf8_lossy(name).into_owned(), Some(flags))
    }

    fn named(name: String, flags: Option<Flags>) -> Script {
        let reach = AtomicU8::new(Reach::Unknown as u8);
        let (text, used) = (Box::default(), AtomicU64::new(0));
        let (pinned, gone) = (AtomicBool::new(false), AtomicBool::new(false));
        Script { text, name, flags, reach, pinned, gone, used }
    }

    /// Which shards it needs.
    pub fn reach(&self) -> Reach {
        match self.reach.load(Relaxed) {
            0 => Reach::Unknown,
            1 => Reach::Declared,
            _ => Reach::Everywhere,
        }
    }

    /// Notes what a run showed of the shards that it needs. That it stayed within its declared ones
    /// is a first impression, and never takes back that it once did not.
    pub fn learn(&self, reach: Reach) {
        self.reach.fetch_max(reach as u8, Relaxed);
    }

    /// Keeps it until SCRIPT FLUSH, however many others EVAL brings along.
    pub fn pin(&self) {
        self.pinned.store(true, Relaxed);
    }

    /// The server forgets it.
    pub(crate) fn leave(&self) {
        self.gone.store(true, Relaxed);
    }

    /// Whether the server has forgotten it.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Relaxed)
    }

    /// Notes when it is used.
    pub(crate) fn note_use(&self, at: u64) {
        self.used.store(at, Relaxed);
    }

    /// When it was last used.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Whether it is kept so.
    pub fn is_pinned(&self) -> bool {
        self.pinned.load(Relaxed)
    }
}
