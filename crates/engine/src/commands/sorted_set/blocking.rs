//! Sorted set commands that wait: BZPOPMIN, BZPOPMAX, BZMPOP. They wait as those of lists do; see
//! `commands/list/blocking.rs`.

use super::pop::{End, Taken, give_one};
use crate::commands::waiting::{ALL_BUT_LAST, give_or_wait, serve, timeout};
use crate::error::Error;
use crate::keyspace::waiters::Waiter;
use crate::run::call::Call;
use crate::run::command::{BlockingCommand, BlockingRun, Served};
use crate::run::key_access::KeyAccess;
use crate::spec::*;
use crate::storage::table::Slot;

/// BZPOPMIN key [key ...] timeout
pub static BZPOPMIN: BlockingCommand = declare("bzpopmin", Group::SortedSet, AtLeast(3))
    .flags(WRITE | BLOCKING | FAST)
    .keys(ALL_BUT_LAST)
    .since("5.0.0")
    .complexity("O(log(N)) with N members in the sorted set.")
    .summary(
        "Takes the member with the lowest score off the first sorted set that there is, or waits \
         for one.",
    )
    .syntax("key [key ...] timeout")
    .run(BlockingRun {
        run: |call| pop_or_wait(call, End::Min),
        serve: |call, n, waiter| serve_one(call, n, waiter, End::Min),
    });

/// BZPOPMAX key [key ...] timeout
pub static BZPOPMAX: BlockingCommand = declare("bzpopmax", Group::SortedSet, AtLeast(3))
    .flags(WRITE | BLOCKING | FAST)
    .keys(ALL_BUT_LAST)
    .since("5.0.0")
    .complexity("O(log(N)) with N members in the sorted set.")
    .summary(
        "Takes the member with the highest score off the first sorted set that there is, or waits \
         for one.",
    )
    .syntax("key [key ...] timeout")
    .run(BlockingRun {
        run: |call| pop_or_wait(call, End::Max),
        serve: |call, n, waiter| serve_one(call, n, waiter, End::Max),
    });

fn pop_or_wait(call: &mut Call<'_>, end: End) -> Result<(), Error> {
    let timeout_ms = timeout(call, call.args.len() - 1)?;
    give_or_wait(call, timeout_ms, find, |call, key, slot| give_one(call, key, slot, end))
}

fn serve_one(call: &mut Call<'_>, n: usize, waiter: &Waiter, end: End) -> Result<Served, Error> {
    serve(call, n, waiter, find, |call, key, slot| give_one(call, key, slot, end))
}

/// BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]
pub static BZMPOP: BlockingCommand = declare("bzmpop", Group::SortedSet, AtLeast(5))
    .flags(WRITE | BLOCKING)
    .keys(&[KeySpec::counted(2, 1, RW | ACCESS | DELETE)])
    .since("7.0.0")
    .complexity("O(K) + O(M*log(N)) with K keys, N members in the sorted set, and M to return.")
    .summary("Takes members off an end of the first sorted set that there is, or waits for one.")
    .syntax("timeout numkeys key [key ...] <MIN | MAX> [COUNT count]")
    .run(BlockingRun {
        run: |call| {
            let taken = Taken::parse(call, 2)?;
            let timeout_ms = timeout(call, 1)?;
            give_or_wait(call, timeout_ms, find, |call, key, slot| taken.give(call, key, slot))
        },
        serve: |call, n, waiter| {
            let taken = Taken::parse(call, 2)?;
            serve(call, n, waiter, find, |call, key, slot| taken.give(call, key, slot))
        },
    });

fn find(space: &mut KeyAccess<'_>, key: Key<'_>) -> Result<Option<Slot>, Error> {
    space.find_sorted_set(key)
}
