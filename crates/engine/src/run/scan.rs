//! Walks over the keyspace: SCAN's cursor, KEYS, RANDOMKEY, DBSIZE.
//!
//! The cursor is a position in an order that the hash alone defines (shard, home bucket, prefix),
//! so it means the same after any number of splits: a key that is there from the start to the end
//! of a scan is returned, and once.
//!
//! ```text
//!  45      36 35   30 29        0
//! +----------+-------+-----------+
//! |  shard   | home  |  prefix   |
//! +----------+-------+-----------+
//! ```

use crate::hasher::{HOME_BITS, PREFIX_BITS, SHARDS};
use crate::run::key_access::KeyAccess;
use crate::storage::entry::Entry;
use crate::storage::table::Position;

/// How often RANDOMKEY draws again when it drew an entry that has expired.
const TRIES: usize = 100;

/// A cursor: where to go on. Zero is the beginning, and the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    shard: usize,
    position: Position,
}

impl Cursor {
    /// The cursor that a client sent. Any number is one; what lies beyond the last shard is at
    /// the end.
    pub fn from_number(number: u64) -> Cursor {
        let prefix = (number & ((1 << PREFIX_BITS) - 1)) as u32;
        let home = (number >> PREFIX_BITS & ((1 << HOME_BITS) - 1)) as u32;
        let shard = number >> (PREFIX_BITS + HOME_BITS);
        Cursor { shard: shard.min(SHARDS as u64) as usize, position: Position { home, prefix } }
    }

    /// The number that a client gets.
    pub fn number(self) -> u64 {
        if self.shard >= SHARDS {
            return 0;
        }
        let Position { home, prefix } = self.position;
        (self.shard as u64) << (PREFIX_BITS + HOME_BITS)
            | (home as u64) << PREFIX_BITS
            | prefix as u64
    }
}

impl KeyAccess<'_> {
    /// Visits entries from `cursor` on until about `count` were seen, and returns where to go on.
    /// Entries that have expired are left out, but counted.
    pub fn scan(&mut self, mut cursor: Cursor, count: u64, mut f: impl FnMut(&Entry)) -> Cursor {
        let keyspace = self.view.keyspace();
        let (db, now_ms) = (self.db, self.now.mono_ms);
        let mut seen = 0;
        while cursor.shard < SHARDS && seen < count {
            let next = self.view.shard_at(cursor.shard).db(db).and_then(|db| {
                db.table().visit(cursor.position, keyspace.hasher(), |entry| {
                    seen += 1;
                    if is_live(entry, now_ms) {
                        f(entry);
                    }
                })
            });
            match next {
                Some(position) => cursor.position = position,
                None => cursor = Cursor { shard: cursor.shard + 1, position: Position::default() },
            }
        }
        cursor
    }

    /// Visits every live entry of the selected database.
    pub fn for_each(&mut self, mut f: impl FnMut(&Entry)) {
        let (db, now_ms) = (self.db, self.now.mono_ms);
        for index in 0..SHARDS {
            if let Some(db) = self.view.shard_at(index).db(db) {
                db.table().iter().filter(|entry| is_live(entry, now_ms)).for_each(&mut f);
            }
        }
    }

    /// The number of keys in the selected database, those included that have expired within the
    /// last moments, or were dropped with a tag and not freed yet.
    pub fn db_size(&mut self) -> usize {
        let db = self.db;
        let len = |index| self.view.shard_at(index).db(db).map_or(0, |db| db.table().len());
        (0..SHARDS).map(len).sum()
    }

    /// A live entry chosen at random: any entry may come, with nearly the same chance.
    pub fn random_key(&mut self) -> Option<Vec<u8>> {
        let len = self.db_size();
        for _ in 0..TRIES {
            if len == 0 {
                return None;
            }
            let nth = self.random().usize(0..len);
            if let Some(key) = self.nth_key(nth) {
                return Some(key);
            }
        }
        // Nearly all of them have expired within the last moments: any that has not will do.
        let (db, now_ms) = (self.db, self.now.mono_ms);
        (0..SHARDS).find_map(|index| {
            let part = self.view.shard_at(index).db(db)?;
            let entry = part.table().iter().find(|entry| is_live(entry, now_ms))?;
            Some(entry.key().to_vec())
        })
    }

    /// The key of the `nth` entry, if it is live and the keyspace has not shrunk meanwhile.
    fn nth_key(&mut self, mut nth: usize) -> Option<Vec<u8>> {
        let (db, now_ms) = (self.db, self.now.mono_ms);
        for index in 0..SHARDS {
            let Some(part) = self.view.shard_at(index).db(db) else { continue };
            if nth < part.table().len() {
                let entry = part.table().iter().nth(nth).filter(|entry| is_live(entry, now_ms))?;
                return Some(entry.key().to_vec());
            }
            nth -= part.table().len();
        }
        None
    }
}

/// Whether the entry is not past its deadline, nor dropped with a tag.
fn is_live(entry: &Entry, now_ms: u64) -> bool {
    (entry.deadline_ms() == 0 || entry.deadline_ms() > now_ms) && !entry.is_dropped()
}
