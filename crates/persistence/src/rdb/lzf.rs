//! LZF, the compression of strings in Redis's files.
//!
//! ```text
//! 000LLLLL  literals       L + 1 bytes follow as they are
//! LLLooooo  oooooooo       L + 2 bytes (L from 1 to 6) that begin o + 1 bytes back
//! 111ooooo  LLLLLLLL  oooooooo       L + 9 bytes that begin o + 1 bytes back
//! ```
//!
//! An announced length is not trusted: three bytes stand for 264 at most, and the output never
//! grows beyond what was announced.

/// The most bytes that one packed byte can stand for.
const RATIO: usize = 88;
/// The most literals in a row.
const LITERALS: usize = 32;
/// The longest match.
const MATCH_MAX: usize = 264;
/// How far back a match may begin.
const REACH: usize = 1 << 13;
const HASH_BITS: u32 = 13;

/// Undoes the compression of a string that is `len` bytes long; None when it is not one.
pub fn unpack(packed: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > packed.len().saturating_mul(RATIO) {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    let mut rest = packed;
    let mut next = |count: usize| {
        let (taken, behind) = rest.split_at_checked(count)?;
        rest = behind;
        Some(taken)
    };
    while let Some(&[control]) = next(1) {
        let control = usize::from(control);
        if control < LITERALS {
            let literals = next(control + 1)?;
            if literals.len() > len - out.len() {
                return None;
            }
            out.extend_from_slice(literals);
            continue;
        }
        let mut count = control >> 5;
        if count == 7 {
            count += usize::from(next(1)?[0]);
        }
        count += 2;
        let back = (control & 0x1f) << 8 | usize::from(next(1)?[0]);
        let from = out.len().checked_sub(back + 1)?;
        if count > len - out.len() {
            return None;
        }
        // It may reach into what it makes.
        for at in from..from + count {
            out.push(out[at]);
        }
    }
    (out.len() == len).then_some(out)
}

/// Compresses strings, one after the other.
///
/// Its table is not emptied in between: a place that it names is compared before it is used.
pub struct Packer(Box<[u32; 1 << HASH_BITS]>);

impl Default for Packer {
    fn default() -> Packer {
        Packer(Box::new([0; 1 << HASH_BITS]))
    }
}

impl Packer {
    /// The compressed string; None when that would save nothing, or it is too long for this.
    pub fn pack(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        u32::try_from(text.len()).ok()?;
        let mut out = Vec::with_capacity(text.len());
        let (mut at, mut literals) = (0, 0);
        while let Some(&[a, b, c]) = text[at..].first_chunk::<3>() {
            let hash = u32::from_le_bytes([a, b, c, 0]).wrapping_mul(0x9e37_79b1);
            let slot = &mut self.0[(hash >> (32 - HASH_BITS)) as usize];
            let seen = std::mem::replace(slot, at as u32) as usize;
            let is_match = seen < at && at - seen <= REACH && text[seen..].starts_with(&[a, b, c]);
            if !is_match {
                at += 1;
                continue;
            }
            put_literals(&mut out, &text[literals..at]);
            let same = text[at..].iter().zip(&text[seen..]).take(MATCH_MAX);
            let count = same.take_while(|(a, b)| a == b).count();
            let back = at - seen - 1;
            let (count_left, back_high) = (count - 2, (back >> 8) as u8);
            if count_left < 7 {
                out.push((count_left as u8) << 5 | back_high);
            } else {
                out.extend_from_slice(&[7 << 5 | back_high, (count_left - 7) as u8]);
            }
            out.push(back as u8);
            at += count;
            literals = at;
            if out.len() >= text.len() {
                return None;
            }
        }
        put_literals(&mut out, &text[literals..]);
        (out.len() < text.len()).then_some(out)
    }
}

fn put_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LITERALS) {
        out.push((run.len() - 1) as u8);
        out.extend_from_slice(run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut packer = Packer::default();
        for round in 0..2000 {
            let len = random.usize(..[40, 400, 20_000][round % 3]);
            let letters = random.u8(1..8);
            let text: Vec<u8> = (0..len).map(|_| random.u8(..letters)).collect();
            if let Some(packed) = packer.pack(&text) {
                assert!(packed.len() < text.len());
                assert_eq!(unpack(&packed, text.len()), Some(text.clone()));
                assert_eq!(unpack(&packed, text.len() + 1), None);
                assert_eq!(unpack(&packed, text.len() - 1), None);
            }
        }
        assert!(packer.pack(&[b'x'; 1000]).is_some_and(|packed| packed.len() < 20));
        assert_eq!(packer.pack(b"abcdefghijklmnopqrstuvwxyz"), None);
    }

    #[test]
    fn what_is_no_such_string_is_refused() {
        assert_eq!(unpack(&[0], 1), None);
        assert_eq!(unpack(&[0x20, 0], 3), None);
        assert_eq!(unpack(&[0, b'x', 0xff, 0xff, 0], 2), None);
        assert_eq!(unpack(&[0, b'x'], usize::MAX), None);
        assert_eq!(unpack(&[0, b'x', 0xe0, 0xff, 0], 265), Some(vec![b'x'; 265]));
    }
}
