//! Base64, by which meta commands write keys that are no text.

use super::KEY_BYTES_MAX;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// As memcached reads it: a last letter may have bits that stand for nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Decodes a key where its text lies. Returns the number of bytes; None when it is no base64, or
/// nothing.
pub fn decode(text: &mut [u8]) -> Option<usize> {
    let mut key = [0; KEY_BYTES_MAX];
    let len = BASE64.decode_slice(&*text, &mut key).ok().filter(|len| *len > 0)?;
    text[..len].copy_from_slice(&key[..len]);
    Some(len)
}

/// Appends a key as text.
pub fn encode(key: &[u8], to: &mut Vec<u8>) {
    let at = to.len();
    to.resize(at + key.len().div_ceil(3) * 4, 0);
    let written = BASE64.encode_slice(key, &mut to[at..]);
    written.expect("three bytes are four letters");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for (bytes, text) in [("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("abcd", "YWJjZA==")]
        {
            let mut encoded = Vec::new();
            encode(bytes.as_bytes(), &mut encoded);
            assert_eq!(encoded, text.as_bytes());
            let len = decode(&mut encoded).expect("base64");
            assert_eq!(&encoded[..len], bytes.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        for bytes in all.chunks(86) {
            let mut encoded = b"k".to_vec();
            encode(bytes, &mut encoded);
            let len = decode(&mut encoded[1..]).expect("base64");
            assert_eq!(encoded[1..1 + len], *bytes);
        }
    }

    #[test]
    fn bits_of_no_byte_are_passed_over() {
        for (text, bytes) in [("YWJ=", "ab"), ("YX==", "a")] {
            let mut text = text.as_bytes().to_vec();
            let len = decode(&mut text).expect("memcached takes it");
            assert_eq!(&text[..len], bytes.as_bytes());
        }
    }

    #[test]
    fn what_is_no_base64_is_not_decoded() {
        for text in ["", "a", "YQ=", "Y===", "Y Q=", "YQ=a", "===="] {
            assert_eq!(decode(&mut text.as_bytes().to_vec()), None, "{text}");
        }
    }
}
