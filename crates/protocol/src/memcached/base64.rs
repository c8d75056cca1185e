//! Base64, by which meta commands write keys that are no text.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn value_of(letter: u8) -> Option<u32> {
    Some(
        match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        }
        .into(),
    )
}

/// Decodes where the text lies. Returns the number of bytes; None when it is no base64, or nothing.
pub fn decode(text: &mut [u8]) -> Option<usize> {
    if text.is_empty() || !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take(2).take_while(|letter| **letter == b'=').count();
    let (last, mut len) = (text.len() - padding, 0);
    for at in (0..text.len()).step_by(4) {
        let mut bits = 0;
        for (place, letter) in text[at..at + 4].iter().enumerate() {
            bits = bits << 6 | if at + place < last { value_of(*letter)? } else { 0 };
        }
        let bytes = bits.to_be_bytes();
        let count = if at + 4 > last { 3 - padding } else { 3 };
        text[len..len + count].copy_from_slice(&bytes[1..1 + count]);
        len += count;
    }
    Some(len)
}

/// Appends bytes as text.
pub fn encode(bytes: &[u8], to: &mut Vec<u8>) {
    for part in bytes.chunks(3) {
        let at = |n: usize| u32::from(part.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * n)) as usize & 63];
            to.push(if n <= part.len() { letter } else { b'=' });
        }
    }
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
        let mut encoded = Vec::new();
        encode(&all, &mut encoded);
        let len = decode(&mut encoded).expect("base64");
        assert_eq!(encoded[..len], all);
    }

    #[test]
    fn what_is_no_base64_is_not_decoded() {
        for text in ["", "a", "YQ=", "Y===", "Y Q=", "YQ=a", "===="] {
            assert_eq!(decode(&mut text.as_bytes().to_vec()), None, "{text}");
        }
    }
}
