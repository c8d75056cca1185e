//! Bytes as text: redis-cli's quoting, and `"x"*1000` for a repeated string, so that a transcript
//! shows binary and big values in one short line.

/// Splits a command line into its arguments.
pub fn split(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut args = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (arg, after) = word(rest)?;
        args.push(arg);
        rest = after.trim_start();
    }
    Ok(args)
}

/// Reads one quoted string that is all of `text`.
pub fn unquote(text: &str) -> Result<Vec<u8>, String> {
    match word(text)? {
        (bytes, "") => Ok(bytes),
        (_, rest) => Err(format!("unexpected {rest:?} after a string")),
    }
}

/// Writes `bytes` as one quoted string.
pub fn quote(bytes: &[u8]) -> String {
    const SHORT: usize = 48;
    match bytes.first() {
        Some(first) if bytes.len() > SHORT && bytes.iter().all(|byte| byte == first) => {
            format!("\"{}\"*{}", escape(&[*first]), bytes.len())
        }
        _ => format!("\"{}\"", escape(bytes)),
    }
}

/// Printable ASCII as it is, everything else (and `"` and `\`) as an escape.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &byte in bytes {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// The first word of `text` and what follows it.
fn word(text: &str) -> Result<(Vec<u8>, &str), String> {
    let bytes = text.as_bytes();
    match bytes.first() {
        Some(b'"') => repeated(double_quoted(text)?),
        Some(b'\'') => {
            let end = text[1..].find('\'').ok_or("a ' without its end")? + 1;
            repeated((bytes[1..end].to_vec(), &text[end + 1..]))
        }
        _ => {
            let end = text.find(' ').unwrap_or(text.len());
            Ok((bytes[..end].to_vec(), &text[end..]))
        }
    }
}

/// Reads from an opening `"` to its end.
fn double_quoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 1;
    loop {
        let byte = *bytes.get(at).ok_or("a \" without its end")?;
        at += 1;
        match byte {
            b'"' => return Ok((out, &text[at..])),
            b'\\' => {
                let escaped = *bytes.get(at).ok_or("a \\ at the end")?;
                at += 1;
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    b'x' => {
                        let digits = text.get(at..at + 2).ok_or("\\x wants two digits")?;
                        at += 2;
                        u8::from_str_radix(digits, 16).map_err(|_| "\\x wants hex digits")?
                    }
                    other => other,
                });
            }
            other => out.push(other),
        }
    }
}

/// Applies the `*N` that may follow a quoted string.
fn repeated((bytes, rest): (Vec<u8>, &str)) -> Result<(Vec<u8>, &str), String> {
    let Some(count) = rest.strip_prefix('*') else {
        return if rest.is_empty() || rest.starts_with(' ') {
            Ok((bytes, rest))
        } else {
            Err(format!("a space is missing before {rest:?}"))
        };
    };
    let end = count.find(' ').unwrap_or(count.len());
    let times: usize = count[..end].parse().map_err(|_| format!("bad repetition {count:?}"))?;
    Ok((bytes.repeat(times), &count[end..]))
}

#[cfg(test)]
mod tests {
    use super::{quote, split, unquote};

    #[test]
    fn splits_as_redis_cli_does() {
        let args = split("SET 'a b' \"c\\x00\\n\" d\\x \"\" \"xy\"*2").expect("a command");
        assert_eq!(args, [&b"SET"[..], b"a b", b"c\0\n", b"d\\x", b"", b"xyxy"]);
        assert!(split("a \"b").is_err());
        assert!(split("a \"b\"c").is_err());
    }

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unquote(&quote(&all)), Ok(all));
        assert_eq!(quote(&[b'x'; 1000]), "\"x\"*1000");
        assert_eq!(unquote("\"x\"*1000"), Ok(vec![b'x'; 1000]));
    }
}
