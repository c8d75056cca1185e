//! A large list: chunks in groups, each group knowing how many elements it has.
//!
//! ```text
//! groups   [ 40,000 | 57,344 | 12,100 ]        at most GROUP_MAX chunks each
//!               |
//! chunks   [ 512 | 512 | 407 | 512 | ... ]     at most 8 KiB of elements each
//! ```
//!
//! Ends are at hand; an index is found by adding up the counts of groups and then of chunks, from
//! the nearer end: some hundred numbers at ten million elements. Nothing grows by doubling beyond
//! a group, so that no push ever stalls. No chunk and no group is empty. A snapshot's copy shares
//! the groups ([`Nodes::share`]).

use super::block::BLOCK_MAX;
use super::chunk::Chunk;
use super::element::{Element, End};
use crate::storage::memory::size_class;
use crate::storage::part::Part;
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// The most chunks of a group.
const GROUP_MAX: usize = 128;
/// The room that a new chunk at an end begins with, in bytes.
const CHUNK_START: usize = 1024;

#[derive(Clone, Debug, Default)]
struct Group {
    len: usize,
    chunks: VecDeque<Chunk>,
}

/// Where an element is.
#[derive(Clone, Copy, Debug)]
struct Place {
    group: usize,
    chunk: usize,
    index: usize,
}

/// Chunks in groups.
#[derive(Debug, Default)]
pub struct Nodes {
    groups: VecDeque<Part<Group>>,
    len: usize,
    /// What chunks and their pointers take from the allocator, without the groups' own array.
    bytes: usize,
}

/// What a group's array of chunks takes.
fn room_of(group: &Group) -> usize {
    size_class(group.chunks.capacity() * size_of::<Chunk>())
}

impl Clone for Nodes {
    fn clone(&self) -> Nodes {
        let groups = self.groups.clone();
        // A copied array has no spare room.
        let rooms = |groups: &VecDeque<Part<Group>>| {
            groups.iter().map(|group| room_of(group)).sum::<usize>()
        };
        let bytes = self.bytes + rooms(&groups) - rooms(&self.groups);
        Nodes { groups, len: self.len, bytes }
    }
}

impl Nodes {
    /// A large list that begins with this chunk, which may be empty.
    pub fn new(first: Chunk) -> Nodes {
        let mut nodes = Nodes::default();
        if first.len() > 0 {
            nodes.add_chunk(Place { group: 0, chunk: 0, index: 0 }, first);
        }
        nodes
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        let own = size_class(size_of::<Nodes>());
        own + size_class(self.groups.capacity() * size_of::<Part<Group>>()) + self.bytes
    }

    /// The number of chunks, roughly.
    pub fn parts(&self) -> usize {
        self.bytes / BLOCK_MAX + self.groups.len()
    }

    /// The only chunk, taken out, if there is one alone and it passes.
    pub fn take_only(&mut self, passes: impl FnOnce(&Chunk) -> bool) -> Option<Chunk> {
        if self.groups.len() > 1 || self.groups.front()?.chunks.len() > 1 {
            return None;
        }
        if !passes(self.groups.front()?.chunks.front()?) {
            return None;
        }
        self.groups.pop_front()?.into_own().chunks.pop_front()
    }

    /// Adds an element at an end.
    #[inline]
    pub fn push(&mut self, end: End, value: &[u8]) {
        let group = match end {
            End::Head => self.groups.front_mut(),
            End::Tail => self.groups.back_mut(),
        };
        if let Some(group) = group.map(Part::own) {
            let chunk = match end {
                End::Head => group.chunks.front_mut(),
                End::Tail => group.chunks.back_mut(),
            };
            if let Some(chunk) = chunk {
                let fits = chunk.try_push(end, value) || {
                    let fits = chunk.fits(value.len());
                    if fits {
                        self.bytes -= chunk.allocated();
                        chunk.push(end, value);
                        self.bytes += chunk.allocated();
                    }
                    fits
                };
                if fits {
                    group.len += 1;
                    self.len += 1;
                    return;
                }
            }
        }
        let mut chunk = Chunk::with_capacity(value.len().clamp(CHUNK_START, BLOCK_MAX));
        if Chunk::is_huge(value.len()) {
            chunk = Chunk::huge(Bytes::copy_from_slice(value));
        } else {
            chunk.push(end, value);
        }
        self.push_chunk(end, chunk);
    }

    /// Whether there are several chunks.
    #[inline]
    pub fn is_long(&self) -> bool {
        self.groups.len() > 1 || self.groups.front().is_some_and(|group| group.chunks.len() > 1)
    }

    /// The element at an end.
    #[inline]
    pub fn end(&self, end: End) -> Option<Element<'_>> {
        match end {
            End::Head => Some(self.groups.front()?.chunks.front()?.get(0)),
            End::Tail => {
                let chunk = self.groups.back()?.chunks.back()?;
                Some(chunk.get(chunk.len() - 1))
            }
        }
    }

    /// Removes the element at an end where nothing else has to change; false elsewhere.
    #[inline]
    pub fn try_pop(&mut self, end: End) -> bool {
        let group = match end {
            End::Head => self.groups.front_mut(),
            End::Tail => self.groups.back_mut(),
        };
        let Some(group) = group.map(Part::own) else { return false };
        let chunk = match end {
            End::Head => group.chunks.front_mut(),
            End::Tail => group.chunks.back_mut(),
        };
        let popped = chunk.is_some_and(|chunk| chunk.try_pop(end));
        if popped {
            group.len -= 1;
            self.len -= 1;
        }
        popped
    }

    /// Adds a chunk at an end.
    pub fn push_chunk(&mut self, end: End, chunk: Chunk) {
        let place = match end {
            End::Head => Place { group: 0, chunk: 0, index: 0 },
            End::Tail => {
                let group = self.groups.len().saturating_sub(1);
                let chunk = self.groups.back().map_or(0, |group| group.chunks.len());
                Place { group, chunk, index: 0 }
            }
        };
        self.add_chunk(place, chunk);
    }

    /// Adds a chunk before the place's, or behind the group's last one.
    fn add_chunk(&mut self, place: Place, chunk: Chunk) {
        let Place { group: mut at, chunk: mut before, .. } = place;
        if self.groups.is_empty() {
            self.groups.push_back(Part::default());
        }
        let full = self.groups[at].chunks.len() >= GROUP_MAX;
        if full && (before == 0 || before == GROUP_MAX) {
            // At an end of the group a new one begins, so that those of a queue are full.
            at += usize::from(before > 0);
            self.groups.insert(at, Part::default());
            before = 0;
        } else if full {
            let half = self.split_group(at);
            if before > half {
                (at, before) = (at + 1, before - half);
            }
        }
        let group = self.groups[at].own();
        let room = room_of(group);
        group.len += chunk.len();
        self.len += chunk.len();
        self.bytes += chunk.allocated();
        group.chunks.insert(before, chunk);
        self.bytes = self.bytes + room_of(group) - room;
    }

    /// Makes two groups of one; returns how many chunks the first one has then.
    fn split_group(&mut self, at: usize) -> usize {
        let group = self.groups[at].own();
        self.bytes -= room_of(group);
        let chunks = group.chunks.split_off(GROUP_MAX / 2);
        let len = chunks.iter().map(Chunk::len).sum();
        group.len -= len;
        let second = Group { len, chunks };
        self.bytes += room_of(group) + room_of(&second);
        self.groups.insert(at + 1, Part::Own(second));
        GROUP_MAX / 2
    }

    /// Takes a chunk out, and its group when it was the last one.
    fn take_chunk(&mut self, at: Place) -> Option<Chunk> {
        let group = self.groups[at.group].own();
        let chunk = group.chunks.remove(at.chunk)?;
        group.len -= chunk.len();
        self.len -= chunk.len();
        self.bytes -= chunk.allocated();
        if group.chunks.is_empty() {
            self.bytes -= room_of(group);
            self.groups.remove(at.group);
        }
        Some(chunk)
    }

    /// Takes a group out.
    fn take_group(&mut self, at: usize) -> Option<Part<Group>> {
        let group = self.groups.remove(at)?;
        self.len -= group.len;
        self.bytes -= room_of(&group) + group.chunks.iter().map(Chunk::allocated).sum::<usize>();
        Some(group)
    }

    /// Changes a chunk; one that is empty then is taken out.
    #[inline]
    fn edit<R>(&mut self, at: Place, f: impl FnOnce(&mut Chunk) -> R) -> R {
        let group = self.groups[at.group].own();
        let chunk = &mut group.chunks[at.chunk];
        let (bytes, len) = (chunk.allocated(), chunk.len());
        let result = f(chunk);
        let new_len = chunk.len();
        self.bytes = self.bytes + chunk.allocated() - bytes;
        group.len = group.len + new_len - len;
        self.len = self.len + new_len - len;
        if new_len == 0 {
            self.take_chunk(at);
        }
        result
    }

    /// Makes the element at `index`, which must be below the length, the first one of its chunk.
    pub fn cut(&mut self, index: usize) {
        let at = self.locate(index);
        if at.index > 0 {
            let split = self.edit(at, |chunk| chunk.split_off(at.index));
            self.add_chunk(Place { chunk: at.chunk + 1, ..at }, split);
        }
    }

    /// Where the element at `index` is, which must be below the length.
    fn locate(&self, index: usize) -> Place {
        if index >= self.len / 2 {
            return self.locate_from_tail(index);
        }
        let (mut group, mut left) = (0, index);
        while left >= self.groups[group].len {
            left -= self.groups[group].len;
            group += 1;
        }
        for (chunk, at) in self.groups[group].chunks.iter().enumerate() {
            if left < at.len() {
                return Place { group, chunk, index: left };
            }
            left -= at.len();
        }
        unreachable!("a group has as many elements as it says")
    }

    fn locate_from_tail(&self, index: usize) -> Place {
        let (mut group, mut left) = (self.groups.len() - 1, self.len - 1 - index);
        while left >= self.groups[group].len {
            left -= self.groups[group].len;
            group -= 1;
        }
        for (chunk, at) in self.groups[group].chunks.iter().enumerate().rev() {
            if left < at.len() {
                return Place { group, chunk, index: at.len() - 1 - left };
            }
            left -= at.len();
        }
        unreachable!("a group has as many elements as it says")
    }

    /// The element at `index`, which must be below the length.
    pub fn get(&self, index: usize) -> Element<'_> {
        let at = self.locate(index);
        self.groups[at.group].chunks[at.chunk].get(at.index)
    }

    /// Puts an element in the place of the one at `index`, which must be below the length.
    pub fn set(&mut self, index: usize, value: &[u8]) {
        let at = self.locate(index);
        if !self.edit(at, |chunk| chunk.set(at.index, value)) {
            self.edit(at, |chunk| chunk.remove(at.index, 1));
            self.insert(index, value);
        }
    }

    /// Adds an element before the one at `index`; at most behind the last one.
    pub fn insert(&mut self, index: usize, value: &[u8]) {
        if index == self.len {
            return self.push(End::Tail, value);
        }
        if index == 0 {
            return self.push(End::Head, value);
        }
        let mut at = self.locate(index);
        if self.groups[at.group].chunks[at.chunk].fits(value.len()) {
            return self.edit(at, |chunk| chunk.insert(at.index, value));
        }
        if at.index == 0 {
            // The end of the chunk before may have the room.
            let before = self.locate(index - 1);
            if self.groups[before.group].chunks[before.chunk].fits(value.len()) {
                return self.edit(before, |chunk| chunk.push(End::Tail, value));
            }
        } else {
            self.cut(index);
            at = self.locate(index - 1);
            if self.groups[at.group].chunks[at.chunk].fits(value.len()) {
                return self.edit(at, |chunk| chunk.push(End::Tail, value));
            }
            at = self.locate(index);
            if self.groups[at.group].chunks[at.chunk].fits(value.len()) {
                return self.edit(at, |chunk| chunk.push(End::Head, value));
            }
        }
        let chunk = if Chunk::is_huge(value.len()) {
            Chunk::huge(Bytes::copy_from_slice(value))
        } else {
            let mut chunk = Chunk::with_capacity(value.len());
            chunk.push(End::Tail, value);
            chunk
        };
        self.add_chunk(at, chunk);
    }

    /// Removes `count` elements from `index` on. Returns the chunks that held only such elements,
    /// to be dropped where that is cheap.
    pub fn remove(&mut self, index: usize, mut count: usize) -> Nodes {
        let mut removed = Nodes::default();
        while count > 0 {
            let at = self.locate(index);
            let group = &self.groups[at.group];
            let len = group.chunks[at.chunk].len();
            if at.index == 0 && at.chunk == 0 && count >= group.len {
                count -= group.len;
                if let Some(group) = self.take_group(at.group) {
                    removed.len += group.len;
                    removed.bytes += group.chunks.len() * BLOCK_MAX;
                    removed.groups.push_back(group);
                }
            } else if at.index == 0 && count >= len {
                count -= len;
                if let Some(chunk) = self.take_chunk(at) {
                    removed.push_chunk(End::Tail, chunk);
                }
            } else {
                let part = count.min(len - at.index);
                self.edit(at, |chunk| chunk.remove(at.index, part));
                count -= part;
            }
        }
        removed
    }

    /// Removes at most `most` elements that equal a value, the first ones seen from an end;
    /// returns how many there were.
    pub fn remove_equal(&mut self, value: &[u8], most: usize, from: End) -> usize {
        let mut removed = 0;
        let mut group = match from {
            End::Head => 0,
            End::Tail => self.groups.len(),
        };
        while removed < most {
            if from == End::Tail {
                let Some(before) = group.checked_sub(1) else { break };
                group = before;
            } else if group >= self.groups.len() {
                break;
            }
            let groups = self.groups.len();
            removed += self.remove_equal_in(group, value, most - removed, from);
            if from == End::Head && self.groups.len() == groups {
                group += 1;
            }
        }
        removed
    }

    fn remove_equal_in(&mut self, group: usize, value: &[u8], most: usize, from: End) -> usize {
        let mut removed = 0;
        let mut chunks = self.groups[group].chunks.len();
        let mut chunk = 0;
        while chunk < chunks && removed < most {
            let at = match from {
                End::Head => chunk,
                End::Tail => chunks - 1 - chunk,
            };
            let found = self.groups[group].chunks[at].count_of(value);
            chunk += 1;
            if found == 0 {
                continue;
            }
            let take = found.min(most - removed);
            let skip = if from == End::Head { 0 } else { found - take };
            let all = take == self.groups[group].chunks[at].len();
            let place = Place { group, chunk: at, index: 0 };
            self.edit(place, |chunk| chunk.remove_equal(value, skip, take));
            removed += take;
            if all {
                (chunk, chunks) = (chunk - 1, chunks - 1);
            }
        }
        removed
    }

    /// Calls `f` with the elements from `index` on, away from the end where the walk begins,
    /// until it breaks.
    pub fn walk<B>(
        &self,
        index: usize,
        from: End,
        f: &mut impl FnMut(Element<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if index >= self.len {
            return ControlFlow::Continue(());
        }
        let at = self.locate(index);
        let first = &self.groups[at.group].chunks;
        first[at.chunk].walk(at.index, from, f)?;
        match from {
            End::Head => {
                let rest = self.groups.iter().skip(at.group + 1).flat_map(|group| &group.chunks);
                let mut rest = first.iter().skip(at.chunk + 1).chain(rest);
                rest.try_for_each(|chunk| chunk.walk(0, from, f))
            }
            End::Tail => {
                let rest = self.groups.iter().take(at.group).rev();
                let rest = rest.flat_map(|group| group.chunks.iter().rev());
                let mut rest = first.iter().take(at.chunk).rev().chain(rest);
                rest.try_for_each(|chunk| chunk.walk(chunk.len() - 1, from, f))
            }
        }
    }

    /// A copy that shares all groups with this list: each of the two copies a group, of a
    /// megabyte at most, before it changes it.
    pub fn share(&mut self) -> Nodes {
        let groups = self.groups.iter_mut().map(Part::share).collect();
        Nodes { groups, ..*self }
    }

    /// Drops the last group; false when there is none.
    pub fn shed(&mut self) -> bool {
        self.groups.pop_back().is_some()
    }

    /// Asserts that all counts are true.
    #[cfg(debug_assertions)]
    pub fn check(&self) {
        let chunks = || self.groups.iter().flat_map(|group| &group.chunks);
        assert_eq!(self.len, chunks().map(Chunk::len).sum::<usize>());
        assert!(chunks().all(|chunk| chunk.len() > 0));
        for group in &self.groups {
            assert!(!group.chunks.is_empty() && group.chunks.len() <= GROUP_MAX);
            assert_eq!(group.len, group.chunks.iter().map(Chunk::len).sum::<usize>());
        }
        let rooms = self.groups.iter().map(|group| room_of(group)).sum::<usize>();
        assert_eq!(self.bytes, chunks().map(Chunk::allocated).sum::<usize>() + rooms);
    }
}
