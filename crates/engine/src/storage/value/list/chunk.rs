//! A run of elements in one block: a small list whole, or a part of a large one. `run.rs` draws how
//! they lie.
//!
//! What is free lies at the sides, so that pushing and popping at either end moves nothing, most
//! of the time. A block is exchanged for a larger one when it is full, and for a smaller one when
//! less than a quarter of it is used.

use super::block::{BLOCK_MAX, Block, Form, Meta};
use super::element::{Element, End};
use super::run::{COUNT_MAX, Run, framed, least_used, length_at, try_push, width_of, write_framed};
use bytes::Bytes;
use std::ops::{ControlFlow, Range};

/// A run of elements.
#[derive(Clone, Debug)]
pub struct Chunk(Block);

impl Chunk {
    /// A chunk without elements, with room for `bytes` of them.
    pub fn with_capacity(bytes: usize) -> Chunk {
        Chunk(Block::with_capacity(bytes))
    }

    /// A chunk of one element, which is too large for any other.
    pub fn huge(value: Bytes) -> Chunk {
        Chunk(Block::huge(value))
    }

    /// Whether an element is too large to share a chunk with others.
    #[inline]
    pub fn is_huge(len: usize) -> bool {
        len > BLOCK_MAX
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.meta().count as usize
    }

    /// The bytes that the block takes from the allocator.
    #[inline]
    pub fn allocated(&self) -> usize {
        self.0.allocated()
    }

    /// The elements, of any but a huge one.
    #[inline]
    pub fn run(&self) -> Run<'_> {
        Run { meta: self.0.meta(), bytes: self.0.bytes() }
    }

    /// The elements, where they take at most `most` bytes.
    #[inline]
    pub fn short_run(&self, most: usize) -> Option<Run<'_>> {
        let short = !matches!(self.0, Block::Huge(..)) && self.run().used() <= most;
        short.then(|| self.run())
    }

    /// A copy of elements, with as much room again for short ones.
    pub fn copy_of(run: Run<'_>) -> Chunk {
        let (start, used) = (usize::from(run.meta.start), run.used());
        let mut block = Block::with_capacity((used * 2).clamp(used, BLOCK_MAX.max(used)));
        block.bytes_mut()[..used].copy_from_slice(&run.bytes[start..start + used]);
        *block.meta_mut() = Meta { start: 0, end: used as u16, ..run.meta };
        Chunk(block)
    }

    /// The bytes that the elements take, or would take, with their lengths between them.
    #[inline]
    pub fn mixed_bytes(&self) -> usize {
        match &self.0 {
            Block::Huge(_, bytes) => bytes.len() + 4,
            _ => self.run().mixed_bytes(),
        }
    }

    /// Whether an element of this length can be added without the block growing beyond the
    /// largest one.
    #[inline]
    pub fn fits(&self, len: usize) -> bool {
        let meta = self.0.meta();
        let count = usize::from(meta.count);
        if count == 0 {
            return len <= BLOCK_MAX;
        }
        if count == COUNT_MAX || matches!(self.0, Block::Huge(..)) {
            return false;
        }
        let even = meta.form == Form::Even && self.run().width() == len;
        let need = match even {
            true => self.run().used() + len,
            false => self.mixed_bytes() + framed(len),
        };
        need <= BLOCK_MAX
    }

    /// Adds an element that fits before the one at `index`.
    pub fn insert(&mut self, index: usize, value: &[u8]) {
        let at = self.prepared(index, value.len());
        let size = self.size_of(value.len());
        let at = self.open(at, 0, size);
        self.fill(at, size, value);
        self.0.meta_mut().count += 1;
    }

    /// Adds an element at one end where that changes neither block nor form, as nearly always;
    /// false, and nothing done, elsewhere.
    #[inline]
    pub fn try_push(&mut self, end: End, value: &[u8]) -> bool {
        let mut meta = self.0.meta();
        let pushed = try_push(&mut meta, self.0.bytes_mut(), end, value);
        if pushed {
            *self.0.meta_mut() = meta;
        }
        pushed
    }

    /// Removes the element at one end where that does not change the block; false, and nothing
    /// done, elsewhere.
    #[inline]
    pub fn try_pop(&mut self, end: End) -> bool {
        let least = least_used(self.0.bytes().len());
        // A huge element is alone, and what is alone is not popped here.
        let popped = self.run().popped(end, least);
        if let Some(meta) = popped {
            *self.0.meta_mut() = meta;
        }
        popped.is_some()
    }

    /// Adds an element that fits at one end.
    #[inline]
    pub fn push(&mut self, end: End, value: &[u8]) {
        let index = match end {
            End::Head => 0,
            End::Tail => self.len(),
        };
        self.insert(index, value);
    }

    /// Puts an element in the place of the one at `index`; false, and nothing done, when it does
    /// not fit.
    pub fn set(&mut self, index: usize, value: &[u8]) -> bool {
        let meta = self.0.meta();
        if meta.count == 1 && value.len() <= BLOCK_MAX {
            *self = Chunk::with_capacity(value.len());
            self.insert(0, value);
            return true;
        }
        if matches!(self.0, Block::Huge(..)) {
            return false;
        }
        let old = self.data(index);
        if old.len() == value.len() {
            self.0.bytes_mut()[old].copy_from_slice(value);
            return true;
        }
        let mixed = self.mixed_bytes();
        if mixed.max(mixed - framed(old.len()) + framed(value.len())) > BLOCK_MAX {
            return false;
        }
        let at = self.prepared(index, value.len());
        let old = self.extent(index).len();
        let size = self.size_of(value.len());
        let at = self.open(at, old, size);
        self.fill(at, size, value);
        true
    }

    /// Removes `count` elements from `index` on.
    pub fn remove(&mut self, index: usize, count: usize) {
        if count == 0 {
            return;
        }
        let first = self.extent(index);
        let last = if count == 1 { first.clone() } else { self.extent(index + count - 1) };
        self.0.meta_mut().count -= count as u16;
        if self.len() == 0 {
            *self = Chunk::with_capacity(0);
            return;
        }
        self.open(first.start, last.end - first.start, 0);
    }

    /// Takes the elements from `index` on away, as a chunk of their own.
    pub fn split_off(&mut self, index: usize) -> Chunk {
        let meta = self.0.meta();
        let from = self.extent(index).start;
        let tail = &self.0.bytes()[from..usize::from(meta.end)];
        let mut split = Chunk::with_capacity(tail.len());
        split.0.bytes_mut()[..tail.len()].copy_from_slice(tail);
        let count = meta.count - index as u16;
        *split.0.meta_mut() = Meta { start: 0, end: tail.len() as u16, count, form: meta.form };
        self.remove(index, count as usize);
        split
    }

    /// How often a value is among the elements.
    pub fn count_of(&self, value: &[u8]) -> usize {
        let mut count = 0;
        let _ = self.walk(0, End::Head, &mut |element: Element<'_>| {
            count += usize::from(element.as_bytes() == value);
            ControlFlow::<()>::Continue(())
        });
        count
    }

    /// Removes `most` elements that equal a value, after leaving `skip` of them.
    pub fn remove_equal(&mut self, value: &[u8], mut skip: usize, mut most: usize) {
        let meta = self.0.meta();
        if let Block::Huge(..) = self.0 {
            *self = Chunk::with_capacity(0);
            return;
        }
        let (mut read, mut write) = (usize::from(meta.start), usize::from(meta.start));
        let mut count = meta.count;
        let width = self.run().width();
        while read < usize::from(meta.end) && most > 0 {
            let bytes = self.0.bytes_mut();
            let (size, frame) = match meta.form {
                Form::Even => (width, 0),
                Form::Mixed => {
                    let len = length_at(&bytes[read..]);
                    (framed(len), width_of(len))
                }
            };
            let equal = &bytes[read + frame..read + size - frame] == value;
            if equal && skip == 0 {
                most -= 1;
                count -= 1;
            } else {
                skip -= usize::from(equal);
                bytes.copy_within(read..read + size, write);
                write += size;
            }
            read += size;
        }
        let rest = read..usize::from(meta.end);
        self.0.bytes_mut().copy_within(rest.clone(), write);
        // Empty elements take no bytes: they are removed by their number alone.
        if meta.form == Form::Even && width == 0 {
            count -= most as u16;
        }
        let end = (write + rest.len()) as u16;
        *self.0.meta_mut() = Meta { end, count, ..meta };
        if count == 0 {
            *self = Chunk::with_capacity(0);
        } else {
            // No room is needed, but the block may be too large by now.
            self.open(usize::from(end), 0, 0);
        }
    }

    /// The element at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Element<'_> {
        match &self.0 {
            Block::Huge(_, bytes) => Element::Shared(bytes),
            _ => Element::Bytes(self.run().get(index)),
        }
    }

    /// Calls `f` with the elements from `index` on, away from the end where the walk begins,
    /// until it breaks.
    #[inline]
    pub fn walk<B>(
        &self,
        index: usize,
        from: End,
        f: &mut impl FnMut(Element<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match &self.0 {
            Block::Huge(_, bytes) => f(Element::Shared(bytes)),
            _ => self.run().walk(index, from, &mut |bytes| f(Element::Bytes(bytes))),
        }
    }

    fn extent(&self, index: usize) -> Range<usize> {
        self.run().extent(index)
    }

    fn data(&self, index: usize) -> Range<usize> {
        self.run().data(index)
    }

    /// What an element of this length takes in the present form.
    #[inline]
    fn size_of(&self, len: usize) -> usize {
        match self.0.meta().form {
            Form::Even => len,
            Form::Mixed => framed(len),
        }
    }

    #[inline]
    fn fill(&mut self, at: usize, size: usize, value: &[u8]) {
        let form = self.0.meta().form;
        let room = &mut self.0.bytes_mut()[at..at + size];
        match form {
            Form::Even => room.copy_from_slice(value),
            Form::Mixed => write_framed(room, value),
        }
    }

    /// Takes on the form that an element of this length needs; returns where `index` begins.
    #[inline]
    fn prepared(&mut self, index: usize, len: usize) -> usize {
        let meta = self.0.meta();
        if meta.count == 0 {
            self.0.meta_mut().form = Form::Even;
        } else if meta.form == Form::Even && self.run().width() != len {
            self.mix(framed(len));
        }
        if index == 0 { usize::from(self.0.meta().start) } else { self.extent(index).start }
    }

    /// Sets lengths between the elements; there is room for `more` bytes behind them then, or
    /// there will be.
    fn mix(&mut self, more: usize) {
        let meta = self.0.meta();
        let (width, size) = (self.run().width(), framed(self.run().width()));
        let used = size * usize::from(meta.count);
        let mut block = Block::with_capacity((used + more).min(BLOCK_MAX));
        let old = &self.0.bytes()[usize::from(meta.start)..];
        for n in 0..usize::from(meta.count) {
            let room = &mut block.bytes_mut()[n * size..(n + 1) * size];
            write_framed(room, &old[n * width..(n + 1) * width]);
        }
        let end = used as u16;
        *block.meta_mut() = Meta { start: 0, end, count: meta.count, form: Form::Mixed };
        self.0 = block;
    }

    /// Makes `new` bytes of the `old` ones at `at`, and returns where they are then: the shorter
    /// side moves, if it can, and the block is exchanged when it has become too small or large.
    #[inline]
    fn open(&mut self, at: usize, old: usize, new: usize) -> usize {
        let meta = self.0.meta();
        let (start, end) = (usize::from(meta.start), usize::from(meta.end));
        let (need, capacity) = (end - start - old + new, self.0.bytes().len());
        if need > capacity || need < least_used(capacity) {
            return self.exchange(at, old, new);
        }
        let head_moves = at - start < end - at - old;
        let head_can = new <= old + start;
        let tail_can = new <= old + capacity - end;
        let bytes = self.0.bytes_mut();
        if head_can && (head_moves || !tail_can) {
            let to = start + old - new;
            if at > start {
                bytes.copy_within(start..at, to);
            }
            self.0.meta_mut().start = to as u16;
            at + old - new
        } else if tail_can {
            if at + old < end {
                bytes.copy_within(at + old..end, at + new);
            }
            self.0.meta_mut().end = (end + new - old) as u16;
            at
        } else {
            // The room is there, but split between the sides: all of it goes to the side that
            // needs it.
            let to = if head_moves { capacity - (end - start) } else { 0 };
            bytes.copy_within(start..end, to);
            let end = (to + end - start) as u16;
            *self.0.meta_mut() = Meta { start: to as u16, end, ..meta };
            self.open(at - start + to, old, new)
        }
    }

    /// [`Chunk::open`] into another block. Small ones fit closely; a larger one has room for what
    /// is likely to come, at the end that is in use.
    #[cold]
    fn exchange(&mut self, at: usize, old: usize, new: usize) -> usize {
        let meta = self.0.meta();
        let (start, end) = (usize::from(meta.start), usize::from(meta.end));
        let need = end - start - old + new;
        let room = if need > 512 && new > old { need / 2 } else { 0 };
        let mut block = Block::with_capacity((need + room).clamp(need, need.max(BLOCK_MAX)));
        let capacity = block.bytes().len();
        let to = if at == start && new > old && end > start { capacity - need } else { 0 };
        let gap = to + at - start;
        let bytes = block.bytes_mut();
        bytes[to..gap].copy_from_slice(&self.0.bytes()[start..at]);
        bytes[gap + new..to + need].copy_from_slice(&self.0.bytes()[at + old..end]);
        *block.meta_mut() = Meta { start: to as u16, end: (to + need) as u16, ..meta };
        self.0 = block;
        gap
    }
}
