//! XREAD and XREADGROUP: what is new in streams, for all or for the consumers of a group.
//!
//! A client that waits joins the queues of all its keys. For XREAD an entry is served to all that
//! wait, for a group to the first. The ids `$` and `+` are those of the moment when the wait began:
//! the request that is kept has them instead. A group's reader learns that its group, or the
//! stream, is gone.
//!
//! In the effect stream, what a consumer got is an XCLAIM of these entries for it, and where the
//! group has come to is an XGROUP SETID.

use super::arguments::parse_strict;
use super::budget::{Budget, ReadOptions, size_of, size_without_fields};
use super::claim::{emit_claim, emit_claims, has_idle, idle};
use super::group::{emit_set_id, note_consumer};
use super::range::{write_item, write_parts};
use super::rest::{Entries, RestOfStreams};
use crate::error::Error;
use crate::keyspace::waiters::{Wait, Waiter};
use crate::run::call::Call;
use crate::run::command::{BlockingCommand, BlockingRun, Served};
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::stream::Stream;
use crate::storage::value::stream::block::Item;
use crate::storage::value::stream::group::Pending;
use crate::storage::value::stream::id::Id;
use crate::storage::value::stream::seek::InOrder;
use redstart_protocol::{Args, Begun, OwnedArgs, Protocol, Reply};

/// XREAD [options] STREAMS key [key ...] id [id ...]
pub static XREAD: BlockingCommand = declare("xread", Group::Stream, AtLeast(4))
    .flags(READONLY | BLOCKING | WAITS_IF_ASKED)
    .keys(&[KeySpec {
        begin: Begin::Option("STREAMS", 1, streams_at),
        find: Find::Half,
        access: RO | ACCESS,
    }])
    .since("5.0.0")
    .complexity("O(N) with N entries that are returned.")
    .summary("Returns entries behind ids from several streams, or waits for some.")
    .syntax(
        "[COUNT count] [MAXCOUNT maxcount] [MAXSIZE maxsize] [BLOCK milliseconds] \
         STREAMS key [key ...] id [id ...]",
    )
    .run(BlockingRun { run: read, serve: serve_read });

/// XREADGROUP GROUP group consumer [options] STREAMS key [key ...] id [id ...]
pub static XREADGROUP: BlockingCommand = declare("xreadgroup", Group::Stream, AtLeast(7))
    .flags(WRITE | BLOCKING | WAITS_IF_ASKED)
    .keys(&[KeySpec {
        begin: Begin::Option("STREAMS", 4, streams_at),
        find: Find::Half,
        access: RO | ACCESS,
    }])
    .since("5.0.0")
    .complexity("O(N) with N entries that are returned.")
    .summary("Gives a consumer entries that no other of its group has, or lets it wait for some.")
    .syntax(
        "GROUP group consumer [COUNT count] [MAXCOUNT maxcount] [MAXSIZE maxsize] \
         [BLOCK milliseconds] [CLAIM min-idle-time] [NOACK] STREAMS key [key ...] id [id ...]",
    )
    .run(BlockingRun { run: read, serve: serve_read });

/// Where the keys begin.
fn streams_at(args: Args<'_>) -> Option<usize> {
    let mut at = 1;
    loop {
        let word = args.get(at)?;
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        at += match word {
            _ if is(b"STREAMS") => return Some(at + 1),
            _ if is(b"COUNT") || is(b"BLOCK") || is(b"CLAIM") => 2,
            _ if is(b"MAXCOUNT") || is(b"MAXSIZE") => 2,
            _ if is(b"NOACK") => 1,
            _ if is(b"GROUP") => 3,
            _ => return None,
        };
    }
}

/// From where a stream is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// Behind an entry.
    Behind(Id),
    /// What the group has not given out yet; and what others have had pending for so many
    /// milliseconds, if that is asked for.
    New(Option<i64>),
    /// What the consumer has pending behind an entry.
    History(Id),
}

impl From {
    fn without_claim(self) -> From {
        if matches!(self, From::New(_)) { From::New(None) } else { self }
    }
}

/// From where the `n`th stream is read, and whether its id stands for one of this moment.
fn from_of(
    call: &mut Call<'_>,
    options: &ReadOptions,
    n: usize,
    slot: Option<Slot>,
) -> Result<(From, bool), Error> {
    let key = call.key(n);
    let text = call.args.at(options.ids + n);
    let for_group = options.group.is_some();
    Ok(match text {
        b"$" | b"+" if for_group => return Err(Error::meaningless_id(text)),
        b"$" => {
            let last = slot.map_or(Id::MIN, |slot| call.space.stream(key, slot).last_id());
            (From::Behind(last), true)
        }
        b"+" => {
            let Some(slot) = slot else { return Ok((From::Behind(Id::MIN), true)) };
            let stream = call.space.stream(key, slot);
            let top = stream.back_from(Id::MAX).next().and_then(|item| item.id.previous());
            (From::Behind(top.unwrap_or(stream.last_id())), true)
        }
        b">" if for_group => (From::New(options.claim_ms), false),
        b">" => return Err(Error::NEW_WITHOUT_GROUP),
        _ => {
            let id = parse_strict(text, 0)?;
            (if for_group { From::History(id) } else { From::Behind(id) }, false)
        }
    })
}

/// An error when the `n`th stream lacks the group, or is not there.
fn check_group(
    call: &mut Call<'_>,
    options: &ReadOptions,
    n: usize,
    slot: Option<Slot>,
) -> Result<(), Error> {
    let Some(at) = options.group else { return Ok(()) };
    let (key, name) = (call.key(n), call.args.at(at));
    let has = slot.is_some_and(|slot| call.space.stream(key, slot).group(name).is_some());
    if has { Ok(()) } else { Err(Error::no_group_to_read(key.bytes, name)) }
}

/// Whether a stream has something to give.
fn has_any(
    stream: &Stream,
    from: From,
    options: &ReadOptions,
    args: Args<'_>,
    now_ms: i64,
) -> bool {
    match from {
        From::History(_) => true,
        From::Behind(id) => {
            let top = if stream.last_id() <= id { None } else { stream.back_from(Id::MAX).next() };
            top.is_some_and(|top| top.id > id)
        }
        From::New(claim_ms) => {
            let Some(group) = options.group.and_then(|at| stream.group(args.at(at))) else {
                return false;
            };
            let next = group.last.next().filter(|_| group.last < stream.last_id());
            let is_new = next.is_some_and(|next| stream.from(next).next().is_some());
            let latest_ms = claim_ms.map(|claim_ms| now_ms.saturating_sub(claim_ms));
            is_new || latest_ms.is_some_and(|latest_ms| has_idle(stream, group, latest_ms))
        }
    }
}

/// From where each stream is read, and whether its id stands for one of this moment.
fn sources(call: &mut Call<'_>, options: &ReadOptions) -> Result<Vec<(From, bool)>, Error> {
    let count = call.keys().len();
    let mut sources = Vec::with_capacity(count);
    let mut takes_over = true;
    for n in 0..count {
        let slot = call.space.find_stream_to_read(call.key(n))?;
        check_group(call, options, n, slot)?;
        let (from, is_moment) = from_of(call, options, n, slot)?;
        // As in Redis, nothing is taken over behind a stream whose history is asked for.
        takes_over &= !matches!(from, From::History(_));
        let from = if takes_over { from } else { from.without_claim() };
        sources.push((from, is_moment));
    }
    Ok(sources)
}

fn read(call: &mut Call<'_>) -> Result<(), Error> {
    let options = ReadOptions::parse(call)?;
    let now_ms = call.now().present().wall_ms;
    let count = call.keys().len();
    let sources = sources(call, &options)?;
    let (mut changes, mut begun, mut served) = (0, None, 0);
    // What no group counts is only read, so it may be left to the rest of the reply.
    let mut ready = Vec::new();
    let mut budget = Budget::new(&options);
    let mut rest = gives_later(call, &options, &sources).then(RestOfStreams::default);
    for (n, (from, _)) in sources.iter().enumerate() {
        // Each is looked at when those before it were served: a stream may be asked for twice.
        if budget.is_spent() {
            break;
        }
        let (key, args) = (call.key(n), call.args);
        let Some(slot) = call.space.find_stream_to_read(key)? else { continue };
        let any = has_any(call.space.stream(key, slot), *from, &options, args, now_ms);
        changes += usize::from(see_consumer(call, &options, n, slot));
        if !any {
            continue;
        }
        let most = within(call, &options, &mut budget, key, slot, *from);
        if most == 0 && !matches!(from, From::History(_)) {
            continue;
        }
        if options.group.is_none() {
            ready.push((n, slot, *from, most));
        } else if let Some(rest) = &mut rest {
            give_later(call, &options, (n, slot, *from, most), rest);
            (changes, served) = (changes + 1, served + 1);
        } else {
            begun = begun.or_else(|| Some(begin(call, count)));
            changes += usize::from(give(call, &options, (n, slot, *from, most)));
            served += 1;
        }
    }
    if !ready.is_empty() {
        begin(call, ready.len());
        if put_rest(call, &ready) {
            return Ok(());
        }
        for asked in ready {
            changes += usize::from(give(call, &options, asked));
        }
        call.space.count_changes(changes);
        return Ok(());
    }
    if let Some(begun) = begun {
        call.reply.end_array(begun, served);
        call.space.count_changes(changes);
        return Ok(());
    }
    if let Some(rest) = rest.filter(|_| served > 0) {
        begin(call, served);
        call.reply.put_rest(Box::new(rest));
        call.space.count_changes(changes);
        return Ok(());
    }
    call.space.count_changes(changes);
    wait(call, &options, &sources);
    Ok(())
}

/// Waits for entries, if that is asked for.
fn wait(call: &mut Call<'_>, options: &ReadOptions, sources: &[(From, bool)]) {
    let Some(timeout_ms) = options.block_ms else {
        call.reply.null_array();
        return;
    };
    let resumed = sources.iter().any(|(_, is_moment)| *is_moment).then(|| {
        let mut args: Vec<Vec<u8>> = call.args.iter().map(<[u8]>::to_vec).collect();
        for (n, (from, _)) in sources.iter().enumerate() {
            if let From::Behind(id) = from {
                args[options.ids + n] = id.to_text();
            }
        }
        let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        OwnedArgs::from_slices(&args)
    });
    let heeds_loss = options.group.is_some();
    if !call.wait(Wait { resumed, heeds_loss, ..Wait::new(0..sources.len(), timeout_ms) }) {
        call.reply.null_array();
    }
}

/// A stream that has something to give: its number, where it is, from where it is read, and how
/// many entries it gives at most.
type Asked = (usize, Slot, From, usize);

/// How many entries of a stream the reply has room for, at most; they count as given.
fn within(
    call: &mut Call<'_>,
    options: &ReadOptions,
    budget: &mut Budget,
    key: Key<'_>,
    slot: Slot,
    from: From,
) -> usize {
    let (most, args, now_ms) = (options.most(), call.args, call.now().present().wall_ms);
    if !budget.is_bound() {
        return most;
    }
    let stream = call.space.stream(key, slot);
    let size = |id: Id| stream.get(id).map_or_else(|| size_without_fields(id), |it| size_of(&it));
    let behind = |id: Id| {
        let next = id.next().into_iter();
        next.flat_map(|id| stream.from(id)).map(|item| size_of(&item))
    };
    let (From::New(_) | From::History(_)) = from else {
        let From::Behind(id) = from else { return 0 };
        return budget.take(most, behind(id));
    };
    let Some((group, consumer)) = options.group.and_then(|at| {
        let group = stream.group(args.at(at))?;
        Some((group, group.find_consumer(args.at(at + 1))?))
    }) else {
        return 0;
    };
    match from {
        From::History(after) => {
            let pending = group.consumer(consumer).pending();
            let ids = after.next().into_iter().flat_map(|id| pending.from(id));
            budget.take(most, ids.map(|id| size(*id)))
        }
        From::New(Some(claim_ms)) => {
            let claimed = idle(stream, group, now_ms.saturating_sub(claim_ms), most);
            let claimed = claimed.iter().map(|pending| size(pending.id));
            budget.take(most, claimed.chain(behind(group.last)))
        }
        _ => budget.take(most, behind(group.last)),
    }
}

/// Leaves entries that are very many to the rest of the reply, if no group counts them.
fn put_rest(call: &mut Call<'_>, ready: &[Asked]) -> bool {
    let mut parts = Vec::with_capacity(ready.len());
    for (n, slot, from, most) in ready {
        let From::Behind(id) = from else { return false };
        let start = id.next().unwrap_or(Id::MAX);
        let (end, backward, left) = (Id::MAX, false, *most);
        let key = call.key(*n);
        parts.push((key, *slot, Entries { start, end, backward, left }));
    }
    let is_large = parts.iter().any(|(key, slot, entries)| {
        let stream = call.space.stream(*key, *slot);
        entries.is_large(call.reply, stream) && entries.counted(stream).is_large(call.reply, stream)
    });
    if is_large {
        let mut rest = RestOfStreams::default();
        for (key, slot, entries) in parts {
            let entries = entries.counted(call.space.stream(key, slot));
            rest.add(call, key, entries, true);
        }
        call.reply.put_rest(Box::new(rest));
    }
    is_large
}

fn begin(call: &mut Call<'_>, streams: usize) -> Begun {
    match call.reply.protocol() {
        Protocol::Resp2 => call.reply.begin_array(streams),
        Protocol::Resp3 => call.reply.begin_map(streams),
    }
}

fn serve_read(call: &mut Call<'_>, n: usize, waiter: &Waiter) -> Result<Served, Error> {
    let options = ReadOptions::parse(call)?;
    let now_ms = call.now().present().wall_ms;
    let found = call.space.find_stream(call.key(n));
    let found = found.and_then(|slot| check_group(call, &options, n, slot).map(|()| slot));
    let slot = match found {
        Ok(Some(slot)) => slot,
        Ok(None) => return Ok(Served::Nothing),
        // A value of another type is none for XREAD; a group's reader waits for what is gone.
        Err(error) if options.group.is_some() && waiter.claim() => return Err(error),
        Err(_) => return Ok(Served::Nothing),
    };
    let (from, _) = from_of(call, &options, n, Some(slot))?;
    let (key, args) = (call.key(n), call.args);
    let any = has_any(call.space.stream(key, slot), from, &options, args, now_ms);
    if !any || !waiter.claim() {
        return Ok(Served::Nothing);
    }
    let is_new = see_consumer(call, &options, n, slot);
    begin(call, 1);
    let most = within(call, &options, &mut Budget::new(&options), key, slot, from);
    let gave = give(call, &options, (n, slot, from, most));
    call.space.count_changes(usize::from(is_new) + usize::from(gave));
    Ok(Served::Given)
}

/// The consumer, if there is one, has asked for something: it is made, if it was not there. Returns
/// whether it was made.
fn see_consumer(call: &mut Call<'_>, options: &ReadOptions, n: usize, slot: Slot) -> bool {
    let Some(at) = options.group else { return false };
    let (key, group, consumer) = (call.key(n), call.args.at(at), call.args.at(at + 1));
    let now_ms = call.now().present().wall_ms;
    let is_new = call.space.change_stream(key, slot, |stream| {
        let made = stream.edit_group(group, |group| match group.find_consumer(consumer) {
            Some(number) => {
                group.note_consumer(number, now_ms, false);
                false
            }
            None => group.add_consumer(consumer, now_ms).is_some(),
        });
        (false, made == Some(true))
    });
    if is_new {
        note_consumer(call, key, group, consumer);
    }
    is_new
}

/// Replies with what is there of the `n`th stream. Returns whether the group has moved on.
fn give(call: &mut Call<'_>, options: &ReadOptions, asked: Asked) -> bool {
    let (n, slot, from, most) = asked;
    let key = call.key(n);
    if call.reply.protocol() == Protocol::Resp2 {
        call.reply.array(2);
    }
    call.reply.bulk(key.bytes);
    match from {
        From::Behind(id) => {
            let stream = call.space.stream(key, slot);
            let begun = call.reply.begin_array(most.min(stream.len() as usize));
            let from = id.next().unwrap_or(Id::MAX);
            let items = stream.from(from).take(most);
            let count = items.map(|item| write_item(call.reply, &item)).count();
            call.reply.end_array(begun, count);
            false
        }
        From::New(claim_ms) => {
            give_new(call, options, (key, slot, most), claim_ms, true);
            true
        }
        From::History(id) => {
            give_history(call, options, (key, slot, most), id);
            false
        }
    }
}

/// Gives a consumer what others have had pending for too long, if it asks for that, and then new
/// entries.
fn give_new(
    call: &mut Call<'_>,
    options: &ReadOptions,
    (key, slot, most): (Key<'_>, Slot, usize),
    claim_ms: Option<i64>,
    writes: bool,
) -> usize {
    let Some(at) = options.group else { return 0 };
    let (name, consumer) = (call.args.at(at), call.args.at(at + 1));
    let now_ms = call.now().present().wall_ms;
    let listened = call.space.listened_to();
    let (mut ids, mut claimed): (Vec<Id>, Vec<Pending>) = Default::default();
    let Call { reply, space, .. } = call;
    let len = space.stream(key, slot).len();
    let guess = usize::try_from(len).unwrap_or(usize::MAX).min(most);
    let begun = writes.then(|| reply.begin_array(guess));
    let (count, last, read) = space.change_stream(key, slot, |stream| {
        let number = stream.group(name).and_then(|group| group.find_consumer(consumer));
        let number = number.unwrap_or_default();
        if let Some(claim_ms) = claim_ms {
            claimed = claim_idle(stream, name, number, most, (claim_ms, now_ms), reply);
        }
        let left = most - claimed.len();
        let count = stream.give(name, number, left, now_ms, options.no_ack, |item| {
            if listened && !options.no_ack {
                ids.push(item.id);
            }
            match claim_ms {
                _ if !writes => {}
                Some(_) => write_claimed(reply, &item, 0, 0),
                None => write_item(reply, &item),
            }
        });
        let after = stream.edit_group(name, |group| {
            let got = if options.no_ack { 0 } else { count } + claimed.len();
            group.note_consumer(number, now_ms, got > 0);
            (group.last, group.read)
        });
        let (last, read) = after.unwrap_or_default();
        (false, (count, last, read))
    });
    if let Some(begun) = begun {
        reply.end_array(begun, count + claimed.len());
    }
    emit_claims(call, key, name, consumer, &claimed);
    if !ids.is_empty() {
        emit_claim(call, key, name, consumer, &ids, now_ms, 1);
    }
    if count > 0 {
        emit_set_id(call, key, name, last, read);
    }
    count
}

/// Gives a consumer new entries, which the rest of the reply is to write.
fn give_later(call: &mut Call<'_>, options: &ReadOptions, asked: Asked, rest: &mut RestOfStreams) {
    let (n, slot, _, most) = asked;
    let key = call.key(n);
    if let Some(entries) = new_entries(call, options, key, slot, most) {
        let left = give_new(call, options, (key, slot, most), None, false);
        rest.add(call, key, Entries { left, ..entries }, true);
    }
}

/// What a group has not given out yet of a stream.
fn new_entries(
    call: &mut Call<'_>,
    options: &ReadOptions,
    key: Key<'_>,
    slot: Slot,
    left: usize,
) -> Option<Entries> {
    let group = call.space.stream(key, slot).group(call.args.at(options.group?))?;
    Some(Entries { start: group.last.next()?, end: Id::MAX, backward: false, left })
}

/// Whether a group is asked for new entries alone, of one stream very many.
fn gives_later(call: &mut Call<'_>, options: &ReadOptions, sources: &[(From, bool)]) -> bool {
    let are_new = sources.iter().all(|(from, _)| *from == From::New(None));
    are_new
        && (0..sources.len()).any(|n| {
            let key = call.key(n);
            let Ok(Some(slot)) = call.space.find_stream_to_read(key) else { return false };
            let entries = new_entries(call, options, key, slot, options.most());
            let stream = call.space.stream(key, slot);
            entries.is_some_and(|entries| {
                entries.is_large(call.reply, stream)
                    && entries.counted(stream).is_large(call.reply, stream)
            })
        })
}

/// Takes over what has been pending for `times.0` milliseconds at `times.1`, and replies with it.
fn claim_idle(
    stream: &mut Stream,
    name: &[u8],
    consumer: u32,
    most: usize,
    times: (i64, i64),
    reply: &mut Reply,
) -> Vec<Pending> {
    let (claim_ms, now_ms) = times;
    let Some(group) = stream.group(name) else { return Vec::new() };
    let mut claimed = idle(stream, group, now_ms.saturating_sub(claim_ms), most);
    for pending in &mut claimed {
        if let Some(item) = stream.get(pending.id) {
            write_claimed(reply, &item, now_ms - pending.given_ms, pending.count);
        }
        *pending = Pending { given_ms: now_ms, count: pending.again(), consumer, ..*pending };
    }
    stream.edit_group(name, |group| claimed.iter().for_each(|pending| group.give(*pending)));
    claimed
}

/// An entry, for how long it was pending, and how often it had been given.
fn write_claimed(reply: &mut Reply, item: &Item<'_>, idle_ms: i64, count: u64) {
    reply.array(4);
    write_parts(reply, item);
    reply.integer(idle_ms.max(0));
    reply.integer(count as i64);
}

/// Gives a consumer again what it has pending; entries that are gone have no fields.
fn give_history(
    call: &mut Call<'_>,
    options: &ReadOptions,
    (key, slot, most): (Key<'_>, Slot, usize),
    after: Id,
) {
    let Some(at) = options.group else { return };
    let (name, consumer) = (call.args.at(at), call.args.at(at + 1));
    let now_ms = call.now().present().wall_ms;
    let Call { reply, space, .. } = call;
    let again = space.change_stream(key, slot, |stream| {
        let mut again: Vec<Pending> = Vec::new();
        let Some(group) = stream.group(name) else { return (false, again) };
        let number = group.find_consumer(consumer).unwrap_or_default();
        let from = after.next();
        let pending =
            from.into_iter().flat_map(|from| group.consumer(number).pending().from(from).copied());
        let ids: Vec<Id> = pending.take(most).collect();
        reply.array(ids.len());
        let mut given = Vec::with_capacity(ids.len());
        let mut walk = InOrder::new(stream);
        for id in ids {
            match walk.find(id) {
                Some(item) => {
                    write_item(reply, &item);
                    given.push(id);
                }
                None => {
                    reply.array(2);
                    id.with_text(|text| reply.bulk(text));
                    reply.null_array();
                }
            }
        }
        stream.edit_group(name, |group| {
            for id in given {
                group.update(id, |record| {
                    record.given_ms = now_ms;
                    record.count = record.again();
                    again.push(*record);
                });
            }
        });
        (false, again)
    });
    emit_claims(call, key, name, consumer, &again);
}
