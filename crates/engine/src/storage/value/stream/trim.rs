//! Removing the oldest entries: whole blocks where they go whole, and entries of one more block
//! where the bound is exact.

use super::block::Block;
use super::id::Id;
use super::{Blocks, Stream};

/// Which entries are too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// All before the last so many.
    Length(u64),
    /// All with a lower id.
    Id(Id),
}

/// What becomes of entries that groups refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum References {
    /// They are removed, and stay pending.
    Keep,
    /// They are removed, and pending no more.
    Remove,
    /// They stay.
    Spare,
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug)]
pub struct Trim {
    /// Which entries are too old.
    pub bound: Bound,
    /// Only whole blocks go.
    pub is_approximate: bool,
    /// At most so many entries go.
    pub limit: Option<u64>,
    /// What becomes of entries that groups refer to.
    pub references: References,
}

impl Stream {
    /// Whether a group has the entry pending, or is yet to read it.
    pub fn is_referred_to(&self, id: Id) -> bool {
        self.groups().iter().any(|group| group.last < id || group.pending().get(id).is_some())
    }

    /// No group has the entry pending any more.
    pub fn forget(&mut self, id: Id) {
        for at in 0..self.groups().len() {
            self.edit_at(at, |group, _| group.acknowledge(id));
        }
    }

    /// Removes the oldest entries; returns how many. Their blocks, if whole ones go, are in the
    /// second stream, to be dropped where that is cheap.
    pub fn trim(&mut self, trim: Trim) -> (u64, Option<Stream>) {
        let len = self.0.len;
        let goes = self.0.blocks.first().is_some_and(|block| match trim.bound {
            Bound::Length(most) if trim.is_approximate && trim.references == References::Keep => {
                len.saturating_sub(block.live()) >= most
            }
            Bound::Length(most) => len > most,
            Bound::Id(least) => block.first() < least,
        });
        if !goes {
            return (0, None);
        }
        if trim.references != References::Keep {
            return (self.trim_each(trim), None);
        }
        let mut rest = Stream::default();
        let removed = self.trim_blocks(trim, &mut rest);
        (removed, Some(rest))
    }

    fn trim_blocks(&mut self, trim: Trim, rest: &mut Stream) -> u64 {
        let mut removed = 0;
        let limit = trim.limit.unwrap_or(u64::MAX);
        loop {
            let len = self.0.len;
            let Some(block) = self.0.blocks.first() else { break };
            if matches!(trim.bound, Bound::Length(most) if len <= most) {
                break;
            }
            if block.live() > limit - removed {
                break;
            }
            if !goes_whole(trim.bound, block, len) {
                break;
            }
            let live = if limit == u64::MAX { self.take_group(trim.bound, rest) } else { 0 };
            if live > 0 {
                removed += live;
                continue;
            }
            let Some(block) = self.0.blocks.pop_first() else { break };
            self.0.len -= block.live();
            removed += block.live();
            rest.0.blocks.push_block(block);
        }
        let fits = |stream: &Stream| {
            stream.0.blocks.first().is_some_and(|block| block.live() <= limit - removed)
        };
        if !trim.is_approximate && fits(self) {
            let Stream(inner) = &mut *self;
            let mut left = inner.len;
            let part = inner.blocks.trim_first(|id| {
                let is_old = match trim.bound {
                    Bound::Length(most) => left > most,
                    Bound::Id(least) => id < least,
                };
                left -= u64::from(is_old);
                is_old
            });
            inner.len -= part;
            removed += part;
        }
        removed
    }

    /// Takes a whole group of blocks, if all of them go; returns how many entries they had.
    fn take_group(&mut self, bound: Bound, rest: &mut Stream) -> u64 {
        let Stream(inner) = self;
        let len = inner.len;
        let group = match bound {
            Bound::Id(least) => inner.blocks.pop_group(|block| block.last() < least),
            // A full group has at most as many entries as its blocks can have.
            Bound::Length(most) => {
                let live = inner.blocks.first_group_live();
                if len - live.min(len) < most {
                    return 0;
                }
                inner.blocks.pop_group(|_| true)
            }
        };
        let Some(group) = group else { return 0 };
        let live = group.iter().map(Block::live).sum();
        inner.len -= live;
        rest.0.blocks.append(group);
        live
    }

    /// As [`Stream::trim`] where each entry has to be looked at: it is never approximate.
    fn trim_each(&mut self, trim: Trim) -> u64 {
        let mut removed = 0;
        let mut left = self.0.len;
        let mut old = Vec::new();
        let limit = trim.limit.unwrap_or(u64::MAX);
        for block in self.0.blocks.iter() {
            let most = match trim.bound {
                Bound::Length(most) if left <= most => break,
                Bound::Length(most) => left - most,
                Bound::Id(_) => u64::MAX,
            };
            if block.live() > limit - removed {
                break;
            }
            let items = block.items().filter(|item| !item.is_deleted);
            let is_old = |id: Id| !matches!(trim.bound, Bound::Id(least) if id >= least);
            let mut gone = 0;
            for item in items.take_while(|item| is_old(item.id)) {
                if gone == most {
                    break;
                }
                if trim.references == References::Remove || !self.is_referred_to(item.id) {
                    old.push(item.id);
                    gone += 1;
                }
            }
            left -= gone;
            removed += gone;
        }
        let max_deleted = self.0.max_deleted;
        for id in &old {
            if trim.references == References::Remove {
                self.forget(*id);
            }
            self.remove(*id);
        }
        self.0.max_deleted = max_deleted;
        removed
    }
}

/// Whether all of a block is too old, of a stream with so many entries.
fn goes_whole(bound: Bound, block: &Block, len: u64) -> bool {
    match bound {
        Bound::Length(most) => len - block.live() >= most,
        Bound::Id(least) => block.last() < least,
    }
}

impl Blocks {
    /// How many entries the first group has.
    fn first_group_live(&self) -> u64 {
        self.first_group().map(Block::live).sum()
    }
}
