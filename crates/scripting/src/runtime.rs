//! A worker's Lua state: what scripts find in it, and the scripts that it has compiled.

use crate::call::State;
use crate::compile::{LONG, ScriptCompiler, describe};
use crate::digest::Digest;
use crate::host::{Host, Parts};
use crate::interrupt::Lent;
use crate::loaded::Loaded;
use crate::memory::{MEMORY_MAX, sequence, without_limit};
use crate::pace::Pace;
use crate::register::Registrar;
use crate::scratch::ScratchBuffer;
use crate::script::Script;
use crate::shapes::Shapes;
use crate::watchdog::Watchdog;
use crate::{libraries, shebang};
use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value};
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

/// After so many evictions of scripts a worker drops what it has compiled of them.
const SWEPT: u64 = 64;

/// What stands in front of a script. As locals KEYS and ARGV are found at once, and G can stay as
/// it is: in a table that is never written to, Luau looks a name up once. By G's metatable they
/// are found, too, more slowly.
const LOCALS: &[u8] = b"local KEYS, ARGV = ...; ";

/// A script, compiled.
pub type Compiled = Rc<(Arc<Script>, Function)>;

/// What a client called a script, and the script.
type Recent = ([u8; 40], Compiled);

/// What the prelude returns: see there.
type Prelude = (Function, Table, Vec<String>, Vec<String>);

/// A worker's Lua state.
pub struct Runtime {
    pub(crate) parts: Parts,
    pub(crate) host: Rc<dyn Host>,
    pub(crate) lua: Lua,
    /// What commands of a script work with.
    pub(crate) state: Rc<RefCell<State>>,
    pub(crate) watchdog: Rc<Watchdog>,
    _interrupt: Lent,
    /// Libraries of functions.
    pub(crate) functions: Loaded,
    /// The store's generation of scripts that `compiled` is of.
    generation: u64,
    compiled: HashMap<Digest, Compiled>,
    /// Evictions of the store up to which `compiled` was looked through.
    swept: u64,
    recent: Box<[Option<Recent>; RECENT]>,
    /// The pace of loops over what scripts take and give.
    pub(crate) pace: Rc<Pace>,
    compiler: Rc<ScriptCompiler>,
    globals: Table,
    runner: Function,
    shapes: Shapes,
}

impl Runtime {
    /// A new Lua state.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(parts: Parts, host: Rc<dyn Host>) -> Result<Runtime, Error> {
        Runtime::make(parts, host).map_err(|error| Error::text(format!("ERR {error}")))
    }

    fn make(parts: Parts, host: Rc<dyn Host>) -> mlua::Result<Runtime> {
        let libraries = StdLib::COROUTINE
            | StdLib::TABLE
            | StdLib::STRING
            | StdLib::MATH
            | StdLib::OS
            | StdLib::DEBUG
            | StdLib::BUFFER;
        // A panic ends the process before a script could catch it, so the native `pcall` is as
        // good as one that passes panics on, and it bounds what it puts on the stack.
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(true))?;
        lua.set_memory_limit(MEMORY_MAX)?;
        let watchdog = Watchdog::new(parts, host.clone());
        let interrupt = watchdog.lend_interrupt(&lua)?;
        let scratch = ScratchBuffer::new(&lua)?;
        let pace = Pace::new(watchdog.clone());
        let watch = (watchdog.clone(), pace.clone());
        let state = State::new(parts, host.clone(), watch, scratch.clone());
        let state = Rc::new(RefCell::new(state));
        let globals = lua.create_table()?;
        let registrar = Registrar::default();
        let compiler = ScriptCompiler::new(host.clone(), watchdog.clone());
        let around = libraries::Surroundings {
            parts,
            host: &host,
            state: &state,
            globals: &globals,
            compiler: &compiler,
            pace: &pace,
        };
        let table = libraries::table(&lua, &around, &registrar)?;
        table.set("scratch", scratch.buffer())?;
        table.set("step", watchdog.stepper(&lua)?)?;
        let prelude = lua.load(include_str!("lua/prelude.luau")).set_name("=prelude");
        let made = prelude.call((table, globals.clone()))?;
        let (runner, environment, absent, replaced): Prelude = made;
        compiler.set_up(absent, replaced);
        let shapes = Shapes::new(&lua, scratch, &runner)?;
        // Luau looks names up while it loads a script, in the state's own globals, and only in
        // tables that are said to stay as they are: now G is that, and nothing else reaches the
        // prelude's table any more.
        lua.globals().set_safeenv(true);
        lua.set_globals(globals.clone())?;
        globals.set_safeenv(true);
        globals.set_readonly(true);
        let loader = (compiler.clone(), watchdog.clone());
        let functions = Loaded::new(loader, registrar, runner.clone(), environment);
        Ok(Runtime {
            parts,
            host,
            lua,
            state,
            watchdog,
            _interrupt: interrupt,
            functions,
            generation: 0,
            compiled: HashMap::new(),
            swept: 0,
            recent: Box::new([const { None }; RECENT]),
            pace,
            compiler,
            globals,
            runner,
            shapes,
        })
    }

    /// Forgets what the store has forgotten.
    fn follow(&mut self) {
        let generation = self.parts.scripts.generation();
        if generation != self.generation {
            self.generation = generation;
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.compiled.clear();
        self.recent.fill(None);
    }

    /// The compiled script of a digest, if the store has it.
    pub(crate) fn compiled(&mut self, digest: &Digest) -> Result<Option<Compiled>, Error> {
        self.follow();
        if let Some(compiled) = self.compiled.get(digest)
            && !compiled.0.is_gone()
        {
            self.parts.scripts.touch(&compiled.0);
            return Ok(Some(compiled.clone()));
        }
        let Some(script) = self.parts.scripts.get(digest) else { return Ok(None) };
        self.parts.scripts.touch(&script);
        let function = self.compile(&script.text)?;
        Ok(Some(self.keep(*digest, script, function)))
    }

    /// A compiled script by what a client called it, if that was noted.
    pub(crate) fn recent(&mut self, name: &[u8]) -> Option<Compiled> {
        self.follow();
        let (known, compiled) = self.recent[place(name)].as_ref()?;
        if known != name || compiled.0.is_gone() {
            return None;
        }
        self.parts.scripts.touch(&compiled.0);
        Some(compiled.clone())
    }

    /// Notes what a client calls a script.
    pub(crate) fn note_recent(&mut self, name: &[u8], compiled: &Compiled) {
        if let Ok(known) = name.try_into() {
            self.recent[place(name)] = Some((known, compiled.clone()));
        }
    }

    /// Keeps a compiled script.
    pub(crate) fn keep(
        &mut self,
        digest: Digest,
        script: Arc<Script>,
        function: Function,
    ) -> Compiled {
        self.sweep();
        if self.compiled.len() >= COMPILED_MAX {
            self.forget();
        }
        let compiled = Rc::new((script, function));
        self.compiled.insert(digest, compiled.clone());
        compiled
    }

    /// Drops what the server has forgotten, when it is much.
    fn sweep(&mut self) {
        let evicted = self.parts.scripts.evictions();
        if evicted - self.swept < SWEPT {
            return;
        }
        self.swept = evicted;
        self.compiled.retain(|_, compiled| !compiled.0.is_gone());
        for recent in self.recent.iter_mut() {
            if recent.as_ref().is_some_and(|(_, compiled)| compiled.0.is_gone()) {
                *recent = None;
            }
        }
    }

    /// Compiles a script.
    ///
    /// # Errors
    /// When it is no Lua.
    pub(crate) fn compile(&self, text: &[u8]) -> Result<Function, Error> {
        let body = shebang::strip(text);
        let text = if assigns_locals(body) { body.into() } else { [LOCALS, body].concat() };
        // Others are served meanwhile if that takes long, as while a script runs.
        let is_long = text.len() > LONG;
        if is_long {
            self.watchdog.start(self.host.now_ms());
        }
        let compiled = self.compiler.compile(&self.lua, &self.globals, &text, "=user_script");
        if is_long {
            self.watchdog.stop();
        }
        compiled.map_err(|error| {
            let text = describe(&error);
            Error::text(format!("ERR Error compiling script (new function): {text}"))
        })
    }

    /// Runs a function with its keys and arguments to its end. Returns its result, or its error,
    /// which is a table.
    pub(crate) fn run(&self, f: &Function, keys: Args<'_>, argv: Args<'_>) -> Result<Value, Value> {
        let called = match self.shapes.call(f, keys, argv) {
            Some(called) => called,
            None => {
                self.tables(keys, argv).and_then(|(keys, argv)| self.runner.call((f, keys, argv)))
            }
        };
        match called {
            Ok((value, Value::Nil)) => Ok(value),
            Ok((_, failure)) => Err(failure),
            Err(error) => Err(self.error_table(&describe(&error))),
        }
    }

    /// Keys and arguments as tables.
    fn tables(&self, keys: Args<'_>, argv: Args<'_>) -> mlua::Result<(Table, Table)> {
        let bytes = keys.iter().chain(argv.iter()).map(<[u8]>::len).sum();
        without_limit(&self.lua, bytes, || {
            let table = |args| sequence(&self.lua, args, &self.pace);
            Ok((table(keys)?, table(argv)?))
        })
    }

    /// An error as scripts have them.
    fn error_table(&self, text: &str) -> Value {
        let table = self.lua.create_table().and_then(|table| {
            table.raw_set("err", format!("ERR {text}"))?;
            Ok(table)
        });
        table.map_or(Value::Nil, Value::Table)
    }

    /// Lets go of what a script that took much memory has left, and notes what is taken.
    pub(crate) fn tidy(&self) {
        let used = self.lua.used_memory();
        // It can only fail for want of memory, and then the next script will say so.
        if used > MEMORY_MAX / 2 {
            let _ = self.lua.gc_collect();
        }
        self.watchdog.running.state_bytes.store(self.lua.used_memory(), Relaxed);
    }
}

/// Whether a script may assign to KEYS or ARGV, which must be an error: locals would let it.
fn assigns_locals(text: &[u8]) -> bool {
    let assigns = |behind: &[u8]| match behind.trim_ascii_start() {
        [b'=', b'=', ..] => false,
        [first, ..] => matches!(first, b'=' | b','),
        [] => false,
    };
    text.windows(4)
        .zip(4..)
        .any(|(word, end)| matches!(word, b"KEYS" | b"ARGV") && assigns(&text[end..]))
}

/// The place among the recent ones for a script of this name.
fn place(name: &[u8]) -> usize {
    let digits = name.first_chunk().map_or(0, |digits| u32::from_le_bytes(*digits));
    // Digits and letters differ in the lowest bits of their codes, and in bit 6.
    (digits ^ digits >> 6 ^ digits >> 11 ^ digits >> 17) as usize % RECENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_to_keys_and_arguments_are_seen() {
        for text in ["KEYS = 1", "x = 1; ARGV={}", "KEYS\n\t= {}", "a, KEYS, b = 1, 2, 3"] {
            assert!(assigns_locals(text.as_bytes()), "{text}");
        }
        for text in ["", "return KEYS", "return KEYS[1] == ARGV[1]", "if KEYS == nil then end"] {
            assert!(!assigns_locals(text.as_bytes()), "{text}");
        }
    }
}
