//! XDEL, XDELEX, XACKDEL: entries go one by one, with or without what groups have pending of them.
//!
//! In the effect stream stands what was removed, and what is pending no more; where what refers to
//! the entries goes, too, what was asked for.

use super::arguments::{parse_references, parse_strict};
use super::claim::emit_gone;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::event_classes::STREAM;
use crate::spec::*;
use crate::storage::value::stream::id::Id;
use crate::storage::value::stream::{References, Stream};
use redstart_protocol::{decimal, parse_i64};

/// XDEL key id [id ...]
pub static XDEL: DataCommand = declare("xdel", Group::Stream, AtLeast(3))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | DELETE)])
    .since("5.0.0")
    .complexity("O(1) for each entry, however long the stream.")
    .summary("Removes entries; what groups have pending of them stays so.")
    .syntax("key id [id ...]")
    .run(xdel);

fn xdel(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let Some(slot) = call.space.find_stream(key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let ids = call.args.from(2).iter().map(|text| parse_strict(text, 0));
    let ids: Vec<Id> = ids.collect::<Result<_, _>>()?;
    let removed = call.space.change_stream(key, slot, |stream| {
        let removed = ids.iter().filter(|id| stream.remove(**id)).count();
        (removed > 0, removed)
    });
    call.reply.integer(removed as i64);
    if removed > 0 {
        call.space.note_event(STREAM, "xdel", key);
        call.emit_as_is();
    }
    call.space.count_changes(removed);
    Ok(())
}

/// XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]
pub static XDELEX: DataCommand = declare("xdelex", Group::Stream, AtLeast(5))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | DELETE)])
    .since("8.2.0")
    .complexity("O(1) for each entry, however long the stream.")
    .summary("Removes entries, and says what becomes of those that groups refer to.")
    .syntax("key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]")
    .run(|call| delete_each(call, 2, None, &mut remove));

/// XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]
pub static XACKDEL: DataCommand = declare("xackdel", Group::Stream, AtLeast(6))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE | DELETE)])
    .since("8.2.0")
    .complexity("O(1) for each entry.")
    .summary("Notes that a consumer is done with entries, and removes them.")
    .syntax("key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]")
    .run(|call| {
        let name = call.args.at(2);
        let mut each = |stream: &mut Stream, id: Id, references: References| {
            if stream.edit_group(name, |group| group.acknowledge(id)) != Some(true) {
                return NONE;
            }
            // That it was pending is enough.
            remove(stream, id, references).max(REMOVED)
        };
        delete_each(call, 3, Some(name), &mut each)
    });

/// The replies about an entry: there is none.
const NONE: i64 = -1;
/// It is removed.
const REMOVED: i64 = 1;
/// A group refers to it: it stays.
const SPARED: i64 = 2;

/// Removes an entry, if that is allowed and it is there.
fn remove(stream: &mut Stream, id: Id, references: References) -> i64 {
    match references {
        References::Spare if stream.is_referred_to(id) => return SPARED,
        References::Remove => stream.forget(id),
        _ => {}
    }
    if stream.remove(id) { REMOVED } else { NONE }
}

/// What is asked for: what becomes of references, and where the ids begin.
#[derive(Clone, Copy)]
struct Asked {
    references: References,
    ids: usize,
    count: usize,
}

/// Reads the options from argument `at` on.
fn parse_ids(call: &Call<'_>, mut at: usize) -> Result<Asked, Error> {
    let args = call.args;
    let (mut references, mut ids) = (None, None);
    while at < args.len() {
        if references.is_none()
            && let Some(found) = parse_references(&args[at])
        {
            references = Some(found);
            at += 1;
        } else if ids.is_none() && args[at].eq_ignore_ascii_case(b"IDS") && at + 1 < args.len() {
            let count = parse_i64(&args[at + 1]).filter(|count| *count > 0);
            let count = count.ok_or(Error::ID_COUNT)? as usize;
            if count > args.len() - at - 2 {
                return Err(Error::ID_COUNT_MISMATCH);
            }
            ids = Some((at + 2, count));
            at += 2 + count;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let (ids, count) = ids.ok_or(Error::SYNTAX)?;
    Ok(Asked { references: references.unwrap_or(References::Keep), ids, count })
}

/// Emits that entries are removed, in words that older servers have if there are any.
fn emit_removed(call: &mut Call<'_>, key: Key<'_>, references: References, ids: &[Id]) {
    if ids.is_empty() || !call.space.listened_to() {
        return;
    }
    let texts: Vec<Vec<u8>> = ids.iter().map(|id| id.to_text()).collect();
    let count = decimal(ids.len() as i64);
    let mut words: Vec<&[u8]> = match references {
        References::Remove => vec![b"XDELEX", key.bytes, b"DELREF", b"IDS", &count],
        _ => vec![b"XDEL", key.bytes],
    };
    words.extend(texts.iter().map(|text| &text[..]));
    call.space.emit(|| words);
}

/// Removes entries one by one, and replies with what became of each. The options begin at
/// argument `at`.
fn delete_each(
    call: &mut Call<'_>,
    at: usize,
    group: Option<&[u8]>,
    each: &mut dyn FnMut(&mut Stream, Id, References) -> i64,
) -> Result<(), Error> {
    let key = call.key(0);
    let slot = match group {
        Some(_) => call.space.find_stream_to_read(key)?,
        None => call.space.find_stream(key)?,
    };
    // That it is no stream is said before what is wrong with the request.
    let Asked { references, ids, count } = parse_ids(call, at)?;
    let slot = slot.filter(|slot| {
        group.is_none_or(|name| call.space.stream(key, *slot).group(name).is_some())
    });
    let Some(slot) = slot else {
        call.reply.array(count);
        (0..count).for_each(|_| call.reply.integer(NONE));
        return Ok(());
    };
    let ids = call.args.from(ids).first(count);
    let ids: Vec<Id> = ids.iter().map(|text| parse_strict(text, 0)).collect::<Result<_, _>>()?;
    let results = call.space.change_stream(key, slot, |stream| {
        let results: Vec<i64> = ids.iter().map(|id| each(stream, *id, references)).collect();
        (results.contains(&REMOVED), results)
    });
    call.reply.array(count);
    results.iter().for_each(|result| call.reply.integer(*result));
    let removed = results.iter().filter(|result| **result == REMOVED).count();
    let changed = results.iter().filter(|result| **result != NONE).count();
    if removed > 0 {
        call.space.note_event(STREAM, "xdel", key);
    }
    let forgot = references == References::Remove && group.is_none();
    if forgot {
        call.emit_as_is();
    } else if changed > 0 {
        let gone = ids.iter().zip(&results).filter(|(_, result)| **result == REMOVED);
        let gone: Vec<Id> = gone.map(|(id, _)| *id).collect();
        if let Some(name) = group {
            let acked = ids.iter().zip(&results).filter(|(_, result)| **result != NONE);
            emit_gone(call, key, name, &acked.map(|(id, _)| *id).collect::<Vec<_>>());
        }
        emit_removed(call, key, references, &gone);
    }
    call.space.count_changes(if group.is_some() { changed } else { removed });
    Ok(())
}
