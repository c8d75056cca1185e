//! Emptying the keyspace, and filling it with what was saved.

use crate::hasher::{SHARDS, shard_of};
use crate::keyspace::Keyspace;
use crate::keyspace::db::Db;
use crate::storage::entry::Entry;
use crate::storage::tags::{Tag, TagList};
use std::sync::Arc;

/// Entries whose buckets are fetched ahead together.
const BATCH: usize = 64;

/// An entry whose key was there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateKey {
    /// How many entries came before it.
    pub place: usize,
    /// Its database.
    pub db: usize,
    /// Its key.
    pub key: Box<[u8]>,
}

impl Keyspace {
    /// Drops every key of every database. No snapshot may be under way.
    pub fn clear(&'static self) {
        let mut view = self.lock_all();
        for index in 0..SHARDS {
            let shard = view.shard_at(index);
            let parts: Vec<Db> = (0..shard.db_limit()).filter_map(|db| shard.take_db(db)).collect();
            let known = (std::mem::take(&mut shard.leases), std::mem::take(&mut shard.locks));
            view.publish(index);
            drop((parts, known));
        }
        self.tags.forget_dbs(|_| true);
    }

    /// Replaces the tags of a saved entry, which are its own, by those that others share.
    fn resolve_tags(&self, db: usize, hash: u64, entry: &mut Entry) {
        let shared = |tag: &Arc<Tag>| {
            self.fences.raise(tag.generation());
            let name = (tag.name(), self.hasher().hash(tag.name()));
            self.tags.of_name(db, name, shard_of(hash), || tag.generation())
        };
        let tags: TagList = entry.tags().iter().map(shared).collect();
        entry.set_tags(tags);
    }

    /// Makes room in a database that is empty for so many entries, which are to come.
    pub fn reserve(&'static self, db: usize, entries: u64) {
        let each = usize::try_from(entries).unwrap_or(usize::MAX) / SHARDS;
        for index in 0..SHARDS {
            let mut view = self.lock_shard(index);
            view.shard_at(index).db_mut(db).reserve(each);
            if db == 0 {
                view.publish_hints(index);
            }
        }
    }

    /// Puts saved entries in, each with its database, and empties `entries`.
    ///
    /// # Errors
    /// The first entry whose key was there already: then what was saved is not one keyspace.
    pub fn restore(&'static self, entries: &mut Vec<(usize, Entry)>) -> Result<(), DuplicateKey> {
        let hasher = self.hasher();
        let (mut whole, count) = (Ok(()), entries.len());
        let mut hashes = [0; BATCH];
        let mut entries = entries.drain(..);
        while entries.len() > 0 {
            let batch = BATCH.min(entries.len());
            for (hash, (_, entry)) in hashes.iter_mut().zip(&entries.as_slice()[..batch]) {
                *hash = hasher.hash(entry.key());
                self.prefetch_shard(*hash);
            }
            for (&hash, (db, _)) in hashes.iter().zip(&entries.as_slice()[..batch]) {
                self.prefetch_bucket(*db, hash);
            }
            for &hash in &hashes[..batch] {
                let place = count - entries.len();
                let Some((db, mut entry)) = entries.next() else { break };
                if entry.is_tagged() {
                    self.resolve_tags(db, hash, &mut entry);
                }
                let wake_ms = entry.wake_ms();
                let mut view = self.lock_shard(shard_of(hash));
                let part = view.shard(hash).db_mut(db);
                if part.table().find(hash, entry.key()).is_some() {
                    let key = entry.key().into();
                    whole = whole.and(Err(DuplicateKey { place, db, key }));
                    continue;
                }
                part.insert(hash, entry, hasher);
                if part.table_mut().take_moved() && db == 0 {
                    view.publish_hints(shard_of(hash));
                }
                if wake_ms != 0 {
                    view.publish_earlier(shard_of(hash), wake_ms);
                }
            }
        }
        whole
    }
}
