//! `cjson.decode`: the tokens and errors of Lua CJSON.

use super::argument::Fault;
use super::cjson::Settings;
use crate::pace::{ITEM, Pace};
use mlua::{Lua, Value};

/// Bytes between two questions whether to go on.
const TURN: usize = 1 << 16;

/// A token.
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Text(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token {
    /// The name that errors give it.
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Text(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(what) => what,
        }
    }
}

/// Decodes one JSON value.
///
/// # Errors
/// When the text is none, or nested too deeply, or the script has to end.
pub fn decode(lua: &Lua, text: &[u8], settings: &Settings, pace: &Pace) -> Result<Value, Fault> {
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err("JSON parser does not support UTF-16 or UTF-32".into());
    }
    let mut decoder = Decoder { lua, text, at: 0, index: 0, depth: 0, settings, pace, told: 0 };
    let token = decoder.next()?;
    let value = decoder.value(token)?;
    match decoder.next()? {
        Token::End => Ok(value),
        other => Err(decoder.unexpected("the end", &other)),
    }
}

struct Decoder<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    /// Where the last token is, for errors.
    index: usize,
    depth: i64,
    settings: &'a Settings,
    pace: &'a Pace,
    /// How far the pace was told of.
    told: usize,
}

impl Decoder<'_> {
    /// The byte at an offset from here; zero beyond the end.
    fn peek(&self, offset: usize) -> u8 {
        self.text.get(self.at + offset).copied().unwrap_or(0)
    }

    /// Tells the pace how far this is.
    fn tell(&mut self) -> mlua::Result<()> {
        let done = self.at - self.told;
        self.told = self.at;
        self.pace.spend(done)
    }

    fn next(&mut self) -> Result<Token, Fault> {
        self.pace.spend(ITEM)?;
        while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
            if self.at - self.told > TURN {
                self.tell()?;
            }
        }
        self.tell()?;
        self.token()
    }

    fn token(&mut self) -> Result<Token, Fault> {
        self.index = self.at;
        let single = match self.peek(0) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            0 => return Ok(Token::End),
            b'"' => return self.string(),
            _ => return Ok(self.word()),
        };
        self.at += 1;
        Ok(single)
    }

    fn error(&mut self, what: &'static str) -> Token {
        self.index = self.at;
        Token::Error(what)
    }

    fn word(&mut self) -> Token {
        let rest = &self.text[self.at..];
        let is_number = matches!(self.peek(0), b'-' | b'0'..=b'9');
        if is_number || self.is_odd_number() {
            if !self.settings.decode_invalid && self.is_odd_number() {
                let what = if is_number { "invalid number" } else { "invalid token" };
                return self.error(what);
            }
            return match number(rest) {
                Some((value, len)) => {
                    self.at += len;
                    Token::Number(value)
                }
                None => self.error("invalid number"),
            };
        }
        let words = [
            (&b"true"[..], Token::Boolean(true)),
            (b"false", Token::Boolean(false)),
            (b"null", Token::Null),
        ];
        for (word, token) in words {
            if rest.starts_with(word) {
                self.at += word.len();
                return token;
            }
        }
        self.error("invalid token")
    }

    /// Whether a number begins here that C reads and JSON does not have.
    fn is_odd_number(&self) -> bool {
        if self.peek(0) == b'+' {
            return true;
        }
        let at = usize::from(self.peek(0) == b'-');
        match (self.peek(at), self.peek(at + 1)) {
            (b'0', next) => next | 0x20 == b'x' || next.is_ascii_digit(),
            (..=b'9', _) => false,
            _ => {
                let rest = &self.text[self.at + at..];
                let word = rest.get(..3).unwrap_or_default();
                word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn string(&mut self) -> Result<Token, Fault> {
        let mut text = Vec::new();
        self.at += 1;
        loop {
            if self.at - self.told > TURN {
                self.tell()?;
            }
            match self.peek(0) {
                b'"' => break,
                0 => return Ok(self.error("unexpected end of string")),
                b'\\' => {
                    let byte = match self.peek(1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        b'u' => {
                            let Some((letter, len)) = self.unicode() else {
                                return Ok(self.error("invalid unicode escape code"));
                            };
                            text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                            self.at += len;
                            continue;
                        }
                        _ => return Ok(self.error("invalid escape code")),
                    };
                    text.push(byte);
                    self.at += 2;
                }
                byte => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Ok(Token::Text(text))
    }

    /// The character of an escape `\uXXXX`, or of two that are a pair, and its length.
    fn unicode(&self) -> Option<(char, usize)> {
        let code = |offset: usize| {
            let digit = |n: usize| char::from(self.peek(offset + n)).to_digit(16);
            Some(digit(2)? << 12 | digit(3)? << 8 | digit(4)? << 4 | digit(5)?)
        };
        let high = code(0)?;
        if high & 0xf800 != 0xd800 {
            return Some((char::from_u32(high)?, 6));
        }
        if high & 0x400 != 0 || self.peek(6) != b'\\' || self.peek(7) != b'u' {
            return None;
        }
        let low = code(6)?;
        if low & 0xfc00 != 0xdc00 {
            return None;
        }
        let letter = 0x1_0000 + ((high & 0x3ff) << 10 | low & 0x3ff);
        Some((char::from_u32(letter)?, 12))
    }

    fn unexpected(&self, expected: &str, found: &Token) -> Fault {
        let (found, place) = (found.name(), self.index + 1);
        Fault(format!("Expected {expected} but found {found} at character {place}"))
    }

    fn value(&mut self, token: Token) -> Result<Value, Fault> {
        match token {
            Token::Text(text) => Ok(Value::String(self.lua.create_string(text)?)),
            Token::Number(value) => Ok(Value::Number(value)),
            Token::Boolean(value) => Ok(Value::Boolean(value)),
            Token::Null => Ok(Value::NULL),
            Token::ObjectBegin => self.nested(Self::object),
            Token::ArrayBegin => self.nested(Self::array),
            other => Err(self.unexpected("value", &other)),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Value, Fault>) -> Result<Value, Fault> {
        self.depth += 1;
        if self.depth > self.settings.decode_depth.min(super::cjson::NESTING_MAX) {
            let (depth, place) = (self.depth, self.at);
            return Err(Fault(format!(
                "Found too many nested data structures ({depth}) at character {place}"
            )));
        }
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        let mut token = self.next()?;
        if matches!(token, Token::ObjectEnd) {
            return Ok(Value::Table(table));
        }
        loop {
            let Token::Text(key) = token else {
                return Err(self.unexpected("object key string", &token));
            };
            let colon = self.next()?;
            if !matches!(colon, Token::Colon) {
                return Err(self.unexpected("colon", &colon));
            }
            let first = self.next()?;
            let value = self.value(first)?;
            table.raw_set(self.lua.create_string(key)?, value)?;
            match self.next()? {
                Token::ObjectEnd => return Ok(Value::Table(table)),
                Token::Comma => token = self.next()?,
                other => return Err(self.unexpected("comma or object end", &other)),
            }
        }
    }

    fn array(&mut self) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        let mut token = self.next()?;
        if matches!(token, Token::ArrayEnd) {
            return Ok(Value::Table(table));
        }
        loop {
            table.raw_push(self.value(token)?)?;
            match self.next()? {
                Token::ArrayEnd => return Ok(Value::Table(table)),
                Token::Comma => token = self.next()?,
                other => return Err(self.unexpected("comma or array end", &other)),
            }
        }
    }
}

/// The number that a text begins with, as C's `strtod` reads it, and its length.
fn number(text: &[u8]) -> Option<(f64, usize)> {
    let signed = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let sign = if text.first() == Some(&b'-') { -1.0 } else { 1.0 };
    let rest = &text[signed..];
    let is = |word: &[u8]| rest.get(..word.len()).is_some_and(|s| s.eq_ignore_ascii_case(word));
    for (word, value) in
        [(&b"infinity"[..], f64::INFINITY), (b"inf", f64::INFINITY), (b"nan", f64::NAN)]
    {
        if is(word) {
            return Some((sign * value, signed + word.len()));
        }
    }
    let digits = |from: usize, f: fn(&u8) -> bool| {
        rest.get(from..).unwrap_or_default().iter().take_while(|byte| f(byte)).count()
    };
    if is(b"0x") && digits(2, u8::is_ascii_hexdigit) > 0 {
        let len = digits(2, u8::is_ascii_hexdigit);
        let value = rest[2..2 + len].iter().fold(0.0, |sum, &byte| {
            sum * 16.0 + f64::from(char::from(byte).to_digit(16).unwrap_or(0))
        });
        return Some((sign * value, signed + 2 + len));
    }
    let whole = digits(0, u8::is_ascii_digit);
    let mut len = whole;
    if rest.get(len) == Some(&b'.') {
        len += 1 + digits(len + 1, u8::is_ascii_digit);
    }
    if whole == 0 && len < 2 {
        return None;
    }
    if matches!(rest.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(len + 1), Some(b'-' | b'+')));
        let exponent = digits(len + 1 + sign, u8::is_ascii_digit);
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    let value: f64 = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
    Some((sign * value, signed + len))
}
