//! What a client listens to: its subscriptions to channels, patterns and shard channels.

use crate::clients::client::NODE_BYTES;
use crate::notify::pubsub::Kind;
use crate::session::Session;
use bytes::Bytes;

impl Session {
    /// Subscribes to names, and confirms each.
    pub fn subscribe<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>, kind: Kind) {
        for name in names {
            if !self.listening[kind as usize].contains(name) {
                let name = Bytes::copy_from_slice(name);
                self.server.pubsub.add(kind, &name, &self.info);
                self.names_bytes += name.len() + NODE_BYTES;
                self.listening[kind as usize].insert(name);
            }
            self.confirm(kind, kind.subscribed(), Some(name));
        }
        self.check_listening();
    }

    /// Ends the subscriptions to names, without any to all, and confirms each.
    pub fn unsubscribe<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>, kind: Kind) {
        let mut names: Vec<Bytes> = names.map(Bytes::copy_from_slice).collect();
        if names.is_empty() {
            names = self.listening[kind as usize].iter().cloned().collect();
            if names.is_empty() {
                self.confirm(kind, kind.unsubscribed(), None);
            }
        }
        for name in names {
            self.stop_listening(kind, &name);
            self.confirm(kind, kind.unsubscribed(), Some(&name));
        }
    }

    /// Confirms with the word, the name, and how many subscriptions are left (shard channels count
    /// apart).
    fn confirm(&mut self, kind: Kind, word: &str, name: Option<&[u8]>) {
        let count = match kind {
            Kind::Shard => self.listening[Kind::Shard as usize].len(),
            _ => self.listening[..2].iter().map(|names| names.len()).sum(),
        };
        let out = &mut self.out;
        out.push(3);
        out.bulk(word.as_bytes());
        match name {
            Some(name) => out.bulk(name),
            None => out.null(),
        }
        out.integer(count as i64);
        self.note_listening();
    }

    /// Ends the listening to one name.
    pub fn stop_listening(&mut self, kind: Kind, name: &[u8]) {
        if self.listening[kind as usize].remove(name) {
            self.server.pubsub.remove(kind, name, self.info.id);
            self.names_bytes -= name.len() + NODE_BYTES;
        }
    }

    /// Ends all listening.
    pub fn stop_all_listening(&mut self) {
        for kind in Kind::ALL {
            for name in std::mem::take(&mut self.listening[kind as usize]) {
                self.server.pubsub.remove(kind, &name, self.info.id);
            }
        }
        self.names_bytes = 0;
        self.note_listening();
    }
}
