//! Clients that wait for keys, under many schedules: no client that could be served goes on
//! waiting, none is served twice, and no element is lost or given to two.

mod explore;

use explore::explore;
use redstart_model::hasher::{Hasher, shard_of};
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
struct Task {
    is_woken: Mutex<bool>,
    changed: Condvar,
}

impl Task {
    fn sleep(&self) {
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
}

/// One client's side of the engine.
struct Client {
    engine: &'static Engine,
    local: WorkerState,
    task: Arc<Task>,
}

impl Client {
    fn new(engine: &'static Engine) -> Client {
        let local = WorkerState::new(Arc::new(Stats::new(registry().len())), 1);
        Client { engine, local, task: Arc::default() }
    }

    /// Runs a command; `a`, `b` and `c` stand for the keys. Returns the reply, or the waiter if the
    /// client waits now.
    fn start(&mut self, line: &str) -> Result<String, Arc<Waiter>> {
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

    fn run(&mut self, line: &str) -> String {
        self.start(line).unwrap_or_else(|_| panic!("{line} waits"))
    }

    /// Runs a command to its answer, however long it waits.
    fn wait(&mut self, line: &str) -> String {
        match self.start(line) {
            Ok(reply) => reply,
            Err(waiter) => self.finish(&waiter),
        }
    }

    /// Waits for the answer, and leaves the queues.
    fn finish(&self, waiter: &Waiter) -> String {
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

fn engine() -> &'static Engine {
    Box::leak(Box::new(Engine::new(SEED)))
}

fn client<R: Send + 'static>(
    engine: &'static Engine,
    f: impl FnOnce(&mut Client) -> R + Send + 'static,
) -> JoinHandle<R> {
    thread::spawn(move || f(&mut Client::new(engine)))
}

fn join<R>(thread: JoinHandle<R>) -> R {
    thread.join().expect("it ends")
}

/// How many elements there are in the three lists.
fn left(engine: &'static Engine) -> Vec<String> {
    ["a", "b", "c"].map(|key| Client::new(engine).run(&format!("LLEN {key}"))).into()
}

#[test]
fn as_many_are_served_as_there_are_elements() {
    explore(|| {
        let engine = engine();
        let waiting = ["BLPOP a b 0", "BRPOP b a 0", "BLMPOP 0 2 c b LEFT"]
            .map(|line| client(engine, move |client| client.wait(line)));
        let pushing = ["RPUSH a one", "RPUSH b two three", "LPUSH b four"]
            .map(|line| client(engine, move |client| client.run(line)));
        pushing.into_iter().for_each(|pushing| drop(join(pushing)));
        let answers = waiting.map(join);
        let mut given = ["one", "two", "three", "four"].to_vec();
        given.retain(|name| answers.iter().any(|answer| answer.contains(name)));
        assert_eq!(given.len(), 3, "{answers:?}");
        let rest = left(engine).iter().filter(|length| *length == ":1 ").count();
        assert_eq!(rest, 1, "{:?}", left(engine));
    });
}

#[test]
fn an_element_goes_to_the_client_or_stays() {
    explore(|| {
        let engine = engine();
        let mut waiting = Client::new(engine);
        let waiter = waiting.start("BLPOP a b 0").expect_err("the lists are empty");
        let timer = {
            let waiter = waiter.clone();
            // As the server's timer does it.
            thread::spawn(move || {
                let claimed = waiter.claim();
                if claimed {
                    waiter.answer(waiter.reply(|reply| reply.null_array()));
                }
                claimed
            })
        };
        let pushing = client(engine, |client| client.run("RPUSH b x"));
        let next = client(engine, |client| client.run("LPOP b"));
        let answer = waiting.finish(&waiter);
        let (timed_out, _, popped) = (join(timer), join(pushing), join(next));
        assert_eq!(timed_out, answer == "*-1 ", "{answer}");
        let places = [!timed_out, popped != "$-1 ", left(engine)[1] == ":1 "];
        assert_eq!(places.iter().filter(|there| **there).count(), 1, "{answer} {popped}");
    });
}

#[test]
fn a_client_that_dies_is_passed_over() {
    explore(|| {
        let engine = engine();
        let dying = client(engine, |client| match client.start("BLPOP a 0") {
            Ok(reply) => !reply.is_empty(),
            Err(waiter) => {
                // As the server does it when the connection has gone.
                let unserved = waiter.claim();
                client.engine.leave_queues(&waiter);
                !unserved
            }
        });
        let waiting = client(engine, |client| client.wait("BLPOP a 0"));
        let pushing = client(engine, |client| client.run("RPUSH a one"));
        let took = join(dying);
        join(pushing);
        if took {
            assert_eq!(left(engine)[0], ":0 ");
            Client::new(engine).run("RPUSH a two");
        }
        let answer = join(waiting);
        assert_eq!(answer.contains("two"), took, "{answer}");
        assert_eq!(left(engine), [":0 ", ":0 ", ":0 "]);
    });
}

#[test]
fn an_element_passes_through_the_clients_that_move_it() {
    explore(|| {
        let engine = engine();
        let links = ["BLMOVE a c LEFT RIGHT 0", "BRPOPLPUSH c b 0", "BLPOP b 0"]
            .map(|line| client(engine, move |client| client.wait(line)));
        let pushing = client(engine, |client| client.run("RPUSH a x"));
        // Others that take the same shards.
        let others = client(engine, |client| client.run("EXISTS a b c"));
        join(pushing);
        links.into_iter().for_each(|link| assert!(join(link).contains('x')));
        join(others);
        assert_eq!(left(engine), [":0 ", ":0 ", ":0 "]);
    });
}

#[test]
fn keys_that_come_by_other_ways_serve_too() {
    explore(|| {
        let engine = engine();
        Client::new(engine).run("RPUSH a one");
        Client::new(engine).run("RPUSH b two");
        let waiting = client(engine, |client| client.wait("BLPOP c 0"));
        let renaming = client(engine, |client| client.run("RENAMENX a c"));
        let copying = client(engine, |client| client.run("COPY b c"));
        let answer = join(waiting);
        join(renaming);
        join(copying);
        assert!(answer.contains("one") || answer.contains("two"), "{answer}");
    });
}

/// The checks can fail: a client that looks for its answer and then goes to sleep, without a look
/// at what happened between, is found.
#[test]
#[should_panic(expected = "deadlock")]
fn a_lost_wake_up_is_found() {
    explore(|| {
        let engine = engine();
        let waiting = client(engine, |client| {
            let Err(waiter) = client.start("BLPOP a 0") else { return };
            if waiter.answered().is_none() {
                *client.task.is_woken.lock() = false;
                client.task.sleep();
            }
        });
        let pushing = client(engine, |client| client.run("RPUSH a x"));
        join(pushing);
        join(waiting);
    });
}
