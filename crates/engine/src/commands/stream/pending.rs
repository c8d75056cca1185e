//! XACK, XPENDING: what a group has given out.

use super::arguments::{parse_end, parse_start, parse_strict};
use crate::commands::arguments::integer;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::{Group as Family, *};
use crate::storage::value::stream::group::{Consumer, Group, NOBODY, Pending};
use crate::storage::value::stream::id::Id;
use redstart_protocol::Reply;

/// XACK key group id [id ...]
pub static XACK: DataCommand = declare("xack", Family::Stream, AtLeast(4))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("5.0.0")
    .complexity("O(1) for each id.")
    .summary("Notes that a consumer is done with entries: they are pending no more.")
    .syntax("key group id [id ...]")
    .run(xack);

fn xack(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, name) = (call.key(0), call.args.at(2));
    let slot = call.space.find_stream_to_read(key)?;
    let slot = slot.filter(|slot| call.space.stream(key, *slot).group(name).is_some());
    let Some(slot) = slot else {
        call.reply.integer(0);
        return Ok(());
    };
    let args = call.args.from(3);
    args.iter().try_for_each(|text| parse_strict(text, 0).map(drop))?;
    let acknowledged = call.space.change_stream(key, slot, |stream| {
        let ids = args.iter().filter_map(|text| Id::parse(text, 0));
        let count =
            stream.edit_group(name, |group| ids.filter(|id| group.acknowledge(*id)).count());
        (false, count.unwrap_or(0))
    });
    call.reply.integer(acknowledged as i64);
    if acknowledged > 0 {
        call.emit_as_is();
    }
    call.space.count_changes(acknowledged);
    Ok(())
}

/// XPENDING key group [[IDLE min-idle-time] start end count [consumer]]
pub static XPENDING: DataCommand = declare("xpending", Family::Stream, AtLeast(3))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("5.0.0")
    .complexity("O(N) with N entries that are returned, and those that are not idle enough.")
    .summary("Tells what the consumers of a group have pending.")
    .syntax("key group [[IDLE min-idle-time] start end count [consumer]]")
    .run(xpending);

/// What XPENDING shows.
struct Shown {
    start: Id,
    end: Id,
    most: usize,
    min_idle_ms: i64,
    /// Where the consumer's name is.
    consumer: Option<usize>,
}

fn parse_shown(call: &Call<'_>) -> Result<Option<Shown>, Error> {
    let args = call.args;
    if args.len() == 3 {
        return Ok(None);
    }
    let mut at = 3;
    if !(6..=9).contains(&args.len()) {
        return Err(Error::SYNTAX);
    }
    let mut min_idle_ms = 0;
    if args[3].eq_ignore_ascii_case(b"IDLE") {
        min_idle_ms = integer(call, 4)?;
        if args.len() < 8 {
            return Err(Error::SYNTAX);
        }
        at += 2;
    }
    let most = usize::try_from(integer(call, at + 2)?).unwrap_or(0);
    let (start, end) = (parse_start(&args[at])?, parse_end(&args[at + 1])?);
    let consumer = Some(at + 3).filter(|at| *at < args.len());
    Ok(Some(Shown { start, end, most, min_idle_ms, consumer }))
}

fn xpending(call: &mut Call<'_>) -> Result<(), Error> {
    let shown = parse_shown(call)?;
    let (key, name) = (call.key(0), call.args.at(2));
    let (args, now_ms) = (call.args, call.now().present().wall_ms);
    let stream = call.space.read_stream(key)?;
    let group = stream.and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| Error::no_group_pending(key.bytes, name))?;
    let reply = &mut *call.reply;
    let Some(shown) = shown else {
        write_summary(reply, group);
        return Ok(());
    };
    let is_shown = |pending: &&Pending| now_ms - pending.given_ms >= shown.min_idle_ms;
    let mut found: Vec<&Pending> = Vec::new();
    match shown.consumer {
        None => {
            let pending = group.pending().from(shown.start);
            let pending = pending.take_while(|pending| pending.id <= shown.end);
            found.extend(pending.filter(is_shown).take(shown.most));
        }
        Some(at) => {
            if let Some(number) = group.find_consumer(args.at(at)) {
                let ids = group.consumer(number).pending().from(shown.start);
                let ids = ids.take_while(|id| **id <= shown.end);
                let pending = ids.filter_map(|id| group.pending().get(*id));
                found.extend(pending.filter(is_shown).take(shown.most));
            }
        }
    }
    call.reply.array(found.len());
    for pending in found {
        call.reply.array(4);
        pending.id.with_text(|text| call.reply.bulk(text));
        call.reply.bulk(group.name_of(pending.consumer));
        // What was given back is nobody's, and not since a time that is known.
        let is_free = pending.consumer == NOBODY;
        call.reply.integer(if is_free { -1 } else { (now_ms - pending.given_ms).max(0) });
        call.reply.integer(pending.count as i64);
    }
    Ok(())
}

/// How much is pending, from which entry to which, and whose it is.
fn write_summary(reply: &mut Reply, group: &Group) {
    reply.array(4);
    reply.integer(group.pending().len() as i64);
    let first = group.pending().iter().next();
    for end in [first, group.pending().last()] {
        match end {
            Some(pending) => pending.id.with_text(|text| reply.bulk(text)),
            None => reply.null(),
        }
    }
    if first.is_none() {
        return reply.null_array();
    }
    let owners = group.consumers().filter(|consumer| !consumer.pending().is_empty());
    let owners: Vec<&Consumer> = owners.collect();
    reply.array(owners.len());
    for consumer in owners {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_integer(consumer.pending().len() as i64);
    }
}
