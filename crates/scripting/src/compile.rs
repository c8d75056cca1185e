//! Texts to functions of Luau, and errors of Luau to texts.

use crate::host::Host;
use crate::watchdog::{STEPS, Watchdog};
use mlua::{ChunkMode, Compiler, Function, Lua, Table};
use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// A text that is longer is compiled on a thread of its own, in bytes: it takes a millisecond for
/// two kilobytes, and could not be ended here.
pub const LONG: usize = 16 << 10;
/// How often the script that waits for that is asked whether to go on.
const TURN: Duration = Duration::from_millis(1);

/// Libraries that Luau's compiler knows although this state has not got them.
const NOT_LOADED: [&str; 4] = ["bit32", "integer", "utf8", "vector"];

/// Compiles the scripts and libraries of a worker.
pub struct ScriptCompiler {
    host: Rc<dyn Host>,
    watchdog: Rc<Watchdog>,
    compiler: OnceCell<Compiler>,
}

impl ScriptCompiler {
    /// A compiler that is not set up yet.
    pub fn new(host: Rc<dyn Host>, watchdog: Rc<Watchdog>) -> Rc<ScriptCompiler> {
        Rc::new(ScriptCompiler { host, watchdog, compiler: OnceCell::new() })
    }

    /// Sets it up: what Luau has and scripts have not is `absent`, and what scripts have another
    /// one of is `replaced`. Neither is to be put in the place of a call.
    pub fn set_up(&self, absent: Vec<String>, replaced: Vec<String>) {
        let own = ["KEYS", "ARGV"].into_iter().chain(NOT_LOADED).map(String::from);
        let compiler = Compiler::new()
            .set_optimization_level(1)
            .set_debug_level(1)
            .set_mutable_globals(own.chain(absent))
            .set_disabled_builtins(replaced);
        assert!(self.compiler.set(compiler).is_ok(), "it is set up once");
    }

    /// Compiles text to a function that runs in `globals`.
    ///
    /// # Errors
    /// When it is no Lua, or the script that has it compiled has to end.
    pub fn compile(
        &self,
        lua: &Lua,
        globals: &Table,
        text: &[u8],
        name: &str,
    ) -> mlua::Result<Function> {
        if text.contains(&0) {
            // For Luau the text would end there.
            return Err(syntax_error(name, ":1: unexpected symbol near '\\0'"));
        }
        let compiler = self.compiler.get().expect("it is set up when a script is compiled").clone();
        if text.len() <= LONG {
            let chunk = lua.load(text).set_name(name).set_mode(ChunkMode::Text);
            return chunk.set_compiler(compiler).set_environment(globals.clone()).into_function();
        }
        let code = self.aside(compiler, text.to_vec())?;
        let code = code.map_err(|message| syntax_error(name, &message))?;
        let chunk = lua.load(code).set_name(name).set_mode(ChunkMode::Binary);
        chunk.set_environment(globals.clone()).into_function()
    }

    /// Compiles beside this thread, which waits. Returns the code, or why it is no Lua.
    ///
    /// # Errors
    /// When the script that has it compiled has to end.
    fn aside(&self, compiler: Compiler, text: Vec<u8>) -> mlua::Result<Result<Vec<u8>, String>> {
        let (sender, receiver) = channel();
        self.host.aside(Box::new(move || {
            let compiled = compiler.compile(text).map_err(|error| match error {
                mlua::Error::SyntaxError { message, .. } => message,
                other => describe(&other),
            });
            // Nobody takes it where the script was ended.
            let _ = sender.send(compiled);
        }));
        loop {
            match receiver.recv_timeout(TURN) {
                Ok(compiled) => return Ok(compiled),
                Err(RecvTimeoutError::Timeout) => self.watchdog.go_on(STEPS)?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(mlua::Error::runtime("not enough threads"));
                }
            }
        }
    }
}

/// An error of a text with this name; the message begins with its line.
fn syntax_error(name: &str, message: &str) -> mlua::Error {
    let message = format!("{}{message}", name.trim_start_matches('='));
    mlua::Error::SyntaxError { message, incomplete_input: false }
}

/// The text of an error, in one line.
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
