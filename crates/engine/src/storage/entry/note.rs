//! What stands beside a string that a client of the memcached port has stored: the flags that it
//! gave, and marks. It lies behind the value, and only where there is something to say: a string
//! without a note is as large as if there were none.
//!
//! ```text
//!  inline   | header | deadline | key | bytes | flags u32 | marks u8 |     KIND_NOTED
//!  long     | header | deadline | payload | key | flags u32 | marks u8 |   KIND_LARGE, value = 5
//! ```
//!
//! A value that is stored anew has no note unless it is given one. Another deadline or another name
//! keeps it.
//!
//! This file holds `unsafe`: it reads and writes the block of an entry, by the invariants of
//! `mod.rs`.
#![allow(unsafe_code)]

use super::{Entry, FETCHED, KIND_LARGE, KIND_NOTED, Long, NewValue, Shape};

/// The bytes that a note takes.
pub(super) const NOTE_BYTES: usize = 5;

/// The value is to be computed anew, though it is still given: a client has said so.
const STALE: u8 = 1;
/// There is no value yet: a client has been told to compute it.
const AWAITED: u8 = 2;

/// What a client of the memcached port has said of a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The client's flags.
    pub flags: u32,
    marks: u8,
}

impl Note {
    /// A note of flags, and marks as [`Note::marks`] returned them; others are left out.
    pub fn new(flags: u32, marks: u8) -> Note {
        Note { flags, marks: marks & (STALE | AWAITED) }
    }

    /// The marks as a number.
    pub fn marks(&self) -> u8 {
        self.marks
    }

    /// Whether there is nothing to say.
    #[inline]
    pub fn is_empty(&self) -> bool {
        *self == Note::default()
    }

    /// Whether the value is to be computed anew.
    pub fn is_stale(&self) -> bool {
        self.marks & STALE != 0
    }

    /// Whether there is no value yet.
    pub fn is_awaited(&self) -> bool {
        self.marks & AWAITED != 0
    }

    /// The same of a value that is to be computed anew.
    pub fn stale(self) -> Note {
        Note { marks: self.marks | STALE, ..self }
    }

    /// The note of a value that there is not yet.
    pub fn awaited() -> Note {
        Note { flags: 0, marks: AWAITED }
    }

    fn to_bytes(self) -> [u8; NOTE_BYTES] {
        let [a, b, c, d] = self.flags.to_le_bytes();
        [a, b, c, d, self.marks]
    }
}

impl Shape {
    /// Whether a note lies at the end of the block.
    fn has_note(&self) -> bool {
        self.kind == KIND_NOTED || self.kind == KIND_LARGE && self.value_len != 0
    }

    /// Where it lies then.
    fn note_at(&self) -> usize {
        self.size() - self.tags_len() - NOTE_BYTES
    }
}

impl Entry {
    /// The note of a string; an empty one where there is none.
    #[inline]
    pub fn note(&self) -> Note {
        let shape = self.shape();
        if !shape.has_note() {
            return Note::default();
        }
        let mut bytes = [0; NOTE_BYTES];
        // SAFETY: the last bytes of a block with a note are the note, but for tags.
        unsafe {
            let at = self.0.as_ptr().add(shape.note_at());
            std::ptr::copy_nonoverlapping(at, bytes.as_mut_ptr(), NOTE_BYTES);
        }
        let [a, b, c, d, marks] = bytes;
        Note { flags: u32::from_le_bytes([a, b, c, d]), marks }
    }

    /// Writes the note of a block that has room for one.
    pub(super) fn write_note(&mut self, shape: Shape, note: Note) {
        assert!(shape.has_note());
        // SAFETY: as in `note`, and `&mut self` is exclusive.
        unsafe {
            let at = self.0.as_ptr().add(shape.note_at());
            std::ptr::copy_nonoverlapping(note.to_bytes().as_ptr(), at, NOTE_BYTES);
        }
    }

    /// The bytes of an inline string with a note.
    #[inline]
    pub(super) fn noted_bytes(&self, shape: Shape) -> &[u8] {
        assert!(shape.kind == KIND_NOTED);
        // SAFETY: behind the key of such a block lie the string and the note, initialised.
        unsafe {
            let at = self.0.as_ptr().add(shape.key_at() + shape.key_len);
            std::slice::from_raw_parts(at, shape.value_len - NOTE_BYTES)
        }
    }

    /// Overwrites an inline string that has a note with one of the same length.
    pub(super) fn overwrite_noted(&mut self, shape: Shape, note: Note, bytes: &[u8]) {
        assert!(shape.kind == KIND_NOTED && bytes.len() + NOTE_BYTES == shape.value_len);
        // SAFETY: as in `noted_bytes`; `bytes` cannot overlap the block, since `&mut self` is
        // exclusive.
        unsafe {
            let at = self.0.as_ptr().add(shape.key_at() + shape.key_len);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len());
        }
        self.write_note(shape, note);
    }

    /// Gives a string another note; it may have none, and get none.
    pub fn set_note(&mut self, note: Note) {
        let shape = self.shape();
        if shape.has_note() && !note.is_empty() {
            return self.write_note(shape, note);
        }
        if !shape.has_note() && note.is_empty() {
            return;
        }
        let (age, epoch, fetched) = (self.age(), self.epoch(), self.is_fetched());
        let value = match self.value() {
            super::Value::Large(long) => long_with(note, long.clone()),
            other => {
                let text = other.to_vec();
                let mut new = Entry::new(self.key(), with(note, &text), self.deadline_ms());
                new.touch(age);
                new.set_epoch(epoch);
                new.set_fetched(fetched);
                self.share_tags(&mut new);
                *self = new;
                return;
            }
        };
        let mut new = Entry::new(self.key(), value, self.deadline_ms());
        new.touch(age);
        new.set_epoch(epoch);
        new.set_fetched(fetched);
        self.share_tags(&mut new);
        *self = new;
    }

    /// Whether a client of the memcached port has read the value since it was stored.
    pub fn is_fetched(&self) -> bool {
        self.flags() & FETCHED != 0
    }

    /// Notes that a client of the memcached port has read the value, or that it is a new one.
    #[inline]
    pub fn set_fetched(&mut self, fetched: bool) {
        if self.is_fetched() != fetched {
            // SAFETY: the header is the first word of the block.
            unsafe { self.word(0).write((self.header() ^ (FETCHED as u64) << 8).to_le()) };
        }
    }
}

/// A string to be stored with a note, if it has one.
pub fn with(note: Note, bytes: &[u8]) -> NewValue<'_> {
    if note.is_empty() { NewValue::Str(bytes) } else { NewValue::Noted(note, bytes) }
}

/// The same of a long string.
pub fn long_with(note: Note, long: Long) -> NewValue<'static> {
    if note.is_empty() { NewValue::Long(long) } else { NewValue::NotedLong(note, long) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::entry::INLINE_MAX;
    use bytes::Bytes;

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|n| b'a' + (n % 26) as u8).collect()
    }

    fn noted(note: Note, bytes: &[u8], deadline_ms: u64) -> Entry {
        Entry::new(b"key", with(note, bytes), deadline_ms)
    }

    #[test]
    fn a_note_stays_with_its_string_and_costs_nothing_where_there_is_none() {
        let note = Note::new(u32::MAX, 0).stale();
        for len in [0, 1, 32, INLINE_MAX, INLINE_MAX + 1, 100_000] {
            let bytes = text(len);
            let mut entry = noted(note, &bytes, 0);
            assert_eq!((entry.note(), entry.value().to_vec()), (note, bytes.clone()));
            entry.set_deadline(77);
            assert_eq!((entry.note(), entry.value().to_vec()), (note, bytes.clone()));
            let entry = entry.clone().renamed(&text(300), 0);
            assert_eq!((entry.note(), entry.value().to_vec()), (note, bytes.clone()));
            let plain = noted(Note::default(), &bytes, 0);
            assert!(plain.note().is_empty());
            assert_eq!(plain.allocated(), Entry::new(b"key", NewValue::Str(&bytes), 0).allocated());
        }
    }

    #[test]
    fn a_note_and_tags_stand_beside_each_other() {
        use crate::storage::tags::{Tag, TagList};
        use std::sync::Arc;
        let (note, other) = (Note::new(7, 0), Note::new(0x0102_0304, 0).stale());
        let tags: TagList = [Arc::new(Tag::new(b"tag", 0, 1))].into_iter().collect();
        let is_whole = |entry: &Entry, note, bytes: &[u8]| {
            assert_eq!((entry.note(), entry.value().to_vec()), (note, bytes.to_vec()));
            assert_eq!((entry.tags().len(), entry.tags()[0].name()), (1, &b"tag"[..]));
        };
        for len in [0, 32, INLINE_MAX, INLINE_MAX + 1] {
            let bytes = text(len);
            let mut entry = noted(note, &bytes, 0);
            entry.set_tags(tags.clone());
            is_whole(&entry, note, &bytes);
            entry.set_note(other);
            entry.set_fetched(true);
            is_whole(&entry, other, &bytes);
            entry.set_deadline(77);
            is_whole(&entry.clone(), other, &bytes);
            let mut entry = entry.renamed(&text(300), 0);
            is_whole(&entry, other, &bytes);
            entry.set_note(Note::default());
            is_whole(&entry, Note::default(), &bytes);
            entry.set_note(note);
            let before = entry.replace(with(other, &bytes), 0);
            drop(before);
            is_whole(&entry, other, &bytes);
        }
    }

    #[test]
    fn a_value_that_is_stored_anew_has_no_note_unless_it_is_given_one() {
        let (note, other) = (Note::new(5, 0), Note::new(6, 0));
        for len in [3, INLINE_MAX + 10] {
            let (old, new) = (text(len), vec![b'z'; len]);
            let mut entry = noted(note, &old, 9);
            entry.replace(NewValue::Str(&new), 9);
            assert!(entry.note().is_empty());
            assert_eq!(entry.value().to_vec(), new);
            entry.replace(with(other, &old), 9);
            assert_eq!((entry.note(), entry.value().to_vec()), (other, old.clone()));
            entry.replace(with(note, &new), 9);
            assert_eq!((entry.note(), entry.value().to_vec()), (note, new.clone()));
            entry.replace(NewValue::Int(7), 9);
            assert!(entry.note().is_empty());
        }
        let mut long = Entry::new(b"key", long_with(note, Bytes::from(text(9000)).into()), 0);
        long.replace(NewValue::Shared(Bytes::from(text(9000))), 0);
        assert!(long.note().is_empty());
    }

    #[test]
    fn a_note_can_be_changed_where_the_string_lies() {
        for len in [0, 32, INLINE_MAX + 1] {
            let bytes = text(len);
            let mut entry = noted(Note::default(), &bytes, 5);
            entry.set_fetched(true);
            for note in [Note::new(1, 0), Note::awaited(), Note::default(), Note::default()] {
                entry.set_note(note);
                assert_eq!((entry.note(), entry.value().to_vec()), (note, bytes.clone()));
                assert!(entry.is_fetched() && entry.deadline_ms() == 5);
            }
        }
        let mut number = Entry::new(b"key", NewValue::Int(-7), 0);
        number.set_note(Note::new(2, 0));
        assert_eq!((number.note().flags, number.value().to_vec()), (2, b"-7".to_vec()));
    }
}
