//! EXEC: takes the locks of all queued and watched keys at once, ascending, looks whether anything
//! that is watched has changed, and runs the queue as one unit. So a transaction is atomic and
//! isolated, and two that share no shard run on different cores at once.

use crate::clients::held::UNCOUNTED;
use crate::clients::output_limits::Verdict;
use crate::dispatch::account::Account;
use crate::dispatch::execute::run_one;
use crate::dispatch::rights;
use crate::server::Server;
use crate::session::transaction::{self, Queue, Queued};
use crate::session::{Context, Session};
use redstart_engine::Error;
use redstart_engine::keyspace::LockedShards;
use redstart_protocol::OwnedArgs;

/// Requests of more than this are not freed under locks, in bytes.
const LARGE_BYTES: usize = 64 * 1024;

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
        Err(_) if context.local.insists => lock_at_last(context.session, &queue),
        Err(busy) => return Err(transaction::abort(context.session, &busy)),
    };
    let watches = std::mem::take(&mut context.session.watches);
    context.session.watches_bytes = 0;
    context.session.note_transaction();
    let (engine, now) = (context.session.server.engine, context.now);
    let is_broken = watches.is_broken(&mut view, |view, db, key| {
        engine.expire_if_due(view, context.local, now, db, key)
    });
    if is_broken {
        context.session.out.null_array();
        return Ok(());
    }
    context.session.out.array(queue.requests.len());
    engine.begin(context.local);
    // Every reply of the transaction but the last has something behind it.
    context.session.out.allow_rest(false);
    let ran = run_queue(context, &mut view, *queue);
    context.session.out.allow_rest(true);
    engine.commit(context.local);
    engine.serve(view, context.local, context.now);
    if let Some(change) = context.session.role_change.take() {
        context.session.change_role(change);
    }
    drop(ran);
    Ok(())
}

/// Runs the queued requests under the transaction's locks, each as if it came alone. What is small
/// is freed as it has run: memory holds it in the queue or in a value, not twice. What is large is
/// shared by both, and freed behind the locks.
fn run_queue(context: &mut Context<'_>, view: &mut LockedShards, queue: Queue) -> Vec<OwnedArgs> {
    let Context { session, local, now, .. } = context;
    let server = session.server;
    let mut account = Account::open(session, server.clock.mono_ns(), Vec::new());
    let (mut last, mut large) = (OwnedArgs::default(), Vec::new());
    for Queued { id, args: owned, keys } in queue.requests {
        let args = owned.as_args();
        let mark = session.out.mark();
        let registered = server.registry.at(id);
        let is_short = registered.command.is_short(args.len());
        let before = account.before(session, &local.stats, is_short);
        let refused = match session.free_version == session.access.version() {
            true => None,
            false => rights::check_queued(session, local, registered, args).err(),
        };
        if let Some(error) = refused {
            local.stats.errors.add(1);
            error.write(&mut session.out);
        } else {
            account.count(&local.stats, id);
            let mut context = Context { session, local, now: *now, held: Some(view) };
            run_one(&mut context, registered, args, &keys);
        }
        account.after(session, &local.stats, before, Some(id), || args);
        // The transaction is run to its end, though nobody is going to see the rest.
        if session.out.len() > UNCOUNTED && session.note_output() == Verdict::Closes {
            session.out.rewind(mark);
        }
        if last.heap_bytes() > LARGE_BYTES {
            large.push(last);
        }
        last = owned;
    }
    account.close(session, &local.stats, || Some(last.as_args()));
    large.push(last);
    large
}

/// The locks of everything that is queued, however long a script holds them.
#[cold]
fn lock_at_last(session: &Session, queue: &Queue) -> LockedShards {
    let Server { engine, registry, .. } = session.server;
    if queue.requests.iter().any(|queued| registry.at(queued.id).needs_all_shards()) {
        return engine.keyspace.lock_all();
    }
    let queued = queue.requests.iter().flat_map(|queued| queued.keys.iter().map(|key| key.hash));
    engine.keyspace.lock(queued.chain(session.watches.hashes()))
}

/// The locks of everything that is queued and watched.
fn lock(session: &Session, queue: &Queue) -> Result<LockedShards, Error> {
    let server = session.server;
    let wants_all = |queued: &Queued| server.registry.at(queued.id).needs_all_shards();
    if queue.requests.iter().any(wants_all) {
        return server.engine.keyspace.lock_all_unless_busy();
    }
    let queued = queue.requests.iter().flat_map(|queued| queued.keys.iter().map(|key| key.hash));
    server.engine.keyspace.lock_unless_busy(queued.chain(session.watches.hashes()))
}
