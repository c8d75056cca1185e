//! Redis's listpack: strings and numbers behind one another, readable from both ends.
//!
//! ```text
//! bytes u32 | count u16 | element ... | FF          element = head and text | length of these
//! ```
//!
//! The length behind an element is written in groups of seven bits, the lowest last, all but the
//! first with their high bit set. A count of 65535 says nothing.

use super::item::{Item, short_number, signed};

const HEAD: usize = 6;
const END: u8 = 0xff;
const COUNT_UNKNOWN: u16 = u16::MAX;

/// A listpack that is being read.
pub struct Listpack<'a> {
    rest: &'a [u8],
    seen: u64,
    count: u16,
}

impl<'a> Listpack<'a> {
    /// Looks at the frame.
    ///
    /// # Errors
    /// When it is not a listpack's.
    pub fn open(bytes: &'a [u8]) -> Result<Listpack<'a>, &'static str> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
            return Err("a listpack is too short");
        };
        let [a, b, c, d, low, high] = *head;
        if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
            return Err("a listpack's length is not right");
        }
        let Some((&END, rest)) = rest.split_last() else {
            return Err("a listpack has no end");
        };
        Ok(Listpack { rest, seen: 0, count: u16::from_le_bytes([low, high]) })
    }

    /// The next element; None when all have been read and counted.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn next(&mut self) -> Result<Option<Item<'a>>, &'static str> {
        let Some(&head) = self.rest.first() else {
            if self.count != COUNT_UNKNOWN && u64::from(self.count) != self.seen {
                return Err("a listpack's count is not right");
            }
            return Ok(None);
        };
        let (item, len) = element(head, self.rest).ok_or("an element of a listpack is damaged")?;
        let mut behind = [0; 5];
        let behind = back_length(len, &mut behind);
        let rest = self.rest[len..].strip_prefix(behind);
        self.rest = rest.ok_or("a length in a listpack is not right")?;
        self.seen += 1;
        Ok(Some(item))
    }
}

/// The element that begins with `head`, and how many bytes it takes.
fn element(head: u8, bytes: &[u8]) -> Option<(Item<'_>, usize)> {
    let text = |start: usize, len: usize| {
        let text = bytes.get(start..start.checked_add(len)?)?;
        Some((Item::Bytes(text), start + len))
    };
    let number = |count: usize| Some((Item::Number(signed(bytes.get(1..=count)?)), count + 1));
    match head {
        0..0x80 => Some((Item::Number(head.into()), 1)),
        0x80..0xc0 => text(1, (head & 0x3f).into()),
        0xc0..0xe0 => {
            let n = i16::from(head & 0x1f) << 8 | i16::from(*bytes.get(1)?);
            // Thirteen bits with a sign.
            Some((Item::Number((n << 3 >> 3).into()), 2))
        }
        0xe0..0xf0 => text(2, usize::from(head & 0xf) << 8 | usize::from(*bytes.get(1)?)),
        0xf0 => {
            let (len, _) = bytes.get(1..)?.split_first_chunk::<4>()?;
            text(5, u32::from_le_bytes(*len) as usize)
        }
        0xf1 => number(2),
        0xf2 => number(3),
        0xf3 => number(4),
        0xf4 => number(8),
        _ => None,
    }
}

/// The length of an element as it stands behind it.
fn back_length(len: usize, to: &mut [u8; 5]) -> &[u8] {
    let groups = match len {
        0..128 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    for (at, byte) in to[..groups].iter_mut().enumerate() {
        *byte = (len >> (7 * (groups - 1 - at))) as u8 & 0x7f | if at == 0 { 0 } else { 0x80 };
    }
    &to[..groups]
}

/// The most bytes that an element of `len` bytes takes.
pub fn element_len_max(len: usize) -> usize {
    len + 10
}

/// A listpack that is being written.
pub struct Growing {
    bytes: Vec<u8>,
    count: usize,
}

impl Default for Growing {
    fn default() -> Growing {
        Growing { bytes: vec![0; HEAD], count: 0 }
    }
}

impl Growing {
    /// The bytes so far, the end not counted.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds an element: a number where the text is one.
    pub fn push(&mut self, text: &[u8]) {
        match short_number(text) {
            Some(n) => self.push_number(n),
            None => self.push_text(text),
        }
    }

    /// Adds a number.
    pub fn push_number(&mut self, n: i64) {
        let start = self.bytes.len();
        let word = n.to_le_bytes();
        match n {
            0..128 => self.bytes.push(n as u8),
            -4096..4096 => {
                let [low, high, ..] = word;
                self.bytes.extend_from_slice(&[0xc0 | high & 0x1f, low]);
            }
            _ => {
                let (head, count) = match n {
                    -32_768..32_768 => (0xf1, 2),
                    -8_388_608..8_388_608 => (0xf2, 3),
                    -2_147_483_648..2_147_483_648 => (0xf3, 4),
                    _ => (0xf4, 8),
                };
                self.bytes.push(head);
                self.bytes.extend_from_slice(&word[..count]);
            }
        }
        self.end_element(start);
    }

    fn push_text(&mut self, text: &[u8]) {
        let start = self.bytes.len();
        let len = text.len();
        match len {
            0..64 => self.bytes.push(0x80 | len as u8),
            64..4096 => self.bytes.extend_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
            _ => {
                self.bytes.push(0xf0);
                self.bytes.extend_from_slice(&(len as u32).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.end_element(start);
    }

    fn end_element(&mut self, start: usize) {
        let mut behind = [0; 5];
        let behind = back_length(self.bytes.len() - start, &mut behind);
        self.bytes.extend_from_slice(behind);
        self.count += 1;
    }

    /// The whole listpack.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let len = (self.bytes.len() as u32).to_le_bytes();
        let count = u16::try_from(self.count).unwrap_or(COUNT_UNKNOWN).to_le_bytes();
        self.bytes[..4].copy_from_slice(&len);
        self.bytes[4..HEAD].copy_from_slice(&count);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
        let (mut listpack, mut all) = (Listpack::open(bytes)?, Vec::new());
        while let Some(item) = listpack.next()? {
            all.push(item.with(<[u8]>::to_vec));
        }
        Ok(all)
    }

    #[test]
    fn every_kind_of_element_reads_as_it_was_written() {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for edge in [0i64, 127, 128, 4095, 4096, 32_767, 32_768, 8_388_607, 8_388_608] {
            for n in [edge, -edge, -edge - 1, edge + 2_147_480_000, edge + i64::MIN] {
                texts.push(n.to_string().into_bytes());
            }
        }
        texts.push(i64::MAX.to_string().into_bytes());
        texts.extend([b"007".to_vec(), b"-0".to_vec(), b"9223372036854775808".to_vec()]);
        for len in [0, 1, 63, 64, 121, 122, 4095, 4096, 16_370, 16_380, 16_390, 2_097_160] {
            texts.push(vec![b'x'; len]);
        }
        let mut growing = Growing::default();
        texts.iter().for_each(|text| growing.push(text));
        assert_eq!(read(&growing.finish()), Ok(texts));
        assert_eq!(read(&Growing::default().finish()), Ok(vec![]));
    }

    #[test]
    fn no_cut_or_lengthened_listpack_is_read() {
        let mut growing = Growing::default();
        [&b"a"[..], b"5000", b"bc", &[b'y'; 70]].iter().for_each(|text| growing.push(text));
        let whole = growing.finish();
        assert!(read(&whole).is_ok());
        for len in 0..whole.len() {
            assert!(read(&whole[..len]).is_err(), "{len}");
        }
        assert!(read(&[&whole[..], b"\xff"].concat()).is_err());
        let mut miscounted = whole.clone();
        miscounted[4] += 1;
        assert!(read(&miscounted).is_err());
    }
}
