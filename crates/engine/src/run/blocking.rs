//! Commands that may wait: BLPOP and its kind. A client whose command found nothing joins the
//! queues of its keys while their shards are still locked.

use crate::clock::Now;
use crate::keyspace::LockedShards;
use crate::keyspace::waiters::{Asked, Waiter, Wake};
use crate::run::command::Serve;
use crate::run::engine::Engine;
use crate::run::execute::Prepared;
use crate::run::worker_state::WorkerState;
use crate::spec::KeyAt;
use redstart_protocol::{OwnedArgs, Reply};
use std::sync::Arc;

impl Engine {
    /// Runs a request that may wait. Returns the waiter if it found nothing; then there is no reply
    /// yet.
    pub fn run_blocking(
        &'static self,
        local: &mut WorkerState,
        request: Prepared<'_>,
        serve: Serve,
        now: Now,
        reply: &mut Reply,
        client: impl FnOnce() -> Arc<dyn Wake>,
    ) -> Option<Arc<Waiter>> {
        let mut view = match self.lock(request.command, request.keys) {
            Ok(view) => view,
            Err(busy) => {
                busy.write(reply);
                return None;
            }
        };
        self.begin(local);
        local.granted = None;
        local.may_wait = true;
        self.run_in(&mut view, local, request, now, reply);
        local.may_wait = false;
        self.commit(local);
        if let Some(granted) = local.granted.take() {
            granted.bind(&mut view, client().holder());
            self.serve(view, local, now);
            return None;
        }
        let waiter = local.wait.take().map(|wait| {
            let asked = Asked {
                number: self.next_waiter(),
                command: request.command,
                args: wait.resumed.unwrap_or_else(|| OwnedArgs::from(request.args)),
                keys: request.keys.to_vec(),
                waited: wait.keys,
                least: wait.least,
                heeds_loss: wait.heeds_loss,
                db: request.db,
                serve: Box::new(serve),
            };
            let protocol = reply.protocol();
            let late = (wait.timeout_ms, wait.late);
            let waiter = Arc::new(Waiter::of(asked, late, now, protocol, client()));
            register(&mut view, local, &waiter);
            waiter
        });
        self.serve(view, local, now);
        waiter
    }
}

/// Puts a waiter into the queues of its keys, whose shards are locked.
fn register(view: &mut LockedShards, local: &mut WorkerState, waiter: &Arc<Waiter>) {
    let Some(asked @ Asked { number, db, .. }) = waiter.asked() else { return };
    for (KeyAt { hash, .. }, name) in asked.waited() {
        let shard = view.shard(hash);
        shard.waiters.join(*db, hash, name, *number, waiter);
        // The key may be there, for clients that came earlier.
        if shard.db(*db).is_some_and(|db| db.table().find(hash, name).is_some()) {
            shard.waiters.note(*db, hash, name, &mut local.ready);
        }
    }
}
