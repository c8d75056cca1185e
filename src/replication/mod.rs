//! Replication: this server as the master of others, and as the replica of one.
//!
//! ```text
//!  as a master    effects --> feed --> stream --> sender --> replicas
//!  as a replica   master --> link --> engine, and pass_on --> stream --> sender --> its replicas
//! ```
//!
//! ```text
//!   mod      the role, the identity of the stream, its offset
//!   stream   the bytes of the stream: what replicas have yet to get, and the backlog
//!   feed     effects as words of the stream
//!   words    what the words are, so that old servers understand them
//! ```
//!
//! The stream is one sequence of bytes that all replicas get, down the chain: the offset says how
//! many there were, the id which history they belong to. So a replica of any depth goes on with
//! any server that has the bytes behind its own offset.
//!
//! What a replica that is Redstart says of itself, beside what Redis's say: `REPLCONF capa
//! redstart`. Then a full sync is a snapshot of ours (`crates/persistence/src/snapshot`) where
//! others get an RDB: it holds tags, fences, notes and deadlines of members. Which of both it is,
//! its first bytes say.
//!
//! Everybody gets the same words. What only Redstart understands is wrapped, in a word that all
//! others pass over: `REPLCONF capa` and a text whose beginning is [`words::WRAPPED`].

mod id;
pub mod words;

pub use id::{Id, Ids};

use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Relaxed},
};

/// What this server is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes writes, and tells them to its replicas.
    Master,
    /// It repeats what a master does.
    Replica,
}

/// Where a master is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterAddress {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Replication, in both directions.
pub struct Replication {
    is_replica: AtomicBool,
    master: Mutex<Option<MasterAddress>>,
    ids: Mutex<Ids>,
    /// Held while what came from a master is applied and passed on.
    applying: Mutex<()>,
}

impl Replication {
    /// A master without replicas.
    pub fn new() -> Replication {
        Replication {
            is_replica: AtomicBool::new(false),
            master: Mutex::default(),
            ids: Mutex::new(Ids::new()),
            applying: Mutex::default(),
        }
    }

    /// Whether this server repeats what a master does.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.is_replica.load(Relaxed)
    }

    /// What this server is to others.
    pub fn role(&self) -> Role {
        if self.is_replica() { Role::Replica } else { Role::Master }
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
        todo!()
    }

    /// Becomes the replica of another server: from now on the stream is the master's. The id and
    /// the offset stay, so that the link can ask for a partial resync. The link is started by the
    /// caller (REPLICAOF).
    pub fn become_replica_of(&self, master: MasterAddress) {
        *self.master.lock() = Some(master);
        self.is_replica.store(true, Relaxed);
    }

    /// Becomes a master, if it is none: the stream goes on under a new id, the old one counts up
    /// to here. The link has ended before. Replicas are disconnected, so that they learn the new
    /// id; they go on from where they were.
    pub fn become_master(&self) {
        let _applying = self.applying();
        if self.is_replica.swap(false, AcqRel) {
            *self.master.lock() = None;
            self.ids.lock().shift(self.offset());
        }
    }

    /// The link has loaded a full sync: the stream is another one, and is at `offset`. There is a
    /// backlog from now on; replicas of this server are disconnected, and begin anew.
    pub fn adopt(&self, id: Id, offset: u64) {
        let _ = (id, offset);
        todo!()
    }

    /// The master goes on with the stream under a new id (`+CONTINUE id`): the old one counts up to
    /// here. Replicas of this server are disconnected, so that they learn of it.
    pub fn continue_as(&self, id: Id) {
        let _ = id;
        todo!()
    }

    /// Held by the link from before it applies something of the stream until it has passed it on:
    /// a snapshot that is taken meanwhile would hold what its offset does not count.
    pub fn applying(&self) -> MutexGuard<'_, ()> {
        self.applying.lock()
    }

    /// The link has applied these bytes of the master's stream: they are passed on as they are, and
    /// count. They are whole commands, and a transaction (MULTI ... EXEC) comes as a whole. The
    /// caller holds [`Replication::applying`].
    pub fn pass_on(&self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }
}
