//! Values as memcached's clients read them.

use crate::reply::Reply;
use bytes::Bytes;

/// More than all that stands before a value's bytes but its key: two words, three numbers, and the
/// line ends.
const HEAD_BYTES: usize = 64;

/// A value of a classic command: `VALUE key flags length [version]`, and its bytes.
#[inline]
pub fn value(reply: &mut Reply, key: &[u8], flags: u32, version: Option<u64>, bytes: &[u8]) {
    let buf = reply.buf_mut();
    buf.reserve(key.len() + bytes.len() + HEAD_BYTES);
    head(buf, key, flags, bytes.len(), version);
    buf.extend_from_slice(bytes);
    buf.extend_from_slice(b"\r\n");
}

/// The same of a value that lies in pieces.
pub fn value_pieces(
    reply: &mut Reply,
    key: &[u8],
    flags: u32,
    version: Option<u64>,
    len: usize,
    pieces: impl Iterator<Item = Bytes>,
) {
    head(reply.buf_mut(), key, flags, len, version);
    reply.raw_pieces(len, pieces);
    reply.raw(b"\r\n");
}

#[inline]
fn head(buf: &mut Vec<u8>, key: &[u8], flags: u32, len: usize, version: Option<u64>) {
    buf.extend_from_slice(b"VALUE ");
    buf.extend_from_slice(key);
    if flags == 0 {
        buf.extend_from_slice(b" 0 ");
    } else {
        buf.push(b' ');
        number(buf, flags.into());
        buf.push(b' ');
    }
    number(buf, len as u64);
    if let Some(version) = version {
        buf.push(b' ');
        number(buf, version);
    }
    buf.extend_from_slice(b"\r\n");
}

/// A number as text.
#[inline]
pub fn number(buf: &mut Vec<u8>, number: u64) {
    match number {
        0..=9 => buf.push(b'0' + number as u8),
        10..=99 => buf.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]),
        _ => buf.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Protocol, SHARED_MIN};

    #[test]
    fn values_whole_and_in_pieces_are_the_same() {
        for len in [0, 1, 99, 100, SHARED_MIN] {
            let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
            for (flags, version) in [(0, None), (7, Some(0)), (u32::MAX, Some(u64::MAX))] {
                let tail = version.map_or(String::new(), |version| format!(" {version}"));
                let head = format!("VALUE key {flags} {len}{tail}\r\n");
                let expected = [head.as_bytes(), &bytes, b"\r\n"].concat();
                let mut whole = Reply::new(Protocol::Resp2);
                value(&mut whole, b"key", flags, version, &bytes);
                assert_eq!(whole.to_vec(), expected);
                let mut cut = Reply::new(Protocol::Resp2);
                let shared = Bytes::from(bytes.clone());
                let pieces = (0..len).step_by(7000).map(|at| shared.slice(at..len.min(at + 7000)));
                value_pieces(&mut cut, b"key", flags, version, len, pieces);
                assert_eq!(cut.to_vec(), expected);
            }
        }
    }
}
