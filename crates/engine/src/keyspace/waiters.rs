//! Clients that wait for a key to hold something: those blocked in BLPOP and its kind.
//!
//! The queues lie in the shards, behind their locks, so that a look at a key and the registration
//! of the client that found nothing cannot miss a change between them. A waiter may stand in the
//! queues of several keys but is served once: what ends its wait, be it an element, the end of its
//! time or the end of the connection, claims it first, and only one claim succeeds. Queues are in
//! the order of arrival. A shard without waiters pays one branch.

use crate::clock::Now;
use crate::keyspace::leases::Holder;
use crate::spec::{Command, KeyAt};
use crate::sync::{AtomicU8, Mutex, Ordering};
use bytes::Bytes;
use hashbrown::HashMap;
use redstart_protocol::{OwnedArgs, Protocol, Reply};
use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What a command that found nothing waits for.
pub struct Wait {
    /// The keys, among the declared ones.
    pub keys: Range<usize>,
    /// How long it waits, in milliseconds; zero is for ever.
    pub timeout_ms: u64,
    /// How many elements a list must have; one, where it is enough that there is a value.
    pub least: usize,
    /// The request as it is kept, if it means something else later than it did now.
    pub resumed: Option<OwnedArgs>,
    /// Whether it ends when one of the keys is gone, or holds something else.
    pub heeds_loss: bool,
    /// Writes the reply when the time is up.
    pub late: Late,
}

impl Wait {
    /// For any of these keys, for so many milliseconds.
    pub fn new(keys: Range<usize>, timeout_ms: u64) -> Wait {
        let late = Box::new(Reply::null_array);
        Wait { keys, timeout_ms, least: 1, resumed: None, heeds_loss: false, late }
    }
}

/// The task of a client that waits.
pub trait Wake: Send + Sync {
    /// Wakes it: the wait has ended, and the answer lies in the waiter.
    fn wake(&self);

    /// Where the client's leases are noted, if they end with it.
    fn holder(&self) -> Option<Arc<Holder>> {
        None
    }
}

/// Writes the reply to a wait whose time is up.
pub type Late = Box<dyn Fn(&mut Reply) + Send + Sync>;

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
    protocol: Protocol,
    client: Arc<dyn Wake>,
    late: Late,
    /// What it asked for; nothing, if no key ends the wait.
    asked: Option<Asked>,
}

/// The request of a waiter, kept until it is served.
pub(crate) struct Asked {
    /// The waiter's place in the queues.
    pub number: u64,
    /// The command.
    pub command: &'static Command,
    /// The arguments.
    pub args: OwnedArgs,
    /// The declared keys.
    pub keys: Vec<KeyAt>,
    /// Those of the keys that it waits for.
    pub waited: Range<usize>,
    /// How many elements a list must have to serve it.
    pub least: usize,
    /// Whether it is served when such a key is gone.
    pub heeds_loss: bool,
    /// The selected database.
    pub db: usize,
    /// What serves it: a function of the room that runs commands, which alone knows its type.
    pub serve: Box<dyn Any + Send + Sync>,
}

impl Asked {
    /// The keys that the waiter stands in the queues of.
    pub fn waited(&self) -> impl Iterator<Item = (KeyAt, &[u8])> {
        let args = self.args.as_args();
        self.keys[self.waited.clone()].iter().map(move |key| (*key, args.at(key.arg as usize)))
    }

    /// The hashes that have to be locked to serve it, beside that of the key with something in it.
    pub fn others(&self) -> impl Iterator<Item = u64> {
        let keys = self.keys.iter().enumerate();
        keys.filter(|(n, _)| !self.waited.contains(n)).map(|(_, key)| key.hash)
    }
}

impl Waiter {
    /// A client that waits for `timeout_ms` milliseconds (zero is for ever) for what it `asked`.
    pub(crate) fn of(
        asked: Asked,
        (timeout_ms, late): (u64, Late),
        now: Now,
        protocol: Protocol,
        client: Arc<dyn Wake>,
    ) -> Waiter {
        let waiter = Waiter::without_keys(timeout_ms, now, protocol, client, late);
        Waiter { asked: Some(asked), ..waiter }
    }

    /// A client that waits for `timeout_ms` milliseconds (zero is for ever), whatever keys hold.
    pub fn without_keys(
        timeout_ms: u64,
        now: Now,
        protocol: Protocol,
        client: Arc<dyn Wake>,
        late: Late,
    ) -> Waiter {
        Waiter {
            deadline_ms: deadline_ms(timeout_ms, now),
            state: AtomicU8::new(WAITING),
            answer: Mutex::default(),
            protocol,
            client,
            late,
            asked: None,
        }
    }

    /// What it asked for; nothing, if no key ends the wait.
    pub(crate) fn asked(&self) -> Option<&Asked> {
        self.asked.as_ref()
    }

    /// The request of a client that waits for keys.
    pub fn request(&self) -> Option<(&'static Command, &OwnedArgs)> {
        self.asked.as_ref().map(|asked| (asked.command, &asked.args))
    }

    /// Ends the wait because its time is up, unless another thread is ending it. Returns whether
    /// this call ended it.
    pub fn time_out(&self) -> bool {
        let claimed = self.claim();
        if claimed {
            self.end(self.reply(&self.late), LATE);
        }
        claimed
    }

    /// Tries to get the right to end the wait. True at most once.
    pub fn claim(&self) -> bool {
        let (from, to) = (WAITING, CLAIMED);
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether the wait goes on, as far as no thread has claimed it.
    pub fn is_waiting(&self) -> bool {
        self.state.load(Ordering::Acquire) == WAITING
    }

    /// Ends the wait with an answer, after [`Waiter::claim`].
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

    /// Whether it ended because its time was up.
    pub fn is_late(&self) -> bool {
        self.state.load(Ordering::Acquire) == LATE
    }

    /// Where its client's leases are noted.
    pub(crate) fn holder(&self) -> Option<Arc<Holder>> {
        self.client.holder()
    }

    /// Whether it ends when one of its keys is gone.
    fn heeds_loss(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.heeds_loss)
    }

    /// The client's protocol.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// An answer in the client's protocol.
    pub fn reply(&self, write: impl FnOnce(&mut Reply)) -> Bytes {
        let mut reply = Reply::new(self.protocol);
        write(&mut reply);
        reply.to_vec().into()
    }
}

/// When a wait ends, in monotonic milliseconds; zero is never.
fn deadline_ms(timeout_ms: u64, now: Now) -> u64 {
    match timeout_ms {
        0 => 0,
        timeout_ms => now.mono_ms.saturating_add(timeout_ms),
    }
}

/// The waiters of one key, by their numbers.
type Queue = BTreeMap<u64, Arc<Waiter>>;
type Queues = HashMap<(usize, Box<[u8]>), Line>;

/// Who waits for a key.
struct Line {
    hash: u64,
    queue: Queue,
    /// How many of them heed that the key is gone.
    heeding: usize,
}

/// The waiters of a shard's keys.
#[derive(Default)]
pub struct Waiters(Option<Box<Queues>>);

/// A key that has come to be and that clients wait for.
#[derive(Debug, PartialEq, Eq)]
pub struct Ready {
    /// The database.
    pub db: usize,
    /// The key's hash.
    pub hash: u64,
    /// The key.
    pub key: Box<[u8]>,
}

impl Waiters {
    /// Lets a waiter stand in the queue of a key.
    pub(crate) fn join(
        &mut self,
        db: usize,
        hash: u64,
        key: &[u8],
        number: u64,
        waiter: &Arc<Waiter>,
    ) {
        let queues = self.0.get_or_insert_default();
        let none = || Line { hash, queue: Queue::new(), heeding: 0 };
        let line = queues.entry((db, key.into())).or_insert_with(none);
        // A key may be named twice.
        if line.queue.insert(number, waiter.clone()).is_none() {
            line.heeding += usize::from(waiter.heeds_loss());
        }
    }

    /// Ends the standing of a waiter in the queue of a key.
    pub(crate) fn leave(&mut self, db: usize, key: &[u8], number: u64) {
        let Some(queues) = &mut self.0 else { return };
        let name = (db, key.into());
        if let Some(line) = queues.get_mut(&name) {
            if line.queue.remove(&number).is_some_and(|waiter| waiter.heeds_loss()) {
                line.heeding -= 1;
            }
            if line.queue.is_empty() {
                queues.remove(&name);
            }
        }
        if queues.is_empty() {
            self.0 = None;
        }
    }

    /// The first waiter of a key behind the one with the number `behind`.
    pub(crate) fn next(&self, db: usize, key: &[u8], behind: u64) -> Option<Arc<Waiter>> {
        let line = self.0.as_ref()?.get(&(db, key.into()))?;
        let mut waiters = line.queue.range(behind + 1..).map(|(_, waiter)| waiter);
        waiters.find(|waiter| waiter.is_waiting()).cloned()
    }

    /// The number of keys that clients wait for.
    pub fn keys(&self) -> usize {
        self.0.as_ref().map_or(0, |queues| queues.len())
    }

    /// Whether there is no queue.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a client waits for a key to which `len` elements are enough.
    pub(crate) fn wants(&self, db: usize, key: &[u8], len: usize) -> bool {
        let line = self.0.as_ref().and_then(|queues| queues.get(&(db, key.into())));
        line.is_some_and(|line| {
            line.queue.values().any(|waiter| {
                waiter.is_waiting() && waiter.asked().is_some_and(|asked| asked.least <= len)
            })
        })
    }

    /// A key has come to be, or its list has grown.
    #[inline]
    pub(crate) fn note(&self, db: usize, hash: u64, key: &[u8], ready: &mut Vec<Ready>) {
        if let Some(queues) = &self.0 {
            note(queues, db, hash, key, ready);
        }
    }

    /// The keys of a database have come to be as a whole.
    pub(crate) fn note_db(&self, db: usize, ready: &mut Vec<Ready>) {
        let keys = self.0.iter().flat_map(|queues| queues.iter());
        ready.extend(keys.filter(|((of, _), _)| *of == db).map(|((_, key), line)| Ready {
            db,
            hash: line.hash,
            key: key.clone(),
        }));
    }

    /// Keys of any database are gone.
    pub(crate) fn note_all_gone(&self, ready: &mut Vec<Ready>) {
        let lines = self.0.iter().flat_map(|queues| queues.iter());
        let lines = lines.filter(|(_, line)| line.heeding > 0);
        ready.extend(lines.map(|((db, key), line)| Ready {
            db: *db,
            hash: line.hash,
            key: key.clone(),
        }));
    }

    /// Whether some heed that the key is gone.
    pub(crate) fn heed(&self, db: usize, key: &[u8]) -> bool {
        let line = self.0.as_ref().and_then(|queues| queues.get(&(db, key.into())));
        line.is_some_and(|line| line.heeding > 0)
    }

    /// Whether a client waits to be the next that has what is gone.
    pub(crate) fn has_heirs(&self, db: usize, key: &[u8]) -> bool {
        self.heirs(db, key) > 0
    }

    /// How many clients wait to be the next that have what is gone.
    pub(crate) fn heirs(&self, db: usize, key: &[u8]) -> usize {
        let Some(queues) = &self.0 else { return 0 };
        let Some(line) = queues.get(&(db, key.into())) else { return 0 };
        let is_heir = |waiter: &&Arc<Waiter>| waiter.heeds_loss() && waiter.is_waiting();
        line.queue.values().filter(is_heir).count()
    }

    /// A key is gone.
    #[inline]
    pub(crate) fn note_gone(&self, db: usize, hash: u64, key: &[u8], ready: &mut Vec<Ready>) {
        if let Some(queues) = &self.0
            && queues.get(&(db, key.into())).is_some_and(|line| line.heeding > 0)
        {
            note(queues, db, hash, key, ready);
        }
    }
}

#[cold]
fn note(queues: &Queues, db: usize, hash: u64, key: &[u8], ready: &mut Vec<Ready>) {
    let known = |ready: &Ready| ready.db == db && *ready.key == *key;
    if queues.contains_key(&(db, key.into())) && !ready.iter().any(known) {
        ready.push(Ready { db, hash, key: key.into() });
    }
}
