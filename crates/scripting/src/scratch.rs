//! A buffer in Luau's memory through which the host and Luau hand each other short texts.
//!
//! A string that the host makes is guarded against the limit of memory and referred to by a handle,
//! at a multiple of its own cost. So the host writes the bytes here and returns how many there are,
//! and Luau makes the string. Luau reads the buffer before anything else is written to it.

use mlua::{Buffer, Lua};

/// The buffer's size in bytes.
const SIZE: usize = 16 << 10;

/// The buffer.
#[derive(Clone)]
pub struct ScratchBuffer(Buffer);

impl ScratchBuffer {
    /// A new one.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(lua: &Lua) -> mlua::Result<ScratchBuffer> {
        lua.create_buffer_with_capacity(SIZE).map(ScratchBuffer)
    }

    /// The buffer as Luau knows it.
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
