//! Integers in order, each in as many bytes as the widest of them needs: the form of a set while
//! all of its members are integers, and there are not many.
//!
//! ```text
//! width 2    [fe ff][03 00][e8 03]         -2, 3, 1000: little endian, ascending
//! width 4    ...                           once one does not fit in 16 bits; 8 beyond 32
//! ```
//!
//! A member is found by halving. The width never shrinks, as Redis's does not.

use crate::storage::memory::size_class;

/// The bytes that an integer needs: 2, 4 or 8.
fn width_of(n: i64) -> usize {
    if i16::try_from(n).is_ok() {
        2
    } else if i32::try_from(n).is_ok() {
        4
    } else {
        8
    }
}

/// The integer in `bytes`, of which there are 2, 4 or 8.
#[inline]
fn decode(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => i16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => unreachable!("an integer has 2, 4 or 8 bytes"),
    }
}

/// Integers in order, wherever they are.
#[derive(Clone, Copy, Debug)]
pub struct IntegersRef<'a> {
    bytes: &'a [u8],
    width: usize,
    /// The bytes taken beside the entry's own.
    pub(super) allocated: usize,
}

impl<'a> IntegersRef<'a> {
    /// Those in the tail of an entry: `count` of them are all of `bytes`.
    #[inline]
    pub fn in_tail(bytes: &'a [u8], count: usize) -> IntegersRef<'a> {
        let width = bytes.len().checked_div(count).unwrap_or(2);
        IntegersRef { bytes, width, allocated: 0 }
    }

    /// How many there are.
    #[inline]
    pub fn len(self) -> usize {
        self.bytes.len() / self.width
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// The one at `index`, which is below the length.
    #[inline]
    pub fn get(self, index: usize) -> i64 {
        decode(&self.bytes[index * self.width..(index + 1) * self.width])
    }

    /// Where an integer is, or where it would be.
    #[inline]
    pub fn find(self, n: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.get(middle).cmp(&n) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// All of them in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = i64> + DoubleEndedIterator + use<'a> {
        self.bytes.chunks_exact(self.width).map(decode)
    }

    /// How many bytes each takes.
    pub fn width(self) -> usize {
        self.width
    }

    /// The bytes that they are.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// A copy.
    pub fn to_integers(self) -> Integers {
        Integers { bytes: self.bytes.to_vec(), width: self.width }
    }
}

/// Integers in order.
#[derive(Clone, Debug)]
pub struct Integers {
    bytes: Vec<u8>,
    width: usize,
}

impl Default for Integers {
    fn default() -> Integers {
        Integers { bytes: Vec::new(), width: 2 }
    }
}

impl Integers {
    /// As they are read.
    #[inline]
    pub fn view(&self) -> IntegersRef<'_> {
        let allocated = size_of::<Integers>() + size_class(self.bytes.capacity());
        IntegersRef { bytes: &self.bytes, width: self.width, allocated }
    }

    /// Adds an integer. Returns whether it is new.
    pub fn insert(&mut self, n: i64) -> bool {
        let Err(at) = self.view().find(n) else { return false };
        if width_of(n) > self.width {
            self.widen(width_of(n));
        }
        let (place, width) = (at * self.width, self.width);
        let needed = self.bytes.len() + width;
        if needed > self.bytes.capacity() {
            let room = size_class(needed + needed / 8);
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.splice(place..place, n.to_le_bytes()[..width].iter().copied());
        true
    }

    fn widen(&mut self, width: usize) {
        let mut bytes = Vec::with_capacity(size_class((self.view().len() + 1) * width));
        for n in self.view().iter() {
            bytes.extend_from_slice(&n.to_le_bytes()[..width]);
        }
        (self.bytes, self.width) = (bytes, width);
    }

    /// Removes the integer at `index`, which is below the length.
    pub fn remove(&mut self, index: usize) {
        self.bytes.drain(index * self.width..(index + 1) * self.width);
        let fitting = size_class(self.bytes.len() + self.bytes.len() / 4);
        if fitting < self.bytes.capacity() {
            self.bytes.shrink_to(fitting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn integers_agree_with_a_tree_of_them() {
        let mut random = fastrand::Rng::with_seed(5);
        for bits in [8, 20, 40, 63] {
            let (mut integers, mut model) = (Integers::default(), BTreeSet::new());
            for _ in 0..2000 {
                let n = random.i64(-(1 << (bits - 1))..1 << (bits - 1)) >> random.u32(0..bits);
                if random.u32(0..5) < 3 {
                    assert_eq!(integers.insert(n), model.insert(n));
                } else if let Ok(at) = integers.view().find(n) {
                    integers.remove(at);
                    assert!(model.remove(&n));
                } else {
                    assert!(!model.contains(&n));
                }
                assert!(integers.view().iter().eq(model.iter().copied()));
                assert_eq!(integers.view().len(), model.len());
            }
        }
    }

    #[test]
    fn a_width_holds_its_extremes() {
        for (n, width) in [
            (i64::from(i16::MIN), 2),
            (i64::from(i16::MAX), 2),
            (i64::from(i16::MAX) + 1, 4),
            (i64::from(i32::MIN), 4),
            (i64::from(i32::MAX) + 1, 8),
            (i64::MIN, 8),
        ] {
            let mut integers = Integers::default();
            assert!(integers.insert(7) && integers.insert(n) && !integers.insert(n));
            assert_eq!(integers.view().width(), width, "{n}");
            assert!(integers.view().iter().eq([n.min(7), n.max(7)]));
        }
    }
}
