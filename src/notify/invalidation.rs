//! CLIENT TRACKING: clients that keep copies of keys hear when those become stale.
//!
//! ```text
//!   reads of a client that tracks ---> noted in the shard, under the lock of the read
//!   any change of a key           ---> Changes of the worker, under the lock of the change
//!   after the unlock              ---> hand_out: pushes, in the order of the changes
//! ```
//!
//! A client's own stale keys stand behind the reply that made them stale, everybody else's come by
//! mail. Who follows prefixes (BCAST) is told once a batch. A client whose messages are redirected
//! may speak RESP2: then they look like messages of a channel.
//!
//! What is noted of a client that has gone stays until the key changes; it is told nobody then.

use crate::clients::{ClientInfo, Kept, NODE_BYTES};
use crate::dispatch::worker::Worker;
use crate::server::Server;
use crate::session::Session;
use bytes::Bytes;
use parking_lot::Mutex;
use redstart_engine::Command;
use redstart_engine::hasher::SHARDS;
use redstart_engine::keyspace::LockedShards;
use redstart_engine::keyspace::tracking::{Added, Changes, Stale};
use redstart_engine::run::call::KeyAt;
use redstart_engine::run::execute::{Prepared, WorkerState};
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::{NOSCRIPT, PUBSUB, READONLY};
use redstart_engine::{Engine, Now};
use redstart_protocol::{Args, Protocol, Reply};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The channel that redirected messages seem to come from in RESP2.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// How a client tracks.
#[derive(Clone, Debug, Default)]
pub struct Mode {
    /// Whether it does at all.
    pub on: bool,
    /// It follows prefixes, whatever it reads.
    pub broadcast: bool,
    /// Reads are noted only behind CLIENT CACHING YES.
    pub opt_in: bool,
    /// Reads are noted except behind CLIENT CACHING NO.
    pub opt_out: bool,
    /// It does not hear of its own changes.
    pub no_loop: bool,
    /// Its messages go to this client; zero is itself.
    pub redirect: u64,
    /// That client has gone.
    pub is_broken: bool,
    /// The prefixes that it follows.
    pub prefixes: Vec<Bytes>,
}

/// Who tracks.
#[derive(Default)]
pub struct Tracking {
    clients: AtomicUsize,
    keys: AtomicUsize,
    items: AtomicUsize,
    keys_max: AtomicUsize,
    prefixes: Mutex<BTreeMap<Bytes, Vec<Arc<ClientInfo>>>>,
}

/// What INFO tells.
pub struct Totals {
    /// Clients that track.
    pub clients: usize,
    /// Keys that clients have read.
    pub keys: usize,
    /// Pairs of these and clients.
    pub items: usize,
    /// Prefixes that clients follow.
    pub prefixes: usize,
}

impl Tracking {
    /// What INFO tells.
    pub fn totals(&self) -> Totals {
        Totals {
            clients: self.clients.load(Relaxed),
            keys: self.keys.load(Relaxed),
            items: self.items.load(Relaxed),
            prefixes: self.prefixes.lock().len(),
        }
    }

    /// Sets how many keys may be noted (`tracking-table-max-keys`); zero is any number.
    pub fn set_keys_max(&self, keys_max: usize) {
        self.keys_max.store(keys_max, Relaxed);
    }

    /// Lets a client follow prefixes from now on.
    fn follow(&self, engine: &Engine, prefixes: &[Bytes], client: &Arc<ClientInfo>) {
        let mut all = self.prefixes.lock();
        for prefix in prefixes {
            all.entry(prefix.clone()).or_default().push(client.clone());
        }
        engine.want_all_changes(!all.is_empty());
    }

    /// Lets it follow none any more.
    fn unfollow(&self, engine: &Engine, prefixes: &[Bytes], id: u64) {
        let mut all = self.prefixes.lock();
        for prefix in prefixes {
            let Some(clients) = all.get_mut(prefix) else { continue };
            clients.retain(|client| client.id != id);
            if clients.is_empty() {
                all.remove(prefix);
            }
        }
        engine.want_all_changes(!all.is_empty());
    }

    /// Notes that a client has read keys, whose shards are locked.
    pub fn note<'a>(
        &self,
        view: &mut LockedShards,
        client: u64,
        keys: impl Iterator<Item = (u64, &'a [u8])>,
    ) {
        let mut sum = Added::default();
        for (hash, key) in keys {
            let added = view.shard(hash).tracked.add(key, client);
            sum.keys += added.keys;
            sum.items += added.items;
        }
        self.keys.fetch_add(sum.keys, Relaxed);
        self.items.fetch_add(sum.items, Relaxed);
    }

    fn forget(&self, keys: usize, items: usize) {
        self.keys.fetch_sub(keys, Relaxed);
        self.items.fetch_sub(items, Relaxed);
    }

    /// Declares any keys stale until no more are noted than may be.
    fn limit(&self, server: &'static Server, changes: &mut Changes) {
        let keys_max = match self.keys_max.load(Relaxed) {
            0 => usize::MAX,
            keys_max => keys_max,
        };
        let mut at = fastrand::usize(..SHARDS);
        let mut surplus = self.keys.load(Relaxed).saturating_sub(keys_max);
        for _ in 0..SHARDS {
            if surplus == 0 {
                break;
            }
            let Ok(mut view) = server.engine.keyspace.ask_shard(at) else { break };
            while surplus > 0
                && let Some(stale) = view.shard_at(at).tracked.take_any()
            {
                changes.stale.push(stale);
                surplus -= 1;
            }
            at = (at + 1) % SHARDS;
        }
    }
}

/// Whose changes are handed out, and where his own messages go.
pub struct Author<'a> {
    id: u64,
    protocol: Protocol,
    out: &'a mut Reply,
}

/// What is told.
#[derive(Clone, Copy)]
enum Told<'a> {
    Keys(&'a [&'a [u8]]),
    Everything,
}

/// Hands out what has changed; `author` is the client whose requests did it, if any.
#[cold]
pub fn hand_out(server: &'static Server, changes: &mut Changes, mut author: Option<Author<'_>>) {
    let Changes { stale, flushed, forgotten, .. } = &mut *changes;
    let forgotten = std::mem::take(forgotten);
    server.tracking.forget(forgotten.keys, forgotten.items);
    if std::mem::take(flushed) {
        for client in server.clients.all() {
            if client.tracking.lock().on {
                tell(server, &client, Told::Everything, &mut author);
            }
        }
    }
    for Stale { key, clients, by_request } in stale.iter_mut() {
        let clients = std::mem::take(clients);
        server.tracking.forget(usize::from(!clients.is_empty()), clients.len());
        for client in clients.iter().filter_map(|id| server.clients.find(*id)) {
            let is_author = author.as_ref().is_some_and(|author| author.id == client.id);
            let mode = client.tracking.lock();
            let wants = mode.on && !mode.broadcast;
            if !wants || mode.no_loop && is_author && *by_request {
                continue;
            }
            drop(mode);
            tell(server, &client, Told::Keys(&[&key[..]]), &mut author);
        }
    }
}

/// Tells those who follow prefixes what has changed, and forgets it.
#[cold]
fn broadcast(server: &'static Server, changes: &mut Changes, mut author: Option<Author<'_>>) {
    // Every key once, in order, with whether a request changed it last.
    let stale: BTreeMap<Bytes, bool> =
        changes.stale.drain(..).map(|stale| (stale.key, stale.by_request)).collect();
    let prefixes: Vec<_> = {
        let all = server.tracking.prefixes.lock();
        all.iter().map(|(prefix, clients)| (prefix.clone(), clients.clone())).collect()
    };
    for (prefix, clients) in prefixes {
        let under = || stale.iter().filter(|(key, _)| key.starts_with(&prefix));
        for client in clients {
            let is_author = author.as_ref().is_some_and(|author| author.id == client.id);
            let skips = is_author && client.tracking.lock().no_loop;
            let keys = under().filter(|(_, by_request)| !(skips && **by_request));
            let keys: Vec<&[u8]> = keys.map(|(key, _)| &key[..]).collect();
            if !keys.is_empty() {
                tell(server, &client, Told::Keys(&keys), &mut author);
            }
        }
    }
}

/// Sends a client's message, or lets it know that nobody takes its messages any more.
fn tell(
    server: &'static Server,
    client: &Arc<ClientInfo>,
    told: Told<'_>,
    author: &mut Option<Author<'_>>,
) {
    let redirect = client.tracking.lock().redirect;
    if redirect == 0 {
        if client.resp.load(Relaxed) == 3 {
            send(client, Protocol::Resp3, author, |reply| write(reply, told, false));
        }
        return;
    }
    let Some(target) = server.clients.find(redirect) else {
        client.tracking.lock().is_broken = true;
        if client.resp.load(Relaxed) == 3 {
            send(client, Protocol::Resp3, author, |reply| {
                reply.push(2);
                reply.bulk(b"tracking-redir-broken");
                reply.integer(redirect as i64);
            });
        }
        return;
    };
    if target.resp.load(Relaxed) == 3 {
        send(&target, Protocol::Resp3, author, |reply| write(reply, told, false));
    } else if target.kind() == crate::clients::Kind::PubSub {
        send(&target, Protocol::Resp2, author, |reply| write(reply, told, true));
    }
}

fn write(reply: &mut Reply, told: Told<'_>, as_message: bool) {
    if as_message {
        reply.push(3);
        reply.bulk(b"message");
        reply.bulk(CHANNEL);
    } else {
        reply.push(2);
        reply.bulk(b"invalidate");
    }
    match told {
        Told::Keys(keys) => {
            reply.array(keys.len());
            keys.iter().for_each(|key| reply.bulk(key));
        }
        Told::Everything => reply.null(),
    }
}

fn send(
    client: &Arc<ClientInfo>,
    protocol: Protocol,
    author: &mut Option<Author<'_>>,
    write: impl FnOnce(&mut Reply),
) {
    if let Some(author) = author
        && author.id == client.id
        && author.protocol == protocol
    {
        return write(author.out);
    }
    let mut reply = Reply::new(protocol);
    write(&mut reply);
    client.deliver(&reply.to_vec().into());
}

/// What follows each request of a client that tracks, behind its reply: it hears what the request
/// changed. CLIENT CACHING is over, unless this was one of CLIENT, or a transaction goes on.
#[cold]
pub fn after_request(session: &mut Session, local: &mut WorkerState, ran: Option<&Registered>) {
    let server = session.server;
    let container = ran.and_then(|registered| registered.container);
    if container.is_none_or(|container| container.name != "client") && session.queue.is_none() {
        session.caching = false;
    }
    server.tracking.limit(server, &mut local.changes);
    if !local.changes.is_empty() {
        hand_out(server, &mut local.changes, Some(author(session)));
    }
}

/// Hands out all that a batch of requests, or none of any client, has changed.
#[cold]
pub fn settle(server: &'static Server, worker: &mut Worker, session: Option<&mut Session>) {
    let changes = &mut worker.local.changes;
    let mut session = session;
    hand_out(server, changes, session.as_deref_mut().map(author));
    broadcast(server, changes, session.map(author));
}

fn author(session: &mut Session) -> Author<'_> {
    let (id, protocol) = (session.info.id, session.out.protocol());
    Author { id, protocol, out: &mut session.out }
}

/// Runs a request of a client that tracks what it reads.
pub fn run(session: &mut Session, local: &mut WorkerState, request: Prepared<'_>, now: Now) {
    let server = session.server;
    let engine = &server.engine;
    let mut view = match engine.lock(request.command, request.keys) {
        Ok(view) => view,
        Err(busy) => return busy.write(&mut session.out),
    };
    engine.begin(local);
    engine.run_in(&mut view, local, request, now, &mut session.out);
    note_request(session, &mut view, request.args, request.keys);
    engine.commit(local);
    engine.serve(view, local, now);
}

/// Notes the keys of a request, whose shards are locked.
pub fn note_request(session: &Session, view: &mut LockedShards, args: Args<'_>, keys: &[KeyAt]) {
    // Argument 0 stands for what is not named.
    let named = keys.iter().filter(|key| key.arg != 0);
    let keys = named.map(|key| (key.hash, args.at(key.arg as usize)));
    session.server.tracking.note(view, session.info.id, keys);
}

/// Notes the keys of a session command, which locks them itself: called before and after it, so
/// that no change between the two is missed.
#[inline]
pub fn note_session(session: &Session, command: &Command, args: Args<'_>, keys: &[KeyAt]) {
    if session.tracks && session.notes_reads_of(command) && !command.is(NOSCRIPT) {
        note_unlocked(session, args, keys);
    }
}

#[cold]
fn note_unlocked(session: &Session, args: Args<'_>, keys: &[KeyAt]) {
    let keyspace = &session.server.engine.keyspace;
    let Ok(mut view) = keyspace.ask(keys.iter().map(|key| key.hash)) else { return };
    note_request(session, &mut view, args, keys);
}

impl Session {
    /// Whether what a command reads is noted.
    pub fn notes_reads_of(&self, command: &Command) -> bool {
        command.is(READONLY) && !command.is(PUBSUB) && self.notes_reads()
    }

    /// Whether what the client reads now is noted.
    pub fn notes_reads(&self) -> bool {
        if !self.tracks {
            return false;
        }
        let mode = self.info.tracking.lock();
        let as_said = if self.caching { !mode.opt_out } else { !mode.opt_in };
        !mode.broadcast && as_said
    }

    /// Tracks from now on, in another way if the client does already. New prefixes come to those
    /// that it follows.
    pub fn track(&mut self, mode: Mode) {
        let server = self.server;
        server.tracking.follow(&server.engine, &mode.prefixes, &self.info);
        let mut current = self.info.tracking.lock();
        let mut prefixes = std::mem::take(&mut current.prefixes);
        prefixes.extend_from_slice(&mode.prefixes);
        prefixes.sort_unstable();
        let bytes = prefixes.iter().map(|prefix| prefix.len() + NODE_BYTES).sum();
        self.info.set_kept(Kept::Prefixes, bytes);
        *current = Mode { prefixes, on: true, ..mode };
        drop(current);
        if !std::mem::replace(&mut self.tracks, true) {
            server.tracking.clients.fetch_add(1, Relaxed);
        }
    }

    /// Tracks no more.
    pub fn stop_tracking(&mut self) {
        if !std::mem::take(&mut self.tracks) {
            return;
        }
        self.caching = false;
        let server = self.server;
        let mode = std::mem::take(&mut *self.info.tracking.lock());
        server.tracking.clients.fetch_sub(1, Relaxed);
        server.tracking.unfollow(&server.engine, &mode.prefixes, self.info.id);
        self.info.set_kept(Kept::Prefixes, 0);
    }
}
