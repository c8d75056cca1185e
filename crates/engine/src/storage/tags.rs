//! Tags of keys (TAG.ADD): what a key remembers of them.
//!
//! A [`Tag`] is one generation of a name: the keys that got the name since it was last dropped
//! share it, however many they are. To drop the tag is to write one number into it; from then on
//! all these keys are gone, and what they take is freed later. Who next gives a key the name makes
//! another `Tag`.
//!
//! Deliberately absent: a list of the keys of a tag. Where they may be, roughly, is a bit for each
//! group of shards, so that a walk that frees them passes over the others.

use crate::hasher::SHARDS;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The shards that one bit stands for.
pub const GROUP: usize = SHARDS.div_ceil(u64::BITS as usize);

/// One generation of a tag.
#[derive(Debug)]
pub struct Tag {
    name: Box<[u8]>,
    hash: u64,
    generation: u64,
    /// Which of all drops of tags was this one's, counted from one; zero as long as there was none.
    dropped: AtomicU64,
    /// A bit for each group of shards that keys of the tag have been in.
    groups: AtomicU64,
}

/// The tags of a key. Most have one or two.
pub type TagList = SmallVec<[Arc<Tag>; 2]>;

impl Tag {
    /// A tag that was not dropped.
    pub fn new(name: &[u8], hash: u64, generation: u64) -> Tag {
        let (dropped, groups) = (AtomicU64::new(0), AtomicU64::new(0));
        Tag { name: name.into(), hash, generation, dropped, groups }
    }

    /// The name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The hash of the name.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// A number that is greater than that of any earlier generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether its keys are gone.
    #[inline]
    pub fn is_dropped(&self) -> bool {
        self.dropped.load(Relaxed) != 0
    }

    /// Whether its keys were gone after so many drops of tags.
    pub fn is_dropped_by(&self, drops: u64) -> bool {
        (1..=drops).contains(&self.dropped.load(Relaxed))
    }

    /// Its keys are gone from now on; this is the `nth` drop. All shards are locked.
    pub fn drop_as(&self, nth: u64) {
        self.dropped.store(nth, Relaxed);
    }

    /// A key of this shard has the tag.
    pub fn note_shard(&self, index: usize) {
        self.groups.fetch_or(1 << (index / GROUP), Relaxed);
    }

    /// The groups of shards that keys of the tag have been in.
    pub fn groups(&self) -> u64 {
        self.groups.load(Relaxed)
    }
}

/// Whether a key with these tags is gone.
pub fn is_any_dropped(tags: &[Arc<Tag>]) -> bool {
    tags.iter().any(|tag| tag.is_dropped())
}
