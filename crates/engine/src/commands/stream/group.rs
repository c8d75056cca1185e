//! XGROUP: groups of consumers, made, set and removed.

use super::arguments::{parse_id, parse_strict};
use crate::commands::arguments::integer;
use crate::commands::help::{declare_help, help};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::event_classes::STREAM;
use crate::spec::{Group as Family, *};
use crate::storage::table::Slot;
use crate::storage::value::stream::Stream;
use crate::storage::value::stream::group::Group;
use crate::storage::value::stream::id::Id;

/// The subcommands of [`XGROUP`].
pub static COMMANDS: &[&DataCommand] =
    &[&CREATE, &CREATECONSUMER, &DELCONSUMER, &DESTROY, &SETID, &HELP];

/// XGROUP subcommand
pub static XGROUP: Command = declare("xgroup", Family::Stream, AtLeast(2))
    .since("5.0.0")
    .complexity("Depends on the subcommand.")
    .summary("Holds what is about the groups of consumers of a stream.")
    .subcommands(&[
        &CREATE.spec,
        &CREATECONSUMER.spec,
        &DELCONSUMER.spec,
        &DESTROY.spec,
        &SETID.spec,
        &HELP.spec,
    ]);

/// XGROUP CREATE key group <id | $> [MKSTREAM] [ENTRIESREAD entriesread]
static CREATE: DataCommand = declare("create", Family::Stream, AtLeast(5))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(2, RW | INSERT)])
    .since("5.0.0")
    .complexity("O(1)")
    .summary("Makes a group that reads on behind an entry.")
    .syntax("key group <id | $> [MKSTREAM] [ENTRIESREAD entriesread]")
    .run(create);

/// XGROUP SETID key group <id | $> [ENTRIESREAD entriesread]
static SETID: DataCommand = declare("setid", Family::Stream, AtLeast(5))
    .flags(WRITE)
    .keys(&[KeySpec::at(2, RW | UPDATE)])
    .since("5.0.0")
    .complexity("O(1)")
    .summary("Sets behind which entry a group reads on.")
    .syntax("key group <id | $> [ENTRIESREAD entriesread]")
    .run(set_id);

/// Where a group begins, and what it has read.
struct Start {
    /// Where it is; the stream's last entry when there is none.
    id: Option<Id>,
    read: Option<u64>,
    may_create: bool,
}

fn parse_start(call: &Call<'_>, takes_mkstream: bool) -> Result<Start, Error> {
    let mut start = Start { id: None, read: None, may_create: false };
    let mut at = 5;
    while at < call.args.len() {
        let is = |name: &[u8]| call.args[at].eq_ignore_ascii_case(name);
        if takes_mkstream && is(b"MKSTREAM") {
            start.may_create = true;
            at += 1;
        } else if is(b"ENTRIESREAD") && at + 1 < call.args.len() {
            let read = integer(call, at + 1)?;
            if read < -1 {
                return Err(Error::ENTRIES_READ);
            }
            start.read = u64::try_from(read).ok();
            at += 2;
        } else {
            return Err(Error::subcommand_syntax("xgroup", &call.args[1]));
        }
    }
    Ok(start)
}

/// The id of argument 4: `$` is the last one of the stream.
fn start_id(call: &Call<'_>) -> Result<Option<Id>, Error> {
    match &call.args[4] {
        b"$" => Ok(None),
        text => parse_strict(text, 0).map(Some),
    }
}

fn create(call: &mut Call<'_>) -> Result<(), Error> {
    let mut start = parse_start(call, true)?;
    let (key, name) = (call.key(0), call.args.at(3));
    let slot = call.space.find_stream(key)?;
    if slot.is_none() && !start.may_create {
        return Err(Error::XGROUP_NO_KEY);
    }
    start.id = start_id(call)?;
    let (last, added) = slot.map_or((Id::MIN, 0), |slot| {
        let stream = call.space.stream(key, slot);
        (stream.last_id(), stream.added())
    });
    // More than there ever were it cannot have read.
    start.read = start.read.map(|read| read.min(added));
    let group = Group::new(name, start.id.unwrap_or(last), start.read);
    let added = match slot {
        Some(slot) => {
            call.space.change_stream(key, slot, |stream| (false, stream.add_group(group)))
        }
        None => {
            let mut stream = Stream::default();
            stream.add_group(group);
            call.space.put_stream(key, stream);
            true
        }
    };
    if !added {
        return Err(Error::BUSY_GROUP);
    }
    call.reply.ok();
    call.space.note_event(STREAM, "xgroup-create", key);
    emit_create(call, key, name, start.id.unwrap_or(last), start.read);
    call.space.count_changes(1);
    Ok(())
}

fn emit_create(call: &mut Call<'_>, key: Key<'_>, name: &[u8], id: Id, read: Option<u64>) {
    let read = read.map_or_else(|| "-1".to_owned(), |read| read.to_string());
    let (id, read) = (id.to_text(), read.as_bytes());
    let words =
        [&b"XGROUP"[..], b"CREATE", key.bytes, name, &id, b"MKSTREAM", b"ENTRIESREAD", read];
    call.space.emit(|| words);
}

/// Emits where a group has come to.
pub fn emit_set_id(call: &mut Call<'_>, key: Key<'_>, name: &[u8], id: Id, read: Option<u64>) {
    let read = read.map_or_else(|| "-1".to_owned(), |read| read.to_string());
    let (id, read) = (id.to_text(), read.as_bytes());
    call.space.emit(|| [&b"XGROUP"[..], b"SETID", key.bytes, name, &id, b"ENTRIESREAD", read]);
}

fn set_id(call: &mut Call<'_>) -> Result<(), Error> {
    let mut start = parse_start(call, false)?;
    let (key, name, slot) = find_group(call)?;
    let stream = call.space.stream(key, slot);
    let last = stream.last_id();
    start.read = start.read.map(|read| read.min(stream.added()));
    let id = match &call.args[4] {
        b"$" => last,
        text => parse_id(text, 0)?,
    };
    change_group(call, key, slot, name, |group| {
        (group.last, group.read) = (id, start.read);
    });
    call.reply.ok();
    call.space.note_event(STREAM, "xgroup-setid", key);
    emit_set_id(call, key, name, id, start.read);
    call.space.count_changes(1);
    Ok(())
}

/// The stream and the group of a subcommand.
fn find_group<'a>(call: &mut Call<'a>) -> Result<(Key<'a>, &'a [u8], Slot), Error> {
    let (key, name) = (call.key(0), call.args.at(3));
    let slot = call.space.find_stream(key)?.ok_or(Error::XGROUP_NO_KEY)?;
    if call.space.stream(key, slot).group(name).is_none() {
        return Err(Error::no_group(name, key.bytes));
    }
    Ok((key, name, slot))
}

/// Changes a group that was seen to be there, which clients do not watch.
pub fn change_group<R>(
    call: &mut Call<'_>,
    key: Key<'_>,
    slot: Slot,
    name: &[u8],
    f: impl FnOnce(&mut Group) -> R,
) -> R {
    call.space.change_stream(key, slot, |stream| {
        (false, stream.edit_group(name, f).expect("the group was seen to be there"))
    })
}

/// XGROUP CREATECONSUMER key group consumer
static CREATECONSUMER: DataCommand = declare("createconsumer", Family::Stream, Exactly(5))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(2, RW | INSERT)])
    .since("6.2.0")
    .complexity("O(1)")
    .summary("Makes a consumer of a group.")
    .syntax("key group consumer")
    .run(create_consumer);

fn create_consumer(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, name, slot) = find_group(call)?;
    let (consumer, now_ms) = (call.args.at(4), call.now().present().wall_ms);
    let added =
        change_group(call, key, slot, name, |group| group.add_consumer(consumer, now_ms).is_some());
    call.reply.integer(added.into());
    if added {
        note_consumer(call, key, name, consumer);
    }
    call.space.count_changes(added.into());
    Ok(())
}

/// Notes and emits that a consumer was made.
pub fn note_consumer(call: &mut Call<'_>, key: Key<'_>, group: &[u8], consumer: &[u8]) {
    call.space.note_event(STREAM, "xgroup-createconsumer", key);
    call.space.emit(|| [&b"XGROUP"[..], b"CREATECONSUMER", key.bytes, group, consumer]);
}

/// XGROUP DELCONSUMER key group consumer
static DELCONSUMER: DataCommand = declare("delconsumer", Family::Stream, Exactly(5))
    .flags(WRITE)
    .keys(&[KeySpec::at(2, RW | DELETE)])
    .since("5.0.0")
    .complexity("O(N) with N entries that it has pending.")
    .summary("Removes a consumer of a group, and what it has pending.")
    .syntax("key group consumer")
    .run(delete_consumer);

fn delete_consumer(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, name, slot) = find_group(call)?;
    let consumer = call.args.at(4);
    let pending = change_group(call, key, slot, name, |group| group.remove_consumer(consumer));
    call.reply.integer(pending.unwrap_or(0) as i64);
    if pending.is_some() {
        call.space.note_event(STREAM, "xgroup-delconsumer", key);
        call.emit_as_is();
    }
    call.space.count_changes(pending.is_some().into());
    Ok(())
}

/// XGROUP DESTROY key group
static DESTROY: DataCommand = declare("destroy", Family::Stream, Exactly(4))
    .flags(WRITE)
    .keys(&[KeySpec::at(2, RW | DELETE)])
    .since("5.0.0")
    .complexity("O(N) with N entries that are pending.")
    .summary("Removes a group.")
    .syntax("key group")
    .run(destroy);

fn destroy(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, name) = (call.key(0), call.args.at(3));
    let slot = call.space.find_stream(key)?.ok_or(Error::XGROUP_NO_KEY)?;
    let rest = call.space.change_stream(key, slot, |stream| (false, stream.remove_group(name)));
    call.reply.integer(rest.is_some().into());
    call.space.count_changes(rest.is_some().into());
    if let Some(rest) = rest {
        call.space.discard_stream(rest);
        call.space.note_event(STREAM, "xgroup-destroy", key);
        call.emit_as_is();
        // Those that wait for more of it are told.
        call.space.note_grown(key);
    }
    Ok(())
}

/// XGROUP HELP
static HELP: DataCommand = declare_help(Family::Stream, "5.0.0").run(|call| {
    help(call.reply, "XGROUP", LINES);
    Ok(())
});

const LINES: &[&str] = &[
    "CREATE <key> <groupname> <id|$> [option]",
    "    Make a group that reads on behind an entry. Options are:",
    "    * MKSTREAM",
    "      Make the stream, too, if there is none.",
    "    * ENTRIESREAD entries_read",
    "      Set how many entries the group has read.",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Make a consumer of a group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove a consumer.",
    "DESTROY <key> <groupname>",
    "    Remove a group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set behind which entry a group reads on.",
];
