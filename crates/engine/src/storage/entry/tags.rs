//! An entry's tags: a pointer to them at the very end of its block, behind the value, where no look
//! at key or value has to know of it. It may lie at any address.
//!
//! This file holds `unsafe`: the block is raw memory (`mod.rs`). A block with the flag TAGGED has
//! the pointer, which is owned.
#![allow(unsafe_code)]

use super::{EXPIRES, Entry, Shape, TAGGED, WORD};
use crate::storage::memory::size_class;
use crate::storage::tags::{Tag, TagList, is_any_dropped};
use std::alloc::{handle_alloc_error, realloc};
use std::ptr::NonNull;
use std::sync::Arc;

impl Shape {
    /// The bytes that the tags take at the end of the block.
    #[inline(always)]
    pub(super) fn tags_len(&self) -> usize {
        WORD * usize::from(self.flags & TAGGED != 0)
    }
}

impl Entry {
    /// Whether the key has tags.
    #[inline(always)]
    pub fn is_tagged(&self) -> bool {
        self.flags() & TAGGED != 0
    }

    /// Whether a look at the key has to ask for more: something of it is due, or it has tags.
    #[inline(always)]
    pub fn is_in_doubt(&self, now_ms: u64) -> bool {
        if self.flags() & (EXPIRES | TAGGED) == 0 {
            return (1..=now_ms).contains(&self.inner_deadline_ms());
        }
        self.is_tagged() || (1..=now_ms).contains(&self.wake_ms())
    }

    /// Where the pointer lies, if there is one.
    fn tags_at(&self, shape: &Shape) -> Option<*mut *mut TagList> {
        let at = shape.size() - shape.tags_len();
        // SAFETY: it is inside the block, or its end.
        (shape.flags & TAGGED != 0).then(|| unsafe { self.0.as_ptr().add(at) as *mut *mut TagList })
    }

    /// The key's tags.
    pub fn tags(&self) -> &[Arc<Tag>] {
        match self.tags_at(&self.shape()) {
            // SAFETY: a TAGGED block has an owned pointer there, which lives as long as the block.
            Some(at) => unsafe { &*at.read_unaligned() },
            None => &[],
        }
    }

    /// Whether a tag of the key was dropped: then the key is gone.
    #[inline]
    pub fn is_dropped(&self) -> bool {
        self.is_tagged() && is_any_dropped(self.tags())
    }

    /// Whether the key was gone after so many drops of tags.
    pub fn is_dropped_by(&self, drops: u64) -> bool {
        self.tags().iter().any(|tag| tag.is_dropped_by(drops))
    }

    /// Gives the key other tags.
    pub fn set_tags(&mut self, tags: TagList) {
        if let Some(at) = self.tags_at(&self.shape()) {
            // SAFETY: as in `tags`, and `&mut self` is exclusive.
            unsafe { *at.read_unaligned() = tags };
        } else if !tags.is_empty() {
            let (old, age) = (self.shape(), self.age());
            let new = Shape { flags: old.flags | TAGGED, ..old };
            // SAFETY: the block was allocated with the old shape's layout, and the new size is a
            // word more; the word behind the old end is written below.
            let block = unsafe { realloc(self.0.as_ptr(), old.layout(), new.size()) };
            let Some(block) = NonNull::new(block) else { handle_alloc_error(new.layout()) };
            self.0 = block;
            self.write_header(new);
            self.touch(age);
            self.write_tags(&new, Box::into_raw(Box::new(tags)));
        }
    }

    /// Gives the same tags to an entry that takes this one's place.
    #[inline]
    pub(super) fn share_tags(&self, with: &mut Entry) {
        if self.is_tagged() {
            with.set_tags(self.tags().into());
        }
    }

    /// Takes the pointer out, before the block is changed at its end.
    pub(super) fn read_tags(&self, shape: &Shape) -> Option<*mut TagList> {
        // SAFETY: as in `tags`.
        self.tags_at(shape).map(|at| unsafe { at.read_unaligned() })
    }

    /// Puts the pointer into a block of this shape, which is TAGGED.
    pub(super) fn write_tags(&mut self, shape: &Shape, tags: *mut TagList) {
        if let Some(at) = self.tags_at(shape) {
            // SAFETY: the word is the block's last, and `&mut self` is exclusive.
            unsafe { at.write_unaligned(tags) };
        }
    }

    /// Drops the tags, with the entry.
    #[cold]
    pub(super) fn drop_tags(&mut self, shape: &Shape) {
        if let Some(tags) = self.read_tags(shape) {
            // SAFETY: the pointer came from a box, is owned by the entry, and is not read again.
            drop(unsafe { Box::from_raw(tags) });
        }
    }

    /// The bytes that the tags of this key alone take.
    #[cold]
    pub(super) fn tags_allocated(&self, shape: &Shape) -> usize {
        let Some(tags) = self.read_tags(shape) else { return 0 };
        // SAFETY: as in `tags`.
        let tags = unsafe { &*tags };
        let spilled = if tags.spilled() { size_class(tags.capacity() * WORD) } else { 0 };
        size_class(size_of::<TagList>()) + spilled
    }
}
