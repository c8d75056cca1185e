//! Members come, go and get other scores: ZADD, ZINCRBY, ZREM.

use super::arguments::parse_score;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use redstart_protocol::Args;

/// ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]
pub static ZADD: DataCommand = declare("zadd", Group::SortedSet, AtLeast(4))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("1.2.0")
    .complexity("O(log(N)) for each member, with N members in the sorted set.")
    .summary("Adds members to a sorted set, or gives them other scores.")
    .syntax("key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]")
    .run(|call| add(call, false));

/// ZINCRBY key increment member
pub static ZINCRBY: DataCommand = declare("zincrby", Group::SortedSet, Exactly(4))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("1.2.0")
    .complexity("O(log(N)) with N members in the sorted set.")
    .summary("Adds a number to the score of a member; a missing member counts as zero.")
    .syntax("key increment member")
    .run(|call| add(call, true));

/// What ZADD is told before the scores.
#[derive(Clone, Copy, Default)]
struct Options {
    only_new: bool,
    only_old: bool,
    greater: bool,
    less: bool,
    counts_changes: bool,
    increments: bool,
    /// Where the first score is.
    scores_at: usize,
}

impl Options {
    #[inline]
    fn parse(args: Args<'_>, increments: bool) -> Result<Options, Error> {
        let mut options = Options { increments, scores_at: 2, ..Options::default() };
        while let Some(word) = args.get(options.scores_at) {
            // Most often a score stands here.
            if !word.first().is_some_and(u8::is_ascii_alphabetic) {
                break;
            }
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let option = if is(b"NX") {
                &mut options.only_new
            } else if is(b"XX") {
                &mut options.only_old
            } else if is(b"GT") {
                &mut options.greater
            } else if is(b"LT") {
                &mut options.less
            } else if is(b"CH") {
                &mut options.counts_changes
            } else if is(b"INCR") {
                &mut options.increments
            } else {
                break;
            };
            *option = true;
            options.scores_at += 1;
        }
        let Options { only_new, only_old, greater, less, increments, .. } = options;
        let words = args.len() - options.scores_at;
        if words == 0 || words % 2 == 1 {
            Err(Error::SYNTAX)
        } else if only_new && only_old {
            Err(Error::NX_AND_XX)
        } else if only_new && (greater || less) || greater && less {
            Err(Error::GT_LT_NX)
        } else if increments && words > 2 {
            Err(Error::ONE_INCREMENT)
        } else {
            Ok(options)
        }
    }

    /// The score that a member gets, if it gets one; not a number if an increment leads there.
    #[inline]
    fn new_score(&self, old: Option<f64>, given: f64) -> Option<f64> {
        let Some(old) = old else { return (!self.only_old).then_some(given) };
        if self.only_new {
            return None;
        }
        let new = if self.increments { old + given } else { given };
        let refused = self.greater && new <= old || self.less && new >= old;
        (!refused).then_some(new)
    }
}

fn add(call: &mut Call<'_>, increments: bool) -> Result<(), Error> {
    let args = call.args;
    let options = Options::parse(args, increments)?;
    let first = parse_score(args.at(options.scores_at))?;
    let others_at = (options.scores_at + 2..args.len()).step_by(2);
    let others = others_at.clone().map(|at| parse_score(args.at(at)));
    let others = others.collect::<Result<Vec<f64>, Error>>()?;
    let key = call.key(0);
    let slot = call.space.find_sorted_set(key)?;
    let limits = call.space.sorted_set_limits(call.options);
    let pairs = [(options.scores_at, first)].into_iter().chain(others_at.zip(others));
    let (mut added, mut updated, mut reached) = (0, 0, None);
    if slot.is_some() || !options.only_old {
        call.space.change_sorted_set(key, slot, |set| {
            set.fit((args.len() - options.scores_at) / 2, 0, limits);
            for (at, given) in pairs {
                let mut new = None;
                let old = set.update(args.at(at + 1), limits, |old| {
                    new = options.new_score(old, given);
                    new.filter(|new| !new.is_nan())
                });
                match (old, new) {
                    (None, Some(_)) => added += 1,
                    (Some(old), Some(new)) if new != old && !new.is_nan() => updated += 1,
                    _ => {}
                }
                reached = new;
            }
            added + updated > 0
        });
    }
    if reached.is_some_and(f64::is_nan) {
        return Err(Error::NOT_A_NUMBER);
    }
    call.space.count_changes(added + updated);
    if added + updated > 0 {
        if options.increments {
            let (by, member) = (args.at(options.scores_at), args.at(options.scores_at + 1));
            call.space.emit(|| [b"ZINCRBY", key.bytes, by, member]);
        } else {
            call.emit_as_is();
        }
    }
    match reached {
        Some(score) if options.increments => call.reply.score(score),
        None if options.increments => call.reply.null(),
        _ if options.counts_changes => call.reply.integer((added + updated) as i64),
        _ => call.reply.integer(added as i64),
    }
    Ok(())
}

/// ZREM key member [member ...]
pub static ZREM: DataCommand = declare("zrem", Group::SortedSet, AtLeast(3))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | DELETE)])
    .since("1.2.0")
    .complexity("O(M*log(N)) with M members given, and N in the sorted set.")
    .summary("Removes members of a sorted set, and the key with the last of them.")
    .syntax("key member [member ...]")
    .run(remove);

fn remove(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, args, hasher) = (call.key(0), call.args, call.space.hasher());
    let mut removed = 0;
    if let Some(slot) = call.space.find_sorted_set(key)? {
        call.space.change_sorted_set(key, Some(slot), |set| {
            let members = args.iter().skip(2);
            removed = members.filter(|member| set.remove(member, hasher).is_some()).count();
            removed > 0
        });
    }
    if removed > 0 {
        call.space.count_changes(removed);
        call.emit_as_is();
    }
    call.reply.integer(removed as i64);
    Ok(())
}
