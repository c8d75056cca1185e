//! EXEC: takes the locks of all queued and watched keys at once, ascending, looks whether anything
//! that is watched has changed, and runs the queue as one unit. So a transaction is atomic and
//! isolated, and two that share no shard run on different cores at once.

use crate::dispatch::execute;
use crate::metrics::errors;
use crate::metrics::timing::Stopwatch;
use crate::session::transaction::{self, Queue, Queued, Watched, Watching};
use crate::session::{Context, Session, tracking};
use redstart_engine::keyspace::LockedShards;
use redstart_engine::run::execute::Prepared;
use redstart_engine::spec::{FAST, Run, WALKS, WHOLE_KEYSPACE};
use redstart_engine::{Error, Key};

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
        Err(busy) => return Err(transaction::abort(context.session, &busy)),
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
                tracking::note_request(session, view, args, &request.keys);
            }
        }
        Run::Session | Run::Subcommands(_) => {
            execute::run_session(context, request.id, args, Some(view));
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
