//! EXEC: takes the locks of all queued and watched keys at once, ascending, looks whether anything
//! that is watched has changed, and runs the queue as one unit. So a transaction is atomic and
//! isolated, and two that share no shard run on different cores at once.

use crate::dispatch::account::Account;
use crate::dispatch::execute::run_one;
use crate::session::transaction::{self, Queue, Queued, Watched, Watching};
use crate::session::{Context, Session};
use redstart_engine::keyspace::LockedShards;
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
    let engine = context.session.server.engine;
    engine.begin(context.local);
    run_queue(context, &mut view, &queue.requests);
    engine.commit(context.local);
    engine.serve(view, context.local, context.now);
    Ok(())
}

/// Runs the queued requests under the transaction's locks, each as if it came alone.
fn run_queue(context: &mut Context<'_>, view: &mut LockedShards, requests: &[Queued]) {
    let Context { session, local, now, .. } = context;
    let server = session.server;
    let mut account = Account::open(session, server.clock.mono_ns(), Vec::new());
    for Queued { id, args, keys } in requests {
        let args = args.as_args();
        let shares_clock = server.short.is(*id, args.len());
        let before = account.before(session, &local.stats, shares_clock);
        account.count(&local.stats, *id);
        let mut context = Context { session, local, now: *now, held: Some(view) };
        run_one(&mut context, server.registry.at(*id), args, keys);
        account.after(session, &local.stats, before, Some(*id), || args);
    }
    account.close(session, &local.stats, || requests.last().map(|last| last.args.as_args()));
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
