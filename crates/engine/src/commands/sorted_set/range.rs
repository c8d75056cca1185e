//! Ranges of a sorted set: by rank, by score, by text; forward and backward. ZRANGE says all of
//! that with options, the older commands with their names.

use super::arguments::{Scores, Texts, ranks, write_head};
use super::rest::{self, Row};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::sorted_set::SortedSet;
use redstart_protocol::{Args, parse_i64};
use std::ops::Range;

/// ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]
pub static ZRANGE: DataCommand = declare("zrange", Group::SortedSet, AtLeast(4))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("1.2.0")
    .complexity("O(log(N)+M) with N members in the sorted set, and M returned.")
    .summary("Returns the members of a sorted set within a range.")
    .syntax("key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]")
    .run(|call| range(call, Form::ZRANGE));

/// ZREVRANGE key start stop [WITHSCORES]
pub static ZREVRANGE: DataCommand = declare("zrevrange", Group::SortedSet, AtLeast(4))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("1.2.0")
    .complexity("O(log(N)+M) with N members in the sorted set, and M returned.")
    .summary("Returns the members of a sorted set between two ranks, counted from the end.")
    .syntax("key start stop [WITHSCORES]")
    .run(|call| range(call, Form { by: Some(By::Rank), backward: Some(true), scores: true }));

/// ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]
pub static ZRANGEBYSCORE: DataCommand = declare("zrangebyscore", Group::SortedSet, AtLeast(4))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("1.0.5")
    .complexity("O(log(N)+M) with N members in the sorted set, and M returned.")
    .summary("Returns the members of a sorted set whose scores are within a range.")
    .syntax("key min max [WITHSCORES] [LIMIT offset count]")
    .run(|call| range(call, Form { by: Some(By::Score), backward: Some(false), scores: true }));

/// ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]
pub static ZREVRANGEBYSCORE: DataCommand =
    declare("zrevrangebyscore", Group::SortedSet, AtLeast(4))
        .flags(READONLY)
        .keys(&[KeySpec::at(1, RO | ACCESS)])
        .since("2.2.0")
        .complexity("O(log(N)+M) with N members in the sorted set, and M returned.")
        .summary(
            "Returns the members of a sorted set whose scores are within a range, the last one \
             first.",
        )
        .syntax("key max min [WITHSCORES] [LIMIT offset count]")
        .run(|call| range(call, Form { by: Some(By::Score), backward: Some(true), scores: true }));

/// ZRANGEBYLEX key min max [LIMIT offset count]
pub static ZRANGEBYLEX: DataCommand = declare("zrangebylex", Group::SortedSet, AtLeast(4))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.8.9")
    .complexity("O(log(N)+M) with N members in the sorted set, and M returned.")
    .summary("Returns the members of a sorted set, all with one score, between two texts.")
    .syntax("key min max [LIMIT offset count]")
    .run(|call| range(call, Form { by: Some(By::Text), backward: Some(false), scores: true }));

/// ZREVRANGEBYLEX key max min [LIMIT offset count]
pub static ZREVRANGEBYLEX: DataCommand = declare("zrevrangebylex", Group::SortedSet, AtLeast(4))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.8.9")
    .complexity("O(log(N)+M) with N members in the sorted set, and M returned.")
    .summary(
        "Returns the members of a sorted set, all with one score, between two texts, the last one \
         first.",
    )
    .syntax("key max min [LIMIT offset count]")
    .run(|call| range(call, Form { by: Some(By::Text), backward: Some(true), scores: true }));

/// What a range is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Ranks.
    Rank,
    /// Scores.
    Score,
    /// Texts.
    Text,
}

/// What a command's name settles of its range.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    by: Option<By>,
    backward: Option<bool>,
    /// WITHSCORES is an option.
    scores: bool,
}

impl Form {
    const ZRANGE: Form = Form { by: None, backward: None, scores: true };
    /// ZRANGESTORE's: all is said by options, and scores are taken along always.
    pub const ZRANGESTORE: Form = Form { by: None, backward: None, scores: false };
}

/// The bounds of a range.
#[derive(Clone, Copy, Debug)]
enum Bounds<'a> {
    Ranks(i64, i64),
    Scores(Scores),
    Texts(Texts<'a>),
}

/// A range of any kind.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    bounds: Bounds<'a>,
    /// From the last member to the first.
    pub backward: bool,
    offset: i64,
    limit: i64,
    /// Scores are to be replied, too.
    pub with_scores: bool,
}

impl<'a> Wanted<'a> {
    /// Reads `min max [option ...]` from argument `at` on.
    pub fn parse(args: Args<'a>, at: usize, form: Form) -> Result<Wanted<'a>, Error> {
        let Form { mut by, mut backward, scores } = form;
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let integer = |at| parse_i64(args.at(at)).ok_or(Error::NOT_INTEGER);
        let mut option_at = at + 2;
        while let Some(word) = args.get(option_at) {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if scores && is(b"WITHSCORES") {
                with_scores = true;
            } else if is(b"LIMIT") && option_at + 2 < args.len() {
                (offset, limit) = (integer(option_at + 1)?, integer(option_at + 2)?);
                option_at += 2;
            } else if backward.is_none() && is(b"REV") {
                backward = Some(true);
            } else if by.is_none() && is(b"BYLEX") {
                by = Some(By::Text);
            } else if by.is_none() && is(b"BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(Error::SYNTAX);
            }
            option_at += 1;
        }
        let (by, backward) = (by.unwrap_or(By::Rank), backward.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(Error::LIMIT_BY_RANK);
        }
        if with_scores && by == By::Text {
            return Err(Error::SCORES_BY_LEX);
        }
        // Backward the upper bound comes first.
        let (min, max) = if backward { (at + 1, at) } else { (at, at + 1) };
        let bounds = match by {
            By::Rank => Bounds::Ranks(integer(at)?, integer(at + 1)?),
            By::Score => Bounds::Scores(Scores::parse(args.at(min), args.at(max))?),
            By::Text => Bounds::Texts(Texts::parse(args.at(min), args.at(max))?),
        };
        Ok(Wanted { bounds, backward, offset, limit, with_scores })
    }

    /// The ranks of the members that are wanted, whatever the direction.
    #[inline]
    pub fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let all = match &self.bounds {
            Bounds::Ranks(first, last) => {
                let len = set.len();
                let ranks = ranks(*first, *last, len);
                let turned = len - ranks.end..len - ranks.start;
                return if self.backward { turned } else { ranks };
            }
            Bounds::Scores(scores) => scores.ranks(set),
            Bounds::Texts(texts) => texts.ranks(set),
        };
        let Ok(offset) = usize::try_from(self.offset) else { return 0..0 };
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let count = all.len().saturating_sub(offset).min(limit);
        match count {
            0 => 0..0,
            _ if self.backward => all.end - offset - count..all.end - offset,
            _ => all.start + offset..all.start + offset + count,
        }
    }
}

fn range(call: &mut Call<'_>, form: Form) -> Result<(), Error> {
    let wanted = Wanted::parse(call.args, 2, form)?;
    let key = call.key(0);
    let Some(set) = call.space.read_sorted_set(key)? else {
        call.reply.array(0);
        return Ok(());
    };
    let ranks = wanted.ranks(set);
    write_head(call.reply, ranks.len(), wanted.with_scores);
    let form = rest::Form::of(wanted.with_scores);
    let row = Row { ranks, backward: wanted.backward, form };
    if row.is_large(call.reply, set) {
        row.put_rest(call, key);
    } else {
        row.write(call.reply, set);
    }
    Ok(())
}
