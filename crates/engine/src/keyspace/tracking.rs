//! Client-side caches: which clients have read which keys, so that the server can send them an
//! invalidation when a key changes.
//!
//! Kept in the shard, behind its lock: a read and its note, a change and its invalidation, are each
//! one step, so that no client keeps what is stale. A key is noted by its name alone, whichever
//! database it is in. An invalidation ends the note: the client has to read the key again to get
//! the next one.
//!
//! What has changed is collected here under the locks; the server sends after the unlock. A shard
//! without notes pays one branch, and so does a unit while no client wants all changes.

use bytes::Bytes;
use hashbrown::HashMap;

/// Keys, and the numbers of the clients that have read them.
type Readers = HashMap<Box<[u8]>, Vec<u64>>;

/// The keys of a shard that clients have read.
#[derive(Default)]
pub struct Tracked(Option<Box<Readers>>);

/// A key that has changed, with the clients that had read it.
#[derive(Debug, PartialEq, Eq)]
pub struct Stale {
    /// The key.
    pub key: Bytes,
    /// Their numbers.
    pub clients: Vec<u64>,
    /// Whether a request changed it, and not the end of its time.
    pub by_request: bool,
}

/// What became new in a shard's notes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Keys that no client had read.
    pub keys: usize,
    /// Pairs of a key and a client.
    pub items: usize,
}

/// What has changed in the requests that ran since this was last looked at.
#[derive(Debug, Default)]
pub struct Changes {
    /// Whether all changes are wanted, of keys that no client has read, too.
    all: bool,
    /// Changed keys that clients had read or, where all changes are wanted, all changed keys.
    pub stale: Vec<Stale>,
    /// Whether databases were emptied.
    pub flushed: bool,
    /// The notes that were dropped when they were.
    pub forgotten: Added,
}

impl Changes {
    /// Sets whether all changes are wanted from now on.
    #[inline]
    pub(crate) fn want_all(&mut self, all: bool) {
        self.all = all;
    }

    /// Whether there is nothing to send.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.stale.is_empty() && !self.flushed
    }
}

impl Tracked {
    /// Notes that a client has read a key.
    pub fn add(&mut self, key: &[u8], client: u64) -> Added {
        let keys = self.0.get_or_insert_default();
        if let Some(clients) = keys.get_mut(key) {
            if clients.contains(&client) {
                return Added::default();
            }
            clients.push(client);
            return Added { keys: 0, items: 1 };
        }
        keys.insert(key.into(), vec![client]);
        Added { keys: 1, items: 1 }
    }

    /// A key has changed.
    #[inline]
    pub fn touch(&mut self, key: &[u8], by_request: bool, changes: &mut Changes) {
        if self.0.is_some() || changes.all {
            self.end(key, by_request, changes);
        }
    }

    #[cold]
    fn end(&mut self, key: &[u8], by_request: bool, changes: &mut Changes) {
        let clients = self.0.as_mut().and_then(|keys| keys.remove(key));
        if self.0.as_ref().is_some_and(|keys| keys.is_empty()) {
            self.0 = None;
        }
        if clients.is_some() || changes.all {
            let clients = clients.unwrap_or_default();
            changes.stale.push(Stale { key: Bytes::copy_from_slice(key), clients, by_request });
        }
    }

    /// Takes any key out, because there are too many.
    pub fn take_any(&mut self) -> Option<Stale> {
        let keys = self.0.as_mut()?;
        let name = keys.keys().next()?.clone();
        let clients = keys.remove(&name)?;
        if keys.is_empty() {
            self.0 = None;
        }
        Some(Stale { key: Bytes::from(name), clients, by_request: false })
    }

    /// Drops all notes: databases were emptied.
    pub(crate) fn clear(&mut self, changes: &mut Changes) {
        let keys = self.0.take().unwrap_or_default();
        changes.forgotten.keys += keys.len();
        changes.forgotten.items += keys.values().map(Vec::len).sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_invalidates_once_for_each_reader() {
        let (mut tracked, mut changes) = (Tracked::default(), Changes::default());
        tracked.touch(b"k", true, &mut changes);
        assert!(changes.is_empty());
        assert_eq!(tracked.add(b"k", 1), Added { keys: 1, items: 1 });
        assert_eq!(tracked.add(b"k", 2), Added { keys: 0, items: 1 });
        assert_eq!(tracked.add(b"k", 2), Added::default());
        tracked.touch(b"other", true, &mut changes);
        tracked.touch(b"k", true, &mut changes);
        tracked.touch(b"k", true, &mut changes);
        let expected = Stale { key: Bytes::from("k"), clients: vec![1, 2], by_request: true };
        assert_eq!(changes.stale, [expected]);
        assert!(tracked.take_any().is_none());
    }

    #[test]
    fn all_changes_are_collected_where_that_is_wanted() {
        let (mut tracked, mut changes) = (Tracked::default(), Changes::default());
        changes.want_all(true);
        tracked.touch(b"k", false, &mut changes);
        let expected = Stale { key: Bytes::from("k"), clients: Vec::new(), by_request: false };
        assert_eq!(changes.stale, [expected]);
    }

    #[test]
    fn emptying_drops_and_counts_notes() {
        let (mut tracked, mut changes) = (Tracked::default(), Changes::default());
        tracked.add(b"a", 1);
        tracked.add(b"a", 2);
        tracked.add(b"b", 1);
        tracked.clear(&mut changes);
        assert_eq!(changes.forgotten, Added { keys: 2, items: 3 });
        assert!(tracked.take_any().is_none());
    }
}
