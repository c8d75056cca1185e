//! ZRANGESTORE.

use super::gather::Source;
use super::pieces;
use super::range::{Form, Wanted};
use crate::error::Error;
use crate::run::apart::{Made, Work};
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::Object;
use crate::storage::value::sorted_set::SortedSet;
use std::ops::Range;

/// ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]
pub static ZRANGESTORE: DataCommand = declare("zrangestore", Group::SortedSet, AtLeast(5))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(1, OW | UPDATE), KeySpec::at(2, RO | ACCESS)])
    .since("6.2.0")
    .complexity("O(log(N)+M) with N members in the sorted set, and M stored.")
    .summary("Stores the members of a sorted set within a range.")
    .syntax("dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]")
    .run(store);

/// Members that are copied at a time.
const TAKEN: usize = 8192;

fn store(call: &mut Call<'_>) -> Result<(), Error> {
    let wanted = Wanted::parse(call.args, 3, Form::ZRANGESTORE)?;
    let limits = call.space.sorted_set_limits(call.options);
    let (source, mut ranks, mut bytes) = (call.key(1), 0..0, 0);
    if let Some(set) = call.space.read_sorted_set(source)? {
        ranks = wanted.ranks(set);
        bytes = set.allocated() / set.len().max(1) * ranks.len();
    }
    let begin = |call: &mut Call<'_>| -> Box<dyn Work> {
        let set = call.space.freeze_ranked(source).unwrap_or_default();
        Box::new(Copying { set, ranks: ranks.clone(), made: pieces::Made::new(call) })
    };
    let made = match call.made_apart(&[source], call.reply.takes_rest(bytes), begin)? {
        Made::Now(Object::SortedSet(made)) => made,
        Made::Later => return Ok(()),
        Made::Now(_) | Made::Never => {
            let mut made = SortedSet::default();
            made.fit(ranks.len(), 0, limits);
            if let Ok(Source::Sorted(set)) = Source::of(call.space.peek(source)) {
                made.extend(set.iter(ranks.start).take(ranks.len()), limits);
            }
            made
        }
    };
    if call.store_sorted_set(call.key(0), made) {
        call.emit_as_is();
    }
    Ok(())
}

/// Copies members from one rank to another.
struct Copying {
    set: SortedSet,
    ranks: Range<usize>,
    made: pieces::Made,
}

impl Work for Copying {
    fn go_on(&mut self) -> bool {
        let Copying { set, ranks, made } = self;
        let count = ranks.len().min(TAKEN);
        set.iter(ranks.start).take(count).for_each(|(member, score)| made.push(member, score));
        ranks.start += count;
        ranks.start < ranks.end
    }

    fn take(&mut self) -> Result<Object, Error> {
        Ok(self.made.take())
    }

    fn shed(&mut self) -> bool {
        self.made.shed() || self.set.shed()
    }
}
