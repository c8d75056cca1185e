//! XINFO: what is known of a stream, its groups and their consumers.

use super::full::{Full, RestOfFull};
use super::range::write_item;
use crate::commands::arguments::integer;
use crate::commands::help::{declare_help, help};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::{Group as Family, *};
use crate::storage::value::stream::Stream;
use crate::storage::value::stream::id::Id;
use redstart_protocol::Reply;

/// The subcommands of [`XINFO`].
pub static COMMANDS: &[&DataCommand] = &[&CONSUMERS, &GROUPS, &STREAM, &HELP];

/// XINFO subcommand
pub static XINFO: Command = declare("xinfo", Family::Stream, AtLeast(2))
    .since("5.0.0")
    .complexity("Depends on the subcommand.")
    .summary("Holds what tells of streams.")
    .subcommands(&[&CONSUMERS.spec, &GROUPS.spec, &STREAM.spec, &HELP.spec]);

/// What is shown of groups and entries where no count says so.
const SHOWN: usize = 10;

/// XINFO STREAM key [FULL [COUNT count]]
static STREAM: DataCommand = declare("stream", Family::Stream, AtLeast(3))
    .flags(READONLY)
    .keys(&[KeySpec::at(2, RO | ACCESS)])
    .since("5.0.0")
    .complexity("O(1), and O(N) with FULL and N entries that are shown.")
    .summary("Tells what is known of a stream.")
    .syntax("key [FULL [COUNT count]]")
    .run(stream);

fn stream(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    // That there is none is said before what is wrong with the request.
    let slot = call.space.find_stream_to_read(key)?.ok_or(Error::NO_SUCH_KEY)?;
    let is = |at: usize, name: &[u8]| call.args[at].eq_ignore_ascii_case(name);
    let most = match call.args.len() {
        3 => None,
        4 if is(3, b"FULL") => Some(SHOWN),
        6 if is(3, b"FULL") && is(4, b"COUNT") => match integer(call, 5)? {
            0 => Some(usize::MAX),
            count => Some(usize::try_from(count).unwrap_or(SHOWN)),
        },
        _ => return Err(Error::subcommand_syntax("xinfo", &call.args[1])),
    };
    let stream = call.space.stream(key, slot);
    let (reply, keep) = (&mut *call.reply, call.options.stream_keep());
    reply.map(if most.is_some() { 15 } else { 16 });
    let blocks = stream.blocks_count() as i64;
    number(reply, "length", stream.len() as i64);
    number(reply, "radix-tree-keys", blocks);
    number(reply, "radix-tree-nodes", tree_nodes(stream, blocks));
    id(reply, "last-generated-id", stream.last_id());
    id(reply, "max-deleted-entry-id", stream.max_deleted_id());
    number(reply, "entries-added", stream.added() as i64);
    id(reply, "recorded-first-entry-id", stream.first_id());
    let known = stream.idempotence();
    let keep = known.map_or(keep, |known| known.keep());
    number(reply, "idmp-duration", keep.duration_s as i64);
    number(reply, "idmp-maxsize", keep.most as i64);
    number(reply, "pids-tracked", known.map_or(0, |known| known.producers().len() as i64));
    number(reply, "iids-tracked", known.map_or(0, |known| known.count() as i64));
    number(reply, "iids-added", known.map_or(0, |known| known.added as i64));
    number(reply, "iids-duplicates", known.map_or(0, |known| known.again as i64));
    let Some(mut full) = most.map(Full::new) else {
        write_ends(reply, stream);
        return Ok(());
    };
    if !reply.takes_rest(full.about(stream)) {
        full.write(reply, stream, usize::MAX);
    } else if let Some(stream) = call.space.freeze(key) {
        call.reply.put_rest(Box::new(RestOfFull { stream, full }));
    }
    Ok(())
}

/// How many nodes Redis's tree of the blocks' first ids has; about so many, where there are many.
fn tree_nodes(stream: &Stream, blocks: i64) -> i64 {
    const COUNTED: i64 = 256;
    if blocks == 0 || blocks > COUNTED {
        return 2 * blocks + 1;
    }
    let bytes = |id: Id| (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes();
    let keys: Vec<[u8; 16]> = stream.blocks().map(|block| bytes(block.first())).collect();
    count_nodes(&keys, 0)
}

/// The nodes of a tree of different keys in order, which are equal before `from`: one for what they
/// have in common, one where they differ, and one at the end of each.
fn count_nodes(keys: &[[u8; 16]], from: usize) -> i64 {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return 0 };
    if keys.len() == 1 {
        return if from == first.len() { 1 } else { 2 };
    }
    let differs = (from..first.len()).find(|at| first[*at] != last[*at]).unwrap_or(from);
    let children = keys.chunk_by(|a, b| a[differs] == b[differs]);
    let below: i64 = children.map(|keys| count_nodes(keys, differs + 1)).sum();
    below + 1 + i64::from(differs > from)
}

/// A name and a number.
pub fn number(reply: &mut Reply, name: &str, value: i64) {
    reply.bulk(name.as_bytes());
    reply.integer(value);
}

/// A name and an id.
pub fn id(reply: &mut Reply, name: &str, id: Id) {
    reply.bulk(name.as_bytes());
    id.with_text(|text| reply.bulk(text));
}

/// A name and a number, if it is known.
pub fn optional(reply: &mut Reply, name: &str, value: Option<i64>) {
    reply.bulk(name.as_bytes());
    match value {
        Some(value) => reply.integer(value),
        None => reply.null(),
    }
}

/// The first and the last entry.
fn write_ends(reply: &mut Reply, stream: &Stream) {
    number(reply, "groups", stream.groups().len() as i64);
    let first = stream.from(Id::MIN).next();
    let last = stream.back_from(Id::MAX).next();
    for (name, item) in [("first-entry", first), ("last-entry", last)] {
        reply.bulk(name.as_bytes());
        match item {
            Some(item) => write_item(reply, &item),
            None => reply.null(),
        }
    }
}

/// XINFO GROUPS key
static GROUPS: DataCommand = declare("groups", Family::Stream, Exactly(3))
    .flags(READONLY)
    .keys(&[KeySpec::at(2, RO | ACCESS)])
    .since("5.0.0")
    .complexity("O(1)")
    .summary("Tells what is known of the groups of a stream.")
    .syntax("key")
    .run(groups);

fn groups(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let stream = call.space.read_stream(key)?.ok_or(Error::NO_SUCH_KEY)?;
    let reply = &mut *call.reply;
    reply.array(stream.groups().len());
    for group in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(group.name());
        number(reply, "consumers", group.consumers().len() as i64);
        number(reply, "pending", group.pending().len() as i64);
        id(reply, "last-delivered-id", group.last);
        optional(reply, "entries-read", group.read.map(|read| read as i64));
        optional(reply, "lag", stream.progress().lag(group));
    }
    Ok(())
}

/// XINFO CONSUMERS key group
static CONSUMERS: DataCommand = declare("consumers", Family::Stream, Exactly(4))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(2, RO | ACCESS)])
    .since("5.0.0")
    .complexity("O(1)")
    .summary("Tells what is known of the consumers of a group.")
    .syntax("key group")
    .run(consumers);

fn consumers(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, name, now_ms) = (call.key(0), call.args.at(3), call.now().present().wall_ms);
    let stream = call.space.read_stream(key)?.ok_or(Error::NO_SUCH_KEY)?;
    let group = stream.group(name).ok_or_else(|| Error::no_group(name, key.bytes))?;
    let reply = &mut *call.reply;
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        number(reply, "pending", consumer.pending().len() as i64);
        number(reply, "idle", (now_ms - consumer.seen_ms).max(0));
        number(reply, "inactive", consumer.active_ms.map_or(-1, |at| (now_ms - at).max(0)));
    }
    Ok(())
}

/// XINFO HELP
static HELP: DataCommand = declare_help(Family::Stream, "5.0.0").run(|call| {
    help(call.reply, "XINFO", LINES);
    Ok(())
});

const LINES: &[&str] = &[
    "CONSUMERS <key> <groupname>",
    "    Tell of the consumers of a group.",
    "GROUPS <key>",
    "    Tell of the groups of a stream.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Tell of a stream.",
];
