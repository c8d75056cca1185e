//! Arguments of library functions, checked and refused as Lua's own C libraries do.

use crate::compile::describe;
use crate::convert::as_number;
use crate::pace::{ITEM, Pace};
use mlua::{BorrowedBytes, Function, IntoLuaMulti, Lua, MultiValue, Table, Value};
use std::ops::Deref;
use std::rc::Rc;

/// Why a library function fails: the text of a Lua error.
pub struct Fault(pub String);

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Fault {
        Fault(describe(&error))
    }
}

impl From<&str> for Fault {
    fn from(text: &str) -> Fault {
        Fault(text.into())
    }
}

/// What a library function returns.
pub type Results = Result<Vec<Value>, Fault>;

/// An argument that is a text.
pub enum Text<'a> {
    /// A string, where it lies.
    Given(BorrowedBytes<'a>),
    /// A number, as a string.
    Written(Vec<u8>),
}

impl Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Text::Given(bytes) => bytes,
            Text::Written(bytes) => bytes,
        }
    }
}

/// The arguments of one call.
pub struct Arguments<'a> {
    /// The function's name.
    pub function: &'static str,
    /// The values.
    pub values: &'a [Value],
    /// The pace of the function's loops.
    pub pace: &'a Pace,
}

/// Adds a function to a library. In Lua it returns the text of its fault, or nil, in front of its
/// results: the prelude makes an error of it.
///
/// # Errors
/// When there is no memory.
pub fn add(
    lua: &Lua,
    pace: &Rc<Pace>,
    library: &Table,
    function: &'static str,
    f: impl Fn(&Lua, Arguments<'_>) -> Results + 'static,
) -> mlua::Result<()> {
    let pace = pace.clone();
    let wrapped: Function = lua.create_function(move |lua, values: MultiValue| {
        let values: Vec<Value> = values.into_iter().collect();
        match f(lua, Arguments { function, values: &values, pace: &pace }) {
            Ok(mut results) => {
                results.insert(0, Value::Nil);
                Ok(MultiValue::from_vec(results))
            }
            Err(Fault(text)) => text.into_lua_multi(lua),
        }
    })?;
    library.raw_set(function, wrapped)
}

impl Arguments<'_> {
    /// Refuses argument `at`, counted from one.
    pub fn refuse(&self, at: usize, why: &str) -> Fault {
        Fault(format!("bad argument #{at} to '{}' ({why})", self.function))
    }

    /// Refuses argument `at` for its type.
    fn wrong_type(&self, at: usize, expected: &str) -> Fault {
        let got = match self.values.get(at - 1) {
            None => "no value",
            Some(value) => type_name(value),
        };
        self.refuse(at, &format!("{expected} expected, got {got}"))
    }

    /// Argument `at` as a number; a string that reads as one is.
    pub fn number(&self, lua: &Lua, at: usize) -> Result<f64, Fault> {
        let number = match self.values.get(at - 1) {
            Some(Value::Integer(n)) => Some(*n as f64),
            Some(Value::Number(n)) => Some(*n),
            Some(value @ Value::String(_)) => lua.coerce_number(value.clone()).ok().flatten(),
            _ => None,
        };
        number.ok_or_else(|| self.wrong_type(at, "number"))
    }

    /// Argument `at` as an integer, or the default where it is not there.
    pub fn integer_or(&self, lua: &Lua, at: usize, default: i64) -> Result<i64, Fault> {
        match self.values.get(at - 1) {
            None | Some(Value::Nil) => Ok(default),
            Some(_) => Ok(self.number(lua, at)? as i64),
        }
    }

    /// Argument `at` as a string; a number is written as one.
    pub fn text(&self, at: usize) -> Result<Text<'_>, Fault> {
        let written = |n| Text::Written(crate::number::general(n, 14).into_bytes());
        match self.values.get(at - 1) {
            Some(Value::String(text)) => Ok(Text::Given(text.as_bytes())),
            Some(Value::Integer(n)) => Ok(written(*n as f64)),
            Some(Value::Number(n)) => Ok(written(*n)),
            _ => Err(self.wrong_type(at, "string")),
        }
    }
}

/// A value's type as Lua 5.1 names it.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}

/// The length of the array that a table is: the number of its items and its largest index, or
/// `None` when some key is no index.
///
/// # Errors
/// When the script has to end.
pub fn array_extent(table: &Table, pace: &Pace) -> Result<Option<(usize, usize)>, Fault> {
    let (mut count, mut largest, mut ended) = (0, 0, None);
    let walk = table.for_each(|key: Value, _: Value| match as_number(&key) {
        Some(n) if n >= 1.0 && n.trunc() == n && n < 9e15 => {
            count += 1;
            largest = largest.max(n as usize);
            pace.spend(ITEM / 2).inspect_err(|error| ended = Some(error.clone()))
        }
        _ => Err(mlua::Error::runtime("no index")),
    });
    match ended {
        Some(error) => Err(error.into()),
        None => Ok(walk.is_ok().then_some((count, largest))),
    }
}
