//! How much memory the scripts of a worker may hold, and how the host makes values within it.

use crate::pace::{COPIED, ITEM, Pace};
use mlua::{BString, Either, Lua, Table};
use redstart_protocol::Args;

/// The most that the scripts of a worker may hold in memory, in bytes.
pub const MEMORY_MAX: usize = 512 << 20;

/// The most that is made at a time while there is no limit, in bytes.
const UNLIMITED_MAX: usize = 64 << 10;

/// Arguments as a Lua array.
///
/// # Errors
/// When there is no memory, or the script has to end.
pub fn sequence(lua: &Lua, args: Args<'_>, pace: &Pace) -> mlua::Result<Table> {
    let mut ended = None;
    let texts = args.iter().map_while(|arg| {
        if let Err(error) = pace.spend(ITEM + arg.len() / COPIED) {
            ended = Some(error);
            return None;
        }
        Some(match std::str::from_utf8(arg) {
            // Goes to the table without a detour through a handle.
            Ok(text) => Either::Left(text),
            Err(_) => Either::Right(BString::from(arg)),
        })
    });
    let table = lua.create_sequence_from(texts)?;
    ended.map_or(Ok(table), Err)
}

/// Makes values of some `bytes` in Lua. While there is a limit of memory, mlua guards each single
/// allocation against its error, at a multiple of the allocation's own cost. So a little is made
/// without the limit, which the next allocation of the script comes up against all the same.
pub fn without_limit<R>(lua: &Lua, bytes: usize, f: impl FnOnce() -> R) -> R {
    let limit = if bytes <= UNLIMITED_MAX { 0 } else { MEMORY_MAX };
    // It fails only where the state has another allocator.
    let _ = lua.set_memory_limit(limit);
    let made = f();
    let _ = lua.set_memory_limit(MEMORY_MAX);
    made
}
