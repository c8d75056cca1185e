//! Keys are removed, whatever their values are.

use crate::error::Error;
use crate::keyspace::prefixes::Cause;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;

/// DEL key [key ...]
pub static DEL: DataCommand = declare("del", Group::Generic, AtLeast(2))
    .flags(WRITE | SHORT)
    .keys(&[KeySpec::from(1, 1, RM | DELETE)])
    .since("1.0.0")
    .complexity("O(N) with N keys; what a large value takes is freed after the reply is made.")
    .summary("Removes keys, and tells how many of them existed.")
    .syntax("key [key ...]")
    .run(del);

/// UNLINK key [key ...]
pub static UNLINK: DataCommand = declare("unlink", Group::Generic, AtLeast(2))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::from(1, 1, RM | DELETE)])
    .since("4.0.0")
    .complexity("O(1) a key; what a large value takes is freed elsewhere.")
    .summary("Removes keys as DEL does, which here is as lazy.")
    .syntax("key [key ...]")
    .run(del);

/// Removes a key because memory is short. No client can ask for it, and no save point counts it.
pub static EVICT: DataCommand = declare("evict", Group::Generic, Exactly(2))
    .flags(WRITE | EVICTS)
    .keys(&[KeySpec::at(1, RM | DELETE)])
    .complexity("O(1)")
    .syntax("key")
    .run(|call| {
        del(call)?;
        let key = call.key(0);
        call.space.note_cause(key.hash, Cause::Evicted);
        call.space.count_changes(0);
        Ok(())
    });

fn del(call: &mut Call<'_>) -> Result<(), Error> {
    let mut effect: Vec<&[u8]> = Vec::new();
    let mut removed = 0;
    for key in call.keys() {
        let Some(slot) = call.space.find(key) else {
            call.space.void_absent(key);
            continue;
        };
        call.space.remove(key, slot);
        removed += 1;
        if call.space.listened_to() {
            effect.push(key.bytes);
        }
    }
    if removed > 0 {
        call.space.emit(|| std::iter::once(&b"DEL"[..]).chain(effect));
    }
    call.reply.integer(removed);
    Ok(())
}
