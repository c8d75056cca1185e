//! MEMCACHED.NOTE: what the log has behind a value that a client of the memcached port has stored
//! with flags.

use crate::error::Error;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::Note;
use redstart_protocol::parse_u64;

/// MEMCACHED.NOTE key flags marks
pub static MEMCACHED_NOTE: DataCommand = declare("memcached.note", Group::Cache, Exactly(4))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("0.1.0")
    .complexity("O(N) with a string of N bytes.")
    .summary("Sets what clients of the memcached port know of a string: their flags, and marks.")
    .syntax("key flags marks")
    .run(|call| {
        let number = |at: usize| parse_u64(call.args.at(at)).ok_or(Error::NOT_INTEGER);
        let (flags, marks) = (number(2)?, number(3)?);
        let (Ok(flags), Ok(marks)) = (u32::try_from(flags), u8::try_from(marks)) else {
            return Err(Error::NOT_INTEGER);
        };
        let key = call.key(0);
        let Some(slot) = call.space.find(key) else {
            call.reply.integer(0);
            return Ok(());
        };
        call.space.entry(key, slot).string()?;
        call.space.set_note(key, slot, Note::new(flags, marks));
        call.emit_as_is();
        call.reply.integer(1);
        Ok(())
    });
