//! A client's transaction: what it watches and what it has queued.
//!
//! EXEC takes the locks of all queued and watched keys at once, ascending, looks whether anything
//! that is watched has changed, and runs the queue as one unit. So a transaction is atomic and
//! isolated, and two that share no shard run on different cores at once.

use crate::dispatch;
use crate::session::{Context, Session};
use crate::tracking;
use parking_lot::Mutex;
use redstart_engine::call::KeyAt;
use redstart_engine::execute::Prepared;
use redstart_engine::keyspace::{Keyspace, View};
use redstart_engine::spec::{FAST, Run, WALKS, WHOLE_KEYSPACE};
use redstart_engine::watch::Watch;
use redstart_engine::{Command, Error, Key, Local, Now};
use redstart_protocol::{Args, OwnedArgs};
use std::sync::atomic::Ordering::Relaxed;

/// What a client has asked for between MULTI and EXEC.
#[derive(Default)]
pub struct Queue {
    requests: Vec<Queued>,
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
    keys: Vec<(usize, u64, Box<[u8]>)>,
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
    pub fn watch(&mut self, key: &[u8], local: &mut Local, now: Now) {
        let engine = &self.server.engine;
        let hash = engine.keyspace.hasher().hash(key);
        let watching = &mut self.watching;
        if watching.keys.iter().any(|(db, _, name)| *db == self.db && **name == *key) {
            return;
        }
        match engine.keyspace.ask_one(hash) {
            Ok(mut view) => {
                engine.expire_if_due(&mut view, local, now, self.db, Key { bytes: key, hash });
                view.shard(hash).watches.add(self.db, hash, key, &watching.watch);
            }
            // A script holds it, and may have changed it by EXEC.
            Err(_) => watching.watch.break_off(),
        }
        watching.keys.push((self.db, hash, key.into()));
        self.note_transaction();
    }

    /// Lets others know what is queued and watched.
    pub fn note_transaction(&self) {
        let queued = self.queue.as_ref().map_or(-1, |queue| queue.len() as i64);
        self.info.queued.store(queued, Relaxed);
        self.info.watched.store(self.watching.keys.len(), Relaxed);
    }

    /// Watches nothing any more.
    pub fn unwatch(&mut self) {
        for (db, hash, key) in std::mem::take(&mut self.watching).keys_of() {
            match self.server.engine.keyspace.ask_one(hash) {
                Ok(mut view) => view.shard(hash).watches.remove(db, &key.0, &key.1),
                Err(_) => {
                    self.server.unwatched.add(Unwatched { db, hash, key: key.0, watch: key.1 })
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

impl Watching {
    /// Each watched key with the watch.
    fn keys_of(self) -> impl Iterator<Item = (usize, u64, (Box<[u8]>, Watch))> {
        let watch = self.watch;
        self.keys.into_iter().map(move |(db, hash, key)| (db, hash, (key, watch.clone())))
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
fn lock(session: &Session, queue: &Queue) -> Result<View, Error> {
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
    let watched = session.watching.keys.iter().map(|(_, hash, _)| *hash);
    server.engine.keyspace.ask(queued.chain(watched))
}

/// Whether something that is watched has changed or expired. Ends the watch.
fn is_broken(context: &mut Context<'_>, view: &mut View, watching: Watching) -> bool {
    let engine = &context.session.server.engine;
    let watch = watching.watch.clone();
    let mut expired = false;
    for (db, hash, (key, watch)) in watching.keys_of() {
        let key = Key { bytes: &key, hash };
        expired |= engine.expire_if_due(view, context.local, context.now, db, key);
        view.shard(hash).watches.remove(db, key.bytes, &watch);
    }
    expired || watch.is_broken()
}

/// Runs one queued request under the transaction's locks.
fn run(context: &mut Context<'_>, view: &mut View, request: &Queued) {
    let session = &mut *context.session;
    let server = session.server;
    let command = server.registry.at(request.id).command;
    let args = request.args.as_args();
    context.local.stats.calls[request.id as usize].add(1);
    match command.run {
        Run::Data(run) => {
            let prepared = Prepared { command, run, args, keys: &request.keys, db: session.db };
            let engine = &server.engine;
            engine.run_in(view, context.local, prepared, context.now, &mut session.out);
            if session.tracks && session.notes_reads_of(command) {
                tracking::note_request(session, view, args, &request.keys);
            }
        }
        Run::Session | Run::Subcommands(_) => {
            dispatch::run_session(context, request.id, args, Some(view));
        }
    }
    if server.monitors.is_on() {
        context.session.show_to_monitors(command, args);
    }
}
