//! DUMP and RESTORE: the two commands on keys whose values are bytes as in Redis's files.

use crate::rdb::payload::{self, Refused};
use crate::rdb::{Compression, Loaded, Version};
use crate::record::Builder;
use redstart_engine::spec::*;
use redstart_engine::storage::entry::NewValue;
use redstart_engine::{Call, DataCommand, Error};
use redstart_protocol::parse_i64;

/// The commands of this file.
pub static COMMANDS: &[&DataCommand] = &[&DUMP, &RESTORE];

/// DUMP key
pub static DUMP: DataCommand = declare("dump", Group::Generic, Exactly(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.6.0")
    .complexity("O(N) with N elements of the value and their lengths.")
    .summary("Gives a key's value as bytes for RESTORE, here or in a Redis.")
    .syntax("key")
    .run(dump);

fn dump(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, now) = (call.key(0), call.now());
    let version = Version::written(call.options.rdb_version()).unwrap_or(Version::COMMON);
    let compression = match call.options.compresses() {
        true => Compression::Lzf,
        false => Compression::None,
    };
    let dumped = call.space.read(key).map(|entry| payload::dump(entry, now, version, compression));
    match dumped {
        Some(payload) => call.reply.bulk(&payload),
        None => call.reply.null(),
    }
    Ok(())
}

/// RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
pub static RESTORE: DataCommand = declare("restore", Group::Generic, AtLeast(4))
    .flags(WRITE | DENYOOM | DANGEROUS)
    .keys(&[KeySpec::at(1, OW | UPDATE)])
    .since("2.6.0")
    .complexity("O(N) with N elements of the value and their lengths.")
    .summary("Makes a key of what DUMP gave; a time to live of zero is none.")
    .syntax("key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]")
    .run(restore);

/// The options of RESTORE.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_s: Option<i64>,
    frequency: Option<i64>,
}

fn options(call: &Call<'_>) -> Result<Options, Error> {
    let mut options = Options::default();
    let mut at = 4;
    while let Some(word) = call.args.get(at) {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let number = || call.args.get(at + 1).map(|text| parse_i64(text).ok_or(Error::NOT_INTEGER));
        if is("replace") {
            options.replace = true;
        } else if is("absttl") {
            options.absolute = true;
        } else if let (true, None, Some(number)) = (is("idletime"), options.frequency, number()) {
            options.idle_s = Some(number?);
            if options.idle_s < Some(0) {
                return Err(Error::IDLETIME_NEGATIVE);
            }
            at += 1;
        } else if let (true, None, Some(number)) = (is("freq"), options.idle_s, number()) {
            let frequency = number?;
            if !(0..=255).contains(&frequency) {
                return Err(Error::FREQUENCY_RANGE);
            }
            options.frequency = Some(frequency);
            at += 1;
        } else {
            return Err(Error::SYNTAX);
        }
        at += 1;
    }
    Ok(options)
}

fn restore(call: &mut Call<'_>) -> Result<(), Error> {
    let options = options(call)?;
    let (key, now) = (call.key(0), call.now());
    if !options.replace && call.space.find(key).is_some() {
        return Err(Error::BUSY_KEY);
    }
    let ttl_ms = parse_i64(call.args.at(2)).ok_or(Error::NOT_INTEGER)?;
    if ttl_ms < 0 {
        return Err(Error::RESTORE_TTL_NEGATIVE);
    }
    let builder = Builder { options: call.options, hasher: call.space.hasher(), now };
    let payload = call.args.at(3);
    let value = payload::restore(payload, builder).map_err(|refused| match refused {
        Refused::Footer => Error::PAYLOAD_FOOTER,
        Refused::Body | Refused::NoFunction => Error::PAYLOAD_BODY,
    })?;
    let at_ms = match (ttl_ms, options.absolute) {
        (0, _) => None,
        (_, true) => Some(ttl_ms),
        // A moment beyond every clock counts as passed, as it does in Redis.
        (_, false) => Some(now.present().wall_ms.checked_add(ttl_ms).unwrap_or(i64::MIN)),
    };
    if at_ms.is_some_and(|at_ms| now.has_come(at_ms)) {
        if let Loaded::Object(object) = value {
            call.space.discard(NewValue::Object(object));
        }
        if let Some(slot) = call.space.find(key) {
            call.space.remove(key, slot);
            call.space.emit(|| [&b"DEL"[..], key.bytes]);
        }
        call.reply.ok();
        return Ok(());
    }
    let mut entry = value.into_entry(key.bytes, at_ms.map_or(0, |at_ms| now.deadline(at_ms)));
    let idle_s = options.idle_s.map(|idle_s| u32::try_from(idle_s).unwrap_or(u32::MAX));
    let frequency = options.frequency.map(|frequency| frequency as u8);
    entry.touch(call.options.aging().known(idle_s, frequency, now));
    let (old, new) = (call.space.kind_of(key), entry.kind());
    let common = match call.space.listened_to() {
        true => payload::in_common(payload, &entry, now),
        false => None,
    };
    let timed = common.as_ref().map_or_else(Vec::new, |_| payload::timed_fields(&entry, now));
    call.space.place(key, entry);
    call.space.count_changes(1);
    let at_ms = at_ms.unwrap_or(0).to_string();
    let payload = common.as_deref().unwrap_or(payload);
    let words: [&[u8]; 6] =
        [b"RESTORE", key.bytes, at_ms.as_bytes(), payload, b"REPLACE", b"ABSTTL"];
    call.space.emit(|| words);
    for (field, at_ms) in timed {
        let at_ms = at_ms.to_string();
        let words: [&[u8]; 6] =
            [b"HPEXPIREAT", key.bytes, at_ms.as_bytes(), b"FIELDS", b"1", &field];
        call.space.emit_unseen(|| words);
    }
    if let Some(old) = old {
        call.space.note_overwritten(key, old, new);
    }
    call.reply.ok();
    Ok(())
}
