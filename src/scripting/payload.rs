//! What FUNCTION DUMP gives and FUNCTION RESTORE takes: library texts in Redis's RDB format.
//!
//! ```text
//! F5 length text ... | version, two bytes, low first | CRC-64 (Jones), eight bytes, low first
//! ```
//!
//! Texts are written as they are and read compressed (LZF), too.

use redstart_engine::Error;

/// A library of functions follows.
const FUNCTION: u8 = 0xf5;
/// The version that is written.
const VERSION: u16 = 10;
/// The newest version that is read.
const VERSION_MAX: u16 = 12;
/// A longer text is refused before anything is allocated for it, in bytes.
const TEXT_MAX: usize = 512 << 20;

/// The texts as a payload.
pub fn write<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for text in texts {
        out.push(FUNCTION);
        match text.len() {
            len @ ..=63 => out.push(len as u8),
            len @ ..=16383 => out.extend_from_slice(&(0x4000 | len as u16).to_be_bytes()),
            len => {
                out.push(0x80);
                out.extend_from_slice(&(len as u32).to_be_bytes());
            }
        }
        out.extend_from_slice(text);
    }
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&crc64(&out).to_le_bytes());
    out
}

/// The texts in a payload.
///
/// # Errors
/// When it is damaged, or from a newer version.
pub fn read(payload: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let wrong = Error::text("ERR DUMP payload version or checksum are wrong");
    let Some((rest, sum)) = payload.split_last_chunk::<8>() else { return Err(wrong) };
    let Some((mut body, version)) = rest.split_last_chunk::<2>() else { return Err(wrong) };
    if u16::from_le_bytes(*version) > VERSION_MAX || u64::from_le_bytes(*sum) != crc64(rest) {
        return Err(wrong);
    }
    let mut texts = Vec::new();
    while let Some((&kind, after)) = body.split_first() {
        if kind != FUNCTION {
            return Err(Error::text("ERR given type is not a function"));
        }
        body = after;
        let text = string(&mut body).ok_or(Error::text("ERR Failed loading library code"))?;
        texts.push(text);
    }
    Ok(texts)
}

/// A length and whether it is a special encoding instead.
fn length(body: &mut &[u8]) -> Option<(usize, bool)> {
    let (&first, rest) = body.split_first()?;
    *body = rest;
    let mut take = |count: usize| {
        let (taken, rest) = body.split_at_checked(count)?;
        *body = rest;
        Some(taken.iter().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte)))
    };
    let low = u64::from(first & 0x3f);
    let (value, special) = match first >> 6 {
        0 => (low, false),
        1 => (low << 8 | take(1)?, false),
        2 if first == 0x81 => (take(8)?, false),
        2 => (take(4)?, false),
        _ => (low, true),
    };
    Some((usize::try_from(value).ok()?, special))
}

fn string(body: &mut &[u8]) -> Option<Vec<u8>> {
    const LZF: usize = 3;
    let (len, special) = length(body)?;
    if !special {
        let (text, rest) = body.split_at_checked(len)?;
        *body = rest;
        return Some(text.to_vec());
    }
    if len != LZF {
        return None;
    }
    let (packed, _) = length(body)?;
    let (len, _) = length(body)?;
    let (input, rest) = body.split_at_checked(packed)?;
    *body = rest;
    (len <= TEXT_MAX).then(|| unpack(input, len)).flatten()
}

/// Undoes LZF: runs of literal bytes, and references to what is already there.
fn unpack(input: &[u8], len: usize) -> Option<Vec<u8>> {
    let (mut out, mut input) = (Vec::new(), input.iter().copied());
    while let Some(control) = input.next() {
        let control = usize::from(control);
        if control < 32 {
            for _ in 0..=control {
                out.push(input.next()?);
            }
        } else {
            let mut count = control >> 5;
            if count == 7 {
                count += usize::from(input.next()?);
            }
            let back = (control & 0x1f) << 8 | usize::from(input.next()?);
            let from = out.len().checked_sub(back + 1)?;
            for at in from..from + count + 2 {
                out.push(out[at]);
            }
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// The CRC-64 of Redis: the Jones polynomial, reflected, from zero.
fn crc64(bytes: &[u8]) -> u64 {
    const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
    bytes.iter().fold(0, |sum, &byte| {
        (0..8).fold(sum ^ u64::from(byte), |sum, _| {
            if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for len in [1, 63, 64, 16383, 16384] {
            let text = vec![b'x'; len];
            assert_eq!(read(&write([&text[..]].into_iter())).ok(), Some(vec![text]));
        }
        assert!(read(b"abc").is_err());
    }

    #[test]
    fn the_checksum_is_that_of_redis() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        let empty = [0x0a, 0x00, 0x5d, 0x9b, 0x5c, 0x40, 0x0f, 0x7f, 0xa2, 0xda];
        assert_eq!(write(std::iter::empty()), empty);
    }
}
