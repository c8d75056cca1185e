//! Libraries of functions: FUNCTION and FCALL.
//!
//! The libraries' texts are the server's; each worker runs a library's text in its own Lua state
//! when it first needs a function of it, and again when the libraries have changed.

use super::call::Failure;
use super::run::{Run, check_writing, split, with};
use super::runtime::{Runtime, compile, describe};
use super::shebang::{Flags, NO_WRITES, flag, words};
use super::store::Script;
use super::watch::Watch;
use crate::clients::client::ClientInfo;
use crate::server::Server;
use crate::session::handlers::Handlers;
use crate::session::{Context, Session};
use mlua::{Function, Lua, MultiValue, Table, Value};
use parking_lot::{Mutex, RwLock};
use redstart_engine::Error;
use redstart_protocol::Args;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How long FUNCTION LOAD runs a library's text before it is given up, in milliseconds: nobody
/// could end it.
const LOAD_MS: u64 = 500;

/// A function as it is told to clients.
#[derive(Clone)]
pub struct About {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is for.
    pub description: Option<Vec<u8>>,
    /// What it promises.
    pub flags: Flags,
    /// Which shards it needs, as for a script.
    script: Arc<Script>,
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
    /// Held by whoever changes them.
    pub changing: Mutex<()>,
}

impl Catalogue {
    /// What a function promises, if there is one of that name.
    pub fn flags(&self, name: &[u8]) -> Option<Flags> {
        let libraries = self.libraries.read();
        let mut functions = libraries.values().flat_map(|library| &library.functions);
        functions.find(|about| about.name.eq_ignore_ascii_case(name)).map(|about| about.flags)
    }

    /// Replaces the libraries: workers notice when they next call a function. `tell` tells the
    /// log; who looks at the libraries and at the log's end sees both or neither.
    pub fn set(&self, libraries: Libraries, tell: impl FnOnce()) {
        let mut place = self.libraries.write();
        *place = libraries;
        tell();
        self.generation.fetch_add(1, Relaxed);
    }
}

/// A function that a library registers while it is loaded.
pub struct Registered {
    about: About,
    function: Function,
}

/// Where `redis.register_function` puts functions; `None` while no library is loaded.
pub type Registrar = Rc<RefCell<Option<Vec<Registered>>>>;

/// The libraries that a worker has loaded.
pub struct Loaded {
    watch: Rc<Watch>,
    registrar: Registrar,
    runner: Function,
    environment: Table,
    generation: u64,
    codes: HashMap<Vec<u8>, Arc<[u8]>>,
    /// By name in lower case; and the library.
    functions: HashMap<Vec<u8>, (Vec<u8>, About, Function)>,
}

impl Loaded {
    /// Nothing is loaded; libraries will run in `environment`.
    pub fn new(
        watch: Rc<Watch>,
        registrar: Registrar,
        runner: Function,
        environment: Table,
    ) -> Loaded {
        let (codes, functions) = (HashMap::new(), HashMap::new());
        Loaded { watch, registrar, runner, environment, generation: 0, codes, functions }
    }

    /// Runs a library's text and returns what it registers.
    fn load(&self, lua: &Lua, code: &[u8]) -> Result<Vec<Registered>, Error> {
        let body = super::shebang::strip(code);
        let function =
            compile(lua, &self.environment, body, "=user_function").map_err(|error| {
                Error::text(format!("ERR Error compiling function: {}", describe(&error)))
            })?;
        *self.registrar.borrow_mut() = Some(Vec::new());
        self.watch.interrupt(lua, true);
        let result = self.runner.call::<(Value, Value)>(function);
        let registered = self.registrar.borrow_mut().take().unwrap_or_default();
        let failure = match result {
            Ok((_, Value::Nil)) => None,
            Ok((_, Value::Table(table))) => table.raw_get("err").ok().as_ref().and_then(text_of),
            Ok(_) => Some(Vec::new()),
            Err(error) => Some(describe(&error).into_bytes()),
        };
        if let Some(text) = failure {
            return Err(Error::quoting("ERR Error registering functions: ", &text, ""));
        }
        if registered.is_empty() {
            return Err(Error::text("ERR No functions registered"));
        }
        Ok(registered)
    }

    /// Takes over what a library has registered.
    fn take_over(&mut self, name: &[u8], code: Arc<[u8]>, registered: Vec<Registered>) {
        self.functions.retain(|_, (library, ..)| library != name);
        self.codes.insert(name.to_vec(), code);
        for Registered { about, function } in registered {
            let key = about.name.to_ascii_lowercase();
            self.functions.insert(key, (name.to_vec(), about, function));
        }
    }

    /// Loads what has changed.
    fn follow(&mut self, lua: &Lua, catalogue: &Catalogue) {
        let generation = catalogue.generation.load(Relaxed);
        if generation == self.generation {
            return;
        }
        self.generation = generation;
        let libraries = catalogue.libraries.read();
        self.codes.retain(|name, _| libraries.contains_key(name));
        self.functions.retain(|_, (library, ..)| libraries.contains_key(library));
        for (name, library) in &*libraries {
            if self.codes.get(name).is_some_and(|code| Arc::ptr_eq(code, &library.code)) {
                continue;
            }
            // It was loaded once already, so it loads again; without memory it has no functions.
            let mut registered = self.load(lua, &library.code).unwrap_or_default();
            for Registered { about, .. } in &mut registered {
                let shared = library.functions.iter().find(|known| known.name == about.name);
                if let Some(shared) = shared {
                    *about = shared.clone();
                }
            }
            self.take_over(name, library.code.clone(), registered);
        }
    }
}

/// `redis.register_function`, from the host's side.
pub fn register(registrar: &Registrar, args: &MultiValue) -> Result<(), Failure> {
    let mut slot = registrar.borrow_mut();
    let Some(list) = &mut *slot else {
        return Err(Cow::Borrowed(
            b"ERR redis.register_function can only be called on FUNCTION LOAD command",
        ));
    };
    let registered = registration(args)?;
    if list.iter().any(|known| known.about.name == registered.about.name) {
        return Err(Cow::Borrowed(b"ERR Function already exists in the library"));
    }
    list.push(registered);
    Ok(())
}

fn text_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(n) => Some(n.to_string().into_bytes()),
        _ => None,
    }
}

fn registration(args: &MultiValue) -> Result<Registered, Failure> {
    let refuse = |text: &'static [u8]| Err(Cow::Borrowed(text));
    let (mut name, mut callback, mut description, mut flags) = (None, None, None, 0);
    match (args.len(), args.front(), args.get(1)) {
        (1, Some(Value::Table(table)), _) => {
            for pair in table.pairs::<Value, Value>() {
                let (key, value) =
                    pair.map_err(|_| Cow::Borrowed(&b"ERR not enough memory"[..]))?;
                match text_of(&key).as_deref() {
                    Some(b"function_name") => match text_of(&value) {
                        Some(text) => name = Some(text),
                        None => return refuse(BAD_NAME_TYPE),
                    },
                    Some(b"description") => match text_of(&value) {
                        Some(text) => description = Some(text),
                        None => return refuse(BAD_DESCRIPTION),
                    },
                    Some(b"callback") => match value {
                        Value::Function(function) => callback = Some(function),
                        _ => return refuse(BAD_CALLBACK),
                    },
                    Some(b"flags") => flags = flags_of(&value)?,
                    _ => return refuse(UNKNOWN_ARGUMENT),
                }
            }
        }
        (1, ..) => return refuse(NOT_A_TABLE),
        (2, Some(first), Some(second)) => {
            let Value::Function(function) = second else { return refuse(SECOND_ARGUMENT) };
            let Some(text) = text_of(first) else { return refuse(FIRST_ARGUMENT) };
            (name, callback) = (Some(text), Some(function.clone()));
        }
        _ => return refuse(WRONG_COUNT),
    }
    let Some(name) = name else { return refuse(NO_NAME) };
    let Some(function) = callback else { return refuse(NO_CALLBACK) };
    if !is_name(&name) {
        return refuse(NAME_LETTERS.as_bytes());
    }
    let script = Arc::new(Script::function(&name, flags));
    Ok(Registered { about: About { name, description, flags, script }, function })
}

fn flags_of(value: &Value) -> Result<Flags, Failure> {
    let Value::Table(list) = value else { return Err(Cow::Borrowed(BAD_FLAGS)) };
    let mut flags = 0;
    for name in list.sequence_values::<Value>() {
        let known = name.ok().as_ref().and_then(text_of).and_then(|name| flag(&name));
        flags |= known.ok_or(Cow::Borrowed(&b"ERR unknown flag given"[..]))?;
    }
    Ok(flags)
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The name of the library whose text this is, from its first line.
///
/// # Errors
/// When that is not one that libraries may have.
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
        return Err(Error::text(format!("ERR {}", &NAME_LETTERS[4..])));
    }
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(Error::quoting("ERR Engine '", engine, "' not found"));
    }
    Ok(name.to_vec())
}

/// Adds a library to `libraries`, after a trial run of its text. Returns its name.
///
/// # Errors
/// When the text is none, or names that it takes are taken.
pub fn add(
    context: &mut Context<'_>,
    libraries: &mut Libraries,
    code: &[u8],
    replace: bool,
) -> Result<Vec<u8>, Error> {
    let end_ms = context.session.server.clock.now().mono_ms + LOAD_MS;
    let load = |code: &[u8]| with(context, |_, runtime| runtime.load_until(code, end_ms))?;
    add_loaded(libraries, code, replace, load)
}

impl Runtime {
    /// As [`Runtime::load`], given up at a time in monotonic milliseconds.
    fn load_until(&self, code: &[u8], end_ms: u64) -> Result<Vec<Registered>, Error> {
        self.watch.start_load(end_ms);
        let loaded = self.load(code);
        self.watch.stop_load();
        loaded
    }

    fn load(&self, code: &[u8]) -> Result<Vec<Registered>, Error> {
        self.functions.load(&self.lua, code)
    }
}

fn add_loaded(
    libraries: &mut Libraries,
    code: &[u8],
    replace: bool,
    load: impl FnOnce(&[u8]) -> Result<Vec<Registered>, Error>,
) -> Result<Vec<u8>, Error> {
    let name = library_name(code)?;
    if !replace && libraries.contains_key(&name) {
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

/// Loads libraries where there is no client: those that were saved.
pub struct Loader {
    server: &'static Server,
    runtime: Runtime,
    libraries: Libraries,
}

impl Loader {
    /// No libraries yet.
    ///
    /// # Errors
    /// When there is no memory for a Lua state.
    pub fn new(server: &'static Server, handlers: &'static Handlers) -> Result<Loader, Error> {
        let session = Session::new(server, handlers, ClientInfo::nobody());
        let made = Runtime::new(server, session);
        let runtime = made.map_err(|error| Error::text(format!("ERR {error}")))?;
        Ok(Loader { server, runtime, libraries: Libraries::new() })
    }

    /// Adds a library.
    ///
    /// # Errors
    /// When the text is none, or names that it takes are taken.
    pub fn add(&mut self, code: &[u8], replace: bool) -> Result<(), Error> {
        let Loader { runtime, libraries, .. } = self;
        add_loaded(libraries, code, replace, |code| runtime.load(code)).map(drop)
    }

    /// Removes a library, if it is there.
    pub fn remove(&mut self, name: &[u8]) {
        self.libraries.remove(name);
    }

    /// Removes all libraries.
    pub fn clear(&mut self) {
        self.libraries.clear();
    }

    /// Makes the libraries that have come so far those of the server.
    pub fn publish(&self) {
        let catalogue = &self.server.scripts.functions;
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

/// FCALL and FCALL_RO.
///
/// # Errors
/// When there is no such function, or it may write and must not.
pub fn call(context: &mut Context<'_>, args: Args<'_>, read_only: bool) -> Result<(), Error> {
    context.session.show_script_to_monitors(args);
    with(context, |context, runtime| {
        let server = context.session.server;
        let Runtime { lua, functions, .. } = &mut *runtime;
        functions.follow(lua, &server.scripts.functions);
        let name = args[1].to_ascii_lowercase();
        let Some((_, about, function)) = functions.functions.get(&name).cloned() else {
            return Err(Error::text("ERR Function not found"));
        };
        if redstart_protocol::parse_i64(&args[2]).is_none() {
            return Err(Error::text("ERR Bad number of keys provided"));
        }
        let (keys, argv) = split(args, 2)?;
        let no_writes = about.flags & NO_WRITES != 0;
        if !no_writes {
            check_writing(server, read_only)?;
        }
        let request = args.iter().map(<[u8]>::to_vec).collect();
        *runtime.watch.running.function.lock() = Some((about.name.clone(), request));
        let run = Run {
            script: &about.script,
            function: &function,
            keys,
            argv,
            read_only: read_only | no_writes,
        };
        run.run(context, runtime);
        *runtime.watch.running.function.lock() = None;
        Ok(())
    })?
}

impl Script {
    /// What a function is among scripts.
    fn function(name: &[u8], flags: Flags) -> Script {
        Script::named(String::from_utf8_lossy(name).into_owned(), Some(flags))
    }
}

const NAME_LETTERS: &str = "ERR Library names can only contain letters, numbers, or \
    underscores(_) and must be at least one character long";
const WRONG_COUNT: &[u8] = b"ERR wrong number of arguments to redis.register_function";
const NOT_A_TABLE: &[u8] = b"ERR calling redis.register_function with a single argument is only \
    applicable to Lua table (representing named arguments).";
const FIRST_ARGUMENT: &[u8] = b"ERR first argument to redis.register_function must be a string";
const SECOND_ARGUMENT: &[u8] = b"ERR second argument to redis.register_function must be a function";
const NO_NAME: &[u8] = b"ERR redis.register_function must get a function name argument";
const NO_CALLBACK: &[u8] = b"ERR redis.register_function must get a callback argument";
const BAD_NAME_TYPE: &[u8] =
    b"ERR function_name argument given to redis.register_function must be a string";
const BAD_DESCRIPTION: &[u8] =
    b"ERR description argument given to redis.register_function must be a string";
const BAD_CALLBACK: &[u8] =
    b"ERR callback argument given to redis.register_function must be a function";
const BAD_FLAGS: &[u8] =
    b"ERR flags argument to redis.register_function must be a table representing function flags";
const UNKNOWN_ARGUMENT: &[u8] = b"ERR unknown argument given to redis.register_function";
