//! An entry whose value grows in place: what lies at the end of its block becomes longer.
//!
//! This file holds `unsafe`: the block is raw memory (`mod.rs`).
#![allow(unsafe_code)]

use super::{Entry, INLINE_MAX, KIND_INLINE, KIND_TAIL, RAW, Shape, tail};
use std::alloc::{handle_alloc_error, realloc};
use std::ptr::NonNull;

impl Entry {
    /// Makes an inline string `len` bytes long, at most [`INLINE_MAX`]; what is new is zero.
    pub(super) fn grow_inline(&mut self, len: usize) -> &mut [u8] {
        let old = self.shape();
        assert!(old.kind == KIND_INLINE && (old.value_len..=INLINE_MAX).contains(&len));
        let new = Shape { value_len: len, flags: old.flags | RAW, ..old };
        self.lengthen(new);
        // SAFETY: the value ends the block, but for tags, and its `len` bytes are initialised.
        unsafe {
            let at = self.0.as_ptr().add(new.key_at() + new.key_len);
            std::slice::from_raw_parts_mut(at, len)
        }
    }

    /// Makes the room for the elements in the tail larger by at least `more` bytes, which are zero.
    pub(super) fn grow_tail(&mut self, more: usize) {
        let old = self.shape();
        assert!(old.kind >= KIND_TAIL);
        let mut new = Shape { value_len: old.value_len + more, ..old };
        new.value_len += tail::spare_room(new.size());
        self.lengthen(new);
    }

    /// Lengthens what lies at the end of the block by zeros; `new` differs in flags at most, and
    /// is not longer than a header can say.
    fn lengthen(&mut self, new: Shape) {
        let (old, age) = (self.shape(), self.age());
        let tags = self.read_tags(&old);
        assert!((old.value_len..=u16::MAX.into()).contains(&new.value_len));
        // SAFETY: the block was allocated with the old shape's layout, and the new size is not
        // zero; it is larger by at most 64 KiB, so no overflow either.
        let block = unsafe { realloc(self.0.as_ptr(), old.layout(), new.size()) };
        let Some(block) = NonNull::new(block) else { handle_alloc_error(new.layout()) };
        self.0 = block;
        self.write_header(new);
        self.touch(age);
        // SAFETY: the new bytes lie between the old end of the value and the new one.
        unsafe {
            let end = old.size() - old.tags_len();
            std::ptr::write_bytes(block.as_ptr().add(end), 0, new.size() - old.size());
        }
        tags.into_iter().for_each(|tags| self.write_tags(&new, tags));
    }
}
