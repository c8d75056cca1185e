//! What a reply must be: a value to the byte, or its shape where it cannot be foreseen.

use std::borrow::Cow;
use std::collections::HashMap;

use super::quote::{escape, quote, unquote};
use crate::support::resp::{Kind, Value};

/// What earlier replies left in `! save NAME`, for `${NAME}` in later commands.
pub type Saved = HashMap<String, Vec<u8>>;

/// One expected reply, or one element of it.
#[derive(Clone, Debug)]
pub enum Expect {
    /// Exactly this scalar.
    Is(Value),
    /// An aggregate of this type with these elements. A set has no order.
    Items(Kind, Vec<Expect>),
    /// The same elements in any order; a map's pairs stay together.
    Unordered(Kind, Vec<Expect>),
    /// `! any`, or `! any TYPE`: anything at all, or of that type.
    Any(String),
    /// `! match GLOB`: text (of any string type or an error) with `*` and `?`.
    Match(Vec<u8>),
    /// `! between LOW HIGH`: an integer, bounds included.
    Between(i64, i64),
    /// `! save NAME`: any scalar, which `${NAME}` in later commands stands for.
    Save(String),
    /// `! closed`: no reply; the server closes the connection.
    Closed,
}

/// Whether a line can belong to an expected reply.
pub fn is_reply_line(line: &str) -> bool {
    let line = line.trim_start();
    match line.strip_prefix("! ") {
        Some(directive) => {
            let word = directive.split(' ').next().unwrap_or("");
            ["any", "match", "between", "save", "unordered", "closed"].contains(&word)
        }
        None => {
            line != "<" && !line.is_empty() && !line.starts_with('#') && !line.starts_with("> ")
        }
    }
}

/// Reads one expected reply from the start of `lines`; also how many lines it takes.
pub fn parse(lines: &[&str], depth: usize) -> Result<(Expect, usize), String> {
    let line = *lines.first().ok_or("the reply ends too early")?;
    let indent = "  ".repeat(depth);
    let text = line.strip_prefix(&indent).ok_or(format!("{line:?} wants {depth} indents"))?;
    if text.starts_with(' ') {
        return Err(format!("{line:?} is indented too far"));
    }
    if text == "! unordered" {
        return match parse(&lines[1..], depth)? {
            (Expect::Items(kind, items), count) => Ok((Expect::Unordered(kind, items), count + 1)),
            _ => Err("! unordered wants an aggregate".to_owned()),
        };
    }
    if let Some(directive) = text.strip_prefix("! ") {
        return Ok((parse_directive(directive)?, 1));
    }
    let sigil = text.chars().next().ok_or("an empty reply line")?;
    if let Some(kind) = Kind::from_sigil(sigil) {
        let count: usize = text[1..].parse().map_err(|_| format!("bad count in {text:?}"))?;
        let mut items = Vec::new();
        let mut used = 1;
        for _ in 0..count * kind.width() {
            let (item, lines_used) = parse(&lines[used..], depth + 1)?;
            items.push(item);
            used += lines_used;
        }
        return Ok((Expect::Items(kind, items), used));
    }
    Ok((Expect::Is(parse_scalar(text)?), 1))
}

fn parse_directive(text: &str) -> Result<Expect, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "any" => Ok(Expect::Any(rest.to_owned())),
        "match" if rest.starts_with('"') => Ok(Expect::Match(unquote(rest)?)),
        "match" => Ok(Expect::Match(rest.as_bytes().to_vec())),
        "save" => Ok(Expect::Save(rest.to_owned())),
        "closed" => Ok(Expect::Closed),
        "between" => {
            let (low, high) = rest.split_once(' ').ok_or("! between wants two numbers")?;
            let number = |text: &str| text.parse().map_err(|_| format!("bad number {text:?}"));
            Ok(Expect::Between(number(low)?, number(high)?))
        }
        _ => Err(format!("unknown directive {text:?}")),
    }
}

fn parse_scalar(text: &str) -> Result<Value, String> {
    let plain = |text: &str| unquote(&format!("\"{}\"", text.replace('"', "\\\"")));
    let body = text.get(1..).unwrap_or("");
    Ok(match (text, text.as_bytes()[0]) {
        ("nil", _) => Value::Nil,
        ("nil-array", _) => Value::NilArray,
        ("#t", _) => Value::Bool(true),
        ("#f", _) => Value::Bool(false),
        (_, b'+') => Value::Simple(plain(body)?),
        (_, b'-') => Value::Error(plain(body)?),
        (_, b':') => Value::Int(body.parse().map_err(|_| format!("bad integer {text:?}"))?),
        (_, b',') => Value::Double(body.to_owned()),
        (_, b'(') => Value::Big(body.to_owned()),
        (_, b'"') => Value::Bulk(unquote(text)?),
        (_, b'=') => {
            let (format, quoted) = body.split_once(':').ok_or("verbatim is =txt:\"text\"")?;
            Value::Verbatim(format.to_owned(), unquote(quoted)?)
        }
        _ => return Err(format!("{text:?} is no reply")),
    })
}

/// Writes a reply in the notation that `parse` reads.
pub fn render(value: &Value, depth: usize, out: &mut Vec<String>) {
    let plain = |bytes: &[u8]| {
        let text = escape(bytes).replace("\\\"", "\"");
        // Editors take trailing spaces away.
        text.strip_suffix(' ').map_or(text.clone(), |text| format!("{text}\\x20"))
    };
    let line = match value {
        Value::Simple(text) => format!("+{}", plain(text)),
        Value::Error(text) => format!("-{}", plain(text)),
        Value::Int(number) => format!(":{number}"),
        Value::Bulk(bytes) => quote(bytes),
        Value::Nil | Value::Null => "nil".to_owned(),
        Value::NilArray => "nil-array".to_owned(),
        Value::Double(text) => format!(",{text}"),
        Value::Bool(truth) => format!("#{}", if *truth { 't' } else { 'f' }),
        Value::Big(digits) => format!("({digits}"),
        Value::Verbatim(format, bytes) => format!("={format}:{}", quote(bytes)),
        Value::Items(kind, items) => format!("{}{}", kind.sigil(), items.len() / kind.width()),
    };
    out.push(format!("{}{line}", "  ".repeat(depth)));
    if let Value::Items(_, items) = value {
        for item in items {
            render(item, depth + 1, out);
        }
    }
}

/// Writes a reply like `render`, but where `expected` fits a part of it, as it stands there.
pub fn render_like(expected: &Expect, value: &Value, depth: usize, out: &mut Vec<String>) {
    let parts = match expected {
        expected if expected.accepts(value, &mut Saved::new()) => {
            return write(expected, depth, out);
        }
        Expect::Items(_, parts) => parts.as_slice(),
        _ => &[],
    };
    let Value::Items(kind, items) = value else { return render(value, depth, out) };
    render(&Value::Items(*kind, Vec::new()), depth, out);
    if let Some(line) = out.last_mut() {
        *line = format!("{}{}{}", "  ".repeat(depth), kind.sigil(), items.len() / kind.width());
    }
    for (index, item) in items.iter().enumerate() {
        match parts.get(index) {
            Some(part) => render_like(part, item, depth + 1, out),
            None => render(item, depth + 1, out),
        }
    }
}

/// Writes an expected reply in the notation that `parse` reads.
fn write(expected: &Expect, depth: usize, out: &mut Vec<String>) {
    let text = match expected {
        Expect::Is(value) => return render(value, depth, out),
        Expect::Items(kind, parts) => {
            out.push(format!(
                "{}{}{}",
                "  ".repeat(depth),
                kind.sigil(),
                parts.len() / kind.width()
            ));
            return parts.iter().for_each(|part| write(part, depth + 1, out));
        }
        Expect::Unordered(kind, parts) => {
            out.push(format!("{}! unordered", "  ".repeat(depth)));
            return write(&Expect::Items(*kind, parts.clone()), depth, out);
        }
        Expect::Any(kind) => format!("any {kind}"),
        Expect::Match(pattern) => format!("match {}", quote(pattern)),
        Expect::Between(low, high) => format!("between {low} {high}"),
        Expect::Save(name) => format!("save {name}"),
        Expect::Closed => "closed".to_owned(),
    };
    out.push(format!("{}! {}", "  ".repeat(depth), text.trim_end()));
}

impl Expect {
    /// The same as a target says it: Valkey leaves the script's name out of `script: NAME, on @`.
    pub fn said_by(&self, target: &str) -> Cow<'_, Expect> {
        let Expect::Is(Value::Error(text)) = self else { return Cow::Borrowed(self) };
        let text = String::from_utf8_lossy(text);
        match text.rsplit_once(" script: ") {
            Some((error, place)) if target.starts_with("valkey") => {
                let at = place.find("on @").unwrap_or(0);
                let text = format!("{error} script: {}", &place[at..]);
                Cow::Owned(Expect::Is(Value::Error(text.into_bytes())))
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// Whether `value` is what was expected.
    pub fn accepts(&self, value: &Value, saved: &mut Saved) -> bool {
        match (self, value) {
            // Which null is right depends on the dialect, and the target sees to that.
            (Expect::Is(Value::Nil), Value::Null) => true,
            (Expect::Is(expected), _) => expected == value,
            (Expect::Items(Kind::Set, parts), Value::Items(Kind::Set, items)) => {
                parts.len() == items.len() && accepts_unordered(parts, items, 1, saved)
            }
            (Expect::Items(expected, parts), Value::Items(kind, items)) => {
                expected == kind
                    && parts.len() == items.len()
                    && parts.iter().zip(items).all(|(part, item)| part.accepts(item, saved))
            }
            (Expect::Unordered(expected, parts), Value::Items(kind, items)) => {
                expected == kind
                    && parts.len() == items.len()
                    && accepts_unordered(parts, items, kind.width(), saved)
            }
            (Expect::Any(kind), _) => kind.is_empty() || kind == type_name(value),
            (Expect::Match(pattern), _) => text(value).is_some_and(|text| glob(pattern, &text)),
            (Expect::Between(low, high), Value::Int(number)) => (low..=high).contains(&number),
            (Expect::Save(name), _) => match text(value) {
                Some(text) => {
                    saved.insert(name.clone(), text);
                    true
                }
                None => false,
            },
            _ => false,
        }
    }
}

/// Pairs every part with an item of its own, taking the first that fits.
fn accepts_unordered(parts: &[Expect], items: &[Value], width: usize, saved: &mut Saved) -> bool {
    let mut left: Vec<&[Value]> = items.chunks(width).collect();
    parts.chunks(width).all(|part| {
        let found = left.iter().position(|item| {
            part.iter().zip(*item).all(|(part, value)| part.accepts(value, saved))
        });
        found.map(|index| left.swap_remove(index)).is_some()
    })
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Simple(_) => "simple",
        Value::Error(_) => "error",
        Value::Int(_) => "integer",
        Value::Bulk(_) => "bulk",
        Value::Nil | Value::Null | Value::NilArray => "nil",
        Value::Double(_) => "double",
        Value::Bool(_) => "boolean",
        Value::Big(_) => "big",
        Value::Verbatim(..) => "verbatim",
        Value::Items(Kind::Array, _) => "array",
        Value::Items(Kind::Map, _) => "map",
        Value::Items(Kind::Set, _) => "set",
        Value::Items(Kind::Push, _) => "push",
    }
}

/// The text of a scalar that has one.
fn text(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Simple(bytes) | Value::Bulk(bytes) | Value::Verbatim(_, bytes) => {
            Some(bytes.clone())
        }
        Value::Error(bytes) => Some([b"-", bytes.as_slice()].concat()),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        Value::Double(text) | Value::Big(text) => Some(text.clone().into_bytes()),
        _ => None,
    }
}

/// `*` for any run of bytes, `?` for one.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((star_at, from)) => {
                    star = Some((star_at, from + 1));
                    at = star_at + 1;
                    seen = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::{Saved, glob, parse, render};
    use crate::support::resp::decode;

    const WIRE: &[u8] = b"*3\r\n%1\r\n+a b \r\n~2\r\n:1\r\n,1.5\r\n*2\r\n$-1\r\n*-1\r\n\
        *5\r\n$3\r\n\0\"\xff\r\n=5\r\ntxt:x\r\n#t\r\n(12\r\n-ERR \\ \"\r\n";

    #[test]
    fn what_is_rendered_is_read_back() {
        let (value, length) = decode(WIRE).expect("RESP").expect("all of it");
        assert_eq!(length, WIRE.len());
        let mut lines = Vec::new();
        render(&value, 0, &mut lines);
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (expected, used) = parse(&texts, 0).expect("our own notation");
        assert_eq!(used, lines.len());
        assert!(expected.accepts(&value, &mut Saved::new()));
    }

    #[test]
    fn no_prefix_of_a_reply_is_a_reply() {
        for end in 0..WIRE.len() {
            assert_eq!(decode(&WIRE[..end]), Ok(None), "the first {end} bytes");
        }
    }

    #[test]
    fn globs() {
        assert!(glob(b"*b=?\n*", b"a=1\nb=2\nc=3"));
        assert!(!glob(b"*b=?", b"a=1\nb=2\nc=3"));
        assert!(glob(b"", b"") && glob(b"**", b"") && !glob(b"?", b""));
    }
}
