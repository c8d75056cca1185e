//! Sections packed by LZ4, where that pays.
//!
//! ```text
//! payload   length before u32 | LZ4 block
//! ```
//!
//! Each section is packed by itself, by the thread that filled it: sections stay units that are
//! checked, and unpacked by several threads. The checksum covers what lies in the file. Data that
//! does not shrink is not tried again and again: after a section that saved nothing some are left
//! as they are, the more the longer that goes on.

use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size,
};

/// Whether sections are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// They lie in the file as they are.
    Off,
    /// By LZ4, where that pays.
    Lz4,
}

/// Bytes before the block.
const HEAD: usize = 4;
/// A shorter section is not worth it, in bytes.
const MIN: usize = 64;
/// A longer one is not packed: it would hold up the thread, and take memory.
const MAX: usize = 4 << 20;
/// A block's byte stands for so many bytes at most.
const RATIO_MAX: usize = 255;
/// Sections that are left as they are after one that saved nothing, at most.
const SKIP_MAX: u32 = 16;

/// Packs sections, one after the other.
pub struct Packer {
    packing: Packing,
    table: CompressTable,
    /// Memory for the next packed section.
    spare: Vec<u8>,
    /// Sections to be left as they are, and how many it were the last time.
    skip: u32,
    skipped: u32,
}

impl Packer {
    /// One that has its memory, for sections of about this many bytes.
    pub fn new(packing: Packing, bytes: usize) -> Packer {
        let mut spare = match packing {
            Packing::Off => Vec::new(),
            // Touched, so that the system has given all of it.
            Packing::Lz4 => vec![1; get_maximum_output_size(bytes)],
        };
        spare.clear();
        Packer { packing, table: CompressTable::large(), spare, skip: 0, skipped: 0 }
    }

    /// It for another file, packed or not, with the memory that it has.
    pub(super) fn for_packing(mut self, packing: Packing) -> Packer {
        (self.packing, self.skip, self.skipped) = (packing, 0, 0);
        self
    }

    /// It with no more memory than for a section of so many bytes.
    pub(super) fn shrunk(mut self, bytes: usize) -> Packer {
        self.spare.clear();
        self.spare.shrink_to(get_maximum_output_size(bytes));
        self
    }

    /// Packs what lies behind the first `from` bytes of a section, if that pays; returns whether it
    /// did.
    pub fn pack(&mut self, section: &mut Vec<u8>, from: usize) -> bool {
        let len = section.len() - from;
        if self.packing == Packing::Off || !(MIN..=MAX).contains(&len) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let (start, room) = (from + HEAD, get_maximum_output_size(len));
        self.spare.clear();
        self.spare.resize(start + room, 0);
        self.spare[..from].copy_from_slice(&section[..from]);
        self.spare[from..start].copy_from_slice(&(len as u32).to_le_bytes());
        let (packed, into) = (&section[from..], &mut self.spare[start..]);
        let written = compress_into_with_table(packed, into, &mut self.table);
        // An eighth is worth the time that it takes to unpack it.
        match written.map(|written| written + HEAD) {
            Ok(total) if total < len - len / 8 => {
                self.spare.truncate(from + total);
                std::mem::swap(section, &mut self.spare);
                self.skipped = 0;
                true
            }
            _ => {
                self.skipped = (2 * self.skipped).clamp(1, SKIP_MAX);
                self.skip = self.skipped;
                false
            }
        }
    }
}

/// What a payload was before it was packed. It may come from anywhere: no more memory is taken
/// than its bytes can stand for.
///
/// # Errors
/// What is wrong with it.
pub fn unpack(payload: &[u8]) -> Result<Vec<u8>, String> {
    let Some((head, block)) = payload.split_first_chunk::<HEAD>() else {
        return Err("a packed section without its length".to_owned());
    };
    let len = u32::from_le_bytes(*head) as usize;
    if len > block.len().saturating_mul(RATIO_MAX) {
        return Err("a packed section says that it is longer than it can be".to_owned());
    }
    let mut bytes = vec![0; len];
    match decompress_into(block, &mut bytes) {
        Ok(written) if written == len => Ok(bytes),
        Ok(_) => Err("a packed section is shorter than it says".to_owned()),
        Err(error) => Err(format!("a packed section cannot be unpacked: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut section = [b"frame", bytes].concat();
        let did = Packer::new(Packing::Lz4, 100).pack(&mut section, 5);
        assert!(section.starts_with(b"frame"));
        assert!(did || section[5..] == *bytes, "it is left as it was");
        did.then(|| section.split_off(5))
    }

    #[test]
    fn what_is_packed_comes_back() {
        let mut random = fastrand::Rng::with_seed(7);
        for len in [MIN, 1000, 70_000, 1 << 20, MAX] {
            for letters in [1, 2, 7, 26] {
                let bytes: Vec<u8> = (0..len).map(|_| b'a' + random.u8(..letters)).collect();
                if let Some(packed) = packed(&bytes) {
                    assert!(packed.len() < len - len / 8);
                    assert_eq!(unpack(&packed), Ok(bytes), "{len} of {letters} letters");
                } else {
                    assert!(letters > 2 || len == MIN, "{len} bytes of {letters} letters");
                }
            }
        }
        assert!(packed(&[b'a'; MIN - 1]).is_none() && packed(&vec![b'a'; MAX + 1]).is_none());
    }

    #[test]
    fn what_does_not_shrink_is_tried_less_and_less() {
        let mut random = fastrand::Rng::with_seed(8);
        let noise: Vec<u8> = (0..4000).map(|_| random.u8(..)).collect();
        let mut packer = Packer::new(Packing::Lz4, 4000);
        for skipped in [1, 2, 4, 8, 16, 16] {
            assert!(!packer.pack(&mut noise.clone(), 0));
            assert_eq!(packer.skip, skipped);
            for _ in 0..skipped {
                assert!(!packer.pack(&mut vec![b'a'; 4000], 0));
            }
        }
        assert!(packer.pack(&mut vec![b'a'; 4000], 0));
        assert!(!packer.pack(&mut noise.clone(), 0));
        assert_eq!(packer.skip, 1);
        assert!(!Packer::new(Packing::Off, 4000).pack(&mut vec![b'a'; 4000], 0));
    }

    #[test]
    fn what_was_not_packed_is_refused() {
        let whole = packed(&[b'a'; 5000]).expect("it shrinks");
        let with_len = |len: u32| [&len.to_le_bytes()[..], &whole[HEAD..]].concat();
        for (bytes, what) in [
            (whole[..HEAD - 1].to_vec(), "without its length"),
            (with_len(u32::MAX), "longer than it can be"),
            (with_len(5001), "shorter than it says"),
            (with_len(4999), "cannot be unpacked"),
            (whole[..whole.len() - 3].to_vec(), "a packed section"),
        ] {
            let error = unpack(&bytes).expect_err(what);
            assert!(error.contains(what), "{error}");
        }
        let mut random = fastrand::Rng::with_seed(9);
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            let at = random.usize(HEAD..bytes.len());
            bytes[at] = random.u8(..);
            // Whatever comes out, it has the length that it says.
            assert!(
                unpack(&bytes).is_ok_and(|bytes| bytes.len() == 5000) || unpack(&bytes).is_err()
            );
        }
    }
}
