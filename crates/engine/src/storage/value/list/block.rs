//! One allocation of bytes behind a thin pointer, its size in the enum's tag.
//!
//! A list of ten short elements must not spend more bytes on the place of its elements than on the
//! elements, so there is no capacity and no length beside the pointer: the sizes are the
//! allocator's classes, the tag names one of them, and the seven bytes between tag and pointer
//! describe the content.
//!
//! ```text
//!  0     1       3     5       7      8               16
//! +-----+-------+-----+-------+------+----------------+
//! | tag | start | end | count | form | pointer        |
//! +-----+-------+-----+-------+------+----------------+
//! ```

use crate::storage::memory::size_class;
use bytes::Bytes;

/// The largest block, in bytes.
pub const BLOCK_MAX: usize = 8192;

/// How the elements of a block lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Form {
    /// All have the same length, and nothing between them.
    Even,
    /// Each stands between its length and its length again.
    Mixed,
}

/// What is known about the content of a block.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed)]
pub struct Meta {
    /// Where the first element begins.
    pub start: u16,
    /// Where the last element ends.
    pub end: u16,
    /// The number of elements.
    pub count: u16,
    /// How they lie.
    pub form: Form,
}

impl Meta {
    const EMPTY: Meta = Meta { start: 0, end: 0, count: 0, form: Form::Even };

    /// Of `count` elements that take `bytes` bytes, all as many, from the beginning on.
    pub fn even(count: usize, bytes: usize) -> Meta {
        Meta { start: 0, end: bytes as u16, count: count as u16, form: Form::Even }
    }

    /// The same as a number: what an entry keeps of the elements in its tail.
    #[inline]
    pub fn to_word(self) -> u64 {
        let Meta { start, end, count, form } = self;
        u64::from(start) | u64::from(end) << 16 | u64::from(count) << 32 | (form as u64) << 48
    }

    /// What [`Meta::to_word`] was made of.
    #[inline]
    pub fn from_word(word: u64) -> Meta {
        let form = if word >> 48 == Form::Even as u64 { Form::Even } else { Form::Mixed };
        Meta { start: word as u16, end: (word >> 16) as u16, count: (word >> 32) as u16, form }
    }
}

fn zeroed<const N: usize>() -> Box<[u8; N]> {
    vec![0; N].into_boxed_slice().try_into().expect("it was made as long as that")
}

macro_rules! blocks {
    ($($name:ident $size:literal)*) => {
        /// Bytes and what is known about them.
        #[derive(Clone, Debug)]
        pub enum Block {
            $(
                #[doc = concat!(stringify!($size), " bytes.")]
                $name(Meta, Box<[u8; $size]>),
            )*
            /// One element too large for a block, which replies may keep.
            Huge(Meta, Box<Bytes>),
        }

        impl Block {
            /// An empty block of at least `need` bytes.
            ///
            /// # Panics
            /// When that is more than [`BLOCK_MAX`].
            pub fn with_capacity(need: usize) -> Block {
                $(if need <= $size {
                    return Block::$name(Meta::EMPTY, zeroed());
                })*
                panic!("no block is as large as {need} bytes");
            }

            /// What is known about the content.
            #[inline]
            pub fn meta(&self) -> Meta {
                match self {
                    $(Block::$name(meta, _) => *meta,)*
                    Block::Huge(meta, _) => *meta,
                }
            }

            /// The same, to be changed.
            #[inline]
            pub fn meta_mut(&mut self) -> &mut Meta {
                match self {
                    $(Block::$name(meta, _) => meta,)*
                    Block::Huge(meta, _) => meta,
                }
            }

            /// All bytes.
            #[inline]
            pub fn bytes(&self) -> &[u8] {
                match self {
                    $(Block::$name(_, bytes) => &bytes[..],)*
                    Block::Huge(_, bytes) => bytes,
                }
            }

            /// All bytes, to be changed; none of a huge element.
            #[inline]
            pub fn bytes_mut(&mut self) -> &mut [u8] {
                match self {
                    $(Block::$name(_, bytes) => &mut bytes[..],)*
                    Block::Huge(..) => &mut [],
                }
            }
        }

        const SIZES: &[usize] = &[$($size),*];
    };
}

blocks! {
    B16 16 B24 24 B32 32 B40 40 B48 48 B56 56 B64 64 B80 80 B96 96 B112 112 B128 128
    B160 160 B192 192 B224 224 B256 256 B320 320 B384 384 B448 448 B512 512
    B640 640 B768 768 B896 896 B1024 1024 B1280 1280 B1536 1536 B1792 1792 B2048 2048
    B2560 2560 B3072 3072 B3584 3584 B4096 4096 B5120 5120 B6144 6144 B7168 7168 B8192 8192
}

const _: () = assert!(SIZES[SIZES.len() - 1] == BLOCK_MAX);
const _: () = assert!(size_of::<Block>() == 16);

impl Block {
    /// One element as a block of its own.
    pub fn huge(bytes: Bytes) -> Block {
        Block::Huge(Meta { count: 1, ..Meta::EMPTY }, Box::new(bytes))
    }

    /// The bytes that the block takes from the allocator.
    #[inline]
    pub fn allocated(&self) -> usize {
        match self {
            Block::Huge(_, bytes) => size_of::<Bytes>() + size_class(bytes.len()),
            _ => self.bytes().len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_a_class_of_the_allocator() {
        for &size in SIZES {
            assert_eq!(size_class(size), size);
            assert_eq!(Block::with_capacity(size).bytes().len(), size);
        }
    }
}
