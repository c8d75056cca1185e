//! XCLAIM, XAUTOCLAIM: a consumer takes over what another has pending.
//!
//! In the effect stream both are an XCLAIM with the time and the count that an entry got, and an
//! XACK of entries that are gone from the stream.

use super::arguments::{parse_start, parse_strict};
use super::group::{emit_set_id, note_consumer};
use super::range::write_item;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::{Group as Family, *};
use crate::storage::table::Slot;
use crate::storage::value::stream::Stream;
use crate::storage::value::stream::group::{Group, Pending};
use crate::storage::value::stream::id::Id;
use crate::storage::value::stream::seek::InOrder;
use crate::storage::value::{Object, ObjectRef};
use redstart_protocol::{Reply, Rest, decimal, parse_i64};

/// Pending entries that were given at or before a time and are still in the stream, the one that
/// has waited longest first, at most `most`.
pub fn idle(stream: &Stream, group: &Group, latest_ms: i64, most: usize) -> Vec<Pending> {
    let is_idle = |pending: &&Pending| pending.given_ms <= latest_ms;
    let pending = group.pending().iter().filter(is_idle);
    let mut idle: Vec<Pending> =
        pending.filter(|it| stream.get(it.id).is_some()).copied().collect();
    idle.sort_by_key(|pending| pending.given_ms);
    idle.truncate(most);
    idle
}

/// Whether there is such an entry.
pub fn has_idle(stream: &Stream, group: &Group, latest_ms: i64) -> bool {
    let mut pending = group.pending().iter();
    pending.any(|it| it.given_ms <= latest_ms && stream.get(it.id).is_some())
}

/// Emits that a consumer has these entries pending.
pub fn emit_claim(
    call: &mut Call<'_>,
    key: Key<'_>,
    group: &[u8],
    consumer: &[u8],
    ids: &[Id],
    given_ms: i64,
    count: u64,
) {
    let ids: Vec<Vec<u8>> = ids.iter().map(|id| id.to_text()).collect();
    let (time, count) = (decimal(given_ms), decimal(count as i64));
    let mut args = vec![&b"XCLAIM"[..], key.bytes, group, consumer, b"0"];
    args.extend(ids.iter().map(|id| &id[..]));
    args.extend([&b"TIME"[..], &time, b"RETRYCOUNT", &count]);
    args.extend([&b"FORCE"[..], b"JUSTID"]);
    call.space.emit(|| args);
}

/// Emits what became of claimed entries: those with the same count at once.
pub fn emit_claims(
    call: &mut Call<'_>,
    key: Key<'_>,
    group: &[u8],
    consumer: &[u8],
    claimed: &[Pending],
) {
    if !call.space.listened_to() {
        return;
    }
    for same in claimed.chunk_by(|a, b| (a.count, a.given_ms) == (b.count, b.given_ms)) {
        let ids: Vec<Id> = same.iter().map(|pending| pending.id).collect();
        emit_claim(call, key, group, consumer, &ids, same[0].given_ms, same[0].count);
    }
}

/// Emits that entries are pending no more.
pub fn emit_gone(call: &mut Call<'_>, key: Key<'_>, group: &[u8], gone: &[Id]) {
    if !gone.is_empty() {
        let ids: Vec<Vec<u8>> = gone.iter().map(|id| id.to_text()).collect();
        let ids = ids.iter().map(|id| &id[..]);
        call.space.emit(|| [&b"XACK"[..], key.bytes, group].into_iter().chain(ids));
    }
}

/// The stream and the group of argument 2.
fn find_group<'a>(call: &mut Call<'a>) -> Result<(Key<'a>, &'a [u8], Slot), Error> {
    let (key, name) = (call.key(0), call.args.at(2));
    let slot = call.space.find_stream(key)?;
    let slot = slot.filter(|slot| call.space.stream(key, *slot).group(name).is_some());
    Ok((key, name, slot.ok_or_else(|| Error::no_group_pending(key.bytes, name))?))
}

/// The number of a consumer that asks for something, and whether it is new.
fn see_consumer(
    call: &mut Call<'_>,
    key: Key<'_>,
    slot: Slot,
    group: &[u8],
    name: &[u8],
) -> (u32, bool) {
    let now_ms = call.now().present().wall_ms;
    let (number, is_new) = call.space.change_stream(key, slot, |stream| {
        let seen = stream.edit_group(group, |group| match group.find_consumer(name) {
            Some(number) => {
                group.note_consumer(number, now_ms, false);
                (number, false)
            }
            None => (group.add_consumer(name, now_ms).unwrap_or_default(), true),
        });
        (false, seen.unwrap_or_default())
    });
    if is_new {
        note_consumer(call, key, group, name);
    }
    (number, is_new)
}

/// How long an entry has to be pending before it can be claimed.
fn min_idle(call: &Call<'_>, at: usize, error: Error) -> Result<i64, Error> {
    parse_i64(call.args.at(at)).map(|ms| ms.max(0)).ok_or(error)
}

/// XCLAIM key group consumer min-idle-time id [id ...] [options]
pub static XCLAIM: DataCommand = declare("xclaim", Family::Stream, AtLeast(6))
    .flags(WRITE | FAST | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("5.0.0")
    .complexity("O(log N) for each entry, with N entries pending.")
    .summary("Lets a consumer take over entries that others have pending.")
    .syntax(
        "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] \
         [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
    )
    .run(xclaim);

struct ClaimOptions {
    min_idle_ms: i64,
    ids: Vec<Id>,
    given_ms: i64,
    count: Option<u64>,
    force: bool,
    just_id: bool,
    last: Option<Id>,
}

fn parse_claim(call: &Call<'_>, now_ms: i64) -> Result<ClaimOptions, Error> {
    let args = call.args;
    let min_idle_ms = min_idle(call, 4, Error::XCLAIM_MIN_IDLE)?;
    let ids: Vec<Id> = args.iter().skip(5).map_while(|text| Id::parse(text, 0)).collect();
    let mut options = ClaimOptions {
        min_idle_ms,
        given_ms: now_ms,
        count: None,
        force: false,
        just_id: false,
        last: None,
        ids,
    };
    let mut at = 5 + options.ids.len();
    while at < args.len() {
        let more = args.len() - at - 1;
        let is = |name: &[u8]| args[at].eq_ignore_ascii_case(name);
        let number =
            |name: &str| parse_i64(&args[at + 1]).ok_or_else(|| Error::xclaim_option(name));
        if is(b"FORCE") {
            options.force = true;
            at += 1;
            continue;
        }
        if is(b"JUSTID") {
            options.just_id = true;
            at += 1;
            continue;
        }
        match more {
            1.. if is(b"IDLE") => options.given_ms = now_ms.saturating_sub(number("IDLE")?),
            1.. if is(b"TIME") => options.given_ms = number("TIME")?,
            1.. if is(b"RETRYCOUNT") => options.count = u64::try_from(number("RETRYCOUNT")?).ok(),
            1.. if is(b"LASTID") => options.last = Some(parse_strict(&args[at + 1], 0)?),
            _ => return Err(Error::unknown_xclaim_option(&args[at])),
        }
        at += 2;
    }
    // A time that is yet to come, or before all times, is now.
    if options.given_ms < 0 || options.given_ms > now_ms {
        options.given_ms = now_ms;
    }
    Ok(options)
}

fn xclaim(call: &mut Call<'_>) -> Result<(), Error> {
    call.space.find_to_read(call.key(0));
    let (key, name, slot) = find_group(call)?;
    let now_ms = call.now().present().wall_ms;
    let options = parse_claim(call, now_ms)?;
    let consumer = call.args.at(3);
    let (number, is_new) = see_consumer(call, key, slot, name, consumer);
    let (mut claimed, mut gone) = (Vec::new(), Vec::new());
    let Call { reply, space, .. } = call;
    let begun = reply.begin_array(options.ids.len());
    let moved = space.change_stream(key, slot, |stream| {
        let moved = options.last.and_then(|last| {
            stream.edit_group(name, |group| {
                let moves = last > group.last;
                group.last = group.last.max(last);
                moves.then_some((group.last, group.read))
            })?
        });
        for id in &options.ids {
            claim_one(stream, name, number, *id, &options, now_ms, &mut claimed, &mut gone);
        }
        for pending in &claimed {
            match stream.get(pending.id) {
                Some(item) if !options.just_id => write_item(reply, &item),
                _ => pending.id.with_text(|text| reply.bulk(text)),
            }
        }
        let active = !claimed.is_empty();
        stream.edit_group(name, |group| group.note_consumer(number, now_ms, active));
        (false, moved)
    });
    reply.end_array(begun, claimed.len());
    emit_gone(call, key, name, &gone);
    emit_claims(call, key, name, consumer, &claimed);
    if let Some((last, read)) = moved {
        emit_set_id(call, key, name, last, read);
    }
    let others = usize::from(is_new) + usize::from(moved.is_some() && claimed.is_empty());
    call.space.count_changes(claimed.len() + gone.len() + others);
    Ok(())
}

#[allow(clippy::too_many_arguments)]
fn claim_one(
    stream: &mut Stream,
    name: &[u8],
    consumer: u32,
    id: Id,
    options: &ClaimOptions,
    now_ms: i64,
    claimed: &mut Vec<Pending>,
    gone: &mut Vec<Id>,
) {
    let before = stream.group(name).and_then(|group| group.pending().get(id)).copied();
    if stream.get(id).is_none() {
        if before.is_some() {
            stream.edit_group(name, |group| group.acknowledge(id));
            gone.push(id);
        }
        return;
    }
    let count = match before {
        Some(before) if now_ms - before.given_ms < options.min_idle_ms => return,
        Some(before) if options.just_id => before.count,
        Some(before) => before.again(),
        None if options.force => 1 + u64::from(!options.just_id),
        None => return,
    };
    let count = options.count.unwrap_or(count);
    let pending = Pending { id, given_ms: options.given_ms, count, consumer };
    stream.edit_group(name, |group| group.give(pending));
    claimed.push(pending);
}

/// What became of pending entries that were looked at.
#[derive(Default)]
struct Taken {
    claimed: Vec<Pending>,
    /// Those that are no longer in the stream.
    gone: Vec<Id>,
    /// The first that was not looked at.
    next: Option<Id>,
}

/// Gives pending entries to whom `f` says, until there are `most`, or ten times as many were looked
/// at.
fn take_over(
    stream: &mut Stream,
    name: &[u8],
    looked: &[Pending],
    most: usize,
    f: impl Fn(&Pending) -> Option<Pending>,
) -> Taken {
    let (mut taken, mut attempts) = (Taken::default(), most.saturating_mul(10));
    for some in looked.chunks(LOOKED_AT_ONCE) {
        let mut walk = InOrder::new(stream);
        let are_there: Vec<bool> = some.iter().map(|it| walk.find(it.id).is_some()).collect();
        let next = stream.edit_group(name, |group| {
            for (pending, is_there) in some.iter().zip(are_there) {
                if attempts == 0 || taken.claimed.len() + taken.gone.len() >= most {
                    return Some(pending.id);
                }
                attempts -= 1;
                if !is_there {
                    group.acknowledge(pending.id);
                    taken.gone.push(pending.id);
                } else if let Some(now) = f(pending) {
                    group.give(now);
                    taken.claimed.push(now);
                }
            }
            None
        });
        taken.next = next.flatten();
        if taken.next.is_some() {
            break;
        }
    }
    taken
}

/// Pending entries that are looked for in the stream before any of them is given.
const LOOKED_AT_ONCE: usize = 256;

/// Entries that were claimed, and those that are gone, as they are replied.
struct Claims {
    /// Both, those that were claimed first.
    ids: Vec<Id>,
    claimed: usize,
    /// How many of them are written.
    at: usize,
    just_id: bool,
}

impl Claims {
    /// Writes until the reply is so long. Returns whether more is left.
    fn write(&mut self, reply: &mut Reply, stream: &Stream, end: usize) -> bool {
        let mut walk = InOrder::new(stream);
        loop {
            if self.at == 0 {
                reply.array(self.claimed);
            }
            if self.at == self.claimed {
                reply.array(self.ids.len() - self.claimed);
            }
            let Some(id) = self.ids.get(self.at) else { return false };
            let with_fields = self.at < self.claimed && !self.just_id;
            match with_fields.then(|| walk.find(*id)).flatten() {
                Some(item) => write_item(reply, &item),
                None => id.with_text(|text| reply.bulk(text)),
            }
            self.at += 1;
            // The last head is yet to come where all are written.
            if reply.len() >= end && self.at < self.ids.len() {
                return true;
            }
        }
    }
}

/// Replies with what was claimed and what is gone: very many come in pieces.
fn reply_claims(call: &mut Call<'_>, key: Key<'_>, slot: Slot, mut claims: Claims) {
    let stream = call.space.stream(key, slot);
    let about = stream.allocated() / stream.len().max(1) as usize * claims.claimed;
    if claims.just_id || !call.reply.takes_rest(about) {
        claims.write(call.reply, stream, usize::MAX);
    } else if let Some(stream) = call.space.freeze(key) {
        call.reply.put_rest(Box::new(RestOfClaims { stream, claims }));
    }
}

struct RestOfClaims {
    stream: Object,
    claims: Claims,
}

impl Rest for RestOfClaims {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let ObjectRef::Stream(stream) = self.stream.view() else { return false };
        let end = reply.len() + bytes;
        self.claims.write(reply, stream, end)
    }

    fn own_bytes(&self) -> usize {
        self.claims.ids.len() * size_of::<Id>()
    }

    fn shed(&mut self) -> bool {
        self.stream.shed()
    }
}

/// XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]
pub static XAUTOCLAIM: DataCommand = declare("xautoclaim", Family::Stream, AtLeast(6))
    .flags(WRITE | FAST | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RW | DELETE)])
    .since("6.2.0")
    .complexity("O(1) if the count is small.")
    .summary("Lets a consumer take over what has been pending for some time.")
    .syntax("key group consumer min-idle-time start [COUNT count] [JUSTID]")
    .run(xautoclaim);

struct AutoClaim {
    min_idle_ms: i64,
    start: Id,
    most: usize,
    just_id: bool,
}

fn parse_auto(call: &Call<'_>) -> Result<AutoClaim, Error> {
    let args = call.args;
    let min_idle_ms = min_idle(call, 4, Error::XAUTOCLAIM_MIN_IDLE)?;
    let start = parse_start(&args[5])?;
    let (mut most, mut just_id) = (100usize, false);
    let mut at = 6;
    while at < args.len() {
        if at + 1 < args.len() && args[at].eq_ignore_ascii_case(b"COUNT") {
            // Ten times as many are looked at.
            let count =
                parse_i64(&args[at + 1]).filter(|count| (1..=i64::MAX / 24).contains(count));
            most = count.ok_or(Error::COUNT_ABOVE_ZERO)? as usize;
            at += 2;
        } else if args[at].eq_ignore_ascii_case(b"JUSTID") {
            just_id = true;
            at += 1;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    Ok(AutoClaim { min_idle_ms, start, most, just_id })
}

fn xautoclaim(call: &mut Call<'_>) -> Result<(), Error> {
    // The key is looked for, and what it is matters only to a request that is right.
    call.space.find_to_read(call.key(0));
    let AutoClaim { min_idle_ms, start, most, just_id } = parse_auto(call)?;
    let (key, name, slot) = find_group(call)?;
    let (consumer, now_ms) = (call.args.at(3), call.now().present().wall_ms);
    let (number, is_new) = see_consumer(call, key, slot, name, consumer);
    let Call { reply, space, .. } = call;
    reply.array(3);
    let Taken { claimed, gone, next } = space.change_stream(key, slot, |stream| {
        let looked: Vec<Pending> = stream
            .group(name)
            .into_iter()
            .flat_map(|group| {
                group.pending().from(start).take(most.saturating_mul(10).saturating_add(1)).copied()
            })
            .collect();
        let taken = take_over(stream, name, &looked, most, |pending| {
            let count = if just_id { pending.count } else { pending.again() };
            let now = Pending { given_ms: now_ms, count, consumer: number, ..*pending };
            (now_ms - pending.given_ms >= min_idle_ms).then_some(now)
        });
        let active = !taken.claimed.is_empty();
        stream.edit_group(name, |group| group.note_consumer(number, now_ms, active));
        (false, taken)
    });
    next.unwrap_or(Id::MIN).with_text(|text| reply.bulk(text));
    let mut ids: Vec<Id> = claimed.iter().map(|pending| pending.id).collect();
    let written = Claims {
        claimed: ids.len(),
        ids: {
            ids.extend(&gone);
            ids
        },
        at: 0,
        just_id,
    };
    reply_claims(call, key, slot, written);
    emit_gone(call, key, name, &gone);
    emit_claims(call, key, name, consumer, &claimed);
    call.space.count_changes(claimed.len() + gone.len() + usize::from(is_new));
    Ok(())
}
