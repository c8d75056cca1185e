//! Bytes on their way out: lengths and strings as Redis writes them.

use super::item::short_number;
use super::lzf::Packer;
use std::mem;

/// Longer strings are worth compressing, in bytes.
const PACKED_MIN: usize = 20;
/// Longer strings are not numbers that have a special encoding.
const DIGITS_MAX: usize = 11;

/// Whether strings are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// Long ones, if that saves anything.
    Lzf,
}

/// What is being written.
#[derive(Default)]
pub struct Output {
    /// The bytes so far.
    pub bytes: Vec<u8>,
    packer: Option<Packer>,
}

impl Output {
    /// Nothing yet.
    pub fn new(compression: Compression) -> Output {
        let packer = (compression == Compression::Lzf).then(Packer::default);
        Output { bytes: Vec::new(), packer }
    }

    /// Adds bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds a length.
    pub fn length(&mut self, len: u64) {
        match len {
            0..64 => self.bytes.push(len as u8),
            64..16384 => self.raw(&(0x4000 | len as u16).to_be_bytes()),
            _ => match u32::try_from(len) {
                Ok(len) => {
                    self.bytes.push(0x80);
                    self.raw(&len.to_be_bytes());
                }
                Err(_) => {
                    self.bytes.push(0x81);
                    self.raw(&len.to_be_bytes());
                }
            },
        }
    }

    /// Adds a number as a string; small ones have an encoding of their own.
    pub fn number(&mut self, n: i64) {
        if let Ok(n) = i8::try_from(n) {
            self.raw(&[0xc0, n as u8]);
        } else if let Ok(n) = i16::try_from(n) {
            self.bytes.push(0xc1);
            self.raw(&n.to_le_bytes());
        } else if let Ok(n) = i32::try_from(n) {
            self.bytes.push(0xc2);
            self.raw(&n.to_le_bytes());
        } else {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(n).as_bytes();
            self.length(digits.len() as u64);
            self.raw(digits);
        }
    }

    /// Adds a string.
    pub fn string(&mut self, text: &[u8]) {
        if text.len() <= DIGITS_MAX
            && let Some(n) = short_number(text)
        {
            return self.number(n);
        }
        if text.len() > PACKED_MIN
            && let Some(packed) = self.packer.as_mut().and_then(|packer| packer.pack(text))
        {
            self.bytes.push(0xc3);
            self.length(packed.len() as u64);
            self.length(text.len() as u64);
            return self.raw(&packed);
        }
        self.length(text.len() as u64);
        self.raw(text);
    }

    /// Takes what has been written.
    pub fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.bytes)
    }
}
