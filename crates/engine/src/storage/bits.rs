//! Bits of byte strings: counted, searched, combined, and read as integers of any width.
//!
//! Bit 0 is the highest bit of the first byte, as in Redis's bitmaps.

use super::wide::widely;

/// How bits of several strings make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Set in all.
    And,
    /// Set in any.
    Or,
    /// Set in an odd number.
    Xor,
    /// Not set in the only one.
    Not,
    /// Set in the first and in none of the others.
    Diff,
    /// Set in one of the others and not in the first.
    Diff1,
    /// Set in the first and in one of the others.
    AndOr,
    /// Set in exactly one.
    One,
}

impl Combine {
    /// Whether servers before Redis 8.2 lack it.
    pub fn is_new(self) -> bool {
        matches!(self, Combine::Diff | Combine::Diff1 | Combine::AndOr | Combine::One)
    }

    /// Which string is the first to be combined: of some ways the very first is applied last.
    pub fn first_to_combine(self) -> usize {
        usize::from(matches!(self, Combine::Diff | Combine::Diff1 | Combine::AndOr))
    }
}

/// How many bits are set.
pub fn ones(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8);
    let rest: u32 = words.remainder().iter().map(|byte| byte.count_ones()).sum();
    // Of a block the sum fits in 32 bits, which vectors add faster.
    let blocks = bytes[..bytes.len() - words.remainder().len()].chunks(1 << 16);
    let words = widely(|| blocks.map(|block| u64::from(ones_of_words(block))).sum::<u64>());
    words + u64::from(rest)
}

#[inline(always)]
fn ones_of_words(bytes: &[u8]) -> u32 {
    bytes.as_chunks().0.iter().map(|word| u64::from_be_bytes(*word).count_ones()).sum()
}

fn word_of(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("eight bytes"))
}

/// Where the first bit is that is `wanted`.
pub fn first(bytes: &[u8], wanted: bool) -> Option<usize> {
    let boring = if wanted { 0 } else { u64::MAX };
    let words = bytes.chunks_exact(8);
    let at = words.clone().position(|word| word_of(word) != boring).unwrap_or(words.len()) * 8;
    let boring = boring as u8;
    let byte = at + bytes[at..].iter().position(|byte| *byte != boring)?;
    Some(byte * 8 + (bytes[byte] ^ boring).leading_zeros() as usize)
}

/// Whether bit `at` of a byte is set.
pub fn bit(byte: u8, at: usize) -> bool {
    byte & (0x80 >> (at % 8)) != 0
}

/// The byte with its bit `at` set or not.
pub fn with_bit(byte: u8, at: usize, on: bool) -> u8 {
    let mask = 0x80 >> (at % 8);
    if on { byte | mask } else { byte & !mask }
}

/// Combines what has been made of the strings before, the first at the beginning, with the next
/// one. `seen_twice` is as long, and is used by [`Combine::One`] only. What the next string lacks
/// is zero.
pub fn combine(how: Combine, so_far: &mut [u8], next: &[u8], seen_twice: &mut [u8]) {
    widely(|| combine_plainly(how, so_far, next, seen_twice));
}

#[inline(always)]
fn combine_plainly(how: Combine, so_far: &mut [u8], next: &[u8], seen_twice: &mut [u8]) {
    let missing = next.len().min(so_far.len());
    let (head, tail) = so_far.split_at_mut(missing);
    let pairs = head.iter_mut().zip(next);
    match how {
        Combine::And => {
            pairs.for_each(|(a, b)| *a &= b);
            tail.fill(0);
        }
        Combine::Xor => pairs.for_each(|(a, b)| *a ^= b),
        Combine::One => {
            for ((a, b), twice) in pairs.zip(seen_twice) {
                *twice |= *a & b;
                *a |= b;
            }
        }
        // The first string comes in the end: so far there are the others.
        Combine::Or | Combine::Not | Combine::Diff | Combine::Diff1 | Combine::AndOr => {
            pairs.for_each(|(a, b)| *a |= b);
        }
    }
}

/// What is left to do when all strings are combined: of some ways the `first` string is applied
/// only here, to what the others have made.
pub fn finish(how: Combine, made: &mut [u8], first: &[u8], seen_twice: &[u8]) {
    widely(|| finish_plainly(how, made, first, seen_twice));
}

#[inline(always)]
fn finish_plainly(how: Combine, made: &mut [u8], first: &[u8], seen_twice: &[u8]) {
    let missing = first.len().min(made.len());
    let (head, tail) = made.split_at_mut(missing);
    let pairs = head.iter_mut().zip(first);
    match how {
        Combine::And | Combine::Or | Combine::Xor => {}
        Combine::Not => made.iter_mut().for_each(|byte| *byte = !*byte),
        Combine::Diff => {
            pairs.for_each(|(a, b)| *a = b & !*a);
            tail.fill(0);
        }
        Combine::Diff1 => pairs.for_each(|(a, b)| *a &= !b),
        Combine::AndOr => {
            pairs.for_each(|(a, b)| *a &= b);
            tail.fill(0);
        }
        Combine::One => made.iter_mut().zip(seen_twice).for_each(|(a, twice)| *a &= !twice),
    }
}

/// The bytes that an integer of up to 64 bits may touch.
pub const WINDOW: usize = 9;

/// The `width` bits from bit `at` of the window on, `at` below eight, as an unsigned integer.
pub fn get(window: &[u8; WINDOW], at: usize, width: u32) -> u64 {
    let shift = 72 - at as u32 - width;
    ((window_bits(window) >> shift) & mask(width)) as u64
}

/// Overwrites the `width` bits from bit `at` of the window on, `at` below eight.
pub fn set(window: &mut [u8; WINDOW], at: usize, width: u32, value: u64) {
    let shift = 72 - at as u32 - width;
    let kept = window_bits(window) & !(mask(width) << shift);
    let bits = kept | (u128::from(value) & mask(width)) << shift;
    window.copy_from_slice(&bits.to_be_bytes()[16 - WINDOW..]);
}

fn window_bits(window: &[u8; WINDOW]) -> u128 {
    window.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

fn mask(width: u32) -> u128 {
    (1 << width) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random_bytes(random: &mut fastrand::Rng, len: usize) -> Vec<u8> {
        (0..len).map(|_| random.u8(..)).collect()
    }

    fn bits(bytes: &[u8]) -> Vec<bool> {
        (0..bytes.len() * 8).map(|at| bit(bytes[at / 8], at)).collect()
    }

    #[test]
    fn counting_and_searching_agree_with_a_walk_over_the_bits() {
        let mut random = fastrand::Rng::with_seed(3);
        for len in (0..70).chain([65_535, 65_536, 65_537, 200_000]) {
            let mut bytes = random_bytes(&mut random, len);
            let set = bits(&bytes).iter().filter(|bit| **bit).count();
            assert_eq!(ones(&bytes), set as u64);
            for boring in [0, 0xff] {
                let behind = random.usize(..=len);
                bytes[..behind].fill(boring);
                for wanted in [true, false] {
                    let place = bits(&bytes).iter().position(|bit| *bit == wanted);
                    assert_eq!(first(&bytes, wanted), place);
                }
            }
        }
    }

    #[test]
    fn each_way_to_combine_agrees_with_counting_bit_by_bit() {
        use Combine::*;
        let mut random = fastrand::Rng::with_seed(4);
        for round in 0..400 {
            let how = [And, Or, Xor, Not, Diff, Diff1, AndOr, One][round % 8];
            let count = if how == Not { 1 } else { random.usize(2..6) };
            let mut bytes = || {
                let len = random.usize(..40);
                random_bytes(&mut random, len)
            };
            let all: Vec<Vec<u8>> = (0..count).map(|_| bytes()).collect();
            let len = all.iter().map(Vec::len).max().unwrap_or(0);
            let made = made_of(how, &all, len);
            for at in 0..len * 8 {
                let has = |one: &Vec<u8>| one.get(at / 8).is_some_and(|byte| bit(*byte, at));
                let others = all[1..].iter().filter(|one| has(one)).count();
                let first = has(&all[0]);
                let wanted = match how {
                    And => first && others == count - 1,
                    Or => first || others > 0,
                    Xor => (others + usize::from(first)) % 2 == 1,
                    Not => !first,
                    Diff => first && others == 0,
                    Diff1 => !first && others > 0,
                    AndOr => first && others > 0,
                    One => others + usize::from(first) == 1,
                };
                assert_eq!(bit(made[at / 8], at), wanted, "{how:?}");
            }
        }
    }

    fn made_of(how: Combine, all: &[Vec<u8>], len: usize) -> Vec<u8> {
        let begins = how.first_to_combine();
        let (mut made, mut twice) = (all[begins].clone(), vec![0; len]);
        made.resize(len, 0);
        for next in &all[begins + 1..] {
            combine(how, &mut made, next, &mut twice);
        }
        finish(how, &mut made, &all[0], &twice);
        made
    }

    #[test]
    fn integers_of_each_width_agree_with_their_bits() {
        let mut random = fastrand::Rng::with_seed(5);
        for width in 1..=64 {
            for at in 0..8 {
                let bytes = random_bytes(&mut random, WINDOW);
                let mut window: [u8; WINDOW] = bytes.clone().try_into().unwrap();
                let value = random.u64(..);
                let walked = |bytes: &[u8]| {
                    let wanted = &bits(bytes)[at..at + width as usize];
                    wanted.iter().fold(0, |value, bit| value << 1 | u64::from(*bit))
                };
                assert_eq!(get(&window, at, width), walked(&bytes));
                set(&mut window, at, width, value);
                assert_eq!(get(&window, at, width), value & mask(width) as u64);
                let untouched = (0..72).filter(|bit| !(at..at + width as usize).contains(bit));
                for bit in untouched {
                    assert_eq!(bits(&window)[bit], bits(&bytes)[bit]);
                }
            }
        }
    }
}
