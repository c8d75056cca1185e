//! The blocks of a stream, in groups, each of which a snapshot shares as a whole.
//!
//! ```text
//! groups   [ 0-1 .. | 900-0 .. | 1730-5 .. ]    at most GROUP_MAX blocks each
//!               |
//! blocks   [ 0-1 .. | 8-0 .. | 17-3 .. ]        up to the limits of `stream-node-max-bytes`
//! ```
//!
//! Both are searched by halving. Nothing grows by doubling beyond a group, so that no addition
//! moves more than some kilobytes. No block and no group is empty.

use super::block::{Block, Item, Items, Pairs};
use super::id::Id;
use crate::options::StreamLimits as Limits;
use crate::storage::memory::size_class;
use crate::storage::part::Part;
use std::collections::VecDeque;

/// The most blocks of a group.
const GROUP_MAX: usize = 64;

#[derive(Clone, Debug, Default)]
struct Group(VecDeque<Block>);

fn room_of(group: &Group) -> usize {
    size_class(group.0.capacity() * size_of::<Block>())
}

/// Blocks in groups.
#[derive(Debug, Default)]
pub struct Blocks {
    groups: VecDeque<Part<Group>>,
    /// What blocks and their groups take from the allocator, without the groups' own array.
    bytes: usize,
}

impl Clone for Blocks {
    fn clone(&self) -> Blocks {
        let groups = self.groups.clone();
        let bytes = groups.iter().map(|group| bytes_of(group)).sum();
        Blocks { groups, bytes }
    }
}

fn bytes_of(group: &Group) -> usize {
    room_of(group) + group.0.iter().map(Block::allocated).sum::<usize>()
}

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    group: usize,
    block: usize,
}

impl Blocks {
    /// The bytes taken from the allocator.
    #[inline]
    pub fn allocated(&self) -> usize {
        size_class(self.groups.capacity() * size_of::<Part<Group>>()) + self.bytes
    }

    /// The number of blocks.
    pub fn count(&self) -> usize {
        self.groups.iter().map(|group| group.0.len()).sum()
    }

    /// The number of blocks, roughly.
    pub fn parts(&self) -> usize {
        let full = self.groups.len().saturating_sub(1) * GROUP_MAX;
        full + self.groups.back().map_or(0, |group| group.0.len())
    }

    /// The same for reading, sharing the groups.
    pub fn share(&mut self) -> Blocks {
        let groups = self.groups.iter_mut().map(Part::share).collect();
        Blocks { groups, bytes: self.bytes }
    }

    /// Drops a group; false when none is left.
    pub fn shed(&mut self) -> bool {
        self.groups.pop_back();
        !self.groups.is_empty()
    }

    /// Adds an entry behind all others.
    #[inline]
    pub fn push<'a>(&mut self, id: Id, pairs: impl Pairs<'a>, limits: Limits) {
        if let Some(group) = self.groups.back_mut() {
            let group = group.own();
            if let Some(block) = group.0.back_mut() {
                let before = block.allocated();
                let texts = pairs.clone().map(<[u8]>::len).sum();
                let is_full = block.is_full(texts, limits);
                match is_full {
                    true => block.close(),
                    false => block.add(id, pairs.clone()),
                }
                self.bytes = self.bytes - before + block.allocated();
                if !is_full {
                    return;
                }
            }
        }
        self.push_block(Block::new(id, pairs));
    }

    /// Adds a block behind all others.
    pub fn push_block(&mut self, block: Block) {
        if self.groups.back().is_none_or(|group| group.0.len() >= GROUP_MAX) {
            if self.groups.capacity() == 0 {
                self.groups.reserve_exact(1);
            }
            self.groups.push_back(Part::default());
        }
        let group = self.groups.back_mut().expect("it was made sure").own();
        self.bytes -= room_of(group);
        if group.0.len() == group.0.capacity() {
            group.0.reserve_exact(group.0.len().max(1));
        }
        self.bytes += block.allocated();
        group.0.push_back(block);
        self.bytes += room_of(group);
    }

    /// The first block.
    pub fn first(&self) -> Option<&Block> {
        self.groups.front()?.0.front()
    }

    /// The last block.
    pub fn last(&self) -> Option<&Block> {
        self.groups.back()?.0.back()
    }

    /// All blocks.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Block> {
        self.groups.iter().flat_map(|group| group.0.iter())
    }

    /// The blocks of the first group.
    pub fn first_group(&self) -> impl Iterator<Item = &Block> {
        self.groups.front().into_iter().flat_map(|group| group.0.iter())
    }

    /// Takes the first block out.
    pub fn pop_first(&mut self) -> Option<Block> {
        self.take(Place { group: 0, block: 0 })
    }

    fn take(&mut self, at: Place) -> Option<Block> {
        let group = self.groups.get_mut(at.group)?.own();
        let block = group.0.remove(at.block)?;
        self.bytes -= block.allocated();
        if group.0.is_empty() {
            self.bytes -= room_of(group);
            self.groups.remove(at.group);
        }
        Some(block)
    }

    /// Takes the first group out if `f` passes all of its blocks.
    pub fn pop_group(&mut self, f: impl Fn(&Block) -> bool) -> Option<Blocks> {
        if !self.groups.front()?.0.iter().all(f) {
            return None;
        }
        let group = self.groups.pop_front()?;
        let bytes = bytes_of(&group);
        self.bytes -= bytes;
        Some(Blocks { groups: VecDeque::from([group]), bytes })
    }

    /// Puts the groups of others behind these.
    pub fn append(&mut self, mut others: Blocks) {
        self.bytes += others.bytes;
        self.groups.append(&mut others.groups);
    }

    /// The last block that begins at or before an id, or the first one.
    #[inline]
    fn block_of(&self, id: Id) -> Place {
        let begins = |block: Option<&Block>| block.is_some_and(|block| block.first() <= id);
        let group = match self.groups.len() {
            0 | 1 => 0,
            count if begins(self.groups[count - 1].0.front()) => count - 1,
            _ => self.groups.partition_point(|group| begins(group.0.front())).saturating_sub(1),
        };
        let block = self.groups.get(group).map_or(0, |group| match group.0.len() {
            count @ 1.. if begins(group.0.back()) => count - 1,
            _ => group.0.partition_point(|block| begins(Some(block))).saturating_sub(1),
        });
        Place { group, block }
    }

    fn at(&self, at: Place) -> Option<&Block> {
        self.groups.get(at.group)?.0.get(at.block)
    }

    /// Where an entry is, if it is there: its block, and its beginning.
    fn find(&self, id: Id) -> Option<(Place, Item<'_>)> {
        let at = self.block_of(id);
        let block = self.at(at).filter(|block| block.last() >= id)?;
        let item = block.items().find(|item| item.id >= id)?;
        (item.id == id && !item.is_deleted).then_some((at, item))
    }

    /// The entry of an id.
    pub fn get(&self, id: Id) -> Option<Item<'_>> {
        self.find(id).map(|(_, item)| item)
    }

    /// Removes an entry; false when there is none of this id.
    pub fn remove(&mut self, id: Id) -> bool {
        let Some((at, Item { at: start, .. })) = self.find(id) else { return false };
        let block = &mut self.groups[at.group].own().0[at.block];
        if block.live() == 1 {
            self.take(at);
        } else {
            block.delete(start);
        }
        true
    }

    /// Removes entries of the first block from its beginning on, as long as `f` says; returns how
    /// many.
    pub fn trim_first(&mut self, f: impl FnMut(Id) -> bool) -> u64 {
        let Some(group) = self.groups.front_mut() else { return 0 };
        let block = &mut group.own().0[0];
        let mut f = f;
        let live = block.items().filter(|item| !item.is_deleted);
        let starts: Vec<usize> = live.take_while(|item| f(item.id)).map(|item| item.at).collect();
        starts.iter().for_each(|start| block.delete(*start));
        let removed = starts.len() as u64;
        if block.live() == 0 {
            self.pop_first();
        }
        removed
    }

    /// The entries from an id on.
    #[inline]
    pub fn from(&self, id: Id) -> Walk<'_> {
        let at = self.block_of(id);
        Walk { blocks: self, items: self.at(at).map(Block::items), at, from: id }
    }

    /// The entries from an id on, backwards.
    pub fn back_from(&self, id: Id) -> WalkBack<'_> {
        let at = self.block_of(id);
        let mut walk = WalkBack { blocks: self, items: Vec::new(), next: Some(at) };
        walk.load();
        while walk.items.last().is_some_and(|item| item.id > id) {
            walk.items.pop();
        }
        walk
    }
}

/// Entries in order.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    blocks: &'a Blocks,
    items: Option<Items<'a>>,
    at: Place,
    from: Id,
}

impl<'a> Iterator for Walk<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            let from = self.from;
            let next = self.items.as_mut()?.find(|item| !item.is_deleted && item.id >= from);
            if next.is_some() {
                return next;
            }
            self.at.block += 1;
            if self.at.block >= self.blocks.groups[self.at.group].0.len() {
                self.at = Place { group: self.at.group + 1, block: 0 };
            }
            self.items = self.blocks.at(self.at).map(Block::items);
        }
    }
}

/// Entries in reverse order: a block's are found from its beginning on, and kept.
#[derive(Clone, Debug)]
pub struct WalkBack<'a> {
    blocks: &'a Blocks,
    items: Vec<Item<'a>>,
    next: Option<Place>,
}

impl WalkBack<'_> {
    fn load(&mut self) {
        let Some(at) = self.next.take() else { return };
        let Some(block) = self.blocks.at(at) else { return };
        self.items.extend(block.items().filter(|item| !item.is_deleted));
        self.next = match at {
            Place { group, block: 1.. } => Some(Place { group, block: at.block - 1 }),
            Place { group: 0, .. } => None,
            Place { group, .. } => {
                let block = self.blocks.groups[group - 1].0.len() - 1;
                Some(Place { group: group - 1, block })
            }
        };
    }
}

impl<'a> Iterator for WalkBack<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        while self.items.is_empty() && self.next.is_some() {
            self.load();
        }
        self.items.pop()
    }
}
