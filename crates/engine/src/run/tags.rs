//! Keys whose tags were dropped: they are passed over by every look, and freed where one meets them
//! or by the ticks of the workers.

use crate::clock::Now;
use crate::hasher::{SHARDS, shard_of};
use crate::keyspace::LockedShards;
use crate::keyspace::prefixes::Cause;
use crate::keyspace::shard::Shard;
use crate::keyspace::tags::Tags;
use crate::run::engine::Engine;
use crate::run::event_classes::GENERIC;
use crate::run::key_access::KeyAccess;
use crate::run::worker_state::WorkerState;
use crate::spec::Key;
use crate::storage::entry::Entry;
use crate::storage::table::Slot;
use crate::storage::tags::{Tag, TagList};
use std::sync::Arc;

/// Where a worker is that walks a shard for keys of dropped tags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FreeingAt {
    shard: usize,
    db: usize,
    segment: usize,
}

impl KeyAccess<'_> {
    /// The tags of the keyspace.
    pub(crate) fn tags(&self) -> &'static Tags {
        &self.view.keyspace().tags
    }

    /// The tag of a name in a database, for a key that is to have it.
    pub(crate) fn tag(&self, db: usize, name: &[u8], key: Key<'_>) -> Arc<Tag> {
        let keyspace = self.view.keyspace();
        let hash = keyspace.hasher().hash(name);
        let generation = || keyspace.fences.draw(self.now);
        keyspace.tags.of_name(db, (name, hash), shard_of(key.hash), generation)
    }

    /// Gives an entry that comes from another key or database the tags of the same names there.
    pub(crate) fn retag(&self, entry: &mut Entry, db: usize, key: Key<'_>) {
        if entry.is_tagged() {
            let names = entry.tags().iter();
            let tags: TagList = names.map(|tag| self.tag(db, tag.name(), key)).collect();
            entry.set_tags(tags);
        }
    }

    /// Gives the entry in a slot other tags: no change of its value, for whoever watches or caches
    /// the key.
    pub(crate) fn set_tags(&mut self, key: Key<'_>, slot: Slot, tags: TagList) {
        self.local.stats.changes.add(1);
        self.reshape(key, slot, |entry| entry.set_tags(tags));
    }

    /// Emits the tags of an entry, behind effects that store it anew.
    pub(crate) fn emit_tags(&mut self, key: Key<'_>, slot: Slot) {
        if self.listened_to() && self.entry(key, slot).is_tagged() {
            let tags: TagList = self.entry(key, slot).tags().into();
            let words = [&b"TAG.ADD"[..], key.bytes];
            self.emit(|| words.into_iter().chain(tags.iter().map(|tag| tag.name())));
        }
    }

    /// Whether a key was dropped with one of its tags; it is freed then. While expiry is paused, a
    /// read leaves it where it is, as it does one whose time has come.
    pub(crate) fn is_dropped(&mut self, key: Key<'_>, slot: Slot) -> bool {
        if !self.tags().any_dropped() || !self.entry(key, slot).is_dropped() {
            return false;
        }
        if self.local.writes || !self.view.keyspace().is_expiry_paused() {
            self.free_dropped(key, slot);
        }
        true
    }

    /// Frees a key that was dropped with one of its tags. The log has the drop already; replicas
    /// that know no tags are told of each key.
    #[cold]
    pub(crate) fn free_dropped(&mut self, key: Key<'_>, slot: Slot) {
        let hasher = self.view.keyspace().hasher();
        let shard = self.view.shard(key.hash);
        let entry = shard.db_mut(self.db).remove(key.hash, slot, hasher);
        if self.local.prefixes.is_some() {
            shard.gone.note(key.hash, Cause::Dropped);
        }
        shard.touch(self.db, key.bytes, false, &mut self.local.changes);
        shard.waiters.note_gone(self.db, key.hash, key.bytes, &mut self.local.ready);
        if !shard.leases.is_empty() {
            self.void_lease(key);
        }
        self.local.stats.dropped_keys.add(1);
        self.local.effects.push_dropped(self.db, key.bytes);
        self.note_event(GENERIC, "dropped", key);
        entry.into_iter().for_each(|entry| self.local.discard(entry));
    }

    /// Tags were dropped: breaks the watches of the keys that are gone.
    pub(crate) fn break_watches_of_dropped(&mut self) {
        let db = self.db;
        for index in 0..SHARDS {
            let shard = self.view.shard_at(index);
            if !shard.watches.is_empty()
                && let Some(part) = shard.db(db)
            {
                shard.watches.touch_where(db, part.table(), Entry::is_dropped);
            }
        }
    }
}

impl Engine {
    /// Frees some keys whose tags were dropped, in the shard that falls to this worker next.
    /// Returns whether there may be more.
    pub fn free_dropped(&'static self, local: &mut WorkerState, now: Now) -> bool {
        let tags = &self.keyspace.tags;
        if !tags.any_dropped() {
            return false;
        }
        let next = || tags.next_shard().map(|shard| FreeingAt { shard, db: 0, segment: 0 });
        let Some(mut at) = local.freeing.take().or_else(next) else { return false };
        // What a script holds for too long is looked at when it is free again.
        let Ok(mut view) = self.keyspace.lock_shard_unless_busy(at.shard) else {
            local.freeing = Some(at);
            return false;
        };
        self.begin(local);
        local.writes = true;
        let more = free_segment(&mut view, local, now, &mut at);
        self.commit(local);
        self.serve(view, local, now);
        match more {
            true => local.freeing = Some(at),
            false => tags.walked(),
        }
        true
    }
}

/// Frees what was dropped in one segment, and goes on to the next one. False behind the last.
fn free_segment(
    view: &mut LockedShards,
    local: &mut WorkerState,
    now: Now,
    at: &mut FreeingAt,
) -> bool {
    let hasher = view.keyspace().hasher();
    let shard = view.shard_at(at.shard);
    if at.db >= shard.db_limit() {
        return false;
    }
    let Some(keys) = dropped_in(shard, at) else {
        (at.db, at.segment) = (at.db + 1, 0);
        return true;
    };
    at.segment += 1;
    let mut space = KeyAccess { now, db: at.db, view, local };
    for key in &keys {
        let key = Key { bytes: key, hash: hasher.hash(key) };
        let db = space.view.shard(key.hash).db_mut(space.db);
        if let Some(slot) = db.table().find(key.hash, key.bytes) {
            space.free_dropped(key, slot);
        }
    }
    true
}

/// The keys of a segment whose tags were dropped; None behind the last segment.
fn dropped_in(shard: &mut Shard, at: &FreeingAt) -> Option<Vec<Box<[u8]>>> {
    shard.db(at.db)?;
    let entries = shard.db_mut(at.db).table_mut().segment_mut(at.segment)?;
    let dropped = entries.filter(|entry| entry.is_tagged() && entry.is_dropped());
    Some(dropped.map(|entry| entry.key().into()).collect())
}
