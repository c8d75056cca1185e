//! CLIENT TRACKING: clients that cache keys are sent invalidations when those keys change.
//!
//! ```text
//!   reads of a client that tracks ---> noted in the shard, under the lock of the read
//!   any change of a key           ---> Changes of the worker, under the lock of the change
//!   after the unlock              ---> deliver: pushes, in the order of the changes
//! ```
//!
//! A client's own invalidations stand behind the reply to the request that caused them; those of
//! other clients go through their outboxes. Prefixes (BCAST) are served once a batch. A client
//! whose messages are redirected may speak RESP2: then they look like messages of a channel.
//!
//! The notes of a client that has disconnected stay until their keys change, and are dropped then.

use crate::clients::Clients;
use crate::clients::client::ClientInfo;
use crate::clients::kind::ClientKind;
use bytes::Bytes;
use parking_lot::Mutex;
use redstart_engine::Engine;
use redstart_engine::hasher::SHARDS;
use redstart_engine::keyspace::LockedShards;
use redstart_engine::keyspace::tracking::{Added, Changes, Stale};
use redstart_protocol::{Protocol, Reply};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The channel that redirected messages seem to come from in RESP2.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// The clients that track, and the prefixes that they follow.
#[derive(Default)]
pub struct Tracking {
    /// Clients that track.
    pub clients: AtomicUsize,
    keys: AtomicUsize,
    items: AtomicUsize,
    keys_max: AtomicUsize,
    prefixes: Mutex<BTreeMap<Bytes, Vec<Arc<ClientInfo>>>>,
}

/// The sums that INFO prints.
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
    /// The sums that INFO prints.
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

    /// Makes a client follow prefixes from now on.
    pub fn follow(&self, engine: &Engine, prefixes: &[Bytes], client: &Arc<ClientInfo>) {
        let mut all = self.prefixes.lock();
        for prefix in prefixes {
            all.entry(prefix.clone()).or_default().push(client.clone());
        }
        engine.want_all_changes(!all.is_empty());
    }

    /// Makes it follow none of them any more.
    pub fn unfollow(&self, engine: &Engine, prefixes: &[Bytes], id: u64) {
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

    /// Declares noted keys stale until no more are noted than `tracking-table-max-keys` allows.
    pub fn limit(&self, engine: &'static Engine, changes: &mut Changes) {
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
            let Ok(mut view) = engine.keyspace.lock_shard_unless_busy(at) else { break };
            while surplus > 0
                && let Some(stale) = view.shard_at(at).tracked.take_any()
            {
                changes.stale.push(stale);
                surplus -= 1;
            }
            at = (at + 1) % SHARDS;
        }
    }

    /// Sends what has changed to the clients that have read it; `author` is the client whose
    /// requests changed it, if any.
    #[cold]
    pub fn deliver(
        &self,
        clients: &Clients,
        changes: &mut Changes,
        mut author: Option<Author<'_>>,
    ) {
        let Changes { stale, flushed, forgotten, .. } = &mut *changes;
        let forgotten = std::mem::take(forgotten);
        self.forget(forgotten.keys, forgotten.items);
        if std::mem::take(flushed) {
            for client in clients.all() {
                if client.tracking.lock().on {
                    send_to(clients, &client, Invalidated::Everything, &mut author);
                }
            }
        }
        for Stale { key, clients: readers, by_request } in stale.iter_mut() {
            let readers = std::mem::take(readers);
            self.forget(usize::from(!readers.is_empty()), readers.len());
            for client in readers.iter().filter_map(|id| clients.find(*id)) {
                let is_author = author.as_ref().is_some_and(|author| author.id == client.id);
                let mode = client.tracking.lock();
                let wants = mode.on && !mode.broadcast;
                if !wants || mode.no_loop && is_author && *by_request {
                    continue;
                }
                drop(mode);
                send_to(clients, &client, Invalidated::Keys(&[&key[..]]), &mut author);
            }
        }
    }

    /// Sends what has changed to the clients that follow prefixes, and forgets it.
    #[cold]
    pub fn broadcast(
        &self,
        clients: &Clients,
        changes: &mut Changes,
        mut author: Option<Author<'_>>,
    ) {
        // Every key once, in order, with whether a request changed it last.
        let stale: BTreeMap<Bytes, bool> =
            changes.stale.drain(..).map(|stale| (stale.key, stale.by_request)).collect();
        let prefixes: Vec<_> = {
            let all = self.prefixes.lock();
            all.iter().map(|(prefix, followers)| (prefix.clone(), followers.clone())).collect()
        };
        for (prefix, followers) in prefixes {
            let under = || stale.iter().filter(|(key, _)| key.starts_with(&prefix));
            for client in followers {
                let is_author = author.as_ref().is_some_and(|author| author.id == client.id);
                let skips = is_author && client.tracking.lock().no_loop;
                let keys = under().filter(|(_, by_request)| !(skips && **by_request));
                let keys: Vec<&[u8]> = keys.map(|(key, _)| &key[..]).collect();
                if !keys.is_empty() {
                    send_to(clients, &client, Invalidated::Keys(&keys), &mut author);
                }
            }
        }
    }
}

/// The client whose requests made the changes: messages for it go behind the replies in its output.
pub struct Author<'a> {
    /// The client's id.
    pub id: u64,
    /// The protocol that it speaks.
    pub protocol: Protocol,
    /// Its output.
    pub out: &'a mut Reply,
}

/// What a message declares stale.
#[derive(Clone, Copy)]
enum Invalidated<'a> {
    Keys(&'a [&'a [u8]]),
    Everything,
}

/// Sends a client's message to the client or where it is redirected; a client whose target has gone
/// is sent that instead.
fn send_to(
    clients: &Clients,
    client: &Arc<ClientInfo>,
    stale: Invalidated<'_>,
    author: &mut Option<Author<'_>>,
) {
    let redirect = client.tracking.lock().redirect;
    if redirect == 0 {
        if client.resp.load(Relaxed) == 3 {
            send(client, Protocol::Resp3, author, |reply| write(reply, stale, false));
        }
        return;
    }
    let Some(target) = clients.find(redirect) else {
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
        send(&target, Protocol::Resp3, author, |reply| write(reply, stale, false));
    } else if target.kind() == ClientKind::PubSub {
        send(&target, Protocol::Resp2, author, |reply| write(reply, stale, true));
    }
}

fn write(reply: &mut Reply, stale: Invalidated<'_>, as_message: bool) {
    if as_message {
        reply.push(3);
        reply.bulk(b"message");
        reply.bulk(CHANNEL);
    } else {
        reply.push(2);
        reply.bulk(b"invalidate");
    }
    match stale {
        Invalidated::Keys(keys) => {
            reply.array(keys.len());
            keys.iter().for_each(|key| reply.bulk(key));
        }
        Invalidated::Everything => reply.null(),
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
        // A message is not put into the midst of a reply.
        && !author.out.has_rest()
    {
        return write(author.out);
    }
    let mut reply = Reply::new(protocol);
    write(&mut reply);
    client.deliver(&reply.to_vec().into());
}
