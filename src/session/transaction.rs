//! A client's transaction: what it watches and what it has queued. EXEC itself is in
//! `dispatch/exec.rs`.

use crate::clients::{Kept, NODE_BYTES};
use crate::session::Session;
use parking_lot::Mutex;
use redstart_engine::keyspace::Keyspace;
use redstart_engine::keyspace::watch::Watch;
use redstart_engine::run::call::KeyAt;
use redstart_engine::spec::Flags;
use redstart_engine::{Command, Error, Key, Now, WorkerState};
use redstart_protocol::{Args, OwnedArgs};
use std::sync::atomic::Ordering::Relaxed;

/// What a client has asked for between MULTI and EXEC.
#[derive(Default)]
pub struct Queue {
    /// The requests, in their order.
    pub requests: Vec<Queued>,
    bytes: usize,
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

/// What a client watches.
#[derive(Default)]
pub struct Watching {
    /// Broken once a watched key has changed.
    pub watch: Watch,
    bytes: usize,
    /// The keys.
    pub keys: Vec<Watched>,
}

/// A key that a client watches.
pub struct Watched {
    /// The database.
    pub db: usize,
    /// The key's hash.
    pub hash: u64,
    /// The key.
    pub key: Box<[u8]>,
    /// Whether it was there: only then its end is a change.
    pub was_there: bool,
}

/// A watch that has ended, but not where it is noted.
pub struct Unwatched {
    db: usize,
    hash: u64,
    key: Box<[u8]>,
    watch: Watch,
}

/// Watches that ended while a script held their keys for too long.
#[derive(Default)]
pub struct Remains(Mutex<Vec<Unwatched>>);

impl Remains {
    fn add(&self, unwatched: Unwatched) {
        self.0.lock().push(unwatched);
    }

    /// Removes them where that is possible now.
    pub fn remove(&self, keyspace: &'static Keyspace) {
        self.0.lock().retain(|Unwatched { db, hash, key, watch }| match keyspace.ask_one(*hash) {
            Ok(mut view) => {
                view.shard(*hash).watches.remove(*db, key, watch);
                false
            }
            Err(_) => true,
        });
    }
}

impl Queue {
    /// Adds a request.
    pub fn push(&mut self, id: u16, args: Args<'_>, keys: &[KeyAt]) {
        self.bytes += NODE_BYTES + args.iter().map(|arg| arg.len() + NODE_BYTES / 4).sum::<usize>();
        self.requests.push(Queued { id, args: OwnedArgs::from(args), keys: keys.to_vec() });
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
    /// Watches a key of the selected database, unless it is watched already. One whose time has
    /// passed goes first: that it is gone is no change.
    pub fn watch(&mut self, key: &[u8], local: &mut WorkerState, now: Now) {
        let engine = &self.server.engine;
        let hash = engine.keyspace.hasher().hash(key);
        let watching = &mut self.watching;
        if watching.keys.iter().any(|other| other.db == self.db && *other.key == *key) {
            return;
        }
        let mut was_there = true;
        match engine.keyspace.ask_one(hash) {
            Ok(mut view) => {
                engine.expire_if_due(&mut view, local, now, self.db, Key { bytes: key, hash });
                let shard = view.shard(hash);
                was_there = shard.db(self.db).is_some_and(|db| db.table.find(hash, key).is_some());
                shard.watches.add(self.db, hash, key, &watching.watch);
            }
            // A script holds it, and may have changed it by EXEC.
            Err(_) => watching.watch.break_off(),
        }
        watching.keys.push(Watched { db: self.db, hash, key: key.into(), was_there });
        watching.bytes += key.len() + NODE_BYTES;
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
        self.info.watched.store(self.watching.keys.len(), Relaxed);
        let queued = self.queue.as_ref().map_or(0, |queue| queue.bytes);
        self.info.set_kept(Kept::Transaction, queued + self.watching.bytes);
    }

    /// Watches nothing any more.
    pub fn unwatch(&mut self) {
        let Watching { watch, keys, .. } = std::mem::take(&mut self.watching);
        for Watched { db, hash, key, .. } in keys {
            match self.server.engine.keyspace.ask_one(hash) {
                Ok(mut view) => view.shard(hash).watches.remove(db, &key, &watch),
                Err(_) => {
                    self.server.unwatched.add(Unwatched { db, hash, key, watch: watch.clone() });
                }
            }
        }
        self.note_transaction();
    }

    /// Leaves the transaction, if there is one, and what it watches.
    pub fn discard(&mut self) {
        self.queue = None;
        self.unwatch();
    }
}

/// Notes that a request of a client was refused: a later EXEC is refused, too. If the request is EXEC
/// itself, the transaction ends. Returns the error to reply.
#[cold]
pub fn refuse(session: &mut Session, command: &Command, error: Error) -> Error {
    if let Some(queue) = &mut session.queue {
        queue.fail();
    }
    if command.name == "exec" { abort(session, &error) } else { error }
}

/// Ends a client's transaction because EXEC cannot run. Returns the error to reply.
#[cold]
pub fn abort(session: &mut Session, reason: &Error) -> Error {
    session.discard();
    let mut text = b"EXECABORT Transaction discarded because of: ".to_vec();
    text.extend_from_slice(reason.as_bytes());
    Error::bytes(text)
}
