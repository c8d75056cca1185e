//! `struct`: values to and from bytes in a layout, as Roberto Ierusalimschy's library defines it.
//!
//! A format is a row of letters: `b B h H l L T i I` integers (lower case signed; `i` and `I` take
//! a size), `f d` floats, `s` a string with a zero behind it, `c` characters (`c0`: as many as the
//! number before says), `x` a filler; `<` `>` byte order, `!` alignment.

use super::argument::{Arguments, Fault, Results, Text, add};
use crate::convert::as_number;
use crate::pace::{COPIED, ITEM, Pace};
use mlua::{Lua, Table, Value};
use std::rc::Rc;

const INTEGER_MAX: usize = 32;
const ALIGN_MAX: usize = 8;
/// A packed string that is longer is refused, in bytes.
const PACKED_MAX: usize = 512 << 20;

/// A walk along a format.
struct Format<'a> {
    text: Text<'a>,
    at: usize,
    big: bool,
    align: usize,
}

impl<'a> Format<'a> {
    fn new(text: Text<'a>) -> Format<'a> {
        Format { text, at: 0, big: false, align: 1 }
    }

    /// The next letter and the size of what it stands for.
    fn next(&mut self) -> Result<Option<(u8, usize)>, Fault> {
        let Some(&letter) = self.text.get(self.at).filter(|&&letter| letter != 0) else {
            return Ok(None);
        };
        self.at += 1;
        let size = match letter {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > INTEGER_MAX {
                    let text =
                        format!("integral size {size} is larger than limit of {INTEGER_MAX}");
                    return Err(Fault(text));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((letter, size)))
    }

    fn number(&mut self, default: usize) -> Result<usize, Fault> {
        let rest = &self.text[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let text = String::from_utf8_lossy(&rest[..digits]).into_owned();
        self.at += digits;
        text.parse::<i32>().map(|n| n as usize).map_err(|_| "integral size overflow".into())
    }

    /// The filler in front of an element of this size at this position.
    fn padding(&self, position: usize, letter: u8, size: usize) -> usize {
        if size == 0 || letter == b'c' {
            return 0;
        }
        let size = size.min(self.align).max(1);
        (size - (position & (size - 1))) & (size - 1)
    }

    /// A letter that stands for no value.
    fn control(&mut self, letter: u8, args: &Arguments<'_>) -> Result<(), Fault> {
        match letter {
            b' ' => {}
            b'>' => self.big = true,
            b'<' => self.big = false,
            b'!' => {
                let align = self.number(ALIGN_MAX)?;
                if !align.is_power_of_two() {
                    return Err(Fault(format!("alignment {align} is not a power of 2")));
                }
                self.align = align;
            }
            _ => {
                let letter = char::from(letter);
                return Err(args.refuse(1, &format!("invalid format option '{letter}'")));
            }
        }
        Ok(())
    }

    fn put(&self, little: &[u8], out: &mut Vec<u8>) {
        match self.big {
            true => out.extend(little.iter().rev()),
            false => out.extend_from_slice(little),
        }
    }

    /// The bytes in little-endian order.
    fn little(&self, bytes: &[u8]) -> Vec<u8> {
        let mut little = bytes.to_vec();
        if self.big {
            little.reverse();
        }
        little
    }
}

fn pack(lua: &Lua, args: Arguments<'_>) -> Results {
    // Errors about an argument that is missing call it nil.
    let values: Vec<Value> = args.values.iter().cloned().chain([Value::Nil]).collect();
    let mut format = Format::new(args.text(1)?);
    let args = Arguments { values: &values, ..args };
    let (mut out, mut arg) = (Vec::new(), 2);
    while let Some((letter, size)) = format.next()? {
        args.pace.spend(ITEM)?;
        let padding = format.padding(out.len(), letter, size);
        out.resize(out.len() + padding, 0);
        match letter {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let n = args.number(lua, arg)?;
                let value = wrapped(n);
                let mut bytes = value.to_le_bytes().to_vec();
                bytes.resize(size, 0);
                format.put(&bytes, &mut out);
                arg += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                format.put(&(args.number(lua, arg)? as f32).to_le_bytes(), &mut out);
                arg += 1;
            }
            b'd' => {
                format.put(&args.number(lua, arg)?.to_le_bytes(), &mut out);
                arg += 1;
            }
            b'c' | b's' => {
                let text = args.text(arg)?;
                arg += 1;
                let size = if size == 0 { text.len() } else { size };
                args.pace.spend(text.len() / COPIED)?;
                let piece = text.get(..size).ok_or_else(|| args.refuse(arg, "string too short"))?;
                out.extend_from_slice(piece);
                if letter == b's' {
                    out.push(0);
                }
            }
            _ => format.control(letter, &args)?,
        }
        if out.len() > PACKED_MAX {
            return Err("not enough memory".into());
        }
    }
    Ok(vec![Value::String(lua.create_string(&out)?)])
}

/// A number as C casts it on the machines that Redis runs on.
fn wrapped(n: f64) -> u64 {
    const END: f64 = 18_446_744_073_709_551_616.0;
    match n {
        n if n.is_nan() => 1 << 63,
        n if n < 0.0 => n as i64 as u64,
        n if n < END => n as u64,
        _ => 0,
    }
}

fn integer(little: &[u8], signed: bool) -> f64 {
    let low = little.iter().take(8).rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
    if !signed {
        return low as f64;
    }
    let unused = 64 - 8 * little.len().clamp(1, 8) as u32;
    ((low << unused) as i64 >> unused) as f64
}

fn unpack(lua: &Lua, args: Arguments<'_>) -> Results {
    const RESULTS_MAX: usize = 7000;
    let mut format = Format::new(args.text(1)?);
    let data = args.text(2)?;
    let first = args.integer_or(lua, 3, 1)?;
    if first < 1 {
        return Err(args.refuse(3, "offset must be 1 or greater"));
    }
    let short = || args.refuse(2, "data string too short");
    let (mut position, mut results) = ((first - 1) as usize, Vec::new());
    while let Some((letter, size)) = format.next()? {
        args.pace.spend(ITEM)?;
        position = position.saturating_add(format.padding(position, letter, size));
        let end = position.checked_add(size).ok_or_else(short)?;
        let bytes = data.get(position..end).ok_or_else(short)?;
        if results.len() >= RESULTS_MAX {
            return Err("stack overflow (too many results)".into());
        }
        let mut taken = size;
        match letter {
            b'b' | b'h' | b'l' | b'i' | b'B' | b'H' | b'L' | b'T' | b'I' => {
                let signed = letter.is_ascii_lowercase();
                results.push(Value::Number(integer(&format.little(bytes), signed)));
            }
            b'x' => {}
            b'f' => {
                let little = format.little(bytes).try_into().map_err(|_| short())?;
                results.push(Value::Number(f32::from_le_bytes(little).into()));
            }
            b'd' => {
                let little = format.little(bytes).try_into().map_err(|_| short())?;
                results.push(Value::Number(f64::from_le_bytes(little)));
            }
            b'c' => {
                if size == 0 {
                    let Some(count) = results.pop().as_ref().and_then(as_number) else {
                        return Err("format 'c0' needs a previous size".into());
                    };
                    taken = count as usize;
                }
                let end = position.checked_add(taken).ok_or_else(short)?;
                let text = data.get(position..end).ok_or_else(short)?;
                results.push(Value::String(lua.create_string(text)?));
            }
            b's' => {
                let rest = &data[position..];
                let Some(len) = memchr::memchr(0, rest) else {
                    return Err("unfinished string in data".into());
                };
                results.push(Value::String(lua.create_string(&rest[..len])?));
                taken = len + 1;
            }
            _ => format.control(letter, &args)?,
        }
        position += taken;
    }
    results.push(Value::Number((position + 1) as f64));
    Ok(results)
}

fn size(_: &Lua, args: Arguments<'_>) -> Results {
    let mut format = Format::new(args.text(1)?);
    let mut position = 0usize;
    while let Some((letter, size)) = format.next()? {
        args.pace.spend(ITEM)?;
        position = position.saturating_add(format.padding(position, letter, size));
        match (letter, size) {
            (b's', _) => return Err(args.refuse(1, "option 's' has no fixed size")),
            (b'c', 0) => return Err(args.refuse(1, "option 'c0' has no fixed size")),
            _ if !letter.is_ascii_alphanumeric() => format.control(letter, &args)?,
            _ => {}
        }
        position = position.saturating_add(size);
    }
    Ok(vec![Value::Number(position as f64)])
}

/// The library.
///
/// # Errors
/// When there is no memory.
pub fn library(lua: &Lua, pace: &Rc<Pace>) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    add(lua, pace, &library, "pack", pack)?;
    add(lua, pace, &library, "unpack", unpack)?;
    add(lua, pace, &library, "size", size)?;
    Ok(library)
}
