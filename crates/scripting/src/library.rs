//! Libraries of functions, as all workers know them: texts, and what the functions promise.

use crate::script::Script;
use crate::shebang::{Flags, words};
use parking_lot::{Mutex, RwLock};
use redstart_engine::Error;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The error of a name with other characters.
pub(crate) const BAD_NAME: &str = "ERR Library names can only contain letters, numbers, or \
    underscores(_) and must be at least one character long";

/// What is known of a function.
#[derive(Clone)]
pub struct About {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is for.
    pub description: Option<Vec<u8>>,
    /// What it promises.
    pub flags: Flags,
    /// Which shards it needs, as for a script.
    pub(crate) script: Arc<Script>,
}

/// A library.
#[derive(Clone)]
pub struct Library {
    /// Its text, the first line included.
    pub code: Arc<[u8]>,
    /// Its functions.
    pub functions: Vec<About>,
}

/// All libraries, by name.
pub type Libraries = BTreeMap<Vec<u8>, Library>;

/// The server's libraries.
#[derive(Default)]
pub struct Catalogue {
    /// The libraries.
    pub libraries: RwLock<Libraries>,
    generation: AtomicU64,
    /// Held by the request that changes them.
    pub changing: Mutex<()>,
}

impl Catalogue {
    /// What a function promises, if there is one of that name.
    pub fn flags(&self, name: &[u8]) -> Option<Flags> {
        let libraries = self.libraries.read();
        let mut functions = libraries.values().flat_map(|library| &library.functions);
        functions.find(|about| about.name.eq_ignore_ascii_case(name)).map(|about| about.flags)
    }

    /// How often the libraries were replaced: a worker that sees another number loads what is new.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Replaces the libraries; a worker loads them when it next calls a function. `log` appends the
    /// change to the log: a thread that reads the libraries and the log's end sees both or neither.
    pub fn set(&self, libraries: Libraries, log: impl FnOnce()) {
        let mut place = self.libraries.write();
        *place = libraries;
        log();
        self.generation.fetch_add(1, Relaxed);
    }
}

/// Whether a library or a function may have this name.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The name of the library whose text this is, from its first line.
///
/// # Errors
/// When that is not a line that libraries may have.
pub fn library_name(code: &[u8]) -> Result<Vec<u8>, Error> {
    if !code.starts_with(b"#!") {
        return Err(Error::text("ERR Missing library metadata"));
    }
    let Some(end) = code.iter().position(|&byte| byte == b'\n') else {
        return Err(Error::text("ERR Invalid library metadata"));
    };
    let mut words = words(&code[2..end]);
    let engine = words.next().unwrap_or_default();
    let mut name: Option<&[u8]> = None;
    for word in words {
        let Some(value) = word.strip_prefix(b"name=") else {
            return Err(Error::quoting("ERR Invalid metadata value given: ", word, ""));
        };
        if name.replace(value).is_some() {
            return Err(Error::text(
                "ERR Invalid metadata value, name argument was given multiple times",
            ));
        }
    }
    let name = name.ok_or(Error::text("ERR Library name was not given"))?;
    if !is_name(name) {
        return Err(Error::text(BAD_NAME));
    }
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(Error::quoting("ERR Engine '", engine, "' not found"));
    }
    Ok(name.to_vec())
}
