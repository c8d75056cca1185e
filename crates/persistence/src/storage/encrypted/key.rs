//! Keys: how they are written down, and what is made of one for each file.
//!
//! ```text
//!  key of the key file --HKDF, file's id--> key of the blocks' heads, key of the blocks' bytes
//! ```
//!
//! No two files are encrypted with the same key, so that a block of one is nothing in another.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use std::fmt;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of a file's id, which its keys are made of.
pub const FILE_ID: usize = 16;
/// Bytes of a nonce.
pub const NONCE: usize = 12;
/// Bytes that say of others whether they are authentic.
pub const TAG: usize = 16;

/// The name of a key, which files tell. It does not tell the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A key of a key file.
#[derive(Clone)]
pub struct Key {
    secret: [u8; KEY_BYTES],
    id: KeyId,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

/// The length of a key's name.
struct IdLength;

impl KeyType for IdLength {
    fn len(&self) -> usize {
        8
    }
}

/// What each of ring's calls says that can only fail for lengths that do not occur here.
const LENGTHS: &str = "the lengths are right";

impl Key {
    /// The key of these bytes.
    pub fn new(secret: [u8; KEY_BYTES]) -> Key {
        let mut id = [0; 8];
        let prk = Salt::new(HKDF_SHA256, b"redstart key id").extract(&secret);
        let made = prk.expand(&[b"id"], IdLength).and_then(|made| made.fill(&mut id));
        made.expect(LENGTHS);
        Key { secret, id: KeyId(id) }
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The cipher of the file that has this id.
    pub fn cipher(&self, file_id: &[u8; FILE_ID]) -> Cipher {
        let prk = Salt::new(HKDF_SHA256, file_id).extract(&self.secret);
        Cipher { heads: derived(&prk, b"heads"), bytes: derived(&prk, b"bytes") }
    }
}

fn derived(prk: &Prk, purpose: &[u8]) -> LessSafeKey {
    let info = [purpose];
    let made = prk.expand(&info, &AES_256_GCM).expect(LENGTHS);
    LessSafeKey::new(UnboundKey::from(made))
}

/// The keys that a key file holds: what is written is encrypted with the first of them, what is
/// read with any.
///
/// # Errors
/// What is wrong with the text, and in which line. Nothing of it is told: it is secret.
pub fn parse(text: &str) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || format!("line {} is no key: a key is 64 hexadecimal digits", at + 1);
        keys.push(Key::new(secret(line).ok_or_else(wrong)?));
    }
    match keys.is_empty() {
        true => Err("it holds no key: a key is a line of 64 hexadecimal digits".to_owned()),
        false => Ok(keys),
    }
}

fn secret(line: &str) -> Option<[u8; KEY_BYTES]> {
    let (mut secret, digits) = ([0; KEY_BYTES], line.as_bytes());
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    for (byte, pair) in secret.iter_mut().zip(digits.chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(secret)
}

/// What the blocks of one file are encrypted with.
pub struct Cipher {
    heads: LessSafeKey,
    bytes: LessSafeKey,
}

impl Cipher {
    /// What says that a head is authentic. A nonce is used once.
    pub fn sign(&self, nonce: [u8; NONCE], about: &[u8]) -> [u8; TAG] {
        seal(&self.heads, nonce, about, &mut [])
    }

    /// Whether a head is what was signed.
    pub fn is_signed(&self, nonce: [u8; NONCE], about: &[u8], tag: [u8; TAG]) -> bool {
        open(&self.heads, nonce, about, tag, &mut [])
    }

    /// Encrypts bytes in their place. A nonce is used once.
    pub fn seal(&self, nonce: [u8; NONCE], about: &[u8], bytes: &mut [u8]) -> [u8; TAG] {
        seal(&self.bytes, nonce, about, bytes)
    }

    /// Decrypts bytes in their place; false where they are not authentic.
    #[must_use]
    pub fn open(&self, nonce: [u8; NONCE], about: &[u8], tag: [u8; TAG], bytes: &mut [u8]) -> bool {
        open(&self.bytes, nonce, about, tag, bytes)
    }
}

fn seal(key: &LessSafeKey, nonce: [u8; NONCE], about: &[u8], bytes: &mut [u8]) -> [u8; TAG] {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let sealed = key.seal_in_place_separate_tag(nonce, Aad::from(about), bytes);
    let mut tag = [0; TAG];
    tag.copy_from_slice(sealed.expect(LENGTHS).as_ref());
    tag
}

fn open(
    key: &LessSafeKey,
    nonce: [u8; NONCE],
    about: &[u8],
    tag: [u8; TAG],
    bytes: &mut [u8],
) -> bool {
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.open_in_place_separate_tag(nonce, Aad::from(about), tag.into(), bytes, 0..).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_lines_of_hexadecimal_digits() {
        let (one, two) = ("0123456789abcdef".repeat(4), "FEDCBA9876543210".repeat(4));
        let keys = parse(&format!("# the new one\n{one}\n\n  {two}  \n")).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0].secret[..3], [1, 0x23, 0x45]);
        assert_ne!(keys[0].id(), keys[1].id());
        assert_eq!(keys[0].id().to_string().len(), 16);
        let wrong = parse(&format!("{one}\n{}", &two[1..])).unwrap_err();
        assert!(wrong.starts_with("line 2 ") && !wrong.contains("EDCBA"), "{wrong}");
        assert!(parse(&format!("{}g", &one[1..])).is_err());
        assert!(parse("# nothing\n").unwrap_err().starts_with("it holds no key"));
        assert!(!format!("{keys:?}").contains("012345"), "a key must not be shown");
    }
}
