//! The requests with bitmaps and HyperLogLogs: a bitmap of 100 million bits, two of 64 MB, and a
//! hundred dense HyperLogLogs.

use super::strip::{Replies, Strip, key, space};

/// Bits of the bitmap whose bits are set and read.
const BITS: usize = 100_000_000;
/// Bytes of each large bitmap, and of the pieces that it is made of.
const LARGE_BYTES: usize = 64 << 20;
const PIECE_BYTES: usize = 1 << 20;
/// The pieces of both.
pub const PIECES: usize = 2 * LARGE_BYTES / PIECE_BYTES;
/// HyperLogLogs that are filled, and merged.
const SKETCHES: usize = 100;
/// The indices of the elements that are added beside those of the fill.
const OTHERS: usize = 1 << 40;

/// What one request does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Sets a bit; the first of them that is counted is the last of the bitmap.
    Make,
    Set,
    Get,
    /// Makes a piece of one of the large bitmaps.
    MakeLarge,
    Count,
    And,
    /// Adds an element to one of the HyperLogLogs.
    MakeSketch,
    AddElement,
    CountElements,
    Merge,
}

/// Appends a request for each of `indices`.
pub fn render(action: Action, indices: &[usize], strip: &mut Strip) {
    strip.replies = Replies::Kind(if action == Action::Merge { b'+' } else { b':' });
    let bits = key(space::BITMAPS, 0);
    let [one, other, both] = [1, 2, 3].map(|at| key(space::BITMAPS, at));
    let sketches: Vec<_> = (0..SKETCHES).map(|at| key(space::SKETCHES, at)).collect();
    let merged = key(space::SKETCHES, SKETCHES);
    for &index in indices {
        // Each bit is set by one request and cleared by another: most change something.
        let half = indices.len().div_ceil(2);
        let on: &[u8] = if index < half { b"1" } else { b"0" };
        let bit = match index {
            0 => BITS - 1,
            _ => ((index % half).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % BITS,
        };
        let bit = bit.to_string();
        let sketch = &sketches[index % SKETCHES];
        let mut push = |args: &[&[u8]]| strip.push(args, b"");
        match action {
            Action::Make => push(&[b"SETBIT", &bits, bit.as_bytes(), b"1"]),
            Action::Set => push(&[b"SETBIT", &bits, bit.as_bytes(), on]),
            Action::Get => push(&[b"GETBIT", &bits, bit.as_bytes()]),
            Action::MakeLarge => {
                let (half, at) = (index % 2, index / 2 * PIECE_BYTES);
                let target = if half == 0 { &one } else { &other };
                let piece: Vec<u8> = (0..PIECE_BYTES / 16)
                    .flat_map(|n| key(space::BITMAPS, index << 20 | n))
                    .collect();
                push(&[b"SETRANGE", target, at.to_string().as_bytes(), &piece]);
            }
            Action::Count => push(&[b"BITCOUNT", if index % 2 == 0 { &one } else { &other }]),
            Action::And => push(&[b"BITOP", b"AND", &both, &one, &other]),
            Action::MakeSketch => push(&[b"PFADD", sketch, &key(space::MEMBERS, index)]),
            Action::AddElement => push(&[b"PFADD", sketch, &key(space::MEMBERS, index + OTHERS)]),
            Action::CountElements => push(&[b"PFCOUNT", sketch]),
            Action::Merge => {
                let mut args: Vec<&[u8]> = vec![b"PFMERGE", &merged];
                args.extend(sketches.iter().map(|key| &key[..]));
                push(&args);
            }
        }
    }
}
