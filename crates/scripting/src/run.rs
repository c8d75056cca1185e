//! One run of a script: which shards it locks, what its caller lends it, and its reply.

use crate::call::{Held, Limits, Outcome, State, crossed_error};
use crate::convert;
use crate::digest::{Digest, digest, hex, unhex};
use crate::runtime::{Compiled, Runtime};
use crate::script::{Reach, Script};
use crate::shebang;
use crate::store::Origin;
use crate::watchdog::KILLED;
use mlua::{Function, Value};
use redstart_engine::keyspace::LockedShards;
use redstart_engine::{Error, Now, WorkerState};
use redstart_protocol::{Args, Protocol, Reply, parse_i64};

/// The length of a digest in hexadecimal.
const DIGEST_DIGITS: usize = 40;

const MAY_WRITE: &str = "ERR Can not execute a script with write flag using *_ro command.";

const NO_SCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";

/// Which script to run.
#[derive(Clone, Copy)]
pub enum ScriptRef<'a> {
    /// This text.
    Text(&'a [u8]),
    /// The one with this digest, in hexadecimal.
    Digest(&'a [u8]),
}

/// What a script may do with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may write, unless its first line says that it does not.
    ReadWrite,
    /// It must not write (EVAL_RO).
    ReadOnly,
}

/// The request that runs a script: what it lends the script, and where the reply goes.
pub struct Caller<'a> {
    /// The worker's part of the engine.
    pub local: &'a mut WorkerState,
    /// The moment.
    pub now: Now,
    /// The client's database.
    pub db: usize,
    /// Takes the reply, in the client's protocol.
    pub reply: &'a mut Reply,
    /// All shards that the script needs, where a transaction that holds them runs it.
    pub held: Option<&'a mut LockedShards>,
    /// Whether memory is short.
    pub lacks_room: bool,
    /// Whether the client keeps copies of the keys that the script reads.
    pub tracks_reads: bool,
    /// Whether there are things that the client's user may not do.
    pub checks_rights: bool,
}

/// The keys and arguments of a request whose count of keys is argument `at`.
///
/// # Errors
/// When the count is none.
pub(crate) fn split(args: Args<'_>, at: usize) -> Result<(Args<'_>, Args<'_>), Error> {
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

impl Runtime {
    /// EVAL, EVALSHA and their read-only forms; `args` are the whole request.
    ///
    /// # Errors
    /// When there is no such script, it is no Lua, or the request is not right.
    pub fn eval(
        &mut self,
        caller: &mut Caller<'_>,
        script: ScriptRef<'_>,
        args: Args<'_>,
        access: Access,
    ) -> Result<(), Error> {
        if let ScriptRef::Digest(text) = script
            && text.len() != DIGEST_DIGITS
        {
            return Err(Error::text(NO_SCRIPT));
        }
        let (keys, argv) = split(args, 2)?;
        let compiled = self.find(script)?;
        let (script, function) = &*compiled;
        let no_writes = script.flags.is_some_and(|flags| flags & shebang::NO_WRITES != 0);
        if script.flags.is_some() && !no_writes {
            self.check_writing(access)?;
        }
        let access = if no_writes { Access::ReadOnly } else { access };
        Run { script, function, keys, argv, access }.run(caller, self);
        Ok(())
    }

    /// SCRIPT LOAD: adds a script and returns its digest in hexadecimal.
    ///
    /// # Errors
    /// When it is no Lua.
    pub fn load_script(&mut self, text: &[u8]) -> Result<String, Error> {
        self.add(text, Origin::Load).map(|(digest, _)| hex(&digest))
    }

    /// Whether a script may run that says that it may write.
    ///
    /// # Errors
    /// When the disk fails, or it is called by a command that only reads.
    pub(crate) fn check_writing(&self, access: Access) -> Result<(), Error> {
        if let Some(error) = self.host.refuses_writes() {
            return Err(error);
        }
        if access == Access::ReadOnly { Err(Error::text(MAY_WRITE)) } else { Ok(()) }
    }

    /// Finds a script, or adds it.
    fn find(&mut self, script: ScriptRef<'_>) -> Result<Compiled, Error> {
        match script {
            ScriptRef::Digest(text) => {
                if let Some(compiled) = self.recent(text) {
                    return Ok(compiled);
                }
                let digest = unhex(text).ok_or(Error::text(NO_SCRIPT))?;
                let compiled = self.compiled(&digest)?.ok_or(Error::text(NO_SCRIPT))?;
                self.note_recent(text, &compiled);
                Ok(compiled)
            }
            ScriptRef::Text(text) => self.add(text, Origin::Eval).map(|(_, compiled)| compiled),
        }
    }

    /// Compiles a text and adds it to the scripts, if it is not there.
    fn add(&mut self, text: &[u8], origin: Origin) -> Result<(Digest, Compiled), Error> {
        let digest = digest(text);
        if let Some(compiled) = self.compiled(&digest)?
            && (origin == Origin::Eval || self.parts.scripts.pin(digest, &compiled.0))
        {
            return Ok((digest, compiled));
        }
        let script = Script::new(text, &digest)?;
        let function = self.compile(text)?;
        let script = self.parts.scripts.add(digest, script, origin);
        Ok((digest, self.keep(digest, script, function)))
    }
}

/// A script that is to run.
pub(crate) struct Run<'a> {
    /// The script, or the function's own account of the shards that it needs.
    pub script: &'a Script,
    /// What to call.
    pub function: &'a Function,
    /// The declared keys.
    pub keys: Args<'a>,
    /// The arguments.
    pub argv: Args<'a>,
    /// What it may do.
    pub access: Access,
}

/// One attempt to run it, at its end.
struct Attempt {
    result: Result<Value, Value>,
    shards: LockedShards,
    outcome: Outcome,
}

impl Run<'_> {
    /// Runs it, with all shards if it turns out to need them, and replies.
    pub fn run(&self, caller: &mut Caller<'_>, runtime: &Runtime) {
        let needs_room = |flags| flags & (shebang::ALLOW_OOM | shebang::NO_WRITES) == 0;
        if caller.lacks_room && self.script.flags.is_some_and(needs_room) {
            return Error::OUT_OF_MEMORY.write(caller.reply);
        }
        let engine = runtime.parts.engine;
        let keyspace = &engine.keyspace;
        let hasher = keyspace.hasher();
        let first = self.keys.get(0).unwrap_or_default();
        let first_hash = hasher.hash(first);
        let hash = |(at, key): (usize, &[u8])| if at == 0 { first_hash } else { hasher.hash(key) };
        let locked = match (caller.held.as_deref_mut(), self.script.reach()) {
            // While the script has them, the caller holds none.
            (Some(held), _) => Ok(std::mem::replace(held, keyspace.lock(std::iter::empty()))),
            (None, Reach::Declared) => {
                keyspace.lock_unless_busy(self.keys.iter().enumerate().map(hash))
            }
            (None, _) => keyspace.lock_all_unless_busy(),
        };
        let mut shards = match locked {
            Ok(shards) => shards,
            Err(busy) => return busy.write(caller.reply),
        };
        self.prepare(caller, runtime, (first, first_hash));
        let (mut result, mut outcome);
        loop {
            Attempt { result, shards, outcome } = self.attempt(caller, runtime, shards);
            if outcome != Outcome::Restart || caller.held.is_some() {
                break;
            }
            drop(shards);
            runtime.watchdog.stop();
            self.script.learn(Reach::Everywhere);
            shards = match keyspace.lock_all_unless_busy() {
                Ok(shards) => shards,
                Err(busy) => return busy.write(caller.reply),
            };
        }
        match caller.held.as_deref_mut() {
            Some(held) => *held = shards,
            None => engine.serve(shards, caller.local, caller.now),
        }
        match outcome {
            Outcome::Declared => self.script.learn(Reach::Declared),
            Outcome::Killed => {}
            Outcome::Beyond | Outcome::Restart | Outcome::Crossed => {
                self.script.learn(Reach::Everywhere);
            }
        }
        let resp3 = runtime.state.borrow().reply.protocol() == Protocol::Resp3;
        self.reply(caller.reply, result, outcome, resp3, runtime);
        runtime.watchdog.stop();
        runtime.tidy();
    }

    /// Sets what holds for all attempts.
    fn prepare(&self, caller: &Caller<'_>, runtime: &Runtime, first: (&[u8], u64)) {
        let mut state = runtime.state.borrow_mut();
        state.follow_measuring();
        let State { limits, declared, .. } = &mut *state;
        let hasher = runtime.parts.engine.keyspace.hasher();
        *limits = Limits {
            read_only: self.access == Access::ReadOnly,
            // A script that says nothing about itself may run until it asks for memory.
            lacks_room: caller.lacks_room && self.script.flags.is_none(),
            tracks_reads: caller.tracks_reads,
            checks_rights: caller.checks_rights,
        };
        declared.first.0.clear();
        declared.first.0.extend_from_slice(first.0);
        declared.first.1 = first.1;
        declared.learning = self.script.reach() == Reach::Unknown;
        declared.shards.clear();
        if declared.learning {
            let shards = self.keys.iter().map(|key| LockedShards::index_of(hasher.hash(key)));
            declared.shards.extend(shards);
        }
    }

    /// Runs it once, under locks that are held.
    fn attempt(&self, caller: &mut Caller<'_>, runtime: &Runtime, shards: LockedShards) -> Attempt {
        let engine = runtime.parts.engine;
        let nested = caller.held.is_some();
        if !nested {
            engine.begin(caller.local);
        }
        let watchdog = &runtime.watchdog;
        watchdog.start(caller.now.present().mono_ms);
        {
            let mut state = runtime.state.borrow_mut();
            state.db = caller.db;
            state.reply.set_protocol(Protocol::Resp2);
            state.outcome = Outcome::Declared;
            state.held = Some(Held { shards, now: caller.now });
            caller.local.in_script = true;
            state.exchange(caller.local);
        }
        let result = runtime.run(self.function, self.keys, self.argv);
        let mut state = runtime.state.borrow_mut();
        let Held { shards, .. } = state.held.take().expect("a script holds its shards to its end");
        state.exchange(caller.local);
        caller.local.in_script = false;
        let was_killed = result.is_err() && watchdog.is_killed();
        let outcome = if was_killed { Outcome::Killed } else { state.outcome };
        drop(state);
        if !nested {
            engine.commit(caller.local);
        }
        Attempt { result, shards, outcome }
    }

    /// Replies with the result. Long ones take their time, and the script can be ended still.
    fn reply(
        &self,
        out: &mut Reply,
        result: Result<Value, Value>,
        outcome: Outcome,
        resp3: bool,
        runtime: &Runtime,
    ) {
        let ended = match (outcome, result) {
            (Outcome::Crossed, _) => return crossed_error().write(out),
            (Outcome::Killed, _) => true,
            (_, Ok(value)) => convert::to_reply(&value, out, resp3, &runtime.pace).is_err(),
            (_, Err(failure)) => return out.error_bytes(&self.placed(&failure)),
        };
        if ended {
            out.error(&format!("ERR {KILLED}.. script: {}.", self.script.name));
        }
    }

    /// The text of an error that the script did not catch, with the place where it happened.
    fn placed(&self, failure: &Value) -> Vec<u8> {
        let Value::Table(table) = failure else { return b"ERR unknown error".to_vec() };
        let field = |name: &str| match table.raw_get(name) {
            Ok(Value::String(text)) => Some(convert::error_line(&text.as_bytes())),
            Ok(Value::Integer(n)) => Some(n.to_string().into_bytes()),
            _ => None,
        };
        let mut text = field("err").unwrap_or_else(|| b"ERR unknown error".to_vec());
        if let (Some(source), Some(line)) = (field("source"), field("line")) {
            let name = self.script.name.as_bytes();
            for part in [b" script: ", name, b", on ", &source, b":", &line, b"."] {
                text.extend_from_slice(part);
            }
        }
        text
    }
}
