//! A list: elements in order, cheap at both ends.
//!
//! While it is small it is one [`Chunk`], which OBJECT ENCODING calls a `listpack`. Beyond
//! [`Limit`] it is chunks in groups, a `quicklist`: its ends are at hand, and an index is found
//! without walking the elements. It becomes small again when half the limit is enough.
//!
//! A short list needs no allocation of its own: its elements lie in the tail of its entry
//! (`entry/list.rs`). It is a [`Run`] there, and a [`List`] only while it is changed; a reader sees
//! a [`ListRef`], wherever the elements are.
//!
//! Deliberately absent: compression of the middle (`list-compress-depth`), for which every access
//! there would pay.

mod block;
mod chunk;
mod element;
mod nodes;
mod run;
mod view;

pub use block::Meta;
use bytes::Bytes;
use chunk::Chunk;
pub use element::{Element, End};
use nodes::Nodes;
pub use run::{Run, least_used, try_push};
use std::ops::ControlFlow;
pub use view::ListRef;

/// How large a list may be to be one allocation.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// In bytes, lengths included.
    pub bytes: usize,
    /// In elements.
    pub count: usize,
}

impl Limit {
    /// The meaning of `list-max-listpack-size`: a number of elements, zero being one, or one of
    /// five sizes, of which those above [`block::BLOCK_MAX`] count as that.
    pub fn from_setting(setting: i64) -> Limit {
        let bytes = if setting == -1 { 4096 } else { block::BLOCK_MAX };
        let count = usize::try_from(setting).unwrap_or(usize::MAX).max(1);
        Limit { bytes, count }
    }

    /// Whether another element of `len` bytes leaves a run small.
    #[inline]
    pub fn admits(self, run: Run<'_>, len: usize) -> bool {
        run.mixed_bytes() + FRAME + len <= self.bytes && run.count() < self.count
    }
}

/// What Redis counts of a packed list besides its elements, in bytes: so a list of texts that come
/// one by one stays small exactly as long as Redis's does. (Numbers are packed there.)
const FRAME: usize = 7;

#[derive(Clone, Debug)]
enum Repr {
    Packed(Chunk),
    Nodes(Box<Nodes>),
}

/// A list.
#[derive(Clone, Debug)]
pub struct List(Repr);

const _: () = assert!(size_of::<List>() == 16);

impl Default for List {
    fn default() -> List {
        List(Repr::Packed(Chunk::with_capacity(0)))
    }
}

impl List {
    /// An empty list with room for `bytes` of elements, as far as a small one goes.
    pub fn with_capacity(bytes: usize) -> List {
        List(Repr::Packed(Chunk::with_capacity(bytes.min(block::BLOCK_MAX))))
    }

    /// A copy of elements.
    pub fn copy_of(run: Run<'_>) -> List {
        List(Repr::Packed(Chunk::copy_of(run)))
    }

    /// The elements of a small list, where they take at most `most` bytes.
    #[inline]
    pub fn short_run(&self, most: usize) -> Option<Run<'_>> {
        match &self.0 {
            Repr::Packed(chunk) => chunk.short_run(most),
            Repr::Nodes(_) => None,
        }
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Packed(chunk) => chunk.len(),
            Repr::Nodes(nodes) => nodes.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the encoding.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Packed(_) => "listpack",
            Repr::Nodes(_) => "quicklist",
        }
    }

    /// The bytes taken. Constant time.
    pub fn allocated(&self) -> usize {
        match &self.0 {
            Repr::Packed(chunk) => chunk.allocated(),
            Repr::Nodes(nodes) => nodes.allocated(),
        }
    }

    /// The number of allocations to be freed, roughly.
    pub fn parts(&self) -> usize {
        match &self.0 {
            Repr::Packed(_) => 1,
            Repr::Nodes(nodes) => nodes.parts(),
        }
    }

    /// See [`crate::storage::value::Object::freeze`].
    pub fn freeze(&mut self) -> List {
        match &mut self.0 {
            Repr::Nodes(nodes) => List(Repr::Nodes(Box::new(nodes.share()))),
            packed => List(packed.clone()),
        }
    }

    /// See [`crate::storage::value::Object::shed`].
    pub fn shed(&mut self) -> bool {
        match &mut self.0 {
            Repr::Packed(_) => false,
            Repr::Nodes(nodes) => nodes.shed(),
        }
    }

    /// Becomes large unless elements of `bytes` bytes in all can be added, each of which has
    /// room in the block.
    fn admit(&mut self, lens: impl Iterator<Item = usize> + Clone, limit: Limit) {
        let Repr::Packed(chunk) = &mut self.0 else { return };
        let (count, bytes) = lens.clone().fold((0, 0), |(n, sum), len| (n + 1, sum + len));
        let fits = chunk.mixed_bytes() + FRAME + bytes <= limit.bytes
            && chunk.len() + count <= limit.count
            && (count > 1 || lens.clone().all(|len| chunk.fits(len)));
        if !fits {
            self.enlarge();
        }
    }

    /// Whether it is a small one.
    pub fn is_packed(&self) -> bool {
        matches!(self.0, Repr::Packed(_))
    }

    /// Makes a large list of a small one, in parts that begin at these indexes besides the head,
    /// in ascending order: so one that was saved in parts stays large as long as there are several.
    pub fn cut(&mut self, at: &[usize]) {
        self.enlarge();
        if let Repr::Nodes(nodes) = &mut self.0 {
            at.iter().rev().for_each(|at| nodes.cut(*at));
        }
    }

    fn enlarge(&mut self) {
        if let Repr::Packed(chunk) = &mut self.0 {
            let chunk = std::mem::replace(chunk, Chunk::with_capacity(0));
            self.0 = Repr::Nodes(Box::new(Nodes::new(chunk)));
        }
    }

    /// Becomes small again when half the limit is enough.
    fn shrink(&mut self, limit: Limit) {
        let Repr::Nodes(nodes) = &mut self.0 else { return };
        let passes = |chunk: &Chunk| {
            chunk.mixed_bytes() + FRAME <= limit.bytes / 2 && chunk.len() <= limit.count / 2
        };
        if nodes.len() == 0 {
            *self = List::default();
        } else if let Some(chunk) = nodes.take_only(passes) {
            self.0 = Repr::Packed(chunk);
        }
    }

    /// Adds elements at an end, one after the other.
    pub fn extend<'a>(
        &mut self,
        end: End,
        values: impl Iterator<Item = &'a [u8]> + Clone,
        limit: Limit,
    ) {
        self.admit(values.clone().map(<[u8]>::len), limit);
        for value in values {
            self.push(end, value, limit);
        }
    }

    /// Adds an element at an end.
    #[inline]
    pub fn push(&mut self, end: End, value: &[u8], limit: Limit) {
        self.admit(std::iter::once(value.len()), limit);
        match &mut self.0 {
            Repr::Packed(chunk) => chunk.push(end, value),
            Repr::Nodes(nodes) => nodes.push(end, value),
        }
    }

    /// Adds a large element at an end, by reference.
    pub fn push_shared(&mut self, end: End, value: Bytes, limit: Limit) {
        if !Chunk::is_huge(value.len()) {
            return self.push(end, &value, limit);
        }
        self.enlarge();
        if let Repr::Nodes(nodes) = &mut self.0 {
            nodes.push_chunk(end, Chunk::huge(value));
        }
    }

    /// The element at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        if index >= self.len() {
            return None;
        }
        Some(match &self.0 {
            Repr::Packed(chunk) => chunk.get(index),
            Repr::Nodes(nodes) => nodes.get(index),
        })
    }

    /// The element at an end.
    #[inline]
    pub fn end(&self, end: End) -> Option<Element<'_>> {
        match (&self.0, end) {
            (Repr::Nodes(nodes), _) => nodes.end(end),
            (_, End::Head) => self.get(0),
            (_, End::Tail) => self.get(self.len().checked_sub(1)?),
        }
    }

    /// Puts an element in the place of the one at `index`, which must be below the length.
    pub fn set(&mut self, index: usize, value: &[u8], limit: Limit) {
        self.admit(std::iter::once(value.len()), limit);
        match &mut self.0 {
            Repr::Packed(chunk) => {
                let done = chunk.set(index, value);
                assert!(done, "there was room for one element more");
            }
            Repr::Nodes(nodes) => nodes.set(index, value),
        }
        self.shrink(limit);
    }

    /// Adds an element before the one at `index`; at most behind the last one.
    pub fn insert(&mut self, index: usize, value: &[u8], limit: Limit) {
        self.admit(std::iter::once(value.len()), limit);
        match &mut self.0 {
            Repr::Packed(chunk) => chunk.insert(index, value),
            Repr::Nodes(nodes) => nodes.insert(index, value),
        }
    }

    /// Removes `count` elements from `index` on, which there must be. Returns what takes time to
    /// drop.
    pub fn remove(&mut self, index: usize, count: usize, limit: Limit) -> Option<List> {
        let removed = match &mut self.0 {
            Repr::Packed(chunk) => {
                chunk.remove(index, count);
                return None;
            }
            Repr::Nodes(nodes) => nodes.remove(index, count),
        };
        self.shrink(limit);
        (removed.len() > 0).then(|| List(Repr::Nodes(Box::new(removed))))
    }

    /// Removes the element at an end, which there must be.
    #[inline]
    pub fn remove_end(&mut self, end: End, limit: Limit) {
        let popped = match &mut self.0 {
            Repr::Packed(chunk) => chunk.try_pop(end),
            // One chunk may be small enough to be all there is.
            Repr::Nodes(nodes) => nodes.is_long() && nodes.try_pop(end),
        };
        if popped {
            return;
        }
        let index = match end {
            End::Head => 0,
            End::Tail => self.len() - 1,
        };
        // A chunk is little to drop.
        self.remove(index, 1, limit);
    }

    /// Removes at most `most` elements that equal a value, the first ones seen from an end;
    /// returns how many there were.
    pub fn remove_equal(&mut self, value: &[u8], most: usize, from: End, limit: Limit) -> usize {
        let removed = match &mut self.0 {
            Repr::Packed(chunk) => {
                let found = chunk.count_of(value);
                let take = found.min(most);
                let skip = if from == End::Head { 0 } else { found - take };
                if take > 0 {
                    chunk.remove_equal(value, skip, take);
                }
                take
            }
            Repr::Nodes(nodes) => nodes.remove_equal(value, most, from),
        };
        self.shrink(limit);
        removed
    }

    /// Calls `f` with the elements from `index` on, away from the end where the walk begins,
    /// until it breaks.
    #[inline]
    pub fn walk<B>(
        &self,
        index: usize,
        from: End,
        mut f: impl FnMut(Element<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match &self.0 {
            _ if index >= self.len() => ControlFlow::Continue(()),
            Repr::Packed(chunk) => chunk.walk(index, from, &mut f),
            Repr::Nodes(nodes) => nodes.walk(index, from, &mut f),
        }
    }

    /// Asserts that what is counted is true.
    #[cfg(debug_assertions)]
    pub fn check(&self) {
        if let Repr::Nodes(nodes) = &self.0 {
            nodes.check();
        }
    }
}
