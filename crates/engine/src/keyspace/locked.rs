//! Locked shards, by which commands reach keys: of one, of several, of all, or of one after the
//! other.

use super::escalation::Crossed;
use super::shard::Shard;
use super::{Guard, HINT_BITS, Keyspace, Wait};
use crate::Error;
use crate::hasher::{SHARD_BITS, SHARDS, shard_of};
use std::sync::atomic::Ordering::Relaxed;

/// Why a shard is not locked that is asked for.
const UNDECLARED: &str = "a command reached for a key that it did not declare";

/// Nearly always one, which is small to hand on.
pub(super) enum Guards {
    One(usize, Guard),
    Others(Box<Others>),
}

/// Other than one shard.
pub(super) enum Others {
    /// Ascending by index.
    Several(Vec<(usize, Guard)>),
    All(Vec<Guard>),
    /// One at a time, the last one asked for: never two, so never out of order.
    Walking(Walk),
}

impl From<Others> for Guards {
    fn from(others: Others) -> Guards {
        Guards::Others(Box::new(others))
    }
}

/// A walk from shard to shard.
#[derive(Default)]
pub(super) struct Walk {
    at: Option<(usize, Guard)>,
    /// Once a script holds a shard for too long: an empty shard that stands for all further ones,
    /// and what the client is replied.
    gave_up: Option<(Box<Shard>, Error)>,
}

impl Walk {
    fn step(&mut self, keyspace: &'static Keyspace, index: usize) -> &mut Shard {
        if self.gave_up.is_none() && self.at.as_ref().is_none_or(|(at, _)| *at != index) {
            self.at = None;
            match keyspace.acquire(index, Wait::UntilBusy) {
                Some(guard) => self.at = Some((index, guard)),
                None => self.gave_up = Some((Box::default(), keyspace.busy.error())),
            }
        }
        match (&mut self.gave_up, &mut self.at) {
            (Some((blank, _)), _) => blank,
            (None, at) => &mut at.as_mut().expect("it was just locked").1,
        }
    }
}

#[inline(never)]
fn unlock_others(others: Box<Others>) {
    drop(others);
}

/// Where a shard is among those that are locked; where it belongs, if it is not.
fn find(guards: &[(usize, Guard)], index: usize) -> Result<usize, usize> {
    guards.binary_search_by_key(&index, |(index, _)| *index)
}

/// Locked shards: the only way to a key.
pub struct LockedShards {
    pub(super) keyspace: &'static Keyspace,
    pub(super) guards: Guards,
}

impl LockedShards {
    /// Unlocks them. It is what dropping does, but one shard takes no call.
    #[inline(always)]
    pub fn unlock(self) {
        match self.guards {
            Guards::One(_, guard) => drop(guard),
            Guards::Others(others) => unlock_others(others),
        }
    }

    /// The keyspace that the shards are of.
    #[inline]
    pub fn keyspace(&self) -> &'static Keyspace {
        self.keyspace
    }

    /// Why a walk saw less than all, if it did: a script held a shard for too long. What was made
    /// of it is worth nothing.
    pub fn gave_up(&self) -> Option<Error> {
        let Guards::Others(others) = &self.guards else { return None };
        let Others::Walking(walk) = &**others else { return None };
        walk.gave_up.as_ref().map(|(_, error)| error.clone())
    }

    /// Whether the shard of a hash stays locked as long as this lives.
    pub fn holds(&self, hash: u64) -> bool {
        let index = shard_of(hash);
        match &self.guards {
            Guards::One(only, _) => *only == index,
            Guards::Others(others) => match &**others {
                Others::Several(guards) => find(guards, index).is_ok(),
                Others::All(_) => true,
                Others::Walking(_) => false,
            },
        }
    }

    /// Locks further shards, out of order if need be, until this is dropped: for a script that has
    /// changed something already, and so cannot begin again.
    ///
    /// # Errors
    /// When other scripts do the same, and they would wait for each other. The script must end and
    /// change nothing more.
    pub fn escalate(&mut self, indices: impl Iterator<Item = usize>) -> Result<(), Crossed> {
        let none = Others::Several(Vec::new()).into();
        let mut guards = match std::mem::replace(&mut self.guards, none) {
            Guards::One(index, guard) => vec![(index, guard)],
            Guards::Others(others) => match *others {
                Others::Several(guards) => guards,
                all @ Others::All(_) => {
                    self.guards = all.into();
                    return Ok(());
                }
                Others::Walking(_) => panic!("a walk from shard to shard changes nothing"),
            },
        };
        let mut result = Ok(());
        for index in indices {
            let Err(place) = find(&guards, index) else { continue };
            match self.keyspace.wait_out_of_order(index, &guards) {
                Ok(guard) => guards.insert(place, (index, guard)),
                Err(crossed) => {
                    result = Err(crossed);
                    break;
                }
            }
        }
        self.guards = if guards.len() == SHARDS {
            Others::All(guards.into_iter().map(|(_, guard)| guard).collect()).into()
        } else {
            Others::Several(guards).into()
        };
        result
    }

    /// Locks all further shards, as [`LockedShards::escalate`] does.
    ///
    /// # Errors
    /// As there.
    pub fn escalate_to_all(&mut self) -> Result<(), Crossed> {
        self.escalate(0..SHARDS)
    }

    /// The shard that a hash belongs to.
    ///
    /// # Panics
    /// When that shard is not locked: the command did not declare the key.
    #[inline(always)]
    pub fn shard(&mut self, hash: u64) -> &mut Shard {
        self.shard_at(shard_of(hash))
    }

    /// The same, to be read; several can be at once.
    ///
    /// # Panics
    /// As there.
    pub fn shard_ref(&self, hash: u64) -> &Shard {
        let index = shard_of(hash);
        match &self.guards {
            Guards::One(only, guard) if *only == index => guard,
            Guards::One(..) => panic!("{UNDECLARED}"),
            Guards::Others(others) => match &**others {
                Others::Several(guards) => match find(guards, index) {
                    Ok(place) => &guards[place].1,
                    Err(_) => panic!("{UNDECLARED}"),
                },
                Others::All(guards) => &guards[index],
                Others::Walking(_) => panic!("{UNDECLARED}"),
            },
        }
    }

    /// The index of the shard that a hash belongs to.
    #[inline]
    pub fn index_of(hash: u64) -> usize {
        shard_of(hash)
    }

    /// Whether all shards are locked.
    #[inline]
    pub fn holds_all(&self) -> bool {
        matches!(&self.guards, Guards::Others(others) if matches!(**others, Others::All(_)))
    }

    /// A shard by its index; panics as [`LockedShards::shard`] does.
    #[inline(always)]
    pub fn shard_at(&mut self, index: usize) -> &mut Shard {
        if !matches!(self.guards, Guards::One(only, _) if only == index) {
            return self.shard_of_several(index);
        }
        match &mut self.guards {
            Guards::One(_, guard) => guard,
            Guards::Others(_) => unreachable!("it was looked at above"),
        }
    }

    #[inline(never)]
    fn shard_of_several(&mut self, index: usize) -> &mut Shard {
        let Guards::Others(others) = &mut self.guards else { panic!("{UNDECLARED}") };
        match &mut **others {
            Others::Several(guards) => {
                let at = find(guards, index).expect(UNDECLARED);
                &mut guards[at].1
            }
            Others::All(guards) => &mut guards[index],
            Others::Walking(walk) => walk.step(self.keyspace, index),
        }
    }

    /// Publishes that a shard may have a deadline at `deadline_ms`.
    #[inline]
    pub fn publish_earlier(&self, index: usize, deadline_ms: u64) {
        let published = &self.keyspace.next_ms[index];
        if deadline_ms < published.load(Relaxed) {
            published.store(deadline_ms, Relaxed);
        }
    }

    /// Publishes where the buckets of a shard's database 0 lie now.
    #[cold]
    pub fn publish_hints(&mut self, index: usize) {
        let keyspace = self.keyspace;
        let Some(db) = self.shard_at(index).db(0) else { return };
        for part in 0..1 << HINT_BITS {
            let first = index << HINT_BITS | part;
            let hash = (first as u64) << (64 - SHARD_BITS - HINT_BITS);
            keyspace.hints[first].store(db.table().hint(hash), Relaxed);
        }
    }

    /// Publishes the true earliest deadline of a shard.
    pub fn publish(&mut self, index: usize) {
        let next_ms = self.shard_at(index).next_ms();
        self.keyspace.next_ms[index].store(next_ms, Relaxed);
    }
}
