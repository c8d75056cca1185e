//! `cjson`: values to and from JSON, as Mark Pulford's Lua CJSON 2.1 does it. This file encodes and
//! holds the settings; `cjson_decode.rs` decodes.

use super::argument::{Arguments, Fault, add, array_extent, type_name};
use super::cjson_decode;
use crate::convert::as_number;
use crate::memory::MEMORY_MAX;
use crate::number;
use crate::pace::{ITEM, Pace};
use mlua::{Lua, Table, Value};
use std::cell::RefCell;
use std::rc::Rc;

type Flag = fn(&mut Settings) -> &mut bool;

/// Nesting that no script can go beyond, whatever depth it allows itself: each level takes some of
/// the worker's stack.
pub const NESTING_MAX: i64 = 2000;

/// Of an option that there is not, the error says so many bytes.
const OPTION_MAX: usize = 1000;
/// Bytes of a text between two questions whether to go on.
const PIECE: usize = 1 << 16;

/// What scripts can set; a setting holds for the worker's next scripts, too.
pub struct Settings {
    sparse_convert: bool,
    sparse_ratio: i64,
    sparse_safe: i64,
    encode_depth: i64,
    /// The deepest nesting that is decoded.
    pub decode_depth: i64,
    precision: i64,
    keep_buffer: bool,
    encode_invalid: Invalid,
    /// Whether hexadecimal, infinite and undefined numbers are decoded.
    pub decode_invalid: bool,
}

/// What becomes of numbers that JSON does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Invalid {
    Refused,
    Written,
    Null,
}

type Shared = Rc<RefCell<Settings>>;

/// The library.
///
/// # Errors
/// When there is no memory.
pub fn library(lua: &Lua, pace: &Rc<Pace>) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let settings: Shared = Rc::new(RefCell::new(Settings {
        sparse_convert: false,
        sparse_ratio: 2,
        sparse_safe: 10,
        encode_depth: 1000,
        decode_depth: 1000,
        precision: 14,
        keep_buffer: true,
        encode_invalid: Invalid::Refused,
        decode_invalid: true,
    }));
    let of_encode = settings.clone();
    add(lua, pace, &library, "encode", move |lua, args| {
        let [value] = args.values else { return Err(args.refuse(1, "expected 1 argument")) };
        let mut out = Vec::new();
        let (settings, pace) = (&of_encode.borrow(), args.pace);
        Encoder { settings, pace, out: &mut out }.value(value, 0)?;
        Ok(vec![Value::String(lua.create_string(&out)?)])
    })?;
    let of_decode = settings.clone();
    add(lua, pace, &library, "decode", move |lua, args| {
        if args.values.len() != 1 {
            return Err(args.refuse(1, "expected 1 argument"));
        }
        let text = args.text(1)?;
        Ok(vec![cjson_decode::decode(lua, &text, &of_decode.borrow(), args.pace)?])
    })?;
    add_settings(lua, pace, &library, &settings)?;
    library.raw_set("null", Value::NULL)?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    Ok(library)
}

/// The functions that return and change settings.
fn add_settings(
    lua: &Lua,
    pace: &Rc<Pace>,
    library: &Table,
    settings: &Shared,
) -> mlua::Result<()> {
    let shared = settings.clone();
    add(lua, pace, library, "encode_sparse_array", move |lua, args| {
        let s = &mut *shared.borrow_mut();
        most(&args, 3)?;
        s.sparse_convert = flag(&args, s.sparse_convert)?;
        s.sparse_ratio = integer(lua, &args, 2, s.sparse_ratio, 0, i64::from(i32::MAX))?;
        s.sparse_safe = integer(lua, &args, 3, s.sparse_safe, 0, i64::from(i32::MAX))?;
        Ok(vec![s.sparse_convert.into_value(), number(s.sparse_ratio), number(s.sparse_safe)])
    })?;
    type Field = fn(&mut Settings) -> &mut i64;
    let integers: [(&'static str, Field, i64); 3] = [
        ("encode_max_depth", |s| &mut s.encode_depth, i32::MAX as i64),
        ("decode_max_depth", |s| &mut s.decode_depth, i32::MAX as i64),
        ("encode_number_precision", |s| &mut s.precision, 14),
    ];
    for (name, field, max) in integers {
        let shared = settings.clone();
        add(lua, pace, library, name, move |lua, args| {
            let s = &mut *shared.borrow_mut();
            most(&args, 1)?;
            *field(s) = integer(lua, &args, 1, *field(s), 1, max)?;
            Ok(vec![number(*field(s))])
        })?;
    }
    let flags: [(&'static str, Flag); 2] = [
        ("encode_keep_buffer", |s| &mut s.keep_buffer),
        ("decode_invalid_numbers", |s| &mut s.decode_invalid),
    ];
    for (name, field) in flags {
        let shared = settings.clone();
        add(lua, pace, library, name, move |_, args| {
            let s = &mut *shared.borrow_mut();
            most(&args, 1)?;
            *field(s) = flag(&args, *field(s))?;
            Ok(vec![field(s).into_value()])
        })?;
    }
    let shared = settings.clone();
    add(lua, pace, library, "encode_invalid_numbers", move |lua, args| {
        let s = &mut *shared.borrow_mut();
        most(&args, 1)?;
        s.encode_invalid = match args.values.first() {
            Some(Value::String(text)) if *text == "null" => Invalid::Null,
            _ if flag(&args, s.encode_invalid == Invalid::Written)? => Invalid::Written,
            None | Some(Value::Nil) => s.encode_invalid,
            Some(_) => Invalid::Refused,
        };
        Ok(vec![match s.encode_invalid {
            Invalid::Null => Value::String(lua.create_string("null")?),
            invalid => (invalid == Invalid::Written).into_value(),
        }])
    })
}

fn number(n: i64) -> Value {
    Value::Number(n as f64)
}

trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for bool {
    fn into_value(self) -> Value {
        Value::Boolean(self)
    }
}

fn most(args: &Arguments<'_>, count: usize) -> Result<(), Fault> {
    match args.values.len() {
        len if len > count => Err(args.refuse(count + 1, "found too many arguments")),
        _ => Ok(()),
    }
}

fn integer(
    lua: &Lua,
    args: &Arguments<'_>,
    at: usize,
    now: i64,
    min: i64,
    max: i64,
) -> Result<i64, Fault> {
    let value = args.integer_or(lua, at, now)?;
    if !(min..=max).contains(&value) {
        let why = format!("expected integer between {min} and {max}");
        return Err(args.refuse(at, &why));
    }
    Ok(value)
}

/// The first argument as on or off.
fn flag(args: &Arguments<'_>, now: bool) -> Result<bool, Fault> {
    match args.values.first() {
        None | Some(Value::Nil) => Ok(now),
        Some(Value::Boolean(value)) => Ok(*value),
        Some(Value::String(text)) if *text == "on" => Ok(true),
        Some(Value::String(text)) if *text == "off" => Ok(false),
        Some(_) => {
            let text = args.text(1)?;
            let text = String::from_utf8_lossy(&text[..text.len().min(OPTION_MAX)]).into_owned();
            Err(args.refuse(1, &format!("invalid option '{text}'")))
        }
    }
}

/// Writes values as JSON.
struct Encoder<'a> {
    settings: &'a Settings,
    pace: &'a Pace,
    out: &'a mut Vec<u8>,
}

impl Encoder<'_> {
    fn value(&mut self, value: &Value, depth: i64) -> Result<(), Fault> {
        self.pace.spend(ITEM)?;
        if self.out.len() > MEMORY_MAX {
            return Err("not enough memory".into());
        }
        match value {
            Value::String(text) => self.text(&text.as_bytes())?,
            Value::Integer(n) => self.number(*n as f64)?,
            Value::Number(n) => self.number(*n)?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Table(table) => {
                let depth = depth + 1;
                if depth > self.settings.encode_depth.min(NESTING_MAX) {
                    return Err(Fault(format!("Cannot serialise, excessive nesting ({depth})")));
                }
                match self.length(table)? {
                    0 => self.object(table, depth)?,
                    len => self.array(table, len, depth)?,
                }
            }
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(data) if data.0.is_null() => self.out.extend_from_slice(b"null"),
            other => return Err(refused(other, "type not supported")),
        }
        Ok(())
    }

    /// The length of the array that a table is written as; zero where it is an object.
    fn length(&self, table: &Table) -> Result<usize, Fault> {
        let Some((count, largest)) = array_extent(table, self.pace)? else { return Ok(0) };
        let s = self.settings;
        let is_sparse = s.sparse_ratio > 0
            && largest as i64 > (count as i64).saturating_mul(s.sparse_ratio)
            && largest as i64 > s.sparse_safe;
        match (is_sparse, s.sparse_convert) {
            (true, true) => Ok(0),
            (true, false) => Err("Cannot serialise table: excessively sparse array".into()),
            (false, _) => Ok(largest),
        }
    }

    fn array(&mut self, table: &Table, len: usize, depth: i64) -> Result<(), Fault> {
        self.out.push(b'[');
        for at in 1..=len {
            if at > 1 {
                self.out.push(b',');
            }
            self.value(&table.raw_get(at)?, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, table: &Table, depth: i64) -> Result<(), Fault> {
        self.out.push(b'{');
        let mut is_first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            match &key {
                Value::String(text) => self.text(&text.as_bytes())?,
                Value::Integer(_) | Value::Number(_) => {
                    self.out.push(b'"');
                    self.number(as_number(&key).unwrap_or(f64::NAN))?;
                    self.out.push(b'"');
                }
                other => return Err(refused(other, "table key must be a number or string")),
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn number(&mut self, n: f64) -> Result<(), Fault> {
        if !n.is_finite() {
            match self.settings.encode_invalid {
                Invalid::Refused => {
                    let number = Value::Number(n);
                    return Err(refused(&number, "must not be NaN or Inf"));
                }
                Invalid::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                Invalid::Written => {}
            }
        }
        let text = number::general(n, self.settings.precision as usize);
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn text(&mut self, text: &[u8]) -> Result<(), Fault> {
        self.out.push(b'"');
        for piece in text.chunks(PIECE) {
            self.pace.spend(piece.len())?;
            piece.iter().for_each(|byte| self.byte(*byte));
        }
        self.out.push(b'"');
        Ok(())
    }

    fn byte(&mut self, byte: u8) {
        let escape = match byte {
            b'"' | b'\\' | b'/' => byte,
            8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            12 => b'f',
            b'\r' => b'r',
            0..=31 | 127 => {
                return self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            }
            _ => return self.out.push(byte),
        };
        self.out.extend_from_slice(&[b'\\', escape]);
    }
}

fn refused(value: &Value, why: &str) -> Fault {
    Fault(format!("Cannot serialise {}: {why}", type_name(value)))
}
