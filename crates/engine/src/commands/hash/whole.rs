//! A hash as a whole: all of its fields, some of them drawn, a walk over it.

use super::rest::{Left, Part, put_rest};
use crate::commands::scan::{Filter, parse_count, parse_cursor};
use crate::commands::{Lottery, drawn_bytes_max};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use redstart_protocol::parse_i64;

/// HGETALL key
pub static HGETALL: DataCommand = declare("hgetall", Group::Hash, Exactly(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.0.0")
    .complexity("O(N) with N fields in the hash.")
    .summary("Returns all fields of a hash with their values.")
    .syntax("key")
    .run(|call| list(call, Part::Both));

/// HKEYS key
pub static HKEYS: DataCommand = declare("hkeys", Group::Hash, Exactly(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.0.0")
    .complexity("O(N) with N fields in the hash.")
    .summary("Returns all fields of a hash.")
    .syntax("key")
    .run(|call| list(call, Part::Field));

/// HVALS key
pub static HVALS: DataCommand = declare("hvals", Group::Hash, Exactly(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.0.0")
    .complexity("O(N) with N fields in the hash.")
    .summary("Returns the values of all fields of a hash.")
    .syntax("key")
    .run(|call| list(call, Part::Value));

fn list(call: &mut Call<'_>, part: Part) -> Result<(), Error> {
    let key = call.key(0);
    let hash = call.space.read_hash(key)?;
    let len = hash.map_or(0, |hash| hash.len());
    match part {
        Part::Both => call.reply.map(len),
        _ => call.reply.array(len),
    }
    let bytes = hash.map_or(0, |hash| hash.allocated());
    if call.reply.takes_rest(bytes) {
        put_rest(call, key, part, Left::Scan(0));
        return Ok(());
    }
    if let Some(hash) = hash {
        hash.for_each(|field, value| part.write(call.reply, field, value));
    }
    Ok(())
}

/// HRANDFIELD key [count [WITHVALUES]]
pub static HRANDFIELD: DataCommand = declare("hrandfield", Group::Hash, AtLeast(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("6.2.0")
    .complexity("O(N) with N fields returned.")
    .summary("Returns fields of a hash, drawn at random.")
    .syntax("key [count [WITHVALUES]]")
    .run(random);

fn random(call: &mut Call<'_>) -> Result<(), Error> {
    let (count, with_values) = match call.args.len() {
        2 => (None, false),
        _ => random_options(call)?,
    };
    let seed = call.space.random().u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let key = call.key(0);
    let Some(hash) = call.space.read_hash(key)? else {
        match count {
            None => call.reply.null(),
            Some(_) => call.reply.array(0),
        }
        return Ok(());
    };
    let (reply, len) = (&mut *call.reply, hash.len());
    let part = Part::drawn(with_values, reply.protocol());
    let field_bytes = hash.allocated() / len.max(1) + 1;
    match count {
        None => hash.draw(1, &mut random, |field, _| {
            reply.bulk(field);
            true
        }),
        Some(0) => reply.array(0),
        Some(count @ ..0) => {
            let (mark, start, most) = (reply.mark(), reply.len(), drawn_bytes_max(call.options));
            let (mut fits, count) = (true, count.unsigned_abs());
            part.write_head(reply, count as usize);
            let bytes = field_bytes.saturating_mul(count as usize);
            if reply.takes_rest(bytes) && bytes as u64 <= call.options.string_bytes_max() {
                put_rest(call, key, part, Left::Draw(count, random));
                return Ok(());
            }
            hash.draw(count, &mut random, |field, value| {
                part.write(reply, field, value);
                fits = reply.len() - start <= most;
                fits
            });
            if !fits {
                reply.rewind(mark);
                return Err(Error::OUT_OF_RANGE);
            }
        }
        Some(count) if count as u64 >= len as u64 => {
            part.write_head(reply, len);
            if reply.takes_rest(hash.allocated()) {
                put_rest(call, key, part, Left::Scan(0));
                return Ok(());
            }
            hash.for_each(|field, value| part.write(reply, field, value));
        }
        Some(count) => {
            let count = count as usize;
            part.write_head(reply, count);
            if reply.takes_rest(field_bytes * count)
                && let Some(lottery) = Lottery::of_many(count, len, &random)
            {
                put_rest(call, key, part, Left::Some(0, lottery));
                return Ok(());
            }
            hash.draw_distinct(count, &mut random, |field, value| {
                part.write(reply, field, value);
            });
        }
    }
    Ok(())
}

/// The count, and whether values are wanted too.
fn random_options(call: &Call<'_>) -> Result<(Option<i64>, bool), Error> {
    let count = parse_i64(call.args.at(2)).ok_or(Error::NOT_INTEGER)?;
    if count == i64::MIN {
        return Err(Error::NOT_NEGATABLE);
    }
    match call.args.get(3) {
        None => Ok((Some(count), false)),
        Some(word) if call.args.len() == 4 && word.eq_ignore_ascii_case(b"WITHVALUES") => {
            if count.unsigned_abs() > i64::MAX as u64 / 2 {
                return Err(Error::OUT_OF_RANGE);
            }
            Ok((Some(count), true))
        }
        Some(_) => Err(Error::SYNTAX),
    }
}

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]
pub static HSCAN: DataCommand = declare("hscan", Group::Hash, AtLeast(3))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.8.0")
    .complexity("O(1) a call, O(N) for a whole scan over N fields.")
    .summary("Walks over the fields of a hash, some of them in each call.")
    .syntax("key cursor [MATCH pattern] [COUNT count] [NOVALUES]")
    .run(scan);

fn scan(call: &mut Call<'_>) -> Result<(), Error> {
    let cursor = parse_cursor(call.args.at(2)).ok_or(Error::INVALID_CURSOR)?;
    let (key, args, hasher) = (call.key(0), call.args, call.space.hasher());
    let Some(hash) = call.space.read_hash(key)? else {
        call.reply.array(2);
        call.reply.bulk(b"0");
        call.reply.array(0);
        return Ok(());
    };
    let (mut count, mut filter, mut part) = (10, Filter::default(), Part::Both);
    let mut at = 3;
    while let Some(word) = args.get(at) {
        let value = args.get(at + 1);
        at += 2;
        if let Some(value) = value
            && word.eq_ignore_ascii_case(b"COUNT")
        {
            count = parse_count(value)?;
        } else if let Some(value) = value
            && word.eq_ignore_ascii_case(b"MATCH")
        {
            filter = Filter::new(value);
        } else if word.eq_ignore_ascii_case(b"NOVALUES") {
            part = Part::Field;
            at -= 1;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let mut found = Vec::new();
    let next = hash.scan(cursor, count, hasher, |field, value| {
        if filter.passes(field) {
            found.push((field, value));
        }
    });
    filter.check()?;
    call.reply.array(2);
    call.reply.bulk(next.to_string().as_bytes());
    call.reply.array(found.len() * if part == Part::Both { 2 } else { 1 });
    for (field, value) in found {
        part.write(call.reply, field, value);
    }
    Ok(())
}
