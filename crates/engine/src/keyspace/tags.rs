//! The tags of all keys by their names, and the search for keys whose tags were dropped.
//!
//! A key leads to its tags by itself (`storage/tags.rs`); here a name leads to the generation that
//! it has now. The locks here are the last to be taken: whoever holds one waits for nothing.
//!
//! TAG.DROP holds all shards: no other command sees the keys half gone, and the log has the drop
//! before or behind every change of them. It takes the name out and marks the tag; the keys, which
//! every look passes over from then on, are freed where a command meets them, and by the ticks of
//! all workers, which walk the shards where they may be. When a walk is through, no key of the tags
//! is left, and a look at a tagged key costs no more than a flag again.
//!
//! A name whose last key went stays until so many others have come; then it is swept out.

use crate::hasher::SHARDS;
use crate::storage::tags::{GROUP, Tag};
use crate::sync::Mutex;
use hashbrown::HashTable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Threads that look up different names seldom want the same lock.
const STRIPES: usize = 16;
/// So few names are not worth a sweep.
const NAMES_MIN: usize = 64;

/// The names of one stripe.
#[derive(Default)]
struct Names {
    /// By database.
    dbs: Vec<HashTable<Arc<Tag>>>,
    len: usize,
    /// With how many names the next sweep is due.
    sweep_at: usize,
}

impl Names {
    fn db(&mut self, db: usize) -> &mut HashTable<Arc<Tag>> {
        if self.dbs.len() <= db {
            self.dbs.resize_with(db + 1, HashTable::new);
        }
        &mut self.dbs[db]
    }

    /// Takes out the names that no key has any more.
    fn sweep(&mut self) {
        for names in &mut self.dbs {
            names.retain(|tag| Arc::strong_count(tag) > 1);
            names.shrink_to(0, |tag| tag.hash());
        }
        self.len = self.dbs.iter().map(HashTable::len).sum();
        self.sweep_at = (self.len * 2).max(NAMES_MIN);
    }
}

/// The search for keys of dropped tags.
#[derive(Default)]
struct Walk {
    /// The tags that this walk is for, and those that wait for the next one.
    tags: Vec<Arc<Tag>>,
    later: Vec<Arc<Tag>>,
    /// The groups of shards to walk, and the next shard.
    groups: u64,
    next: usize,
    /// Shards that workers walk now.
    walked: usize,
    /// Whether keys may have come to where the walk has been.
    again: bool,
}

/// The tags of a keyspace.
pub struct Tags {
    names: Vec<Mutex<Names>>,
    /// How many drops there have been.
    drops: AtomicU64,
    any_dropped: AtomicBool,
    walk: Mutex<Walk>,
}

impl Default for Tags {
    fn default() -> Tags {
        Tags {
            names: (0..STRIPES).map(|_| Mutex::default()).collect(),
            drops: AtomicU64::new(0),
            any_dropped: AtomicBool::new(false),
            walk: Mutex::default(),
        }
    }
}

impl Tags {
    fn stripe(&self, hash: u64) -> &Mutex<Names> {
        &self.names[hash as usize % STRIPES]
    }

    /// The tag of a name, which a key in shard `shard` is to have; a new one has this generation.
    pub fn of_name(
        &self,
        db: usize,
        (name, hash): (&[u8], u64),
        shard: usize,
        generation: impl FnOnce() -> u64,
    ) -> Arc<Tag> {
        let names = &mut *self.stripe(hash).lock();
        if let Some(tag) = names.db(db).find(hash, |tag| tag.name() == name) {
            tag.note_shard(shard);
            return tag.clone();
        }
        if names.len >= names.sweep_at {
            names.sweep();
        }
        let tag = Arc::new(Tag::new(name, hash, generation()));
        tag.note_shard(shard);
        names.db(db).insert_unique(hash, tag.clone(), |tag| tag.hash());
        names.len += 1;
        tag
    }

    /// The tag of a name and how many keys have it, if any has.
    pub fn find(&self, db: usize, (name, hash): (&[u8], u64)) -> Option<(Arc<Tag>, usize)> {
        let names = &mut *self.stripe(hash).lock();
        let tag = names.db(db).find(hash, |tag| tag.name() == name)?;
        let keys = Arc::strong_count(tag) - 1;
        (keys > 0).then(|| (tag.clone(), keys))
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.iter().map(|names| names.lock().len).sum()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops a tag, as a part of drop `nth`. All shards are locked. Returns how many keys are gone,
    /// as far as none has another tag that was dropped.
    pub(crate) fn drop_name(&self, db: usize, (name, hash): (&[u8], u64), nth: u64) -> usize {
        let names = &mut *self.stripe(hash).lock();
        let found = names.db(db).find_entry(hash, |tag| tag.name() == name);
        let Ok(found) = found else { return 0 };
        let tag = found.remove().0;
        names.len -= 1;
        let keys = Arc::strong_count(&tag) - 1;
        if keys > 0 {
            tag.drop_as(nth);
            let walk = &mut *self.walk.lock();
            walk.later.push(tag);
            self.any_dropped.store(true, Relaxed);
        }
        keys
    }

    /// Begins a drop of tags. Returns its number.
    pub(crate) fn begin_drop(&self) -> u64 {
        self.drops.fetch_add(1, Relaxed) + 1
    }

    /// How many drops there have been. It stays so while all shards are locked.
    pub fn drops(&self) -> u64 {
        self.drops.load(Relaxed)
    }

    /// Databases were emptied: their names are gone.
    pub(crate) fn forget_dbs(&self, is_gone: impl Fn(usize) -> bool) {
        for names in &self.names {
            let names = &mut *names.lock();
            for (db, tags) in names.dbs.iter_mut().enumerate() {
                if is_gone(db) {
                    *tags = HashTable::new();
                }
            }
            names.len = names.dbs.iter().map(HashTable::len).sum();
        }
    }

    /// Two databases were exchanged. All shards are locked.
    pub(crate) fn swap_dbs(&self, a: usize, b: usize) {
        for names in &self.names {
            let names = &mut *names.lock();
            names.db(a.max(b));
            names.dbs.swap(a, b);
        }
        self.walk.lock().again = true;
    }

    /// Whether keys may be there whose tags were dropped.
    #[inline]
    pub fn any_dropped(&self) -> bool {
        self.any_dropped.load(Relaxed)
    }

    /// A shard to be walked for keys of dropped tags; after the walk, [`Tags::walked`] is called.
    pub(crate) fn next_shard(&self) -> Option<usize> {
        let walk = &mut *self.walk.lock();
        loop {
            while walk.next < SHARDS {
                let at = walk.next;
                walk.next += 1;
                if walk.groups & 1 << (at / GROUP) != 0 {
                    walk.walked += 1;
                    return Some(at);
                }
            }
            if walk.walked > 0 {
                return None;
            }
            if !std::mem::take(&mut walk.again) {
                walk.tags.clear();
            }
            // Of some, the last key was met by a command.
            walk.later.retain(|tag| Arc::strong_count(tag) > 1);
            walk.tags.append(&mut walk.later);
            if walk.tags.is_empty() {
                self.any_dropped.store(false, Relaxed);
                *walk = Walk { next: SHARDS, ..Walk::default() };
                return None;
            }
            (walk.groups, walk.next) = (walk.tags.iter().fold(0, |all, it| all | it.groups()), 0);
        }
    }

    /// A shard was walked to its end.
    pub(crate) fn walked(&self) {
        self.walk.lock().walked -= 1;
    }
}
