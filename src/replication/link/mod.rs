//! The link to a master: this server as the replica of another.
//!
//! ```text
//!   mod         the master that is followed, settings, what clients are refused
//!   attempt     the thread: connects, syncs, waits for the end of the stream, connects again
//!   wire        a connection as long as the thread has it
//!   relay       TLS, if there is any
//!   handshake   what is said before anything is sent
//!   transfer    the data set on its way into a file
//!   stream      what follows it, applied by a worker as the requests of a session
//!   status      how it goes, for INFO and ROLE
//! ```
//!
//! Each REPLICAOF begins an [`Attempt`] of its own, whose thread ends when the next one begins: one
//! that waits for a connection holds nothing up. What an attempt does to the data set or the
//! stream, it does while it is the present one, under a lock that REPLICAOF takes, too.

mod attempt;
mod handshake;
mod relay;
mod status;
pub mod stream;
mod transfer;
pub mod wire;

use crate::clients::address::Address;
use crate::durability::{Durability, Replay};
use crate::replication::{MasterAddress, Replication};
use crate::system::clock::Clock;
use crate::system::heartbeats::Heartbeats;
use crate::system::log;
use attempt::Attempt;
use handshake::{Answer, Introduction};
use parking_lot::{Mutex, RwLock};
use redstart_config::{Config, Setting};
use redstart_engine::spec::{RUNS_QUEUE, STALE, WRITE};
use redstart_engine::{Command, Engine, Error};
use redstart_persistence::storage::Stream as File;
pub use status::{Phase, Status};
use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stream::{Failed, Master};
use transfer::Transfer;
use wire::{Plug, Wire};

const READ_ONLY: &str = "READONLY You can't write against a read only replica.";
const MASTER_DOWN: &str = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set \
    to 'no'.";

/// The parts of the server that a link works on.
#[derive(Clone, Copy)]
pub struct Parts {
    /// Keys and values.
    pub engine: &'static Engine,
    /// The clocks.
    pub clock: &'static Clock,
    /// Settings.
    pub config: &'static RwLock<Config>,
    /// The log and the snapshots; loads what the master sends.
    pub durability: &'static Durability,
    /// The role, and the stream that is passed on.
    pub replication: &'static Replication,
    /// Signs of life of the workers.
    pub heartbeats: &'static Heartbeats,
}

/// Gives a socket to a worker, whose requests are those of a master.
pub type Connect = Box<dyn Fn(Plug, Address, Box<Master>) + Send + Sync>;
/// Makes what loads libraries of functions.
pub type MakeReplay = Box<dyn Fn() -> Box<dyn Replay> + Send + Sync>;

/// What the link needs of rooms above.
pub struct Wiring {
    /// See [`Connect`].
    pub connect: Connect,
    /// See [`MakeReplay`].
    pub replay: MakeReplay,
}

/// Fetches a data set once, as a replica does, and hangs up.
///
/// # Errors
/// When the server does not send one.
pub fn fetch(
    host: &str,
    port: u16,
    user: Vec<u8>,
    password: Vec<u8>,
    file: &mut dyn File,
) -> io::Result<()> {
    let mut wire = Wire::connect(host, port, None, FETCH_PATIENCE)?;
    // Without a port it is no replica that Sentinel would know.
    let about = Introduction { user, password, ..Introduction::default() };
    handshake::introduce(&mut wire, &about)?;
    match handshake::ask(&mut wire, None)? {
        Answer::Full { .. } => transfer::receive(&mut wire, file, &Transfer::default(), || 0),
        Answer::Continues { .. } => Err(io::Error::other("the server does not send its data")),
    }
}

/// How long a server may be silent while its data is fetched.
const FETCH_PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    /// Whether this thread applies the master's stream.
    static APPLIES: Cell<bool> = const { Cell::new(false) };
}

/// The link to a master, if there is one.
pub struct Link {
    parts: Parts,
    wiring: OnceLock<Wiring>,
    state: Mutex<State>,
    is_up: AtomicBool,
    is_read_only: AtomicBool,
    serves_stale: AtomicBool,
    ignores_maxmemory: AtomicBool,
}

/// What is known of the master, and survives a broken link.
#[derive(Default)]
struct State {
    attempt: Option<Arc<Attempt>>,
    status: Status,
    /// Whether the data set is that of the stream's id and offset: a partial resync may be asked
    /// for.
    is_whole: bool,
    /// The database that is selected at the offset.
    db: usize,
    /// What has failed since the last full sync.
    failed: Failed,
}

impl Link {
    /// A link to no master.
    pub fn new(parts: Parts) -> Link {
        Link {
            parts,
            wiring: OnceLock::new(),
            state: Mutex::new(State { is_whole: true, ..State::default() }),
            is_up: AtomicBool::new(false),
            is_read_only: AtomicBool::new(true),
            serves_stale: AtomicBool::new(true),
            ignores_maxmemory: AtomicBool::new(true),
        }
    }

    /// Follows the configuration.
    pub fn configure(&self, config: &Config) {
        self.is_read_only.store(config.is(Setting::ReplicaReadOnly), Relaxed);
        self.serves_stale.store(config.is(Setting::ReplicaServeStaleData), Relaxed);
        self.ignores_maxmemory.store(config.is(Setting::ReplicaIgnoreMaxmemory), Relaxed);
    }

    /// This server is a replica before it has loaded its own data: nothing of that expires.
    /// [`Link::start`] follows.
    pub fn announce(&self, master: MasterAddress) {
        self.parts.engine.keyspace.set_expiry_follows(true);
        self.parts.replication.become_replica_of(master);
    }

    /// From now on there are workers, and data has been loaded: a master that was announced is
    /// followed.
    pub fn start(&'static self, wiring: Wiring) {
        assert!(self.wiring.set(wiring).is_ok(), "a server starts once");
        if let Some(master) = self.parts.replication.master_address() {
            self.begin(master);
        }
    }

    /// Follows a master from now on. What the server has of its data is kept until the master says
    /// that it cannot go on from there.
    pub fn follow(&'static self, master: MasterAddress) {
        self.end_attempt();
        self.announce(master.clone());
        self.begin(master);
    }

    /// Follows no master any more: what is here by now is this server's own.
    pub fn leave(&self) {
        self.end_attempt();
        self.parts.replication.become_master();
        self.parts.engine.keyspace.set_expiry_follows(false);
        self.state.lock().status = Status::default();
    }

    fn begin(&'static self, master: MasterAddress) {
        let attempt = Arc::new(Attempt::new(master));
        {
            let mut state = self.state.lock();
            state.status = Status { phase: Phase::Connect, ..Status::default() };
            state.attempt = Some(attempt.clone());
        }
        let body = move || attempt.run(self);
        let begun = std::thread::Builder::new().name("link".into()).spawn(body);
        if let Err(error) = begun {
            log::warning(format_args!("The master cannot be followed: {error}"));
        }
    }

    /// Ends the present attempt. When this returns, nothing of its stream is applied any more.
    fn end_attempt(&self) {
        let ended = self.state.lock().attempt.take();
        if let Some(attempt) = ended {
            attempt.end(self);
        }
        self.is_up.store(false, Relaxed);
    }

    /// How it goes.
    pub fn status(&self) -> Status {
        let state = self.state.lock();
        let mut status = state.status.clone();
        status.failed = state.failed;
        if let Some(stream) = state.attempt.as_ref().and_then(|attempt| attempt.stream()) {
            status.last_io_ms = Some(stream.last_io_ms());
            status.failed = stream.failed();
        }
        status
    }

    /// Whether the master's stream is being applied.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Relaxed)
    }

    /// Whether nothing is evicted here: what goes, the master says.
    pub fn keeps_all(&self) -> bool {
        self.parts.replication.is_replica() && self.ignores_maxmemory.load(Relaxed)
    }

    /// Why a client's command may not run on this replica, if so; `queues_writes` says whether the
    /// client's transaction writes.
    #[cold]
    pub fn refusal(
        &self,
        command: &Command,
        queues_writes: impl FnOnce() -> bool,
    ) -> Option<Error> {
        let writes = command.is(WRITE) || command.is(RUNS_QUEUE) && queues_writes();
        if writes && let Some(error) = self.refuses_writes() {
            return Some(error);
        }
        let is_stale = !self.is_up() && !self.serves_stale.load(Relaxed);
        (is_stale && !command.is(STALE)).then(|| Error::text(MASTER_DOWN))
    }

    /// Runs `f`, which applies the master's stream on this thread: its scripts may write.
    pub fn applying<R>(f: impl FnOnce() -> R) -> R {
        APPLIES.set(true);
        let result = f();
        APPLIES.set(false);
        result
    }

    /// Why a client may not write on this replica, if so.
    pub fn refuses_writes(&self) -> Option<Error> {
        let refuses = self.parts.replication.is_replica() && self.is_read_only.load(Relaxed);
        (refuses && !APPLIES.get()).then(|| Error::text(READ_ONLY))
    }

    fn now_ms(&self) -> u64 {
        self.parts.clock.now().mono_ms
    }
}
