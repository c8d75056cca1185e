//! Blocks of one size without holes, each known by a number that stays.
//!
//! Blocks lie in chunks of [`CHUNK`]. A block that is given back leaves a hole, and the last block
//! is moved into it: at once, or, when very many are given back together, a few at a time. What
//! names a block names its number, of which `places` says where it lies now.
//!
//! A frozen copy shares the chunks, and a chunk is copied when either side changes it.

use crate::storage::memory::size_class;
use crate::storage::part::Part;

/// Blocks in a chunk.
const CHUNK: usize = 64;
/// The room of a chunk that is not full grows in these steps...
const ROOMS: [usize; 8] = [1, 2, 4, 8, 16, 32, 48, 64];
/// ... as long as there are so few chunks. A chunk more of many is whole at once: what its growth
/// gives back to the allocator would have to be filled by somebody else.
const GROWING: usize = 4;
/// The number of a block that is a hole.
const HOLE: u32 = u32::MAX;

/// A block that remembers its number.
pub trait Numbered: Clone + Default {
    /// The number.
    fn number(&self) -> u32;
    /// Gives it a number.
    fn set_number(&mut self, number: u32);
}

/// Blocks of one size.
pub struct Dense<T> {
    places: Vec<u32>,
    unused: Vec<u32>,
    holes: Vec<u32>,
    chunks: Vec<Part<Vec<T>>>,
    /// Blocks and holes.
    len: usize,
    allocated: usize,
}

impl<T> Default for Dense<T> {
    fn default() -> Dense<T> {
        Dense {
            places: Vec::new(),
            unused: Vec::new(),
            holes: Vec::new(),
            chunks: Vec::new(),
            len: 0,
            allocated: 0,
        }
    }
}

impl<T: Clone> Clone for Dense<T> {
    fn clone(&self) -> Dense<T> {
        Dense {
            places: self.places.clone(),
            unused: self.unused.clone(),
            holes: self.holes.clone(),
            chunks: self.chunks.clone(),
            len: self.len,
            allocated: self.allocated,
        }
    }
}

fn chunk_bytes<T>(room: usize) -> usize {
    size_class(room * size_of::<T>())
}

impl<T: Numbered> Dense<T> {
    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        let words = self.places.capacity() + self.unused.capacity() + self.holes.capacity();
        self.allocated + 4 * words + self.chunks.capacity() * size_of::<Part<Vec<T>>>()
    }

    /// The number of chunks.
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The number of blocks, where there are no holes.
    #[inline]
    pub fn count(&self) -> usize {
        self.len
    }

    /// The block at a place below their number, where there are no holes.
    #[inline]
    pub fn at(&self, place: usize) -> &T {
        &self.chunks[place / CHUNK][place % CHUNK]
    }

    /// All blocks, in the order of their places, where there are no holes.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// Whether a copy shares the chunks, as far as the last one shows it.
    pub fn is_shared(&self) -> bool {
        self.chunks.last().is_some_and(Part::is_shared)
    }

    /// A copy that shares the chunks.
    pub fn freeze(&mut self) -> Dense<T> {
        Dense {
            places: self.places.clone(),
            unused: Vec::new(),
            holes: Vec::new(),
            chunks: self.chunks.iter_mut().map(Part::share).collect(),
            len: self.len,
            allocated: self.allocated,
        }
    }

    /// A copy that shares the chunks until either is changed.
    pub fn copy(&mut self) -> Dense<T> {
        Dense { unused: self.unused.clone(), holes: self.holes.clone(), ..self.freeze() }
    }

    /// Drops the last chunk of blocks that are not read any more; false when there is none left.
    pub fn shed(&mut self) -> bool {
        self.chunks.pop();
        !self.chunks.is_empty()
    }

    /// A block.
    #[inline]
    pub fn get(&self, number: u32) -> &T {
        let place = self.places[number as usize] as usize;
        &self.chunks[place / CHUNK][place % CHUNK]
    }

    /// A block, if it was not given back.
    #[inline]
    pub fn find(&self, number: u32) -> Option<&T> {
        let place = *self.places.get(number as usize)? as usize;
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)
    }

    /// A block, to be changed.
    #[inline]
    pub fn own(&mut self, number: u32) -> &mut T {
        let place = self.places[number as usize] as usize;
        &mut self.chunks[place / CHUNK].own()[place % CHUNK]
    }

    /// Adds a block. Returns its number.
    pub fn add(&mut self, mut block: T) -> u32 {
        let number = self.unused.pop().unwrap_or(self.places.len() as u32);
        if number as usize == self.places.len() {
            self.places.push(HOLE);
        }
        block.set_number(number);
        let mut place = self.len;
        while let Some(hole) = self.holes.pop() {
            // A hole may have been cut off with the end.
            if (hole as usize) < self.len {
                place = hole as usize;
                break;
            }
        }
        self.places[number as usize] = place as u32;
        if place < self.len {
            self.chunks[place / CHUNK].own()[place % CHUNK] = block;
        } else {
            self.push(block);
        }
        number
    }

    fn push(&mut self, block: T) {
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Part::Own(Vec::new()));
        }
        self.len += 1;
        let is_whole = self.chunks.len() > GROWING;
        let Some(chunk) = self.chunks.last_mut() else { return };
        let chunk = chunk.own();
        if chunk.len() == chunk.capacity() {
            let more = ROOMS.iter().find(|&&room| room > chunk.len() && !is_whole);
            let room = more.copied().unwrap_or(CHUNK);
            self.allocated += chunk_bytes::<T>(room) - chunk_bytes::<T>(chunk.capacity());
            chunk.reserve_exact(room - chunk.len());
        }
        chunk.push(block);
    }

    /// Gives a block back, and returns it. Holes are filled by [`Dense::settle`].
    pub fn remove(&mut self, number: u32) -> T {
        let place = self.places[number as usize];
        self.places[number as usize] = HOLE;
        self.unused.push(number);
        self.holes.push(place);
        let at = place as usize;
        let block = std::mem::take(&mut self.chunks[at / CHUNK].own()[at % CHUNK]);
        self.chunks[at / CHUNK].own()[at % CHUNK].set_number(HOLE);
        block
    }

    /// Whether there are holes.
    #[inline]
    pub fn is_settled(&self) -> bool {
        self.holes.is_empty()
    }

    /// Moves at most so many blocks from the end into holes. Returns how many steps are left.
    pub fn settle(&mut self, mut steps: usize) -> usize {
        while steps > 0
            && let Some(&hole) = self.holes.last()
        {
            steps -= 1;
            // A hole that was cut off with the end.
            if hole as usize >= self.len {
                self.holes.pop();
                continue;
            }
            let Some(block) = self.pop() else { break };
            if block.number() == HOLE {
                continue;
            }
            self.holes.pop();
            self.places[block.number() as usize] = hole;
            self.chunks[hole as usize / CHUNK].own()[hole as usize % CHUNK] = block;
        }
        if self.holes.is_empty() && self.holes.capacity() > CHUNK {
            self.holes = Vec::new();
        }
        if self.len == 0 {
            self.places = Vec::new();
            self.unused = Vec::new();
        }
        steps
    }

    fn pop(&mut self) -> Option<T> {
        let is_growing = self.chunks.len() <= GROWING;
        let chunk = self.chunks.last_mut()?.own();
        let block = chunk.pop();
        self.len -= 1;
        let (len, room) = (chunk.len(), chunk.capacity());
        if len == 0 {
            self.allocated -= chunk_bytes::<T>(room);
            self.chunks.pop();
        } else if len * 3 <= room && is_growing {
            let less = ROOMS.iter().find(|&&less| less >= len * 3 / 2).copied().unwrap_or(room);
            if less < room {
                chunk.shrink_to(less);
                self.allocated -= chunk_bytes::<T>(room) - chunk_bytes::<T>(less);
            }
        }
        block
    }
}
