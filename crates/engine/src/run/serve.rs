//! Waiting clients are served: the worker whose command made a key gives of it to the clients that
//! wait for the key, before the command's own reply leaves. There is no wake-up that could be lost,
//! and no polling.

use crate::clock::Now;
use crate::keyspace::LockedShards;
use crate::keyspace::waiters::{Ready, Waiter};
use crate::run::call::Call;
use crate::run::command::{Serve, Served};
use crate::run::engine::Engine;
use crate::run::key_access::KeyAccess;
use crate::run::worker_state::WorkerState;
use crate::spec::WRITE;
use bytes::Bytes;
use redstart_protocol::Reply;
use std::sync::Arc;

impl Engine {
    /// Takes a waiter out of all queues, after its wait.
    pub fn leave_queues(&'static self, waiter: &Waiter) {
        let Some(asked) = waiter.asked() else { return };
        for (key, name) in asked.waited() {
            let mut view = self.keyspace.lock([key.hash].into_iter());
            view.shard(key.hash).waiters.leave(asked.db, name, asked.number);
        }
    }

    /// Unlocks a unit's shards, after clients that wait for keys that came to be in it were served.
    #[inline(always)]
    pub fn serve(&'static self, view: LockedShards, local: &mut WorkerState, now: Now) {
        if local.ready.is_empty() {
            view.unlock();
        } else {
            self.serve_ready(view, local, now);
        }
    }

    #[cold]
    #[inline(never)]
    fn serve_ready(&'static self, mut view: LockedShards, local: &mut WorkerState, now: Now) {
        let mut served = Vec::new();
        // Serving a client may itself make a key that others wait for.
        while !local.ready.is_empty() {
            let ready = local.ready.remove(0);
            view = self.serve_key(view, local, now, &ready, &mut served);
        }
        drop(view);
        served.into_iter().for_each(|(waiter, reply)| waiter.answer(reply));
    }

    /// Serves the clients that wait for a key, in their order, while there is something to give.
    fn serve_key(
        &'static self,
        mut view: LockedShards,
        local: &mut WorkerState,
        now: Now,
        ready: &Ready,
        served: &mut Vec<(Arc<Waiter>, Bytes)>,
    ) -> LockedShards {
        let Ready { db, hash, key } = ready;
        let mut behind = 0;
        if !view.holds(*hash) {
            drop(view);
            view = self.keyspace.lock([*hash].into_iter());
        }
        while let Some(waiter) = view.shard(*hash).waiters.next(*db, key, behind) {
            let Some(asked) = waiter.asked() else { break };
            let part = view.shard(*hash).db(*db);
            if part.is_none_or(|part| part.table().find(*hash, key).is_none()) {
                // It has nothing to give, which some may want to know.
                if !view.shard(*hash).waiters.heed(*db, key) {
                    break;
                }
                if !asked.heeds_loss {
                    behind = asked.number;
                    continue;
                }
            }
            if asked.others().any(|other| !view.holds(other)) {
                // All are locked again together; by then another waiter may be the first.
                drop(view);
                view = self.keyspace.lock(asked.others().chain([*hash]));
                continue;
            }
            behind = asked.number;
            if let Some(reply) = self.serve_waiter(&mut view, local, now, ready, &waiter) {
                served.push((waiter, reply));
            }
        }
        view
    }

    /// Gives a waiter something of a key that has come to be, if there is something. Returns the
    /// waiter's reply.
    fn serve_waiter(
        &'static self,
        view: &mut LockedShards,
        local: &mut WorkerState,
        now: Now,
        ready: &Ready,
        waiter: &Waiter,
    ) -> Option<Bytes> {
        let asked = waiter.asked()?;
        let serve = asked.serve.downcast_ref::<Serve>().expect("a waiter is given what serves it");
        let n = asked.waited().position(|(_, name)| *name == *ready.key)?;
        let mut reply = Reply::new(waiter.protocol());
        self.begin(local);
        // What ran last is another command: what made the key, or one behind it in its unit.
        local.writes = asked.command.is(WRITE);
        local.granted = None;
        local.aging = self.options.aging();
        local.changes_before = local.stats.changes.value();
        let mut call = Call {
            command: asked.command,
            args: asked.args.as_args(),
            reply: &mut reply,
            space: KeyAccess { now, db: asked.db, view, local },
            options: &self.options,
            keys: &asked.keys,
        };
        let served = serve(&mut call, asked.waited.start + n, waiter);
        let served = served.unwrap_or_else(|error| {
            call.space.local.stats.errors.add(1);
            error.write(call.reply);
            Served::Given
        });
        self.commit(local);
        if let Some(granted) = local.granted.take() {
            granted.bind(view, waiter.holder());
        }
        let given = served == Served::Given;
        if given {
            view.shard(ready.hash).waiters.leave(asked.db, &ready.key, asked.number);
        }
        given.then(|| reply.to_vec().into())
    }
}
