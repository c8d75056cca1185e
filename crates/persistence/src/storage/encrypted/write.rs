//! Writing encrypted files.

use super::block::{BESIDE, CONTENT_MAX, HEAD, Kind, Nonces, Place, START, Start};
use super::key::{Cipher, Key};
use crate::storage::{Output, Stream};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;

/// Bytes that are given to the disk at a time, about.
const PIECE: usize = 1 << 20;

/// Fills bytes with random ones that cannot be guessed.
pub type Random = fn(&mut [u8]) -> io::Result<()>;

/// What a file is encrypted with, and where its next block begins.
pub struct Sealing {
    cipher: Arc<Cipher>,
    nonces: Nonces,
    place: Place,
}

impl Sealing {
    /// Begins a file; returns its first bytes.
    pub fn begin(key: &Key, kind: Kind, random: Random) -> io::Result<(Sealing, [u8; START])> {
        let (mut file_id, mut drawn) = ([0; 16], [0; 12]);
        random(&mut file_id)?;
        random(&mut drawn)?;
        let (cipher, mut nonces) = (Arc::new(key.cipher(&file_id)), Nonces::from(drawn));
        let start = Start { kind, key: key.id(), file_id, nonce: nonces.next() };
        let bytes = start.bytes(&cipher);
        Ok((Sealing { cipher, nonces, place: Place::first(kind) }, bytes))
    }

    /// Goes on at a place of a file.
    pub fn resume(cipher: Arc<Cipher>, place: Place, random: Random) -> io::Result<Sealing> {
        let mut drawn = [0; 12];
        random(&mut drawn)?;
        Ok(Sealing { cipher, nonces: Nonces::from(drawn), place })
    }

    /// Appends a block of this content to `to`.
    fn seal(&mut self, content: &[u8], to: &mut Vec<u8>) {
        let at = to.len();
        to.extend_from_slice(&[0; HEAD]);
        to.extend_from_slice(content);
        self.place.seal(&self.cipher, self.nonces.next(), false, to, at);
    }
}

/// A file that is written once, from its beginning to its end.
pub struct SealedStream {
    inner: Box<dyn Stream>,
    sealing: Sealing,
    /// The block that grows, room for its head before it.
    block: Vec<u8>,
}

impl SealedStream {
    /// A writer of a file that is empty.
    pub fn new(mut inner: Box<dyn Stream>, key: &Key, random: Random) -> io::Result<SealedStream> {
        let (sealing, start) = Sealing::begin(key, Kind::Stream, random)?;
        inner.write(&start)?;
        let mut block = Vec::with_capacity(CONTENT_MAX + BESIDE);
        block.extend_from_slice(&[0; HEAD]);
        Ok(SealedStream { inner, sealing, block })
    }

    fn write_block(&mut self, is_last: bool) -> io::Result<()> {
        let Sealing { cipher, nonces, place } = &mut self.sealing;
        place.seal(cipher, nonces.next(), is_last, &mut self.block, 0);
        self.inner.write(&self.block)?;
        self.block.truncate(HEAD);
        Ok(())
    }
}

impl Stream for SealedStream {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            // A full block is not written before more follows: it may be the last one.
            if self.block.len() == HEAD + CONTENT_MAX {
                self.write_block(false)?;
            }
            let free = HEAD + CONTENT_MAX - self.block.len();
            let (now, later) = bytes.split_at(bytes.len().min(free));
            self.block.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_block(true)?;
        self.inner.finish()
    }
}

/// A file that grows: what is written at a time is a block, or several.
pub struct SealedOutput {
    inner: Arc<dyn Output>,
    state: Mutex<State>,
}

struct State {
    sealing: Sealing,
    /// Bytes of the file, encrypted, as far as it is whole.
    len: u64,
    /// Memory for what is written next.
    sealed: Vec<u8>,
}

impl SealedOutput {
    /// A writer of a file that has `len` bytes.
    pub fn new(inner: Arc<dyn Output>, sealing: Sealing, len: u64) -> SealedOutput {
        let state = State { sealing, len, sealed: Vec::new() };
        SealedOutput { inner, state: Mutex::new(state) }
    }
}

impl Output for SealedOutput {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        let State { sealing, len, sealed } = &mut *state;
        let (before, mut written) = (sealing.place, 0);
        let mut write = |sealed: &mut Vec<u8>| {
            let done = self.inner.write(sealed);
            written += sealed.len() as u64;
            sealed.clear();
            // A burst's memory is not kept for ever.
            sealed.shrink_to(PIECE + CONTENT_MAX + BESIDE);
            done
        };
        sealed.clear();
        let mut done = Ok(());
        for content in bytes.chunks(CONTENT_MAX) {
            sealing.seal(content, sealed);
            if sealed.len() >= PIECE {
                done = done.and_then(|()| write(sealed));
            }
            if done.is_err() {
                break;
            }
        }
        done = done.and_then(|()| if sealed.is_empty() { Ok(()) } else { write(sealed) });
        match done {
            Ok(()) => *len += written,
            // What is written instead begins at the same place, but has other nonces.
            Err(_) => sealing.place = before,
        }
        done
    }

    /// Only to where the last write that succeeded ended: what may follow is the rest of one that
    /// did not.
    fn cut(&self, len: u64) -> io::Result<()> {
        let state = self.state.lock();
        if len != state.sealing.place.position {
            let text = "an encrypted file that is being written is cut behind a write only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.inner.cut(state.len)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }
}
