//! Replication: this server as the master of others, and as the replica of one.
//!
//! ```text
//!  as a master    effects --> feed --> stream --> sender --> replicas
//!  as a replica   master --> link --> engine, and pass_on --> stream --> sender --> its replicas
//! ```
//!
//! ```text
//!   mod        the role, the identity of the stream, its offset
//!   id         what a stream is told by
//!   stream     its bytes: what replicas have yet to get, and the backlog
//!   feed       effects as words of the stream
//!   words      which words these are, so that old servers understand them
//!   replicas   those that follow this server
//!   link       the master, if there is one
//! ```
//!
//! The stream is one sequence of bytes that all replicas get, down the chain: the offset says how
//! many there were, the id which history they belong to. So a replica of any depth goes on with
//! any server that has the bytes behind its own offset.
//!
//! What a replica that is Redstart says of itself, beside what Redis's say: `REPLCONF capa
//! redstart`. Then a full sync is a snapshot of ours (`crates/persistence/src/snapshot`) where
//! others get an RDB: it holds tags, fences, notes and deadlines of members. Which database is
//! selected behind it stands behind the offset of `+FULLRESYNC`.
//!
//! Everybody gets the same words. What only Redstart understands is wrapped, in a word that all
//! others pass over: `REPLCONF capa` and a text whose beginning is [`words::WRAPPED`].

mod feed;
mod id;
pub mod link;
pub mod replicas;
mod stream;
pub mod words;

pub use id::{Id, Ids};
pub use stream::Extent;

use crate::clients::Clients;
use crate::durability::Durability;
use crate::system::clock::Clock;
use crate::system::log;
use feed::Feed;
use parking_lot::{Mutex, MutexGuard, RwLock};
use redstart_config::{Config, Setting};
use redstart_engine::Engine;
use redstart_engine::run::effect::{Effect, Listener, Sink};
use redstart_protocol::Args;
use replicas::sync::Syncs;
use replicas::wait::Waits;
use replicas::{Newcomer, Replicas};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, OnceLock};
use stream::Stream;
use tokio::sync::{Notify, mpsc};

/// What is replied to writes while there are too few replicas.
pub const LACKS_REPLICAS: &str = "NOREPLICAS Not enough good replicas to write.";

/// Where a master is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterAddress {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The parts of the server that replication works on.
#[derive(Clone, Copy)]
pub struct Parts {
    /// Keys and values.
    pub engine: &'static Engine,
    /// The clocks.
    pub clock: &'static Clock,
    /// Settings.
    pub config: &'static RwLock<Config>,
    /// All clients; replicas are among them.
    pub clients: &'static Clients,
    /// Takes the snapshots of full syncs.
    pub durability: &'static Durability,
}

/// Replication, in both directions.
pub struct Replication {
    parts: Parts,
    is_replica: AtomicBool,
    master: Mutex<Option<MasterAddress>>,
    ids: Mutex<Ids>,
    /// Held while what came from a master is applied and passed on.
    applying: Mutex<()>,
    stream: Stream,
    /// Those that follow this server.
    pub replicas: Replicas,
    syncs: Syncs,
    waits: Waits,
    /// The way of clients to the thread that serves replicas.
    newcomers: OnceLock<mpsc::UnboundedSender<Newcomer>>,
    /// How far the stream was looked at by those who send it, and whether they sleep.
    seen: AtomicU64,
    asleep: AtomicBool,
    fed: Notify,
    /// How many replicas said lately how far they are, and whether that is too few to write.
    good: AtomicUsize,
    lacks_replicas: AtomicBool,
    /// How many are wanted (`min-replicas-to-write`), and what is lately.
    wanted: AtomicUsize,
    lag_max_s: AtomicU64,
}

impl Replication {
    /// A master without replicas.
    pub fn new(parts: Parts) -> Replication {
        Replication {
            parts,
            is_replica: AtomicBool::new(false),
            master: Mutex::default(),
            ids: Mutex::default(),
            applying: Mutex::default(),
            stream: Stream::default(),
            replicas: Replicas::default(),
            syncs: Syncs::default(),
            waits: Waits::default(),
            newcomers: OnceLock::new(),
            seen: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            fed: Notify::new(),
            good: AtomicUsize::new(0),
            lacks_replicas: AtomicBool::new(false),
            wanted: AtomicUsize::new(0),
            lag_max_s: AtomicU64::new(0),
        }
    }

    /// Starts the thread that serves replicas.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(&'static self) -> io::Result<()> {
        let engine = self.parts.engine;
        engine.listen(Listener::Replicas, Arc::new(Feed(self)));
        engine.set_listening(Listener::Replicas, false);
        let (newcomers, mut arriving) = mpsc::unbounded_channel();
        // The server starts once.
        let _ = self.newcomers.set(newcomers);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = move || {
            log::never_block_this_thread();
            runtime.block_on(async {
                tokio::spawn(self.keep_sending());
                tokio::spawn(self.keep_ticking());
                tokio::spawn(self.keep_syncing());
                while let Some(newcomer) = arriving.recv().await {
                    tokio::spawn(self.serve(newcomer));
                }
            });
        };
        std::thread::Builder::new().name("replicas".into()).spawn(body).map(drop)
    }

    /// Follows the settings.
    pub fn configure(&self, config: &Config) {
        self.stream.keep(config.count(Setting::ReplBacklogSize));
        self.wanted.store(config.count(Setting::MinReplicasToWrite), Relaxed);
        self.lag_max_s.store(config.count(Setting::MinReplicasMaxLag) as u64, Relaxed);
        self.count_good(self.parts.clock.now().mono_ms);
    }

    /// Takes a client on as a replica.
    pub fn take_on(&self, newcomer: Newcomer) {
        if let Some(newcomers) = self.newcomers.get() {
            // The thread ends only with the process.
            let _ = newcomers.send(newcomer);
        }
    }

    /// Whether this server repeats what a master does.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.is_replica.load(Relaxed)
    }

    /// Whether there are too few replicas for anything to be written.
    #[inline]
    pub fn lacks_replicas(&self) -> bool {
        self.lacks_replicas.load(Relaxed)
    }

    /// How many replicas said lately how far they are.
    pub fn good_replicas(&self) -> usize {
        self.good.load(Relaxed)
    }

    /// The master, if there is one.
    pub fn master_address(&self) -> Option<MasterAddress> {
        self.master.lock().clone()
    }

    /// The identity of the stream, and of the one before.
    pub fn ids(&self) -> Ids {
        self.ids.lock().clone()
    }

    /// How many bytes of the stream there were: made here, or, by a replica, applied.
    pub fn offset(&self) -> u64 {
        self.stream.end()
    }

    /// The offset behind the last change of data.
    pub fn changed(&self) -> u64 {
        self.stream.changed()
    }

    /// What of the stream is kept.
    pub fn backlog(&self) -> Extent {
        self.stream.extent()
    }

    /// Feeds a request that changed something other than keys, or that replicas are to repeat.
    pub fn feed_request(&'static self, db: usize, args: Args<'_>) {
        if self.parts.engine.is_listening(Listener::Replicas) {
            let name = self.parts.engine.options.declared_name(args.at(0));
            let args = std::iter::once(name).chain(args.from(1).iter());
            let args = args.map(bytes::Bytes::copy_from_slice).collect();
            Feed(self).append(&[Effect { db, args }]);
        }
    }

    /// Becomes the replica of another server: from now on the stream is the master's. The id and
    /// the offset stay, so that the link can ask for a partial resync. The link is started by the
    /// caller (REPLICAOF).
    pub fn become_replica_of(&self, master: MasterAddress) {
        let _applying = self.applying();
        let _all = self.parts.engine.keyspace.lock_all();
        *self.master.lock() = Some(master);
        self.is_replica.store(true, SeqCst);
        self.parts.engine.set_listening(Listener::Replicas, false);
    }

    /// Becomes a master, if it is none: the stream goes on under a new id, the old one counts up
    /// to here. The link has ended before. Replicas are disconnected, so that they learn the new
    /// id; they go on from where they were.
    pub fn become_master(&self) {
        let _applying = self.applying();
        {
            let _all = self.parts.engine.keyspace.lock_all();
            if !self.is_replica.swap(false, SeqCst) {
                return;
            }
            *self.master.lock() = None;
            self.ids.lock().shift(self.offset());
            self.stream.forget_db();
            let is_kept = self.stream.extent().is_kept;
            self.parts.engine.set_listening(Listener::Replicas, is_kept);
        }
        self.replicas.disconnect();
    }

    /// The link has loaded a full sync: the stream is another one, and is at `offset`. There is a
    /// backlog from now on; replicas of this server are disconnected, and begin anew.
    pub fn adopt(&self, id: Id, offset: u64) {
        let _applying = self.applying();
        *self.ids.lock() = Ids::of(id);
        self.stream.restart(offset);
        self.replicas.disconnect();
    }

    /// The master goes on with the stream under a new id (`+CONTINUE id`): the old one counts up to
    /// here. Replicas of this server are disconnected, so that they learn of it.
    pub fn continue_as(&self, id: Id) {
        let _applying = self.applying();
        let offset = self.offset();
        let mut ids = self.ids.lock();
        if ids.id != id {
            ids.shift_to(id, offset);
            drop(ids);
            self.replicas.disconnect();
        }
        self.stream.set_kept(true);
    }

    /// Held by the link from before it applies something of the stream until it has passed it on:
    /// a snapshot that is taken meanwhile would hold what its offset does not count.
    pub fn applying(&self) -> MutexGuard<'_, ()> {
        self.applying.lock()
    }

    /// The link has applied these bytes of the master's stream: they are passed on as they are, and
    /// count. They are whole commands, and a transaction (MULTI ... EXEC) comes as a whole; `db` is
    /// selected behind them. The caller holds [`Replication::applying`].
    pub fn pass_on(&self, bytes: &[u8], db: usize) {
        self.stream.append_as_is(bytes, db);
        self.nudge();
    }
}
