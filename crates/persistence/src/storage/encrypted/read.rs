//! Reading encrypted files: nothing is given out that was not found authentic.

use super::block::{BESIDE, CONTENT_MAX, HEAD, Head, Kind, Place, START, Start};
use super::key::{Cipher, Key, TAG};
use crate::fault::Fault;
use crate::storage::Cut;
use std::io::{self, Read};
use std::sync::Arc;

const CUT: &str = "its encrypted end is missing: it was cut";
const CUT_BLOCK: &str = "an encrypted block is cut";
const WRONG: &str = "an encrypted block is not what was written there: it is damaged, or was put \
    there from elsewhere";

/// An encrypted file that is being read.
pub struct Opening {
    name: String,
    input: Box<dyn Read + Send>,
    pub(super) cipher: Arc<Cipher>,
    kind: Kind,
    /// Where the next block begins, and at which byte of the file.
    pub(super) place: Place,
    pub(super) raw: u64,
    /// The same of the block that was read last.
    pub(super) last_place: Place,
    pub(super) last_raw: u64,
    /// Its content, and how much of it was given out.
    pub(super) block: Vec<u8>,
    taken: usize,
    /// Nothing more comes.
    has_ended: bool,
}

impl Opening {
    /// Reads a file on behind its first bytes, which have been found to be `start`'s.
    pub fn new(name: &str, input: Box<dyn Read + Send>, start: &Start, key: &Key) -> Opening {
        let (cipher, place) = (Arc::new(key.cipher(&start.file_id)), Place::first(start.kind));
        let (name, kind, raw) = (name.to_owned(), start.kind, START as u64);
        let (last_place, last_raw, block) = (place, raw, Vec::new());
        let (taken, has_ended) = (0, false);
        Opening {
            name,
            input,
            cipher,
            kind,
            place,
            raw,
            last_place,
            last_raw,
            block,
            taken,
            has_ended,
        }
    }

    /// Reads the next block; false at the file's end.
    pub(super) fn next_block(&mut self) -> io::Result<bool> {
        if self.has_ended {
            return Ok(false);
        }
        (self.taken, self.has_ended) = (0, true);
        self.block.clear();
        let mut bytes = [0; HEAD];
        match fill(&mut self.input, &mut bytes)? {
            0 if self.kind == Kind::Growing => return Ok(false),
            0 => return Err(self.fault(CUT)),
            len if len < HEAD => return Err(self.cut(len as u64)),
            _ => {}
        }
        let head = Head::parse(&bytes);
        if !self.place.is_head(&self.cipher, &head) {
            return Err(self.cut_by_zeros(&[&bytes]).unwrap_or_else(|| self.fault(WRONG)));
        }
        self.block.resize(head.len() + TAG, 0);
        let mut block = std::mem::take(&mut self.block);
        let len = fill(&mut self.input, &mut block)?;
        if len < block.len() {
            return Err(self.cut((HEAD + len) as u64));
        }
        let (place, raw) = (self.place, self.raw);
        if !self.place.open(&self.cipher, &head, &mut block) {
            let cut = self.cut_by_zeros(&[&bytes, &block]);
            return Err(cut.unwrap_or_else(|| self.fault(WRONG)));
        }
        self.raw += (BESIDE + block.len()) as u64;
        (self.last_place, self.last_raw, self.block) = (place, raw, block);
        match head.is_last() {
            true => self.expect_end()?,
            false => self.has_ended = false,
        }
        Ok(true)
    }

    fn expect_end(&mut self) -> io::Result<()> {
        match fill(&mut self.input, &mut [0])? {
            0 => Ok(()),
            _ => Err(self.fault("there are bytes behind its encrypted end")),
        }
    }

    /// A block that ends in zeros, and nothing else behind it, was cut: a file system may have made
    /// the file longer before the machine ended, and not have written the bytes any more. `parts`
    /// have been read of it. No tag ends in so many zeros by chance.
    fn cut_by_zeros(&mut self, parts: &[&[u8]]) -> Option<io::Error> {
        if self.kind != Kind::Growing {
            return None;
        }
        let read = parts.iter().flat_map(|part| part.iter());
        let mut zeros = read.clone().rev().take_while(|byte| **byte == 0).count();
        let (mut bytes, mut seen) = ([0; 4096], read.count());
        loop {
            match fill(&mut self.input, &mut bytes) {
                Ok(0) if zeros >= TAG => return Some(self.cut(seen as u64)),
                Ok(len) if len > 0 && bytes[..len].iter().all(|byte| *byte == 0) => {
                    (zeros, seen) = (zeros + len, seen + len);
                }
                Ok(_) => return None,
                Err(error) => return Some(error),
            }
        }
    }

    /// The file ends in the middle of a block, of which there are `bytes`.
    fn cut(&self, bytes: u64) -> io::Error {
        match self.kind {
            Kind::Stream => self.fault(CUT),
            Kind::Growing => io::Error::other(Cut { fault: self.fault_of(CUT_BLOCK), bytes }),
        }
    }

    fn fault(&self, what: &str) -> io::Error {
        io::Error::other(self.fault_of(what))
    }

    fn fault_of(&self, what: &str) -> Fault {
        Fault { file: self.name.clone(), offset: self.raw, what: what.to_owned() }
    }
}

impl Read for Opening {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let left = &self.block[self.taken..];
        let len = left.len().min(to.len());
        to[..len].copy_from_slice(&left[..len]);
        self.taken += len;
        Ok(len)
    }
}

/// Bytes of content of a file of so many bytes: exactly what they are where it was written as a
/// stream, and else no fewer than there are.
pub fn content_len(kind: Kind, len: u64) -> u64 {
    let blocks = len.saturating_sub(START as u64);
    match kind {
        Kind::Growing => blocks,
        // All blocks but the last one are full.
        Kind::Stream => {
            let count = blocks.div_ceil((CONTENT_MAX + BESIDE) as u64);
            blocks.saturating_sub(count * BESIDE as u64)
        }
    }
}

/// Reads until `to` is full or the input ends; returns how much that was.
pub fn fill(input: &mut impl Read, to: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < to.len() {
        match input.read(&mut to[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}
