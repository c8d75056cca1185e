//! The fields of hashes that a client has named, to send only values afterwards (HIMPORT).

use crate::clients::client::{KeptFor, NODE_BYTES};
use crate::session::Session;
use bytes::Bytes;
use redstart_engine::run::fieldset::Fieldset;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A client's fieldsets, by their names.
#[derive(Default)]
pub struct Fieldsets {
    sets: BTreeMap<Bytes, Arc<Fieldset>>,
    bytes: usize,
}

impl Fieldsets {
    /// Adds one, in place of any other of that name.
    pub fn add(&mut self, name: &[u8], fieldset: Fieldset) {
        self.remove(name);
        self.bytes += taken(name, &fieldset);
        self.sets.insert(Bytes::copy_from_slice(name), Arc::new(fieldset));
    }

    /// The one of that name.
    pub fn get(&self, name: &[u8]) -> Option<Arc<Fieldset>> {
        self.sets.get(name).cloned()
    }

    /// Removes one. Returns whether there was one.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let removed = self.sets.remove(name);
        if let Some(fieldset) = &removed {
            self.bytes -= taken(name, fieldset);
        }
        removed.is_some()
    }

    /// Removes all. Returns how many there were.
    pub fn clear(&mut self) -> usize {
        self.bytes = 0;
        std::mem::take(&mut self.sets).len()
    }
}

fn taken(name: &[u8], fieldset: &Fieldset) -> usize {
    NODE_BYTES + name.len() + fieldset.bytes()
}

impl Session {
    /// Lets others know what the fieldsets take.
    pub fn note_fieldsets(&mut self) {
        self.info.set_kept(KeptFor::Fieldsets, self.fieldsets.bytes);
        self.server.clients.evict_if_large(&self.info);
        if self.info.is_ended() {
            self.closing = true;
        }
    }
}
