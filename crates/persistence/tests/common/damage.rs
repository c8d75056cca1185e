//! Bytes damaged at random, so that most of what is in them still makes sense.
#![allow(dead_code, reason = "each test binary uses a part")]

use super::shown;
use redstart_persistence::rdb::{Compression, Version, payload};
use redstart_persistence::record::Builder;

/// Bytes and numbers at edges of what encodings tell apart.
const EDGES: [u8; 16] =
    [0, 1, 2, 0x0b, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xc3, 0xe0, 0xf0, 0xfe, 0xff];

/// Damages bytes in a few places. What is put in may be a piece of `other`.
pub fn damage(bytes: &mut Vec<u8>, other: &[u8], random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..=4) {
        if bytes.is_empty() {
            return bytes.push(random.u8(..));
        }
        let at = random.usize(..bytes.len());
        match random.u32(..9) {
            0 => bytes[at] ^= 1 << random.u32(..8),
            1 => bytes[at] = random.u8(..),
            2 => bytes[at] = EDGES[random.usize(..EDGES.len())],
            3 => bytes[at] = bytes[at].wrapping_add(if random.bool() { 1 } else { 255 }),
            4 => drop(bytes.remove(at)),
            5 => bytes.insert(at, EDGES[random.usize(..EDGES.len())]),
            6 => bytes.truncate(at),
            7 => {
                let piece = bytes[at..(at + random.usize(..20)).min(bytes.len())].to_vec();
                let to = random.usize(..=bytes.len());
                drop(bytes.splice(to..to, piece));
            }
            _ if !other.is_empty() => {
                let from = random.usize(..other.len());
                let piece = &other[from..(from + random.usize(..20)).min(other.len())];
                let end = (at + random.usize(..20)).min(bytes.len());
                drop(bytes.splice(at..end, piece.iter().copied()));
            }
            _ => {}
        }
    }
}

/// Whether a payload is a value; one that is comes back from its own payload, in every version.
pub fn again(bytes: &[u8], builder: Builder<'_>) -> bool {
    let Ok(value) = payload::restore(bytes, builder) else { return false };
    let entry = value.into_entry(b"key", 0);
    for version in Version::WRITTEN {
        let dumped = payload::dump(&entry, builder.now, version, Compression::Lzf);
        let value = payload::restore(&dumped, builder).expect("it was dumped here");
        let again = shown(&value.into_entry(b"key", 0), builder.now);
        // The older versions know no deadlines of fields.
        if version >= Version::TIMED {
            assert_eq!(again, shown(&entry, builder.now));
        }
    }
    true
}
