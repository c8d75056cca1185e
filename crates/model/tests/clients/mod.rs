//! Clients of one engine, each on a thread of the scheduler.
#![allow(dead_code, reason = "each test binary uses a part")]

use redstart_model::hasher::{Hasher, shard_of};
use redstart_model::keyspace::leases::Holder;
use redstart_model::keyspace::waiters::{Waiter, Wake};
use redstart_model::run::command::Runner;
use redstart_model::stats::Stats;
use redstart_model::sync::{Condvar, Mutex};
use redstart_model::{Engine, KeyAt, Now, Prepared, Registry, WorkerState};
use redstart_protocol::{OwnedArgs, Protocol, Reply};
use shuttle::thread::{self, JoinHandle};
use std::sync::{Arc, OnceLock};

const SEED: [u64; 2] = [1, 2];

/// The command table, which does not change.
fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| Registry::new(redstart_model::commands::all()))
}

/// Three keys of three shards, ascending.
fn keys() -> &'static [String; 3] {
    static KEYS: OnceLock<[String; 3]> = OnceLock::new();
    KEYS.get_or_init(|| {
        let hasher = Hasher::new(SEED);
        [0, 1, 2].map(|shard| {
            let names = (0..).map(|n| format!("k{n}"));
            let mut names = names.filter(|name| shard_of(hasher.hash(name.as_bytes())) == shard);
            names.next().expect("there are names without end")
        })
    })
}

/// A client's task: it sleeps until it is woken.
#[derive(Default)]
pub struct Task {
    /// Whether it is to look.
    pub is_woken: Mutex<bool>,
    changed: Condvar,
    /// The leases that end with the client.
    pub holder: Arc<Holder>,
}

impl Task {
    pub fn sleep(&self) {
        let mut is_woken = self.is_woken.lock();
        while !*is_woken {
            self.changed.wait(&mut is_woken);
        }
        *is_woken = false;
    }
}

impl Wake for Task {
    fn wake(&self) {
        *self.is_woken.lock() = true;
        self.changed.notify_all();
    }

    fn holder(&self) -> Option<Arc<Holder>> {
        Some(self.holder.clone())
    }
}

/// One client's side of the engine.
pub struct Client {
    /// The engine.
    pub engine: &'static Engine,
    local: WorkerState,
    /// What is woken.
    pub task: Arc<Task>,
}

impl Client {
    pub fn new(engine: &'static Engine) -> Client {
        let local = WorkerState::new(Arc::new(Stats::new(registry().len())), 1);
        Client { engine, local, task: Arc::default() }
    }

    /// Runs a command; `a`, `b` and `c` stand for the keys. Returns the reply, or the waiter if the
    /// client waits now.
    pub fn start(&mut self, line: &str) -> Result<String, Arc<Waiter>> {
        let name = |word: &str| match word {
            "a" => keys()[0].clone(),
            "b" => keys()[1].clone(),
            "c" => keys()[2].clone(),
            word => word.to_owned(),
        };
        let words: Vec<String> = line.split(' ').map(name).collect();
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        let owned = OwnedArgs::from_slices(&words);
        let args = owned.as_args();
        let found = registry().resolve(args).ok().flatten().expect("a command");
        let Runner::Data(run, serve) = found.runner else { panic!("a command about data") };
        let mut keys: Vec<KeyAt> = Vec::new();
        self.engine.hash_keys(found, args, &mut keys).expect("it has its keys");
        let request = Prepared { command: found.command, run, args, keys: &keys, db: 0 };
        let now = Now::new(1000, 1000);
        let mut reply = Reply::new(Protocol::Resp2);
        let task = self.task.clone();
        let waiter = if let Some(serve) = serve {
            self.engine.run_blocking(&mut self.local, request, serve, now, &mut reply, || task)
        } else {
            self.engine.run(&mut self.local, request, now, &mut reply);
            None
        };
        waiter.map_or_else(|| Ok(text(&reply.to_vec())), Err)
    }

    pub fn run(&mut self, line: &str) -> String {
        self.start(line).unwrap_or_else(|_| panic!("{line} waits"))
    }

    /// Runs a command to its answer, however long it waits.
    pub fn wait(&mut self, line: &str) -> String {
        match self.start(line) {
            Ok(reply) => reply,
            Err(waiter) => self.finish(&waiter),
        }
    }

    /// The connection ends, with what it waits for and holds.
    pub fn die(&self, waiter: Option<&Waiter>) {
        if let Some(waiter) = waiter {
            waiter.claim();
            self.engine.leave_queues(waiter);
        }
        self.engine.keyspace.end_leases(&self.task.holder);
    }

    /// The tick that ends what is over.
    pub fn tick(&mut self) {
        while self.engine.expire(&mut self.local, 0, 1, Now::new(1000, 1000)) {}
    }

    /// Waits for the answer, and leaves the queues.
    pub fn finish(&self, waiter: &Waiter) -> String {
        loop {
            if let Some(answer) = waiter.answered() {
                self.engine.leave_queues(waiter);
                return text(&answer);
            }
            self.task.sleep();
        }
    }
}

fn text(reply: &[u8]) -> String {
    String::from_utf8_lossy(reply).replace("\r\n", " ")
}

/// An empty engine.
pub fn engine() -> &'static Engine {
    Box::leak(Box::new(Engine::new(SEED)))
}

/// A client's thread.
pub fn client<R: Send + 'static>(
    engine: &'static Engine,
    f: impl FnOnce(&mut Client) -> R + Send + 'static,
) -> JoinHandle<R> {
    thread::spawn(move || f(&mut Client::new(engine)))
}

/// Waits for the end of a thread.
pub fn join<R>(thread: JoinHandle<R>) -> R {
    thread.join().expect("it ends")
}
