//! Ranges of a sorted set are removed: ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use super::arguments::{Scores, Texts, ranks};
use crate::commands::arguments::integer;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::sorted_set::SortedSet;
use std::ops::Range;

/// ZREMRANGEBYRANK key start stop
pub static ZREMRANGEBYRANK: DataCommand = declare("zremrangebyrank", Group::SortedSet, Exactly(4))
    .flags(WRITE)
    .keys(&[KeySpec::at(1, RW | DELETE)])
    .since("2.0.0")
    .complexity("O(log(N)+M) with N members in the sorted set, and M removed.")
    .summary("Removes the members of a sorted set between two ranks.")
    .syntax("key start stop")
    .run(|call| {
        let (first, last) = (integer(call, 2)?, integer(call, 3)?);
        remove(call, |set| ranks(first, last, set.len()))
    });

/// ZREMRANGEBYSCORE key min max
pub static ZREMRANGEBYSCORE: DataCommand =
    declare("zremrangebyscore", Group::SortedSet, Exactly(4))
        .flags(WRITE)
        .keys(&[KeySpec::at(1, RW | DELETE)])
        .since("1.2.0")
        .complexity("O(log(N)+M) with N members in the sorted set, and M removed.")
        .summary("Removes the members of a sorted set whose scores are within a range.")
        .syntax("key min max")
        .run(|call| {
            let scores = Scores::parse(call.args.at(2), call.args.at(3))?;
            remove(call, |set| scores.ranks(set))
        });

/// ZREMRANGEBYLEX key min max
pub static ZREMRANGEBYLEX: DataCommand = declare("zremrangebylex", Group::SortedSet, Exactly(4))
    .flags(WRITE)
    .keys(&[KeySpec::at(1, RW | DELETE)])
    .since("2.8.9")
    .complexity("O(log(N)+M) with N members in the sorted set, and M removed.")
    .summary("Removes the members of a sorted set, all with one score, between two texts.")
    .syntax("key min max")
    .run(|call| {
        let texts = Texts::parse(call.args.at(2), call.args.at(3))?;
        remove(call, |set| texts.ranks(set))
    });

fn remove(
    call: &mut Call<'_>,
    ranks: impl FnOnce(&SortedSet) -> Range<usize>,
) -> Result<(), Error> {
    let key = call.key(0);
    let mut removed = 0;
    if let Some(slot) = call.space.find_sorted_set(key)? {
        let ranks = ranks(call.space.sorted_set(key, slot));
        removed = ranks.len();
        if removed > 0 {
            remove_ranks(call, key, slot, ranks);
            call.emit_as_is();
        }
    }
    call.reply.integer(removed as i64);
    Ok(())
}

/// Removes the members with some ranks; the key with the last of them, which frees a large set in
/// pieces.
pub fn remove_ranks(call: &mut Call<'_>, key: Key<'_>, slot: Slot, ranks: Range<usize>) {
    let (removed, hasher) = (ranks.len(), call.space.hasher());
    if removed == call.space.sorted_set(key, slot).len() {
        call.space.remove(key, slot);
    } else {
        call.space.change_sorted_set(key, Some(slot), |set| {
            set.remove_range(ranks, hasher);
            removed > 0
        });
    }
    call.space.count_changes(removed);
}
