//! Requests, parsed where they lie: borrowed, resumable, and strict about nothing that Redis
//! is not strict about.
//!
//! Nearly every request is whole and well-formed, so `parse` first walks it straight, and pushes
//! the arguments' places. At the first thing that is missing or odd it stops, and the exact rules
//! take over from there. They are a small state machine over one request:
//!
//! ```text
//!          '*'           n > 0                 $len
//!   Idle ------> Count ---------> Header <---------------> Body
//!    |             | n <= 0         | none left    bytes     |
//!    | other       v                v                        |
//!    +--> Inline -----> complete <--+        Incomplete: keep state, wait
//! ```
//!
//! What it knows of an incomplete request (places found so far, relative to the request's start,
//! and how far it looked for a line's end) is kept, so that every byte is looked at about once,
//! however many reads it comes in.
//!
//! As in Redis, the byte behind a carriage return and the two bytes behind an argument are
//! skipped unseen. Unlike in Redis, a limit on a line's length does not depend on how the bytes
//! were cut into reads, and a zero byte does not end a line's search.
//!
//! Deliberately absent: allocation by announced size. A count or length is a promise of a client.

use crate::args::Span;
use crate::error::ProtocolError;
use crate::inline;
use crate::number::parse_i64;

/// What a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest argument. Never more than 4 GiB are accepted.
    pub bulk_bytes_max: usize,
    /// Most arguments of a request.
    pub args_max: usize,
    /// Longest line: an inline command, or a count or length.
    pub inline_bytes_max: usize,
    /// Whether these are the limits of a client that may use the server; breaches of the small
    /// limits before that have texts of their own.
    pub authenticated: bool,
}

impl Limits {
    /// Redis's own: arguments of 512 MB, as many as an `int` counts, lines of 64 KB.
    pub const DEFAULT: Self = Self {
        bulk_bytes_max: 512 * 1024 * 1024,
        args_max: i32::MAX as usize,
        inline_bytes_max: 64 * 1024,
        authenticated: true,
    };

    /// Redis's own before AUTH: enough for AUTH and HELLO.
    pub const UNAUTHENTICATED: Self =
        Self { bulk_bytes_max: 16384, args_max: 10, authenticated: false, ..Self::DEFAULT };

    fn check_count(&self, count: usize) -> Result<(), ProtocolError> {
        if count <= self.args_max {
            Ok(())
        } else if self.authenticated || count > Self::DEFAULT.args_max {
            Err(ProtocolError::InvalidCount)
        } else {
            Err(ProtocolError::UnauthenticatedCount)
        }
    }

    fn check_bulk(&self, len: usize) -> Result<(), ProtocolError> {
        if len <= self.bulk_bytes_max && u32::try_from(len).is_ok() {
            Ok(())
        } else if self.authenticated || len > Self::DEFAULT.bulk_bytes_max {
            Err(ProtocolError::InvalidBulkLength)
        } else {
            Err(ProtocolError::UnauthenticatedBulkLength)
        }
    }
}

/// How far `parse` came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The request is whole; the next one begins at `end`.
    Complete {
        /// Offset into the input.
        end: usize,
    },
    /// The request goes on behind the input.
    Incomplete {
        /// At least this many more bytes are wanted, 1 when unknown. A client's word: a hint for
        /// the next read, not a size to allocate.
        need: usize,
    },
}

/// One connection's parser: empty between requests, and what is known of the current one.
#[derive(Default, Debug)]
pub struct Parser {
    state: State,
    /// Arguments found, relative to the request's start.
    spans: Vec<Span>,
    /// Where the current line or argument begins, relative to the request's start.
    at: usize,
    /// How many bytes of the current line are known to be without its end.
    scanned: usize,
    /// Arguments to come.
    missing: usize,
}

#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Inline,
    Count,
    Header,
    Body(u32),
}

/// Places of more arguments than this are not kept room for between requests.
const SPANS_KEPT_MAX: usize = 64;

impl Parser {
    /// Whether the parser stands between two requests.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Parses the one request that begins at `input[start]`.
    ///
    /// When it is whole, its arguments' places in `input` are appended to `args`; an empty line
    /// and an empty array have none. When it is not, the next call must pass the same request
    /// again with more bytes; it may begin elsewhere. Inline commands are unescaped in `input`
    /// itself.
    ///
    /// # Errors
    /// What breaks the protocol or `limits`; the connection cannot be parsed any further.
    ///
    /// # Panics
    /// If the input is 4 GiB or more, or `start` lies behind it.
    #[inline(never)]
    pub fn parse(
        &mut self,
        input: &mut [u8],
        start: usize,
        args: &mut Vec<Span>,
        limits: &Limits,
    ) -> Result<Step, ProtocolError> {
        assert!(input.len() < u32::MAX as usize, "input buffers stay below 4 GiB");
        if self.state == State::Idle
            && let Some((count, at)) = read_length(input, start, b'*')
            && count > 0
            && count <= limits.args_max
        {
            let base = args.len();
            let (missing, at) = read_bulks(input, at, count, limits, args);
            if missing == 0 {
                return Ok(Step::Complete { end: at });
            }
            self.suspend(start, at, missing, args, base);
        }
        self.resume(&mut input[start..], start, args, limits)
    }

    /// Parses the one request that begins at `input[start]` if it is whole and written as clients
    /// write: at most nine arguments, the first of one to eight bytes, of which the last is not
    /// zero. Its arguments' places are appended to `args`. Returns that first one's bytes, filled
    /// up with zeros, and where the request ends. Without one, nothing has changed, and
    /// [`Parser::parse`] has to tell why.
    #[inline(always)]
    pub fn parse_plain(
        &self,
        input: &[u8],
        start: usize,
        args: &mut Vec<Span>,
        limits: &Limits,
    ) -> Option<(u64, usize)> {
        /// `*n\r\n$n\r\n`, with both digits left out.
        const HEAD: u64 = u64::from_le_bytes(*b"*\0\r\n$\0\r\n");
        const DIGITS: u64 = u64::from_le_bytes([0, 0xff, 0, 0, 0, 0xff, 0, 0]);
        let &[head, name] = input.get(start..)?.as_chunks().0.first_chunk()?;
        let head = u64::from_le_bytes(head);
        let digit = |at: u32| usize::from((head >> (8 * at)) as u8).wrapping_sub(b'0'.into());
        let (count, len) = (digit(1), digit(5));
        let plain = head & !DIGITS == HEAD
            && count.wrapping_sub(1) < 9
            && len.wrapping_sub(1) < 8
            && self.state == State::Idle
            && input.len() < u32::MAX as usize;
        if !plain {
            return None;
        }
        let name = u64::from_le_bytes(name) & (u64::MAX >> (64 - 8 * len));
        if name >> (8 * (len - 1)) == 0 {
            // Its last byte is a zero, like what it is filled up with.
            return None;
        }
        let base = args.len();
        args.push(Span { start: start as u32 + 8, len: len as u32 });
        let behind = start + 8 + len + 2;
        let (missing, end) = read_bulks(input, behind, count - 1, limits, args);
        if missing > 0 || end > input.len() {
            args.truncate(base);
            return None;
        }
        Some((name, end))
    }

    /// Keeps what the straight walk found.
    #[cold]
    fn suspend(
        &mut self,
        start: usize,
        at: usize,
        missing: usize,
        args: &mut Vec<Span>,
        base: usize,
    ) {
        self.state = State::Header;
        (self.at, self.scanned, self.missing) = (at - start, 0, missing);
        let relative = |span: Span| Span { start: span.start - start as u32, ..span };
        self.spans.extend(args.drain(base..).map(relative));
    }

    /// The exact rules, from wherever the request stands.
    fn resume(
        &mut self,
        request: &mut [u8],
        start: usize,
        args: &mut Vec<Span>,
        limits: &Limits,
    ) -> Result<Step, ProtocolError> {
        let step = self.advance(request, limits);
        match step {
            Ok(Step::Complete { end }) => {
                let absolute = |span: &Span| Span { start: span.start + start as u32, ..*span };
                args.extend(self.spans.iter().map(absolute));
                self.reset();
                Ok(Step::Complete { end: start + end })
            }
            Ok(Step::Incomplete { .. }) => step,
            Err(_) => {
                self.reset();
                step
            }
        }
    }

    fn reset(&mut self) {
        self.state = State::Idle;
        (self.at, self.scanned, self.missing) = (0, 0, 0);
        self.spans.clear();
        self.spans.shrink_to(SPANS_KEPT_MAX);
    }

    fn advance(&mut self, request: &mut [u8], limits: &Limits) -> Result<Step, ProtocolError> {
        loop {
            let need = match self.state {
                State::Idle => match request.first() {
                    None => 1,
                    Some(b'*') => {
                        self.state = State::Count;
                        0
                    }
                    Some(_) => {
                        self.state = State::Inline;
                        0
                    }
                },
                State::Inline => return self.inline(request, limits),
                State::Count => self.count(request, limits)?,
                State::Header => {
                    let (missing, at) =
                        read_bulks(request, self.at, self.missing, limits, &mut self.spans);
                    if at > self.at {
                        (self.missing, self.at, self.scanned) = (missing, at, 0);
                    }
                    if self.missing == 0 {
                        return Ok(Step::Complete { end: self.at });
                    }
                    self.header(request, limits)?
                }
                State::Body(len) => self.body(request, len),
            };
            if need > 0 {
                return Ok(Step::Incomplete { need });
            }
        }
    }

    fn inline(&mut self, request: &mut [u8], limits: &Limits) -> Result<Step, ProtocolError> {
        let too_long = ProtocolError::InlineTooLong;
        let Some(end) = self.line_end(request, b'\n', limits, too_long)? else {
            return Ok(Step::Incomplete { need: 1 });
        };
        let line = &mut request[..end];
        let len = line.strip_suffix(b"\r").map_or(end, <[u8]>::len);
        inline::split(&mut line[..len], &mut self.spans)?;
        Ok(Step::Complete { end: end + 1 })
    }

    /// The number of arguments; returns how many bytes are wanted, 0 when it was read.
    fn count(&mut self, request: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
        let too_long = ProtocolError::CountLineTooLong;
        let Some(end) = self.line_end(request, b'\r', limits, too_long)? else { return Ok(1) };
        if end + 1 == request.len() {
            return Ok(1);
        }
        let count = parse_i64(&request[1..end]).ok_or(ProtocolError::InvalidCount)?;
        // Negative is as good as none.
        self.missing = usize::try_from(count).unwrap_or(0);
        limits.check_count(self.missing)?;
        (self.state, self.at, self.scanned) = (State::Header, end + 2, 0);
        Ok(0)
    }

    /// An argument's length; returns how many bytes are wanted, 0 when it was read.
    fn header(&mut self, request: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
        let too_long = ProtocolError::BulkLineTooLong;
        let Some(end) = self.line_end(request, b'\r', limits, too_long)? else { return Ok(1) };
        if end + 1 == request.len() {
            return Ok(1);
        }
        let line = &request[self.at..end];
        let digits = match line {
            [b'$', digits @ ..] => digits,
            [other, ..] => return Err(ProtocolError::ExpectedBulk(*other)),
            [] => return Err(ProtocolError::ExpectedBulk(b'\r')),
        };
        let len = parse_i64(digits)
            .and_then(|len| usize::try_from(len).ok())
            .ok_or(ProtocolError::InvalidBulkLength)?;
        limits.check_bulk(len)?;
        (self.state, self.at, self.scanned) = (State::Body(len as u32), end + 2, 0);
        Ok(0)
    }

    /// An argument's bytes; returns how many are wanted, 0 when they are there.
    fn body(&mut self, request: &[u8], len: u32) -> usize {
        let end = self.at.saturating_add(len as usize).saturating_add(2);
        if end > request.len() {
            return end - request.len();
        }
        self.spans.push(Span { start: self.at as u32, len });
        self.missing -= 1;
        (self.state, self.at) = (State::Header, end);
        0
    }

    /// Where the current line's `end` byte stands, if it is there.
    fn line_end(
        &mut self,
        request: &[u8],
        end: u8,
        limits: &Limits,
        too_long: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let line = request.get(self.at..).unwrap_or_default();
        let line = &line[..line.len().min(limits.inline_bytes_max + 1)];
        let unseen = line.get(self.scanned..).unwrap_or_default();
        if let Some(found) = memchr::memchr(end, unseen) {
            self.scanned += found;
            return Ok(Some(self.at + self.scanned));
        }
        self.scanned = line.len();
        if line.len() > limits.inline_bytes_max { Err(too_long) } else { Ok(None) }
    }
}

/// Takes well-formed arguments that are whole, up to `missing`, from `bytes[at]` on. Returns how
/// many are missing still and where the next one begins.
#[inline(always)]
fn read_bulks(
    bytes: &[u8],
    mut at: usize,
    mut missing: usize,
    limits: &Limits,
    spans: &mut Vec<Span>,
) -> (usize, usize) {
    while missing > 0 {
        let Some((len, body)) = read_length(bytes, at, b'$') else { break };
        let end = body + len + 2;
        if end > bytes.len() || len > limits.bulk_bytes_max {
            break;
        }
        spans.push(Span { start: body as u32, len: len as u32 });
        at = end;
        missing -= 1;
    }
    (missing, at)
}

/// A well-formed line of `kind` and a number at `bytes[at]`: the number, and what begins behind
/// the line. At least six bytes are there in whatever is whole: the shortest is `$0\r\n\r\n`.
#[inline(always)]
fn read_length(bytes: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    let &[first, a, b, c, d, e] = bytes.get(at..)?.first_chunk()?;
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    /// What a carriage return is, as a digit.
    const END: u8 = b'\r'.wrapping_sub(b'0');
    if first != kind || a > 9 {
        return None;
    }
    if b <= 9 {
        // A number of several digits has no leading zero.
        let two = usize::from(a) * 10 + usize::from(b);
        if (c, d) == (b'\r', b'\n') && a > 0 {
            return Some((two, at + 5));
        }
        let third = c.wrapping_sub(b'0');
        if third <= 9 && (d, e) == (b'\r', b'\n') && a > 0 {
            return Some((two * 10 + usize::from(third), at + 6));
        }
        return read_long_length(bytes, at + 1);
    }
    ((b, c) == (END, b'\n')).then_some((usize::from(a), at + 4))
}

/// A number of four to nine digits at `bytes[at]`, and what begins behind its line.
#[inline(never)]
fn read_long_length(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let line = &bytes[at..];
    let digits = line.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
    if !(4..=9).contains(&digits) || line[0] == b'0' || !line[digits..].starts_with(b"\r\n") {
        return None;
    }
    let value = line[..digits].iter().fold(0, |sum, byte| sum * 10 + usize::from(byte - b'0'));
    Some((value, at + digits + 2))
}
