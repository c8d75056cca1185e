//! Client-side caches: which clients have read which keys, so that they hear when one changes.
//!
//! Kept in the shard, behind its lock, beside who watches: a read and the note of it, a change and
//! the telling of it, are each one step, so that no client keeps what is stale. A key is noted by
//! its name alone, whichever database it is in. Telling a client ends the note: it has to read the
//! key again to hear of the next change.
//!
//! What has changed is collected here under the locks; the server tells the clients after the
//! unlock. A shard of which nobody has read anything pays one branch, and so does a unit while
//! nobody wants to hear of all changes.

use bytes::Bytes;
use hashbrown::HashMap;

/// Keys, and the numbers of the clients that have read them.
type Readers = HashMap<Box<[u8]>, Vec<u64>>;

/// The keys of a shard that clients have read.
#[derive(Default)]
pub struct Tracked(Option<Box<Readers>>);

/// A key that has changed, and the clients that had read it.
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
    /// Keys that nobody had read.
    pub keys: usize,
    /// Pairs of a key and a client.
    pub items: usize,
}

/// What has changed in the requests that ran since this was last looked at.
#[derive(Debug, Default)]
pub struct Changes {
    /// Whether all changes are wanted, whoever has read the keys.
    all: bool,
    /// Keys that somebody had read or, where all changes are wanted, any.
    pub stale: Vec<Stale>,
    /// Whether databases were emptied.
    pub flushed: bool,
    /// What was forgotten when they were.
    pub forgotten: Added,
}

impl Changes {
    /// Says whether all changes are wanted from now on.
    #[inline]
    pub(crate) fn want_all(&mut self, all: bool) {
        self.all = all;
    }

    /// Whether there is nothing to tell.
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

    /// Forgets everything: databases were emptied.
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
    fn a_change_is_told_once_to_each_who_read() {
        let (mut tracked, mut changes) = (Tracked::default(), Changes::default());
        tracked.touch(b"k", true, &mut changes);
        assert!(changes.is_empty());
        assert_eq!(tracked.add(b"k", 1), Added { keys: 1, items: 1 });
        assert_eq!(tracked.add(b"k", 2), Added { keys: 0, items: 1 });
        assert_eq!(tracked.add(b"k", 2), Added::default());
        tracked.touch(b"other", true, &mut changes);
        tracked.touch(b"k", true, &mut changes);
        tracked.touch(b"k", true, &mut changes);
        let told = Stale { key: Bytes::from("k"), clients: vec![1, 2], by_request: true };
        assert_eq!(changes.stale, [told]);
        assert!(tracked.take_any().is_none());
    }

    #[test]
    fn all_changes_are_told_where_that_is_wanted() {
        let (mut tracked, mut changes) = (Tracked::default(), Changes::default());
        changes.want_all(true);
        tracked.touch(b"k", false, &mut changes);
        let told = Stale { key: Bytes::from("k"), clients: Vec::new(), by_request: false };
        assert_eq!(changes.stale, [told]);
    }

    #[test]
    fn emptying_forgets_and_counts() {
        let (mut tracked, mut changes) = (Tracked::default(), Changes::default());
        tracked.add(b"a", 1);
        tracked.add(b"a", 2);
        tracked.add(b"b", 1);
        tracked.clear(&mut changes);
        assert_eq!(changes.forgotten, Added { keys: 2, items: 3 });
        assert!(tracked.take_any().is_none());
    }
}
