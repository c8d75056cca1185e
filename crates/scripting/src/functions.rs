//! FCALL, and adding libraries of functions.
//!
//! The libraries' texts are the server's; each worker runs a library's text in its own Lua state
//! when it first needs a function of it, and again when the libraries have changed.

use crate::library::{About, Libraries, Library, library_name};
use crate::loaded::Callable;
use crate::register::Registered;
use crate::run::{Access, Caller, Run, split};
use crate::runtime::Runtime;
use crate::shebang::NO_WRITES;
use crate::store::{Called, Store};
use redstart_engine::Error;
use redstart_protocol::{Args, parse_i64};
use std::sync::Arc;

/// How long FUNCTION LOAD runs a library's text before it gives up, in milliseconds: no client
/// could end it.
const LOAD_MS: u64 = 500;

/// What becomes of a library that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the new one is refused.
    Keep,
    /// The new one takes its place.
    Replace,
}

impl Runtime {
    /// FCALL and FCALL_RO; `args` are the whole request.
    ///
    /// # Errors
    /// When there is no such function, or it may write and must not.
    pub fn call(
        &mut self,
        caller: &mut Caller<'_>,
        args: Args<'_>,
        access: Access,
    ) -> Result<(), Error> {
        self.functions.follow(&self.lua, &self.parts.scripts.functions);
        let Some(Callable { about, function, .. }) = self.functions.find(&args[1]).cloned() else {
            return Err(Error::text("ERR Function not found"));
        };
        if parse_i64(&args[2]).is_none() {
            return Err(Error::text("ERR Bad number of keys provided"));
        }
        let (keys, argv) = split(args, 2)?;
        let no_writes = about.flags & NO_WRITES != 0;
        if !no_writes {
            self.check_writing(access)?;
        }
        let request = args.iter().map(<[u8]>::to_vec).collect();
        let called = Called { name: about.name.clone(), request };
        *self.watchdog.running.function.lock() = Some(called);
        let access = if no_writes { Access::ReadOnly } else { access };
        Run { script: &about.script, function: &function, keys, argv, access }.run(caller, self);
        *self.watchdog.running.function.lock() = None;
        Ok(())
    }

    /// Adds a library to `libraries`, after a trial run of its text, which is given up when it
    /// takes too long. Returns the library's name.
    ///
    /// # Errors
    /// When the text is none, or names that it takes are taken.
    pub fn add_library(
        &self,
        libraries: &mut Libraries,
        code: &[u8],
        existing: Existing,
    ) -> Result<Vec<u8>, Error> {
        let load = |code: &[u8]| self.functions.load(&self.lua, code, Some(LOAD_MS));
        add(libraries, code, existing, load)
    }
}

fn add(
    libraries: &mut Libraries,
    code: &[u8],
    existing: Existing,
    load: impl FnOnce(&[u8]) -> Result<Vec<Registered>, Error>,
) -> Result<Vec<u8>, Error> {
    let name = library_name(code)?;
    if existing == Existing::Keep && libraries.contains_key(&name) {
        return Err(Error::quoting("ERR Library '", &name, "' already exists"));
    }
    let registered = load(code)?;
    let functions: Vec<About> = registered.into_iter().map(|registered| registered.about).collect();
    for (_, library) in libraries.iter().filter(|(other, _)| **other != name) {
        for function in &library.functions {
            if functions.iter().any(|new| new.name.eq_ignore_ascii_case(&function.name)) {
                let text = "ERR Function ";
                return Err(Error::quoting(text, &function.name, " already exists"));
            }
        }
    }
    libraries.insert(name.clone(), Library { code: code.into(), functions });
    Ok(name)
}

/// Loads libraries that were saved. They ran once already, so no time is set to them.
pub struct Loader {
    runtime: Runtime,
    libraries: Libraries,
}

impl Loader {
    /// No libraries yet; their texts run in a Lua state of their own.
    pub fn new(runtime: Runtime) -> Loader {
        Loader { runtime, libraries: Libraries::new() }
    }

    /// Adds a library.
    ///
    /// # Errors
    /// When the text is none, or names that it takes are taken.
    pub fn add(&mut self, code: &[u8], existing: Existing) -> Result<(), Error> {
        let Loader { runtime: Runtime { functions, lua, .. }, libraries } = self;
        add(libraries, code, existing, |code| functions.load(lua, code, None)).map(drop)
    }

    /// Removes a library.
    pub fn remove(&mut self, name: &[u8]) {
        self.libraries.remove(name);
    }

    /// Removes all libraries.
    pub fn clear(&mut self) {
        self.libraries.clear();
    }

    /// Makes the libraries that have come so far those of the server.
    pub fn publish(&self) {
        let Store { functions: catalogue, .. } = self.runtime.parts.scripts;
        let is_same = |(old, new): (&Library, &Library)| Arc::ptr_eq(&old.code, &new.code);
        let known = catalogue.libraries.read();
        let changed = known.len() != self.libraries.len()
            || !known.values().zip(self.libraries.values()).all(is_same);
        drop(known);
        if changed {
            catalogue.set(self.libraries.clone(), || ());
        }
    }
}
