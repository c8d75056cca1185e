//! The bytes of a file's head and of its blocks, as `mod.rs` draws them, and what each block is
//! bound to.

use super::key::{Cipher, FILE_ID, KeyId, NONCE, TAG};

/// The first bytes of every encrypted file.
pub const MAGIC: &[u8; 8] = b"REDSTENC";
const VERSION: u32 = 1;
/// Bytes before the first block.
pub const START: usize = 8 + 4 + 4 + 8 + FILE_ID + NONCE + TAG;
/// Bytes of a block before its content.
pub const HEAD: usize = 4 + NONCE + TAG;
/// Bytes of a block beside its content.
pub const BESIDE: usize = HEAD + TAG;
/// The most content of a block, in bytes.
pub const CONTENT_MAX: usize = 64 << 10;
/// This bit of a length says that the block is the last one.
const LAST: u32 = 1 << 31;

/// How a file is written, which decides how it may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Once, from its beginning to its end: the last block says that it is the last.
    Stream = 1,
    /// By and by: a cut block is where the process ended.
    Growing = 2,
}

/// What a file's first bytes say.
#[derive(Clone, Copy)]
pub struct Start {
    /// How it is written.
    pub kind: Kind,
    /// What its key is called.
    pub key: KeyId,
    /// Its own id, by chance.
    pub file_id: [u8; FILE_ID],
    /// What its tag is made with.
    pub nonce: [u8; NONCE],
}

impl Start {
    /// The bytes, but for the tag.
    fn unsigned(&self) -> [u8; START - TAG] {
        let mut bytes = [0; START - TAG];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(self.kind as u32).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.key.0);
        bytes[24..40].copy_from_slice(&self.file_id);
        bytes[40..].copy_from_slice(&self.nonce);
        bytes
    }

    /// The bytes.
    pub fn bytes(&self, cipher: &Cipher) -> [u8; START] {
        let (mut bytes, unsigned) = ([0; START], self.unsigned());
        bytes[..START - TAG].copy_from_slice(&unsigned);
        bytes[START - TAG..].copy_from_slice(&cipher.sign(self.nonce, &unsigned));
        bytes
    }

    /// Reads them; whether they are authentic is yet to be found out.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(bytes: &[u8; START]) -> Result<Start, &'static str> {
        let (mut key, mut file_id, mut nonce) = ([0; 8], [0; FILE_ID], [0; NONCE]);
        key.copy_from_slice(&bytes[16..24]);
        file_id.copy_from_slice(&bytes[24..40]);
        nonce.copy_from_slice(&bytes[40..START - TAG]);
        if bytes[8..12] != VERSION.to_le_bytes() {
            return Err("the version of its encryption is not known");
        }
        let kind = [Kind::Stream, Kind::Growing].into_iter();
        let mut kind = kind.filter(|kind| bytes[12..16] == (*kind as u32).to_le_bytes());
        let kind = kind.next().ok_or("its kind is not known")?;
        Ok(Start { kind, key: KeyId(key), file_id, nonce })
    }

    /// Whether the bytes are what was written with this cipher.
    pub fn is_authentic(&self, bytes: &[u8; START], cipher: &Cipher) -> bool {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&bytes[START - TAG..]);
        cipher.is_signed(self.nonce, &self.unsigned(), tag)
    }
}

/// A block's head, as it lies in the file.
#[derive(Clone, Copy)]
pub struct Head {
    len: u32,
    nonce: [u8; NONCE],
    tag: [u8; TAG],
}

impl Head {
    /// Reads one; whether it is authentic is yet to be found out.
    pub fn parse(bytes: &[u8; HEAD]) -> Head {
        let mut head = Head { len: 0, nonce: [0; NONCE], tag: [0; TAG] };
        let mut len = [0; 4];
        len.copy_from_slice(&bytes[..4]);
        head.len = u32::from_le_bytes(len);
        head.nonce.copy_from_slice(&bytes[4..4 + NONCE]);
        head.tag.copy_from_slice(&bytes[4 + NONCE..]);
        head
    }

    /// Bytes of content.
    pub fn len(&self) -> usize {
        (self.len & !LAST) as usize
    }

    /// Whether the block is the last one.
    pub fn is_last(&self) -> bool {
        self.len & LAST != 0
    }
}

/// A place in a file at which a block begins: everything that the block is bound to but its file,
/// which the key stands for.
#[derive(Clone, Copy)]
pub struct Place {
    kind: Kind,
    /// How many blocks there are before.
    number: u64,
    /// How many bytes of content.
    pub position: u64,
    /// The tag of the block before.
    before: [u8; TAG],
}

impl Place {
    /// The first one.
    pub fn first(kind: Kind) -> Place {
        Place { kind, number: 0, position: 0, before: [0; TAG] }
    }

    /// What the tags of a block are made of beside its content.
    fn about(&self, len: u32) -> [u8; 40] {
        let mut about = [0; 40];
        about[..4].copy_from_slice(&(self.kind as u32).to_le_bytes());
        about[4..8].copy_from_slice(&len.to_le_bytes());
        about[8..16].copy_from_slice(&self.number.to_le_bytes());
        about[16..24].copy_from_slice(&self.position.to_le_bytes());
        about[24..].copy_from_slice(&self.before);
        about
    }

    /// Goes behind a block.
    fn pass(&mut self, len: usize, tag: [u8; TAG]) {
        self.number += 1;
        self.position += len as u64;
        self.before = tag;
    }

    /// Makes a block of what lies in `block` behind room for its head. The nonce was not used
    /// before.
    pub fn seal(
        &mut self,
        cipher: &Cipher,
        nonce: [u8; NONCE],
        is_last: bool,
        block: &mut Vec<u8>,
        at: usize,
    ) {
        let content = &mut block[at + HEAD..];
        debug_assert!(content.len() <= CONTENT_MAX);
        let len = content.len();
        let coded = len as u32 | if is_last { LAST } else { 0 };
        let about = self.about(coded);
        let tag = cipher.seal(nonce, &about, content);
        let head = &mut block[at..at + HEAD];
        head[..4].copy_from_slice(&coded.to_le_bytes());
        head[4..4 + NONCE].copy_from_slice(&nonce);
        head[4 + NONCE..].copy_from_slice(&cipher.sign(nonce, &about));
        block.extend_from_slice(&tag);
        self.pass(len, tag);
    }

    /// Whether a head is that of the block that was written here.
    pub fn is_head(&self, cipher: &Cipher, head: &Head) -> bool {
        let fits = head.len() <= CONTENT_MAX;
        fits && cipher.is_signed(head.nonce, &self.about(head.len), head.tag)
    }

    /// Decrypts the block behind an authentic head, content and tag, and goes behind it; false
    /// where it is not what was written here. `block` is the content then.
    #[must_use]
    pub fn open(&mut self, cipher: &Cipher, head: &Head, block: &mut Vec<u8>) -> bool {
        let mut tag = [0; TAG];
        let content = head.len();
        tag.copy_from_slice(&block[content..]);
        let about = self.about(head.len);
        if !cipher.open(head.nonce, &about, tag, &mut block[..content]) {
            return false;
        }
        block.truncate(content);
        self.pass(content, tag);
        true
    }
}

/// Nonces, none of which occurs twice: they count up from one that was drawn by chance. Whoever
/// opens a file draws anew, so that what is written in place of what was cut off has others.
pub struct Nonces(u128);

impl Nonces {
    /// Those behind one that was drawn.
    pub fn from(drawn: [u8; NONCE]) -> Nonces {
        let mut bytes = [0; 16];
        bytes[..NONCE].copy_from_slice(&drawn);
        Nonces(u128::from_le_bytes(bytes))
    }

    /// The next one.
    pub fn next(&mut self) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&self.0.to_le_bytes()[..NONCE]);
        self.0 = self.0.wrapping_add(1);
        nonce
    }
}
