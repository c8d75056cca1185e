//! One run of a script: which locks it takes, what it is lent, and what becomes of its result.

use super::call::{Course, Lent, State, crossed_error};
use super::runtime::{Compiled, Runtime};
use super::store::{Reach, Script};
use super::{Digest, convert, digest, hex, shebang, unhex};
use crate::server::Server;
use crate::session::{Context, Session};
use mlua::{Function, Value};
use redstart_engine::Error;
use redstart_engine::keyspace::LockedShards;
use redstart_protocol::{Args, Protocol, Reply, parse_i64};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What a script is told that somebody has ended.
pub const KILLED: &str = "Script killed by user with SCRIPT KILL.";

/// The length of a digest in hexadecimal.
const DIGEST_DIGITS: usize = 40;

/// What is told of a script that may write, where it must not.
const MAY_WRITE: &str = "ERR Can not execute a script with write flag using *_ro command.";

const NO_SCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";

/// Which script to run.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    /// This text.
    Text(&'a [u8]),
    /// The one with this digest, in hexadecimal.
    Digest(&'a [u8]),
}

thread_local! {
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

/// Runs `f` with this worker's Lua state, which is made when it is first needed.
///
/// # Errors
/// When it cannot be made.
pub fn with<R>(
    context: &mut Context<'_>,
    f: impl FnOnce(&mut Context<'_>, &mut Runtime) -> R,
) -> Result<R, Error> {
    RUNTIME.with_borrow_mut(|runtime| {
        if runtime.is_none() {
            let server = context.session.server;
            let session =
                Session::new(server, context.session.handlers, context.session.info.clone());
            let made = Runtime::new(server, session);
            *runtime = Some(made.map_err(|error| Error::text(format!("ERR {error}")))?);
        }
        let runtime = runtime.as_mut().expect("it was just made");
        Ok(f(context, runtime))
    })
}

/// The keys and arguments of a request whose count of keys is argument `at`.
///
/// # Errors
/// When the count is none.
pub fn split(args: Args<'_>, at: usize) -> Result<(Args<'_>, Args<'_>), Error> {
    let count = parse_i64(&args[at]).ok_or(Error::NOT_INTEGER)?;
    let rest = args.from(at + 1);
    if count > rest.len() as i64 {
        return Err(Error::text("ERR Number of keys can't be greater than number of args"));
    }
    let Ok(count) = usize::try_from(count) else {
        return Err(Error::text("ERR Number of keys can't be negative"));
    };
    Ok((rest.first(count), rest.from(count)))
}

/// EVAL, EVALSHA and their read-only forms.
///
/// # Errors
/// When there is no such script, it is no Lua, or the request is not right.
pub fn eval(
    context: &mut Context<'_>,
    given: Given<'_>,
    args: Args<'_>,
    read_only: bool,
) -> Result<(), Error> {
    context.session.show_script_to_monitors(args);
    if let Given::Digest(text) = given
        && text.len() != DIGEST_DIGITS
    {
        return Err(Error::text(NO_SCRIPT));
    }
    let (keys, argv) = split(args, 2)?;
    with(context, |context, runtime| {
        let compiled = find(context.session.server, runtime, given)?;
        let (script, function) = &*compiled;
        let no_writes = script.flags.is_some_and(|flags| flags & shebang::NO_WRITES != 0);
        if script.flags.is_some() && !no_writes {
            check_writing(context.session.server, read_only)?;
        }
        let run = Run { script, function, keys, argv, read_only: read_only | no_writes };
        run.run(context, runtime);
        Ok(())
    })?
}

/// Whether a script may run that says that it may write.
///
/// # Errors
/// When the disk fails, or it is called by a command that only reads.
pub fn check_writing(server: &Server, read_only: bool) -> Result<(), Error> {
    if server.durability.refuses()
        && let Some(error) = server.durability.disk_error()
    {
        return Err(error);
    }
    if read_only { Err(Error::text(MAY_WRITE)) } else { Ok(()) }
}

/// Finds a script, or adds it.
fn find(server: &Server, runtime: &mut Runtime, given: Given<'_>) -> Result<Compiled, Error> {
    match given {
        Given::Digest(text) => {
            if let Some(compiled) = runtime.recent(server, text) {
                return Ok(compiled);
            }
            let digest = unhex(text).ok_or(Error::text(NO_SCRIPT))?;
            let compiled = runtime.find(server, &digest)?.ok_or(Error::text(NO_SCRIPT))?;
            runtime.note_recent(text, &compiled);
            Ok(compiled)
        }
        Given::Text(text) => add(server, runtime, text, false).map(|(_, compiled)| compiled),
    }
}

/// Compiles a text and adds it to the scripts, if it is not there.
fn add(
    server: &Server,
    runtime: &mut Runtime,
    text: &[u8],
    pinned: bool,
) -> Result<(Digest, Compiled), Error> {
    let digest = digest(text);
    if let Some(compiled) = runtime.find(server, &digest)? {
        if pinned {
            server.scripts.pin(digest, &compiled.0);
        }
        return Ok((digest, compiled));
    }
    let script = Script::new(text, &digest)?;
    let function = runtime.compile(text)?;
    let script = server.scripts.add(digest, script, pinned);
    Ok((digest, runtime.keep(digest, script, function)))
}

/// SCRIPT LOAD: adds a script and returns its digest.
///
/// # Errors
/// When it is no Lua.
pub fn load(context: &mut Context<'_>, text: &[u8]) -> Result<String, Error> {
    with(context, |context, runtime| {
        add(context.session.server, runtime, text, true).map(|(digest, _)| hex(&digest))
    })?
}

/// Whether memory was short when the script was asked for.
fn lacks_room(context: &Context<'_>) -> bool {
    context.session.server.evictor.is_on() && context.local.lacks_room
}

/// A script that is to run.
pub struct Run<'a> {
    /// The script, or the function's own account of the shards that it needs.
    pub script: &'a Script,
    /// What to call.
    pub function: &'a Function,
    /// The declared keys.
    pub keys: Args<'a>,
    /// The arguments.
    pub argv: Args<'a>,
    /// Whether it must not write.
    pub read_only: bool,
}

impl Run<'_> {
    /// Runs it, with all shards if it turns out to need them, and replies.
    pub fn run(&self, context: &mut Context<'_>, runtime: &mut Runtime) {
        let server = context.session.server;
        let needs_room = |flags| flags & (shebang::ALLOW_OOM | shebang::NO_WRITES) == 0;
        if lacks_room(context) && self.script.flags.is_some_and(needs_room) {
            return Error::OUT_OF_MEMORY.write(&mut context.session.out);
        }
        let keyspace = &server.engine.keyspace;
        let hasher = keyspace.hasher();
        let first = self.keys.get(0).unwrap_or_default();
        let first_hash = hasher.hash(first);
        let hash = |(at, key): (usize, &[u8])| if at == 0 { first_hash } else { hasher.hash(key) };
        let held = context
            .held
            .as_deref_mut()
            .map(|view| std::mem::replace(view, keyspace.lock(std::iter::empty())));
        let is_held = held.is_some();
        let asked = match (held, self.script.reach()) {
            (Some(held), _) => Ok(held),
            (None, Reach::Declared) => {
                keyspace.lock_unless_busy(self.keys.iter().enumerate().map(hash))
            }
            (None, _) => keyspace.lock_all_unless_busy(),
        };
        let mut view = match asked {
            Ok(view) => view,
            Err(busy) => return busy.write(&mut context.session.out),
        };
        self.prepare(context, runtime, (first, first_hash));
        let (mut result, mut course);
        loop {
            (result, view, course) = self.attempt(context, runtime, view);
            if course != Course::Restart || is_held {
                break;
            }
            drop(view);
            self.script.learn(Reach::Everywhere);
            view = match keyspace.lock_all_unless_busy() {
                Ok(view) => view,
                Err(busy) => return busy.write(&mut context.session.out),
            };
        }
        match context.held.as_deref_mut() {
            Some(held) => *held = view,
            None => context.session.server.engine.serve(view, context.local, context.now),
        }
        match course {
            Course::Declared => self.script.learn(Reach::Declared),
            Course::Killed => {}
            Course::Beyond | Course::Restart | Course::Crossed => {
                self.script.learn(Reach::Everywhere);
            }
        }
        let resp3 = runtime.state.borrow().session.out.protocol() == Protocol::Resp3;
        self.reply(&mut context.session.out, result, course, resp3);
        runtime.tidy();
    }

    /// The script's client becomes like the one that runs it.
    fn prepare(&self, context: &Context<'_>, runtime: &Runtime, first: (&[u8], u64)) {
        let mut state = runtime.state.borrow_mut();
        state.first.0.clear();
        state.first.0.extend_from_slice(first.0);
        state.first.1 = first.1;
        // Those that say nothing about themselves may write until they ask for memory.
        state.lacks_room = lacks_room(context) && self.script.flags.is_none();
        let State { session, read_only, learning, declared, noted, .. } = &mut *state;
        let hasher = session.server.engine.keyspace.hasher();
        if !Arc::ptr_eq(&session.info, &context.session.info) {
            session.info = context.session.info.clone();
        }
        session.authenticated = context.session.authenticated;
        if session.user != context.session.user {
            session.user = context.session.user.clone();
        }
        *read_only = self.read_only;
        *learning = self.script.reach() == Reach::Unknown;
        *noted = context.session.notes_reads().then(|| {
            let keys = self.keys.iter().map(|key| (hasher.hash(key), key.into()));
            keys.collect()
        });
        declared.clear();
        if *learning {
            declared.extend(self.keys.iter().map(|key| LockedShards::index_of(hasher.hash(key))));
        }
    }

    /// Runs it once, under locks that are held.
    fn attempt(
        &self,
        context: &mut Context<'_>,
        runtime: &Runtime,
        view: LockedShards,
    ) -> (Result<Value, Value>, LockedShards, Course) {
        let server = context.session.server;
        let nested = context.held.is_some();
        if !nested {
            server.engine.begin(context.local);
        }
        let watch = &runtime.watch;
        watch.start(context.now.present().mono_ms);
        {
            let mut state = runtime.state.borrow_mut();
            state.session.db = context.session.db;
            state.session.out.set_protocol(Protocol::Resp2);
            state.course = Course::Declared;
            state.lent = Some(Lent { view, now: context.now });
            state.lend(context.local);
        }
        watch.interrupt(&runtime.lua, !self.script.straight);
        let result = runtime.run(self.function, self.keys, self.argv);
        let mut state = runtime.state.borrow_mut();
        let Lent { view, .. } = state.lent.take().expect("it was lent for the run");
        state.lend(context.local);
        let was_killed = result.is_err() && watch.is_killed();
        let course = if was_killed { Course::Killed } else { state.course };
        drop(state);
        watch.stop();
        if !nested {
            server.engine.commit(context.local);
        }
        let selected = context.session.db;
        context.session.info.db.store(selected, Relaxed);
        (result, view, course)
    }

    /// Answers with the result.
    fn reply(&self, out: &mut Reply, result: Result<Value, Value>, course: Course, resp3: bool) {
        match course {
            Course::Crossed => return crossed_error().write(out),
            Course::Killed => {
                let name = &self.script.name;
                return out.error(&format!("ERR {KILLED}.. script: {name}."));
            }
            Course::Declared | Course::Beyond | Course::Restart => {}
        }
        match result {
            Ok(value) => convert::to_reply(&value, out, resp3),
            Err(failure) => out.error_bytes(&self.told(&failure)),
        }
    }

    /// An error that the script did not catch, with where it happened.
    fn told(&self, failure: &Value) -> Vec<u8> {
        let Value::Table(table) = failure else { return b"ERR unknown error".to_vec() };
        let text = |name: &str| match table.raw_get(name) {
            Ok(Value::String(text)) => Some(convert::error_line(&text.as_bytes())),
            Ok(Value::Integer(n)) => Some(n.to_string().into_bytes()),
            _ => None,
        };
        let mut told = text("err").unwrap_or_else(|| b"ERR unknown error".to_vec());
        if let (Some(source), Some(line)) = (text("source"), text("line")) {
            let name = self.script.name.as_bytes();
            for part in [b" script: ", name, b", on ", &source, b":", &line, b"."] {
                told.extend_from_slice(part);
            }
        }
        told
    }
}
