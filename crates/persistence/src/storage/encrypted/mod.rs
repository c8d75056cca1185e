//! A storage over another one, whose files are encrypted and authenticated. What reads and writes
//! files does not know of it.
//!
//! ```text
//! file    "REDSTENC" | version u32 | kind u32 | key's name 8 | file's id 16 | nonce 12 | tag 16
//!         block ...                                                         (all little endian)
//! block   length u32 | nonce 12 | tag 16 | content, encrypted | tag 16
//! ```
//!
//! AES-256-GCM. Each file has keys of its own, made of the key file's key and the file's id, which
//! is drawn by chance: one for heads, one for contents. Both tags of a block are made of its
//! length, its number, its position, the kind of the file, and the tag of the block before. So a
//! block that is changed, moved, left out or brought from another file is not authentic, and a file
//! that has one is not read.
//!
//! A file that is written once (a snapshot) ends with a block that says so: one that is cut is not
//! read, either. A file that grows (a segment of the log) may be cut anywhere: the process may have
//! ended while it was written. As the head of a block has a tag of its own, a block that is cut is
//! told from one whose length was changed: the first ends the file ([`Cut`](super::Cut)), the
//! second is a fault. An older state of a whole folder is not told from the present one, nor a log
//! that was cut behind a block: against that only a place helps that nobody else writes to.
//!
//! Nonces count up from one that is drawn by chance whenever a file is begun or opened again, so
//! that what is written in place of something that was cut off has others.

mod block;
mod key;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use key::{Key, KeyId, parse as parse_keys};
pub use write::Random;

use super::{Output, Storage, Stream};
use crate::fault::Fault;
use block::{MAGIC, START, Start};
use read::{Opening, content_len, fill};
use std::io::{self, Cursor, Read};
use std::sync::Arc;
use write::{SealedOutput, SealedStream, Sealing};

/// The keys of a storage.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// What is written is encrypted with the first of them, or not at all where there is none. What
    /// is read may be encrypted with any.
    pub keys: Vec<Key>,
    /// Whether files that are not encrypted are read, though there are keys.
    pub takes_plain: bool,
}

/// A storage whose files are encrypted, if there are keys.
#[derive(Clone, Debug)]
pub struct Encrypted<S> {
    inner: S,
    keys: Arc<Keys>,
    random: Random,
}

/// How a file lies in the storage below.
enum Found {
    Plain(Box<dyn Read + Send>),
    Encrypted(Start, Box<Opening>),
}

impl<S: Storage> Encrypted<S> {
    /// The files of `inner`, with these keys.
    pub fn new(inner: S, keys: Arc<Keys>, random: Random) -> Encrypted<S> {
        Encrypted { inner, keys, random }
    }

    /// The storage below.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The key that a file is encrypted with, if it is.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn key_of(&self, name: &str) -> io::Result<Option<KeyId>> {
        let mut bytes = [0; START];
        let len = fill(&mut self.inner.open(name)?.0, &mut bytes)?;
        let is_whole = len == START && bytes.starts_with(MAGIC);
        Ok(Start::parse(&bytes).ok().filter(|_| is_whole).map(|start| start.key))
    }

    /// Whether a file is encrypted as one that is written now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_current(&self, name: &str) -> io::Result<bool> {
        Ok(self.key_of(name)? == self.keys.keys.first().map(Key::id))
    }

    fn find(&self, name: &str) -> io::Result<(Found, u64)> {
        let (mut input, len) = self.inner.open(name)?;
        let mut bytes = [0; START];
        let read = fill(&mut input, &mut bytes)?;
        if !bytes.starts_with(MAGIC) || read < MAGIC.len() {
            if !self.keys.keys.is_empty() && !self.keys.takes_plain && read > 0 {
                let text = format!(
                    "{name} is not encrypted, though there is a key: it is read only with \
                     encryption-plain-files yes"
                );
                return Err(io::Error::other(text));
            }
            let input = Cursor::new(bytes).take(read as u64).chain(input);
            return Ok((Found::Plain(Box::new(input)), len));
        }
        let fault = |what: &str| {
            io::Error::other(Fault { file: name.into(), offset: 0, what: what.into() })
        };
        if read < START {
            return Err(fault("it is cut: its first bytes are not whole"));
        }
        let start = Start::parse(&bytes).map_err(fault)?;
        let key = self.key(name, &start)?;
        if !start.is_authentic(&bytes, &key.cipher(&start.file_id)) {
            return Err(fault("its first bytes are not what was written there"));
        }
        let len = content_len(start.kind, len);
        let opening = Opening::new(name, input, &start, key);
        Ok((Found::Encrypted(start, Box::new(opening)), len))
    }

    /// The key that a file says it is encrypted with.
    fn key(&self, name: &str, start: &Start) -> io::Result<&Key> {
        let found = self.keys.keys.iter().find(|key| key.id() == start.key);
        found.ok_or_else(|| {
            let id = start.key;
            io::Error::other(match self.keys.keys.is_empty() {
                true => format!(
                    "{name} is encrypted with the key {id}, and there is no key: name the file \
                     that has it (encryption-key-file)"
                ),
                false => format!(
                    "{name} is encrypted with another key, {id}: add that one behind the first \
                     in the key file"
                ),
            })
        })
    }
}

impl<S: Storage> Storage for Encrypted<S> {
    fn create(&self, name: &str) -> io::Result<Arc<dyn Output>> {
        let output = self.inner.create(name)?;
        let Some(key) = self.keys.keys.first() else { return Ok(output) };
        let (sealing, start) = Sealing::begin(key, block::Kind::Growing, self.random)?;
        output.write(&start)?;
        Ok(Arc::new(SealedOutput::new(output, sealing, START as u64)))
    }

    fn create_stream(&self, name: &str) -> io::Result<Box<dyn Stream>> {
        let stream = self.inner.create_stream(name)?;
        let Some(key) = self.keys.keys.first() else { return Ok(stream) };
        Ok(Box::new(SealedStream::new(stream, key, self.random)?))
    }

    /// A file goes on as it was begun: with its own key, or plain.
    fn append(&self, name: &str, len: u64) -> io::Result<Arc<dyn Output>> {
        let (start, mut opening) = match self.find(name)?.0 {
            Found::Plain(_) => return self.inner.append(name, len),
            Found::Encrypted(start, opening) => (start, *opening),
        };
        while opening.place.position < len {
            if start.kind != block::Kind::Growing || !opening.next_block()? {
                let text = format!("{name} has no {len} bytes that could be followed by others");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        }
        if opening.place.position == len {
            let sealing = Sealing::resume(opening.cipher, opening.place, self.random)?;
            let output = self.inner.append(name, opening.raw)?;
            return Ok(Arc::new(SealedOutput::new(output, sealing, opening.raw)));
        }
        // It is cut in the middle of a block, which is written anew as far as it stays. Whoever
        // opens a file so has not told anyone yet what is in it.
        let kept = (len - opening.last_place.position) as usize;
        let sealing = Sealing::resume(opening.cipher, opening.last_place, self.random)?;
        let output = self.inner.append(name, opening.last_raw)?;
        let output = SealedOutput::new(output, sealing, opening.last_raw);
        output.write(&opening.block[..kept])?;
        Ok(Arc::new(output))
    }

    fn open(&self, name: &str) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let (found, len) = self.find(name)?;
        Ok(match found {
            Found::Plain(input) => (input, len),
            Found::Encrypted(_, opening) => (opening, len),
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }

    fn process(&self) -> u32 {
        self.inner.process()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }
}
