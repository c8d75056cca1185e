//! A client's transaction: what it watches and what it has queued.
//!
//! EXEC takes the locks of all queued and watched keys at once, ascending, looks whether anything
//! that is watched has changed, and runs the queue as one unit. So a transaction is atomic and
//! isolated, and two that share no shard run on different cores at once.

use crate::clients::{Kept, NODE_BYTES};
use crate::dispatch;
use crate::metrics::errors;
use crate::metrics::timing::Stopwatch;
use crate::notify::invalidation;
use crate::session::{Context, Session};
use parking_lot::Mutex;
use redstart_engine::keyspace::watch::Watch;
use redstart_engine::keyspace::{Keyspace, LockedShards};
use redstart_engine::run::call::KeyAt;
use redstart_engine::run::execute::Prepared;
use redstart_engine::spec::{FAST, Flags, Run, WALKS, WHOLE_KEYSPACE};
use redstart_engine::{Command, Error, Key, Now, WorkerState};
use redstart_protocol::{Args, OwnedArgs};
use std::sync::atomic::Ordering::Relaxed;

/// What a client has asked for between MULTI and EXEC.
#[derive(Default)]
pub struct Queue {
    requests: Vec<Queued>,
    bytes: usize,
    /// Whether a request was refused meanwhile, so that EXEC will be.
    failed: bool,
}

struct Queued {
    id: u16,
    args: OwnedArgs,
    keys: Vec<KeyAt>,
}

/// What a client watches.
#[derive(Default)]
pub struct Watching {
    watch: Watch,
    bytes: usize,
    keys: Vec<Watched>,
}

/// A key that a client watches.
struct Watched {
    db: usize,
    hash: u64,
    key: Box<[u8]>,
    /// Whether it was there: only then its end is a change.
    was_there: bool,
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

/// EXEC.
///
/// # Errors
/// When there is no transaction, or a request of it was refused.
pub fn exec(context: &mut Context<'_>) -> Result<(), Error> {
    let Some(queue) = context.session.queue.take() else {
        return Err(Error::text("ERR EXEC without MULTI"));
    };
    if queue.failed {
        context.session.unwatch();
        let text = "EXECABORT Transaction discarded because of previous errors.";
        return Err(Error::text(text));
    }
    let mut view = match lock(context.session, &queue) {
        Ok(view) => view,
        Err(busy) => return Err(abort(context.session, &busy)),
    };
    let watching = std::mem::take(&mut context.session.watching);
    context.session.note_transaction();
    if is_broken(context, &mut view, watching) {
        context.session.out.null_array();
        return Ok(());
    }
    context.session.out.array(queue.requests.len());
    let engine = &context.session.server.engine;
    engine.begin(context.local);
    for request in &queue.requests {
        run(context, &mut view, request);
    }
    engine.commit(context.local);
    engine.serve(view, context.local, context.now);
    Ok(())
}

/// A request of a client was refused: EXEC will be, too, and if this was it, all of the transaction
/// ends. Returns what the client is told.
#[cold]
pub fn refuse(session: &mut Session, command: &Command, error: Error) -> Error {
    if let Some(queue) = &mut session.queue {
        queue.fail();
    }
    if command.name == "exec" { abort(session, &error) } else { error }
}

/// Ends a client's transaction because EXEC cannot run, and says why.
#[cold]
fn abort(session: &mut Session, reason: &Error) -> Error {
    session.discard();
    let mut text = b"EXECABORT Transaction discarded because of: ".to_vec();
    text.extend_from_slice(reason.as_bytes());
    Error::bytes(text)
}

/// The locks of everything that is queued and watched.
fn lock(session: &Session, queue: &Queue) -> Result<LockedShards, Error> {
    let server = session.server;
    let wants_all = |queued: &Queued| {
        let command = server.registry.at(queued.id).command;
        let looks_around = matches!(command.run, Run::Session) && !command.is(FAST);
        command.is(WHOLE_KEYSPACE) || command.is(WALKS) || looks_around
    };
    if queue.requests.iter().any(wants_all) {
        return server.engine.keyspace.ask_all();
    }
    let queued = queue.requests.iter().flat_map(|queued| queued.keys.iter().map(|key| key.hash));
    let watched = session.watching.keys.iter().map(|watched| watched.hash);
    server.engine.keyspace.ask(queued.chain(watched))
}

/// Whether something that is watched has changed or expired. Ends the watch.
fn is_broken(context: &mut Context<'_>, view: &mut LockedShards, watching: Watching) -> bool {
    let engine = &context.session.server.engine;
    let Watching { watch, keys, .. } = watching;
    let mut expired = false;
    for Watched { db, hash, key, was_there } in keys {
        let key = Key { bytes: &key, hash };
        // SWAPDB may have brought one whose time was over: that is as good as none.
        if was_there {
            expired |= engine.expire_if_due(view, context.local, context.now, db, key);
        }
        view.shard(hash).watches.remove(db, key.bytes, &watch);
    }
    expired || watch.is_broken()
}

/// Runs one queued request under the transaction's locks.
fn run(context: &mut Context<'_>, view: &mut LockedShards, request: &Queued) {
    let session = &mut *context.session;
    let server = session.server;
    let command = server.registry.at(request.id).command;
    let args = request.args.as_args();
    context.local.stats.calls[request.id as usize].add(1);
    let mut watch = (!server.short.is(request.id, args.len()))
        .then(|| Stopwatch::start(server, server.clock.mono_ns()));
    let (errors, start) = (session.out.errors(), session.out.buf_mut().len());
    match command.run {
        Run::Data(run) => {
            let prepared = Prepared { command, run, args, keys: &request.keys, db: session.db };
            let engine = &server.engine;
            engine.run_in(view, context.local, prepared, context.now, &mut session.out);
            if session.tracks && session.notes_reads_of(command) {
                invalidation::note_request(session, view, args, &request.keys);
            }
        }
        Run::Session | Run::Subcommands(_) => {
            dispatch::run_session(context, request.id, args, Some(view));
        }
    }
    let (session, stats) = (&mut *context.session, &context.local.stats);
    if let Some(watch) = &mut watch {
        watch.settle(session, stats, &mut vec![request.id], Some(args));
    }
    if session.out.errors() != errors {
        errors::count(server, stats, Some((request.id, true)), &session.out.buf_mut()[start..]);
    }
    if server.monitors.is_on() {
        context.session.show_to_monitors(command, args);
    }
}
