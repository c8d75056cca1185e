//! XLEN, XRANGE, XREVRANGE: entries by their ids.

use super::arguments::{parse_end, parse_start};
use super::rest::{Entries, RestOfStreams};
use crate::commands::arguments::integer;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::stream::block::Item;
use redstart_protocol::Reply;

/// XLEN key
pub static XLEN: DataCommand = declare("xlen", Group::Stream, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO)])
    .since("5.0.0")
    .complexity("O(1)")
    .summary("Returns the number of entries of a stream.")
    .syntax("key")
    .run(xlen);

fn xlen(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let len = call.space.read_stream(key)?.map_or(0, |stream| stream.len());
    call.reply.integer(len as i64);
    Ok(())
}

/// XRANGE key start end [COUNT count]
pub static XRANGE: DataCommand = declare("xrange", Group::Stream, AtLeast(4))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("5.0.0")
    .complexity("O(log(N)+M) with N entries and M of them returned.")
    .summary("Returns the entries with ids in a range.")
    .syntax("key start end [COUNT count]")
    .run(|call| range(call, Order::Forward));

/// XREVRANGE key end start [COUNT count]
pub static XREVRANGE: DataCommand = declare("xrevrange", Group::Stream, AtLeast(4))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("5.0.0")
    .complexity("O(log(N)+M) with N entries and M of them returned.")
    .summary("Returns the entries with ids in a range, the last one first.")
    .syntax("key end start [COUNT count]")
    .run(|call| range(call, Order::Backward));

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Forward,
    Backward,
}

fn range(call: &mut Call<'_>, order: Order) -> Result<(), Error> {
    let (start, end) = match order {
        Order::Forward => (2, 3),
        Order::Backward => (3, 2),
    };
    let (start, end) = (parse_start(&call.args[start])?, parse_end(&call.args[end])?);
    let mut most = None;
    let mut at = 4;
    while at < call.args.len() {
        if at + 1 == call.args.len() || !call.args[at].eq_ignore_ascii_case(b"COUNT") {
            return Err(Error::SYNTAX);
        }
        most = Some(usize::try_from(integer(call, at + 1)?).unwrap_or(0));
        at += 2;
    }
    let key = call.key(0);
    let Some(stream) = call.space.read_stream(key)? else {
        call.reply.array(0);
        return Ok(());
    };
    if most == Some(0) {
        call.reply.null_array();
        return Ok(());
    }
    let guess = most.unwrap_or(usize::MAX).min(stream.len() as usize);
    let most = most.unwrap_or(usize::MAX);
    let entries = Entries { start, end, backward: order == Order::Backward, left: most };
    if entries.is_large(call.reply, stream) {
        let entries = entries.counted(stream);
        if entries.is_large(call.reply, stream) {
            let mut rest = RestOfStreams::default();
            rest.add(call, key, entries, false);
            call.reply.put_rest(Box::new(rest));
            return Ok(());
        }
    }
    let begun = call.reply.begin_array(guess);
    let mut count = 0;
    let mut write = |item: Item<'_>| {
        write_item(call.reply, &item);
        count += 1;
    };
    match order {
        Order::Forward => {
            stream.from(start).take_while(|item| item.id <= end).take(most).for_each(&mut write);
        }
        Order::Backward => {
            let items = stream.back_from(end).take_while(|item| item.id >= start);
            items.take(most).for_each(&mut write);
        }
    }
    call.reply.end_array(begun, count);
    Ok(())
}

/// Writes an entry: its id, and its fields and values.
#[inline]
pub fn write_item(reply: &mut Reply, item: &Item<'_>) {
    reply.array(2);
    write_parts(reply, item);
}

/// Writes what an entry is made of.
#[inline]
pub fn write_parts(reply: &mut Reply, item: &Item<'_>) {
    item.id.with_text(|text| reply.bulk(text));
    reply.array(2 * item.fields.len());
    for (name, value) in item.fields.iter() {
        reply.bulk(name);
        reply.bulk(value);
    }
}
