//! What is wrong with a client's bytes, in Redis's words.
//!
//! Incomplete is not an error. After one of these the stream cannot be trusted any more, so the
//! server answers with it and closes the connection.

use crate::reply::Reply;
use std::fmt;

/// A breach of the protocol or of its limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtocolError {
    /// The line with the number of arguments does not end.
    CountLineTooLong,
    /// The number of arguments is no number or too large.
    InvalidCount,
    /// More arguments than an unauthenticated client may send.
    UnauthenticatedCount,
    /// The line with an argument's length does not end.
    BulkLineTooLong,
    /// An argument does not begin with a dollar sign but with this byte.
    ExpectedBulk(u8),
    /// An argument's length is no number, negative or too large.
    InvalidBulkLength,
    /// An argument larger than an unauthenticated client may send.
    UnauthenticatedBulkLength,
    /// An inline command's line does not end.
    InlineTooLong,
    /// An inline command's quote is not closed, or closed in the middle of a word.
    UnbalancedQuotes,
}

impl ProtocolError {
    /// Answers the client; a byte that it sent is quoted as it is.
    pub fn reply(self, reply: &mut Reply) {
        let mut text = b"ERR Protocol error: ".to_vec();
        text.extend_from_slice(self.text().as_bytes());
        if let Self::ExpectedBulk(byte) = self {
            text.extend_from_slice(&[byte, b'\'']);
        }
        reply.error_bytes(&text);
    }

    fn text(self) -> &'static str {
        match self {
            Self::CountLineTooLong => "too big mbulk count string",
            Self::InvalidCount => "invalid multibulk length",
            Self::UnauthenticatedCount => "unauthenticated multibulk length",
            Self::BulkLineTooLong => "too big bulk count string",
            Self::ExpectedBulk(_) => "expected '$', got '",
            Self::InvalidBulkLength => "invalid bulk length",
            Self::UnauthenticatedBulkLength => "unauthenticated bulk length",
            Self::InlineTooLong => "too big inline request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
        }
    }
}

/// For logs: a byte that is no printable character is escaped.
impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protocol error: {}", self.text())?;
        match self {
            Self::ExpectedBulk(byte) => write!(f, "{}'", byte.escape_ascii()),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ProtocolError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Protocol;

    #[test]
    fn the_reply_quotes_the_byte_and_stays_one_line() {
        for (byte, sent) in [(b'4', b'4'), (b'\n', b' '), (0xff, 0xff), (0, 0)] {
            let mut reply = Reply::new(Protocol::Resp2);
            ProtocolError::ExpectedBulk(byte).reply(&mut reply);
            let expected = [b"-ERR Protocol error: expected '$', got '", &[sent][..], b"'\r\n"];
            assert_eq!(reply.to_vec(), expected.concat());
        }
        let text = ProtocolError::ExpectedBulk(0xff).to_string();
        assert_eq!(text, r"Protocol error: expected '$', got '\xff'");
        let text = ProtocolError::UnbalancedQuotes.to_string();
        assert_eq!(text, "Protocol error: unbalanced quotes in request");
    }
}
