//! Several clients of one engine, on a virtual clock: they wait, are woken, run out of time and
//! die, one step at a time and all in one thread.
#![allow(dead_code, reason = "each test binary uses a part")]

use redstart_engine::commands::key::EVICT;
use redstart_engine::driver::Driver;
use redstart_engine::keyspace::leases::Holder;
use redstart_engine::keyspace::waiters::{Waiter, Wake};
use redstart_engine::run::command::Runner;
use redstart_engine::run::effect::{Effect, Listener, Sink};
use redstart_engine::stats::Stats;
use redstart_engine::{Engine, KeyAt, Now, Prepared, Registry, WorkerState};
use redstart_protocol::{OwnedArgs, Protocol, Reply};
use std::sync::{Arc, Mutex};

/// A client's task, which nothing has to wake: it is asked.
#[derive(Default)]
struct Task(Arc<Holder>);

impl Wake for Task {
    fn wake(&self) {}

    fn holder(&self) -> Option<Arc<Holder>> {
        Some(self.0.clone())
    }
}

/// The log: every unit in its order.
#[derive(Default)]
struct Log(Mutex<Vec<Effect>>);

impl Sink for Log {
    fn append(&self, unit: &[Effect]) {
        self.0.lock().expect("no test has failed").extend(unit.iter().cloned());
    }
}

/// A client.
struct Client {
    task: Arc<Task>,
    waiter: Option<Arc<Waiter>>,
}

/// An engine and its clients.
pub struct World {
    /// The engine.
    pub engine: &'static Engine,
    /// The present.
    pub now: Now,
    registry: Registry,
    local: WorkerState,
    clients: Vec<Client>,
    log: Arc<Log>,
    /// What runs the log again, and the engine that it does so in.
    replay: Option<Driver>,
}

impl World {
    /// An empty engine with so many clients.
    pub fn new(clients: usize, seed: u64) -> World {
        let engine: &'static Engine = Box::leak(Box::new(Engine::new([seed, !seed])));
        let registry = Registry::new(redstart_engine::commands::all());
        let local = WorkerState::new(Arc::new(Stats::new(registry.len())), seed);
        let now = Now::new(1_000_000, 1_700_000_000_000);
        let log = Arc::new(Log::default());
        engine.listen(Listener::Log, log.clone());
        let clients = (0..clients).map(|_| client()).collect();
        World { engine, now, registry, local, clients, log, replay: None }
    }

    /// Runs a command of a client that does not wait. Returns the reply, its lines joined by
    /// blanks; None if the client waits now.
    pub fn start(&mut self, client: usize, line: &str) -> Option<String> {
        assert!(self.clients[client].waiter.is_none(), "the client waits");
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let owned = OwnedArgs::from_slices(&words);
        let args = owned.as_args();
        let found = self.registry.resolve(args).ok().flatten().expect("a command");
        assert!(found.command.arity.accepts(args.len()), "{line}");
        let Runner::Data(run, serve) = found.runner else { panic!("a command about data") };
        let mut keys: Vec<KeyAt> = Vec::new();
        self.engine.hash_keys(found, args, &mut keys).expect("it has its keys");
        let request = Prepared { command: found.command, run, args, keys: &keys, db: 0 };
        let (now, mut reply) = (self.now, Reply::new(Protocol::Resp2));
        let task = self.clients[client].task.clone();
        let local = &mut self.local;
        let waiter = if let Some(serve) = serve {
            self.engine.run_blocking(local, request, serve, now, &mut reply, || task)
        } else {
            self.engine.run(local, request, now, &mut reply);
            None
        };
        self.local.garbage.clear();
        self.clients[client].waiter = waiter;
        self.clients[client].waiter.is_none().then(|| text(&reply.to_vec()))
    }

    /// As [`World::start`], of a command that does not wait.
    pub fn run(&mut self, client: usize, line: &str) -> String {
        self.start(client, line).unwrap_or_else(|| panic!("{line} waits"))
    }

    /// As [`World::run`], of the last client, which never waits.
    pub fn run_apart(&mut self, line: &str) -> String {
        self.run(self.clients.len() - 1, line)
    }

    /// Whether a client waits.
    pub fn waits(&self, client: usize) -> bool {
        self.clients[client].waiter.is_some()
    }

    /// Whether a client's wait goes on.
    pub fn is_waiting(&self, client: usize) -> bool {
        self.clients[client].waiter.as_ref().is_some_and(|waiter| waiter.is_waiting())
    }

    /// The answer of a client's wait, if it has ended.
    pub fn answer(&mut self, client: usize) -> Option<String> {
        let waiter = self.clients[client].waiter.as_ref()?;
        let answer = text(&waiter.answered()?);
        self.engine.leave_queues(waiter);
        self.clients[client].waiter = None;
        Some(answer)
    }

    /// How many leases end with a client.
    pub fn leases_of(&self, client: usize) -> usize {
        self.clients[client].task.0.len()
    }

    /// Lets time pass, and what is over end.
    pub fn advance(&mut self, ms: u64) {
        self.now = Now::new(self.now.mono_ms + ms, self.now.wall_ms + ms as i64);
        self.tick();
    }

    /// Ends what is over.
    pub fn tick(&mut self) {
        let now = self.now;
        while self.engine.expire(&mut self.local, 0, 1, now) {}
        for waiter in self.clients.iter().filter_map(|client| client.waiter.as_ref()) {
            if waiter.deadline_ms != 0 && waiter.deadline_ms <= now.mono_ms {
                waiter.time_out();
            }
        }
        self.local.garbage.clear();
    }

    /// The wall clock jumps.
    pub fn jump(&mut self, ms: i64) {
        self.now = Now::new(self.now.mono_ms, self.now.wall_ms + ms);
    }

    /// A client's connection ends, whatever it waits for or holds; another takes its place.
    pub fn die(&mut self, client: usize) {
        let Client { task, waiter } = std::mem::replace(&mut self.clients[client], self::client());
        if let Some(waiter) = waiter {
            waiter.claim();
            self.engine.leave_queues(&waiter);
        }
        self.engine.keyspace.end_leases(&task.0);
    }

    /// A key goes because memory is short.
    pub fn evict(&mut self, key: &str) {
        let owned = OwnedArgs::from_slices(&[b"EVICT", key.as_bytes()]);
        let hash = self.engine.keyspace.hasher().hash(key.as_bytes());
        let keys = [KeyAt { arg: 1, hash }];
        let request = Prepared {
            command: &EVICT.spec,
            run: EVICT.run,
            args: owned.as_args(),
            keys: &keys,
            db: 0,
        };
        let mut reply = Reply::new(Protocol::Resp2);
        self.engine.run(&mut self.local, request, self.now, &mut reply);
    }

    /// The server is killed, and starts again from its log: into this engine, or another. All
    /// connections end.
    pub fn restart(&mut self, engine: &'static Engine) {
        (0..self.clients.len()).for_each(|client| self.die(client));
        self.engine.set_listening(Listener::Log, false);
        if !std::ptr::eq(self.engine, engine) {
            engine.listen(Listener::Log, self.log.clone());
            engine.set_listening(Listener::Log, false);
        }
        self.engine = engine;
        engine.keyspace.clear();
        let log = self.log.0.lock().expect("no test has failed").clone();
        let known = self.replay.take().filter(|driver| std::ptr::eq(driver.engine, engine));
        let mut driver = known.unwrap_or_else(|| Driver::of(engine, 1, self.now, &[]));
        driver.now = self.now.replaying();
        for Effect { db, args } in &log {
            driver.db = *db;
            let words: Vec<&[u8]> = args.iter().map(|word| &word[..]).collect();
            let reply = driver.call(&words);
            assert_ne!(reply.first(), Some(&b'-'), "{}", text(&reply));
        }
        self.replay = Some(driver);
        engine.set_listening(Listener::Log, true);
        self.tick();
    }

    /// An empty engine and log, with time having passed.
    pub fn clear(&mut self) {
        (0..self.clients.len()).for_each(|client| self.die(client));
        self.advance(1_000_000);
        self.engine.keyspace.clear();
        self.log.0.lock().expect("no test has failed").clear();
    }
}

fn client() -> Client {
    Client { task: Arc::default(), waiter: None }
}

fn text(reply: &[u8]) -> String {
    String::from_utf8_lossy(reply).trim_end().replace("\r\n", " ")
}

/// How many histories a test tries: as the variable says, else so many.
pub fn histories(variable: &str, usual: u64) -> u64 {
    let wanted = std::env::var(variable).ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(usual)
}
