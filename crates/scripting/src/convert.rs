//! Values between Lua and RESP, by the rules of scripts.
//!
//! From a reply: an integer is a number, a bulk string a string, an array a table, a status
//! `{ok=}`, an error `{err=}`, RESP2's nulls `false`, RESP3's `nil`, and RESP3's other types tables
//! with one field that names the type. To a reply: the same backwards; numbers are truncated, and
//! an array ends where a nil is.

use crate::compile::describe;
use crate::failure::Failure;
use crate::memory::MEMORY_MAX;
use crate::pace::{COPIED, ITEM, Pace};
use mlua::{Lua, Table, Value};
use redstart_protocol::{Reply, parse_f64, parse_i64};
use std::borrow::Cow;

/// Tables in tables beyond this are no reply.
const DEPTH_MAX: usize = 1000;

const TOO_DEEP: &str = "ERR reached lua stack limit";
const NO_MEMORY: &[u8] = b"ERR not enough memory";

/// A reply as a Lua value; an error reply is the failure.
pub fn from_reply(lua: &Lua, bytes: &[u8], resp3: bool, pace: &Pace) -> Result<Value, Failure> {
    if let [b'-', text @ .., b'\r', b'\n'] = bytes {
        return Err(Cow::Owned(text.to_vec()));
    }
    let mut reader = Reader { lua, bytes, at: 0, resp3, pace };
    reader.value().map_err(|error| Cow::Owned(format!("ERR {}", describe(&error)).into_bytes()))
}

/// The text of a reply that is one bulk string.
pub fn bulk(bytes: &[u8]) -> Option<&[u8]> {
    let [b'$', rest @ ..] = bytes else { return None };
    let end = memchr::memchr(b'\r', rest)?;
    let len = usize::try_from(parse_i64(&rest[..end])?).ok()?;
    rest.get(end + 2..end + 2 + len)
}

/// Reads a reply that this server has written: it is well formed.
struct Reader<'a> {
    lua: &'a Lua,
    bytes: &'a [u8],
    at: usize,
    resp3: bool,
    pace: &'a Pace,
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let end = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
        self.at += end + 2;
        &rest[..end]
    }

    fn sized(&mut self, len: usize) -> &'a [u8] {
        let text = &self.bytes[self.at..self.at + len];
        self.at += len + 2;
        text
    }

    fn string(&self, text: &[u8]) -> mlua::Result<Value> {
        self.lua.create_string(text).map(Value::String)
    }

    fn null(&self) -> Value {
        if self.resp3 { Value::Nil } else { Value::Boolean(false) }
    }

    fn single(&self, field: &str, value: Value) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(field, value)?;
        Ok(Value::Table(table))
    }

    fn value(&mut self) -> mlua::Result<Value> {
        let kind = self.bytes.get(self.at).copied().unwrap_or(b'_');
        self.at += 1;
        let line = self.line();
        let len = parse_i64(line).unwrap_or(-1);
        self.pace.spend(ITEM)?;
        match kind {
            b':' => Ok(Value::Number(len as f64)),
            b'+' => self.single("ok", self.string(line)?),
            b'-' => self.single("err", self.string(line)?),
            b'#' => Ok(Value::Boolean(line == b"t")),
            b',' => self.single("double", Value::Number(parse_f64(line).unwrap_or(f64::NAN))),
            b'(' => self.single("big_number", self.string(line)?),
            b'$' if len >= 0 => {
                let text = self.sized(len as usize);
                self.string(text)
            }
            b'=' if len >= 4 => self.verbatim(len as usize),
            b'*' | b'>' if len >= 0 => {
                let table = self.lua.create_table_with_capacity(len as usize, 0)?;
                for n in 1..=len {
                    let value = self.value()?;
                    table.raw_set(n, value)?;
                }
                Ok(Value::Table(table))
            }
            b'%' | b'~' if len >= 0 => self.keyed(kind, len as usize),
            // An attribute: scripts see the reply behind it only.
            b'|' => {
                (0..len * 2).try_for_each(|_| self.value().map(drop))?;
                self.value()
            }
            _ => Ok(self.null()),
        }
    }

    fn verbatim(&mut self, len: usize) -> mlua::Result<Value> {
        let text = self.sized(len);
        let inner = self.lua.create_table_with_capacity(0, 2)?;
        inner.raw_set("format", self.string(&text[..3])?)?;
        inner.raw_set("string", self.string(&text[4..])?)?;
        self.single("verbatim_string", Value::Table(inner))
    }

    fn keyed(&mut self, kind: u8, len: usize) -> mlua::Result<Value> {
        let inner = self.lua.create_table_with_capacity(0, len)?;
        for _ in 0..len {
            let key = self.value()?;
            let value = if kind == b'%' { self.value()? } else { Value::Boolean(true) };
            inner.raw_set(key, value)?;
        }
        self.single(if kind == b'%' { "map" } else { "set" }, Value::Table(inner))
    }
}

/// Writes a Lua value as a reply; `script_resp3` is what the script chose by `redis.setresp`.
///
/// # Errors
/// When the script has to end; then nothing is written.
pub fn to_reply(
    value: &Value,
    out: &mut Reply,
    script_resp3: bool,
    pace: &Pace,
) -> mlua::Result<()> {
    let (mark, start) = (out.mark(), out.len());
    let mut writer = Writer { out, resp3: script_resp3, pace, start };
    let written = writer.value(value, 0);
    if written.is_err() {
        out.rewind(mark);
    }
    match written {
        Err(Unwritten::TooDeep) => out.error(TOO_DEEP),
        Err(Unwritten::TooLong) => out.error_bytes(NO_MEMORY),
        Err(Unwritten::Ended(error)) => return Err(error),
        Ok(()) => {}
    }
    Ok(())
}

/// Why a value is not written.
enum Unwritten {
    TooDeep,
    /// It is longer than all that scripts may hold: the same tables in it many times.
    TooLong,
    /// The script has to end.
    Ended(mlua::Error),
}

impl From<mlua::Error> for Unwritten {
    fn from(error: mlua::Error) -> Unwritten {
        Unwritten::Ended(error)
    }
}

/// Writes a reply.
struct Writer<'a> {
    out: &'a mut Reply,
    resp3: bool,
    pace: &'a Pace,
    /// How long the reply was before.
    start: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Unwritten> {
        if depth > DEPTH_MAX {
            return Err(Unwritten::TooDeep);
        }
        self.pace.spend(ITEM)?;
        match value {
            Value::String(text) => {
                self.out.bulk(&text.as_bytes());
                if self.out.len() - self.start > MEMORY_MAX {
                    return Err(Unwritten::TooLong);
                }
                self.pace.spend(text.as_bytes().len() / COPIED)?;
            }
            Value::Integer(n) => self.out.integer(*n),
            Value::Number(n) => self.out.integer(truncated(*n)),
            Value::Boolean(value) if self.resp3 => self.out.boolean(*value),
            Value::Boolean(true) => self.out.integer(1),
            Value::Table(table) => return self.table(table, depth),
            _ => self.out.null(),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<(), Unwritten> {
        if self.typed(table, depth)? {
            return Ok(());
        }
        let mut count = 0;
        while !matches!(table.raw_get(count + 1), Ok(Value::Nil) | Err(_)) {
            count += 1;
            self.pace.spend(ITEM / 2)?;
        }
        self.out.array(count);
        if self.out.len() - self.start > MEMORY_MAX {
            return Err(Unwritten::TooLong);
        }
        for n in 1..=count {
            let item = table.raw_get(n).unwrap_or(Value::Nil);
            self.value(&item, depth + 1)?;
        }
        Ok(())
    }

    /// Writes a table that stands for a type; false when it is none.
    fn typed(&mut self, table: &Table, depth: usize) -> Result<bool, Unwritten> {
        if let Some(text) = text_field(table, "err") {
            self.out.error_bytes(&error_line(&text.as_bytes()));
        } else if let Some(text) = text_field(table, "ok") {
            self.out.simple_bytes(line(&text.as_bytes()));
        } else if let Some(value) = as_number(&field(table, "double")) {
            self.out.score(if value.is_nan() { f64::NAN } else { value });
        } else if let Value::Table(map) = field(table, "map") {
            let pairs = self.pairs(&map)?;
            self.out.map(pairs.len());
            for (key, value) in &pairs {
                self.value(key, depth + 1)?;
                self.value(value, depth + 1)?;
            }
        } else if let Value::Table(set) = field(table, "set") {
            let members = self.pairs(&set)?;
            self.out.set(members.len());
            for (member, _) in &members {
                self.value(member, depth + 1)?;
            }
        } else if let Some(digits) = text_field(table, "big_number") {
            self.out.big_number(&digits.to_string_lossy().replace(['\r', '\n'], " "));
        } else if let Value::Table(inner) = field(table, "verbatim_string")
            && let Some(text) = text_field(&inner, "string")
            && let Some(format) = text_field(&inner, "format")
        {
            // Three letters, whatever the script gave.
            let mut letters = *b"   ";
            for (to, from) in letters.iter_mut().zip(&*format.as_bytes()) {
                *to = if from.is_ascii_graphic() { *from } else { b' ' };
            }
            let format = std::str::from_utf8(&letters).expect("it is ASCII");
            self.out.verbatim(format, &text.as_bytes());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// All keys of a table with their values.
    fn pairs(&self, table: &Table) -> mlua::Result<Vec<(Value, Value)>> {
        let mut pairs = Vec::new();
        for pair in table.pairs() {
            self.pace.spend(ITEM)?;
            pairs.push(pair?);
        }
        Ok(pairs)
    }
}

/// A number as C casts it on the machines that Redis runs on.
fn truncated(n: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&n) { n as i64 } else { i64::MIN }
}

/// A number's value.
pub fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Number(n) => Some(*n),
        _ => None,
    }
}

fn field(table: &Table, name: &str) -> Value {
    table.raw_get(name).unwrap_or(Value::Nil)
}

fn text_field(table: &Table, name: &str) -> Option<mlua::String> {
    match field(table, name) {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// What Redis writes of a status or an error: it ends at a zero byte.
pub fn line(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// An error as Redis writes it: line ends in front are blanks, too; those at the end go.
pub fn error_line(text: &[u8]) -> Vec<u8> {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let text = line(text);
    let front = text.iter().take_while(|byte| is_end(byte)).count();
    let mut text = text.to_vec();
    if front < text.len() {
        text[..front].fill(b' ');
    }
    text
}
