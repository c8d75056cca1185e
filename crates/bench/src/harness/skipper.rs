//! Counts whole replies in a stream of RESP2 or RESP3 without building them.
//!
//! For workloads whose replies have no length known beforehand. Bytes arrive in any pieces; the
//! skipper remembers how far into which reply it is. An error reply, and a byte that starts no
//! reply, end the measurement: no workload here expects one.

use super::outcome::Failure;

/// Longest line of a reply that is not a bulk: anything longer is not a reply that we asked for.
const LINE_BYTES_MAX: usize = 1024;

/// Where in the stream the last piece ended.
#[derive(Default)]
pub struct Skipper {
    /// Elements that the current reply still needs; 0 between two replies.
    needed: u64,
    /// Bytes of a bulk, its line end included, still to be skipped.
    body_left: u64,
    /// The byte that every reply must start with, if one is known.
    kind: Option<u8>,
    /// The part of a line that has arrived.
    line: Vec<u8>,
}

impl Skipper {
    /// From now on, every reply must start with `kind`.
    pub fn expect_kind(&mut self, kind: u8) {
        self.kind = Some(kind);
    }

    /// Takes the next piece of the stream; returns how many replies it completed.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<usize, Failure> {
        let mut completed = 0;
        while !piece.is_empty() {
            if self.body_left > 0 {
                let skipped =
                    piece.len().min(usize::try_from(self.body_left).unwrap_or(usize::MAX));
                piece = &piece[skipped..];
                self.body_left -= skipped as u64;
                completed += usize::from(self.body_left == 0 && self.element_ended());
                continue;
            }
            let (line_end, taken) = match piece.iter().position(|&byte| byte == b'\n') {
                Some(at) => (true, at + 1),
                None => (false, piece.len()),
            };
            self.line.extend_from_slice(&piece[..taken]);
            piece = &piece[taken..];
            if self.line.len() > LINE_BYTES_MAX {
                return Err(self.unexpected());
            }
            if line_end {
                completed += usize::from(self.take_line()?);
                self.line.clear();
            }
        }
        Ok(completed)
    }

    /// Acts on a whole line; true when it ended a reply.
    fn take_line(&mut self) -> Result<bool, Failure> {
        if self.needed == 0 {
            if self.kind.is_some_and(|kind| self.line[0] != kind) {
                return Err(self.unexpected());
            }
            self.needed = 1;
        }
        match self.line.first() {
            Some(b'+' | b':' | b'_' | b',' | b'#' | b'(') => Ok(self.element_ended()),
            Some(b'$' | b'=') => match self.length()? {
                None => Ok(self.element_ended()),
                Some(length) => {
                    self.body_left = length + 2;
                    Ok(false)
                }
            },
            Some(kind @ (b'*' | b'~' | b'>' | b'%')) => {
                let per_item = if *kind == b'%' { 2 } else { 1 };
                self.needed += self.length()?.unwrap_or(0) * per_item;
                Ok(self.element_ended())
            }
            _ => Err(self.unexpected()),
        }
    }

    /// True when this was the reply's last element.
    fn element_ended(&mut self) -> bool {
        self.needed -= 1;
        self.needed == 0
    }

    /// The length that the line declares; `None` for the null of RESP2.
    fn length(&self) -> Result<Option<u64>, Failure> {
        let text = self.line[1..].strip_suffix(b"\r\n").unwrap_or_default();
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
        match number {
            Some(-1) => Ok(None),
            Some(length) if (0..=512 << 20).contains(&length) => Ok(Some(length as u64)),
            _ => Err(self.unexpected()),
        }
    }

    fn unexpected(&self) -> Failure {
        Failure(format!("unexpected reply: {}", String::from_utf8_lossy(&self.line).trim_end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &[&str] = &[
        "+OK\r\n",
        ":42\r\n",
        "$5\r\na\r\nbc\r\n",
        "$0\r\n\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*2\r\n$1\r\nx\r\n*2\r\n:1\r\n:2\r\n",
        "%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n#t\r\n",
        "_\r\n",
        ",1.5\r\n",
        ">1\r\n=7\r\ntxt:abc\r\n",
        "(123\r\n",
    ];

    #[test]
    fn counts_replies_however_they_are_cut() -> Result<(), Failure> {
        let stream = REPLIES.concat().into_bytes();
        for piece_bytes in 1..stream.len() {
            let mut skipper = Skipper::default();
            let mut completed = 0;
            for piece in stream.chunks(piece_bytes) {
                completed += skipper.feed(piece)?;
            }
            assert_eq!(completed, REPLIES.len(), "pieces of {piece_bytes}");
        }
        Ok(())
    }

    #[test]
    fn a_reply_counts_only_when_it_is_whole() -> Result<(), Failure> {
        let mut skipper = Skipper::default();
        assert_eq!(skipper.feed(b"*2\r\n:1\r\n$3\r\nab")?, 0);
        assert_eq!(skipper.feed(b"c\r")?, 0);
        assert_eq!(skipper.feed(b"\n+OK\r")?, 1);
        assert_eq!(skipper.feed(b"\n")?, 1);
        Ok(())
    }

    #[test]
    fn errors_and_nonsense_end_it() {
        for bad in ["-ERR no\r\n", "hello\r\n", "$x\r\n", "$-2\r\n", "\r\n", "*99999999999999\r\n"]
        {
            assert!(Skipper::default().feed(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Skipper::default().feed(&[b'+'; LINE_BYTES_MAX + 1]).is_err());
        let mut skipper = Skipper::default();
        skipper.expect_kind(b':');
        assert!(skipper.feed(b":1\r\n").is_ok() && skipper.feed(b"+OK\r\n").is_err());
    }
}
