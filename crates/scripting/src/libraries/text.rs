//! What of `string` takes long with long texts, so that a script can be ended meanwhile. Shorter
//! ones are Luau's own business.

use crate::memory::MEMORY_MAX;
use crate::pace::{COPIED, Pace};
use mlua::{Lua, Table};
use std::rc::Rc;

/// Bytes between two questions whether to go on.
const PIECE: usize = 1 << 20;

/// The text of an error where a text would be too long.
const TOO_LONG: &str = "not enough memory";

/// A text, or nothing and the text of an error.
type Answer = (Option<mlua::String>, Option<&'static str>);

/// The functions, by the names of Luau's.
///
/// # Errors
/// When there is no memory.
pub fn library(lua: &Lua, pace: &Rc<Pace>) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    type InPlace = fn(&mut [u8]);
    let cases: [(&str, InPlace); 2] = [
        ("lower", |text| text.make_ascii_lowercase()),
        ("upper", |text| text.make_ascii_uppercase()),
    ];
    for (name, change) in cases {
        let pace = pace.clone();
        let f = move |lua: &Lua, text: mlua::String| -> mlua::Result<Answer> {
            let mut out = Vec::with_capacity(text.as_bytes().len());
            for piece in text.as_bytes().chunks(PIECE) {
                let start = out.len();
                out.extend_from_slice(piece);
                change(&mut out[start..]);
                pace.spend(piece.len())?;
            }
            Ok((Some(lua.create_string(&out)?), None))
        };
        library.raw_set(name, lua.create_function(f)?)?;
    }
    let shared = pace.clone();
    let reverse = move |lua: &Lua, text: mlua::String| -> mlua::Result<Answer> {
        let mut out = Vec::with_capacity(text.as_bytes().len());
        for piece in text.as_bytes().rchunks(PIECE) {
            out.extend(piece.iter().rev());
            shared.spend(piece.len())?;
        }
        Ok((Some(lua.create_string(&out)?), None))
    };
    library.raw_set("reverse", lua.create_function(reverse)?)?;
    let shared = pace.clone();
    let rep = move |lua: &Lua, (text, times): (mlua::String, f64)| -> mlua::Result<Answer> {
        // What is no number of times, or less than one, is none.
        let length = text.as_bytes().len().saturating_mul(times as usize);
        if length > MEMORY_MAX {
            return Ok((None, Some(TOO_LONG)));
        }
        let mut out = Vec::with_capacity(length);
        if length > 0 {
            out.extend_from_slice(&text.as_bytes());
        }
        while out.len() < length {
            // What is there already is repeated; a piece at a time is copied.
            let whole = out.len() - out.len() % text.as_bytes().len();
            let more = (length - out.len()).min(whole).min(PIECE.max(text.as_bytes().len()));
            let more = more - more % text.as_bytes().len();
            out.extend_from_within(..more);
            shared.spend(more / COPIED)?;
        }
        Ok((Some(lua.create_string(&out)?), None))
    };
    library.raw_set("rep", lua.create_function(rep)?)?;
    let shared = pace.clone();
    let quote = move |lua: &Lua, text: mlua::String| quote(lua, &text.as_bytes(), &shared);
    library.raw_set("quote", lua.create_function(quote)?)?;
    Ok(library)
}

/// A text between quotes, as `%q` of format writes it.
fn quote(lua: &Lua, text: &[u8], pace: &Pace) -> mlua::Result<Answer> {
    let mut out = vec![b'"'];
    for piece in text.chunks(PIECE) {
        for byte in piece {
            match byte {
                b'"' | b'\\' | b'\n' => out.extend_from_slice(&[b'\\', *byte]),
                b'\r' => out.extend_from_slice(b"\\r"),
                0 => out.extend_from_slice(b"\\000"),
                _ => out.push(*byte),
            }
        }
        pace.spend(piece.len())?;
    }
    out.push(b'"');
    Ok((Some(lua.create_string(&out)?), None))
}
