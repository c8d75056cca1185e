//! One key with its value, its type, its age and its expiry, in one heap block behind a thin
//! pointer.
//!
//! ```text
//!  0      1       2          4         5        8           16          24
//! +------+-------+----------+---------+--------+-----------+-----------+---------+----------+
//! | kind | flags | value u16| key u8  | age u24| deadline  | key u64   | payload | key | val |
//! +------+-------+----------+---------+--------+-----------+-----------+---------+----------+
//!                                              | if EXPIRES| if WIDE   | unless inline string
//! ```
//!
//! A string of up to [`INLINE_MAX`] bytes lies inline behind the key; an integer is an 8-byte
//! payload; a longer string is a payload pointing at a reference-counted [`Long`]; a value that is
//! more than a string is a payload of an [`Object`]. A short list or set has its elements behind
//! the key, as a string has its bytes, and what is known of them as an 8-byte payload; `value` is
//! the room for them then (`tail.rs`). A string with a note has it behind the key, or behind the
//! bytes that lie there, and `value` counts it (`note.rs`). The same size is overwritten in place.
//!
//! This file holds `unsafe`: the block is raw memory. The invariants, kept by this file alone:
//! the header describes the block's layout exactly (`Layout` is recomputed from it to free), every
//! length in it was checked when the block was made, and a payload is owned.
#![allow(unsafe_code)]

mod growth;
pub mod long;
pub mod note;
mod place;
mod tags;
mod tail;
mod value;

use crate::error::Error;
use crate::hasher::Hasher;
use crate::storage::memory::size_class;
use crate::storage::value::list::{Meta, Run};
use crate::storage::value::{Object, ObjectRef};
pub use long::Long;
use note::NOTE_BYTES;
pub use note::Note;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use tail::Tail;
use value::own_if_large;
pub use value::{NewValue, Value};

/// The longest string kept inline behind its key, in bytes.
pub const INLINE_MAX: usize = 4096;
/// The longest string that OBJECT ENCODING calls `embstr`, in bytes, together with its key: what
/// Redis puts into one block of 64 bytes.
pub const EMBSTR_MAX: usize = 41;

const HEADER: usize = 8;
const WORD: usize = 8;

const KIND_INLINE: u8 = 0;
const KIND_INT: u8 = 1;
const KIND_LARGE: u8 = 2;
/// An inline string with a note behind it.
const KIND_NOTED: u8 = 3;
/// From here on it is no string.
const KIND_OBJECT: u8 = 4;
/// From here on it is in the tail of the entry; see [`Tail`].
const KIND_TAIL: u8 = 5;

const EXPIRES: u8 = 1;
const WIDE: u8 = 2;
/// The string was changed in place (APPEND, SETRANGE), or too long together with another key that
/// it had: OBJECT ENCODING says `raw`.
const RAW: u8 = 4;
/// The entry's side of the last snapshot's flip (`keyspace/snapshot`).
const EPOCH: u8 = 8;
/// The key has tags: the last word of the block leads to them (`tags.rs`).
const TAGGED: u8 = 16;
/// A client of the memcached port has read the value.
const FETCHED: u8 = 32;

const _: () = assert!(size_of::<Object>() == 24 && align_of::<Object>() == WORD);

/// An owned entry: a thin pointer to its block.
pub struct Entry(NonNull<u8>);

// SAFETY: an Entry owns its block and payload alone; `Long` is Send and Sync, and shared access
// through `&Entry` only reads.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

/// The sizes that a block's layout follows from.
#[derive(Clone, Copy)]
struct Shape {
    kind: u8,
    flags: u8,
    key_len: usize,
    value_len: usize,
}

impl Shape {
    fn wide(&self) -> bool {
        self.flags & WIDE != 0
    }
    fn key_at(&self) -> usize {
        HEADER
            + WORD * usize::from(self.flags & EXPIRES != 0)
            + WORD * usize::from(self.wide())
            + self.payload_len()
    }
    fn payload_len(&self) -> usize {
        match self.kind {
            KIND_INLINE | KIND_NOTED => 0,
            KIND_OBJECT => size_of::<Object>(),
            _ => WORD,
        }
    }
    /// Where the payload begins, at a multiple of a word.
    fn payload_at(&self) -> usize {
        self.key_at() - self.payload_len()
    }
    fn size(&self) -> usize {
        self.key_at() + self.key_len + self.value_len + self.tags_len()
    }
    fn layout(&self) -> Layout {
        Layout::from_size_align(self.size(), WORD).expect("a key is at most 512 MB long")
    }
}

impl Entry {
    /// A new entry. `deadline_ms` of zero is no expiry.
    pub fn new(key: &[u8], value: NewValue<'_>, deadline_ms: u64) -> Entry {
        let value = own_if_large(value);
        let (kind, raw, value_len) = match &value {
            NewValue::Str(bytes) => (KIND_INLINE, 0, bytes.len()),
            NewValue::Raw(bytes) => (KIND_INLINE, RAW, bytes.len()),
            NewValue::Int(_) => (KIND_INT, 0, 0),
            NewValue::Shared(_) | NewValue::Long(_) => (KIND_LARGE, 0, 0),
            NewValue::Noted(_, bytes) => (KIND_NOTED, 0, bytes.len() + NOTE_BYTES),
            NewValue::NotedLong(..) => (KIND_LARGE, 0, NOTE_BYTES),
            NewValue::Object(object) => match tail::short(object) {
                Some((tail, run)) => (KIND_TAIL + tail as u8, 0, run.used()),
                None => (KIND_OBJECT, 0, 0),
            },
        };
        let mut flags = raw;
        if deadline_ms != 0 {
            flags |= EXPIRES;
        }
        if key.len() > u8::MAX as usize {
            flags |= WIDE;
        }
        let mut shape = Shape { kind, flags, key_len: key.len(), value_len };
        if kind >= KIND_TAIL {
            shape.value_len += tail::spare_room(shape.size());
        }
        // SAFETY: the size is at least HEADER, so not zero.
        let block = unsafe { alloc(shape.layout()) };
        let Some(block) = NonNull::new(block) else { handle_alloc_error(shape.layout()) };
        let mut entry = Entry(block);
        entry.write_header(shape);
        // SAFETY: the block is `shape.size()` bytes; each part is written inside it.
        unsafe {
            if shape.wide() {
                entry.word(entry.wide_at()).write(key.len() as u64);
            }
            if deadline_ms != 0 {
                entry.word(HEADER).write(deadline_ms);
            }
            let key_at = block.as_ptr().add(shape.key_at());
            std::ptr::copy_nonoverlapping(key.as_ptr(), key_at, key.len());
            match value {
                NewValue::Str(bytes) | NewValue::Raw(bytes) => {
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), key_at.add(key.len()), value_len);
                }
                NewValue::Int(n) => entry.word(shape.key_at() - WORD).write(n as u64),
                NewValue::Shared(_) => unreachable!("a shared string is a long one by now"),
                NewValue::Noted(note, bytes) => {
                    let at = key_at.add(key.len());
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len());
                    entry.write_note(shape, note);
                }
                NewValue::NotedLong(note, long) => {
                    entry.write_long(shape, long);
                    entry.write_note(shape, note);
                }
                NewValue::Long(long) => entry.write_long(shape, long),
                NewValue::Object(object) if kind == KIND_OBJECT => {
                    (entry.word(shape.payload_at()) as *mut Object).write(*object);
                }
                NewValue::Object(object) => {
                    entry.word(shape.payload_at()).write(0);
                    std::ptr::write_bytes(key_at.add(key.len()), 0, shape.value_len);
                    tail::short(&object).into_iter().for_each(|(_, run)| entry.write_run(run));
                }
            }
        }
        entry
    }

    fn write_header(&mut self, shape: Shape) {
        let key_len = if shape.wide() { 0 } else { shape.key_len as u8 };
        let mut header = [shape.kind, shape.flags, 0, 0, key_len, 0, 0, 0];
        header[2..4].copy_from_slice(&(shape.value_len as u16).to_le_bytes());
        // SAFETY: every block is at least HEADER bytes.
        unsafe { std::ptr::copy_nonoverlapping(header.as_ptr(), self.0.as_ptr(), HEADER) };
    }

    /// # Safety
    /// The block has a payload of a word, which owns nothing yet.
    unsafe fn write_long(&mut self, shape: Shape, long: Long) {
        let payload = Box::into_raw(Box::new(long));
        // SAFETY: the caller's promise.
        unsafe { (self.word(shape.key_at() - WORD) as *mut *mut Long).write(payload) };
    }

    #[inline]
    fn header(&self) -> u64 {
        // SAFETY: every block is at least HEADER bytes, aligned to 8 and initialised.
        u64::from_le(unsafe { (self.0.as_ptr() as *const u64).read() })
    }

    /// # Safety
    /// `at` is a multiple of 8 and `at + 8` is within the block.
    unsafe fn word(&self, at: usize) -> *mut u64 {
        // SAFETY: the caller's promise.
        unsafe { self.0.as_ptr().add(at) as *mut u64 }
    }

    fn wide_at(&self) -> usize {
        HEADER + WORD * usize::from(self.flags() & EXPIRES != 0)
    }

    #[inline]
    fn flags(&self) -> u8 {
        (self.header() >> 8) as u8
    }

    #[inline]
    fn shape(&self) -> Shape {
        let header = self.header();
        let mut shape = Shape {
            kind: header as u8,
            flags: (header >> 8) as u8,
            value_len: (header >> 16) as u16 as usize,
            key_len: (header >> 32) as u8 as usize,
        };
        if shape.wide() {
            // SAFETY: a WIDE block has the key's length in this word.
            shape.key_len = unsafe { self.word(self.wide_at()).read() } as usize;
        }
        shape
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: the key's bytes lie at key_at and were initialised by `new`.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(shape.key_at()), shape.key_len) }
    }

    /// The value of a string.
    ///
    /// # Panics
    /// When it is no string; [`Entry::string`] checks that.
    #[inline]
    pub fn value(&self) -> Value<'_> {
        let shape = self.shape();
        assert!(shape.kind < KIND_OBJECT, "only a string has a string value");
        // SAFETY: `kind` says what lies in the payload word, or that the bytes follow the key.
        unsafe {
            match shape.kind {
                KIND_INLINE => {
                    let at = self.0.as_ptr().add(shape.key_at() + shape.key_len);
                    Value::Inline(std::slice::from_raw_parts(at, shape.value_len))
                }
                KIND_INT => Value::Int(self.word(shape.key_at() - WORD).read() as i64),
                KIND_NOTED => Value::Inline(self.noted_bytes(shape)),
                _ => Value::Large(&**(self.word(shape.key_at() - WORD) as *const *const Long)),
            }
        }
    }

    /// The value that is more than a string and does not lie in the tail, if it is.
    #[inline(always)]
    pub fn whole(&self) -> Option<&Object> {
        let shape = self.shape();
        if shape.kind != KIND_OBJECT {
            return None;
        }
        // SAFETY: the payload of a KIND_OBJECT block is an owned, valid `Object`.
        Some(unsafe { &*(self.word(shape.payload_at()) as *const Object) })
    }

    /// The value that is more than a string, if it is.
    #[inline]
    pub fn object(&self) -> Option<ObjectRef<'_>> {
        let shape = self.shape();
        match shape.kind {
            KIND_OBJECT => self.whole().map(Object::view),
            ..KIND_OBJECT => None,
            // SAFETY: the payload of a block with a tail is a word, and behind its key lie
            // `value_len` initialised bytes.
            _ => unsafe {
                let at = self.0.as_ptr().add(shape.key_at() + shape.key_len);
                let bytes = std::slice::from_raw_parts(at, shape.value_len);
                let meta = Meta::from_word(self.word(shape.payload_at()).read());
                Some(Tail::of(shape.kind - KIND_TAIL).view(Run { meta, bytes }))
            },
        }
    }

    /// The room for the elements in the tail, and what is known of them, to be changed by `f`.
    #[inline]
    fn with_tail<R>(&mut self, f: impl FnOnce(&mut Meta, &mut [u8]) -> R) -> Option<R> {
        let shape = self.shape();
        if shape.kind < KIND_TAIL {
            return None;
        }
        // SAFETY: as in `object`, and `&mut self` is exclusive.
        unsafe {
            let word = self.word(shape.payload_at());
            let at = self.0.as_ptr().add(shape.key_at() + shape.key_len);
            let mut meta = Meta::from_word(word.read());
            let result = f(&mut meta, std::slice::from_raw_parts_mut(at, shape.value_len));
            word.write(meta.to_word());
            Some(result)
        }
    }

    /// Mutable access to the value that is more than a string and does not lie in the tail: that
    /// one is changed by [`Entry::edit_list`] and its kin.
    #[inline]
    pub fn object_mut(&mut self) -> Option<&mut Object> {
        let shape = self.shape();
        if shape.kind != KIND_OBJECT {
            return None;
        }
        // SAFETY: the payload of a KIND_OBJECT block is an owned, valid `Object`.
        Some(unsafe { &mut *(self.word(shape.payload_at()) as *mut Object) })
    }

    /// The value as a string, or WRONGTYPE.
    #[inline]
    pub fn string(&self) -> Result<Value<'_>, Error> {
        if self.header() as u8 >= KIND_OBJECT { Err(Error::WRONG_TYPE) } else { Ok(self.value()) }
    }

    /// The same value under another key, with another deadline. Nothing large is copied.
    pub fn renamed(self, key: &[u8], deadline_ms: u64) -> Entry {
        let age = self.age();
        let tags = self.tags().into();
        let mut renamed = self.rekeyed(key, deadline_ms);
        renamed.touch(age);
        renamed.set_tags(tags);
        renamed
    }

    fn rekeyed(self, key: &[u8], deadline_ms: u64) -> Entry {
        if self.shape().kind != KIND_OBJECT {
            return Entry::new(key, self.clone_value(), deadline_ms);
        }
        let mut old = std::mem::ManuallyDrop::new(self);
        let shape = old.shape();
        old.drop_tags(&shape);
        // SAFETY: `old` is not dropped, so the payload that is taken over here has one owner,
        // and its block is freed once, with the layout that its header describes.
        let object = unsafe {
            let object = (old.word(shape.payload_at()) as *mut Object).read();
            dealloc(old.0.as_ptr(), shape.layout());
            object
        };
        Entry::new(key, NewValue::Object(Box::new(object)), deadline_ms)
    }

    /// The deadline in monotonic milliseconds; zero when there is none.
    #[inline]
    pub fn deadline_ms(&self) -> u64 {
        if self.flags() & EXPIRES == 0 {
            return 0;
        }
        // SAFETY: an EXPIRES block has its deadline in the word behind the header.
        unsafe { self.word(HEADER).read() }
    }

    /// The earliest deadline inside the value, in monotonic milliseconds; zero when there is none.
    #[inline(always)]
    pub fn inner_deadline_ms(&self) -> u64 {
        // Neither strings nor what lies in the tail have any.
        self.whole().map_or(0, Object::next_deadline_ms)
    }

    /// When the expiry of the entry or of a part of it is next due; zero for never.
    #[inline(always)]
    pub fn wake_ms(&self) -> u64 {
        match (self.deadline_ms(), self.inner_deadline_ms()) {
            (0, inner) => inner,
            (own, 0) => own,
            (own, inner) => own.min(inner),
        }
    }

    /// On which side of the last snapshot's flip the entry is.
    #[inline]
    pub fn epoch(&self) -> bool {
        self.flags() & EPOCH != 0
    }

    /// Moves the entry to a side of the flip.
    #[inline]
    pub fn set_epoch(&mut self, epoch: bool) {
        if self.epoch() != epoch {
            // SAFETY: the header is the first word of the block.
            unsafe { self.word(0).write((self.header() ^ (EPOCH as u64) << 8).to_le()) };
        }
    }

    /// The entry's age, 24 bits: what is known of its use; see [`crate::aging`].
    pub fn age(&self) -> u32 {
        (self.header() >> 40) as u32
    }

    /// Stores what is known of the entry's use now.
    #[inline]
    pub fn touch(&mut self, age: u32) {
        let header = self.header();
        if (header >> 40) as u32 != age {
            let touched = header & 0x0000_00ff_ffff_ffff | (age as u64) << 40;
            // SAFETY: the header is the first word of the block.
            unsafe { self.word(0).write(touched.to_le()) };
        }
    }

    /// Changes the integer in place; false when the value is not an integer payload.
    #[inline]
    pub fn set_int(&mut self, n: i64) -> bool {
        let shape = self.shape();
        if shape.kind != KIND_INT {
            return false;
        }
        // SAFETY: the payload word of a KIND_INT block.
        unsafe { self.word(shape.key_at() - WORD).write(n as u64) };
        true
    }

    /// Overwrites value and deadline. Returns the old entry when it could not be reused, to be
    /// dropped where that is cheap.
    pub fn replace(&mut self, value: NewValue<'_>, deadline_ms: u64) -> Option<Entry> {
        let shape = self.shape();
        let expires = shape.flags & EXPIRES != 0;
        if expires == (deadline_ms != 0) {
            if expires {
                // SAFETY: an EXPIRES block has its deadline in the word behind the header.
                unsafe { self.word(HEADER).write(deadline_ms) };
            }
            match value {
                NewValue::Int(n) if self.set_int(n) => return None,
                NewValue::Str(bytes)
                    if shape.kind == KIND_INLINE
                        && bytes.len() == shape.value_len
                        && shape.flags & RAW == 0 =>
                {
                    // SAFETY: the old value's bytes lie behind the key and are as many; `bytes`
                    // cannot overlap them, since `&mut self` is exclusive.
                    unsafe {
                        let at = self.0.as_ptr().add(shape.key_at() + shape.key_len);
                        std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len());
                    }
                    return None;
                }
                NewValue::Noted(note, bytes)
                    if shape.kind == KIND_NOTED && bytes.len() + NOTE_BYTES == shape.value_len =>
                {
                    self.overwrite_noted(shape, note, bytes);
                    return None;
                }
                NewValue::Str(bytes) if shape.kind == KIND_LARGE && shape.value_len == 0 => {
                    if let Some(large) = self.large_mut()
                        && large.len() == bytes.len()
                    {
                        large.write_at(0, bytes);
                        return None;
                    }
                }
                _ => {}
            }
        }
        let mut new = Entry::new(self.key(), value, deadline_ms);
        new.touch(self.age());
        self.share_tags(&mut new);
        Some(std::mem::replace(self, new))
    }

    /// Changes the deadline alone; zero takes it away.
    pub fn set_deadline(&mut self, deadline_ms: u64) {
        let shape = self.shape();
        if (shape.flags & EXPIRES != 0) == (deadline_ms != 0) {
            if deadline_ms != 0 {
                // SAFETY: an EXPIRES block has its deadline in the word behind the header.
                unsafe { self.word(HEADER).write(deadline_ms) };
            }
            return;
        }
        // What lies behind the deadline is the same in both shapes, payload included.
        let new = Shape { flags: shape.flags ^ EXPIRES, ..shape };
        let tail = |shape: &Shape| HEADER + WORD * usize::from(shape.flags & EXPIRES != 0);
        let age = self.age();
        // SAFETY: the new block is as much larger or smaller as the deadline's word; the old one
        // is freed without its payload, which the new one owns from here on.
        unsafe {
            let block = alloc(new.layout());
            let Some(block) = NonNull::new(block) else { handle_alloc_error(new.layout()) };
            let (from, to) = (self.0.as_ptr().add(tail(&shape)), block.as_ptr().add(tail(&new)));
            std::ptr::copy_nonoverlapping(from, to, shape.size() - tail(&shape));
            dealloc(self.0.as_ptr(), shape.layout());
            self.0 = block;
            if deadline_ms != 0 {
                self.word(HEADER).write(deadline_ms);
            }
        }
        self.write_header(new);
        self.touch(age);
    }

    /// Mutable access to a long string's handle.
    pub fn large_mut(&mut self) -> Option<&mut Long> {
        let shape = self.shape();
        if shape.kind != KIND_LARGE {
            return None;
        }
        // SAFETY: the payload of a KIND_LARGE block is an owned, valid `Long`.
        Some(unsafe { &mut **(self.word(shape.key_at() - WORD) as *mut *mut Long) })
    }

    /// The bytes that this entry takes from the allocator, its payload included.
    #[inline]
    pub fn allocated(&self) -> usize {
        let shape = self.shape();
        let tags = if shape.tags_len() > 0 { self.tags_allocated(&shape) } else { 0 };
        let own = size_class(shape.size()) + tags;
        match shape.kind {
            KIND_OBJECT => own + self.whole().map_or(0, Object::allocated),
            KIND_LARGE => match self.value() {
                Value::Large(long) => own + long.allocated(),
                _ => own,
            },
            _ => own,
        }
    }

    /// See [`Object::prefetch`].
    #[inline]
    pub fn prefetch_value(&self, field: Option<&[u8]>, hasher: &Hasher) -> bool {
        self.whole().is_some_and(|object| object.prefetch(field, hasher))
    }

    /// The hash of the key.
    #[inline]
    pub fn hash(&self, hasher: &Hasher) -> u64 {
        hasher.hash(self.key())
    }
}

impl Clone for Entry {
    fn clone(&self) -> Entry {
        let mut copy = Entry::new(self.key(), self.clone_value(), self.deadline_ms());
        copy.touch(self.age());
        self.share_tags(&mut copy);
        copy
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let shape = self.shape();
        if shape.tags_len() > 0 {
            self.drop_tags(&shape);
        }
        // SAFETY: the header describes the layout that the block was allocated with, and a
        // KIND_LARGE or KIND_OBJECT payload is owned by this entry alone.
        unsafe {
            if shape.kind == KIND_LARGE {
                drop(Box::from_raw(*(self.word(shape.key_at() - WORD) as *mut *mut Long)));
            } else if shape.kind == KIND_OBJECT {
                (self.word(shape.payload_at()) as *mut Object).drop_in_place();
            }
            dealloc(self.0.as_ptr(), shape.layout());
        }
    }
}

#[cfg(test)]
mod tests;
