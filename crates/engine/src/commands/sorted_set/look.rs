//! Looks at a sorted set: its size, scores, ranks, counts.

use super::arguments::{Scores, Texts};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::sorted_set::SortedSet;

/// ZCARD key
pub static ZCARD: DataCommand = declare("zcard", Group::SortedSet, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO)])
    .since("1.2.0")
    .complexity("O(1)")
    .summary("Tells how many members a sorted set has.")
    .syntax("key")
    .run(|call| reply_number(call, SortedSet::len));

/// ZCOUNT key min max
pub static ZCOUNT: DataCommand = declare("zcount", Group::SortedSet, Exactly(4))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.0.0")
    .complexity("O(log(N)) with N members in the sorted set.")
    .summary("Tells how many members of a sorted set have a score within a range.")
    .syntax("key min max")
    .run(|call| {
        let scores = Scores::parse(call.args.at(2), call.args.at(3))?;
        reply_number(call, |set| scores.ranks(set).len())
    });

/// ZLEXCOUNT key min max
pub static ZLEXCOUNT: DataCommand = declare("zlexcount", Group::SortedSet, Exactly(4))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.8.9")
    .complexity("O(log(N)) with N members in the sorted set.")
    .summary("Tells how many members of a sorted set, all with one score, lie between two texts.")
    .syntax("key min max")
    .run(|call| {
        let texts = Texts::parse(call.args.at(2), call.args.at(3))?;
        reply_number(call, |set| texts.ranks(set).len())
    });

/// Replies a number about the set, zero where there is none.
fn reply_number(
    call: &mut Call<'_>,
    number: impl FnOnce(&SortedSet) -> usize,
) -> Result<(), Error> {
    let key = call.key(0);
    let number = call.space.read_sorted_set(key)?.map_or(0, number);
    call.reply.integer(number as i64);
    Ok(())
}

/// ZSCORE key member
pub static ZSCORE: DataCommand = declare("zscore", Group::SortedSet, Exactly(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("1.2.0")
    .complexity("O(1)")
    .summary("Returns the score of a member of a sorted set.")
    .syntax("key member")
    .run(|call| {
        let (key, hasher) = (call.key(0), call.space.hasher());
        let set = call.space.read_sorted_set(key)?;
        match set.and_then(|set| set.score(call.args.at(2), hasher)) {
            Some(score) => call.reply.score(score),
            None => call.reply.null(),
        }
        Ok(())
    });

/// ZMSCORE key member [member ...]
pub static ZMSCORE: DataCommand = declare("zmscore", Group::SortedSet, AtLeast(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("6.2.0")
    .complexity("O(N) with N members given.")
    .summary("Returns the scores of members of a sorted set, each null that is not there.")
    .syntax("key member [member ...]")
    .run(|call| {
        let (key, hasher) = (call.key(0), call.space.hasher());
        let set = call.space.read_sorted_set(key)?;
        call.reply.array(call.args.len() - 2);
        for member in call.args.iter().skip(2) {
            match set.and_then(|set| set.score(member, hasher)) {
                Some(score) => call.reply.score(score),
                None => call.reply.null(),
            }
        }
        Ok(())
    });

/// ZRANK key member [WITHSCORE]
pub static ZRANK: DataCommand = declare("zrank", Group::SortedSet, AtLeast(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.0.0")
    .complexity("O(log(N)) with N members in the sorted set.")
    .summary("Tells how many members of a sorted set lie before one.")
    .syntax("key member [WITHSCORE]")
    .run(|call| rank(call, false));

/// ZREVRANK key member [WITHSCORE]
pub static ZREVRANK: DataCommand = declare("zrevrank", Group::SortedSet, AtLeast(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.0.0")
    .complexity("O(log(N)) with N members in the sorted set.")
    .summary("Tells how many members of a sorted set lie behind one.")
    .syntax("key member [WITHSCORE]")
    .run(|call| rank(call, true));

fn rank(call: &mut Call<'_>, from_end: bool) -> Result<(), Error> {
    let with_score = match call.args.get(3) {
        _ if call.args.len() > 4 => return Err(Error::wrong_arity(call.command.name)),
        Some(word) if !word.eq_ignore_ascii_case(b"WITHSCORE") => return Err(Error::SYNTAX),
        word => word.is_some(),
    };
    let (key, hasher) = (call.key(0), call.space.hasher());
    let set = call.space.read_sorted_set(key)?;
    let found = set.and_then(|set| {
        let (before, score) = set.rank(call.args.at(2), hasher)?;
        Some((if from_end { set.len() - 1 - before } else { before }, score))
    });
    match found {
        None if with_score => call.reply.null_array(),
        None => call.reply.null(),
        Some((rank, score)) => {
            if with_score {
                call.reply.array(2);
            }
            call.reply.integer(rank as i64);
            if with_score {
                call.reply.score(score);
            }
        }
    }
    Ok(())
}
