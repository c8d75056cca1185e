//! Bytes on their way in: counted, summed, and never more of them asked for than there are.
//!
//! The input's whole length is known from the start, so a length that is read is compared with what
//! is left before anything is allocated for it.

use super::crc64::crc64;
use super::lzf;
use crate::fault::{Fault, ReadError};
use std::io::{ErrorKind, Read};

/// What is read at once, in bytes.
const BUFFER: u64 = 64 * 1024;

/// The special encodings of strings.
const INT8: u64 = 0;
const INT16: u64 = 1;
const INT32: u64 = 2;
const LZF: u64 = 3;

/// A file or a payload that is being read.
pub struct Input<'a> {
    file: String,
    source: Box<dyn Read + Send + 'a>,
    /// `buffer[start..end]` is read and not taken; `buffer[summed..start]` is taken and not summed.
    buffer: Box<[u8]>,
    summed: usize,
    start: usize,
    end: usize,
    /// Bytes taken.
    at: u64,
    len: u64,
    sum: u64,
    ran_out: bool,
}

/// A length, or the number of a special encoding in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// A length.
    Of(u64),
    /// A special encoding.
    Special(u64),
}

/// A string as it is stored: as bytes, or as a number that stands for its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// Bytes.
    Bytes(Vec<u8>),
    /// A number.
    Number(i64),
}

/// A short string where it lies, or a number that stands for its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// A number.
    Number(i64),
}

impl Text {
    /// The string's bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Text::Bytes(bytes) => bytes,
            Text::Number(n) => itoa::Buffer::new().format(n).as_bytes().to_vec(),
        }
    }
}

impl<'a> Input<'a> {
    /// An input of `len` bytes; `file` is what faults name.
    pub fn new(file: &str, source: Box<dyn Read + Send + 'a>, len: u64) -> Input<'a> {
        let buffer = vec![0; len.min(BUFFER) as usize].into();
        let (summed, start, end) = (0, 0, 0);
        Input {
            file: file.to_owned(),
            source,
            buffer,
            summed,
            start,
            end,
            at: 0,
            len,
            sum: 0,
            ran_out: false,
        }
    }

    /// How many bytes have been taken.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// How many bytes there are in all.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// How many bytes have not been taken.
    pub fn left(&self) -> u64 {
        self.len - self.at
    }

    /// Whether all bytes have been taken.
    pub fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// A fault at `offset`.
    pub fn fault(&self, offset: u64, what: impl Into<String>) -> ReadError {
        Fault { file: self.file.clone(), offset, what: what.into() }.into()
    }

    /// The CRC-64 of all bytes taken.
    pub fn sum(&mut self) -> u64 {
        self.sum = crc64(self.sum, &self.buffer[self.summed..self.start]);
        self.summed = self.start;
        self.sum
    }

    /// Whether more was asked for than there is.
    pub fn ran_out(&self) -> bool {
        self.ran_out
    }

    fn too_short(&mut self) -> ReadError {
        self.ran_out = true;
        self.fault(self.len, "it ends too early")
    }

    /// Reads more into an empty buffer.
    fn refill(&mut self) -> Result<(), ReadError> {
        self.sum();
        (self.summed, self.start, self.end) = (0, 0, 0);
        loop {
            match self.source.read(&mut self.buffer) {
                Ok(0) => return Err(self.too_short()),
                Ok(count) => {
                    self.end = count;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Fills `bytes`.
    ///
    /// # Errors
    /// When there are not so many left.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ReadError> {
        if bytes.len() as u64 > self.left() {
            return Err(self.too_short());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.start == self.end {
                self.refill()?;
            }
            let count = rest.len().min(self.end - self.start);
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&self.buffer[self.start..self.start + count]);
            self.start += count;
            self.at += count as u64;
            rest = later;
        }
        Ok(())
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// When there are not so many left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next byte.
    ///
    /// # Errors
    /// When there is none.
    pub fn byte(&mut self) -> Result<u8, ReadError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next byte, not taken yet; None at the end.
    ///
    /// # Errors
    /// When the source fails.
    pub fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        if self.is_empty() {
            return Ok(None);
        }
        if self.start == self.end {
            self.refill()?;
        }
        Ok(Some(self.buffer[self.start]))
    }

    /// Makes sure that there are `len` bytes.
    ///
    /// # Errors
    /// When there are not so many left.
    pub fn expect(&mut self, len: u64) -> Result<(), ReadError> {
        if len > self.left() {
            self.ran_out = true;
            let what = format!("{len} bytes are announced, and {} are left", self.left());
            return Err(self.fault(self.at, what));
        }
        Ok(())
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// When there are not so many left.
    pub fn bytes(&mut self, len: u64) -> Result<Vec<u8>, ReadError> {
        self.expect(len)?;
        let mut bytes = vec![0; len as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A length or a special encoding.
    ///
    /// ```text
    /// 00LLLLLL                 up to 63
    /// 01LLLLLL LLLLLLLL        up to 16383, high byte first
    /// 10000000 four bytes      high byte first
    /// 10000001 eight bytes     high byte first
    /// 11EEEEEE                 a special encoding
    /// ```
    ///
    /// # Errors
    /// When there is none.
    pub fn length_or_special(&mut self) -> Result<Length, ReadError> {
        let offset = self.at;
        let first = self.byte()?;
        let low = u64::from(first & 0x3f);
        Ok(match first >> 6 {
            0 => Length::Of(low),
            1 => Length::Of(low << 8 | u64::from(self.byte()?)),
            2 if first == 0x80 => Length::Of(u32::from_be_bytes(self.array()?).into()),
            2 if first == 0x81 => Length::Of(u64::from_be_bytes(self.array()?)),
            2 => return Err(self.fault(offset, "a length of an unknown kind")),
            _ => Length::Special(low),
        })
    }

    /// A length.
    ///
    /// # Errors
    /// When there is none.
    pub fn length(&mut self) -> Result<u64, ReadError> {
        let offset = self.at;
        match self.length_or_special()? {
            Length::Of(len) => Ok(len),
            Length::Special(_) => Err(self.fault(offset, "a string where a length is due")),
        }
    }

    /// The count of what follows, each part of which takes `bytes_min` bytes at least.
    ///
    /// # Errors
    /// When there is none, it is zero, or so many there cannot be.
    pub fn count(&mut self, bytes_min: u64) -> Result<u64, ReadError> {
        let offset = self.at;
        let count = self.length()?;
        if count > self.left() / bytes_min {
            let what = format!("{count} elements are announced, and {} bytes left", self.left());
            return Err(self.fault(offset, what));
        }
        Ok(count)
    }

    /// A string, as it is stored.
    ///
    /// # Errors
    /// When there is none.
    pub fn text(&mut self) -> Result<Text, ReadError> {
        let offset = self.at;
        Ok(match self.length_or_special()? {
            Length::Of(len) => Text::Bytes(self.bytes(len)?),
            Length::Special(INT8) => Text::Number(i8::from_le_bytes(self.array()?).into()),
            Length::Special(INT16) => Text::Number(i16::from_le_bytes(self.array()?).into()),
            Length::Special(INT32) => Text::Number(i32::from_le_bytes(self.array()?).into()),
            Length::Special(LZF) => {
                let (packed_len, len) = (self.length()?, self.length()?);
                let packed = self.bytes(packed_len)?;
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                match lzf::unpack(&packed, len) {
                    Some(bytes) => Text::Bytes(bytes),
                    None => return Err(self.fault(offset, "a compressed string is damaged")),
                }
            }
            Length::Special(_) => return Err(self.fault(offset, "a string of an unknown kind")),
        })
    }

    /// A string's bytes.
    ///
    /// # Errors
    /// When there is none.
    pub fn string(&mut self) -> Result<Vec<u8>, ReadError> {
        self.text().map(Text::into_bytes)
    }

    /// Two strings behind each other, where they lie: most keys and values are such, and are not
    /// copied. None, and nothing taken, where they are not whole in the buffer, are compressed or a
    /// key's digits are stored as a number, or the second is longer than `max` bytes.
    pub fn short_strings(&mut self, max: usize) -> Option<(&[u8], Short<'_>)> {
        let there = self.end.min(self.start + usize::try_from(self.left()).unwrap_or(usize::MAX));
        let bytes = &self.buffer[self.start..there];
        let (first, rest) = short(bytes)?;
        let (second, rest) = short(rest)?;
        let (Short::Bytes(first), true) = (first, second.len() <= max) else { return None };
        let taken = bytes.len() - rest.len();
        self.start += taken;
        self.at += taken as u64;
        Some((first, second))
    }

    /// A moment in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// When there is none.
    pub fn time_ms(&mut self) -> Result<i64, ReadError> {
        self.array().map(i64::from_le_bytes)
    }
}

impl Short<'_> {
    fn len(&self) -> usize {
        match self {
            Short::Bytes(bytes) => bytes.len(),
            Short::Number(_) => 0,
        }
    }
}

/// The string that these bytes begin with, and what is behind it, if it is a short one.
fn short(bytes: &[u8]) -> Option<(Short<'_>, &[u8])> {
    fn number<'a, const N: usize>(
        rest: &'a [u8],
        of: impl FnOnce([u8; N]) -> i64,
    ) -> Option<(Short<'a>, &'a [u8])> {
        let (digits, rest) = rest.split_first_chunk()?;
        Some((Short::Number(of(*digits)), rest))
    }
    let (&first, rest) = bytes.split_first()?;
    let low = usize::from(first & 0x3f);
    let (len, rest) = match first >> 6 {
        0 => (low, rest),
        1 => {
            let (&next, rest) = rest.split_first()?;
            (low << 8 | usize::from(next), rest)
        }
        3 => {
            return match low as u64 {
                INT8 => number(rest, |digits| i8::from_le_bytes(digits).into()),
                INT16 => number(rest, |digits| i16::from_le_bytes(digits).into()),
                INT32 => number(rest, |digits| i32::from_le_bytes(digits).into()),
                _ => None,
            };
        }
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(len)?;
    Some((Short::Bytes(bytes), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(bytes: &[u8]) -> Input<'_> {
        Input::new("file", Box::new(bytes), bytes.len() as u64)
    }

    /// What the slow way reads, and where it ends.
    fn slowly(bytes: &[u8]) -> Option<(Vec<u8>, Text, u64)> {
        let mut input = input(bytes);
        let (key, value) = (input.string().ok()?, input.text().ok()?);
        Some((key, value, input.at()))
    }

    #[test]
    fn short_strings_are_what_is_read_one_by_one_or_nothing() {
        let long = [&[0x41, 0x00][..], &[b'v'; 256]].concat();
        let cases: [(&[u8], bool); 9] = [
            (b"\x03key\x05value\xff", true),
            (b"\x00\x00", true),
            (b"\x01k\xc0\xff", true),
            (b"\x01k\xc1\x39\x30", true),
            (b"\x01k\xc2\xff\xff\xff\x7f", true),
            (b"\xc0\x07\x01v", false),
            (b"\x01k\x80\x00\x00\x00\x01v", false),
            (b"\x01k\xc3\x02\x05\x00\x01", false),
            (b"\x01k\x05valu", false),
        ];
        let with_long = [&b"\x01k"[..], &long].concat();
        for (bytes, is_short) in cases.into_iter().chain([(&with_long[..], true)]) {
            let mut input = input(bytes);
            assert!(input.peek().is_ok());
            let found = input.short_strings(4096).map(|(key, value)| {
                let text = match value {
                    Short::Bytes(bytes) => Text::Bytes(bytes.to_vec()),
                    Short::Number(n) => Text::Number(n),
                };
                (key.to_vec(), text)
            });
            assert_eq!(found.is_some(), is_short, "{}", bytes.escape_ascii());
            match found {
                None => assert_eq!(input.at(), 0),
                Some((key, text)) => assert_eq!(slowly(bytes), Some((key, text, input.at()))),
            }
        }
        let mut short = input(&with_long);
        assert!(short.peek().is_ok() && short.short_strings(255).is_none());
    }

    #[test]
    fn no_more_is_taken_than_belongs_to_the_input() {
        let bytes = b"\x01k\x01v";
        let mut input = Input::new("file", Box::new(&bytes[..]), 3);
        assert!(input.peek().is_ok() && input.short_strings(10).is_none());
    }
}
