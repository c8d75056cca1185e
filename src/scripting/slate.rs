//! What the host and Luau write short texts on for each other: a buffer of Luau's.
//!
//! A string that the host makes is guarded against the limit of memory and referred to by a handle,
//! at a multiple of its own cost. So the host writes the bytes, says how many they are, and Luau
//! makes the string. What is on the slate is read at once.

use mlua::{Buffer, Lua};

/// What fits on it, in bytes.
const SIZE: usize = 16 << 10;

/// A slate.
#[derive(Clone)]
pub struct Slate(Buffer);

impl Slate {
    /// A new one.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(lua: &Lua) -> mlua::Result<Slate> {
        lua.create_buffer_with_capacity(SIZE).map(Slate)
    }

    /// As Luau knows it.
    pub fn buffer(&self) -> &Buffer {
        &self.0
    }

    /// Writes texts, one behind the other; false when there is no room.
    pub fn write(&self, texts: &[&[u8]]) -> bool {
        if texts.iter().map(|text| text.len()).sum::<usize>() > SIZE {
            return false;
        }
        let mut at = 0;
        for text in texts {
            self.0.write_bytes(at, text);
            at += text.len();
        }
        true
    }
}
