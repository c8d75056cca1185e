//! A worker's Lua state: what scripts find in it, and the scripts that it has compiled.

use super::call::State;
use super::store::{Running, Script};
use super::{Digest, MEMORY_MAX, functions, libraries, shebang};
use crate::server::Server;
use crate::session::Session;
use mlua::{ChunkMode, Compiler, Function, Lua, LuaOptions, StdLib, Table, Value, VmState};
use redstart_engine::Error;
use redstart_protocol::Args;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Compiled scripts that a worker keeps at most; beyond, it starts to compile anew.
const COMPILED_MAX: usize = 4096;

/// Functions that the prelude replaces, so that the compiler must not know them better.
const REPLACED: [&str; 8] = [
    "tostring",
    "string.format",
    "table.concat",
    "pcall",
    "xpcall",
    "math.random",
    "math.randomseed",
    "loadstring",
];

/// A script, compiled.
pub type Compiled = (Arc<Script>, Function);

/// A worker's Lua state.
pub struct Runtime {
    /// The state.
    pub lua: Lua,
    /// What commands of a script work with.
    pub state: Rc<RefCell<State>>,
    /// See [`State::over`].
    pub over: Rc<Cell<bool>>,
    /// What others know of the script that runs.
    pub running: Arc<Running>,
    /// The server's generation of scripts that `compiled` is of.
    pub generation: u64,
    /// Libraries of functions.
    pub functions: functions::Loaded,
    compiled: HashMap<Digest, Compiled>,
    globals: Table,
    runner: Function,
    names: [mlua::String; 2],
}

impl Runtime {
    /// A new Lua state. `session` is the client that scripts run as.
    ///
    /// # Errors
    /// When Luau refuses the prelude, or has no memory.
    pub fn new(server: &'static Server, session: Session) -> mlua::Result<Runtime> {
        let libraries =
            StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::DEBUG;
        // A panic ends the process before a script could catch it, so the native `pcall` is as
        // good as one that passes panics on, and it bounds what it puts on the stack.
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(true))?;
        lua.set_memory_limit(MEMORY_MAX)?;
        let over = Rc::new(Cell::new(false));
        let running = Arc::new(Running::default());
        server.scripts.register(running.clone());
        let state = Rc::new(RefCell::new(State::new(session, over.clone(), running.clone())));
        let globals = lua.create_table()?;
        let registrar = functions::Registrar::default();
        let host = libraries::host(&lua, server, &state, &globals, &registrar)?;
        let prelude = lua.load(include_str!("prelude.luau")).set_name("=prelude");
        let (runner, library): (Function, Table) = prelude.call((host, globals.clone()))?;
        globals.set_safeenv(true);
        globals.set_readonly(true);
        let names = [lua.create_string("KEYS")?, lua.create_string("ARGV")?];
        let runtime = Runtime {
            lua,
            state,
            over,
            running,
            generation: 0,
            functions: functions::Loaded::new(registrar, runner.clone(), library),
            compiled: HashMap::new(),
            globals,
            runner,
            names,
        };
        runtime.watch_over();
        Ok(runtime)
    }

    /// Lets loops and calls end when the script has to.
    fn watch_over(&self) {
        let (over, running) = (self.over.clone(), self.running.clone());
        self.lua.set_interrupt(move |_| {
            if over.get() || running.kill.load(Relaxed) {
                over.set(true);
                return Err(mlua::Error::runtime(super::run::KILLED));
            }
            Ok(VmState::Continue)
        });
    }

    /// The compiled script of a digest.
    pub fn find(&mut self, server: &Server, digest: &Digest) -> Result<Option<Compiled>, Error> {
        let generation = server.scripts.generation.load(Relaxed);
        if generation != self.generation {
            self.generation = generation;
            self.compiled.clear();
        }
        if let Some(compiled) = self.compiled.get(digest) {
            return Ok(Some(compiled.clone()));
        }
        let Some(script) = server.scripts.get(digest) else { return Ok(None) };
        let function = self.compile(&script.text)?;
        Ok(Some(self.keep(*digest, script, function)))
    }

    /// Keeps a compiled script.
    pub fn keep(&mut self, digest: Digest, script: Arc<Script>, function: Function) -> Compiled {
        if self.compiled.len() >= COMPILED_MAX {
            self.compiled.clear();
        }
        self.compiled.insert(digest, (script.clone(), function.clone()));
        (script, function)
    }

    /// Compiles a script.
    ///
    /// # Errors
    /// When it is no Lua.
    pub fn compile(&self, text: &[u8]) -> Result<Function, Error> {
        compile(&self.lua, &self.globals, shebang::strip(text), "=user_script").map_err(|error| {
            let text = describe(&error);
            Error::text(format!("ERR Error compiling script (new function): {text}"))
        })
    }

    /// Gives the script that runs next its KEYS and ARGV.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn give(&self, keys: Args<'_>, argv: Args<'_>) -> mlua::Result<()> {
        self.globals.set_readonly(false);
        let given =
            self.names.iter().zip([keys, argv]).try_for_each(|(name, args)| {
                self.globals.raw_set(name, sequence(&self.lua, args)?)
            });
        self.globals.set_readonly(true);
        given
    }

    /// Runs a function to its end: what it returns, or the table that tells its error.
    pub fn run(&self, f: &Function, args: impl mlua::IntoLuaMulti) -> Result<Value, Value> {
        let mut all = args.into_lua_multi(&self.lua).unwrap_or_default();
        all.push_front(Value::Function(f.clone()));
        match self.runner.call::<(Value, Value)>(all) {
            Ok((value, Value::Nil)) => Ok(value),
            Ok((_, failure)) => Err(failure),
            Err(error) => Err(self.failure(&describe(&error))),
        }
    }

    /// An error as scripts have them.
    fn failure(&self, text: &str) -> Value {
        let table = self.lua.create_table().and_then(|table| {
            table.raw_set("err", format!("ERR {text}"))?;
            Ok(table)
        });
        table.map_or(Value::Nil, Value::Table)
    }

    /// Tidies up behind a script that took much memory.
    pub fn tidy(&self) {
        if self.lua.used_memory() > MEMORY_MAX / 2 {
            // It can only fail for want of memory, and then the next script will say so.
            let _ = self.lua.gc_collect();
        }
    }
}

/// Arguments as a Lua array.
///
/// # Errors
/// When there is no memory.
pub fn sequence(lua: &Lua, args: Args<'_>) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(args.len(), 0)?;
    for arg in args.iter() {
        table.raw_push(lua.create_string(arg)?)?;
    }
    Ok(table)
}

/// Compiles text to a function that runs in `globals`.
///
/// # Errors
/// When it is no Lua.
pub fn compile(lua: &Lua, globals: &Table, text: &[u8], name: &str) -> mlua::Result<Function> {
    if text.contains(&0) {
        // For Luau the text would end there.
        let message = format!("{}:1: unexpected symbol near '\\0'", name.trim_start_matches('='));
        return Err(mlua::Error::SyntaxError { message, incomplete_input: false });
    }
    let compiler = Compiler::new()
        .set_optimization_level(1)
        .set_debug_level(1)
        .set_mutable_globals(["KEYS", "ARGV"])
        .set_disabled_builtins(REPLACED);
    let chunk = lua.load(text).set_name(name).set_mode(ChunkMode::Text);
    chunk.set_compiler(compiler).set_environment(globals.clone()).into_function()
}

/// What an error says, in one line.
pub fn describe(error: &mlua::Error) -> String {
    let text = match error {
        mlua::Error::SyntaxError { message, .. } | mlua::Error::RuntimeError(message) => {
            message.clone()
        }
        mlua::Error::MemoryError(_) => "not enough memory".into(),
        mlua::Error::CallbackError { cause, .. } => return describe(cause),
        other => other.to_string(),
    };
    text.lines().next().unwrap_or_default().to_string()
}
