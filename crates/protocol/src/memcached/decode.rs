//! Requests, found where they lie.
//!
//! A line that is not whole is looked at again from where the search for its end stopped. A data
//! block that is refused is passed over as it arrives: it is never kept. Before a client has said
//! who it is, it has one line of [`LINE_BYTES_MAX`] bytes and one short block.

use super::base64;
use super::meta::{Meta, Refusal};
use super::{Decoded, KEY_BYTES_MAX, Request, Requests, Verb, words};
use crate::args::Span;
use std::ops::Range;

/// The longest line, in bytes, where it names no keys to get.
const LINE_BYTES_MAX: usize = 2048;
/// The longest line of keys to get, in bytes.
const KEYS_BYTES_MAX: usize = 1 << 20;
/// The longest block with a user and a password, in bytes.
const AUTH_BYTES_MAX: u64 = 1024;
/// The longest block, in bytes.
const BLOCK_BYTES_MAX: i64 = i32::MAX as i64 - 2;
/// What an item of memcached takes beside key and value, in bytes: it counts for the largest one.
const ITEM_BYTES: usize = 59;
/// The most words of a meta command.
const META_WORDS_MAX: usize = 20;
/// The first byte of a request of the binary protocol, and the bytes of its head.
const BINARY: u8 = 0x80;
const BINARY_HEAD: usize = 24;

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub struct MemcachedLimits {
    /// The largest item, in bytes.
    pub item_bytes_max: usize,
    /// Whether the client has said who it is, or need not.
    pub authenticated: bool,
}

/// What is known of a request that is not whole yet.
#[derive(Debug, Default)]
pub struct Decoder {
    /// How far its line was searched for the end, in bytes.
    searched: usize,
    /// What is left to be passed over of a block that is refused, in bytes.
    skips: u64,
}

/// What a line asks for, before its data block is looked at.
struct Line {
    request: Request,
    /// The length of the block that follows.
    block: Option<u64>,
}

impl Decoder {
    /// Decodes the request at `at`, which is before the end of the input: adds it to `to`, and the
    /// places of its words to `spans`.
    pub fn decode(
        &mut self,
        input: &mut [u8],
        at: usize,
        spans: &mut Vec<Span>,
        to: &mut Requests,
        limits: &MemcachedLimits,
    ) -> Decoded {
        if self.skips > 0 {
            let passed = self.skips.min((input.len() - at) as u64);
            self.skips -= passed;
            return Decoded::Until(at + passed as usize);
        }
        if input[at] == BINARY {
            return binary(input, at, to);
        }
        let Some(found) = memchr::memchr(b'\n', &input[at + self.searched..]) else {
            self.searched = input.len() - at;
            return if is_too_long(&input[at..], limits) {
                Decoded::Hopeless
            } else {
                Decoded::Incomplete(1)
            };
        };
        let next = at + self.searched + found + 1;
        self.searched = 0;
        let mut end = next - 1;
        if end > at && input[end - 1] == b'\r' {
            end -= 1;
        }
        let line = read_line(input, at..end, spans, to, limits);
        let Some(block) = line.block else {
            let request = with_decoded_key(input, line.request, spans, to);
            self.finish(request, spans, to);
            return Decoded::Until(next);
        };
        if let Verb::Refused(_) = line.request.verb {
            return self.refuse(line.request, block, next, to);
        }
        self.finish_stored(input, (line.request, block), next, spans, to, limits)
    }

    /// Adds a request with a block, which begins at `next`.
    fn finish_stored(
        &mut self,
        input: &mut [u8],
        (request, block): (Request, u64),
        next: usize,
        spans: &mut Vec<Span>,
        to: &mut Requests,
        limits: &MemcachedLimits,
    ) -> Decoded {
        let first_span = request.args.start;
        let item = request.keys * input_len(spans, first_span + 1) + ITEM_BYTES;
        if block + item as u64 > limits.item_bytes_max as u64 && limits.authenticated {
            let verb = match request.verb {
                Verb::Set | Verb::MetaSet => Verb::TooLarge,
                _ => Verb::Refused(words::TOO_LARGE),
            };
            return self.refuse(Request { verb, ..request }, block, next, to);
        }
        let block = block as usize;
        let have = input.len() - next;
        if have < block + 2 {
            spans.truncate(first_span);
            to.metas.truncate(request.meta);
            return Decoded::Incomplete(block + 2 - have);
        }
        let mut request = with_decoded_key(input, request, spans, to);
        if input[next + block..next + block + 2] != *b"\r\n" {
            request = refused(request, words::BAD_DATA);
            // A client of the meta commands is told of mistakes whatever it said.
            request.quiet &= to.metas.len() == request.meta;
        }
        let place = request.args.start + 1 + usize::from(request.verb != Verb::Auth);
        let span = Span { start: next as u32, len: block as u32 };
        spans.insert(place.min(spans.len()), span);
        request.args.end += 1;
        to.requests.push(request);
        Decoded::Until(next + block + 2)
    }

    /// Adds a request without a block; one for several keys that get another time to live becomes
    /// several requests.
    fn finish(&mut self, request: Request, spans: &mut Vec<Span>, to: &mut Requests) {
        let Verb::Gat { versions, .. } = request.verb else {
            return to.requests.push(request);
        };
        let (verb, keys) = (spans[request.args.start], request.args.start + 1..request.args.end);
        let keys = spans[keys].to_vec();
        spans.truncate(request.args.start);
        for (n, key) in keys.iter().enumerate() {
            let start = spans.len();
            spans.extend([verb, *key]);
            let ends = n + 1 == keys.len();
            let verb = Verb::Gat { versions, ends };
            to.requests.push(Request { verb, keys: 1, args: start..start + 2, ..request.clone() });
        }
    }

    /// Refuses a request whose block is still to come.
    fn refuse(&mut self, request: Request, block: u64, next: usize, to: &mut Requests) -> Decoded {
        to.requests.push(request);
        self.skips = block + 2;
        Decoded::Until(next)
    }
}

/// Decodes the key of a whole request, where it is said that it is no text. A request that is not
/// whole is looked at again: its key stays as it is.
fn with_decoded_key(
    input: &mut [u8],
    request: Request,
    spans: &mut [Span],
    to: &Requests,
) -> Request {
    let is_text = to.metas.get(request.meta).is_none_or(|meta| !meta.has(b'b'));
    if is_text || request.keys == 0 {
        return request;
    }
    let span = &mut spans[request.args.start + 1];
    let key = span.start as usize..(span.start + span.len) as usize;
    match base64::decode(&mut input[key]) {
        Some(len) => {
            span.len = len as u32;
            request
        }
        None => Request { keys: 0, quiet: false, ..refused(request, words::BAD_KEY) },
    }
}

/// The length of a word.
fn input_len(spans: &[Span], at: usize) -> usize {
    spans.get(at).map_or(0, |span| span.len as usize)
}

/// Whether a line that has not ended is too long.
fn is_too_long(line: &[u8], limits: &MemcachedLimits) -> bool {
    let gets = limits.authenticated && (line.starts_with(b"get ") || line.starts_with(b"gets "));
    line.len() > if gets { KEYS_BYTES_MAX } else { LINE_BYTES_MAX }
}

/// A request of the binary protocol: its head is enough to refuse it by.
fn binary(input: &[u8], at: usize, to: &mut Requests) -> Decoded {
    let have = input.len() - at;
    if have < BINARY_HEAD {
        return Decoded::Incomplete(BINARY_HEAD - have);
    }
    to.requests.push(Request { verb: Verb::Binary(input[at + 1]), ..blank(at, 0..0) });
    Decoded::Until(input.len())
}

fn blank(from: usize, args: Range<usize>) -> Request {
    Request {
        verb: Verb::Refused(words::ERROR),
        from,
        args,
        keys: 0,
        quiet: false,
        flags: 0,
        exptime: 0,
        number: 0,
        meta: 0,
    }
}

fn refused(request: Request, text: &'static str) -> Request {
    Request { verb: Verb::Refused(text), ..request }
}

/// The words of a line, as places.
fn split(input: &[u8], line: Range<usize>, spans: &mut Vec<Span>) {
    let mut from = line.start;
    let mut push = |from: usize, end: usize| {
        if end > from {
            spans.push(Span { start: from as u32, len: (end - from) as u32 });
        }
    };
    for end in memchr::memchr_iter(b' ', &input[line.clone()]) {
        let end = line.start + end;
        push(from, end);
        from = end + 1;
    }
    push(from, line.end);
}

fn read_line(
    input: &[u8],
    line: Range<usize>,
    spans: &mut Vec<Span>,
    to: &mut Requests,
    limits: &MemcachedLimits,
) -> Line {
    let first = spans.len();
    let from = line.start;
    // A line that begins with a blank has no command.
    let is_short = line.len() < 2;
    let blank_first = input.get(from) == Some(&b' ');
    split(input, line, spans);
    let mut request = blank(from, first..spans.len());
    request.meta = to.metas.len();
    let line = Line { request, block: None };
    if !limits.authenticated {
        return authenticating(input, line, spans);
    }
    if is_short || blank_first {
        let text = if is_short { words::BAD_LINE } else { words::ERROR };
        return Line { request: refused(line.request, text), ..line };
    }
    let word = |n: usize| word(input, &spans[first..], n);
    let count = spans.len() - first;
    match word(0) {
        [b'm', letter] => meta(input, line, *letter, spans, to),
        b"get" | b"gets" => keys(line, spans, Verb::Get { versions: word(0).len() == 4 }),
        b"gat" | b"gats" => {
            let versions = word(0).len() == 4;
            let exptime = signed(word(1));
            if count < 3 {
                return Line { request: refused(line.request, words::BAD_LINE), ..line };
            }
            let Some(exptime) = exptime else {
                return Line { request: refused(line.request, words::BAD_EXPTIME), ..line };
            };
            spans.remove(first + 1);
            let mut line = line;
            (line.request.exptime, line.request.args.end) = (exptime, spans.len());
            keys(line, spans, Verb::Gat { versions, ends: true })
        }
        b"set" => store(input, line, spans, Verb::Set),
        b"add" => store(input, line, spans, Verb::Add),
        b"replace" => store(input, line, spans, Verb::Replace),
        b"append" => store(input, line, spans, Verb::Append),
        b"prepend" => store(input, line, spans, Verb::Prepend),
        b"cas" => store(input, line, spans, Verb::Cas),
        b"incr" => one_key(input, line, spans, Verb::Incr),
        b"decr" => one_key(input, line, spans, Verb::Decr),
        b"touch" => one_key(input, line, spans, Verb::Touch),
        b"delete" => one_key(input, line, spans, Verb::Delete),
        _ => Line { request: others(input, line.request, spans), block: None },
    }
}

/// Word `n` of a line, or nothing.
fn word<'a>(input: &'a [u8], spans: &[Span], n: usize) -> &'a [u8] {
    let Some(span) = spans.get(n) else { return b"" };
    &input[span.start as usize..(span.start + span.len) as usize]
}

/// Whether the last word says that no reply is wanted.
fn is_quiet(input: &[u8], spans: &[Span]) -> bool {
    spans.len() > 1 && word(input, spans, spans.len() - 1) == b"noreply"
}

/// Commands that store nothing under a key.
fn others(input: &[u8], request: Request, spans: &[Span]) -> Request {
    let own = &spans[request.args.clone()];
    let word = |n: usize| word(input, own, n);
    let quiet = is_quiet(input, own);
    let verb = match word(0) {
        b"flush_all" => {
            let delay = if own.len() == if quiet { 2 } else { 1 } { b"0" } else { word(1) };
            return match signed(delay) {
                Some(exptime) => Request { verb: Verb::FlushAll, exptime, quiet, ..request },
                None => refused(Request { quiet, ..request }, words::BAD_EXPTIME),
            };
        }
        b"version" => Verb::Version,
        b"stats" => Verb::Stats,
        b"verbosity" => match unsigned(word(1)) {
            Some(_) => return Request { verb: Verb::Verbosity, quiet, ..request },
            None => return refused(Request { quiet, ..request }, words::BAD_LINE),
        },
        b"quit" => Verb::Quit,
        b"shutdown" => Verb::Refused(words::NO_SHUTDOWN),
        b"GET" | b"POST" | b"PUT" | b"Host:" => Verb::Http,
        // What is about memcached's own parts: they are not here.
        b"lru_crawler" => Verb::Refused("CLIENT_ERROR lru crawler disabled"),
        b"watch" => Verb::Refused("CLIENT_ERROR watch commands not allowed"),
        b"slabs" => Verb::Refused("CLIENT_ERROR slab reassignment disabled"),
        // Accepted, as clients' tests want it, and without effect: `maxmemory` is the limit.
        b"cache_memlimit" => match unsigned(word(1)) {
            Some(8..) => return Request { verb: Verb::Verbosity, quiet, ..request },
            Some(_) => Verb::Refused("MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"),
            None => Verb::Refused(words::ERROR),
        },
        _ => Verb::Refused(words::ERROR),
    };
    Request { verb, ..request }
}

/// A line of keys: each must not be too long.
fn keys(mut line: Line, spans: &[Span], verb: Verb) -> Line {
    let keys = &spans[line.request.args.start + 1..line.request.args.end];
    let fit = keys.iter().all(|key| key.len as usize <= KEY_BYTES_MAX);
    line.request.verb = if fit && !keys.is_empty() { verb } else { Verb::Refused(words::BAD_LINE) };
    line.request.keys = if fit { keys.len() } else { 0 };
    line
}

/// A line with one key that is not too long; how many words the line has is not looked at further.
fn with_key(mut line: Line, spans: &[Span], verb: Verb, least: usize) -> Line {
    let start = line.request.args.start;
    let key = spans.get(start + 1).filter(|key| key.len as usize <= KEY_BYTES_MAX);
    let fits = key.is_some() && spans.len() - start >= least;
    line.request.verb = if fits { verb } else { Verb::Refused(words::BAD_LINE) };
    line.request.keys = usize::from(fits);
    line
}

fn one_key(input: &[u8], line: Line, spans: &mut Vec<Span>, verb: Verb) -> Line {
    let least = if verb == Verb::Delete { 2 } else { 3 };
    let mut line = with_key(line, spans, verb, least);
    let start = line.request.args.start;
    line.request.quiet = is_quiet(input, &spans[start..]);
    if line.request.keys == 0 {
        return line;
    }
    let number = word(input, &spans[start..], 2);
    match verb {
        Verb::Touch => match signed(number) {
            Some(exptime) => line.request.exptime = exptime,
            None => line.request = refused(line.request, words::BAD_EXPTIME),
        },
        Verb::Incr | Verb::Decr => match unsigned(number) {
            Some(by) => line.request.number = by,
            None => line.request = refused(line.request, words::BAD_DELTA),
        },
        _ => {}
    }
    if verb != Verb::Incr && verb != Verb::Decr {
        spans.truncate(start + 2);
        line.request.args.end = start + 2;
    }
    line
}

/// `set key flags exptime length [version] [noreply]`, and its kin.
fn store(input: &[u8], line: Line, spans: &mut Vec<Span>, verb: Verb) -> Line {
    let mut line = with_key(line, spans, verb, 5);
    let start = line.request.args.start;
    let (own, text) = (&spans[start..], words::BAD_LINE);
    let number = |n: usize| word(input, own, n);
    let has_all = own.len() >= 5;
    line.request.quiet = has_all && is_quiet(input, own);
    // A block whose length is known is passed over whatever else is wrong.
    line.block = has_all.then(|| block_len(number(4))).flatten();
    let (flags, exptime) = (unsigned(number(2)), signed(number(3)));
    let version = if verb == Verb::Cas { unsigned(number(5)) } else { Some(0) };
    match (flags, exptime, version, line.block) {
        (Some(flags), Some(exptime), Some(version), Some(_)) => {
            line.request.flags = flags as u32;
            line.request.exptime = exptime;
            line.request.number = version;
        }
        _ => line.request = refused(line.request, text),
    }
    if let Verb::Refused(_) = line.request.verb {
        line.request.keys = 0;
    }
    spans.truncate(start + 2);
    line.request.args.end = spans.len();
    line
}

/// The length of a data block.
fn block_len(text: &[u8]) -> Option<u64> {
    let len = integer(text).filter(|len| (0..=BLOCK_BYTES_MAX).contains(len))?;
    Some(len as u64)
}

/// `mg key flag ...`, and its kin.
fn meta(input: &[u8], line: Line, letter: u8, spans: &mut Vec<Span>, to: &mut Requests) -> Line {
    let (verb, first_flag) = match letter {
        b'n' => return Line { request: Request { verb: Verb::MetaNoop, ..line.request }, ..line },
        b'g' => (Verb::MetaGet, 2),
        b's' => (Verb::MetaSet, 3),
        b'd' => (Verb::MetaDelete, 2),
        b'a' => (Verb::MetaArithmetic, 2),
        b'e' => (Verb::MetaDebug, 2),
        _ => return line,
    };
    let mut line = with_key(line, spans, verb, first_flag);
    let start = line.request.args.start;
    if line.request.keys == 0 {
        return line;
    }
    if verb == Verb::MetaSet {
        line.block = block_len(word(input, &spans[start..], 2));
        if line.block.is_none() {
            line.request = refused(line.request, words::BAD_LINE);
            line.request.keys = 0;
            return line;
        }
    }
    if spans.len() - start > META_WORDS_MAX {
        line.request.keys = 0;
        line.request = refused(line.request, "CLIENT_ERROR options flags are too long");
        return line;
    }
    let taken = take_flags(input, &spans[start..], first_flag);
    match taken {
        Ok(meta) => {
            line.request.quiet = meta.has(b'q');
            to.metas.push(meta);
        }
        Err(refusal) => {
            let text = match verb {
                Verb::MetaArithmetic if refusal.of_letter => {
                    "CLIENT_ERROR invalid or duplicate flag"
                }
                _ => refusal.text,
            };
            line.request.keys = 0;
            line.request = refused(line.request, text);
        }
    }
    if verb == Verb::MetaSet {
        // The block takes the place of its length.
        spans.remove(start + 2);
        line.request.args.end -= 1;
    }
    line
}

fn take_flags(input: &[u8], own: &[Span], first_flag: usize) -> Result<Meta, Refusal> {
    let mut meta = Meta::none();
    let mut refusal = None;
    for n in first_flag..own.len() {
        if let Err(wrong) = meta.take(word(input, own, n)) {
            refusal = refusal.or(Some(wrong));
        }
    }
    refusal.map_or(Ok(meta), Err)
}

/// Before a client has said who it is: `set key flags exptime length`, and the block has a user and
/// a password.
fn authenticating(input: &[u8], mut line: Line, spans: &mut Vec<Span>) -> Line {
    let own = &spans[line.request.args.clone()];
    let len = (own.len() >= 5 && word(input, own, 0) == b"set")
        .then(|| block_len(word(input, own, 4)))
        .flatten();
    line.block = len;
    line.request.verb = match len {
        None => Verb::Refused(words::UNAUTHENTICATED),
        Some(AUTH_BYTES_MAX..) => Verb::Refused(words::UNAUTHENTICATED),
        Some(_) => Verb::Auth,
    };
    if word(input, own, 0) == b"quit" {
        line.request.verb = Verb::Quit;
    }
    spans.truncate(line.request.args.start + 1);
    line.request.args.end = spans.len();
    line
}

/// A number without a sign, of 64 bits.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0u64, |sum, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit <= 9).then(|| sum.checked_mul(10)?.checked_add(digit.into()))?
    })
}

fn integer(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    };
    let number = i64::try_from(unsigned(digits)?).ok()?;
    Some(if is_negative { -number } else { number })
}

/// A number with or without a sign; of one that is longer than 32 bits these are what counts, as
/// memcached reads it.
pub(super) fn signed(text: &[u8]) -> Option<i32> {
    integer(text).map(|number| number as i32)
}
