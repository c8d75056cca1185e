//! `cmsgpack`: values to and from MessagePack, as Salvatore Sanfilippo's library does it.

use super::argument::{Arguments, Fault, Results, add, array_extent};
use crate::memory::MEMORY_MAX;
use crate::pace::{COPIED, ITEM, Pace};
use mlua::{Lua, Table, Value};
use std::rc::Rc;

/// A table that is nested deeper is packed as nil.
const PACK_DEPTH_MAX: usize = 16;
/// Data that is nested deeper is refused.
const UNPACK_DEPTH_MAX: usize = 1000;

/// Writes a type byte and the lowest `size` bytes of `n`, most significant first.
fn head(out: &mut Vec<u8>, kind: u8, n: u64, size: usize) {
    out.push(kind);
    out.extend_from_slice(&n.to_be_bytes()[8 - size..]);
}

fn pack_value(value: &Value, out: &mut Vec<u8>, depth: usize, pace: &Pace) -> Result<(), Fault> {
    pace.spend(ITEM)?;
    if out.len() > MEMORY_MAX {
        return Err("not enough memory".into());
    }
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            match text.len() {
                len @ ..=31 => out.push(0xa0 | len as u8),
                len @ ..=0xff => head(out, 0xd9, len as u64, 1),
                len @ ..=0xffff => head(out, 0xda, len as u64, 2),
                len => head(out, 0xdb, len as u64, 4),
            }
            out.extend_from_slice(&text);
            pace.spend(text.len() / COPIED)?;
        }
        Value::Boolean(value) => out.push(if *value { 0xc3 } else { 0xc2 }),
        Value::Integer(n) => pack_integer(*n, out),
        Value::Number(n) => pack_number(*n, out),
        Value::Table(table) if depth < PACK_DEPTH_MAX => pack_table(table, out, depth, pace)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn pack_integer(n: i64, out: &mut Vec<u8>) {
    match n {
        -32..=127 => out.push(n as u8),
        128..=0xff => head(out, 0xcc, n as u64, 1),
        0x100..=0xffff => head(out, 0xcd, n as u64, 2),
        0x1_0000..=0xffff_ffff => head(out, 0xce, n as u64, 4),
        0x1_0000_0000.. => head(out, 0xcf, n as u64, 8),
        -128..=-33 => head(out, 0xd0, n as u64, 1),
        -32768..=-129 => head(out, 0xd1, n as u64, 2),
        -2_147_483_648..=-32769 => head(out, 0xd2, n as u64, 4),
        ..=-2_147_483_649 => head(out, 0xd3, n as u64, 8),
    }
}

fn pack_number(n: f64, out: &mut Vec<u8>) {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if n.trunc() == n && (-LIMIT..LIMIT).contains(&n) {
        pack_integer(n as i64, out);
    } else if f64::from(n as f32) == n {
        head(out, 0xca, u64::from((n as f32).to_bits()), 4);
    } else {
        head(out, 0xcb, n.to_bits(), 8);
    }
}

fn pack_table(table: &Table, out: &mut Vec<u8>, depth: usize, pace: &Pace) -> Result<(), Fault> {
    if let Some((count, largest)) = array_extent(table, pace)?
        && count == largest
    {
        match count {
            ..=15 => out.push(0x90 | count as u8),
            16..=0xffff => head(out, 0xdc, count as u64, 2),
            _ => head(out, 0xdd, count as u64, 4),
        }
        for at in 1..=count {
            pack_value(&table.raw_get(at)?, out, depth + 1, pace)?;
        }
        return Ok(());
    }
    let mut pairs = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        pace.spend(ITEM)?;
        pairs.push(pair?);
    }
    match pairs.len() {
        len @ ..=15 => out.push(0x80 | len as u8),
        len @ ..=0xffff => head(out, 0xde, len as u64, 2),
        len => head(out, 0xdf, len as u64, 4),
    }
    for (key, value) in &pairs {
        pack_value(key, out, depth + 1, pace)?;
        pack_value(value, out, depth + 1, pace)?;
    }
    Ok(())
}

fn pack(lua: &Lua, args: Arguments<'_>) -> Results {
    if args.values.is_empty() {
        return Err(args.refuse(0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for value in args.values {
        pack_value(value, &mut out, 0, args.pace)?;
    }
    Ok(vec![Value::String(lua.create_string(&out)?)])
}

/// Reads packed values.
struct Reader<'a> {
    lua: &'a Lua,
    pace: &'a Pace,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or("Missing bytes in input.")?;
        self.bytes = rest;
        Ok(taken)
    }

    fn unsigned(&mut self, size: usize) -> Result<u64, Fault> {
        Ok(self.take(size)?.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    fn signed(&mut self, size: usize) -> Result<Value, Fault> {
        let unused = 64 - 8 * size as u32;
        Ok(Value::Number(((self.unsigned(size)? << unused) as i64 >> unused) as f64))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        if depth > UNPACK_DEPTH_MAX {
            return Err("stack overflow (in function mp_decode_to_lua_type)".into());
        }
        self.pace.spend(ITEM)?;
        let kind = self.take(1)?[0];
        Ok(match kind {
            0x00..=0x7f | 0xe0..=0xff => Value::Number(f64::from(kind as i8)),
            0xa0..=0xbf => self.text((kind & 0x1f).into())?,
            0x90..=0x9f => self.array((kind & 0x0f).into(), depth)?,
            0x80..=0x8f => self.map((kind & 0x0f).into(), depth)?,
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xca => Value::Number(f32::from_bits(self.unsigned(4)? as u32).into()),
            0xcb => Value::Number(f64::from_bits(self.unsigned(8)?)),
            0xcc..=0xcf => Value::Number(self.unsigned(1 << (kind - 0xcc))? as f64),
            0xd0..=0xd3 => self.signed(1 << (kind - 0xd0))?,
            0xd9..=0xdb => {
                let len = self.unsigned(1 << (kind - 0xd9))?;
                self.text(len)?
            }
            0xdc | 0xdd => {
                let len = self.unsigned(2 << (kind - 0xdc))?;
                self.array(len, depth)?
            }
            0xde | 0xdf => {
                let len = self.unsigned(2 << (kind - 0xde))?;
                self.map(len, depth)?
            }
            _ => return Err("Bad data format in input.".into()),
        })
    }

    fn text(&mut self, len: u64) -> Result<Value, Fault> {
        let text = self.take(len as usize)?;
        Ok(Value::String(self.lua.create_string(text)?))
    }

    fn array(&mut self, len: u64, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        for at in 1..=len {
            table.raw_set(at, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: u64, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let key = self.value(depth + 1)?;
            table.raw_set(key, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }
}

/// Unpacks up to `limit` values from `offset` on; without either, all of them.
fn unpack_from(lua: &Lua, args: &Arguments<'_>, limit: i64, offset: i64) -> Results {
    const RESULTS_MAX: usize = 7000;
    let text = args.text(1)?;
    if offset < 0 || limit < 0 {
        let len = text.len();
        return Err(Fault(format!(
            "Invalid request to unpack with offset of {offset} and limit of {len}."
        )));
    }
    let Some(bytes) = text.get(offset as usize..) else {
        let len = text.len();
        return Err(Fault(format!("Start offset {offset} greater than input length {len}.")));
    };
    let all = limit == 0 && offset == 0;
    let limit = if all { RESULTS_MAX + 1 } else { limit as usize };
    let mut reader = Reader { lua, pace: args.pace, bytes };
    let mut results = Vec::new();
    while !reader.bytes.is_empty() && results.len() < limit {
        results.push(reader.value(0)?);
        if results.len() > RESULTS_MAX {
            return Err("stack overflow (too many results)".into());
        }
    }
    if !all {
        let left = reader.bytes.len();
        let next = if left == 0 { -1.0 } else { (text.len() - left) as f64 };
        results.insert(0, Value::Number(next));
    }
    Ok(results)
}

/// The library.
///
/// # Errors
/// When there is no memory.
pub fn library(lua: &Lua, pace: &Rc<Pace>) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    add(lua, pace, &library, "pack", pack)?;
    add(lua, pace, &library, "unpack", |lua, args| unpack_from(lua, &args, 0, 0))?;
    add(lua, pace, &library, "unpack_one", |lua, args| {
        let offset = args.integer_or(lua, 2, 0)?;
        unpack_from(lua, &args, 1, offset)
    })?;
    add(lua, pace, &library, "unpack_limit", |lua, args| {
        let (limit, offset) = (args.number(lua, 2)? as i64, args.integer_or(lua, 3, 0)?);
        unpack_from(lua, &args, limit, offset)
    })?;
    for (name, text) in [
        ("_NAME", "cmsgpack"),
        ("_VERSION", "lua-cmsgpack 0.4.0"),
        ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
        ("_DESCRIPTION", "MessagePack C implementation for Lua"),
    ] {
        library.raw_set(name, text)?;
    }
    Ok(library)
}
