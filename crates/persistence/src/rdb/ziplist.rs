//! The ziplist of Redis before 7: strings and numbers, each behind the length of the one before.
//!
//! ```text
//! bytes u32 | offset of the last u32 | count u16 | element ... | FF
//! element = length of the one before (u8, or FE and u32) | head | text
//! ```
//!
//! A count of 65535 says nothing.

use super::item::{Item, signed};

const HEAD: usize = 10;
const END: u8 = 0xff;
const COUNT_UNKNOWN: u16 = u16::MAX;

/// A ziplist that is being read.
pub struct Ziplist<'a> {
    bytes: &'a [u8],
    /// Where the next element begins.
    at: usize,
    /// The length of the one before it, and where that begins.
    before: (usize, usize),
    last: usize,
    seen: u64,
    count: u16,
}

impl<'a> Ziplist<'a> {
    /// Looks at the frame.
    ///
    /// # Errors
    /// When it is not a ziplist's.
    pub fn open(bytes: &'a [u8]) -> Result<Ziplist<'a>, &'static str> {
        let Some((&[a, b, c, d, e, f, g, h, low, high], _)) = bytes.split_first_chunk::<HEAD>()
        else {
            return Err("a ziplist is too short");
        };
        if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
            return Err("a ziplist's length is not right");
        }
        let (true, Some((&END, bytes))) = (bytes.len() > HEAD, bytes.split_last()) else {
            return Err("a ziplist has no end");
        };
        let last = u32::from_le_bytes([e, f, g, h]) as usize;
        let count = u16::from_le_bytes([low, high]);
        Ok(Ziplist { bytes, at: HEAD, before: (0, HEAD), last, seen: 0, count })
    }

    /// The next element; None when all have been read and counted.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn next(&mut self) -> Result<Option<Item<'a>>, &'static str> {
        if self.at == self.bytes.len() {
            if self.count != COUNT_UNKNOWN && u64::from(self.count) != self.seen {
                return Err("a ziplist's count is not right");
            }
            // Of an empty one Redis asks only that the place lies within it.
            let is_there = match self.seen {
                0 => self.last <= self.bytes.len(),
                _ => self.last == self.before.1,
            };
            if !is_there {
                return Err("a ziplist's last element is elsewhere");
            }
            return Ok(None);
        }
        let start = self.at;
        let (before, rest) = before(&self.bytes[start..]).ok_or("a ziplist is cut")?;
        if before != self.before.0 {
            return Err("a length in a ziplist is not right");
        }
        let (item, rest) = element(rest).ok_or("an element of a ziplist is damaged")?;
        self.at = self.bytes.len() - rest.len();
        self.before = (self.at - start, start);
        self.seen += 1;
        Ok(Some(item))
    }
}

/// The length of the element before, and what follows.
fn before(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes.split_first()? {
        (0xfe, rest) => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            Some((u32::from_le_bytes(*len) as usize, rest))
        }
        (&END, _) => None,
        (&len, rest) => Some((len.into(), rest)),
    }
}

fn element(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (&head, rest) = bytes.split_first()?;
    let number = |count: usize| {
        let (number, rest) = rest.split_at_checked(count)?;
        Some((Item::Number(signed(number)), rest))
    };
    let (len, rest) = match head {
        0..0x40 => (head.into(), rest),
        0x40..0x80 => {
            let (&low, rest) = rest.split_first()?;
            (usize::from(head & 0x3f) << 8 | usize::from(low), rest)
        }
        0x80 => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_be_bytes(*len) as usize, rest)
        }
        0xc0 => return number(2),
        0xd0 => return number(4),
        0xe0 => return number(8),
        0xf0 => return number(3),
        0xfe => return number(1),
        0xf1..=0xfd => return Some((Item::Number(i64::from(head & 0xf) - 1), rest)),
        _ => return None,
    };
    let (text, rest) = rest.split_at_checked(len)?;
    Some((Item::Bytes(text), rest))
}
