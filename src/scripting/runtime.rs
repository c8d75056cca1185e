//! A worker's Lua state: what scripts find in it, and the scripts that it has compiled.

use super::call::State;
use super::shapes::Shapes;
use super::slate::Slate;
use super::store::Script;
use super::watch::Watch;
use super::{Digest, MEMORY_MAX, functions, libraries, shebang};
use crate::server::Server;
use crate::session::Session;
use mlua::{BString, ChunkMode, Compiler, Either, Function, Lua, LuaOptions, StdLib, Table, Value};
use redstart_engine::Error;
use redstart_protocol::Args;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Compiled scripts that a worker keeps at most; beyond, it starts to compile anew.
const COMPILED_MAX: usize = 4096;

/// Scripts that are found by what EVALSHA says, in places by its first digits.
const RECENT: usize = 64;

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

/// What is converted beside the limit of memory at a time, in bytes.
const UNLIMITED_MAX: usize = 64 << 10;

/// What stands in front of a script. As locals KEYS and ARGV are found at once, and G can stay as
/// it is: in a table that is never written to, Luau looks a name up once. By G's metatable they
/// are found, too, more slowly.
const LOCALS: &[u8] = b"local KEYS, ARGV = ...; ";

/// A script, compiled.
pub type Compiled = Rc<(Arc<Script>, Function)>;

/// What a client called a script, and the script.
type Recent = ([u8; 40], Compiled);

/// A worker's Lua state.
pub struct Runtime {
    /// The state.
    pub lua: Lua,
    /// What commands of a script work with.
    pub state: Rc<RefCell<State>>,
    /// Looks after the script that runs.
    pub watch: Rc<Watch>,
    /// The server's generation of scripts that `compiled` is of.
    pub generation: u64,
    /// Libraries of functions.
    pub functions: functions::Loaded,
    compiled: HashMap<Digest, Compiled>,
    recent: Box<[Option<Recent>; RECENT]>,
    globals: Table,
    runner: Function,
    shapes: Shapes,
}

impl Runtime {
    /// A new Lua state. `session` is the client that scripts run as.
    ///
    /// # Errors
    /// When Luau refuses the prelude, or has no memory.
    pub fn new(server: &'static Server, session: Session) -> mlua::Result<Runtime> {
        let libraries = StdLib::COROUTINE
            | StdLib::TABLE
            | StdLib::STRING
            | StdLib::MATH
            | StdLib::DEBUG
            | StdLib::BUFFER;
        // A panic ends the process before a script could catch it, so the native `pcall` is as
        // good as one that passes panics on, and it bounds what it puts on the stack.
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(true))?;
        lua.set_memory_limit(MEMORY_MAX)?;
        let watch = Watch::new(server);
        let slate = Slate::new(&lua)?;
        let state = State::new(session, watch.clone(), slate.clone());
        let state = Rc::new(RefCell::new(state));
        let globals = lua.create_table()?;
        let registrar = functions::Registrar::default();
        let host = libraries::host(&lua, server, &state, &globals, &registrar)?;
        host.set("slate", slate.buffer())?;
        let patterns = lua.load(include_str!("patterns.luau")).set_name("=prelude");
        host.set("patterns", patterns.into_function()?)?;
        host.set("step", watch.stepper(&lua)?)?;
        let prelude = lua.load(include_str!("prelude.luau")).set_name("=prelude");
        let (runner, library): (Function, Table) = prelude.call((host, globals.clone()))?;
        let shapes = Shapes::new(&lua, slate, &runner)?;
        // Luau looks names up while it loads a script, in the state's own globals, and only in
        // tables that are said to stay as they are: now G is that, and the prelude's table is
        // reached by nobody else any more.
        lua.globals().set_safeenv(true);
        lua.set_globals(globals.clone())?;
        globals.set_safeenv(true);
        globals.set_readonly(true);
        let functions = functions::Loaded::new(watch.clone(), registrar, runner.clone(), library);
        Ok(Runtime {
            lua,
            state,
            watch,
            generation: 0,
            functions,
            compiled: HashMap::new(),
            recent: Box::new([const { None }; RECENT]),
            globals,
            runner,
            shapes,
        })
    }

    /// Forgets what the server has forgotten.
    fn follow(&mut self, server: &Server) {
        let generation = server.scripts.generation.load(Relaxed);
        if generation != self.generation {
            self.generation = generation;
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.compiled.clear();
        self.recent.fill(None);
    }

    /// The compiled script of a digest.
    pub fn find(&mut self, server: &Server, digest: &Digest) -> Result<Option<Compiled>, Error> {
        self.follow(server);
        if let Some(compiled) = self.compiled.get(digest) {
            return Ok(Some(compiled.clone()));
        }
        let Some(script) = server.scripts.get(digest) else { return Ok(None) };
        let function = self.compile(&script.text)?;
        Ok(Some(self.keep(*digest, script, function)))
    }

    /// A compiled script by what a client called it, if it was noted.
    pub fn recent(&mut self, server: &Server, name: &[u8]) -> Option<Compiled> {
        self.follow(server);
        let (known, compiled) = self.recent[place(name)].as_ref()?;
        (known == name).then(|| compiled.clone())
    }

    /// Notes what a client calls a script.
    pub fn note_recent(&mut self, name: &[u8], compiled: &Compiled) {
        if let Ok(known) = name.try_into() {
            self.recent[place(name)] = Some((known, compiled.clone()));
        }
    }

    /// Keeps a compiled script.
    pub fn keep(&mut self, digest: Digest, script: Arc<Script>, function: Function) -> Compiled {
        if self.compiled.len() >= COMPILED_MAX {
            self.forget();
        }
        let compiled = Rc::new((script, function));
        self.compiled.insert(digest, compiled.clone());
        compiled
    }

    /// Compiles a script.
    ///
    /// # Errors
    /// When it is no Lua.
    pub fn compile(&self, text: &[u8]) -> Result<Function, Error> {
        let body = shebang::strip(text);
        let text = if assigns_given(body) { body.into() } else { [LOCALS, body].concat() };
        compile(&self.lua, &self.globals, &text, "=user_script").map_err(|error| {
            let text = describe(&error);
            Error::text(format!("ERR Error compiling script (new function): {text}"))
        })
    }

    /// Runs a function with its keys and arguments to its end: what it returns, or the table that
    /// tells its error.
    pub fn run(&self, f: &Function, keys: Args<'_>, argv: Args<'_>) -> Result<Value, Value> {
        let called = match self.shapes.call(f, keys, argv) {
            Some(called) => called,
            None => {
                self.given(keys, argv).and_then(|given| self.runner.call((f, given.0, given.1)))
            }
        };
        match called {
            Ok((value, Value::Nil)) => Ok(value),
            Ok((_, failure)) => Err(failure),
            Err(error) => Err(self.failure(&describe(&error))),
        }
    }

    /// Keys and arguments as tables.
    fn given(&self, keys: Args<'_>, argv: Args<'_>) -> mlua::Result<(Table, Table)> {
        let bytes = keys.iter().chain(argv.iter()).map(<[u8]>::len).sum();
        without_limit(&self.lua, bytes, || {
            Ok((sequence(&self.lua, keys)?, sequence(&self.lua, argv)?))
        })
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

/// Whether a script may assign to KEYS or ARGV, which is an error that it must get: as locals they
/// would take it.
fn assigns_given(text: &[u8]) -> bool {
    let assigns = |behind: &[u8]| match behind.trim_ascii_start() {
        [b'=', b'=', ..] => false,
        [first, ..] => matches!(first, b'=' | b','),
        [] => false,
    };
    text.windows(4)
        .zip(4..)
        .any(|(word, end)| matches!(word, b"KEYS" | b"ARGV") && assigns(&text[end..]))
}

/// Where a script of this name may be noted.
fn place(name: &[u8]) -> usize {
    let digits = name.first_chunk().map_or(0, |digits| u32::from_le_bytes(*digits));
    // In the code of a digit or a letter the bits that tell are the lowest, and bit 6.
    (digits ^ digits >> 6 ^ digits >> 11 ^ digits >> 17) as usize % RECENT
}

/// Arguments as a Lua array.
///
/// # Errors
/// When there is no memory.
pub fn sequence(lua: &Lua, args: Args<'_>) -> mlua::Result<Table> {
    lua.create_sequence_from(args.iter().map(|arg| match std::str::from_utf8(arg) {
        // Goes to the table without a detour through a handle.
        Ok(text) => Either::Left(text),
        Err(_) => Either::Right(BString::from(arg)),
    }))
}

/// Makes values of some `bytes` in Lua. While there is a limit of memory, mlua guards each single
/// allocation against its error, at a multiple of the allocation's own cost. So a little is made
/// without the limit, which the next allocation of the script comes up against all the same.
pub fn without_limit<R>(lua: &Lua, bytes: usize, f: impl FnOnce() -> R) -> R {
    let limit = if bytes <= UNLIMITED_MAX { 0 } else { MEMORY_MAX };
    // It fails only where the state has an allocator of somebody else's.
    let _ = lua.set_memory_limit(limit);
    let made = f();
    let _ = lua.set_memory_limit(MEMORY_MAX);
    made
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_to_what_is_given_are_seen() {
        for text in ["KEYS = 1", "x = 1; ARGV={}", "KEYS\n\t= {}", "a, KEYS, b = 1, 2, 3"] {
            assert!(assigns_given(text.as_bytes()), "{text}");
        }
        for text in ["", "return KEYS", "return KEYS[1] == ARGV[1]", "if KEYS == nil then end"] {
            assert!(!assigns_given(text.as_bytes()), "{text}");
        }
    }
}
