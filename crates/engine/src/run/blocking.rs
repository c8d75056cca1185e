//! Who waits for a key to hold something: clients blocked in BLPOP and its kind.
//!
//! The queues lie in the shards, behind their locks, so that a look at a key and the registration
//! of who found nothing cannot miss a change between them. A waiter may stand in the queues of
//! several keys but is served once: whoever wants to end its wait, be it with an element, because
//! its time is up or because the client has gone, claims it first, and only one claim succeeds.
//! Queues are in the order of arrival. A shard that nobody waits in pays one branch.
//!
//! The one who makes a waited-for key serves it, before its own reply leaves: there is no wake-up
//! that could be lost, and nobody polls.

use crate::clock::Now;
use crate::error::Error;
use crate::keyspace::LockedShards;
use crate::run::call::{Call, KeyAccess, KeyAt};
use crate::run::execute::{Engine, Prepared, WorkerState};
use crate::spec::Command;
use crate::sync::{AtomicU8, Mutex, Ordering};
use bytes::Bytes;
use hashbrown::HashMap;
use redstart_protocol::{OwnedArgs, Protocol, Reply};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Serves a waiter from its `n`th declared key, whose shard is locked. It looks whether there is
/// anything to give, claims the waiter, and only then changes something and replies. False when
/// there was nothing, or the claim failed. An error is a reply: the waiter was claimed.
pub type Serve = fn(&mut Call<'_>, usize, &Waiter) -> Result<bool, Error>;

/// What a command that found nothing waits for.
#[derive(Clone, Debug)]
pub struct Wait {
    /// The keys, among the declared ones.
    pub keys: Range<usize>,
    /// How it is served.
    pub serve: Serve,
    /// How long it waits, in milliseconds; zero is for ever.
    pub timeout_ms: u64,
}

/// Who is told that a wait has ended.
pub trait Wake: Send + Sync {
    /// The answer lies in the waiter.
    fn wake(&self);
}

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const ANSWERED: u8 = 2;
const LATE: u8 = 3;

/// A client that waits.
pub struct Waiter {
    /// When the wait ends, in monotonic milliseconds; zero is never.
    pub deadline_ms: u64,
    state: AtomicU8,
    answer: Mutex<Bytes>,
    /// Its place in the queues.
    number: u64,
    command: &'static Command,
    args: OwnedArgs,
    keys: Vec<KeyAt>,
    wait: Wait,
    db: usize,
    protocol: Protocol,
    client: Arc<dyn Wake>,
    late: Late,
}

/// Writes what a wait that nobody ended in time is answered.
pub type Late = Box<dyn Fn(&mut Reply) + Send + Sync>;

impl Waiter {
    /// A wait of `timeout_ms` milliseconds (zero is for ever) that no key ends.
    pub fn without_keys(
        command: &'static Command,
        timeout_ms: u64,
        now: Now,
        protocol: Protocol,
        client: Arc<dyn Wake>,
        late: Late,
    ) -> Waiter {
        let serve: Serve = |_, _, _| Ok(false);
        Waiter {
            deadline_ms: deadline_ms(timeout_ms, now),
            state: AtomicU8::new(WAITING),
            answer: Mutex::default(),
            number: 0,
            command,
            args: OwnedArgs::default(),
            keys: Vec::new(),
            wait: Wait { keys: 0..0, serve, timeout_ms },
            db: 0,
            protocol,
            client,
            late,
        }
    }

    /// Ends the wait without anything to give, unless somebody else is ending it. Returns whether
    /// it was this that ended it.
    pub fn time_out(&self) -> bool {
        let claimed = self.claim();
        if claimed {
            self.end(self.reply(&self.late), LATE);
        }
        claimed
    }

    /// Tries to become the one who ends the wait. True at most once.
    pub fn claim(&self) -> bool {
        let (from, to) = (WAITING, CLAIMED);
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether nobody has ended the wait yet.
    pub fn is_waiting(&self) -> bool {
        self.state.load(Ordering::Acquire) == WAITING
    }

    /// Ends the wait with an answer; only for who has claimed it.
    pub fn answer(&self, reply: Bytes) {
        self.end(reply, ANSWERED);
    }

    fn end(&self, reply: Bytes, state: u8) {
        *self.answer.lock() = reply;
        self.state.store(state, Ordering::Release);
        self.client.wake();
    }

    /// The answer, once there is one.
    pub fn answered(&self) -> Option<Bytes> {
        let answered = self.state.load(Ordering::Acquire) >= ANSWERED;
        answered.then(|| self.answer.lock().clone())
    }

    /// Whether it ended with nothing that anybody gave.
    pub fn is_late(&self) -> bool {
        self.state.load(Ordering::Acquire) == LATE
    }

    /// An answer in the client's protocol.
    pub fn reply(&self, write: impl FnOnce(&mut Reply)) -> Bytes {
        let mut reply = Reply::new(self.protocol);
        write(&mut reply);
        reply.to_vec().into()
    }

    /// The keys that it stands in the queues of.
    fn waited(&self) -> impl Iterator<Item = (KeyAt, &[u8])> {
        let args = self.args.as_args();
        self.keys[self.wait.keys.clone()].iter().map(move |key| (*key, args.at(key.arg as usize)))
    }

    /// The hashes that have to be locked to serve it, beside that of the key with something in it.
    fn others(&self) -> impl Iterator<Item = u64> {
        let waited = &self.wait.keys;
        let keys = self.keys.iter().enumerate();
        keys.filter(|(n, _)| !waited.contains(n)).map(|(_, key)| key.hash)
    }
}

/// When a wait ends, in monotonic milliseconds; zero is never.
fn deadline_ms(timeout_ms: u64, now: Now) -> u64 {
    match timeout_ms {
        0 => 0,
        timeout_ms => now.mono_ms.saturating_add(timeout_ms),
    }
}

/// Those who wait for a key, by their numbers.
type Queue = BTreeMap<u64, Arc<Waiter>>;
type Queues = HashMap<(usize, Box<[u8]>), (u64, Queue)>;

/// Those who wait for the keys of a shard.
#[derive(Default)]
pub struct Waiters(Option<Box<Queues>>);

/// A key that somebody waits for and that has come to be.
#[derive(Debug, PartialEq, Eq)]
pub struct Ready {
    db: usize,
    hash: u64,
    key: Box<[u8]>,
}

impl Waiters {
    fn join(&mut self, db: usize, hash: u64, key: &[u8], waiter: &Arc<Waiter>) {
        let queues = self.0.get_or_insert_default();
        let (_, queue) = queues.entry((db, key.into())).or_insert((hash, Queue::new()));
        queue.insert(waiter.number, waiter.clone());
    }

    fn leave(&mut self, db: usize, key: &[u8], number: u64) {
        let Some(queues) = &mut self.0 else { return };
        let name = (db, key.into());
        if let Some((_, queue)) = queues.get_mut(&name) {
            queue.remove(&number);
            if queue.is_empty() {
                queues.remove(&name);
            }
        }
        if queues.is_empty() {
            self.0 = None;
        }
    }

    /// The first who waits for a key behind the one with the number `behind`.
    fn next(&self, db: usize, key: &[u8], behind: u64) -> Option<Arc<Waiter>> {
        let (_, queue) = self.0.as_ref()?.get(&(db, key.into()))?;
        let mut waiters = queue.range(behind + 1..).map(|(_, waiter)| waiter);
        waiters.find(|waiter| waiter.is_waiting()).cloned()
    }

    /// Whether somebody waits for a key.
    #[inline]
    pub fn wants(&self, db: usize, key: &[u8]) -> bool {
        self.0.is_some() && self.next(db, key, 0).is_some()
    }

    /// A key has come to be.
    #[inline]
    pub(crate) fn note(&self, db: usize, hash: u64, key: &[u8], ready: &mut Vec<Ready>) {
        if let Some(queues) = &self.0 {
            note(queues, db, hash, key, ready);
        }
    }

    /// The keys of a database have come to be as a whole.
    pub(crate) fn note_db(&self, db: usize, ready: &mut Vec<Ready>) {
        let keys = self.0.iter().flat_map(|queues| queues.iter());
        ready.extend(keys.filter(|((of, _), _)| *of == db).map(|((_, key), (hash, _))| Ready {
            db,
            hash: *hash,
            key: key.clone(),
        }));
    }
}

#[cold]
fn note(queues: &Queues, db: usize, hash: u64, key: &[u8], ready: &mut Vec<Ready>) {
    let known = |ready: &Ready| ready.db == db && *ready.key == *key;
    if queues.contains_key(&(db, key.into())) && !ready.iter().any(known) {
        ready.push(Ready { db, hash, key: key.into() });
    }
}

impl Engine {
    /// Runs a request that may wait. Returns who waits now, if it found nothing; it then has no
    /// reply yet.
    pub fn run_blocking(
        &'static self,
        local: &mut WorkerState,
        request: Prepared<'_>,
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
        local.may_wait = true;
        self.run_in(&mut view, local, request, now, reply);
        local.may_wait = false;
        self.commit(local);
        let waiter = local.wait.take().map(|wait| {
            let waiter = Arc::new(Waiter {
                deadline_ms: deadline_ms(wait.timeout_ms, now),
                state: AtomicU8::new(WAITING),
                answer: Mutex::default(),
                number: self.next_waiter(),
                command: request.command,
                args: OwnedArgs::from(request.args),
                keys: request.keys.to_vec(),
                wait,
                db: request.db,
                protocol: reply.protocol(),
                client: client(),
                late: Box::new(Reply::null_array),
            });
            register(&mut view, local, &waiter);
            waiter
        });
        self.serve(view, local, now);
        waiter
    }

    /// Ends a waiter's standing in all queues, after its wait.
    pub fn leave_queues(&'static self, waiter: &Waiter) {
        for (key, name) in waiter.waited() {
            let mut view = self.keyspace.lock([key.hash].into_iter());
            view.shard(key.hash).waiters.leave(waiter.db, name, waiter.number);
        }
    }

    /// Unlocks a unit's shards, having given the keys that came to be in it to those who wait for
    /// them.
    #[inline]
    pub fn serve(&'static self, view: LockedShards, local: &mut WorkerState, now: Now) {
        if !local.ready.is_empty() {
            self.serve_ready(view, local, now);
        }
    }

    #[cold]
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

    /// Serves those who wait for a key, in their order, while there is something to give.
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
        while let Some(part) = view.shard(*hash).db(*db)
            && part.table().find(*hash, key).is_some()
        {
            let Some(waiter) = view.shard(*hash).waiters.next(*db, key, behind) else { break };
            if waiter.others().any(|other| !view.holds(other)) {
                // Taken again together; who is first may be another by then.
                drop(view);
                view = self.keyspace.lock(waiter.others().chain([*hash]));
                continue;
            }
            behind = waiter.number;
            if let Some(reply) = self.serve_waiter(&mut view, local, now, ready, &waiter) {
                served.push((waiter, reply));
            }
        }
        view
    }

    /// Gives a waiter something of a key that has come to be, if there is something. Returns what
    /// it is answered.
    fn serve_waiter(
        &'static self,
        view: &mut LockedShards,
        local: &mut WorkerState,
        now: Now,
        ready: &Ready,
        waiter: &Waiter,
    ) -> Option<Bytes> {
        let n = waiter.waited().position(|(_, name)| *name == *ready.key)?;
        let mut reply = Reply::new(waiter.protocol);
        self.begin(local);
        local.changes_before = local.stats.changes.value();
        let mut call = Call {
            command: waiter.command,
            args: waiter.args.as_args(),
            reply: &mut reply,
            space: KeyAccess { now, db: waiter.db, view, local },
            options: &self.options,
            keys: &waiter.keys,
        };
        let served = (waiter.wait.serve)(&mut call, waiter.wait.keys.start + n, waiter);
        let served = served.unwrap_or_else(|error| {
            call.space.local.stats.errors.add(1);
            error.write(call.reply);
            true
        });
        self.commit(local);
        if served {
            view.shard(ready.hash).waiters.leave(waiter.db, &ready.key, waiter.number);
        }
        served.then(|| reply.to_vec().into())
    }
}

/// Lets a waiter stand in the queues of its keys, whose shards are locked.
fn register(view: &mut LockedShards, local: &mut WorkerState, waiter: &Arc<Waiter>) {
    for (KeyAt { hash, .. }, name) in waiter.waited() {
        let shard = view.shard(hash);
        shard.waiters.join(waiter.db, hash, name, waiter);
        // It may be there, for those who came earlier.
        if shard.db(waiter.db).is_some_and(|db| db.table().find(hash, name).is_some()) {
            shard.waiters.note(waiter.db, hash, name, &mut local.ready);
        }
    }
}
