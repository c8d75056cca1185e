//! XNACK: a consumer gives back what it has pending, so that any may have it at once.
//!
//! What was given back stays pending, of nobody and since the beginning of time: whoever claims
//! what has waited longest gets it first. In the effect stream it is an XNACK with the count that
//! each entry got, which makes those pending that are not.

use super::arguments::parse_strict;
use crate::commands::arguments::integer;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::{Group as Family, *};
use crate::storage::value::stream::Stream;
use crate::storage::value::stream::group::{NOBODY, Pending};
use crate::storage::value::stream::id::Id;
use redstart_protocol::{Args, decimal, parse_i64};

/// XNACK key group <SILENT | FAIL | FATAL> IDS numids id [id ...] [RETRYCOUNT count] [FORCE]
pub static XNACK: DataCommand = declare("xnack", Family::Stream, AtLeast(7))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("8.8.0")
    .complexity("O(1) for each entry.")
    .summary("Gives entries back that a consumer has pending: any may claim them at once.")
    .syntax("key group <SILENT | FAIL | FATAL> IDS numids id [id ...] [RETRYCOUNT count] [FORCE]")
    .run(xnack);

/// What becomes of the count of how often an entry was given.
#[derive(Clone, Copy)]
enum Mode {
    /// One less: as if it had not been given.
    Silent,
    /// It stays.
    Fail,
    /// The most there is: nobody is to try again.
    Fatal,
}

impl Mode {
    /// The count of an entry that was given so often; none if it was not pending.
    fn count(self, before: Option<u64>) -> u64 {
        match (self, before) {
            (Mode::Fatal, _) => i64::MAX as u64,
            (Mode::Silent, Some(count)) => count.saturating_sub(1),
            (Mode::Fail, Some(count)) => count,
            (_, None) => 0,
        }
    }
}

struct Asked<'a> {
    mode: Mode,
    ids: Args<'a>,
    count: Option<u64>,
    /// Entries that nobody has pending are made pending, too.
    force: bool,
}

fn parse<'a>(call: &Call<'a>) -> Result<Asked<'a>, Error> {
    let args = call.args;
    let is = |at: usize, name: &[u8]| args[at].eq_ignore_ascii_case(name);
    let mode = match () {
        () if is(3, b"SILENT") => Mode::Silent,
        () if is(3, b"FAIL") => Mode::Fail,
        () if is(3, b"FATAL") => Mode::Fatal,
        () => return Err(Error::XNACK_MODE),
    };
    let (mut ids, mut count, mut force) = (None, None, false);
    let mut at = 4;
    while at < args.len() {
        let more = args.len() - at - 1;
        at += if is(at, b"FORCE") {
            force = true;
            1
        } else if is(at, b"RETRYCOUNT") && more > 0 {
            let given = u64::try_from(integer(call, at + 1)?);
            count = Some(given.map_err(|_| Error::RETRYCOUNT_NEGATIVE)?);
            2
        } else if is(at, b"IDS") && more > 0 && ids.is_none() {
            let announced = parse_i64(&args[at + 1]).filter(|count| *count > 0);
            let announced = announced.ok_or(Error::ID_COUNT)? as usize;
            if announced > more - 1 {
                return Err(Error::ID_COUNT_MISMATCH);
            }
            ids = Some(args.from(at + 2).first(announced));
            2 + announced
        } else {
            return Err(Error::SYNTAX);
        };
    }
    Ok(Asked { mode, ids: ids.ok_or(Error::SYNTAX)?, count, force })
}

fn xnack(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, name) = (call.key(0), call.args.at(2));
    let asked = parse(call)?;
    let slot = call.space.find_stream_to_read(key)?;
    let slot = slot.filter(|slot| call.space.stream(key, *slot).group(name).is_some());
    let slot = slot.ok_or_else(|| Error::no_group_pending(key.bytes, name))?;
    let ids = asked.ids.iter().map(|text| parse_strict(text, 0));
    let ids: Vec<Id> = ids.collect::<Result<_, _>>()?;
    let released = call.space.change_stream(key, slot, |stream| {
        let each = ids.iter().filter_map(|id| release(stream, name, *id, &asked));
        (false, each.collect::<Vec<Pending>>())
    });
    call.reply.integer(released.len() as i64);
    for same in released.chunk_by(|a, b| a.count == b.count) {
        emit(call, key, name, same);
    }
    call.space.count_changes(released.len());
    Ok(())
}

/// Takes an entry from whoever has it. None if nobody has, and it is not to be made pending.
fn release(stream: &mut Stream, name: &[u8], id: Id, asked: &Asked<'_>) -> Option<Pending> {
    let before = stream.group(name)?.pending().get(id).map(|pending| pending.count);
    if before.is_none() && !(asked.force && stream.get(id).is_some()) {
        return None;
    }
    let count = asked.count.unwrap_or(asked.mode.count(before));
    let released = Pending { id, given_ms: 0, count, consumer: NOBODY };
    stream.edit_group(name, |group| group.give(released));
    Some(released)
}

fn emit(call: &mut Call<'_>, key: Key<'_>, name: &[u8], released: &[Pending]) {
    let ids: Vec<Vec<u8>> = released.iter().map(|pending| pending.id.to_text()).collect();
    let (len, count) = (decimal(ids.len() as i64), decimal(released[0].count as i64));
    call.space.emit(|| {
        let head = [&b"XNACK"[..], key.bytes, name, b"FAIL", b"IDS", &len];
        let tail = [&b"RETRYCOUNT"[..], &count, b"FORCE"];
        head.into_iter().chain(ids.iter().map(|id| &id[..])).chain(tail)
    });
}
