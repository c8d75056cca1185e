//! `redis.call` from the host's side: a command's arguments out of Lua, its run under the
//! script's locks, its reply into Lua.

use crate::convert;
use crate::failure::{Failure, failure};
use crate::host::{Host, Parts, Unit};
use crate::memory::without_limit;
use crate::pace::Pace;
use crate::scratch::ScratchBuffer;
use crate::timing::CallTimer;
use crate::watchdog::{COMMAND_STEPS, Watchdog};
use mlua::{Either, Lua, MultiValue, Value};
use redstart_engine::keyspace::LockedShards;
use redstart_engine::run::command::Runner;
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::{
    Command, DENYOOM, MAY_REPLICATE, NOSCRIPT, PUBSUB, READONLY, SCRIPT_DEBUGGING, WRITE,
};
use redstart_engine::{Error, KeyAt, Now, Prepared, WorkerState};
use redstart_protocol::{Args, DOUBLE_TEXT_MAX, Protocol, Reply, Span, format_shortest};
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

/// From this magnitude on, `%.17g` writes an integer with an exponent.
const PLAIN_INTEGER_MAX: u64 = 100_000_000_000_000_000;

/// A command's reply on its way to the script: a value, or the length of a text in the scratch
/// buffer.
pub type ScriptReply = Either<Value, usize>;

/// What the commands of the script that runs work with.
pub struct State {
    parts: Parts,
    host: Rc<dyn Host>,
    watchdog: Rc<Watchdog>,
    pace: Rc<Pace>,
    scratch: ScratchBuffer,
    /// The database that the script has selected.
    pub db: usize,
    /// The reply of the command that runs, in the protocol that the script has chosen.
    pub reply: Reply,
    /// What the script that runs holds.
    pub held: Option<Held>,
    /// While a script runs the worker's part of the engine; otherwise what stands in for it there
    /// meanwhile, once a script has run.
    local: Option<WorkerState>,
    /// What the script may do.
    pub limits: Limits,
    /// The declared keys.
    pub declared: Declared,
    /// How the run went.
    pub outcome: Outcome,
    timer: CallTimer,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    keys: Vec<KeyAt>,
}

/// What a running script holds.
pub struct Held {
    /// The locked shards.
    pub shards: LockedShards,
    /// The moment: it does not pass while the script runs.
    pub now: Now,
}

/// What the script must not do.
#[derive(Clone, Copy, Default)]
pub struct Limits {
    /// It must not write.
    pub read_only: bool,
    /// It must not take more memory, unless it has written already.
    pub lacks_room: bool,
    /// What it reads is noted: the client keeps copies of it.
    pub tracks_reads: bool,
    /// Each of its calls is checked against the rights of the client's user.
    pub checks_rights: bool,
}

/// What is known of the declared keys.
#[derive(Default)]
pub struct Declared {
    /// The first one and its hash: most commands of most scripts are about it.
    pub first: (Vec<u8>, u64),
    /// Whether it is noted when the script leaves the shards of the declared keys, although all
    /// are locked.
    pub learning: bool,
    /// These shards, while learning.
    pub shards: Vec<usize>,
}

/// How a script's run went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stayed within its declared keys.
    Declared,
    /// It used other keys, whose shards were locked.
    Beyond,
    /// It asked for a shard that is not locked before it wrote anything: it must start again.
    Restart,
    /// It asked for one after it had written, and crossed with another script that did so.
    Crossed,
    /// A client ended it.
    Killed,
}

impl State {
    /// The state of a worker where no script runs.
    pub fn new(
        parts: Parts,
        host: Rc<dyn Host>,
        (watchdog, pace): (Rc<Watchdog>, Rc<Pace>),
        scratch: ScratchBuffer,
    ) -> State {
        State {
            parts,
            host,
            watchdog,
            pace,
            scratch,
            db: 0,
            reply: Reply::new(Protocol::Resp2),
            held: None,
            local: None,
            limits: Limits::default(),
            declared: Declared::default(),
            outcome: Outcome::Declared,
            timer: CallTimer::new(parts.registry.len()),
            bytes: Vec::new(),
            spans: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Has commands measured as the host wants it now.
    pub fn follow_measuring(&mut self) {
        self.timer.follow(self.host.measuring());
    }

    /// Takes the worker's part of the engine in exchange for what stands in for it, or back.
    pub fn exchange(&mut self, local: &mut WorkerState) {
        let other = self.local.get_or_insert_with(|| WorkerState::new(local.stats.clone(), 0));
        std::mem::swap(other, local);
    }

    /// Runs a command and returns its reply.
    ///
    /// # Errors
    /// The text of the error that the command replied, or why it did not run.
    pub fn call(&mut self, lua: &Lua, args: &MultiValue) -> Result<ScriptReply, Failure> {
        self.gather(args)?;
        self.run_gathered(lua)
    }

    /// As [`State::call`], of arguments that are strings.
    ///
    /// # Errors
    /// As there.
    pub fn call_texts(&mut self, lua: &Lua, args: &[&[u8]]) -> Result<ScriptReply, Failure> {
        self.bytes.clear();
        self.spans.clear();
        for arg in args {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(arg);
            self.close_argument(start)?;
        }
        self.run_gathered(lua)
    }

    /// Copies the arguments, which are strings and numbers.
    fn gather(&mut self, args: &MultiValue) -> Result<(), Failure> {
        self.bytes.clear();
        self.spans.clear();
        if args.is_empty() {
            return Err(failure(NO_ARGUMENT));
        }
        for arg in args {
            let start = self.bytes.len();
            match arg {
                Value::String(text) => self.bytes.extend_from_slice(&text.as_bytes()),
                Value::Integer(n) if n.unsigned_abs() < PLAIN_INTEGER_MAX => {
                    self.bytes.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes());
                }
                Value::Integer(n) => self.add_number(*n as f64),
                Value::Number(n) => self.add_number(*n),
                _ => return Err(failure(BAD_ARGUMENT)),
            }
            self.close_argument(start)?;
        }
        Ok(())
    }

    /// Ends the argument that begins at `start`.
    fn close_argument(&mut self, start: usize) -> Result<(), Failure> {
        if self.bytes.len() > u32::MAX as usize {
            return Err(failure(TOO_LONG));
        }
        let len = (self.bytes.len() - start) as u32;
        self.spans.push(Span { start: start as u32, len });
        Ok(())
    }

    fn add_number(&mut self, value: f64) {
        let mut text = [0; DOUBLE_TEXT_MAX];
        self.bytes.extend_from_slice(format_shortest(value, &mut text).as_bytes());
    }

    /// Whether the client's user may run a command with these arguments (`redis.acl_check_cmd`).
    ///
    /// # Errors
    /// When they are no request.
    pub fn may_call(&mut self, args: &MultiValue) -> Result<bool, Failure> {
        self.gather(args)?;
        let args = Args::new(&self.bytes, &self.spans);
        match self.parts.registry.resolve(args) {
            Ok(Some(found)) if !found.command.arity.accepts(args.len()) => {
                Err(failure(CHECK_ARITY))
            }
            Ok(Some(found)) => {
                let unchecked = !self.limits.checks_rights;
                Ok(unchecked || self.host.allows_call(found, args, self.db))
            }
            _ => Err(failure(CHECK_UNKNOWN)),
        }
    }

    fn run_gathered(&mut self, lua: &Lua) -> Result<ScriptReply, Failure> {
        if self.watchdog.step(COMMAND_STEPS) {
            return Err(failure(STOPPED));
        }
        self.run()?;
        let resp3 = self.reply.protocol() == Protocol::Resp3;
        let taken = match self.reply.contiguous() {
            Some(bytes) => take_reply(lua, &self.scratch, &self.pace, bytes, resp3),
            None => take_reply(lua, &self.scratch, &self.pace, &self.reply.to_vec(), resp3),
        };
        self.reply.clear();
        taken
    }

    /// Runs the gathered command; its reply is in `reply`.
    fn run(&mut self) -> Result<(), Failure> {
        let args = Args::new(&self.bytes, &self.spans);
        let Ok(Some(&registered)) = self.parts.registry.resolve(args) else {
            return Err(failure(UNKNOWN));
        };
        let command = registered.command;
        let allowed = match command.arity.accepts(args.len()) {
            true => self.check_allowed(&registered),
            false => Err(failure(WRONG_ARITY)),
        };
        if let Err(refused) = allowed {
            if let Some(local) = &self.local {
                local.stats.times[registered.id as usize].rejected.add(1);
            }
            return Err(refused);
        }
        self.hash_keys(&registered);
        self.check_reach(&registered)?;
        if command.is(WRITE | MAY_REPLICATE) {
            self.watchdog.running.wrote.store(true, Relaxed);
        }
        self.execute(&registered)?;
        self.note(command);
        Ok(())
    }

    /// Refuses what the script must not do.
    fn check_allowed(&mut self, registered: &Registered) -> Result<(), Failure> {
        let command = registered.command;
        let is_debug =
            || command.is(SCRIPT_DEBUGGING) && self.parts.scripts.debug_allowed.load(Relaxed);
        if command.is(NOSCRIPT) && !is_debug() {
            return Err(failure(NOT_ALLOWED));
        }
        if self.limits.checks_rights
            && let Some(local) = &mut self.local
        {
            let args = Args::new(&self.bytes, &self.spans);
            if let Some(error) = self.host.refuses_call(registered, args, self.db, local) {
                return Err(Cow::Owned(error.as_bytes().to_vec()));
            }
        }
        if command.is(WRITE | MAY_REPLICATE) && self.limits.read_only {
            return Err(failure(READ_ONLY));
        }
        // A script that has begun to write goes on to its end: half of it would be worse.
        if self.watchdog.has_written() {
            return Ok(());
        }
        if command.is(WRITE)
            && let Some(error) = self.host.refuses_writes()
        {
            return Err(Cow::Owned(error.as_bytes().to_vec()));
        }
        if self.limits.lacks_room && command.is(DENYOOM) {
            return Err(Cow::Owned(Error::OUT_OF_MEMORY.as_bytes().to_vec()));
        }
        Ok(())
    }

    /// Hashes the keys of the gathered command. Arguments that name no keys are its handler's to
    /// refuse.
    fn hash_keys(&mut self, registered: &Registered) {
        let engine = self.parts.engine;
        let args = Args::new(&self.bytes, &self.spans);
        let (first, first_hash) = &self.declared.first;
        let hasher = engine.keyspace.hasher();
        let hash = |key: &[u8]| if key == first { *first_hash } else { hasher.hash(key) };
        self.keys.clear();
        if engine.hash_keys_by(registered, args, &mut self.keys, hash).is_err() {
            self.keys.clear();
        }
    }

    /// Makes sure that the shards that the command needs are locked.
    fn check_reach(&mut self, registered: &Registered) -> Result<(), Failure> {
        let Some(Held { shards, .. }) = &mut self.held else {
            return Err(failure(NOT_RUNNING));
        };
        let everywhere = registered.needs_all_shards();
        if shards.holds_all() {
            let declared = &self.declared;
            let within = |key: &KeyAt| declared.shards.contains(&LockedShards::index_of(key.hash));
            if declared.learning && (everywhere || !self.keys.iter().all(within)) {
                self.outcome = Outcome::Beyond;
            }
            return Ok(());
        }
        if !everywhere && self.keys.iter().all(|key| shards.holds(key.hash)) {
            return Ok(());
        }
        self.outcome = if !self.watchdog.has_written() {
            Outcome::Restart
        } else {
            let reached = if everywhere {
                shards.escalate_to_all()
            } else {
                shards.escalate(self.keys.iter().map(|key| LockedShards::index_of(key.hash)))
            };
            if reached.is_ok() { Outcome::Beyond } else { Outcome::Crossed }
        };
        if self.outcome == Outcome::Beyond {
            return Ok(());
        }
        self.watchdog.end();
        Err(failure(CROSSED))
    }

    /// Runs the gathered command under the script's locks, counts and measures it.
    fn execute(&mut self, registered: &Registered) -> Result<(), Failure> {
        let (Some(Held { shards, now }), Some(local)) = (&mut self.held, &mut self.local) else {
            return Err(failure(NOT_RUNNING));
        };
        let (host, reply, db) = (&self.host, &mut self.reply, &mut self.db);
        let Registered { command, id, .. } = *registered;
        let args = Args::new(&self.bytes, &self.spans);
        let errors = reply.errors();
        local.stats.calls[id as usize].add(1);
        let start_ns = self.timer.measures(registered, args.len()).then(|| host.now_ns());
        match registered.runner {
            Runner::Data(run, _) => {
                let prepared = Prepared { command, run, args, keys: &self.keys, db: *db };
                self.parts.engine.run_in(shards, local, prepared, *now, reply);
            }
            Runner::Session => {
                let unit = Unit { shards, local, now: *now, db, reply };
                if let Err(error) = host.session_command(id, args, unit) {
                    local.stats.errors.add(1);
                    error.write(reply);
                }
            }
        }
        let measured_ns = start_ns.map(|start_ns| host.now_ns().saturating_sub(start_ns));
        let times = &local.stats.times[id as usize];
        if let Some(ns) = self.timer.record(id, measured_ns, times) {
            host.note_slow(id, args, ns);
        }
        if reply.errors() != errors {
            times.failed.add(1);
        }
        Ok(())
    }

    /// Notes and shows the gathered command, which has run.
    fn note(&mut self, command: &Command) {
        let args = Args::new(&self.bytes, &self.spans);
        if self.limits.tracks_reads
            && command.is(READONLY)
            && !command.is(PUBSUB)
            && let Some(Held { shards, .. }) = &mut self.held
        {
            self.host.note_reads(shards, args, &self.keys);
        }
        if self.host.is_monitored() {
            self.host.show(self.db, command, args);
        }
    }
}

/// A reply for the script. A short text goes through the scratch buffer: so it is made by Luau
/// itself, and not through a handle.
fn take_reply(
    lua: &Lua,
    scratch: &ScratchBuffer,
    pace: &Pace,
    bytes: &[u8],
    resp3: bool,
) -> Result<ScriptReply, Failure> {
    if let Some(text) = convert::bulk(bytes)
        && scratch.write(&[text])
    {
        return Ok(ScriptReply::Right(text.len()));
    }
    let len = bytes.len();
    without_limit(lua, len, || convert::from_reply(lua, bytes, resp3, pace)).map(ScriptReply::Left)
}

/// The error of a script that crossed with another one.
pub fn crossed_error() -> Error {
    Error::bytes(CROSSED.to_vec())
}

/// The error of a call without a command.
pub const NO_ARGUMENT: &[u8] = b"ERR Please specify at least one argument for this redis lib call";
/// The error of an argument that is neither text nor number.
pub const BAD_ARGUMENT: &[u8] = b"ERR Lua redis lib command arguments must be strings or integers";
const CHECK_UNKNOWN: &[u8] = b"ERR Invalid command passed to redis.acl_check_cmd()";
const CHECK_ARITY: &[u8] = b"ERR Wrong number of args for redis.acl_check_cmd()";
const TOO_LONG: &[u8] = b"ERR The arguments of a command from script exceed 4 GiB";
const UNKNOWN: &[u8] = b"ERR Unknown Redis command called from script";
const WRONG_ARITY: &[u8] = b"ERR Wrong number of args calling Redis command from script";
const NOT_ALLOWED: &[u8] = b"ERR This Redis command is not allowed from script";
const READ_ONLY: &[u8] = b"ERR Write commands are not allowed from read-only scripts.";
const NOT_RUNNING: &[u8] = b"ERR redis.call/pcall can only be called inside a script invocation";
const STOPPED: &[u8] = b"ERR Error running script: it was ended";
const CROSSED: &[u8] = b"ERR The script had written and then reached for a key that it did not \
    declare, while another script did so the other way round: one of both had to end. Neither has \
    done so before; from now on both may.";
