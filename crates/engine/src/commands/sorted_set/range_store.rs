//! ZRANGESTORE.

use super::range::{Form, Wanted};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::sorted_set::SortedSet;

/// ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]
pub static ZRANGESTORE: DataCommand = declare("zrangestore", Group::SortedSet, AtLeast(5))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(1, OW | UPDATE), KeySpec::at(2, RO | ACCESS)])
    .since("6.2.0")
    .complexity("O(log(N)+M) with N members in the sorted set, and M stored.")
    .summary("Stores the members of a sorted set within a range.")
    .syntax("dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]")
    .run(store);

fn store(call: &mut Call<'_>) -> Result<(), Error> {
    let wanted = Wanted::parse(call.args, 3, Form::ZRANGESTORE)?;
    let limits = call.space.sorted_set_limits(call.options);
    let mut stored = SortedSet::default();
    if let Some(set) = call.space.read_sorted_set(call.key(1))? {
        let ranks = wanted.ranks(set);
        stored.fit(ranks.len(), 0, limits);
        let members = set.iter(ranks.start).take(ranks.len());
        stored.extend(members, limits);
    }
    if call.store_sorted_set(call.key(0), stored) {
        call.emit_as_is();
    }
    Ok(())
}
