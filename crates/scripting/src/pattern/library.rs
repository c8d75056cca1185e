//! What `patterns.luau` calls: it hands a text and a pattern over once, and asks for matches.

use super::items::{CAPTURES_MAX, Pattern, Wrong};
use super::matcher::{Capture, Matcher, PLACE};
use super::replace::Replacement;
use crate::memory::MEMORY_MAX;
use crate::pace::{COPIED, ITEM, Pace};
use memchr::memmem::Finder;
use mlua::{Buffer, Lua, Table};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Patterns that are remembered.
const KNOWN_MAX: usize = 500;
/// A pattern that is longer is not remembered, in bytes.
const KNOWN_LENGTH_MAX: usize = 256;
/// What the place of a capture of a place is ended by in a buffer.
const NO_TEXT: u32 = 0;
/// A match in a buffer: where it begins and ends, then each capture alike, in bytes.
const PLACE_BYTES: usize = 8;

/// How a pattern is read.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Reading {
    /// As patterns are.
    Pattern,
    /// As in gmatch, where `^` is a letter.
    Unanchored,
    /// As a text.
    Plain,
}

/// A compiled pattern, and the only text that it matches, if there is only one.
struct Known {
    pattern: Pattern,
    literal: Option<Finder<'static>>,
}

/// A text that is being matched.
struct Held {
    text: mlua::String,
    known: Rc<Known>,
}

/// What a worker knows of patterns.
struct Patterns {
    pace: Rc<Pace>,
    known: HashMap<(Vec<u8>, Reading), Rc<Known>>,
    held: Option<Held>,
}

/// What a function returns where there may be nothing: two numbers or none.
type Pair = (Option<f64>, Option<f64>);

/// The functions: `limit`, `hold`, `release`, `seek`, `seek_many` and `replace`.
///
/// # Errors
/// When there is no memory.
pub fn library(lua: &Lua, pace: &Rc<Pace>) -> mlua::Result<Table> {
    let patterns = Patterns { pace: pace.clone(), known: HashMap::new(), held: None };
    let shared = Rc::new(RefCell::new(patterns));
    let places = lua.create_buffer_with_capacity((CAPTURES_MAX + 1) * PLACE_BYTES)?;
    let library = lua.create_table()?;
    library.raw_set("places", places.clone())?;
    let of = shared.clone();
    let limit = move |_: &Lua, pattern: mlua::String| match of
        .borrow_mut()
        .compiled(&pattern.as_bytes(), Reading::Pattern)
    {
        Ok(known) => {
            let Known { pattern, literal } = &*known;
            Ok((Some(pattern.native_max), literal.is_some(), pattern.is_sought(), None))
        }
        Err(Wrong::Malformed(text)) => Ok((None, false, false, Some(text))),
        Err(Wrong::Ended(error)) => Err(error),
    };
    library.raw_set("limit", lua.create_function(limit)?)?;
    let of = shared.clone();
    let hold = move |_: &Lua, (text, pattern, reading): (mlua::String, mlua::String, u8)| {
        let reading = match reading {
            0 => Reading::Pattern,
            1 => Reading::Unanchored,
            _ => Reading::Plain,
        };
        of.borrow_mut().hold(text, &pattern.as_bytes(), reading)
    };
    library.raw_set("hold", lua.create_function(hold)?)?;
    let of = shared.clone();
    let release = move |_: &Lua, ()| {
        of.borrow_mut().held = None;
        Ok(())
    };
    library.raw_set("release", lua.create_function(release)?)?;
    let of = shared.clone();
    let seek = move |_: &Lua, at: f64| of.borrow().seek(at as usize, &places);
    library.raw_set("seek", lua.create_function(seek)?)?;
    let of = shared.clone();
    let seek_many = move |_: &Lua, (buffer, at, most): (Buffer, f64, f64)| {
        of.borrow().seek_many(&buffer, at as usize, most as usize)
    };
    library.raw_set("seek_many", lua.create_function(seek_many)?)?;
    let replace = move |lua: &Lua, (by, most): (mlua::String, f64)| {
        shared.borrow().replace(lua, &by.as_bytes(), most)
    };
    library.raw_set("replace", lua.create_function(replace)?)?;
    Ok(library)
}

impl Patterns {
    /// A pattern, compiled.
    fn compiled(&mut self, text: &[u8], reading: Reading) -> Result<Rc<Known>, Wrong> {
        let key = (text.to_vec(), reading);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let pattern = match reading {
            Reading::Plain => Pattern::plain(text)?,
            reading => Pattern::new(text, reading == Reading::Pattern, &self.pace)?,
        };
        let literal = pattern.literal().map(|text| Finder::new(&text).into_owned());
        let known = Rc::new(Known { pattern, literal });
        if text.len() <= KNOWN_LENGTH_MAX {
            if self.known.len() >= KNOWN_MAX {
                self.known.clear();
            }
            self.known.insert(key, known.clone());
        }
        Ok(known)
    }

    /// Holds a text to be matched with a pattern. Returns the number of captures.
    fn hold(
        &mut self,
        text: mlua::String,
        pattern: &[u8],
        reading: Reading,
    ) -> mlua::Result<(usize, Option<&'static str>)> {
        match self.compiled(pattern, reading) {
            Ok(known) => {
                let captures = known.pattern.captures;
                self.held = Some(Held { text, known });
                Ok((captures, None))
            }
            Err(Wrong::Malformed(text)) => Ok((0, Some(text))),
            Err(Wrong::Ended(error)) => Err(error),
        }
    }

    /// Runs `f` with a matcher of the text that is held.
    fn with<R>(
        &self,
        f: impl FnOnce(&mut Matcher<'_>, &[u8]) -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        let held = self.held.as_ref().ok_or_else(|| mlua::Error::runtime("no text is held"))?;
        let Known { pattern, literal } = &*held.known;
        let text = held.text.as_bytes();
        f(&mut Matcher::new(pattern, literal.as_ref(), &text, &self.pace), &text)
    }

    fn captures(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.known.pattern.captures)
    }

    /// The first match at or behind an offset: its offsets. Those of its captures go to `places`.
    fn seek(&self, at: usize, places: &Buffer) -> mlua::Result<Pair> {
        self.with(|matcher, _| {
            let Some((from, to)) = matcher.seek(at)? else { return Ok((None, None)) };
            let captures = self.captures();
            if captures > 0 {
                let mut bytes = Vec::with_capacity(captures * PLACE_BYTES);
                write_captures(&matcher.captures[..captures], &mut bytes);
                places.write_bytes(0, &bytes);
            }
            Ok((Some(from as f64), Some(to as f64)))
        })
    }

    /// Up to so many matches from an offset on, as gmatch and gsub find them, to a buffer. Returns
    /// how many there are, and from where the next ones are to be sought, if there may be more.
    fn seek_many(&self, buffer: &Buffer, mut at: usize, most: usize) -> mlua::Result<Pair> {
        self.with(|matcher, text| {
            let captures = self.captures();
            let mut bytes = Vec::with_capacity(most * (captures + 1) * PLACE_BYTES);
            for found in 0..most {
                let Some((from, to)) = matcher.seek(at)? else {
                    buffer.write_bytes(0, &bytes);
                    return Ok((Some(found as f64), None));
                };
                write_place(from as u32, to as u32, &mut bytes);
                write_captures(&matcher.captures[..captures], &mut bytes);
                at = if to == from { to + 1 } else { to };
            }
            buffer.write_bytes(0, &bytes);
            Ok((Some(most as f64), (at <= text.len()).then_some(at as f64)))
        })
    }

    /// Replaces up to so many matches by a string. Returns the text and how many there were, or
    /// nothing and what is wrong with the string.
    fn replace(
        &self,
        lua: &Lua,
        by: &[u8],
        most: f64,
    ) -> mlua::Result<(Option<mlua::String>, Option<f64>, Option<&'static str>)> {
        let by = Replacement::new(by);
        self.with(|matcher, text| {
            let captures = self.captures();
            let (mut out, mut done, mut at, mut times) = (Vec::new(), 0, 0, 0.0);
            while times < most {
                let Some((from, to)) = matcher.seek(at)? else { break };
                times += 1.0;
                out.extend_from_slice(&text[done..from]);
                let length = out.len();
                let captures = &matcher.captures[..captures];
                if by.write(&text[from..to], captures, text, &mut out).is_err() {
                    return Ok((None, None, Some("invalid capture index")));
                }
                if out.len() > MEMORY_MAX {
                    return Ok((None, None, Some("not enough memory")));
                }
                self.pace.spend(ITEM + (from - done + out.len() - length) / COPIED)?;
                done = to;
                at = if to == from { to + 1 } else { to };
                if at > text.len() || self.is_anchored() {
                    break;
                }
            }
            out.extend_from_slice(&text[done..]);
            Ok((Some(lua.create_string(&out)?), Some(times), None))
        })
    }

    fn is_anchored(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.known.pattern.anchored)
    }
}

fn write_place(from: u32, to: u32, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&(from + 1).to_le_bytes());
    bytes.extend_from_slice(&(to + 1).to_le_bytes());
}

/// Writes captures as Luau counts: from one, and without an end where it is a place.
fn write_captures(captures: &[Capture], bytes: &mut Vec<u8>) {
    for capture in captures {
        match capture.end {
            PLACE => {
                bytes.extend_from_slice(&(capture.start + 1).to_le_bytes());
                bytes.extend_from_slice(&NO_TEXT.to_le_bytes());
            }
            end => write_place(capture.start, end, bytes),
        }
    }
}
