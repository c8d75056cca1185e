//! `bit`: arithmetic on the 32 bits of a number, as Mike Pall's BitOp defines it.

use super::argument::{Arguments, Fault, add};
use crate::pace::Pace;
use mlua::{Lua, Table, Value};
use std::rc::Rc;

type Unary = fn(u32) -> u32;
type Binary = fn(u32, u32) -> u32;

/// Adding this moves the integer part of a double into its lowest 32 bits, rounded.
const SHIFT: f64 = 6_755_399_441_055_744.0;

fn bits(lua: &Lua, args: &Arguments<'_>, at: usize) -> Result<u32, Fault> {
    Ok((args.number(lua, at)? + SHIFT).to_bits() as u32)
}

fn number(bits: u32) -> Value {
    Value::Number(f64::from(bits as i32))
}

/// The library.
///
/// # Errors
/// When there is no memory.
pub fn library(lua: &Lua, pace: &Rc<Pace>) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let unary: [(&str, Unary); 3] =
        [("tobit", |n| n), ("bnot", |n| !n), ("bswap", u32::swap_bytes)];
    for (name, f) in unary {
        add(lua, pace, &library, name, move |lua, args| Ok(vec![number(f(bits(lua, &args, 1)?))]))?;
    }
    let folds: [(&str, Binary); 3] =
        [("band", |a, b| a & b), ("bor", |a, b| a | b), ("bxor", |a, b| a ^ b)];
    for (name, f) in folds {
        add(lua, pace, &library, name, move |lua, args| {
            let mut result = bits(lua, &args, 1)?;
            for at in 2..=args.values.len() {
                result = f(result, bits(lua, &args, at)?);
            }
            Ok(vec![number(result)])
        })?;
    }
    let shifts: [(&str, Binary); 5] = [
        ("lshift", |n, by| n << by),
        ("rshift", |n, by| n >> by),
        ("arshift", |n, by| (n as i32 >> by) as u32),
        ("rol", u32::rotate_left),
        ("ror", u32::rotate_right),
    ];
    for (name, f) in shifts {
        add(lua, pace, &library, name, move |lua, args| {
            let (n, by) = (bits(lua, &args, 1)?, bits(lua, &args, 2)?);
            Ok(vec![number(f(n, by & 31))])
        })?;
    }
    add(lua, pace, &library, "tohex", |lua, args| {
        let n = bits(lua, &args, 1)?;
        let digits = match args.values.get(1) {
            None => 8,
            Some(_) => bits(lua, &args, 2)? as i32,
        };
        let width = (digits.unsigned_abs() as usize).min(8);
        let text = if digits < 0 { format!("{n:08X}") } else { format!("{n:08x}") };
        Ok(vec![Value::String(lua.create_string(&text[8 - width..])?)])
    })?;
    Ok(library)
}
