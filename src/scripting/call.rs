//! `redis.call` from the host's side: a command's arguments out of Lua, its run under the
//! script's locks, its reply into Lua.

use super::convert;
use super::runtime::without_limit;
use super::slate::Slate;
use super::watch::{COMMAND_STEPS, Watch};
use crate::dispatch;
use crate::notify::monitor;
use crate::session::{Context, Session};
use mlua::{Either, Lua, MultiValue, Value};
use redstart_engine::keyspace::LockedShards;
use redstart_engine::run::call::KeyAt;
use redstart_engine::run::execute::{Prepared, WorkerState};
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::{
    Command, DENYOOM, MAY_REPLICATE, NOSCRIPT, READONLY, Run, SCRIPT_DEBUGGING, WRITE,
};
use redstart_engine::{Error, Now};
use redstart_protocol::{Args, DOUBLE_TEXT_MAX, Protocol, Span, format_f64};
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

/// From this magnitude on, `%.17g` writes an integer with an exponent.
const PLAIN_INTEGER_MAX: u64 = 100_000_000_000_000_000;

/// The text of an error for a script, without a dash in front.
pub type Failure = Cow<'static, [u8]>;

/// A command's reply on its way to the script: a value, or the length of a text on the slate.
pub type Told = Either<Value, usize>;

/// What the commands of the script that runs work with.
pub struct State {
    /// The client that they run as.
    pub session: Session,
    /// What is lent by the worker while a script runs.
    pub lent: Option<Lent>,
    /// While a script runs the worker's part of the engine; otherwise what stands in for it there
    /// meanwhile, once a script has run.
    pub local: Option<WorkerState>,
    /// Whether the script must not write.
    pub read_only: bool,
    /// Whether it must not take more memory, unless it has written already.
    pub lacks_room: bool,
    /// Whether to note keys outside the declared shards although they are locked.
    pub learning: bool,
    /// The declared keys, if its client wants to hear when what it reads becomes stale: any read
    /// counts as one of all these.
    pub noted: Option<Vec<(u64, Box<[u8]>)>>,
    /// Shards of the declared keys, while learning.
    pub declared: Vec<usize>,
    /// The first declared key and its hash: most commands of most scripts are about it.
    pub first: (Vec<u8>, u64),
    /// How it went.
    pub course: Course,
    /// Looks after it.
    pub watch: Rc<Watch>,
    slate: Slate,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    keys: Vec<KeyAt>,
}

/// What the worker lends.
pub struct Lent {
    /// The locked shards.
    pub view: LockedShards,
    /// The moment: it does not pass while the script runs.
    pub now: Now,
}

/// How a script's run went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// It stayed within its declared keys.
    Declared,
    /// It used other keys, whose shards were locked.
    Beyond,
    /// It asked for a shard that is not locked before it wrote anything: it must start again.
    Restart,
    /// It asked for one after it had written, and crossed with another that did so.
    Crossed,
    /// Somebody ended it.
    Killed,
}

impl State {
    /// The state of a worker where no script runs.
    pub fn new(session: Session, watch: Rc<Watch>, slate: Slate) -> State {
        State {
            session,
            lent: None,
            local: None,
            read_only: false,
            lacks_room: false,
            learning: false,
            noted: None,
            declared: Vec::new(),
            first: (Vec::new(), 0),
            course: Course::Declared,
            watch,
            slate,
            bytes: Vec::new(),
            spans: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Takes the worker's part of the engine in exchange for what stands in for it, or back.
    pub fn lend(&mut self, local: &mut WorkerState) {
        let other = self.local.get_or_insert_with(|| WorkerState::new(local.stats.clone(), 0));
        std::mem::swap(other, local);
    }

    /// Runs a command and returns its reply.
    pub fn call(&mut self, lua: &Lua, args: &MultiValue) -> Result<Told, Failure> {
        self.gather(args)?;
        self.run_gathered(lua)
    }

    /// As [`State::call`], of arguments that are strings.
    pub fn call_texts(&mut self, lua: &Lua, args: &[&[u8]]) -> Result<Told, Failure> {
        self.bytes.clear();
        self.spans.clear();
        for arg in args {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(arg);
            self.close_argument(start)?;
        }
        self.run_gathered(lua)
    }

    fn run_gathered(&mut self, lua: &Lua) -> Result<Told, Failure> {
        if self.watch.step(COMMAND_STEPS) {
            return Err(Cow::Borrowed(STOPPED));
        }
        self.run()?;
        let out = &mut self.session.out;
        let resp3 = out.protocol() == Protocol::Resp3;
        let told = match out.contiguous() {
            Some(bytes) => tell(lua, &self.slate, bytes, resp3),
            None => tell(lua, &self.slate, &out.to_vec(), resp3),
        };
        out.clear();
        told
    }

    /// Copies the arguments, which are strings and numbers.
    fn gather(&mut self, args: &MultiValue) -> Result<(), Failure> {
        self.bytes.clear();
        self.spans.clear();
        if args.is_empty() {
            return Err(Cow::Borrowed(NO_ARGUMENT));
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
                _ => return Err(Cow::Borrowed(BAD_ARGUMENT)),
            }
            self.close_argument(start)?;
        }
        Ok(())
    }

    /// Ends the argument that begins at `start`.
    fn close_argument(&mut self, start: usize) -> Result<(), Failure> {
        if self.bytes.len() > u32::MAX as usize {
            return Err(Cow::Borrowed(TOO_LONG));
        }
        let len = (self.bytes.len() - start) as u32;
        self.spans.push(Span { start: start as u32, len });
        Ok(())
    }

    fn add_number(&mut self, value: f64) {
        let mut text = [0; DOUBLE_TEXT_MAX];
        self.bytes.extend_from_slice(format_f64(value, &mut text).as_bytes());
    }

    /// Runs the gathered command; its reply is in the session's output.
    fn run(&mut self) -> Result<(), Failure> {
        let server = self.session.server;
        let args = Args::new(&self.bytes, &self.spans);
        let Ok(Some(&registered)) = server.registry.resolve(args) else {
            return Err(Cow::Borrowed(UNKNOWN));
        };
        let command = registered.command;
        if !command.arity.accepts(args.len()) {
            return Err(Cow::Borrowed(WRONG_ARITY));
        }
        self.check_allowed(command)?;
        let writes = command.is(WRITE | MAY_REPLICATE);
        self.keys.clear();
        let (first, first_hash) = &self.first;
        let hasher = server.engine.keyspace.hasher();
        let hash = |key: &[u8]| if key == first { *first_hash } else { hasher.hash(key) };
        if server.engine.hash_keys_by(&registered, args, &mut self.keys, hash).is_err() {
            self.keys.clear();
        }
        self.check_reach(&registered)?;
        if writes {
            self.watch.running.wrote.store(true, Relaxed);
        }
        let (Some(Lent { view, now }), Some(local)) = (&mut self.lent, &mut self.local) else {
            return Err(Cow::Borrowed(NOT_RUNNING));
        };
        local.stats.calls[registered.id as usize].add(1);
        let args = Args::new(&self.bytes, &self.spans);
        let errors = self.session.out.errors();
        match command.run {
            Run::Data(run) => {
                let db = self.session.db;
                let prepared = Prepared { command, run, args, keys: &self.keys, db };
                server.engine.run_in(view, local, prepared, *now, &mut self.session.out);
            }
            Run::Session | Run::Subcommands(_) => {
                let mut context =
                    Context { session: &mut self.session, local, now: *now, held: Some(view) };
                dispatch::execute::run_session(&mut context, registered.id, args);
            }
        }
        if self.session.out.errors() != errors
            && let Some(local) = &self.local
        {
            local.stats.times[registered.id as usize].failed.add(1);
        }
        if let Some(noted) = &self.noted
            && command.is(READONLY)
            && let Some(Lent { view, .. }) = &mut self.lent
        {
            let keys = noted.iter().map(|(hash, key)| (*hash, &key[..]));
            server.tracking.note(view, self.session.info.id, keys);
        }
        if server.monitors.is_on() && monitor::is_shown(command) {
            server.monitors.show(self.session.db, &"lua", command.name, args);
        }
        Ok(())
    }

    /// Refuses what the script must not do.
    fn check_allowed(&self, command: &Command) -> Result<(), Failure> {
        let server = self.session.server;
        let is_debug = || command.is(SCRIPT_DEBUGGING) && server.live.scripts_debug.load(Relaxed);
        if command.is(NOSCRIPT) && !is_debug() {
            return Err(Cow::Borrowed(NOT_ALLOWED));
        }
        if command.is(WRITE | MAY_REPLICATE) && self.read_only {
            return Err(Cow::Borrowed(READ_ONLY));
        }
        // A script that has begun to write goes on to its end: half of it would be worse.
        let has_written = || self.watch.running.wrote.load(Relaxed);
        if server.durability.refuses()
            && command.is(WRITE)
            && !has_written()
            && let Some(error) = server.durability.disk_error()
        {
            return Err(Cow::Owned(error.as_bytes().to_vec()));
        }
        if self.lacks_room && command.is(DENYOOM) && !has_written() {
            return Err(Cow::Owned(Error::OUT_OF_MEMORY.as_bytes().to_vec()));
        }
        Ok(())
    }

    /// Sees to it that the shards that the command needs are locked.
    fn check_reach(&mut self, registered: &Registered) -> Result<(), Failure> {
        let Some(Lent { view, .. }) = &mut self.lent else {
            return Err(Cow::Borrowed(NOT_RUNNING));
        };
        let everywhere = registered.needs_all_shards();
        if view.holds_all() {
            let within = |key: &KeyAt| self.declared.contains(&LockedShards::index_of(key.hash));
            if self.learning && (everywhere || !self.keys.iter().all(within)) {
                self.course = Course::Beyond;
            }
            return Ok(());
        }
        if !everywhere && self.keys.iter().all(|key| view.holds(key.hash)) {
            return Ok(());
        }
        if self.watch.running.wrote.load(Relaxed) {
            let reached = match everywhere {
                true => view.escalate_to_all(),
                false => {
                    view.escalate(self.keys.iter().map(|key| LockedShards::index_of(key.hash)))
                }
            };
            self.course = if reached.is_ok() { Course::Beyond } else { Course::Crossed };
            if reached.is_ok() {
                return Ok(());
            }
        } else {
            self.course = Course::Restart;
        }
        self.watch.end();
        Err(Cow::Borrowed(CROSSED))
    }
}

/// A reply for the script. A short text goes by the slate: so it is made by Luau itself, and not
/// through a handle.
fn tell(lua: &Lua, slate: &Slate, bytes: &[u8], resp3: bool) -> Result<Told, Failure> {
    if let Some(text) = convert::bulk(bytes)
        && slate.write(&[text])
    {
        return Ok(Told::Right(text.len()));
    }
    let len = bytes.len();
    without_limit(lua, len, || convert::from_reply(lua, bytes, resp3)).map(Told::Left)
}

/// What a script is told that crossed with another one.
pub fn crossed_error() -> Error {
    Error::bytes(CROSSED.to_vec())
}

const NO_ARGUMENT: &[u8] = b"ERR Please specify at least one argument for this redis lib call";
const BAD_ARGUMENT: &[u8] = b"ERR Lua redis lib command arguments must be strings or integers";
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
