//! The SHA-1 of a script's text, by which EVALSHA names the script.

/// The SHA-1 of a script's text.
pub type Digest = [u8; 20];

/// The digest of a text.
pub fn digest(text: &[u8]) -> Digest {
    use sha1::Digest as _;
    sha1::Sha1::digest(text).into()
}

/// Digests a text piece by piece.
#[derive(Default)]
pub struct Digester(sha1::Sha1);

impl Digester {
    /// Adds a piece.
    pub fn add(&mut self, piece: &[u8]) {
        use sha1::Digest as _;
        self.0.update(piece);
    }

    /// The digest of all pieces.
    pub fn digest(self) -> Digest {
        use sha1::Digest as _;
        self.0.finalize().into()
    }
}

/// Bytes in hexadecimal, in lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value of each hexadecimal digit; 255 for any other byte.
const DIGITS: [u8; 256] = {
    let mut digits = [255; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Reads a digest as EVALSHA and SCRIPT EXISTS take it: forty digits, in any case.
pub fn unhex(text: &[u8]) -> Option<Digest> {
    let mut digest = [0; 20];
    if text.len() != 40 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_chunks::<2>().0) {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        if high > 15 || low > 15 {
            return None;
        }
        *byte = high << 4 | low;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_in_any_case() {
        let sum = digest(b"return 1");
        assert_eq!(hex(&sum), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        assert_eq!(unhex(hex(&sum).as_bytes()), Some(sum));
        assert_eq!(unhex(hex(&sum).to_uppercase().as_bytes()), Some(sum));
        assert_eq!(unhex(b"e0e1f9fabfc9d4800c877a703b823ac0578ff8dg"), None);
        assert_eq!(unhex(b"e0e1"), None);
    }
}
