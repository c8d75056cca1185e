//! A few short keys and arguments on their way to a script: their bytes go through the scratch
//! buffer, and Luau makes the tables KEYS and ARGV. For each number of keys and of arguments there
//! is a function that does; a shape is these two numbers.

use crate::scratch::ScratchBuffer;
use mlua::{Function, Lua, Value};
use redstart_protocol::Args;
use std::fmt::Write;

/// The most keys and arguments, together.
const TEXTS_MAX: usize = 6;

/// What a run returns: its result, or nothing and its error, which is a table.
type Answer = mlua::Result<(Value, Value)>;

/// The functions.
pub struct Shapes {
    scratch: ScratchBuffer,
    /// By the number of keys, then of arguments.
    shapes: Vec<Vec<Function>>,
}

impl Shapes {
    /// Functions that make tables of what is in the scratch buffer, and hand these to the `runner`.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(lua: &Lua, scratch: ScratchBuffer, runner: &Function) -> mlua::Result<Shapes> {
        let shape = |keys, argv| {
            let maker = lua.load(text(keys, argv)).set_name("=prelude");
            maker.call::<Function>((runner, scratch.buffer()))
        };
        let of_keys = |keys| (0..=TEXTS_MAX - keys).map(|argv| shape(keys, argv)).collect();
        let shapes = (0..=TEXTS_MAX).map(of_keys).collect::<mlua::Result<_>>()?;
        Ok(Shapes { scratch, shapes })
    }

    /// Runs a function with its keys and arguments; none if these are too many or too long.
    pub fn call(&self, f: &Function, keys: Args<'_>, argv: Args<'_>) -> Option<Answer> {
        let shape = self.shapes.get(keys.len())?.get(argv.len())?;
        let mut texts = [&b""[..]; TEXTS_MAX];
        let count = keys.len() + argv.len();
        for (place, text) in texts.iter_mut().zip(keys.iter().chain(argv.iter())) {
            *place = text;
        }
        if !self.scratch.write(&texts[..count]) {
            return None;
        }
        let [a, b, c, d, e, g] = texts.map(<[u8]>::len);
        Some(match count {
            0 => shape.call(f),
            1 => shape.call((f, a)),
            2 => shape.call((f, a, b)),
            3 => shape.call((f, a, b, c)),
            4 => shape.call((f, a, b, c, d)),
            5 => shape.call((f, a, b, c, d, e)),
            _ => shape.call((f, a, b, c, d, e, g)),
        })
    }
}

/// The text of what makes the function for so many keys and arguments. For one key and two
/// arguments it is
///
/// ```text
/// local run, scratch = ... local read = buffer.readstring return function(f,a,b,c)
/// return run(f,{(read(scratch,0,a))},{(read(scratch,a,b)),(read(scratch,a+b,c))}) end
/// ```
fn text(keys: usize, argv: usize) -> String {
    let names = ["a", "b", "c", "d", "e", "g"];
    let count = keys + argv;
    let (mut given, mut lists, mut start) =
        (String::new(), [String::new(), String::new()], "0".into());
    for (at, name) in names[..count].iter().enumerate() {
        let list = &mut lists[usize::from(at >= keys)];
        // Writing to a string does not fail.
        let _ = write!(list, "(read(scratch,{start},{name})),");
        let _ = write!(given, ",{name}");
        start = if at == 0 { (*name).to_string() } else { format!("{start}+{name}") };
    }
    let [keys, argv] = lists;
    format!(
        "local run, scratch = ... local read = buffer.readstring \
         return function(f{given}) return run(f,{{{keys}}},{{{argv}}}) end"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_reads_each_text_where_it_lies() {
        assert_eq!(
            text(1, 2),
            "local run, scratch = ... local read = buffer.readstring return function(f,a,b,c) \
             return run(f,{(read(scratch,0,a)),},{(read(scratch,a,b)),(read(scratch,a+b,c)),}) \
             end"
        );
        assert!(text(0, 0).ends_with("function(f) return run(f,{},{}) end"));
    }
}
