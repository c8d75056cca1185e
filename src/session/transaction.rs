//! A client's transaction: what it watches and what it has queued. EXEC itself is in
//! `dispatch/exec.rs`.

use crate::clients::client::{KeptFor, NODE_BYTES};
use crate::session::Session;
use redstart_engine::spec::{Flags, RUNS_QUEUE};
use redstart_engine::{Command, Error, Key, KeyAt, Now, WorkerState};
use redstart_protocol::{Args, OwnedArgs};
use std::sync::atomic::Ordering::Relaxed;

/// The error of a command that cannot be queued.
pub const NOT_IN_MULTI: &str = "ERR Command not allowed inside a transaction";

/// What a client has asked for between MULTI and EXEC.
#[derive(Default)]
pub struct Queue {
    /// The requests, in their order.
    pub requests: Vec<Queued>,
    /// What they take.
    pub bytes: usize,
    /// Whether a request was refused meanwhile, so that EXEC will be.
    pub failed: bool,
}

/// A request that waits for EXEC.
pub struct Queued {
    /// The command's id.
    pub id: u16,
    /// Its arguments.
    pub args: OwnedArgs,
    /// Its keys.
    pub keys: Vec<KeyAt>,
}

impl Queued {
    fn bytes(&self) -> usize {
        NODE_BYTES + self.args.heap_bytes() + size_of_val(&self.keys[..])
    }
}

impl Queue {
    /// Adds a request.
    pub fn push(&mut self, id: u16, args: Args<'_>, keys: &[KeyAt]) {
        let queued = Queued { id, args: OwnedArgs::from(args), keys: keys.to_vec() };
        self.bytes += queued.bytes();
        self.requests.push(queued);
    }

    /// A request was refused: EXEC will be, too.
    pub fn fail(&mut self) {
        self.failed = true;
    }

    /// What is queued: commands by their ids, and their arguments.
    pub fn requests(&self) -> impl Iterator<Item = (u16, Args<'_>)> {
        self.requests.iter().map(|request| (request.id, request.args.as_args()))
    }

    /// The number of requests.
    pub fn len(&self) -> usize {
        self.requests.len()
    }
}

impl Session {
    /// Watches a key of the selected database, unless it is watched already.
    pub fn watch(&mut self, key: &[u8], local: &mut WorkerState, now: Now) {
        if self.watches.contains(self.db, key) {
            return;
        }
        let engine = self.server.engine;
        let key = Key { bytes: key, hash: engine.keyspace.hasher().hash(key) };
        match engine.keyspace.lock_one_unless_busy(key.hash) {
            Ok(mut view) => {
                engine.expire_if_due(&mut view, local, now, self.db, key);
                self.watches.add(&mut view, self.db, key);
            }
            Err(_) => self.watches.add_broken(self.db, key),
        }
        self.watches_bytes += key.bytes.len() + NODE_BYTES;
        self.note_transaction();
    }

    /// Whether a command with one of these flags is queued.
    pub fn queues_any(&self, flags: Flags) -> bool {
        let registry = &self.server.registry;
        let mut queued = self.queue.iter().flat_map(|queue| queue.requests());
        queued.any(|(id, _)| registry.at(id).command.is(flags))
    }

    /// Lets others know what is queued and watched.
    pub fn note_transaction(&self) {
        let queued = self.queue.as_ref().map_or(-1, |queue| queue.len() as i64);
        self.info.queued.store(queued, Relaxed);
        self.info.watched.store(self.watches.len(), Relaxed);
        let queued = self.queue.as_ref().map_or(0, |queue| queue.bytes);
        self.info.set_kept(KeptFor::Transaction, queued + self.watches_bytes);
    }

    /// Watches nothing any more.
    pub fn unwatch(&mut self) {
        self.watches.clear(&self.server.engine.keyspace, self.server.leftover_watches);
        self.watches_bytes = 0;
        self.note_transaction();
    }

    /// Leaves the transaction, if there is one, and what it watches.
    pub fn discard(&mut self) {
        self.queue = None;
        self.unwatch();
    }
}

/// Notes that a request of a client was refused: a later EXEC is refused, too. If the request is
/// EXEC itself, the transaction ends. Returns the error to reply.
#[cold]
pub fn refuse(session: &mut Session, command: &Command, error: Error) -> Error {
    if let Some(queue) = &mut session.queue {
        queue.fail();
    }
    if command.is(RUNS_QUEUE) { abort(session, &error) } else { error }
}

/// Ends a client's transaction because EXEC cannot run. Returns the error to reply.
#[cold]
pub fn abort(session: &mut Session, reason: &Error) -> Error {
    session.discard();
    let mut text = b"EXECABORT Transaction discarded because of: ".to_vec();
    text.extend_from_slice(reason.as_bytes());
    Error::bytes(text)
}
