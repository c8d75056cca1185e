//! TAG.ADD and its kin: keys that belong together are dropped together, however many they are.
//!
//! What a tag is, is in `storage/tags.rs`; how its keys are freed, in `keyspace/tags.rs`. A value
//! that is overwritten keeps its key's tags; a key that is removed, by whatever, loses them. In the
//! effect stream TAG.ADD and TAG.DROP stand as they are: what a drop takes away follows from what
//! was before it.

use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::tags::TagList;

/// The most tags of a key. Each is asked for by reads, as long as dropped keys are being freed.
const TAGS_MAX: usize = 64;

/// TAG.ADD key tag [tag ...]
pub static TAG_ADD: DataCommand = declare("tag.add", Group::Cache, AtLeast(3))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("0.1.0")
    .complexity("O(N) with N tags.")
    .summary("Gives a key tags, with which it can be dropped, and tells how many were new to it.")
    .syntax("key tag [tag ...]")
    .run(add);

/// TAG.OF key
pub static TAG_OF: DataCommand = declare("tag.of", Group::Cache, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("0.1.0")
    .complexity("O(N) with N tags of the key.")
    .summary("Returns the tags of a key, in the order in which it got them.")
    .syntax("key")
    .run(of);

/// TAG.DROP tag [tag ...]
pub static TAG_DROP: DataCommand = declare("tag.drop", Group::Cache, AtLeast(2))
    .flags(WRITE | FAST | WHOLE_KEYSPACE)
    .keys(&[KeySpec::from(1, 1, RM | DELETE)])
    .since("0.1.0")
    .complexity("O(N) with N tags, however many keys have them.")
    .summary("Removes all keys that have one of the tags, and tells how many tags had any.")
    .syntax("tag [tag ...]")
    .run(drop_tags);

/// TAG.INFO tag
pub static TAG_INFO: DataCommand = declare("tag.info", Group::Cache, Exactly(2))
    .flags(READONLY | FAST | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO)])
    .since("0.1.0")
    .complexity("O(1)")
    .summary("Tells how many keys have a tag, and since which generation.")
    .syntax("tag")
    .run(info);

fn add(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let Some(slot) = call.space.find(key) else {
        call.reply.null();
        return Ok(());
    };
    let mut tags: TagList = call.space.entry(key, slot).tags().into();
    let before = tags.len();
    for name in call.args.from(2).iter() {
        if tags.iter().all(|tag| tag.name() != name) {
            if tags.len() == TAGS_MAX {
                return Err(Error::text(format!("ERR a key has at most {TAGS_MAX} tags")));
            }
            tags.push(call.space.tag(call.space.db, name, key));
        }
    }
    let added = tags.len() - before;
    if added > 0 {
        call.space.set_tags(key, slot, tags);
        call.space.count_changes(added);
        call.emit_as_is();
    }
    call.reply.integer(added as i64);
    Ok(())
}

fn of(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let slot = call.space.find(key);
    let tags: TagList = slot.map_or(&[][..], |slot| call.space.entry(key, slot).tags()).into();
    call.reply.array(tags.len());
    tags.iter().for_each(|tag| call.reply.bulk(tag.name()));
    Ok(())
}

fn drop_tags(call: &mut Call<'_>) -> Result<(), Error> {
    let (db, tags) = (call.space.db, call.space.tags());
    let nth = tags.begin_drop();
    let (mut dropped, mut keys) = (Vec::new(), 0);
    for tag in call.keys() {
        let gone = tags.drop_name(db, (tag.bytes, tag.hash), nth);
        if gone > 0 {
            dropped.push(tag.bytes);
            keys += gone;
        }
    }
    if !dropped.is_empty() {
        call.space.break_watches_of_dropped();
        call.space.count_changes(keys);
        call.space.emit(|| [&b"TAG.DROP"[..]].into_iter().chain(dropped.iter().copied()));
    }
    call.reply.integer(dropped.len() as i64);
    Ok(())
}

fn info(call: &mut Call<'_>) -> Result<(), Error> {
    let (db, tag) = (call.space.db, call.key(0));
    let Some((found, keys)) = call.space.tags().find(db, (tag.bytes, tag.hash)) else {
        call.reply.null();
        return Ok(());
    };
    call.reply.map(2);
    call.reply.bulk(b"keys");
    call.reply.integer(keys as i64);
    call.reply.bulk(b"generation");
    call.reply.integer(found.generation() as i64);
    Ok(())
}
