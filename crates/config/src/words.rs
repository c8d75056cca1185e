//! The words of a directive, quoted as in redis.conf.
//!
//! `"..."` knows `\n \r \t \b \a`, `\xHH` and a backslash before any other byte, `'...'` knows `\'`
//! only. A closing quote must be followed by a blank or the end of the line.

/// Splits a line into its words, or tells that its quotes do not close.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let (word, after) = first(rest)?;
        words.push(word);
        rest = after.trim_ascii_start();
    }
    Some(words)
}

/// Writes a word so that [`split`] reads it back.
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

/// The first word, and what follows it.
fn first(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        match rest {
            [] => return Some((word, rest)),
            [byte, ..] if is_blank(*byte) => return Some((word, rest)),
            [quote @ (b'"' | b'\''), after @ ..] => {
                rest = quoted(*quote, after, &mut word)?;
                if rest.first().is_some_and(|byte| !is_blank(*byte)) {
                    return None;
                }
                return Some((word, rest));
            }
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

/// Reads up to the closing quote; what follows it.
fn quoted<'a>(quote: u8, mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, after) = match rest {
            [] => return None,
            [byte, after @ ..] if *byte == quote => return Some(after),
            [b'\\', b'x', high, low, after @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                (u8::from_str_radix(digits, 16).ok()?, after)
            }
            [b'\\', byte, after @ ..] if quote == b'"' => (unescape(*byte), after),
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [byte, after @ ..] => (*byte, after),
        };
        word.push(byte);
        rest = after;
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        _ => byte,
    }
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 11
}

#[cfg(test)]
mod tests {
    use super::{quote, split};

    #[track_caller]
    fn check(line: &str, expected: Option<&[&str]>) {
        let words = split(line.as_bytes());
        let words = words.map(|words| {
            words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect::<Vec<_>>()
        });
        let words = words.as_deref();
        assert!(
            match (&words, expected) {
                (Some(words), Some(expected)) => words == &expected,
                (None, None) => true,
                _ => false,
            },
            "{line}: {words:?}"
        );
    }

    #[test]
    fn words_and_quotes() {
        check(" save  3600 1\t300 ", Some(&["save", "3600", "1", "300"]));
        check(r#"save """#, Some(&["save", ""]));
        check(r#"a "b \x41\"\n\q" 'c\'\n'"#, Some(&["a", "b A\"\nq", r"c'\n"]));
        check(r#"pre"fix""#, Some(&["prefix"]));
        check(r#""a"b"#, None);
        check(r#""a"#, None);
        check(r"'a", None);
        check(r#""a\"#, None);
        check("", Some(&[]));
    }

    #[test]
    fn quoted_words_read_back() {
        let word: Vec<u8> = (0..=255).collect();
        let mut line = Vec::new();
        quote(&word, &mut line);
        assert!(line.is_ascii());
        assert_eq!(split(&line), Some(vec![word]));
    }
}
