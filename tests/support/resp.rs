//! RESP as a test sees it: a reply is a plain tree, and nothing is converted.
//!
//! The decoder is deliberately separate from the server's own protocol crate: a mistake that both
//! sides of one codec share would be invisible. It decodes every RESP2 and RESP3 type; attributes
//! are absent, because no server here sends them.

/// One reply, exactly as it was on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+text`
    Simple(Vec<u8>),
    /// `-text`
    Error(Vec<u8>),
    /// `:number`
    Int(i64),
    /// `$length`
    Bulk(Vec<u8>),
    /// `$-1`
    Nil,
    /// `*-1`
    NilArray,
    /// `_`, RESP3's only null
    Null,
    /// `,number`, kept as text: its digits are part of the contract
    Double(String),
    /// `#t` or `#f`
    Bool(bool),
    /// `(digits`
    Big(String),
    /// `=length`, the three-letter format and the text
    Verbatim(String, Vec<u8>),
    /// `*`, `%`, `~` or `>`; a map's keys and values alternate
    Items(Kind, Vec<Value>),
}

/// The aggregate types.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Array,
    Map,
    Set,
    Push,
}

impl Kind {
    /// The type's first byte on the wire.
    pub fn sigil(self) -> char {
        match self {
            Kind::Array => '*',
            Kind::Map => '%',
            Kind::Set => '~',
            Kind::Push => '>',
        }
    }

    /// The type whose first byte is `sigil`.
    pub fn from_sigil(sigil: char) -> Option<Kind> {
        [Kind::Array, Kind::Map, Kind::Set, Kind::Push].into_iter().find(|k| k.sigil() == sigil)
    }

    /// How many values stand for one counted element.
    pub fn width(self) -> usize {
        if self == Kind::Map { 2 } else { 1 }
    }
}

/// The request `args`, as an array of bulk strings.
pub fn request(args: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The first reply in `bytes` and its length; `None` while it is incomplete.
pub fn decode(bytes: &[u8]) -> Result<Option<(Value, usize)>, String> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let (sigil, line) = bytes[..end].split_first().ok_or("an empty line instead of a reply")?;
    let text = String::from_utf8_lossy(line).into_owned();
    let after = end + 2;
    let value = match sigil {
        b'+' => Value::Simple(line.to_vec()),
        b'-' => Value::Error(line.to_vec()),
        b':' => Value::Int(text.parse().map_err(|_| format!("bad integer {text:?}"))?),
        b'_' => Value::Null,
        b',' => Value::Double(text),
        b'(' => Value::Big(text),
        b'#' => Value::Bool(text == "t"),
        b'$' | b'=' => return decode_bulk(bytes, after, *sigil == b'=', &text),
        b'*' | b'%' | b'~' | b'>' => return decode_items(bytes, after, char::from(*sigil), &text),
        other => return Err(format!("unknown reply type {:?}", char::from(*other))),
    };
    Ok(Some((value, after)))
}

fn decode_bulk(
    bytes: &[u8],
    start: usize,
    verbatim: bool,
    length: &str,
) -> Result<Option<(Value, usize)>, String> {
    if length == "-1" {
        return Ok(Some((Value::Nil, start)));
    }
    let length: usize = length.parse().map_err(|_| format!("bad bulk length {length:?}"))?;
    let Some(body) = bytes.get(start..start + length + 2) else { return Ok(None) };
    let Some(body) = body.strip_suffix(b"\r\n") else {
        return Err(format!("a bulk of {length} bytes does not end there"));
    };
    let value = if verbatim {
        let format = body.get(..3).ok_or("a verbatim string without its format")?;
        Value::Verbatim(String::from_utf8_lossy(format).into_owned(), body[4..].to_vec())
    } else {
        Value::Bulk(body.to_vec())
    };
    Ok(Some((value, start + length + 2)))
}

fn decode_items(
    bytes: &[u8],
    start: usize,
    sigil: char,
    count: &str,
) -> Result<Option<(Value, usize)>, String> {
    if count == "-1" {
        return Ok(Some((Value::NilArray, start)));
    }
    let kind = Kind::from_sigil(sigil).ok_or("not an aggregate")?;
    let count: usize = count.parse().map_err(|_| format!("bad count {count:?}"))?;
    let mut items = Vec::new();
    let mut at = start;
    for _ in 0..count * kind.width() {
        let Some((item, length)) = decode(&bytes[at..])? else { return Ok(None) };
        items.push(item);
        at += length;
    }
    Ok(Some((Value::Items(kind, items), at)))
}
