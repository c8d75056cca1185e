//! A connection's output: replies in RESP2 or RESP3, written straight into one buffer.
//!
//! A handler says what it answers (`integer`, `map`, `null`); the protocol that the connection
//! speaks decides the bytes. Large values that are reference-counted are not copied, for the copy
//! would happen under a shard's lock: they stand beside the buffer, each with the position in it
//! at which they belong.
//!
//! ```text
//! buf      + O K \r \n $ 2 0 0 0 0 \r \n | \r \n : 1 \r \n
//! chunks                                 ^ (13, the 20,000 bytes)
//! ```
//!
//! The invariant: chunk positions never fall and never exceed the buffer's length, so the output
//! is the buffer with the chunks woven in, in order.
//!
//! Deliberately absent: the socket. `pieces` gives what a vectored write takes, and the caller
//! counts what was written.

use crate::number::{DOUBLE_TEXT_MAX, format_f64, format_score};
use crate::rest::Rest;
use bytes::Bytes;

/// From this size on, in bytes, a shared bulk string is sent by reference instead of copied.
pub const SHARED_MIN: usize = 16 * 1024;

/// Which protocol a connection speaks, as HELLO chose it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// Five types: simple string, error, integer, bulk string, array.
    #[default]
    Resp2,
    /// All of them, and maps, sets, doubles, booleans, nulls, pushes and more.
    Resp3,
}

/// A connection's pending output.
#[derive(Debug, Default)]
pub struct Reply {
    buf: Vec<u8>,
    chunks: Vec<Chunk>,
    chunk_bytes: usize,
    errors: u32,
    protocol: Protocol,
    /// What comes behind all of this (`rest.rs`).
    pub(crate) rest: Option<Box<dyn Rest>>,
    pub(crate) takes_rest: bool,
}

/// Bytes that are not copied into the buffer.
#[derive(Debug)]
struct Chunk {
    /// The position in the buffer before which they belong.
    at: usize,
    /// Where they end in the output.
    end: usize,
    bytes: Bytes,
}

/// A point in the output to which it can be rewound.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    buf_len: usize,
    chunk_count: usize,
    chunk_bytes: usize,
    errors: u32,
}

impl Reply {
    /// An empty output.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, ..Self::default() }
    }

    /// The protocol of the replies to come.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the protocol of the replies to come; what is written stays.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// A simple string. Line ends in it become spaces.
    pub fn simple(&mut self, text: &str) {
        self.simple_bytes(text.as_bytes());
    }

    /// A simple string that need not be UTF-8. Line ends in it become spaces.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.buf.push(b'+');
        self.line(text);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.buf.extend_from_slice(b"+OK\r\n");
    }

    /// An error, its code first and without the dash: `ERR syntax error`. Line ends at its edges
    /// are dropped, others become spaces, as Redis does.
    pub fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }

    /// An error that quotes a client's bytes; see [`Reply::error`].
    #[cold]
    pub fn error_bytes(&mut self, text: &[u8]) {
        let is_text = |byte: &u8| !matches!(byte, b'\r' | b'\n');
        let start = text.iter().position(is_text).unwrap_or(text.len());
        let end = text.iter().rposition(is_text).map_or(start, |last| last + 1);
        self.errors = self.errors.saturating_add(1);
        self.buf.push(b'-');
        self.line(&text[start..end]);
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        if let digit @ 0..=9 = value {
            self.buf.extend_from_slice(&[b':', b'0' + digit as u8, b'\r', b'\n']);
        } else {
            self.prefixed(b':', value);
        }
    }

    /// A bulk string, copied.
    #[inline]
    pub fn bulk(&mut self, value: &[u8]) {
        self.buf.reserve(value.len() + HEADER_BYTES_MAX + 2);
        self.header(b'$', value.len());
        self.buf.extend_from_slice(value);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// A bulk string, by reference from [`SHARED_MIN`] bytes on, else copied.
    #[inline]
    pub fn bulk_shared(&mut self, value: &Bytes) {
        if value.len() < SHARED_MIN {
            return self.bulk(value);
        }
        self.bulk_pieces(value.len(), std::iter::once(value.clone()));
    }

    /// A bulk string of `len` bytes that come in pieces, by reference from [`SHARED_MIN`] bytes on,
    /// else copied.
    pub fn bulk_pieces(&mut self, len: usize, pieces: impl Iterator<Item = Bytes>) {
        self.header(b'$', len);
        self.raw_pieces(len, pieces);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// Bytes that come in pieces and are `len` together, by reference from [`SHARED_MIN`] bytes on,
    /// else copied.
    pub fn raw_pieces(&mut self, len: usize, pieces: impl Iterator<Item = Bytes>) {
        for bytes in pieces {
            if len < SHARED_MIN {
                self.buf.extend_from_slice(&bytes);
                continue;
            }
            self.chunk(bytes);
        }
    }

    fn chunk(&mut self, bytes: Bytes) {
        self.chunk_bytes += bytes.len();
        let at = self.buf.len();
        self.chunks.push(Chunk { at, end: at + self.chunk_bytes, bytes });
    }

    /// An integer as a bulk string: a counter's GET.
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// The absent value: RESP2's null bulk string.
    #[inline]
    pub fn null(&mut self) {
        self.buf.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The absent array: RESP2 tells it from the absent value.
    pub fn null_array(&mut self) {
        self.buf.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The head of an array; `count` elements follow.
    #[inline]
    pub fn array(&mut self, count: usize) {
        self.header(b'*', count);
    }

    /// The head of a map; `pairs` keys follow, each with its value. RESP2: an array of both.
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', pairs * 2),
            Protocol::Resp3 => self.header(b'%', pairs),
        }
    }

    /// The head of a set; `count` elements follow. RESP2: an array.
    pub fn set(&mut self, count: usize) {
        self.aggregate(b'~', count);
    }

    /// The head of a message outside the order of replies; `count` elements follow. RESP2: an
    /// array.
    pub fn push(&mut self, count: usize) {
        self.aggregate(b'>', count);
    }

    /// The header of `count` pairs of an attribute, which says more about the reply behind it.
    pub fn attribute(&mut self, count: usize) {
        self.header(b'|', count);
    }

    /// A double in Redis 7.0's format. RESP2: a bulk string.
    pub fn double(&mut self, value: f64) {
        let mut text = [0; DOUBLE_TEXT_MAX];
        let text = format_f64(value, &mut text);
        self.double_text(text.as_bytes());
    }

    /// A double by its fewest digits, as Redis 8 replies a score. RESP2: a bulk string.
    #[inline]
    pub fn score(&mut self, value: f64) {
        let mut text = [0; DOUBLE_TEXT_MAX];
        self.double_text(format_score(value, &mut text).as_bytes());
    }

    /// A double that is text already. RESP2: a bulk string.
    pub fn double_text(&mut self, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.buf.push(b',');
                self.line(text);
            }
        }
    }

    /// A boolean. RESP2: the integer 1 or 0.
    pub fn boolean(&mut self, value: bool) {
        self.buf.extend_from_slice(match (self.protocol, value) {
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
        });
    }

    /// An integer of any size, in decimal. RESP2: a bulk string.
    pub fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits.as_bytes()),
            Protocol::Resp3 => {
                self.buf.push(b'(');
                self.line(digits.as_bytes());
            }
        }
    }

    /// Text with its format, which is three characters: `txt` or `mkd`. RESP2: a bulk string.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        self.verbatim_header(format, text.len());
        self.buf.extend_from_slice(text);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// As [`Reply::verbatim`], by reference whatever the length: a long text that is made seldom
    /// does not enlarge a buffer that goes on to serve short replies.
    pub fn verbatim_owned(&mut self, format: &str, text: String) {
        self.verbatim_header(format, text.len());
        self.chunk(text.into());
        self.buf.extend_from_slice(b"\r\n");
    }

    fn verbatim_header(&mut self, format: &str, len: usize) {
        debug_assert_eq!(format.len(), 3, "RESP3 fixes the format's length");
        match self.protocol {
            Protocol::Resp2 => self.header(b'$', len),
            Protocol::Resp3 => {
                self.header(b'=', len + 4);
                self.buf.extend_from_slice(format.as_bytes());
                self.buf.push(b':');
            }
        }
    }

    /// Bytes that are already in the connection's protocol.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// All that is pending, in bytes, values by reference included.
    #[inline]
    pub fn len(&self) -> usize {
        self.buf.len() + self.chunk_bytes
    }

    /// What of it is in the buffer, and so shared with no value, in bytes; and what is kept for its
    /// rest.
    pub fn own_len(&self) -> usize {
        self.buf.len() + self.rest.as_ref().map_or(0, |rest| rest.own_bytes())
    }

    /// Whether nothing is pending.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty() && self.rest.is_none()
    }

    /// Number of errors written since the last [`Reply::clear`].
    #[inline]
    pub fn errors(&self) -> u32 {
        self.errors
    }

    /// This point in the output.
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark {
            buf_len: self.buf.len(),
            chunk_count: self.chunks.len(),
            chunk_bytes: self.chunk_bytes,
            errors: self.errors,
        }
    }

    /// Drops everything written since `mark`, errors uncounted.
    pub fn rewind(&mut self, mark: Mark) {
        debug_assert!(mark.buf_len <= self.buf.len() && mark.chunk_count <= self.chunks.len());
        self.buf.truncate(mark.buf_len);
        self.chunks.truncate(mark.chunk_count);
        self.chunk_bytes = mark.chunk_bytes;
        self.errors = mark.errors;
        self.rest = None;
    }

    /// Drops everything and keeps the buffer's memory.
    pub fn clear(&mut self) {
        self.buf.clear();
        self.chunks.clear();
        self.chunk_bytes = 0;
        self.errors = 0;
    }

    /// The output as one slice, when no value is by reference.
    #[inline]
    pub fn contiguous(&self) -> Option<&[u8]> {
        self.chunks.is_empty().then_some(&self.buf)
    }

    /// The output for a vectored write, piece by piece; its first `skip` bytes are left out because
    /// they were already written.
    pub fn pieces(&self, skip: usize) -> impl Iterator<Item = &[u8]> {
        let first = self.chunks.partition_point(|chunk| chunk.end <= skip);
        let before = first.checked_sub(1).map(|before| &self.chunks[before]);
        let (mut from, written) = before.map_or((0, 0), |chunk| (chunk.at, chunk.end));
        let tail = &self.buf[self.chunks.last().map_or(0, |chunk| chunk.at)..];
        let woven = self.chunks[first..].iter().flat_map(move |chunk| {
            let text = &self.buf[from..chunk.at];
            from = chunk.at;
            [text, &chunk.bytes[..]]
        });
        let mut skip = skip - written;
        woven.chain(std::iter::once(tail)).filter_map(move |piece| {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            (skipped < piece.len()).then(|| &piece[skipped..])
        })
    }

    /// The output in one piece, copied.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.len());
        self.pieces(0).for_each(|piece| whole.extend_from_slice(piece));
        whole
    }

    /// The buffer itself, to shrink it or to exchange it for another. Shortening it below a value
    /// by reference breaks the output: do so only when the output is clear.
    pub fn buf_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    fn aggregate(&mut self, resp3: u8, count: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', count),
            Protocol::Resp3 => self.header(resp3, count),
        }
    }

    /// A type byte, a length and a line end: small lengths, which are nearly all, in one store.
    #[inline]
    fn header(&mut self, kind: u8, count: usize) {
        match count {
            0..=9 => self.buf.extend_from_slice(&[kind, b'0' + count as u8, b'\r', b'\n']),
            10..=99 => self.buf.extend_from_slice(&[
                kind,
                b'0' + (count / 10) as u8,
                b'0' + (count % 10) as u8,
                b'\r',
                b'\n',
            ]),
            _ => self.prefixed(kind, count as i64),
        }
    }

    fn prefixed(&mut self, kind: u8, value: i64) {
        let mut digits = itoa::Buffer::new();
        self.buf.push(kind);
        self.buf.extend_from_slice(digits.format(value).as_bytes());
        self.buf.extend_from_slice(b"\r\n");
    }

    fn line(&mut self, text: &[u8]) {
        let start = self.buf.len();
        self.buf.extend_from_slice(text);
        if memchr::memchr2(b'\r', b'\n', text).is_some() {
            for byte in &mut self.buf[start..] {
                if matches!(byte, b'\r' | b'\n') {
                    *byte = b' ';
                }
            }
        }
        self.buf.extend_from_slice(b"\r\n");
    }
}

/// Longest head of a bulk string: the type byte, 20 digits and the line end.
const HEADER_BYTES_MAX: usize = 23;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(protocol: Protocol, write: impl FnOnce(&mut Reply)) -> String {
        let mut reply = Reply::new(protocol);
        write(&mut reply);
        assert_eq!(reply.len(), reply.to_vec().len());
        reply.to_vec().escape_ascii().to_string()
    }

    type Write = fn(&mut Reply);

    #[test]
    fn every_type_in_both_protocols() {
        let same: [(Write, &str); 17] = [
            (|r| r.ok(), r"+OK\r\n"),
            (|r| r.simple("QUEUED"), r"+QUEUED\r\n"),
            (|r| r.simple("a\r\nb"), r"+a  b\r\n"),
            (|r| r.error("ERR syntax error"), r"-ERR syntax error\r\n"),
            (|r| r.error("\r\nERR a\nb\r\n"), r"-ERR a b\r\n"),
            (|r| r.error_bytes(b"ERR \xff"), r"-ERR \xff\r\n"),
            (|r| r.error("\n"), r"-\r\n"),
            (|r| r.integer(0), r":0\r\n"),
            (|r| r.integer(-1), r":-1\r\n"),
            (|r| r.integer(i64::MIN), r":-9223372036854775808\r\n"),
            (|r| r.bulk(b""), r"$0\r\n\r\n"),
            (|r| r.bulk(b"a\r\n\0"), r"$4\r\na\r\n\x00\r\n"),
            (|r| r.bulk_integer(-42), r"$3\r\n-42\r\n"),
            (|r| r.array(0), r"*0\r\n"),
            (|r| r.array(10), r"*10\r\n"),
            (|r| r.array(1_048_576), r"*1048576\r\n"),
            (|r| r.raw(b":1\r\n"), r":1\r\n"),
        ];
        for (write, bytes) in same {
            assert_eq!(written(Protocol::Resp2, write), bytes);
            assert_eq!(written(Protocol::Resp3, write), bytes);
        }
        let different: [(Write, &str, &str); 17] = [
            (|r| r.null(), r"$-1\r\n", r"_\r\n"),
            (|r| r.null_array(), r"*-1\r\n", r"_\r\n"),
            (|r| r.map(2), r"*4\r\n", r"%2\r\n"),
            (|r| r.set(3), r"*3\r\n", r"~3\r\n"),
            (|r| r.push(3), r"*3\r\n", r">3\r\n"),
            (|r| r.boolean(true), r":1\r\n", r"#t\r\n"),
            (|r| r.boolean(false), r":0\r\n", r"#f\r\n"),
            (|r| r.double(1.5), r"$3\r\n1.5\r\n", r",1.5\r\n"),
            (|r| r.score(0.1), r"$3\r\n0.1\r\n", r",0.1\r\n"),
            (|r| r.score(-0.0), r"$2\r\n-0\r\n", r",-0\r\n"),
            (|r| r.score(f64::INFINITY), r"$3\r\ninf\r\n", r",inf\r\n"),
            (|r| r.double(f64::NEG_INFINITY), r"$4\r\n-inf\r\n", r",-inf\r\n"),
            (|r| r.double(0.1), r"$19\r\n0.10000000000000001\r\n", r",0.10000000000000001\r\n"),
            (|r| r.big_number("-12345678901234567890"), r"$21\r\n-12345678901234567890\r\n", {
                r"(-12345678901234567890\r\n"
            }),
            (|r| r.verbatim("txt", b"a\nb"), r"$3\r\na\nb\r\n", r"=7\r\ntxt:a\nb\r\n"),
            (|r| r.verbatim_owned("txt", "a\nb".into()), r"$3\r\na\nb\r\n", r"=7\r\ntxt:a\nb\r\n"),
            (|r| r.verbatim("mkd", b""), r"$0\r\n\r\n", r"=4\r\nmkd:\r\n"),
        ];
        for (write, resp2, resp3) in different {
            assert_eq!(written(Protocol::Resp2, write), resp2);
            assert_eq!(written(Protocol::Resp3, write), resp3);
        }
    }

    #[test]
    fn bulk_headers_of_every_width() {
        for len in [9, 10, 99, 100, 999, 1000, 12345] {
            let mut reply = Reply::new(Protocol::Resp2);
            reply.bulk(&vec![b'x'; len]);
            let expected = format!("${len}\r\n{}\r\n", "x".repeat(len));
            assert_eq!(reply.contiguous(), Some(expected.as_bytes()));
        }
    }

    #[test]
    fn large_shared_values_are_not_copied() {
        let small = Bytes::from(vec![b's'; SHARED_MIN - 1]);
        let large = Bytes::from(vec![b'l'; SHARED_MIN]);
        let mut reply = Reply::new(Protocol::Resp2);
        reply.bulk_shared(&small);
        assert!(reply.contiguous().is_some());
        reply.clear();
        reply.bulk_shared(&large);
        reply.bulk_shared(&large);
        reply.ok();
        assert!(reply.contiguous().is_none());
        assert_eq!(reply.pieces(0).nth(1).map(<[u8]>::as_ptr), Some(large.as_ptr()));
        let one = [&b"$16384\r\n"[..], &large, b"\r\n"].concat();
        let whole = [&one[..], &one, b"+OK\r\n"].concat();
        assert_eq!(reply.to_vec(), whole);
        assert_eq!(reply.len(), whole.len());
        for skip in 0..=whole.len() {
            assert!(reply.pieces(skip).all(|piece| !piece.is_empty()));
            assert!(reply.pieces(skip).flatten().eq(&whole[skip..]));
        }
    }

    #[test]
    fn pieces_of_a_value_are_one_bulk_string() {
        let mut reply = Reply::new(Protocol::Resp2);
        for len in [0, 1, SHARED_MIN - 1, SHARED_MIN, 100_000] {
            let value = Bytes::from((0..len).map(|n| n as u8).collect::<Vec<_>>());
            let cut = |at: usize| value.slice(at..len.min(at + 7000));
            reply.clear();
            reply.bulk_pieces(len, (0..len).step_by(7000).map(cut));
            assert_eq!(reply.contiguous().is_some(), len < SHARED_MIN);
            assert_eq!(
                reply.to_vec(),
                [format!("${len}\r\n").as_bytes(), &value, b"\r\n"].concat()
            );
        }
    }

    #[test]
    fn rewinding_drops_what_was_written_since() {
        let large = Bytes::from(vec![b'l'; SHARED_MIN]);
        let mut reply = Reply::new(Protocol::Resp2);
        assert!(reply.is_empty());
        reply.bulk_shared(&large);
        reply.error("ERR kept");
        let before = reply.to_vec();
        let mark = reply.mark();
        reply.bulk_shared(&large);
        reply.error("ERR dropped");
        assert_eq!(reply.errors(), 2);
        reply.rewind(mark);
        assert_eq!(
            (reply.to_vec(), reply.errors(), reply.len()),
            (before.clone(), 1, before.len())
        );
        reply.clear();
        assert_eq!((reply.len(), reply.errors(), reply.contiguous()), (0, 0, Some(&b""[..])));
        assert!(reply.buf_mut().capacity() > 0);
    }

    #[test]
    fn the_protocol_can_change_between_replies() {
        let mut reply = Reply::default();
        reply.null();
        reply.set_protocol(Protocol::Resp3);
        reply.null();
        assert_eq!(reply.protocol(), Protocol::Resp3);
        assert_eq!(reply.to_vec(), b"$-1\r\n_\r\n");
    }
}
