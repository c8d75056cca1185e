//! Elements in a run of bytes, as they are read: a chunk's, or those in the tail of an entry.
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

use super::block::{Form, Meta};
use super::element::End;
use std::ops::{ControlFlow, Range};

/// The most elements of a run.
pub const COUNT_MAX: usize = 4096;

/// Room of up to so many bytes is not exchanged for less.
const SHRINK_MIN: usize = 64;

/// Room of so many bytes is exchanged for less when the elements take fewer bytes than this.
#[inline]
pub fn least_used(room: usize) -> usize {
    if room > SHRINK_MIN { room / 4 } else { 0 }
}

/// A run of elements, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Where they are, and how they lie.
    pub meta: Meta,
    /// The bytes, what is free at their sides included.
    pub bytes: &'a [u8],
}

/// The bytes that a length takes, on one side of an element.
#[inline]
pub fn width_of(len: usize) -> usize {
    if len < 128 { 1 } else { 2 }
}

/// The bytes that an element takes with both its lengths.
#[inline]
pub fn framed(len: usize) -> usize {
    len + 2 * width_of(len)
}

/// The length that begins at `bytes[0]`.
#[inline]
pub fn length_at(bytes: &[u8]) -> usize {
    match bytes[0] {
        short @ 0..128 => short as usize,
        high => usize::from(high & 127) << 8 | bytes[1] as usize,
    }
}

/// The length that ends at the end of `bytes`.
#[inline]
pub fn length_before(bytes: &[u8]) -> usize {
    match bytes[bytes.len() - 1] {
        short @ 0..128 => short as usize,
        high => usize::from(high & 127) << 8 | bytes[bytes.len() - 2] as usize,
    }
}

/// Fills `room`, which is as long as the framed value.
#[inline]
pub fn write_framed(room: &mut [u8], value: &[u8]) {
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

/// Adds an element at one end where there is room for it and the form stays; false, and nothing
/// done, elsewhere.
#[inline]
pub fn try_push(meta: &mut Meta, bytes: &mut [u8], end: End, value: &[u8]) -> bool {
    let (start, last) = (usize::from(meta.start), usize::from(meta.end));
    let count = usize::from(meta.count);
    let size = match meta.form {
        Form::Mixed => framed(value.len()),
        Form::Even if value.len() * count == last - start => value.len(),
        Form::Even => return false,
    };
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
    meta.count += 1;
    match end {
        End::Head => meta.start = at as u16,
        End::Tail => meta.end = (at + size) as u16,
    }
    true
}

impl<'a> Run<'a> {
    /// By how many bytes there would have to be more at the end so that an element could be added
    /// there; None where it could be as it is, or where that is not all that is in the way.
    #[inline]
    pub fn lacking(self, end: End, value: &[u8]) -> Option<usize> {
        let size = match self.meta.form {
            Form::Mixed => framed(value.len()),
            Form::Even => value.len(),
        };
        let is_like = self.meta.form == Form::Mixed || value.len() * self.count() == self.used();
        let is_packed = end == End::Tail && self.meta.start == 0;
        let is_all = is_packed && is_like && (1..COUNT_MAX).contains(&self.count());
        (usize::from(self.meta.end) + size)
            .checked_sub(self.bytes.len())
            .filter(|_| is_all)
            .filter(|more| *more > 0)
    }

    /// The number of elements.
    #[inline]
    pub fn count(self) -> usize {
        usize::from(self.meta.count)
    }

    /// The bytes that the elements take.
    #[inline]
    pub fn used(self) -> usize {
        usize::from(self.meta.end - self.meta.start)
    }

    /// The length that all elements have, of an even run with elements.
    #[inline]
    pub fn width(self) -> usize {
        self.used() / self.count().max(1)
    }

    /// The bytes that the elements take, or would take, with their lengths between them.
    #[inline]
    pub fn mixed_bytes(self) -> usize {
        match self.meta.form {
            Form::Mixed => self.used(),
            Form::Even => framed(self.width()) * self.count(),
        }
    }

    /// The element at `index`, which must be below the length.
    #[inline]
    pub fn get(self, index: usize) -> &'a [u8] {
        &self.bytes[self.data(index)]
    }

    /// The meta data of what is left when the element at one end is removed, where that leaves
    /// an element, and at least `least` bytes of them.
    #[inline]
    pub fn popped(self, end: End, least: usize) -> Option<Meta> {
        let used = &self.bytes[usize::from(self.meta.start)..usize::from(self.meta.end)];
        if self.count() < 2 {
            return None;
        }
        let size = match (self.meta.form, end) {
            (Form::Even, _) => self.width(),
            (Form::Mixed, End::Head) => framed(length_at(used)),
            (Form::Mixed, End::Tail) => framed(length_before(used)),
        };
        if used.len() - size < least {
            return None;
        }
        let mut meta = self.meta;
        meta.count -= 1;
        match end {
            End::Head => meta.start += size as u16,
            End::Tail => meta.end -= size as u16,
        }
        Some(meta)
    }

    /// Calls `f` with the elements from `index` on, away from the end where the walk begins,
    /// until it breaks.
    #[inline]
    pub fn walk<B>(
        self,
        index: usize,
        from: End,
        f: &mut impl FnMut(&'a [u8]) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let Run { meta, bytes } = self;
        match (meta.form, from) {
            (Form::Even, _) => {
                let width = self.width();
                let mut at = usize::from(meta.start) + index * width;
                let left = match from {
                    End::Head => self.count() - index,
                    End::Tail => index + 1,
                };
                for _ in 0..left {
                    f(&bytes[at..at + width])?;
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
                    f(&rest[frame..frame + len])?;
                    rest = &rest[len + 2 * frame..];
                }
            }
            (Form::Mixed, End::Tail) => {
                let mut rest = &bytes[usize::from(meta.start)..self.extent(index).end];
                while !rest.is_empty() {
                    let len = length_before(rest);
                    let frame = width_of(len);
                    let end = rest.len() - frame;
                    f(&rest[end - len..end])?;
                    rest = &rest[..end - len - frame];
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Where the element at `index` lies, its lengths included; the end for one behind the last.
    pub fn extent(self, index: usize) -> Range<usize> {
        let Run { meta, bytes } = self;
        let (start, end) = (usize::from(meta.start), usize::from(meta.end));
        let count = self.count();
        if index >= count {
            return end..end;
        }
        if meta.form == Form::Even {
            let width = self.width();
            let at = start + index * width;
            return at..at + width;
        }
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
    pub fn data(self, index: usize) -> Range<usize> {
        let Range { start, end } = self.extent(index);
        match self.meta.form {
            Form::Even => start..end,
            Form::Mixed => {
                let frame = width_of(length_at(&self.bytes[start..]));
                start + frame..end - frame
            }
        }
    }
}
