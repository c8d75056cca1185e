//! Several elements from list to list at once: LMOVEM, and BLMOVEM, which waits for them.
//!
//! No server at hand knows them: they follow the documentation of Redis 8.10. What is moved is
//! taken as a block and added as a block; it is turned around where each of its elements, moved
//! alone, would have come to lie before the one moved ahead of it. A client that wants an exact
//! number is served when the list has grown to it, so that clients behind it in the queue, who want
//! less, may be served before.

use super::access::{discard, find_list, limit, list_of, modify, put_list, remove, write_element};
use super::arguments::{FROM_AND_TO, end_word, parse_end};
use crate::commands::arguments::count;
use crate::commands::waiting::timeout;
use crate::error::Error;
use crate::keyspace::waiters::{Wait, Waiter};
use crate::run::call::Call;
use crate::run::command::{BlockingCommand, BlockingRun, DataCommand, Served};
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::list::{Element, End, Limit, List, ListRef};
use std::ops::ControlFlow;

/// LMOVEM source destination <LEFT | RIGHT> <LEFT | RIGHT> [<COUNT count | EXACTLY exactly>
/// <OBO | BULK>]
pub static LMOVEM: DataCommand = declare("lmovem", Group::List, AtLeast(5))
    .flags(WRITE | DENYOOM)
    .keys(FROM_AND_TO)
    .since("8.10.0")
    .complexity("O(N) with N elements that are moved.")
    .summary("Moves elements from one end of a list to one of another, and returns them.")
    .syntax(
        "source destination <LEFT | RIGHT> <LEFT | RIGHT> \
         [<COUNT count | EXACTLY exactly> <OBO | BULK>]",
    )
    .run(lmovem);

/// BLMOVEM source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout [<COUNT count | EXACTLY
/// exactly> <OBO | BULK>]
pub static BLMOVEM: BlockingCommand = declare("blmovem", Group::List, AtLeast(6))
    .flags(WRITE | DENYOOM | BLOCKING)
    .keys(FROM_AND_TO)
    .since("8.10.0")
    .complexity("O(N) with N elements that are moved.")
    .summary("Moves elements from one end of a list to one of another, or waits for them.")
    .syntax(
        "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout \
         [<COUNT count | EXACTLY exactly> <OBO | BULK>]",
    )
    .run(BlockingRun { run: move_or_wait, serve: serve_moved });

/// What is moved, and how.
#[derive(Clone, Copy)]
struct Moved {
    from: End,
    to: End,
    most: usize,
    /// Whether it is this number or nothing.
    exact: bool,
    /// Whether it lies the other way round than in the source.
    turned: bool,
}

impl Moved {
    /// Reads the ends, and from argument `at` on how many elements, and in which order.
    fn parse(call: &Call<'_>, at: usize) -> Result<Moved, Error> {
        let (from, to) = (parse_end(call.args.at(3))?, parse_end(call.args.at(4))?);
        let one = Moved { from, to, most: 1, exact: false, turned: false };
        match call.args.len() - at {
            0 => return Ok(one),
            3 => {}
            _ => return Err(Error::SYNTAX),
        }
        let is = |at: usize, word: &[u8]| call.args.at(at).eq_ignore_ascii_case(word);
        let exact = is(at, b"EXACTLY");
        if !exact && !is(at, b"COUNT") || !is(at + 2, b"OBO") && !is(at + 2, b"BULK") {
            return Err(Error::SYNTAX);
        }
        let most = count(call, at + 1, 1, Error::COUNT_NOT_POSITIVE)?;
        Ok(Moved { most, exact, turned: is(at + 2, b"OBO") && from == to, ..one })
    }

    /// How many elements the source must have.
    fn least(self) -> usize {
        if self.exact { self.most } else { 1 }
    }

    /// Where the source is, if it has enough elements.
    fn source(self, call: &mut Call<'_>) -> Result<Option<Slot>, Error> {
        let key = call.key(0);
        let Some(slot) = find_list(&mut call.space, key)? else { return Ok(None) };
        let len = list_of(call.space.entry(key, slot))?.len();
        Ok((len >= self.least()).then_some(slot))
    }

    /// Moves what there is, and replies with it as it lies in the destination. Returns how many
    /// elements that are.
    fn give(self, call: &mut Call<'_>) -> Result<usize, Error> {
        let Moved { from, to, .. } = self;
        let (source, target, limit) = (call.key(0), call.key(1), limit(call));
        // A target that has expired is removed here, which may move the source.
        find_list(&mut call.space, target)?;
        let Some(slot) = find_list(&mut call.space, source)? else { return Ok(0) };
        let list = list_of(call.space.entry(source, slot))?;
        let (len, moved) = (list.len(), list.len().min(self.most));
        let first = if from == End::Head { 0 } else { len - moved };
        let block = self.block(list, first, moved, limit);
        call.reply.array(moved);
        each(&block, End::Head, |element| write_element(call.reply, element));
        if source.bytes == target.bytes {
            let removed = modify(&mut call.space, source, slot, |list| {
                let removed = list.remove(first, moved, limit);
                append(list, to, &block, limit);
                removed
            });
            if let Some(removed) = removed {
                discard(&mut call.space, removed);
            }
        } else {
            remove(call, source, slot, first, moved);
            // Looked for only now: removing the source may have moved it.
            match find_list(&mut call.space, target)? {
                Some(slot) => {
                    modify(&mut call.space, target, slot, |list| append(list, to, &block, limit));
                    call.space.note_grown(target);
                }
                None => put_list(&mut call.space, target, None, block),
            }
        }
        call.space.count_changes(moved);
        Ok(moved)
    }

    /// A copy of `moved` elements of the source from `first` on, as it will lie in the
    /// destination.
    fn block(self, list: ListRef<'_>, first: usize, moved: usize, limit: Limit) -> List {
        let (start, side) =
            if self.turned { (first + moved - 1, End::Tail) } else { (first, End::Head) };
        let mut block = List::default();
        let _ = list.walk(start, side, |element| {
            add(&mut block, End::Tail, element, limit);
            if block.len() == moved { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        block
    }
}

/// Adds a block at an end of a list, as it lies.
fn append(list: &mut List, to: End, block: &List, limit: Limit) {
    let nearest = if to == End::Head { End::Tail } else { End::Head };
    each(block, nearest, |element| add(list, to, element, limit));
}

fn add(list: &mut List, to: End, element: Element<'_>, limit: Limit) {
    match element {
        Element::Bytes(bytes) => list.push(to, bytes, limit),
        Element::Shared(bytes) => list.push_shared(to, bytes.clone(), limit),
    }
}

/// Calls `f` with all elements, away from an end.
fn each(list: &List, from: End, mut f: impl FnMut(Element<'_>)) {
    let first = if from == End::Head { 0 } else { list.len() - 1 };
    let _ = list.walk(first, from, |element| {
        f(element);
        ControlFlow::<()>::Continue(())
    });
}

fn lmovem(call: &mut Call<'_>) -> Result<(), Error> {
    let moved = Moved::parse(call, 5)?;
    if moved.source(call)?.is_none() {
        match moved.exact {
            true => call.reply.null_array(),
            false => call.reply.array(0),
        }
        return Ok(());
    }
    moved.give(call)?;
    call.emit_as_is();
    Ok(())
}

fn move_or_wait(call: &mut Call<'_>) -> Result<(), Error> {
    let moved = Moved::parse(call, 6)?;
    let timeout_ms = timeout(call, 5)?;
    let source = call.key(0);
    if moved.source(call)?.is_some() && !call.must_queue(source) {
        return give_moved(call, moved);
    }
    if !call.wait(Wait { least: moved.least(), ..Wait::new(0..1, timeout_ms) }) {
        call.reply.null_array();
    }
    Ok(())
}

fn serve_moved(call: &mut Call<'_>, _: usize, waiter: &Waiter) -> Result<Served, Error> {
    let moved = Moved::parse(call, 6)?;
    let enough = moved.source(call).is_ok_and(|slot| slot.is_some());
    if !enough || !waiter.claim() {
        return Ok(Served::Nothing);
    }
    give_moved(call, moved).map(|()| Served::Given)
}

/// Moves, and emits it as a command that finds exactly what was moved.
fn give_moved(call: &mut Call<'_>, moved: Moved) -> Result<(), Error> {
    let count = moved.give(call)?;
    let (source, target) = (call.key(0).bytes, call.key(1).bytes);
    let (from, to) = (end_word(moved.from), end_word(moved.to));
    let order: &[u8] = if moved.turned { b"OBO" } else { b"BULK" };
    let mut digits = itoa::Buffer::new();
    let count = digits.format(count).as_bytes();
    call.space.emit(|| [b"LMOVEM", source, target, from, to, b"EXACTLY", count, order]);
    Ok(())
}
