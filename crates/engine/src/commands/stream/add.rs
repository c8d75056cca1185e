//! XADD, XTRIM, XSETID, XCFGSET: what changes a stream as a whole.
//!
//! In the effect stream an entry's id is the one that it got, and what was trimmed is an XTRIM to
//! the length that was left, so that blocks of other sizes give the same.

use super::arguments::{TrimOptions, parse_strict, references_word};
use crate::commands::arguments::integer;
use crate::error::Error;
use crate::options::StreamKeep;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::event_classes::STREAM;
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::stream::id::Id;
use crate::storage::value::stream::{References, Stream, Trim};
use redstart_protocol::decimal;
use std::hash::{Hash, Hasher};

/// The most bytes of an entry's texts.
const ENTRY_BYTES_MAX: usize = 1 << 30;

/// XADD key [options] <* | id> field value [field value ...]
pub static XADD: DataCommand = declare("xadd", Group::Stream, AtLeast(5))
    .flags(WRITE | DENYOOM | FAST | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("5.0.0")
    .complexity("O(1) to add an entry, and O(N) for N entries that are trimmed.")
    .summary("Adds an entry at the end of a stream, which may be new.")
    .syntax(
        "key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [IDMPAUTO pid | IDMP pid iid] \
         [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value \
         [field value ...]",
    )
    .run(xadd);

/// What names a message of a producer, so that it is added once.
enum Once {
    /// A name of its own; where it is among the arguments.
    Named(usize),
    /// Its fields and values.
    Content,
}

/// The options of XADD.
struct AddOptions {
    must_exist: bool,
    trim: Option<Trim>,
    /// The producer's place among the arguments, and what names its message.
    once: Option<(usize, Once)>,
    id: AskedId,
    /// Where the fields begin.
    fields: usize,
}

/// The id that a client asks for.
#[derive(Clone, Copy)]
enum AskedId {
    /// Any.
    Auto,
    /// Any of this millisecond.
    Ms(u64),
    /// This one.
    Exact(Id),
}

fn parse_asked(text: &[u8]) -> Result<AskedId, Error> {
    match text.strip_suffix(b"-*") {
        Some(ms) => parse_strict(ms, 0).map(|id| AskedId::Ms(id.ms)),
        None => parse_strict(text, 0).map(AskedId::Exact),
    }
}

impl AddOptions {
    #[inline]
    fn parse(call: &Call<'_>) -> Result<AddOptions, Error> {
        let args = call.args;
        let (mut must_exist, mut once, mut trim) = (false, None, TrimOptions::default());
        let mut at = 2;
        let mut trims = false;
        let id = loop {
            let Some(word) = args.get(at) else {
                // What does not go together is said before what is missing.
                trim.finish(call, None)?;
                return Err(Error::wrong_arity("xadd"));
            };
            if word == b"*" {
                break AskedId::Auto;
            }
            let more = args.len() - at - 1;
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if word.first().is_some_and(u8::is_ascii_digit) {
                break parse_asked(word)?;
            } else if is(b"NOMKSTREAM") {
                must_exist = true;
                at += 1;
            } else if (is(b"IDMP") && more >= 2) || (is(b"IDMPAUTO") && more >= 1) {
                let named = is(b"IDMP");
                if once.is_some() {
                    return Err(Error::IDMP_TWICE);
                }
                if args[at + 1].is_empty() {
                    let error =
                        if named { Error::IDMP_NO_PRODUCER } else { Error::AUTO_NO_PRODUCER };
                    return Err(error);
                }
                if named && args[at + 2].is_empty() {
                    return Err(Error::IDMP_NO_MESSAGE);
                }
                once = Some((at + 1, if named { Once::Named(at + 2) } else { Once::Content }));
                at += if named { 3 } else { 2 };
            } else {
                match trim.read(call, at)? {
                    0 => break parse_asked(word)?,
                    taken => at += taken,
                }
                trims = true;
            }
        };
        let fields = at + 1;
        if once.is_some() && !matches!(id, AskedId::Auto) {
            return Err(Error::IDMP_WITH_ID);
        }
        let trim = if trims { trim.finish(call, None)? } else { None };
        if args.len() < fields + 2 || !(args.len() - fields).is_multiple_of(2) {
            return Err(Error::wrong_arity("xadd"));
        }
        if matches!(id, AskedId::Exact(Id::MIN)) {
            return Err(Error::XADD_ZERO_ID);
        }
        Ok(AddOptions { must_exist, trim, once, id, fields })
    }
}

/// The id of an entry that is added behind `last`.
fn next_id(asked: AskedId, last: Id, now_ms: u64) -> Result<Id, Error> {
    if last == Id::MAX {
        return Err(Error::STREAM_EXHAUSTED);
    }
    let id = match asked {
        AskedId::Auto if now_ms > last.ms => Some(Id::new(now_ms, 0)),
        AskedId::Auto => last.next(),
        AskedId::Ms(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| Id { ms, seq }),
        AskedId::Ms(ms) => Some(Id::new(ms, 0)),
        AskedId::Exact(id) => Some(id),
    };
    id.filter(|id| *id > last).ok_or(Error::XADD_SMALL_ID)
}

fn xadd(call: &mut Call<'_>) -> Result<(), Error> {
    let options = AddOptions::parse(call)?;
    let key = call.key(0);
    let slot = call.space.find_stream(key)?;
    if slot.is_none() && options.must_exist {
        call.reply.null();
        return Ok(());
    }
    let texts = call.args.from(options.fields).iter();
    let bytes: usize = texts.clone().map(<[u8]>::len).sum();
    let now_ms = call.now().present().wall_ms.max(0) as u64;
    let message = options.once.as_ref().map(|(producer, once)| {
        let message = match once {
            Once::Named(at) => call.args[*at].to_vec(),
            Once::Content => digest(texts.clone()),
        };
        (call.args.at(*producer), message)
    });
    if let (Some(slot), Some((producer, message))) = (slot, &message)
        && let Some(id) = seen_before(call, key, slot, producer, message, now_ms)
    {
        id.with_text(|text| call.reply.bulk(text));
        call.space.count_changes(1);
        return Ok(());
    }
    let last = slot.map_or(Id::MIN, |slot| call.space.stream(key, slot).last_id());
    let id = next_id(options.id, last, now_ms)?;
    if bytes > ENTRY_BYTES_MAX {
        return Err(Error::ENTRY_TOO_LARGE);
    }
    let (limits, keep) = (call.options.stream_limits(), call.options.stream_keep());
    let add = |stream: &mut Stream| {
        stream.add(id, texts.clone(), limits);
        if let Some((producer, message)) = &message {
            let known = stream.idempotence_mut(keep);
            known.add(producer, message, id);
            known.added += 1;
        }
        let trimmed = options.trim.map(|trim| (stream.trim(trim), stream.len()));
        (true, trimmed)
    };
    let trimmed = match slot {
        Some(slot) => {
            call.space.note_grown(key);
            call.space.change_stream(key, slot, add)
        }
        None => {
            let mut stream = Stream::default();
            let (_, trimmed) = add(&mut stream);
            call.space.put_stream(key, stream);
            trimmed
        }
    };
    call.space.note_event(STREAM, "xadd", key);
    id.with_text(|text| call.reply.bulk(text));
    if call.space.listened_to() {
        let text = id.to_text();
        let mut args = vec![&b"XADD"[..], key.bytes, &text];
        args.extend(texts.clone().map(|text| -> &[u8] { text }));
        call.space.emit(|| args);
        if let Some((producer, message)) = &message {
            call.space.emit(|| [b"XIDMPRECORD", key.bytes, producer, message, &text]);
        }
    }
    if let (Some(((removed, rest), left)), Some(trim)) = (trimmed, options.trim) {
        finish_trim(call, key, trim.references, (removed, rest), left);
    }
    Ok(())
}

/// The name of a message that is its content.
fn digest<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut sums = [1u64, 2].map(|seed| {
        let mut hasher = siphasher::sip::SipHasher13::new_with_keys(seed, seed);
        seed.hash(&mut hasher);
        hasher
    });
    for text in texts {
        sums.iter_mut().for_each(|sum| text.hash(sum));
    }
    sums.iter().flat_map(|sum| sum.finish().to_le_bytes()).collect()
}

/// The entry of a message that its producer has sent before, which is counted.
fn seen_before(
    call: &mut Call<'_>,
    key: Key<'_>,
    slot: Slot,
    producer: &[u8],
    message: &[u8],
    now_ms: u64,
) -> Option<Id> {
    let keep = call.options.stream_keep();
    call.space.change_stream(key, slot, |stream| {
        let known = stream.idempotence_mut(keep);
        known.expire(now_ms);
        let found = known.find(producer, message);
        known.again += u64::from(found.is_some());
        (false, found)
    })
}

/// Drops and logs what was trimmed, if anything was.
fn finish_trim(
    call: &mut Call<'_>,
    key: Key<'_>,
    references: References,
    (removed, rest): (u64, Option<Stream>),
    left: u64,
) {
    if let Some(rest) = rest {
        call.space.discard_stream(rest);
    }
    if removed > 0 {
        call.space.note_event(STREAM, "xtrim", key);
        let left = decimal(left as i64);
        let word = Some(references_word(references)).filter(|_| references != References::Keep);
        let args = [&b"XTRIM"[..], key.bytes, b"MAXLEN", b"=", &left];
        call.space.emit(|| args.into_iter().chain(word));
    }
}

/// XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED]
pub static XTRIM: DataCommand = declare("xtrim", Group::Stream, AtLeast(4))
    .flags(WRITE | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RW | DELETE)])
    .since("5.0.0")
    .complexity("O(N) with N entries that are removed.")
    .summary("Removes the oldest entries of a stream.")
    .syntax("key <MAXLEN | MINID> [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED]")
    .run(xtrim);

fn xtrim(call: &mut Call<'_>) -> Result<(), Error> {
    let mut options = TrimOptions::default();
    let mut at = 2;
    while at < call.args.len() {
        match options.read(call, at)? {
            0 => return Err(Error::SYNTAX),
            taken => at += taken,
        }
    }
    let trim = options.finish(call, Some(Error::XTRIM_UNBOUND))?.ok_or(Error::SYNTAX)?;
    let key = call.key(0);
    let Some(slot) = call.space.find_stream(key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let (trimmed, left) = call.space.change_stream(key, slot, |stream| {
        let trimmed = stream.trim(trim);
        (trimmed.0 > 0, (trimmed, stream.len()))
    });
    let removed = trimmed.0;
    call.reply.integer(removed as i64);
    finish_trim(call, key, trim.references, trimmed, left);
    call.space.count_changes(removed as usize);
    Ok(())
}

/// XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]
pub static XSETID: DataCommand = declare("xsetid", Group::Stream, AtLeast(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("5.0.0")
    .complexity("O(1)")
    .summary("Sets what a stream knows of its entries as a whole, such as the last id.")
    .syntax("key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]")
    .run(xsetid);

fn xsetid(call: &mut Call<'_>) -> Result<(), Error> {
    let last = parse_strict(&call.args[2], 0)?;
    let (mut added, mut max_deleted) = (None, None);
    let mut at = 3;
    while at < call.args.len() {
        let more = call.args.len() - at - 1;
        let is = |name: &[u8]| call.args[at].eq_ignore_ascii_case(name);
        if more > 0 && is(b"ENTRIESADDED") {
            let count = integer(call, at + 1)?;
            added = Some(u64::try_from(count).map_err(|_| Error::ENTRIES_ADDED)?);
        } else if more > 0 && is(b"MAXDELETEDID") {
            let id = parse_strict(&call.args[at + 1], 0)?;
            if last < id {
                return Err(Error::XSETID_BELOW_DELETED);
            }
            max_deleted = Some(id);
        } else {
            return Err(Error::SYNTAX);
        }
        at += 2;
    }
    let key = call.key(0);
    let slot = call.space.find_stream(key)?.ok_or(Error::NO_SUCH_KEY)?;
    let stream = call.space.stream(key, slot);
    if last < stream.max_deleted_id() {
        return Err(Error::XSETID_BELOW_OWN_DELETED);
    }
    let top = stream.back_from(Id::MAX).next().map(|item| item.id);
    if top.is_some_and(|top| last < top) {
        return Err(Error::XSETID_BELOW_TOP);
    }
    if added.is_some_and(|added| added < stream.len()) {
        return Err(Error::XSETID_FEW_ADDED);
    }
    let added = added.unwrap_or(stream.added());
    let max_deleted = max_deleted.filter(|id| *id != Id::MIN).unwrap_or(stream.max_deleted_id());
    call.space.change_stream(key, slot, |stream| {
        stream.set_counters(last, added, max_deleted);
        (false, ())
    });
    call.reply.ok();
    call.space.note_event(STREAM, "xsetid", key);
    call.emit_as_is();
    call.space.count_changes(1);
    Ok(())
}

/// XCFGSET key [IDMP-DURATION duration] [IDMP-MAXSIZE maxsize]
pub static XCFGSET: DataCommand = declare("xcfgset", Group::Stream, AtLeast(2))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("8.6.0")
    .complexity("O(N) with N messages that are forgotten.")
    .summary("Sets for how long, and how many, messages of each producer a stream remembers.")
    .syntax("key [IDMP-DURATION duration] [IDMP-MAXSIZE maxsize]")
    .run(xcfgset);

fn xcfgset(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, keep) = (call.key(0), call.options.stream_keep());
    let slot = call.space.find_stream(key)?.ok_or(Error::NO_SUCH_KEY)?;
    let (mut duration_s, mut most) = (None, None);
    let mut at = 2;
    while at < call.args.len() {
        let more = call.args.len() - at - 1;
        let is = |name: &[u8]| call.args[at].eq_ignore_ascii_case(name);
        let value = |from: i64, to: i64, error: Error| {
            let value = integer(call, at + 1)?;
            if (from..=to).contains(&value) { Ok(Some(value as u64)) } else { Err(error) }
        };
        if more > 0 && is(b"IDMP-DURATION") {
            duration_s = value(1, 86_400, Error::IDMP_DURATION)?;
        } else if more > 0 && is(b"IDMP-MAXSIZE") {
            most = value(1, 10_000, Error::IDMP_MAXSIZE)?;
        } else {
            return Err(Error::SYNTAX);
        }
        at += 2;
    }
    if duration_s.is_none() && most.is_none() {
        return Err(Error::XCFGSET_NOTHING);
    }
    let changed = call.space.change_stream(key, slot, |stream| {
        let known = stream.idempotence_mut(keep);
        let before = known.keep();
        let duration_s = duration_s.unwrap_or(before.duration_s);
        known.set_keep(StreamKeep { duration_s, most: most.unwrap_or(before.most) });
        (false, known.keep() != before)
    });
    call.reply.ok();
    if changed {
        call.emit_as_is();
    }
    call.space.count_changes(changed.into());
    Ok(())
}

/// XIDMPRECORD key pid iid stream-id
pub static XIDMPRECORD: DataCommand = declare("xidmprecord", Group::Stream, Exactly(5))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("8.6.2")
    .complexity("O(1)")
    .summary("Remembers that an entry is a message of a producer; the log has it behind XADD.")
    .syntax("key pid iid stream-id")
    .run(xidmprecord);

fn xidmprecord(call: &mut Call<'_>) -> Result<(), Error> {
    let id = parse_strict(&call.args[4], 0)?;
    let (producer, message) = (call.args.at(2), call.args.at(3));
    if producer.is_empty() {
        return Err(Error::PRODUCER_EMPTY);
    }
    if message.is_empty() {
        return Err(Error::MESSAGE_EMPTY);
    }
    let (key, keep) = (call.key(0), call.options.stream_keep());
    let slot = call.space.find_stream(key)?.ok_or(Error::NO_SUCH_KEY)?;
    let stream = call.space.stream(key, slot);
    if stream.get(id).is_none() {
        return Err(Error::NO_SUCH_MESSAGE);
    }
    let known = stream.idempotence().and_then(|known| known.find(producer, message));
    if known.is_some_and(|known| known != id) {
        return Err(Error::MESSAGE_OF_OTHER_ID);
    }
    call.space.change_stream(key, slot, |stream| {
        let known = stream.idempotence_mut(keep);
        if known.find(producer, message).is_none() {
            known.add(producer, message, id);
            known.added += 1;
        }
        (false, ())
    });
    call.reply.ok();
    call.emit_as_is();
    call.space.count_changes(1);
    Ok(())
}
