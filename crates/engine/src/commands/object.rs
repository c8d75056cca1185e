//! OBJECT: what is known of a key beside its value. Looking is no access.

use crate::commands::help::{declare_help, help};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::Entry;

/// The commands of this family: the subcommands of [`OBJECT`].
pub static COMMANDS: &[&DataCommand] = &[&ENCODING, &FREQ, &IDLETIME, &REFCOUNT, &HELP];

/// OBJECT subcommand
pub static OBJECT: Command = declare("object", Group::Generic, AtLeast(2))
    .since("2.2.3")
    .complexity("Depends on the subcommand.")
    .summary("Holds what is about keys beside their values.")
    .subcommands(&[&ENCODING.spec, &FREQ.spec, &IDLETIME.spec, &REFCOUNT.spec, &HELP.spec]);

/// OBJECT ENCODING key
static ENCODING: DataCommand = declare("encoding", Group::Generic, Exactly(3))
    .flags(READONLY)
    .keys(&[KeySpec::at(2, RO)])
    .since("2.2.3")
    .complexity("O(1)")
    .summary("Tells how the key's value is kept.")
    .syntax("key")
    .run(encoding);

fn encoding(call: &mut Call<'_>) -> Result<(), Error> {
    match entry(call).map(Entry::encoding) {
        Some(name) => call.reply.bulk(name.as_bytes()),
        None => call.reply.null(),
    }
    Ok(())
}

/// OBJECT FREQ key
static FREQ: DataCommand = declare("freq", Group::Generic, Exactly(3))
    .flags(READONLY)
    .keys(&[KeySpec::at(2, RO)])
    .since("4.0.0")
    .complexity("O(1)")
    .summary("Tells how often the key is used, where that decides about eviction.")
    .syntax("key")
    .run(freq);

fn freq(call: &mut Call<'_>) -> Result<(), Error> {
    let (aging, now) = (call.options.aging(), call.now());
    match entry(call).map(Entry::age) {
        Some(age) => {
            let frequency = aging.frequency(age, now).ok_or(Error::NOT_LFU)?;
            call.reply.integer(frequency.into());
        }
        None => call.reply.null(),
    }
    Ok(())
}

/// OBJECT IDLETIME key
static IDLETIME: DataCommand = declare("idletime", Group::Generic, Exactly(3))
    .flags(READONLY)
    .keys(&[KeySpec::at(2, RO)])
    .since("2.2.3")
    .complexity("O(1)")
    .summary("Tells the seconds since the key was last used.")
    .syntax("key")
    .run(idle_time);

fn idle_time(call: &mut Call<'_>) -> Result<(), Error> {
    let (aging, now) = (call.options.aging(), call.now());
    match entry(call).map(Entry::age) {
        Some(age) => {
            let idle_s = aging.idle_s(age, now).ok_or(Error::NOT_LRU)?;
            call.reply.integer(idle_s.into());
        }
        None => call.reply.null(),
    }
    Ok(())
}

/// OBJECT REFCOUNT key
static REFCOUNT: DataCommand = declare("refcount", Group::Generic, Exactly(3))
    .flags(READONLY)
    .keys(&[KeySpec::at(2, RO)])
    .since("2.2.3")
    .complexity("O(1)")
    .summary("Tells how many keys share the value: one, since none are shared.")
    .syntax("key")
    .run(refcount);

fn refcount(call: &mut Call<'_>) -> Result<(), Error> {
    match entry(call) {
        Some(_) => call.reply.integer(1),
        None => call.reply.null(),
    }
    Ok(())
}

/// OBJECT HELP
static HELP: DataCommand = declare_help(Group::Generic, "6.2.0").run(|call| {
    help(call.reply, "OBJECT", LINES);
    Ok(())
});

const LINES: &[&str] = &[
    "ENCODING <key>",
    "    Tell how the value is kept.",
    "FREQ <key>",
    "    Tell how often the key is used, where that decides about eviction.",
    "IDLETIME <key>",
    "    Tell the seconds since the key was last used.",
    "REFCOUNT <key>",
    "    Tell how many keys share the value.",
];

/// The key's entry, looked at and not used, which counts as a hit or a miss.
fn entry<'a>(call: &'a mut Call<'_>) -> Option<&'a Entry> {
    let key = call.key(0);
    let slot = call.space.find(key);
    call.space.count(slot.is_some());
    Some(call.space.entry(key, slot?))
}
