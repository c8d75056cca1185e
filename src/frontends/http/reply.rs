//! Replies of the server in RESP3: where each ends, and what it is in JSON.
//!
//! ```text
//!   string, verbatim    a string; {"base64": "..."} where the bytes are no UTF-8
//!   integer             a number; {"integer": "..."} where a JavaScript number is too short
//!   double              a number; {"double": "inf"}, "-inf" or "nan"
//!   big number          {"integer": "..."}
//!   null, boolean       null, true, false
//!   array, set, push    an array; {"set": [...]}, {"push": [...]}
//!   map                 {"map": [[key, value], ...]}, because a key may be anything
//!   error               {"error": "..."}
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value, json};

/// The largest integer up to which a JavaScript number tells each from the next.
const EXACT_MAX: u64 = 1 << 53;
/// Replies are nested so deep at most.
const DEPTH_MAX: usize = 64;

/// Finds the end of replies as their bytes arrive. Each byte is looked at once.
#[derive(Default)]
pub struct Scanner {
    /// Where in the bytes the next line begins.
    at: usize,
    /// How many values are still to come of the reply that was begun; zero between two.
    left: u64,
}

/// What a line of a reply begins with is no RESP.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken;

impl Scanner {
    /// Looks at the bytes so far. Returns where the first reply ends, if it does.
    ///
    /// # Errors
    /// When they are no replies.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        // Nothing but the last value's bytes may have been missing.
        if self.left == 0 && self.at > 0 {
            let whole = self.at <= bytes.len();
            return Ok(whole.then(|| std::mem::take(&mut self.at)));
        }
        while let Some(line) = bytes.get(self.at..).and_then(line) {
            let next = self.at + line.len() + 2;
            let (kind, rest) = line.split_first().ok_or(Broken)?;
            let count = || number(rest).ok_or(Broken);
            self.left = self.left.max(1) - 1;
            self.at = match kind {
                b'$' | b'=' | b'!' if rest != b"-1" => next + count()? as usize + 2,
                b'*' | b'~' | b'>' if rest != b"-1" => {
                    self.left += count()?;
                    next
                }
                b'%' => {
                    self.left += 2 * count()?;
                    next
                }
                _ => next,
            };
            if self.left == 0 {
                let whole = self.at <= bytes.len();
                return Ok(whole.then(|| std::mem::take(&mut self.at)));
            }
        }
        Ok(None)
    }

    /// How many bytes need not be looked at again.
    pub fn looked_at(&self) -> usize {
        self.at
    }

    /// So many bytes are gone from the front.
    pub fn forget(&mut self, bytes: usize) {
        self.at = self.at.saturating_sub(bytes);
    }
}

/// The line that the bytes begin with, without its end.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\r')?;
    (bytes.get(end + 1)? == &b'\n').then(|| &bytes[..end])
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A whole reply in JSON; None where the bytes are none.
pub fn to_json(bytes: &[u8]) -> Option<Value> {
    value(&mut { bytes }, 0)
}

fn value(bytes: &mut &[u8], depth: usize) -> Option<Value> {
    let head = line(bytes)?;
    *bytes = &bytes[head.len() + 2..];
    let (kind, rest) = head.split_first()?;
    if rest == b"-1" && matches!(kind, b'$' | b'*') {
        return Some(Value::Null);
    }
    let mut many = |count: u64| -> Option<Vec<Value>> {
        (depth < DEPTH_MAX).then_some(())?;
        (0..count).map(|_| value(bytes, depth + 1)).collect()
    };
    Some(match kind {
        b'+' => text(rest),
        b'-' => json!({ "error": String::from_utf8_lossy(rest) }),
        b':' => integer(rest),
        b'(' => json!({ "integer": String::from_utf8_lossy(rest) }),
        b',' => double(rest),
        b'_' => Value::Null,
        b'#' => Value::Bool(rest == b"t"),
        b'$' => text(blob(bytes, rest)?),
        b'=' => text(blob(bytes, rest)?.get(4..)?),
        b'!' => json!({ "error": String::from_utf8_lossy(blob(bytes, rest)?) }),
        b'*' => Value::Array(many(number(rest)?)?),
        b'~' => json!({ "set": many(number(rest)?)? }),
        b'>' => json!({ "push": many(number(rest)?)? }),
        b'%' => {
            let both = many(number(rest)?.checked_mul(2)?)?;
            let pairs = both.chunks(2).map(|pair| Value::Array(pair.to_vec())).collect();
            Value::Object(Map::from_iter([("map".to_owned(), Value::Array(pairs))]))
        }
        _ => return None,
    })
}

/// The bytes behind a line that says how many there are.
fn blob<'a>(bytes: &mut &'a [u8], count: &[u8]) -> Option<&'a [u8]> {
    let count = number(count)? as usize;
    let (blob, rest) = bytes.split_at_checked(count)?;
    *bytes = rest.strip_prefix(b"\r\n")?;
    Some(blob)
}

/// Bytes in JSON.
pub fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

fn integer(digits: &[u8]) -> Value {
    let digits = String::from_utf8_lossy(digits);
    match digits.parse::<i64>() {
        Ok(number) if number.unsigned_abs() <= EXACT_MAX => Value::from(number),
        _ => json!({ "integer": digits }),
    }
}

fn double(digits: &[u8]) -> Value {
    let digits = String::from_utf8_lossy(digits);
    let number = digits.parse::<f64>().ok().and_then(Number::from_f64);
    number.map_or_else(|| json!({ "double": digits }), Value::Number)
}

/// An argument of a command: a string, a number, or `{"base64": "..."}`.
pub fn argument(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Number(number) => Some(number.to_string().into_bytes()),
        Value::Object(map) if map.len() == 1 => STANDARD.decode(map.get("base64")?.as_str()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "*9\r\n+OK\r\n$2\r\nab\r\n:7\r\n,1.5\r\n_\r\n#t\r\n%1\r\n$1\r\nk\r\n~1\r\n\
        :1\r\n=7\r\ntxt:abc\r\n(123456789012345678901234567890\r\n";

    #[test]
    fn every_type_has_its_form() {
        let reply = to_json(ALL.as_bytes()).unwrap();
        let form = json!(["OK", "ab", 7, 1.5, null, true, { "map": [["k", { "set": [1] }]] },
            "abc", { "integer": "123456789012345678901234567890" }]);
        assert_eq!(reply, form);
        assert_eq!(to_json(b"-ERR no\r\n"), Some(json!({ "error": "ERR no" })));
        assert_eq!(to_json(b"!5\r\nERR x\r\n"), Some(json!({ "error": "ERR x" })));
        assert_eq!(to_json(b"$2\r\n\xff\xfe\r\n"), Some(json!({ "base64": "//4=" })));
        assert_eq!(
            to_json(b":9007199254740993\r\n"),
            Some(json!({ "integer": "9007199254740993" }))
        );
        assert_eq!(to_json(b",inf\r\n"), Some(json!({ "double": "inf" })));
        assert_eq!(to_json(b">1\r\n$1\r\nx\r\n"), Some(json!({ "push": ["x"] })));
        assert_eq!(to_json(b"$-1\r\n"), Some(Value::Null));
        assert_eq!(to_json(b"$5\r\nab\r\n"), None);
    }

    #[test]
    fn ends_are_found_however_the_bytes_arrive() {
        let two = [ALL.as_bytes(), b"$0\r\n\r\n:1\r\n*0\r\n%0\r\n"].concat();
        let ends = [ALL.len(), 6, 4, 4, 4];
        for step in 1..two.len() {
            let (mut scanner, mut bytes, mut found) = (Scanner::default(), Vec::new(), Vec::new());
            for part in two.chunks(step) {
                bytes.extend_from_slice(part);
                while let Some(end) = scanner.scan(&bytes).unwrap() {
                    found.push(end);
                    bytes.drain(..end);
                }
            }
            assert_eq!(found, ends, "in steps of {step}");
        }
        assert_eq!(Scanner::default().scan(b"$x\r\n"), Err(Broken));
    }

    #[test]
    fn arguments_are_texts_numbers_and_bytes() {
        assert_eq!(argument(&json!("a")), Some(b"a".to_vec()));
        assert_eq!(argument(&json!(-3)), Some(b"-3".to_vec()));
        assert_eq!(argument(&json!({ "base64": "//4=" })), Some(vec![255, 254]));
        for wrong in [json!(null), json!(true), json!([]), json!({ "base64": "!" }), json!({})] {
            assert_eq!(argument(&wrong), None);
        }
    }
}
