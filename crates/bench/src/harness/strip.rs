//! What is sent, rendered before it is measured.
//!
//! A `Strip` is a long row of requests in one block of memory, with the replies that they must get
//! in another. A batch of any pipeline depth is a run of neighbouring requests, so that the load
//! only ever hands out slices, and reading them in order is what the CPU's prefetcher does best.
//!
//! ```text
//! requests  | GET k7 | GET k2 | GET k9 | GET k4 | ...      ends: [36, 72, 108, 144, ...]
//!             '------ batch of 2 -----'
//! ```
//!
//! Keys are 16 hexadecimal digits, a bijection of a counter, so they are distinct, look random, and
//! can be named again. A value is its key repeated: every reply shows whether it is the right one.

use std::ops::Range;

/// Bytes of every key.
pub const KEY_BYTES: usize = 16;
/// Bytes of a small value.
pub const VALUE_BYTES: usize = 32;

/// Byte strings in a row.
#[derive(Default)]
pub struct Slices {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Slices {
    /// Closes the byte string that was appended to `bytes`.
    fn close(&mut self) {
        self.ends.push(u32::try_from(self.bytes.len()).expect("a strip stays below 4 GiB"));
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The strings of `range`, as one.
    pub fn span(&self, range: &Range<usize>) -> &[u8] {
        let start = if range.start == 0 { 0 } else { self.ends[range.start - 1] as usize };
        let end = if range.end == 0 { 0 } else { self.ends[range.end - 1] as usize };
        &self.bytes[start..end]
    }
}

/// What the requests of a strip must be answered with.
pub enum Replies {
    /// A reply for every request, to the byte.
    Exact(Slices),
    /// Whatever starts with this byte: it depends on what was there before.
    Kind(u8),
}

/// Requests, and the replies that they must get.
pub struct Strip {
    pub requests: Slices,
    pub replies: Replies,
}

impl Strip {
    /// An empty strip whose replies are known.
    pub fn with_replies() -> Self {
        Self { requests: Slices::default(), replies: Replies::Exact(Slices::default()) }
    }

    /// Appends a request and its reply, if replies are known.
    pub fn push(&mut self, request: &[&[u8]], reply: &[u8]) {
        render(&mut self.requests.bytes, request);
        self.close(reply);
    }

    /// Appends a request in another protocol, and its reply.
    pub fn push_bytes(&mut self, request: &[u8], reply: &[u8]) {
        self.requests.bytes.extend_from_slice(request);
        self.close(reply);
    }

    fn close(&mut self, reply: &[u8]) {
        self.requests.close();
        if let Replies::Exact(replies) = &mut self.replies {
            replies.bytes.extend_from_slice(reply);
            replies.close();
        }
    }

    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// The replies of `range`, as one; nothing where they are not known.
    #[cfg(test)]
    pub fn known_replies(&self, range: Range<usize>) -> &[u8] {
        match &self.replies {
            Replies::Exact(replies) => replies.span(&range),
            Replies::Kind(_) => b"",
        }
    }
}

/// Appends a request as an array of bulks.
pub fn render(out: &mut Vec<u8>, args: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        bulk(out, arg);
    }
}

/// Appends a bulk string.
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// The key of `index` in `space`. Different pairs are different keys: the mixing of `SplitMix64`
/// is a bijection (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
pub fn key(space: u8, index: usize) -> [u8; KEY_BYTES] {
    let mut mixed = (u64::from(space) << 48 | index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    std::array::from_fn(|digit| b"0123456789abcdef"[(mixed >> (60 - 4 * digit)) as usize & 15])
}

/// The key spaces in use: a workload does not meddle with another's keys.
pub mod space {
    pub const STRINGS: u8 = 0;
    pub const COUNTERS: u8 = 1;
    pub const LOCKS: u8 = 2;
    pub const PROBED: u8 = 3;
    pub const HASHES: u8 = 4;
    pub const FIELDS: u8 = 5;
    pub const LISTS: u8 = 6;
    pub const SORTED_SETS: u8 = 7;
    pub const MEMBERS: u8 = 8;
    pub const SETS: u8 = 9;
    pub const STREAMS: u8 = 10;
    pub const BITMAPS: u8 = 11;
    pub const SKETCHES: u8 = 12;
}

/// SETs of the first `count` keys in order of their number, each followed by `options`. Keys look
/// random, so their order needs no shuffling.
pub fn fill_strip(count: usize, options: &[&[u8]]) -> Strip {
    let mut strip = Strip::with_replies();
    for index in 0..count {
        let key = key(space::STRINGS, index);
        let value = value(&key, VALUE_BYTES);
        let mut args: Vec<&[u8]> = vec![b"SET", &key, &value];
        args.extend_from_slice(options);
        strip.push(&args, b"+OK\r\n");
    }
    strip
}

/// The key, repeated to `bytes` bytes.
pub fn value(key: &[u8; KEY_BYTES], bytes: usize) -> Vec<u8> {
    key.iter().copied().cycle().take(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_runs_of_requests() {
        let mut strip = Strip::with_replies();
        strip.push(&[b"GET", b"a"], b"$1\r\nx\r\n");
        strip.push(&[b"DEL", b"bc"], b":1\r\n");
        assert_eq!(strip.requests.span(&(0..1)), b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
        assert_eq!(strip.requests.span(&(1..2)), b"*2\r\n$3\r\nDEL\r\n$2\r\nbc\r\n");
        assert_eq!(strip.requests.span(&(0..2)).len(), 20 + 21);
        assert_eq!(strip.requests.span(&(0..0)), b"");
        assert_eq!(strip.known_replies(0..2), b"$1\r\nx\r\n:1\r\n");
    }

    #[test]
    fn keys_are_distinct_and_hexadecimal() {
        let mut keys: Vec<_> = (0..3)
            .flat_map(|space| (0..10_000).map(move |index| key(space, index)))
            .inspect(|key| assert!(key.iter().all(u8::is_ascii_hexdigit)))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 30_000);
    }
}
