//! Sixteen slots, looked at with wide instructions: which of them have a tag, and where their texts
//! lie. On other machines than x86-64 the compiler makes the best of plain loops.
//!
//! This file holds `unsafe` for calls that need SSE2, which every x86-64 has.
#![allow(unsafe_code)]

/// Slots in a block.
pub const SLOTS: usize = 16;
/// Bytes of a block: the tags, then the codes.
pub const BYTES: usize = 2 * SLOTS;

/// The bits of a code that are a length.
pub const LENGTH: u8 = 0x7f;

#[cfg(target_arch = "x86_64")]
mod wide {
    use super::{LENGTH, SLOTS};
    use std::arch::x86_64::*;

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(bytes: &[u8; SLOTS]) -> __m128i {
        let word = u128::from_le_bytes(*bytes);
        _mm_set_epi64x((word >> 64) as i64, word as i64)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub fn equal(tags: &[u8; SLOTS], tag: u8) -> u32 {
        _mm_movemask_epi8(_mm_cmpeq_epi8(load(tags), _mm_set1_epi8(tag as i8))) as u32
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub fn sum(codes: &[u8; SLOTS], count: usize) -> usize {
        let turns = _mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        let first = _mm_cmpgt_epi8(_mm_set1_epi8(count as i8), turns);
        let lengths = _mm_and_si128(load(codes), _mm_set1_epi8(LENGTH as i8));
        let sums = _mm_sad_epu8(_mm_and_si128(lengths, first), _mm_setzero_si128());
        _mm_cvtsi128_si32(sums) as usize + _mm_extract_epi16::<4>(sums) as usize
    }
}

/// A bit for each of the tags that is `tag`.
#[inline]
pub fn equal(tags: &[u8; SLOTS], tag: u8) -> u32 {
    // SAFETY: the target has SSE2.
    #[cfg(target_arch = "x86_64")]
    return unsafe { wide::equal(tags, tag) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::equal(tags, tag)
}

/// The sum of the lengths in the first `count` codes.
#[inline]
pub fn sum(codes: &[u8; SLOTS], count: usize) -> usize {
    // SAFETY: the target has SSE2.
    #[cfg(target_arch = "x86_64")]
    return unsafe { wide::sum(codes, count) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::sum(codes, count)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod plain {
    use super::{LENGTH, SLOTS};

    pub fn equal(tags: &[u8; SLOTS], tag: u8) -> u32 {
        (0..SLOTS).fold(0, |bits, i| bits | u32::from(tags[i] == tag) << i)
    }

    pub fn sum(codes: &[u8; SLOTS], count: usize) -> usize {
        codes[..count].iter().map(|code| usize::from(code & LENGTH)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_instructions_do_what_plain_loops_do() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..2_000 {
            let bytes: [u8; SLOTS] = std::array::from_fn(|_| random.u8(..));
            let tag = bytes[random.usize(..SLOTS)];
            assert_eq!(equal(&bytes, tag), plain::equal(&bytes, tag));
            for count in 0..=SLOTS {
                assert_eq!(sum(&bytes, count), plain::sum(&bytes, count));
            }
        }
    }
}
