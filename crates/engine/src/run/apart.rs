//! A value that takes long to make is made apart from the keyspace, piece by piece, while others
//! are served: the command runs twice.
//!
//! ```text
//! SUNIONSTORE d a b   locks: a and b are frozen, and watched; no reply
//!                     a piece of the union, others, a piece, others, ...
//! SUNIONSTORE d a b   locks: neither has changed, so what was made is put under d; the reply
//! ```
//!
//! So the command happens at the moment of its last run, as if it had been one step then. If a
//! source has changed meanwhile, all begins anew; after some times in vain it is one step. So it is
//! in a transaction, in a script and in a replay, which cannot wait.

use crate::error::Error;
use crate::keyspace::Keyspace;
use crate::keyspace::garbage::Garbage;
use crate::keyspace::watching::{ClientWatches, LeftoverWatches};
use crate::run::call::Call;
use crate::run::key_access::KeyAccess;
use crate::spec::Key;
use crate::storage::table::Slot;
use crate::storage::value::Object;
use crate::storage::value::sorted_set::SortedSet;
use redstart_protocol::{Reply, Rest};

/// How often it is tried to make a value apart.
const TRIES: u8 = 3;
/// What is made of more values is made in one step: each of them is watched.
const SOURCES_MAX: usize = 256;

/// Makes a value of frozen ones.
pub trait Work: Send {
    /// Works for about a millisecond; false when all is done.
    fn go_on(&mut self) -> bool;

    /// Takes what was made.
    ///
    /// # Errors
    /// When it cannot be made of these values.
    fn take(&mut self) -> Result<Object, Error>;

    /// Frees a piece of what it works with; false when what is left is little.
    fn shed(&mut self) -> bool;
}

/// What one request has made, or is making.
pub struct Apart {
    work: Box<dyn Work>,
    /// Of the values that it is made of.
    watches: ClientWatches,
    is_done: bool,
    tries: u8,
}

/// Where a request's value is.
pub enum Made {
    /// Here.
    Now(Object),
    /// Nowhere: it is to be made in one step.
    Never,
    /// It will be there when the request runs again; it has no reply yet.
    Later,
}

impl Apart {
    /// Works for about a millisecond. Returns whether there is more to do.
    pub fn go_on(&mut self) -> bool {
        self.is_done = self.is_done || !self.work.go_on();
        !self.is_done
    }

    /// Nobody wants it any more. Returns what it worked with.
    pub fn give_up(mut self, keyspace: &'static Keyspace, leftover: &LeftoverWatches) -> Garbage {
        self.watches.clear(keyspace, leftover);
        garbage(self.work)
    }
}

fn garbage(work: Box<dyn Work>) -> Garbage {
    Garbage::Rest(Box::new(Shed(work)))
}

/// Work that is only freed.
struct Shed(Box<dyn Work>);

impl Rest for Shed {
    fn write(&mut self, _: &mut Reply, _: usize) -> bool {
        false
    }

    fn shed(&mut self) -> bool {
        self.0.shed()
    }
}

impl KeyAccess<'_> {
    /// A copy of a value that was found and is no string, to be read from end to end; see
    /// [`Object::freeze`].
    pub fn freeze(&mut self, key: Key<'_>) -> Option<Object> {
        let slot = self.find(key)?;
        self.db(key).table_mut().at_mut(slot).object_mut().map(Object::freeze)
    }

    /// As [`KeyAccess::freeze`], of a sorted set; the copy is read by ranks.
    pub fn freeze_ranked(&mut self, key: Key<'_>) -> Option<SortedSet> {
        let slot = self.find(key)?;
        match self.db(key).table_mut().at_mut(slot).object_mut()? {
            Object::SortedSet(set) => Some(set.freeze_ranked()),
            _ => None,
        }
    }

    /// A copy of the value in a slot, to be put elsewhere; none of a short one, which is copied as
    /// it lies. See [`Object::copy`].
    pub fn copy_of(&mut self, key: Key<'_>, slot: Slot) -> Option<Object> {
        self.db(key).table_mut().at_mut(slot).object_mut().map(Object::copy)
    }
}

impl Call<'_> {
    /// The value of this request, made of what is under `sources`, which were all read. Where it
    /// `is_large` and the request can wait, it is made apart.
    ///
    /// # Errors
    /// When it cannot be made of them.
    pub fn made_apart(
        &mut self,
        sources: &[Key<'_>],
        is_large: bool,
        begin: impl FnOnce(&mut Call<'_>) -> Box<dyn Work>,
    ) -> Result<Made, Error> {
        let made = self.made_of(sources, is_large, begin)?;
        if let Made::Later = made {
            // The request runs again: then its keys are counted as read.
            for key in sources {
                let is_hit = self.space.peek(*key).is_some();
                self.space.uncount(is_hit);
            }
        }
        Ok(made)
    }

    /// As [`Call::made_apart`], of one value that this one is to take the place of: what was found,
    /// and not counted as read.
    pub fn changed_apart(
        &mut self,
        key: Key<'_>,
        is_large: bool,
        begin: impl FnOnce(&mut Call<'_>) -> Box<dyn Work>,
    ) -> Made {
        self.made_of(&[key], is_large, begin).unwrap_or(Made::Never)
    }

    fn made_of(
        &mut self,
        sources: &[Key<'_>],
        is_large: bool,
        begin: impl FnOnce(&mut Call<'_>) -> Box<dyn Work>,
    ) -> Result<Made, Error> {
        let tries = match self.space.local.offered.take() {
            // The worker was held up, and asks too early.
            Some(apart) if !apart.is_done => {
                self.space.local.apart = Some(apart);
                return Ok(Made::Later);
            }
            Some(apart) => {
                let Apart { mut work, watches, tries, .. } = *apart;
                // What had expired is gone, because all were read.
                let is_broken = watches.is_broken(self.space.view, |_, _, _| false);
                let made = (!is_broken).then(|| work.take());
                self.space.local.garbage.push(garbage(work));
                match made {
                    Some(made) => return made.map(Made::Now),
                    None => tries,
                }
            }
            None => 0,
        };
        let can_wait = self.reply.takes_rest(usize::MAX) && sources.len() <= SOURCES_MAX;
        if !is_large || !can_wait || tries >= TRIES {
            return Ok(Made::Never);
        }
        let (db, mut watches) = (self.space.db, ClientWatches::default());
        for key in sources {
            if !watches.contains(db, key.bytes) {
                watches.add(self.space.view, db, *key);
            }
        }
        let work = begin(self);
        let apart = Apart { work, watches, is_done: false, tries: tries + 1 };
        self.space.local.apart = Some(Box::new(apart));
        Ok(Made::Later)
    }
}
