//! List commands that wait: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH. (BLMOVEM is in
//! `place_many.rs`.)
//!
//! Each first tries what its namesake without the B does. When there is nothing, or others wait
//! for it already, the client joins the queues of its keys and is served by the command that makes
//! one of them a list. A key of another type is an error at the first try, and is no error later.
//! In the effect stream they are the commands that did the same without waiting.

use super::access::find_list;
use super::arguments::{FROM_AND_TO, end_word, parse_end};
use super::place::shift;
use super::pop::{parse_some, pop_one, pop_some};
use crate::commands::waiting::{ALL_BUT_LAST, claim, give_or_wait, serve, timeout};
use crate::error::Error;
use crate::keyspace::waiters::{Wait, Waiter};
use crate::run::call::Call;
use crate::run::command::{BlockingCommand, BlockingRun, Served};
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::list::End;

/// BLPOP key [key ...] timeout
pub static BLPOP: BlockingCommand = declare("blpop", Group::List, AtLeast(3))
    .flags(WRITE | BLOCKING)
    .keys(ALL_BUT_LAST)
    .since("2.0.0")
    .complexity("O(N) with N keys.")
    .summary("Takes the first element off the first list that there is, or waits for one.")
    .syntax("key [key ...] timeout")
    .run(BlockingRun {
        run: |call| pop_or_wait(call, End::Head),
        serve: |call, n, waiter| serve_one(call, n, waiter, End::Head),
    });

/// BRPOP key [key ...] timeout
pub static BRPOP: BlockingCommand = declare("brpop", Group::List, AtLeast(3))
    .flags(WRITE | BLOCKING)
    .keys(ALL_BUT_LAST)
    .since("2.0.0")
    .complexity("O(N) with N keys.")
    .summary("Takes the last element off the first list that there is, or waits for one.")
    .syntax("key [key ...] timeout")
    .run(BlockingRun {
        run: |call| pop_or_wait(call, End::Tail),
        serve: |call, n, waiter| serve_one(call, n, waiter, End::Tail),
    });

fn pop_or_wait(call: &mut Call<'_>, end: End) -> Result<(), Error> {
    let timeout_ms = timeout(call, call.args.len() - 1)?;
    give_or_wait(call, timeout_ms, find_list, |call, key, slot| give_one(call, key, slot, end))
}

fn serve_one(call: &mut Call<'_>, n: usize, waiter: &Waiter, end: End) -> Result<Served, Error> {
    serve(call, n, waiter, find_list, |call, key, slot| give_one(call, key, slot, end))
}

/// The key and one element of it.
fn give_one(call: &mut Call<'_>, key: Key<'_>, slot: Slot, end: End) {
    call.reply.array(2);
    call.reply.bulk(key.bytes);
    pop_one(call, key, slot, end);
    let name: &[u8] = if end == End::Head { b"LPOP" } else { b"RPOP" };
    call.space.emit(|| [name, key.bytes]);
}

/// BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]
pub static BLMPOP: BlockingCommand = declare("blmpop", Group::List, AtLeast(5))
    .flags(WRITE | BLOCKING)
    .keys(&[KeySpec::counted(2, 1, RW | ACCESS | DELETE)])
    .since("7.0.0")
    .complexity("O(N+M) with N keys and M elements to return.")
    .summary("Takes elements off the first list that there is, or waits for one.")
    .syntax("timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]")
    .run(BlockingRun { run: pop_some_or_wait, serve: serve_some });

fn pop_some_or_wait(call: &mut Call<'_>) -> Result<(), Error> {
    let some = parse_some(call, 2)?;
    let timeout_ms = timeout(call, 1)?;
    give_or_wait(call, timeout_ms, find_list, |call, key, slot| pop_some(call, key, slot, some))
}

fn serve_some(call: &mut Call<'_>, n: usize, waiter: &Waiter) -> Result<Served, Error> {
    let some = parse_some(call, 2)?;
    serve(call, n, waiter, find_list, |call, key, slot| pop_some(call, key, slot, some))
}

/// BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout
pub static BLMOVE: BlockingCommand = declare("blmove", Group::List, Exactly(6))
    .flags(WRITE | DENYOOM | BLOCKING)
    .keys(FROM_AND_TO)
    .since("6.2.0")
    .complexity("O(1)")
    .summary("Moves an element from one end of a list to one of another, or waits for one.")
    .syntax("source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout")
    .run(BlockingRun {
        run: |call| {
            ends(call)?;
            move_or_wait(call, 5)
        },
        serve: serve_moved,
    });

/// BRPOPLPUSH source destination timeout
pub static BRPOPLPUSH: BlockingCommand = declare("brpoplpush", Group::List, Exactly(4))
    .flags(WRITE | DENYOOM | BLOCKING)
    .keys(FROM_AND_TO)
    .since("2.2.0")
    .complexity("O(1)")
    .summary("Moves the last element of a list to the head of another, or waits for one.")
    .syntax("source destination timeout")
    .run(BlockingRun { run: |call| move_or_wait(call, 3), serve: serve_moved });

/// Which end is taken from, and which is added to.
fn ends(call: &Call<'_>) -> Result<(End, End), Error> {
    match call.args.len() {
        4 => Ok((End::Tail, End::Head)),
        _ => Ok((parse_end(call.args.at(3))?, parse_end(call.args.at(4))?)),
    }
}

fn move_or_wait(call: &mut Call<'_>, timeout_at: usize) -> Result<(), Error> {
    let timeout_ms = timeout(call, timeout_at)?;
    let source = call.key(0);
    if find_list(&mut call.space, source)?.is_some() && !call.must_queue(source) {
        return give_moved(call);
    }
    if !call.wait(Wait::new(0..1, timeout_ms)) {
        call.reply.null();
    }
    Ok(())
}

fn serve_moved(call: &mut Call<'_>, n: usize, waiter: &Waiter) -> Result<Served, Error> {
    if claim(call, call.key(n), waiter, find_list).is_none() {
        return Ok(Served::Nothing);
    }
    give_moved(call).map(|()| Served::Given)
}

fn give_moved(call: &mut Call<'_>) -> Result<(), Error> {
    let (from, to) = ends(call)?;
    shift(call, from, to)?;
    let (source, target) = (call.key(0).bytes, call.key(1).bytes);
    let (from, to) = (end_word(from), end_word(to));
    call.space.emit(|| [b"LMOVE", source, target, from, to]);
    Ok(())
}
