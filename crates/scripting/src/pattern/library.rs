//! find, match, gmatch and gsub, as Luau calls them. What they are not sure about, arguments of
//! other types and malformed patterns, goes to functions of `patterns.luau`.

use super::items::Wrong;
use super::known::{Compiled, Patterns, Reading};
use super::matcher::{Capture, Matcher, PLACE, Room};
use super::replace::Replacement;
use super::stack::{self, Call, Done, Native, Value};
use crate::memory::MEMORY_MAX;
use crate::number;
use crate::pace::{COPIED, ITEM, Pace};
use mlua::{Error, Function, Lua, Table};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int};
use std::rc::Rc;

/// What the functions of a worker share.
struct Shared {
    pace: Rc<Pace>,
    patterns: RefCell<Patterns>,
    /// What a match works in, while none does.
    room: Cell<Option<Box<Room>>>,
    /// Why the script has to end.
    ended: Rc<Cell<Option<Error>>>,
}

/// The functions `make`, which makes `find`, `match`, `gmatch` and `gsub` of what they call where
/// they are not sure, and `wrong`, which says what is wrong with a pattern.
///
/// # Errors
/// When there is no memory.
pub fn library(lua: &Lua, pace: &Rc<Pace>) -> mlua::Result<Table> {
    let ended = Rc::new(Cell::new(None));
    let shared = Rc::new(Shared {
        pace: pace.clone(),
        patterns: RefCell::default(),
        room: Cell::default(),
        ended: ended.clone(),
    });
    let raise = move |_: &Lua, ()| -> mlua::Result<()> {
        Err(ended.take().unwrap_or_else(|| Error::runtime("no error was kept")))
    };
    let raise = lua.create_function(raise)?;
    let library = lua.create_table()?;
    let of = shared.clone();
    let wrong = move |_: &Lua, pattern: mlua::String| match of
        .compiled(&pattern.as_bytes(), Reading::Pattern)
    {
        Ok(_) => Ok(None),
        Err(Wrong::Malformed(text)) => Ok(Some(text)),
        Err(Wrong::Ended(error)) => Err(error),
    };
    library.raw_set("wrong", lua.create_function(wrong)?)?;
    let make = move |lua: &Lua, otherwise: Table| {
        let made = lua.create_table()?;
        add::<Find>(lua, &shared, &raise, &otherwise, &made)?;
        add::<Match>(lua, &shared, &raise, &otherwise, &made)?;
        add::<Gmatch>(lua, &shared, &raise, &otherwise, &made)?;
        add::<Gsub>(lua, &shared, &raise, &otherwise, &made)?;
        Ok(made)
    };
    library.raw_set("make", lua.create_function(make)?)?;
    Ok(library)
}

fn add<N: Native<State = Rc<Shared>>>(
    lua: &Lua,
    shared: &Rc<Shared>,
    raise: &Function,
    otherwise: &Table,
    made: &Table,
) -> mlua::Result<()> {
    let name = N::NAME.to_str().map_err(Error::external)?;
    let function =
        stack::function::<N>(lua, shared.clone(), raise, &otherwise.raw_get::<Function>(name)?)?;
    made.raw_set(name, function)
}

impl Shared {
    #[inline]
    fn compiled(&self, pattern: &[u8], reading: Reading) -> Result<Rc<Compiled>, Wrong> {
        self.patterns.borrow_mut().compiled(pattern, reading, &self.pace)
    }

    /// What a match works in. Where it is not brought back, there will be another one.
    #[inline]
    fn room(&self) -> Box<Room> {
        self.room.take().unwrap_or_default()
    }

    fn raise(&self, error: Error) -> Done {
        self.ended.set(Some(error));
        Done::Raise
    }

    /// What a pattern that is not compiled leads to.
    fn refused(&self, wrong: Wrong) -> Done {
        match wrong {
            Wrong::Malformed(_) => Done::Otherwise,
            Wrong::Ended(error) => self.raise(error),
        }
    }
}

/// A number as C makes a whole one of it.
fn whole(number: f64) -> i64 {
    if number.abs() < i64::MAX as f64 { number as i64 } else { i64::MIN }
}

/// The offset that a script's `init` means; nothing where it is no number.
#[inline]
fn offset(call: &Call<'_>, at: c_int, length: usize) -> Option<usize> {
    if call.is_nil(at) {
        return Some(0);
    }
    let init = whole(call.number(at)?);
    let init = if init < 0 { init.saturating_add(length as i64 + 1) } else { init };
    Some((init.max(1) - 1).min(length as i64) as usize)
}

/// Puts the captures of a match on the stack; without any, the match as a whole.
#[inline]
fn push_captures(call: &mut Call<'_>, text: &[u8], whole: (usize, usize), all: &[Capture]) {
    if all.is_empty() {
        call.push_text(&text[whole.0..whole.1]);
    }
    push_all(call, text, all);
}

#[inline]
fn push_all(call: &mut Call<'_>, text: &[u8], captures: &[Capture]) {
    for capture in captures {
        match *capture {
            Capture { start, end: PLACE } => call.push_number(start as usize + 1),
            Capture { start, end } => call.push_text(&text[start as usize..end as usize]),
        }
    }
}

/// find and match.
#[inline]
fn search(call: &mut Call<'_>, shared: &Shared, finds: bool) -> Done {
    let (Some(text), Some(pattern)) = (call.text(1), call.text(2)) else {
        return Done::Otherwise;
    };
    let Some(at) = offset(call, 3, text.len()) else { return Done::Otherwise };
    let reading = if finds && call.is_true(4) { Reading::Plain } else { Reading::Pattern };
    let compiled = match shared.compiled(pattern, reading) {
        Ok(compiled) => compiled,
        Err(wrong) => return shared.refused(wrong),
    };
    let mut room = shared.room();
    let found = Matcher::new(&compiled, text, &shared.pace, &mut room).seek(at);
    let done = match found {
        Ok(Some((from, to))) => {
            let captures = &room.captures[..compiled.pattern.captures];
            call.reserve(captures.len() + 2);
            if finds {
                call.push_number(from + 1);
                call.push_number(to);
                push_all(call, text, captures);
                Done::Values(captures.len() as c_int + 2)
            } else {
                push_captures(call, text, (from, to), captures);
                Done::Values(captures.len().max(1) as c_int)
            }
        }
        Ok(None) => {
            call.push_nil();
            Done::Values(1)
        }
        Err(error) => shared.raise(error),
    };
    shared.room.set(Some(room));
    done
}

struct Find;

impl Native for Find {
    type State = Rc<Shared>;
    const NAME: &'static CStr = c"find";

    fn run(call: &mut Call<'_>, shared: &Rc<Shared>) -> Done {
        search(call, shared, true)
    }
}

struct Match;

impl Native for Match {
    type State = Rc<Shared>;
    const NAME: &'static CStr = c"match";

    fn run(call: &mut Call<'_>, shared: &Rc<Shared>) -> Done {
        search(call, shared, false)
    }
}

struct Gmatch;

impl Native for Gmatch {
    type State = Rc<Shared>;
    const NAME: &'static CStr = c"gmatch";

    fn run(call: &mut Call<'_>, shared: &Rc<Shared>) -> Done {
        let (Some(_), Some(pattern)) = (call.text(1), call.text(2)) else {
            return Done::Otherwise;
        };
        match shared.compiled(pattern, Reading::Unanchored) {
            Ok(compiled) => {
                let next = Cell::new(0);
                call.push_closure::<Next>(Matches { shared: shared.clone(), compiled, next }, 1);
                Done::Values(1)
            }
            Err(wrong) => shared.refused(wrong),
        }
    }
}

/// Where a gmatch has come to.
struct Matches {
    shared: Rc<Shared>,
    compiled: Rc<Compiled>,
    next: Cell<usize>,
}

/// What gmatch returns: the closure keeps the text.
struct Next;

impl Native for Next {
    type State = Matches;
    const NAME: &'static CStr = c"for iterator";

    fn run(call: &mut Call<'_>, matches: &Matches) -> Done {
        let Matches { shared, compiled, next } = matches;
        let text = call.kept_text().unwrap_or_default();
        let mut room = shared.room();
        let found = Matcher::new(compiled, text, &shared.pace, &mut room).seek(next.get());
        let done = match found {
            Ok(Some((from, to))) => {
                next.set(if to == from { to + 1 } else { to });
                let captures = &room.captures[..compiled.pattern.captures];
                call.reserve(captures.len());
                push_captures(call, text, (from, to), captures);
                Done::Values(captures.len().max(1) as c_int)
            }
            Ok(None) => {
                next.set(text.len() + 1);
                call.push_nil();
                Done::Values(1)
            }
            Err(error) => shared.raise(error),
        };
        shared.room.set(Some(room));
        done
    }
}

/// What a gsub puts in the place of a match.
enum By<'a> {
    Text(Replacement<'a>),
    Table,
    Function,
}

struct Gsub;

/// Where gsub finds what it puts in, and how often at most.
const BY: c_int = 3;
const MOST: c_int = 4;

impl Native for Gsub {
    type State = Rc<Shared>;
    const NAME: &'static CStr = c"gsub";

    fn run(call: &mut Call<'_>, shared: &Rc<Shared>) -> Done {
        let (Some(text), Some(pattern)) = (call.text(1), call.text(2)) else {
            return Done::Otherwise;
        };
        let by = match call.text(BY) {
            Some(by) => By::Text(Replacement::new(by)),
            None if call.is_table(BY) => By::Table,
            None if call.is_function(BY) => By::Function,
            None => return Done::Otherwise,
        };
        let most = match call.number(MOST) {
            // C counts with 32 bits.
            Some(most) => usize::try_from(whole(most) as i32).unwrap_or(0),
            None if call.is_nil(MOST) => usize::MAX,
            None => return Done::Otherwise,
        };
        let compiled = match shared.compiled(pattern, Reading::Pattern) {
            Ok(compiled) => compiled,
            Err(wrong) => return shared.refused(wrong),
        };
        call.reserve(compiled.pattern.captures + 4);
        let mut work = Substitution { shared, compiled: &compiled, text, out: Vec::new(), done: 0 };
        match work.run(call, &by, most) {
            Ok(times) => {
                if work.done == 0 && work.out.is_empty() {
                    call.push_argument(1);
                } else {
                    work.out.extend_from_slice(&text[work.done..]);
                    call.push_text(&work.out);
                }
                call.push_number(times);
                Done::Values(2)
            }
            Err(done) => done,
        }
    }
}

/// A gsub at work.
struct Substitution<'a> {
    shared: &'a Shared,
    compiled: &'a Compiled,
    text: &'a [u8],
    /// What stands for the text up to `done`.
    out: Vec<u8>,
    done: usize,
}

impl Substitution<'_> {
    /// Goes through the text. Returns how many matches there were.
    fn run(&mut self, call: &mut Call<'_>, by: &By<'_>, most: usize) -> Result<usize, Done> {
        let (mut at, mut times) = (0, 0);
        while times < most {
            let mut room = self.shared.room();
            let found =
                Matcher::new(self.compiled, self.text, &self.shared.pace, &mut room).seek(at);
            let whole = match found {
                Ok(Some(whole)) => whole,
                Ok(None) => {
                    self.shared.room.set(Some(room));
                    break;
                }
                Err(error) => return Err(self.shared.raise(error)),
            };
            times += 1;
            let length = self.out.len();
            let captures = &room.captures[..self.compiled.pattern.captures];
            if let By::Text(by) = by {
                self.out.extend_from_slice(&self.text[self.done..whole.0]);
                if by.write(whole, captures, self.text, &mut self.out).is_err() {
                    return Err(Done::Wrong("invalid capture index".into()));
                }
                self.done = whole.1;
                self.shared.room.set(Some(room));
            } else {
                let is_table = matches!(by, By::Table);
                if !is_table {
                    call.push_argument(BY);
                }
                // A table is asked for the first capture only.
                let captures = if is_table { &captures[..captures.len().min(1)] } else { captures };
                push_captures(call, self.text, whole, captures);
                let number = captures.len().max(1) as c_int;
                // What is called may match, too.
                self.shared.room.set(Some(room));
                if is_table {
                    call.look_up(BY)
                } else {
                    call.call(number)
                }
                self.take_last(call, whole)?;
            }
            if self.out.len() > MEMORY_MAX {
                return Err(Done::Wrong("not enough memory".into()));
            }
            let written = self.out.len() - length;
            let spent = self.shared.pace.spend(ITEM + written / COPIED);
            spent.map_err(|error| self.shared.raise(error))?;
            at = if whole.1 == whole.0 { whole.1 + 1 } else { whole.1 };
            if at > self.text.len() || self.compiled.pattern.anchored {
                break;
            }
        }
        Ok(times)
    }

    /// Puts the last value on the stack in the place of a match.
    fn take_last(&mut self, call: &mut Call<'_>, whole: (usize, usize)) -> Result<(), Done> {
        let between = &self.text[self.done..whole.0];
        match call.last() {
            Value::Nothing => {}
            Value::Text(by) => {
                self.out.extend_from_slice(between);
                self.out.extend_from_slice(by);
                self.done = whole.1;
            }
            Value::Number(by) => {
                self.out.extend_from_slice(between);
                self.out.extend_from_slice(number::general(by, 14).as_bytes());
                self.done = whole.1;
            }
            Value::Other(kind) => {
                let text = format!("invalid replacement value (a {kind})");
                return Err(Done::Wrong(text.into()));
            }
        }
        call.pop(1);
        Ok(())
    }
}
