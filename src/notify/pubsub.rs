//! Channels: which client listens to which, and the delivery of messages.
//!
//! There is one lock over all of it. PUBLISH holds it while it delivers the message, so that every
//! listener sees all messages in the same order. A message is encoded once for each protocol and
//! shared by all outboxes.

use crate::clients::client::ClientInfo;
use bytes::Bytes;
use parking_lot::Mutex;
use redstart_engine::glob::{self, Case};
use redstart_engine::run::event_classes::{Classes, KEYEVENT, KEYSPACE};
use redstart_engine::run::events::Event;
use redstart_protocol::{Protocol, Reply};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What a client can listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A channel by its name.
    Channel,
    /// All channels whose names match a pattern.
    Pattern,
    /// A shard channel by its name.
    Shard,
}

type Listeners = BTreeMap<Bytes, Vec<Arc<ClientInfo>>>;

/// All channels.
#[derive(Default)]
pub struct PubSub {
    lists: Mutex<[Listeners; 3]>,
}

impl Kind {
    /// The kinds.
    pub const ALL: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];

    /// The word for the beginning, as the confirmation says it.
    pub fn subscribed(self) -> &'static str {
        ["subscribe", "psubscribe", "ssubscribe"][self as usize]
    }

    /// The word for the end.
    pub fn unsubscribed(self) -> &'static str {
        ["unsubscribe", "punsubscribe", "sunsubscribe"][self as usize]
    }
}

impl PubSub {
    /// Subscribes a client.
    pub fn add(&self, kind: Kind, name: &Bytes, client: &Arc<ClientInfo>) {
        let mut lists = self.lists.lock();
        lists[kind as usize].entry(name.clone()).or_default().push(client.clone());
    }

    /// Ends a client's subscription.
    pub fn remove(&self, kind: Kind, name: &[u8], id: u64) {
        let list = &mut self.lists.lock()[kind as usize];
        if let Some(listeners) = list.get_mut(name) {
            listeners.retain(|client| client.id != id);
            if listeners.is_empty() {
                list.remove(name);
            }
        }
    }

    /// Delivers a message. Returns the number of clients.
    pub fn publish(&self, kind: Kind, channel: &[u8], message: &[u8]) -> usize {
        let lists = self.lists.lock();
        let mut count = 0;
        if let Some(listeners) = lists[kind as usize].get(channel) {
            let word: &[u8] = if kind == Kind::Shard { b"smessage" } else { b"message" };
            count += deliver(listeners, &[word, channel, message]);
        }
        if kind == Kind::Channel {
            for (pattern, listeners) in &lists[Kind::Pattern as usize] {
                if glob::matches(pattern, channel, Case::Sensitive) {
                    count += deliver(listeners, &[b"pmessage", pattern, channel, message]);
                }
            }
        }
        count
    }

    /// Publishes keyspace events, under the channels that `classes` ask for.
    #[cold]
    pub fn publish_events(&self, classes: Classes, events: Vec<Event>) {
        for Event { db, name, key } in events {
            if classes & KEYSPACE != 0 {
                let mut channel = format!("__keyspace@{db}__:").into_bytes();
                channel.extend_from_slice(&key);
                self.publish(Kind::Channel, &channel, name.as_bytes());
            }
            if classes & KEYEVENT != 0 {
                let channel = format!("__keyevent@{db}__:{name}");
                self.publish(Kind::Channel, channel.as_bytes(), &key);
            }
        }
    }

    /// Calls `f` with every name and every client that listens to it.
    pub fn each(&self, mut f: impl FnMut(Kind, &Bytes, &Arc<ClientInfo>)) {
        let lists = self.lists.lock();
        for kind in Kind::ALL {
            for (name, listeners) in &lists[kind as usize] {
                listeners.iter().for_each(|client| f(kind, name, client));
            }
        }
    }

    /// The names that have listeners, those that match `pattern`.
    pub fn names(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Bytes> {
        let lists = self.lists.lock();
        let wanted = |name: &&Bytes| {
            pattern.is_none_or(|pattern| glob::matches(pattern, name, Case::Sensitive))
        };
        lists[kind as usize].keys().filter(wanted).cloned().collect()
    }

    /// The number of clients that listen to a name.
    pub fn count(&self, kind: Kind, name: &[u8]) -> usize {
        self.lists.lock()[kind as usize].get(name).map_or(0, Vec::len)
    }

    /// The number of names that have listeners.
    pub fn len(&self, kind: Kind) -> usize {
        self.lists.lock()[kind as usize].len()
    }
}

fn deliver(listeners: &[Arc<ClientInfo>], parts: &[&[u8]]) -> usize {
    let (mut encoded, mut count): ([Option<Bytes>; 2], usize) = ([None, None], 0);
    // One that was ended may not have left yet.
    for client in listeners.iter().filter(|client| !client.is_ended()) {
        let newer = client.resp.load(Relaxed) == 3;
        let bytes = encoded[usize::from(newer)].get_or_insert_with(|| {
            let mut reply = Reply::new(if newer { Protocol::Resp3 } else { Protocol::Resp2 });
            reply.push(parts.len());
            parts.iter().for_each(|part| reply.bulk(part));
            reply.to_vec().into()
        });
        client.deliver(bytes);
        count += 1;
    }
    count
}
