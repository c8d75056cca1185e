//! The watched keys of a shard (WATCH), each with the flags that a change of it sets.
//!
//! Kept in the shard, behind its lock, so that a change and the look at the flag in EXEC, which
//! holds the same lock, cannot miss each other. A shard without watched keys pays one branch.

use crate::storage::entry::Entry;
use crate::storage::table::Table;
use hashbrown::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A client's flag: set once any of its watched keys has changed. Only read and set under a watched
/// key's lock.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<AtomicBool>);

impl Watch {
    /// Whether a watched key has changed.
    pub fn is_broken(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Sets it, as a change of a watched key does.
    pub fn break_off(&self) {
        self.0.store(true, Relaxed);
    }

    fn is(&self, other: &Watch) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The flags of the clients that watch a key.
struct Watched {
    hash: u64,
    by: Vec<Watch>,
}

type Keys = HashMap<(usize, Box<[u8]>), Watched>;

/// The watched keys of a shard.
#[derive(Default)]
pub struct Watches(Option<Box<Keys>>);

impl Watches {
    /// Watches a key of database `db`.
    pub fn add(&mut self, db: usize, hash: u64, key: &[u8], watch: &Watch) {
        let keys = self.0.get_or_insert_default();
        let watched = keys.entry((db, key.into())).or_insert(Watched { hash, by: Vec::new() });
        watched.by.push(watch.clone());
    }

    /// Ends a watch of a key.
    pub fn remove(&mut self, db: usize, key: &[u8], watch: &Watch) {
        let Some(keys) = &mut self.0 else { return };
        let name = (db, key.into());
        if let Some(watched) = keys.get_mut(&name) {
            watched.by.retain(|other| !other.is(watch));
            if watched.by.is_empty() {
                keys.remove(&name);
            }
        }
        if keys.is_empty() {
            self.0 = None;
        }
    }

    /// The number of watched keys.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |keys| keys.len())
    }

    /// Whether no key is watched.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A key has changed.
    #[inline]
    pub fn touch(&self, db: usize, key: &[u8]) {
        if let Some(keys) = &self.0 {
            touch(keys, db, key);
        }
    }

    /// All keys of a table go, or come; an entry past its deadline does not count.
    pub fn touch_table(&self, db: usize, table: &Table, now_ms: u64) {
        self.touch_where(db, table, |it| it.deadline_ms() == 0 || it.deadline_ms() > now_ms);
    }

    /// The keys of a table go, or come, whose entries `is` accepts.
    pub fn touch_where(&self, db: usize, table: &Table, is: impl Fn(&Entry) -> bool) {
        let Some(keys) = &self.0 else { return };
        for ((of, key), watched) in keys.iter() {
            let found = (*of == db).then(|| table.find(watched.hash, key)).flatten();
            if found.is_some_and(|slot| is(table.at(slot))) {
                watched.by.iter().for_each(|watch| watch.0.store(true, Relaxed));
            }
        }
    }
}

#[cold]
fn touch(keys: &Keys, db: usize, key: &[u8]) {
    if let Some(watched) = keys.get(&(db, key.into())) {
        watched.by.iter().for_each(|watch| watch.0.store(true, Relaxed));
    }
}
