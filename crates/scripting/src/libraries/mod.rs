//! What the prelude gets from the host: the functions behind `redis`, and the libraries of scripts.

use crate::call::{ScriptReply, State};
use crate::compile::{ScriptCompiler, describe};
use crate::digest::{Digester, hex};
use crate::failure::Failure;
use crate::host::{Host, Level, Parts};
use crate::pace::Pace;
use crate::register::{Registrar, register};
use crate::{number, pattern};
use mlua::{BString, Compiler, Either, Lua, MultiValue, Table, Value};
use redstart_protocol::Protocol;
use std::cell::RefCell;
use std::rc::Rc;

pub mod argument;
mod bit;
mod cjson;
mod cjson_decode;
mod cmsgpack;
mod structure;
mod text;

/// A value, or nothing and the text of an error.
type Answer = (Value, Option<mlua::String>);

/// What a command returns: a value; the length of a text in the scratch buffer, and `true`; or
/// nothing and the text of an error.
type CommandAnswer = (ScriptReply, Either<bool, Option<mlua::String>>);

/// What the functions work with.
pub struct Surroundings<'a> {
    /// The parts that all workers share.
    pub parts: Parts,
    /// The server around.
    pub host: &'a Rc<dyn Host>,
    /// What commands of a script work with.
    pub state: &'a Rc<RefCell<State>>,
    /// The table that scripts run in.
    pub globals: &'a Table,
    /// What compiles for `loadstring`.
    pub compiler: &'a Rc<ScriptCompiler>,
    /// The pace of loops.
    pub pace: &'a Rc<Pace>,
}

/// The parts of the prelude.
const PARTS: [(&str, &str); 3] = [
    ("patterns", include_str!("../lua/patterns.luau")),
    ("strings", include_str!("../lua/strings.luau")),
    ("tables", include_str!("../lua/tables.luau")),
];

/// The table of functions for the prelude.
///
/// # Errors
/// When there is no memory.
pub fn table(lua: &Lua, around: &Surroundings<'_>, registrar: &Registrar) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let registrar = registrar.clone();
    let register = move |lua: &Lua, args: MultiValue| match register(&registrar, &args) {
        Ok(()) => Ok((Value::Nil, None)),
        Err(text) => failed(lua, &text),
    };
    table.set("register_function", lua.create_function(register)?)?;
    add_calls(lua, around.state, &table)?;
    let (globals, compiler) = (around.globals.clone(), around.compiler.clone());
    let compile = move |lua: &Lua, (text, name): (mlua::String, Option<String>)| {
        let name = name.unwrap_or_else(|| "=user_script".into());
        match compiler.compile(lua, &globals, &text.as_bytes(), &name) {
            Ok(function) => Ok((Value::Function(function), None)),
            Err(error) => failed(lua, describe(&error).as_bytes()),
        }
    };
    table.set("compile", lua.create_function(compile)?)?;
    let format = |lua: &Lua, value: f64| lua.create_string(number::general(value, 14));
    table.set("format_number", lua.create_function(format)?)?;
    add_functions(lua, around, &table)?;
    table.set("constants", constants(lua, &around.parts.scripts.version())?)?;
    table.set("libraries", libraries(lua, around.pace)?)?;
    table.set("texts", text::library(lua, around.pace)?)?;
    table.set("patterns", pattern::library(lua, around.pace)?)?;
    let parts = lua.create_table()?;
    // Small functions become a part of those that call them.
    let compiler = Compiler::new().set_optimization_level(2);
    for (name, source) in PARTS {
        let chunk = lua.load(source).set_name("=prelude").set_compiler(compiler.clone());
        parts.set(name, chunk.into_function()?)?;
    }
    table.set("parts", parts)?;
    Ok(table)
}

/// The ways to run a command. Those for a fixed number of strings get copies: mlua makes a handle
/// of each value otherwise, which costs more than a short string.
fn add_calls(lua: &Lua, state: &Rc<RefCell<State>>, table: &Table) -> mlua::Result<()> {
    let answer = |lua: &Lua, called: Result<ScriptReply, Failure>| -> mlua::Result<CommandAnswer> {
        Ok(match called {
            Ok(value @ Either::Left(_)) => (value, Either::Right(None)),
            Ok(length) => (length, Either::Left(true)),
            Err(text) => (Either::Left(Value::Nil), Either::Right(Some(lua.create_string(text)?))),
        })
    };
    let of = state.clone();
    let call = move |lua: &Lua, args: MultiValue| answer(lua, of.borrow_mut().call(lua, &args));
    table.set("call", lua.create_function(call)?)?;
    let of = state.clone();
    let call_two = move |lua: &Lua, (name, key): (BString, BString)| {
        answer(lua, of.borrow_mut().call_texts(lua, &[&name, &key]))
    };
    table.set("call_two", lua.create_function(call_two)?)?;
    let of = state.clone();
    let call_three = move |lua: &Lua, (name, key, argument): (BString, BString, BString)| {
        answer(lua, of.borrow_mut().call_texts(lua, &[&name, &key, &argument]))
    };
    table.set("call_three", lua.create_function(call_three)?)
}

fn failed(lua: &Lua, text: &[u8]) -> mlua::Result<Answer> {
    Ok((Value::Nil, Some(lua.create_string(text)?)))
}

/// The functions of `redis` whose errors are tables.
fn add_functions(lua: &Lua, around: &Surroundings<'_>, table: &Table) -> mlua::Result<()> {
    let pace = around.pace.clone();
    let sha1hex = move |lua: &Lua, args: MultiValue| match (args.len(), args.front()) {
        (1, Some(value)) => {
            let text = lua.coerce_string(value.clone())?;
            let mut digester = Digester::default();
            if let Some(text) = text {
                for piece in text.as_bytes().chunks(DIGESTED) {
                    digester.add(piece);
                    pace.spend(piece.len())?;
                }
            }
            Ok((Value::String(lua.create_string(hex(&digester.digest()))?), None))
        }
        _ => failed(lua, b"ERR wrong number of arguments"),
    };
    table.set("sha1hex", lua.create_function(sha1hex)?)?;
    let state = around.state.clone();
    let setresp = move |lua: &Lua, args: MultiValue| {
        let protocol = match (args.len(), args.front().and_then(Value::as_i64)) {
            (1, Some(2)) => Protocol::Resp2,
            (1, Some(3)) => Protocol::Resp3,
            (1, _) => return failed(lua, b"ERR RESP version must be 2 or 3."),
            _ => return failed(lua, b"ERR redis.setresp() requires one argument."),
        };
        state.borrow_mut().reply.set_protocol(protocol);
        Ok((Value::Nil, None))
    };
    table.set("setresp", lua.create_function(setresp)?)?;
    let set_repl = |lua: &Lua, args: MultiValue| match (args.len(), args.front()) {
        (1, Some(flags)) if flags.as_i64().is_some_and(|flags| (0..=3).contains(&flags)) => {
            Ok((Value::Nil, None))
        }
        (1, _) => failed(lua, BAD_REPL),
        _ => failed(lua, b"ERR redis.set_repl() requires one argument."),
    };
    table.set("set_repl", lua.create_function(set_repl)?)?;
    let host = around.host.clone();
    let log = move |lua: &Lua, args| log(lua, &*host, args);
    table.set("log", lua.create_function(log)?)?;
    let state = around.state.clone();
    let acl_check_cmd = move |lua: &Lua, args: MultiValue| match state.borrow_mut().may_call(&args)
    {
        Ok(allowed) => Ok((Value::Boolean(allowed), None)),
        Err(failure) => failed(lua, &failure),
    };
    table.set("acl_check_cmd", lua.create_function(acl_check_cmd)?)
}

/// Bytes that are digested between two questions whether to go on.
const DIGESTED: usize = 1 << 18;

const BAD_REPL: &[u8] =
    b"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";

/// `redis.log(level, text, ...)`.
fn log(lua: &Lua, host: &dyn Host, args: MultiValue) -> mlua::Result<Answer> {
    if args.len() < 2 {
        return failed(lua, b"ERR redis.log() requires two arguments or more.");
    }
    let Some(level) = args.front().and_then(Value::as_i64) else {
        return failed(lua, b"ERR First argument must be a number (log level).");
    };
    let level = match level {
        0 => Level::Debug,
        1 => Level::Verbose,
        2 => Level::Notice,
        3 => Level::Warning,
        _ => return failed(lua, b"ERR Invalid log level."),
    };
    let texts =
        args.into_iter().skip(1).filter_map(|value| lua.coerce_string(value).ok().flatten());
    let text = texts.map(|text| text.to_string_lossy()).collect::<Vec<_>>().join(" ");
    host.log(level, &text);
    Ok((Value::Nil, None))
}

fn constants(lua: &Lua, version: &str) -> mlua::Result<Table> {
    let part = |n: usize| version.split('.').nth(n).and_then(|part| part.parse::<i64>().ok());
    let number = (0..3).fold(0, |sum, n| sum << 8 | part(n).unwrap_or(0));
    let constants = lua.create_table()?;
    for (name, value) in [
        ("LOG_DEBUG", 0),
        ("LOG_VERBOSE", 1),
        ("LOG_NOTICE", 2),
        ("LOG_WARNING", 3),
        ("REPL_NONE", 0),
        ("REPL_AOF", 1),
        ("REPL_SLAVE", 2),
        ("REPL_REPLICA", 2),
        ("REPL_ALL", 3),
        ("REDIS_VERSION_NUM", number),
    ] {
        constants.set(name, value)?;
    }
    constants.set("REDIS_VERSION", version)?;
    Ok(constants)
}

/// The libraries by name: functions that return the text of an error, or nil, in front of their
/// results.
fn libraries(lua: &Lua, pace: &Rc<Pace>) -> mlua::Result<Table> {
    let libraries = lua.create_table()?;
    libraries.set("bit", bit::library(lua, pace)?)?;
    libraries.set("cjson", cjson::library(lua, pace)?)?;
    libraries.set("cmsgpack", cmsgpack::library(lua, pace)?)?;
    libraries.set("struct", structure::library(lua, pace)?)?;
    Ok(libraries)
}
