//! A sorted set as a whole: members drawn at random, a walk over it.

use super::arguments::{write_head, write_member};
use super::rest::{Form, Row};
use crate::commands::scan::{Filter, parse_count, parse_cursor};
use crate::commands::{Lottery, drawn_bytes_max};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::sorted_set::SortedSet;
use redstart_protocol::{DOUBLE_TEXT_MAX, Reply, Rest, format_f64, format_score, parse_i64};
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
    let member_bytes = set.allocated() / len.max(1) + 1;
    match count {
        None => {
            if let Some((member, _)) = set.iter(random.usize(..len)).next() {
                reply.bulk(member);
            }
        }
        Some(0) => reply.array(0),
        Some(count @ ..0) => {
            let (mark, start, most) = (reply.mark(), reply.len(), drawn_bytes_max(call.options));
            write_head(reply, count.unsigned_abs() as usize, with_scores);
            let bytes = member_bytes.saturating_mul(count.unsigned_abs() as usize);
            if reply.takes_rest(bytes) && bytes as u64 <= call.options.string_bytes_max() {
                let left = Left::Draw(count.unsigned_abs());
                put_rest(call, key, with_scores, random, left);
                return Ok(());
            }
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
            let row = Row { ranks: 0..len, backward: true, form: Form::of(with_scores) };
            if row.is_large(reply, set) {
                row.put_rest(call, key);
            } else {
                row.write(reply, set);
            }
        }
        Some(count) => {
            let count = count as usize;
            write_head(reply, count, with_scores);
            if reply.takes_rest(member_bytes * count)
                && let Some(lottery) = Lottery::of_many(count, len, &random)
            {
                put_rest(call, key, with_scores, random, Left::Some(lottery));
                return Ok(());
            }
            draw_distinct(set, count, &mut random, |member, score| {
                write_member(reply, member, score, with_scores);
            });
        }
    }
    Ok(())
}

/// What of a sorted set is yet to be replied.
enum Left {
    /// So many that are drawn, any of them as often as it comes.
    Draw(u64),
    /// Of those that are not passed yet, those that are taken.
    Some(Lottery),
}

struct RestOfDraw {
    set: SortedSet,
    with_scores: bool,
    random: fastrand::Rng,
    left: Left,
}

fn put_rest(
    call: &mut Call<'_>,
    key: Key<'_>,
    with_scores: bool,
    random: fastrand::Rng,
    left: Left,
) {
    if let Some(set) = call.space.freeze_ranked(key) {
        call.reply.put_rest(Box::new(RestOfDraw { set, with_scores, random, left }));
    }
}

impl Rest for RestOfDraw {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let RestOfDraw { set, with_scores, random, left } = self;
        let (start, len) = (reply.len(), set.len());
        match left {
            Left::Draw(count) => {
                while *count > 0 && reply.len() - start < bytes {
                    *count -= 1;
                    if let Some((member, score)) = set.iter(random.usize(..len)).next() {
                        write_member(reply, member, score, *with_scores);
                    }
                }
                *count > 0
            }
            Left::Some(lottery) => {
                let members = set.iter(len - lottery.left).take(Lottery::PASSED_AT_ONCE as usize);
                for (member, score) in members {
                    if lottery.takes() {
                        write_member(reply, member, score, *with_scores);
                    }
                    if lottery.wanted == 0 || reply.len() - start >= bytes {
                        break;
                    }
                }
                lottery.wanted > 0
            }
        }
    }

    fn shed(&mut self) -> bool {
        self.set.shed()
    }
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
                count = parse_count(value)?;
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
    let next = set.scan(cursor, count as usize, hasher, |member, score| {
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
