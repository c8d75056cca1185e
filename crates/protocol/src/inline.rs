//! Inline commands: a line of words, as a person types it into a raw socket; and the quoting of
//! words, which redis.conf, its manifests and MONITOR share with them.
//!
//! The quoting is Redis's (its `sdssplitargs` is the reference): blanks separate words; `"..."`
//! knows `\n \r \t \b \a`, `\xHH` and a backslash before any other byte; `'...'` knows `\'` only;
//! a closing quote must be followed by a blank or the end, an opening one may stand inside a word.
//! A word is unescaped in place, for it can only become shorter, so that it is a range of the
//! input like every other argument.
//!
//! One difference is wanted: here a zero byte is a byte like any other, while Redis does not read
//! on behind one.

use crate::args::Span;
use crate::error::ProtocolError;

/// Splits `line`, which is without its line end, and pushes each word's place in it to `spans`.
pub fn split(line: &mut [u8], spans: &mut Vec<Span>) -> Result<(), ProtocolError> {
    let mut words = Words { line, read: 0, write: 0 };
    while words.skip_blanks() {
        let start = words.read;
        words.write = start;
        words.word()?;
        spans.push(Span { start: start as u32, len: (words.write - start) as u32 });
    }
    Ok(())
}

/// The words of a line, or `None` if its quotes do not close.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut line, mut spans) = (line.to_vec(), Vec::new());
    split(&mut line, &mut spans).ok()?;
    let word = |span: &Span| line[span.start as usize..][..span.len as usize].to_vec();
    Some(spans.iter().map(word).collect())
}

/// Writes a word so that [`split_words`] reads it back.
pub fn quote(word: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    for byte in word {
        match byte {
            b'\\' | b'"' => line.extend_from_slice(&[b'\\', *byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            0x07 => line.extend_from_slice(b"\\a"),
            0x08 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(*byte),
            _ => line.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    line.push(b'"');
}

/// `write` never passes `read`: a word is written over itself.
struct Words<'a> {
    line: &'a mut [u8],
    read: usize,
    write: usize,
}

impl Words<'_> {
    /// Whether a word follows.
    fn skip_blanks(&mut self) -> bool {
        while self.line.get(self.read).is_some_and(|&byte| is_blank(byte)) {
            self.read += 1;
        }
        self.read < self.line.len()
    }

    fn word(&mut self) -> Result<(), ProtocolError> {
        while let Some(&byte) = self.line.get(self.read) {
            self.read += 1;
            match byte {
                // Vertical tab and form feed separate words only where no word has begun.
                b' ' | b'\t' | b'\r' | b'\n' => return Ok(()),
                b'"' | b'\'' => return self.quoted(byte),
                _ => self.put(byte),
            }
        }
        Ok(())
    }

    /// The rest of a word from behind its opening quote: the closing one ends both.
    fn quoted(&mut self, quote: u8) -> Result<(), ProtocolError> {
        let double = quote == b'"';
        loop {
            let (byte, width) = match self.line[self.read..] {
                [] => return Err(ProtocolError::UnbalancedQuotes),
                [b'\\', b'x', high, low, ..] if double && is_hex(high) && is_hex(low) => {
                    (hex(high) << 4 | hex(low), 4)
                }
                [b'\\', byte, ..] if double => (unescape(byte), 2),
                [b'\\', b'\'', ..] if !double => (b'\'', 2),
                [byte, ref rest @ ..] if byte == quote => {
                    self.read += 1;
                    return match rest.first() {
                        Some(&next) if !is_blank(next) => Err(ProtocolError::UnbalancedQuotes),
                        _ => Ok(()),
                    };
                }
                [byte, ..] => (byte, 1),
            };
            self.read += width;
            self.put(byte);
        }
    }

    fn put(&mut self, byte: u8) {
        self.line[self.write] = byte;
        self.write += 1;
    }
}

/// C's `isspace`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair was asked of Redis 7.0.15, but for the zero byte.
    #[test]
    fn words_are_split_and_unescaped_as_redis_does() {
        let table: &[(&[u8], &[&[u8]])] = &[
            (b"", &[]),
            (b" \t\r\n\x0b\x0c", &[]),
            (b"  PING  \t", &[b"PING"]),
            (b"PING \r ", &[b"PING"]),
            (b"PING a\rb", &[b"PING", b"a", b"b"]),
            (b"PING \x0ba\x0cb", &[b"PING", b"a\x0cb"]),
            (b"PING \xff\xfe", &[b"PING", b"\xff\xfe"]),
            (b"PING a\0b \"\0\"", &[b"PING", b"a\0b", b"\0"]),
            (b"PING a\\x41", &[b"PING", b"a\\x41"]),
            (b"\"\" ''", &[b"", b""]),
            (br#"PING "a\x41\n\q\"b""#, &[b"PING", b"aA\nq\"b"]),
            (br#"PING "\r\t\b\a\\" x"#, &[b"PING", b"\r\t\x08\x07\\", b"x"]),
            (br#"PING "\x4" "\xzz" "\X41" "\xfF""#, &[b"PING", b"x4", b"xzz", b"X41", b"\xff"]),
            (br"PING 'a\'b\n'", &[b"PING", br"a'b\n"]),
            (b"PING a\"b\" a'b'", &[b"PING", b"ab", b"ab"]),
            (b"PING \"a\"\tb \"a\"\x0bb", &[b"PING", b"a", b"b", b"a", b"b"]),
            (b"PING \"a\x0bb\rc\"", &[b"PING", b"a\x0bb\rc"]),
        ];
        for (line, expected) in table {
            assert_eq!(split_words(line).unwrap(), *expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn quotes_must_be_balanced_and_end_their_word() {
        let table: [&[u8]; 9] = [
            br#"PING "a"b"#,
            br"PING 'a'b",
            br#"PING "a"#,
            br"PING 'a",
            br#"PING "a\"#,
            br#"PING "a\""#,
            br"PING 'a\'",
            br"PING 'it''s'",
            br#"PING a"b"c"#,
        ];
        for line in table {
            assert_eq!(split_words(line), None, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn quoted_words_read_back() {
        let word: Vec<u8> = (0..=255).collect();
        let mut line = Vec::new();
        quote(&word, &mut line);
        assert!(line.is_ascii());
        assert_eq!(split_words(&line), Some(vec![word]));
    }
}
