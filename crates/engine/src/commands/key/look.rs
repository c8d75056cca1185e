//! Which keys there are, and of which type their values are.

use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::key_access::KeyAccess;
use crate::spec::*;

/// EXISTS key [key ...]
pub static EXISTS: DataCommand = declare("exists", Group::Generic, AtLeast(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::from(1, 1, RO)])
    .since("1.0.0")
    .complexity("O(N) with N keys to look for.")
    .summary("Counts the given keys that exist, one given twice counting twice.")
    .syntax("key [key ...]")
    .run(|call| count(call, |space, key| space.look(key).is_some()));

/// TOUCH key [key ...]
pub static TOUCH: DataCommand = declare("touch", Group::Generic, AtLeast(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::from(1, 1, RO)])
    .since("3.2.1")
    .complexity("O(N) with N keys to touch.")
    .summary("Notes an access to keys, and tells how many of them exist.")
    .syntax("key [key ...]")
    .run(|call| count(call, |space, key| space.touch(key)));

fn count(call: &mut Call<'_>, is: fn(&mut KeyAccess<'_>, Key<'_>) -> bool) -> Result<(), Error> {
    let space = &mut call.space;
    let keys =
        call.keys.iter().map(|key| Key { bytes: call.args.at(key.arg as usize), hash: key.hash });
    let counted = keys.filter(|&key| is(space, key)).count();
    call.reply.integer(counted as i64);
    Ok(())
}

/// TYPE key
pub static TYPE: DataCommand = declare("type", Group::Generic, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Tells the type of the value that a key holds, or none.")
    .syntax("key")
    .run(kind);

fn kind(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let name = call.space.look(key).map_or("none", |entry| entry.kind().name());
    call.reply.simple(name);
    Ok(())
}
