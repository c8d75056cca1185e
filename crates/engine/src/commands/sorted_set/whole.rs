//! A sorted set as a whole: members drawn at random, a walk over it.

use super::arguments::{write_head, write_member};
use crate::commands::scan::{Filter, parse_cursor};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::sorted_set::SortedSet;
use redstart_protocol::{DOUBLE_TEXT_MAX, format_f64, format_score, parse_i64};
use std::collections::HashMap;

/// ZRANDMEMBER key [count [WITHSCORES]]
pub static ZRANDMEMBER: DataCommand = declare("zrandmember", Group::SortedSet, AtLeast(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("6.2.0")
    .complexity("O(N) with N members returned.")
    .summary("Returns members of a sorted set, drawn at random.")
    .syntax("key [count [WITHSCORES]]")
    .run(random);

fn random(call: &mut Call<'_>) -> Result<(), Error> {
    let (count, with_scores) = match call.args.len() {
        2 => (None, false),
        _ => random_options(call)?,
    };
    let seed = call.space.random().u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let key = call.key(0);
    let Some(set) = call.space.read_sorted_set(key)? else {
        match count {
            None => call.reply.null(),
            Some(_) => call.reply.array(0),
        }
        return Ok(());
    };
    let (reply, len) = (&mut *call.reply, set.len());
    match count {
        None => {
            if let Some((member, _)) = set.iter(random.usize(..len)).next() {
                reply.bulk(member);
            }
        }
        Some(0) => reply.array(0),
        Some(count @ ..0) => {
            let most = call.options.string_bytes_max() as usize;
            let (mark, start) = (reply.mark(), reply.len());
            write_head(reply, count.unsigned_abs() as usize, with_scores);
            for _ in 0..count.unsigned_abs() {
                if let Some((member, score)) = set.iter(random.usize(..len)).next() {
                    write_member(reply, member, score, with_scores);
                }
                if reply.len() - start > most {
                    reply.rewind(mark);
                    return Err(Error::OUT_OF_RANGE);
                }
            }
        }
        Some(count) if count as u64 >= len as u64 => {
            // All of them come in an order, which is Redis's.
            write_head(reply, len, with_scores);
            set.iter_back(len - 1).for_each(|(member, score)| {
                write_member(reply, member, score, with_scores);
            });
        }
        Some(count) => {
            write_head(reply, count as usize, with_scores);
            draw_distinct(set, count as usize, &mut random, |member, score| {
                write_member(reply, member, score, with_scores);
            });
        }
    }
    Ok(())
}

/// The count, and whether scores are wanted too.
fn random_options(call: &Call<'_>) -> Result<(Option<i64>, bool), Error> {
    let count = parse_i64(call.args.at(2)).ok_or(Error::NOT_INTEGER)?;
    if count == i64::MIN {
        return Err(Error::NOT_NEGATABLE);
    }
    match call.args.get(3) {
        None => Ok((Some(count), false)),
        Some(word) if call.args.len() == 4 && word.eq_ignore_ascii_case(b"WITHSCORES") => {
            if count.unsigned_abs() > i64::MAX as u64 / 2 {
                return Err(Error::OUT_OF_RANGE);
            }
            Ok((Some(count), true))
        }
        Some(_) => Err(Error::SYNTAX),
    }
}

/// Draws `count` members, fewer than there are, none of them twice. A few are drawn by their ranks,
/// in the first steps of a shuffle of all ranks of which only what moved is noted; of many each is
/// passed in order, and taken with the chance that is left.
fn draw_distinct<'s>(
    set: &'s SortedSet,
    count: usize,
    random: &mut fastrand::Rng,
    mut f: impl FnMut(&'s [u8], f64),
) {
    let len = set.len();
    if count * 3 > len {
        let mut left = count;
        for (passed, (member, score)) in set.iter(0).enumerate() {
            if random.usize(..len - passed) < left {
                f(member, score);
                left -= 1;
            }
        }
        return;
    }
    let mut moved: HashMap<usize, usize> = HashMap::with_capacity(2 * count);
    for place in 0..count {
        let drawn = random.usize(place..len);
        let rank = moved.get(&drawn).copied().unwrap_or(drawn);
        let here = moved.get(&place).copied().unwrap_or(place);
        moved.insert(drawn, here);
        if let Some((member, score)) = set.iter(rank).next() {
            f(member, score);
        }
    }
}

/// ZSCAN key cursor [MATCH pattern] [COUNT count] [NOSCORES]
pub static ZSCAN: DataCommand = declare("zscan", Group::SortedSet, AtLeast(3))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.8.0")
    .complexity("O(1) a call, O(N) for a whole scan over N members.")
    .summary("Walks over the members of a sorted set, some of them in each call.")
    .syntax("key cursor [MATCH pattern] [COUNT count] [NOSCORES]")
    .run(scan);

fn scan(call: &mut Call<'_>) -> Result<(), Error> {
    let cursor = parse_cursor(call.args.at(2)).ok_or(Error::INVALID_CURSOR)?;
    let (key, args, hasher) = (call.key(0), call.args, call.space.hasher());
    let Some(set) = call.space.read_sorted_set(key)? else {
        call.reply.array(2);
        call.reply.bulk(b"0");
        call.reply.array(0);
        return Ok(());
    };
    let (mut count, mut filter, mut with_scores) = (10, Filter::default(), true);
    let mut at = 3;
    while let Some(word) = args.get(at) {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        match args.get(at + 1) {
            Some(value) if is(b"COUNT") => {
                count = parse_i64(value).ok_or(Error::NOT_INTEGER)?;
                if count < 1 {
                    return Err(Error::SYNTAX);
                }
                at += 1;
            }
            Some(value) if is(b"MATCH") => {
                filter = Filter::new(value);
                at += 1;
            }
            _ if is(b"NOSCORES") => with_scores = false,
            _ if is(b"NOVALUES") => return Err(Error::NOVALUES),
            _ => return Err(Error::SYNTAX),
        }
        at += 1;
    }
    let mut found = Vec::new();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let next = set.scan(cursor, count, hasher, |member, score| {
        if filter.passes(member) {
            found.push((member, score));
        }
    });
    // Redis's two encodings show scores in two ways here.
    let format = if set.is_packed() { format_score } else { format_f64 };
    call.reply.array(2);
    call.reply.bulk(next.to_string().as_bytes());
    call.reply.array(found.len() * if with_scores { 2 } else { 1 });
    for (member, score) in found {
        call.reply.bulk(member);
        if with_scores {
            call.reply.bulk(format(score, &mut [0; DOUBLE_TEXT_MAX]).as_bytes());
        }
    }
    Ok(())
}
