//! Scripts without a server: an engine, a host with a clock that a test moves, and one worker.

use redstart_engine::keyspace::LockedShards;
use redstart_engine::run::command::Declared;
use redstart_engine::spec::{Arity, Command, Group, MAY_REPLICATE, declare};
use redstart_engine::stats::Stats;
use redstart_engine::{Engine, Error, KeyAt, Now, Registry, WorkerState};
use redstart_protocol::{Args, OwnedArgs, Protocol, Reply};
use redstart_scripting::host::{Host, Level, Measuring, Parts, Unit};
use redstart_scripting::library::Libraries;
use redstart_scripting::{Access, Caller, Existing, Runtime, ScriptRef, Store};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

const fn session(name: &'static str) -> Command {
    declare(name, Group::Server, Arity::Exactly(2)).flags(MAY_REPLICATE)
}

/// PAUSE ms: lets the clock pass, and replies with the database.
static PAUSE: Command = session("pause");
/// CHOOSE db: selects a database; -1 is refused.
static CHOOSE: Command = session("choose");

/// A host that remembers what it was asked.
#[derive(Default)]
pub struct TestHost {
    /// The clock, in nanoseconds.
    pub now_ns: Cell<u64>,
    /// How far each reading moves the clock, in nanoseconds.
    pub step_ns: Cell<u64>,
    /// How often the clock was read in nanoseconds.
    pub readings: Cell<u32>,
    /// How commands are measured.
    pub measuring: Cell<Measuring>,
    /// Whether the disk fails.
    pub refuses: Cell<bool>,
    /// Whether MONITOR is on.
    pub monitored: Cell<bool>,
    /// What was logged, shown, noted as read, and noted as slow: a line each.
    pub lines: RefCell<Vec<String>>,
}

impl TestHost {
    fn add(&self, line: String) {
        self.lines.borrow_mut().push(line);
    }

    fn read(&self) -> u64 {
        self.now_ns.set(self.now_ns.get() + self.step_ns.get());
        self.now_ns.get()
    }
}

/// Arguments as text.
fn text(args: Args<'_>) -> String {
    args.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

impl Host for TestHost {
    fn session_command(&self, _: u16, args: Args<'_>, unit: Unit<'_>) -> Result<(), Error> {
        let number: i64 = String::from_utf8_lossy(&args[1]).parse().expect("a number");
        if args[0].eq_ignore_ascii_case(b"pause") {
            self.now_ns.set(self.now_ns.get() + number as u64 * 1_000_000);
            unit.reply.integer(*unit.db as i64);
            return Ok(());
        }
        *unit.db = usize::try_from(number).map_err(|_| Error::text("ERR no such database"))?;
        unit.reply.ok();
        Ok(())
    }

    fn refuses_writes(&self) -> Option<Error> {
        self.refuses.get().then_some(Error::text("MISCONF the disk fails"))
    }

    fn is_monitored(&self) -> bool {
        self.monitored.get()
    }

    fn show(&self, db: usize, _: &Command, args: Args<'_>) {
        self.add(format!("shown {db} {}", text(args)));
    }

    fn note_reads(&self, _: &mut LockedShards, args: Args<'_>, keys: &[KeyAt]) {
        let keys = keys.iter().map(|key| String::from_utf8_lossy(args.at(key.arg as usize)));
        self.add(format!("read {}", keys.collect::<Vec<_>>().join(" ")));
    }

    fn measuring(&self) -> Measuring {
        self.measuring.get()
    }

    fn note_slow(&self, _: u16, args: Args<'_>, ns: u64) {
        self.add(format!("slow {} {ns}", text(args)));
    }

    fn now_ns(&self) -> u64 {
        self.readings.set(self.readings.get() + 1);
        self.read()
    }

    fn now_ms(&self) -> u64 {
        self.read() / 1_000_000
    }

    fn log(&self, level: Level, text: &str) {
        self.add(format!("{level:?} {text}"));
    }
}

/// A worker that runs scripts.
pub struct Worker {
    /// Its host.
    pub host: Rc<TestHost>,
    /// What it shares with other workers.
    pub parts: Parts,
    /// Its Lua state.
    pub runtime: Runtime,
    /// Its part of the engine.
    pub local: WorkerState,
    /// What its clients' scripts may do.
    pub access: Access,
    /// Whether memory is short.
    pub lacks_room: bool,
    /// Whether its clients keep copies of what they read.
    pub tracks_reads: bool,
    /// Whether its clients hold all shards, as a transaction does.
    pub holds: bool,
    /// The protocol that its clients speak.
    pub protocol: Protocol,
}

impl Worker {
    /// The only worker of an empty engine.
    pub fn new() -> Worker {
        let engine: &'static Engine = Box::leak(Box::new(Engine::new([1, 2])));
        let commands =
            redstart_engine::commands::all().chain([&PAUSE, &CHOOSE].map(Declared::session));
        let registry = Box::leak(Box::new(Registry::new(commands)));
        let scripts: &'static Store = Box::leak(Box::default());
        scripts.configure(0, "7.2.4");
        Worker::beside(Parts { engine, registry, scripts })
    }

    /// Another worker that shares these parts.
    pub fn beside(parts: Parts) -> Worker {
        let host = Rc::new(TestHost::default());
        host.now_ns.set(1_000_000_000);
        let runtime = Runtime::new(parts, host.clone()).expect("there is memory");
        let local = WorkerState::new(Arc::new(Stats::new(parts.registry.len())), 1);
        let (lacks_room, tracks_reads, holds) = (false, false, false);
        let (access, protocol) = (Access::ReadWrite, Protocol::Resp2);
        Worker { host, parts, runtime, local, access, lacks_room, tracks_reads, holds, protocol }
    }

    /// Runs `f` for a client of database 0, and returns the reply as text.
    fn run(
        &mut self,
        f: impl FnOnce(&mut Runtime, &mut Caller<'_>) -> Result<(), Error>,
    ) -> String {
        let mut reply = Reply::new(self.protocol);
        let mut held = self.holds.then(|| self.parts.engine.keyspace.lock_all());
        let mut caller = Caller {
            local: &mut self.local,
            now: Now::new(1_000, 1_700_000_000_000),
            db: 0,
            reply: &mut reply,
            held: held.as_mut(),
            lacks_room: self.lacks_room,
            tracks_reads: self.tracks_reads,
            checks_rights: false,
        };
        if let Err(error) = f(&mut self.runtime, &mut caller) {
            error.write(&mut reply);
        }
        assert!(held.is_none_or(|held| held.holds_all()), "what was lent comes back");
        self.local.garbage.clear();
        String::from_utf8_lossy(&reply.to_vec()).into_owned()
    }

    /// Runs a script without keys.
    pub fn eval(&mut self, script: &str) -> String {
        self.eval_with(script, &[], &[])
    }

    /// Runs a script.
    pub fn eval_with(&mut self, script: &str, keys: &[&str], argv: &[&str]) -> String {
        let args = request("EVAL", script, keys, argv);
        let access = self.access;
        self.run(|runtime, caller| {
            runtime.eval(caller, ScriptRef::Text(script.as_bytes()), args.as_args(), access)
        })
    }

    /// Runs a script by its digest.
    pub fn evalsha(&mut self, digest: &str) -> String {
        let args = request("EVALSHA", digest, &[], &[]);
        let access = self.access;
        self.run(|runtime, caller| {
            runtime.eval(caller, ScriptRef::Digest(digest.as_bytes()), args.as_args(), access)
        })
    }

    /// Calls a function.
    pub fn call(&mut self, name: &str, keys: &[&str], argv: &[&str]) -> String {
        let args = request("FCALL", name, keys, argv);
        let access = self.access;
        self.run(|runtime, caller| runtime.call(caller, args.as_args(), access))
    }

    /// Adds a library; returns its name, or the error.
    pub fn load(&mut self, code: &str, existing: Existing) -> Result<String, String> {
        let functions = &self.parts.scripts.functions;
        let mut libraries: Libraries = functions.libraries.read().clone();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let name = self.runtime.add_library(&mut libraries, code.as_bytes(), existing);
        let name = name.map_err(|error| text(error.as_bytes()))?;
        functions.set(libraries, || ());
        Ok(text(&name))
    }

    /// The calls of a command and the nanoseconds that they took.
    pub fn counted(&self, name: &str) -> (u64, u64) {
        let id = self.parts.registry.get(name.as_bytes()).expect("it is a command").id as usize;
        (self.local.stats.calls[id].value(), self.local.stats.times[id].ns.value())
    }

    /// What the host was asked since this was last called.
    pub fn lines(&self) -> Vec<String> {
        self.host.lines.take()
    }
}

fn request(name: &str, script: &str, keys: &[&str], argv: &[&str]) -> OwnedArgs {
    let count = keys.len().to_string();
    let words = [name, script, &count].into_iter().chain(keys.iter().copied());
    let words: Vec<&[u8]> = words.chain(argv.iter().copied()).map(str::as_bytes).collect();
    OwnedArgs::from_slices(&words)
}
