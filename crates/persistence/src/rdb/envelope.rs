//! Files that are compressed as a whole, as Valkey 9.2 writes them if it is set so (`rdbcompression
//! lz4`).
//!
//! ```text
//! "VCS" | 1, the version | 1 LZ4 or 2 Zstandard | 0 | 1, an RDB file | one frame of that codec
//! ```
//!
//! What is in the frame is a file like all others, but its checksum is zero: the frame has its own.
//! How long it is stands nowhere, and an [`Input`] has to know: so the frame is unpacked twice, the
//! first time to count, and to see that it is whole.

use super::input::Input;
use crate::fault::{Fault, ReadError};
use crate::storage::Storage;
use lz4_flex::frame::FrameDecoder;
use ruzstd::decoding::StreamingDecoder;
use std::io::{self, Cursor, Read};

/// How such files begin.
pub const MAGIC: &[u8; 3] = b"VCS";
/// The length of what stands before the frame.
const HEAD: usize = 7;

/// What a frame is compressed with.
#[derive(Clone, Copy)]
enum Codec {
    Lz4,
    Zstd,
}

/// Opens a file as an input, unpacked if it is compressed as a whole.
///
/// # Errors
/// When the storage fails, or what is compressed is damaged or of an unknown kind.
pub fn open(storage: &dyn Storage, name: &str) -> Result<Input<'static>, ReadError> {
    let (mut source, len) = storage.open(name)?;
    let head = take_head(&mut source)?;
    if !head.starts_with(MAGIC) {
        return Ok(Input::new(name, Box::new(Cursor::new(head).chain(source)), len));
    }
    let fault = |offset, what| Fault { file: name.to_owned(), offset, what };
    let codec = codec(&head).map_err(|(offset, what)| fault(offset, what.to_owned()))?;
    let mut counted = Counted { source, at: HEAD as u64, failed: None };
    let unpacked = codec.count(&mut counted);
    if let Some(error) = counted.failed {
        return Err(error.into());
    }
    let unpacked = unpacked
        .map_err(|why| fault(counted.at, format!("what is compressed here is damaged: {why}")))?;
    if counted.at < len {
        return Err(fault(counted.at, "there are bytes behind its end".to_owned()).into());
    }
    let (mut source, _) = storage.open(name)?;
    take_head(&mut source)?;
    Ok(Input::new(&format!("{name}, unpacked"), codec.unpack(source)?, unpacked))
}

fn take_head(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    source.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The codec that an envelope says, or in which byte the fault is, and what it is.
fn codec(head: &[u8]) -> Result<Codec, (u64, &'static str)> {
    let &[_, _, _, version, codec, reserved, kind] = head else {
        return Err((head.len() as u64, "it ends too early"));
    };
    if version != 1 {
        return Err((3, "a compressed file of an unknown version"));
    }
    if reserved != 0 {
        return Err((5, "a compressed file with an unknown mark"));
    }
    if kind != 1 {
        return Err((6, "what is compressed here is not an RDB file"));
    }
    match codec {
        1 => Ok(Codec::Lz4),
        2 => Ok(Codec::Zstd),
        _ => Err((4, "a file compressed with an unknown codec")),
    }
}

/// What follows a file while it is unpacked to be counted. LZ4's decoder takes the end of a file
/// for the end of its frame; these bytes begin no block and no frame.
const BEYOND: [u8; 16] = [0xff; 16];

impl Codec {
    /// Unpacks a whole frame; returns how many bytes it holds, or what is wrong with it.
    fn count(self, source: &mut Counted) -> Result<u64, String> {
        match self {
            Codec::Lz4 => {
                let mut frame = FrameDecoder::new(source.chain(&BEYOND[..]));
                io::copy(&mut frame, &mut io::sink()).map_err(|error| error.to_string())
            }
            Codec::Zstd => {
                let frame = StreamingDecoder::new(source);
                let mut frame = frame.map_err(|error| error.to_string())?;
                let len = io::copy(&mut frame, &mut io::sink());
                let len = len.map_err(|error| error.to_string())?;
                let decoder = &frame.decoder;
                match decoder.get_checksum_from_data() {
                    sum @ Some(_) if sum != decoder.get_calculated_checksum() => {
                        Err("its checksum is not right".to_owned())
                    }
                    _ => Ok(len),
                }
            }
        }
    }

    /// What unpacks a frame as it is read.
    fn unpack(self, source: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Codec::Lz4 => Box::new(FrameDecoder::new(source)),
            Codec::Zstd => Box::new(StreamingDecoder::new(source).map_err(io::Error::other)?),
        })
    }
}

/// A source that is counted, and whose own failures are told from those of what is in it.
struct Counted {
    source: Box<dyn Read + Send>,
    /// Bytes read, with the head.
    at: u64,
    failed: Option<io::Error>,
}

impl Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.source.read(bytes) {
            Ok(count) => {
                self.at += count as u64;
                Ok(count)
            }
            Err(error) => {
                self.failed = Some(io::Error::new(error.kind(), error.to_string()));
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::memory::Memory;

    fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let storage = Memory::default();
        storage.put("file", bytes);
        let mut input = open(&storage, "file").map_err(|error| error.to_string())?;
        let len = input.len();
        input.bytes(len).map_err(|error| error.to_string())
    }

    fn packed(codec: u8, text: &[u8]) -> Vec<u8> {
        let frame = if codec == 1 {
            let info = lz4_flex::frame::FrameInfo::new()
                .block_mode(lz4_flex::frame::BlockMode::Linked)
                .block_checksums(true)
                .content_checksum(true);
            let mut frame = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            io::Write::write_all(&mut frame, text).unwrap();
            frame.finish().unwrap()
        } else {
            ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
        };
        [&[b'V', b'C', b'S', 1, codec, 0, 1][..], &frame].concat()
    }

    /// Some blocks' worth of what can be compressed.
    fn text(len: u32) -> Vec<u8> {
        (0..len)
            .flat_map(|n| ((n / 7).wrapping_mul(2_654_435_761) % 251).to_string().into_bytes())
            .collect()
    }

    #[test]
    fn what_is_packed_comes_out() {
        for codec in [1, 2] {
            for len in [0, 1, 100, 200_000] {
                let text = text(len);
                assert!(unpacked(&packed(codec, &text)) == Ok(text), "{codec}, {len}");
            }
        }
        // What is not packed is what it is.
        for plain in [&b""[..], b"VC", b"REDIS0010", b"VALKEY080 and more"] {
            assert_eq!(unpacked(plain), Ok(plain.to_vec()));
        }
    }

    #[test]
    fn no_cut_and_no_flipped_bit_goes_unnoticed() {
        for codec in [1, 2] {
            let whole = packed(codec, &text(300));
            for len in 3..whole.len() {
                assert!(unpacked(&whole[..len]).is_err(), "{codec}: cut to {len}");
            }
            assert!(unpacked(&[&whole[..], b"x"].concat()).is_err(), "{codec}");
            let text = text(300);
            let mut flipped = whole.clone();
            for bit in 3 * 8..whole.len() * 8 {
                flipped[bit / 8] ^= 1 << (bit % 8);
                // Some bits of a frame's head say nothing of what is in it.
                let found = unpacked(&flipped);
                assert!(found.is_err() || found == Ok(text.clone()), "{codec}: bit {bit}");
                flipped[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        let whole = packed(1, b"text");
        for (at, byte, what) in [
            (3, 2, "file, at byte 3: a compressed file of an unknown version"),
            (4, 0, "file, at byte 4: a file compressed with an unknown codec"),
            (4, 3, "file, at byte 4: a file compressed with an unknown codec"),
            (4, 2, "file, at byte 11: what is compressed here is damaged: "),
            (5, 1, "file, at byte 5: a compressed file with an unknown mark"),
            (6, 0, "file, at byte 6: what is compressed here is not an RDB file"),
            (6, 2, "file, at byte 6: what is compressed here is not an RDB file"),
        ] {
            let mut other = whole.clone();
            other[at] = byte;
            let found = unpacked(&other).expect_err(what);
            assert!(found.starts_with(what), "{found}");
        }
        assert_eq!(unpacked(b"VCS\x01"), Err("file, at byte 4: it ends too early".to_owned()));
    }
}
