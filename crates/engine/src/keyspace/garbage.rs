//! What was removed and takes long to free: it is dropped after the unlock, on another thread, and
//! in pieces, so that a worker on the same core waits for one piece at most.

use crate::keyspace::db::Db;
use crate::storage::entry::Entry;
use redstart_protocol::Rest;

/// What is dropped after the unlock.
pub enum Garbage {
    /// A large entry.
    Entry(Entry),
    /// A database's part of a shard.
    Db(Db),
    /// What the rest of a reply was made of.
    Rest(Box<dyn Rest>),
}

impl Garbage {
    /// How many values it holds.
    pub fn values(&self) -> usize {
        match self {
            Garbage::Entry(_) => 1,
            Garbage::Rest(_) => 0,
            Garbage::Db(db) => db.table().len(),
        }
    }

    /// The bytes that it takes from the allocator.
    pub fn allocated(&self) -> usize {
        match self {
            Garbage::Entry(entry) => entry.allocated(),
            // Most of it may still be a value.
            Garbage::Rest(_) => 0,
            Garbage::Db(db) => db.allocated(),
        }
    }

    /// Drops it in pieces of some hundred allocations; calls `between` after each.
    pub fn drop_in_pieces(self, between: &mut dyn FnMut()) {
        match self {
            Garbage::Entry(mut entry) => {
                while entry.object_mut().is_some_and(|object| object.shed()) {
                    between();
                }
            }
            Garbage::Rest(mut rest) => {
                while rest.shed() {
                    between();
                }
            }
            Garbage::Db(mut db) => {
                let mut heavy = Vec::new();
                while db.shed(&mut heavy) {
                    between();
                    for entry in heavy.drain(..) {
                        Garbage::Entry(entry).drop_in_pieces(between);
                    }
                }
            }
        }
    }
}
