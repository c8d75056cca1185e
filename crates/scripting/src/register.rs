//! `redis.register_function`: checks what a library registers while its text runs.

use crate::failure::{Failure, failure};
use crate::library::{About, BAD_NAME, is_name};
use crate::script::Script;
use crate::shebang::{Flags, flag};
use mlua::{Function, MultiValue, Table, Value};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A function that a library has registered.
pub struct Registered {
    /// What the library says about it.
    pub about: About,
    /// The function.
    pub function: Function,
}

/// Where registered functions are collected; `None` while no library is loaded.
pub type Registrar = Rc<RefCell<Option<Vec<Registered>>>>;

/// Registers a function.
///
/// # Errors
/// When no library is loaded now, or the arguments are not right.
pub fn register(registrar: &Registrar, args: &MultiValue) -> Result<(), Failure> {
    let mut slot = registrar.borrow_mut();
    let list = slot.as_mut().ok_or(failure(NOT_LOADING))?;
    let registered = registration(args)?;
    if list.iter().any(|known| known.about.name == registered.about.name) {
        return Err(failure(b"ERR Function already exists in the library"));
    }
    list.push(registered);
    Ok(())
}

/// A string's bytes, or an integer's digits.
pub fn text_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(n) => Some(n.to_string().into_bytes()),
        _ => None,
    }
}

/// The arguments by their names, as far as they are there.
#[derive(Default)]
struct Named {
    name: Option<Vec<u8>>,
    callback: Option<Function>,
    description: Option<Vec<u8>>,
    flags: Flags,
}

fn registration(args: &MultiValue) -> Result<Registered, Failure> {
    let found = match (args.len(), args.front(), args.get(1)) {
        (1, Some(Value::Table(table)), _) => of_table(table)?,
        (1, ..) => return Err(failure(NOT_A_TABLE)),
        (2, Some(first), Some(second)) => {
            let Value::Function(function) = second else { return Err(failure(SECOND_ARGUMENT)) };
            let name = text_of(first).ok_or(failure(FIRST_ARGUMENT))?;
            Named { name: Some(name), callback: Some(function.clone()), ..Named::default() }
        }
        _ => return Err(failure(WRONG_COUNT)),
    };
    let Named { name, callback, description, flags } = found;
    let name = name.ok_or(failure(NO_NAME))?;
    let function = callback.ok_or(failure(NO_CALLBACK))?;
    if !is_name(&name) {
        return Err(failure(BAD_NAME.as_bytes()));
    }
    let script = Arc::new(Script::function(&name, flags));
    Ok(Registered { about: About { name, description, flags, script }, function })
}

/// The arguments of a table of named ones.
fn of_table(table: &Table) -> Result<Named, Failure> {
    let mut found = Named::default();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|_| failure(b"ERR not enough memory"))?;
        match text_of(&key).as_deref() {
            Some(b"function_name") => {
                found.name = Some(text_of(&value).ok_or(failure(BAD_NAME_TYPE))?);
            }
            Some(b"description") => {
                found.description = Some(text_of(&value).ok_or(failure(BAD_DESCRIPTION))?);
            }
            Some(b"callback") => match value {
                Value::Function(function) => found.callback = Some(function),
                _ => return Err(failure(BAD_CALLBACK)),
            },
            Some(b"flags") => found.flags = flags_of(&value)?,
            _ => return Err(failure(UNKNOWN_ARGUMENT)),
        }
    }
    Ok(found)
}

fn flags_of(value: &Value) -> Result<Flags, Failure> {
    let Value::Table(list) = value else { return Err(failure(BAD_FLAGS)) };
    let mut flags = 0;
    for name in list.sequence_values::<Value>() {
        let known = name.ok().as_ref().and_then(text_of).and_then(|name| flag(&name));
        flags |= known.ok_or(failure(b"ERR unknown flag given"))?;
    }
    Ok(flags)
}

const NOT_LOADING: &[u8] =
    b"ERR redis.register_function can only be called on FUNCTION LOAD command";
const WRONG_COUNT: &[u8] = b"ERR wrong number of arguments to redis.register_function";
const NOT_A_TABLE: &[u8] = b"ERR calling redis.register_function with a single argument is only \
    applicable to Lua table (representing named arguments).";
const FIRST_ARGUMENT: &[u8] = b"ERR first argument to redis.register_function must be a string";
const SECOND_ARGUMENT: &[u8] = b"ERR second argument to redis.register_function must be a function";
const NO_NAME: &[u8] = b"ERR redis.register_function must get a function name argument";
const NO_CALLBACK: &[u8] = b"ERR redis.register_function must get a callback argument";
const BAD_NAME_TYPE: &[u8] =
    b"ERR function_name argument given to redis.register_function must be a string";
const BAD_DESCRIPTION: &[u8] =
    b"ERR description argument given to redis.register_function must be a string";
const BAD_CALLBACK: &[u8] =
    b"ERR callback argument given to redis.register_function must be a function";
const BAD_FLAGS: &[u8] =
    b"ERR flags argument to redis.register_function must be a table representing function flags";
const UNKNOWN_ARGUMENT: &[u8] = b"ERR unknown argument given to redis.register_function";
