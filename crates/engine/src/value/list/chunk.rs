//! A run of elements in one block: a small list whole, or a part of a large one.
//!
//! While all elements have the same length they lie one behind the other and their number is all
//! that has to be known; ids, hashes and fixed records, which most queues are made of, take no byte
//! more than they have. The first element of another length sets lengths between them, before and
//! behind each, so that it can be walked from both ends:
//!
//! ```text
//! even     ....[abc][def][ghi]............
//! mixed    ....[3|abc|3][2|de|2][3|ghi|3]..     below 128: one byte
//!              start                    end     else two, the high bit set in the outer one
//! ```
//!
//! What is free lies at the sides, so that pushing and popping at either end moves nothing, most
//! of the time. A block is exchanged for a larger one when it is full, and for a smaller one when
//! less than a quarter of it is used.

use super::Element;
use super::End;
use super::block::{BLOCK_MAX, Block, Form, Meta};
use bytes::Bytes;
use std::ops::{ControlFlow, Range};

/// The most elements of a chunk.
const COUNT_MAX: usize = 4096;
/// A block as large as this is not exchanged for a smaller one, in bytes.
const SHRINK_MIN: usize = 64;

/// A run of elements.
#[derive(Clone, Debug)]
pub struct Chunk(Block);

/// The bytes that a length takes, on one side of an element.
#[inline]
fn width_of(len: usize) -> usize {
    if len < 128 { 1 } else { 2 }
}

/// The bytes that an element takes with both its lengths.
#[inline]
fn framed(len: usize) -> usize {
    len + 2 * width_of(len)
}

/// The length that begins at `bytes[0]`.
#[inline]
fn length_at(bytes: &[u8]) -> usize {
    match bytes[0] {
        short @ 0..128 => short as usize,
        high => usize::from(high & 127) << 8 | bytes[1] as usize,
    }
}

/// The length that ends at the end of `bytes`.
#[inline]
fn length_before(bytes: &[u8]) -> usize {
    match bytes[bytes.len() - 1] {
        short @ 0..128 => short as usize,
        high => usize::from(high & 127) << 8 | bytes[bytes.len() - 2] as usize,
    }
}

/// Fills `room`, which is as long as the framed value.
#[inline]
fn write_framed(room: &mut [u8], value: &[u8]) {
    let (len, width) = (value.len(), width_of(value.len()));
    let last = room.len() - 1;
    if width == 1 {
        room[0] = len as u8;
        room[last] = len as u8;
    } else {
        let (high, low) = ((len >> 8) as u8 | 128, len as u8);
        (room[0], room[1]) = (high, low);
        (room[last - 1], room[last]) = (low, high);
    }
    room[width..width + len].copy_from_slice(value);
}

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

    #[inline]
    fn used(meta: Meta) -> usize {
        usize::from(meta.end - meta.start)
    }

    /// The length that all elements have, of an even chunk with elements.
    #[inline]
    fn width(meta: Meta) -> usize {
        Chunk::used(meta) / usize::from(meta.count).max(1)
    }

    /// The bytes that the elements take, or would take, with their lengths between them.
    #[inline]
    pub fn mixed_bytes(&self) -> usize {
        let meta = self.0.meta();
        match (&self.0, meta.form) {
            (Block::Huge(_, bytes), _) => bytes.len() + 4,
            (_, Form::Mixed) => Chunk::used(meta),
            (_, Form::Even) => framed(Chunk::width(meta)) * usize::from(meta.count),
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
        let even = meta.form == Form::Even && Chunk::width(meta) == len;
        let need = match even {
            true => Chunk::used(meta) + len,
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
        let meta = self.0.meta();
        let (start, last) = (usize::from(meta.start), usize::from(meta.end));
        let count = usize::from(meta.count);
        let size = match meta.form {
            Form::Mixed => framed(value.len()),
            Form::Even if value.len() * count == last - start => value.len(),
            Form::Even => return false,
        };
        let bytes = self.0.bytes_mut();
        let at = match end {
            End::Head => start.checked_sub(size),
            End::Tail => Some(last).filter(|at| at + size <= bytes.len()),
        };
        // A huge element has no bytes to be changed.
        let fits = (1..COUNT_MAX).contains(&count) && !bytes.is_empty();
        let Some(at) = at.filter(|_| fits) else { return false };
        let room = &mut bytes[at..at + size];
        match meta.form {
            Form::Even => room.copy_from_slice(value),
            Form::Mixed => write_framed(room, value),
        }
        let meta = self.0.meta_mut();
        meta.count += 1;
        match end {
            End::Head => meta.start = at as u16,
            End::Tail => meta.end = (at + size) as u16,
        }
        true
    }

    /// Removes the element at one end where that does not change the block; false, and nothing
    /// done, elsewhere.
    #[inline]
    pub fn try_pop(&mut self, end: End) -> bool {
        let meta = self.0.meta();
        let bytes = self.0.bytes();
        let used = &bytes[usize::from(meta.start)..usize::from(meta.end)];
        if meta.count < 2 {
            return false;
        }
        let size = match (meta.form, end) {
            (Form::Even, _) => used.len() / usize::from(meta.count),
            (Form::Mixed, End::Head) => framed(length_at(used)),
            (Form::Mixed, End::Tail) => framed(length_before(used)),
        };
        if used.len() - size < bytes.len() / 4 && bytes.len() > SHRINK_MIN {
            return false;
        }
        let meta = self.0.meta_mut();
        meta.count -= 1;
        match end {
            End::Head => meta.start += size as u16,
            End::Tail => meta.end -= size as u16,
        }
        true
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
        let width = Chunk::width(meta);
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
            // Nothing is to be made room for, but the block may be too large by now.
            self.open(usize::from(end), 0, 0);
        }
    }

    /// The element at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Element<'_> {
        match &self.0 {
            Block::Huge(_, bytes) => Element::Shared(bytes),
            block => Element::Bytes(&block.bytes()[self.data(index)]),
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
        let meta = self.0.meta();
        if let Block::Huge(_, bytes) = &self.0 {
            return f(Element::Shared(bytes));
        }
        let bytes = self.0.bytes();
        match (meta.form, from) {
            (Form::Even, _) => {
                let width = Chunk::width(meta);
                let mut at = usize::from(meta.start) + index * width;
                let left = match from {
                    End::Head => usize::from(meta.count) - index,
                    End::Tail => index + 1,
                };
                for _ in 0..left {
                    f(Element::Bytes(&bytes[at..at + width]))?;
                    at = match from {
                        End::Head => at + width,
                        End::Tail => at.wrapping_sub(width),
                    };
                }
            }
            (Form::Mixed, End::Head) => {
                let mut rest = &bytes[self.extent(index).start..usize::from(meta.end)];
                while !rest.is_empty() {
                    let len = length_at(rest);
                    let frame = width_of(len);
                    f(Element::Bytes(&rest[frame..frame + len]))?;
                    rest = &rest[len + 2 * frame..];
                }
            }
            (Form::Mixed, End::Tail) => {
                let mut rest = &bytes[usize::from(meta.start)..self.extent(index).end];
                while !rest.is_empty() {
                    let len = length_before(rest);
                    let frame = width_of(len);
                    let end = rest.len() - frame;
                    f(Element::Bytes(&rest[end - len..end]))?;
                    rest = &rest[..end - len - frame];
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Where the element at `index` lies, its lengths included; the end for one behind the last.
    fn extent(&self, index: usize) -> Range<usize> {
        let meta = self.0.meta();
        let (start, end) = (usize::from(meta.start), usize::from(meta.end));
        let count = usize::from(meta.count);
        if index >= count {
            return end..end;
        }
        if meta.form == Form::Even {
            let width = Chunk::width(meta);
            let at = start + index * width;
            return at..at + width;
        }
        let bytes = self.0.bytes();
        if index <= count / 2 {
            let mut at = start;
            for _ in 0..index {
                at += framed(length_at(&bytes[at..]));
            }
            at..at + framed(length_at(&bytes[at..]))
        } else {
            let mut at = end;
            for _ in index + 1..count {
                at -= framed(length_before(&bytes[..at]));
            }
            at - framed(length_before(&bytes[..at]))..at
        }
    }

    /// Where the bytes of the element at `index` lie.
    fn data(&self, index: usize) -> Range<usize> {
        let Range { start, end } = self.extent(index);
        match self.0.meta().form {
            Form::Even => start..end,
            Form::Mixed => {
                let frame = width_of(length_at(&self.0.bytes()[start..]));
                start + frame..end - frame
            }
        }
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
        } else if meta.form == Form::Even && Chunk::width(meta) != len {
            self.mix(framed(len));
        }
        if index == 0 { usize::from(self.0.meta().start) } else { self.extent(index).start }
    }

    /// Sets lengths between the elements; there is room for `more` bytes behind them then, or
    /// there will be.
    fn mix(&mut self, more: usize) {
        let meta = self.0.meta();
        let (width, size) = (Chunk::width(meta), framed(Chunk::width(meta)));
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
        let too_large = capacity > SHRINK_MIN && need < capacity / 4;
        if need > capacity || too_large {
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
            // The room is there, but split between the sides: all of it goes to the one that
            // is in need.
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
