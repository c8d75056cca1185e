//! Texts to functions of Luau, and errors of Luau to texts.

use mlua::{ChunkMode, Compiler, Function, Lua, Table};

/// Functions that the prelude replaces: the compiler must not put its own in their place.
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
