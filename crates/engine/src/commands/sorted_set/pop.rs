//! Members off the ends: ZPOPMIN, ZPOPMAX, ZMPOP.

use super::remove::remove_ranks;
use super::rest::{Form, Row};
use crate::commands::arguments::{count, end_and_most};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::table::Slot;
use redstart_protocol::Protocol;

/// An end of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where the lowest score is.
    Min,
    /// Where the highest score is.
    Max,
}

impl End {
    /// MIN or MAX.
    pub fn parse(word: &[u8]) -> Result<End, Error> {
        if word.eq_ignore_ascii_case(b"MIN") {
            Ok(End::Min)
        } else if word.eq_ignore_ascii_case(b"MAX") {
            Ok(End::Max)
        } else {
            Err(Error::SYNTAX)
        }
    }

    fn command(self) -> &'static [u8] {
        if self == End::Min { b"ZPOPMIN" } else { b"ZPOPMAX" }
    }
}

/// ZPOPMIN key [count]
pub static ZPOPMIN: DataCommand = declare("zpopmin", Group::SortedSet, AtLeast(2))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | DELETE)])
    .since("5.0.0")
    .complexity("O(log(N)*M) with N members in the sorted set, and M to return.")
    .summary("Takes the members with the lowest scores off a sorted set and returns them.")
    .syntax("key [count]")
    .run(|call| pop(call, End::Min));

/// ZPOPMAX key [count]
pub static ZPOPMAX: DataCommand = declare("zpopmax", Group::SortedSet, AtLeast(2))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | DELETE)])
    .since("5.0.0")
    .complexity("O(log(N)*M) with N members in the sorted set, and M to return.")
    .summary("Takes the members with the highest scores off a sorted set and returns them.")
    .syntax("key [count]")
    .run(|call| pop(call, End::Max));

fn pop(call: &mut Call<'_>, end: End) -> Result<(), Error> {
    if call.args.len() > 3 {
        return Err(Error::SYNTAX);
    }
    let most = match call.args.len() {
        2 => None,
        _ => Some(count(call, 2, 0, Error::NOT_POSITIVE)?),
    };
    let key = call.key(0);
    let slot = call.space.find_sorted_set(key)?.filter(|_| most != Some(0));
    let Some(slot) = slot else {
        call.reply.array(0);
        return Ok(());
    };
    // Only one that is counted may be several.
    let pairs = most.is_some() && call.reply.protocol() == Protocol::Resp3;
    let shape = if pairs { Shape::Pairs } else { Shape::Row };
    take(call, key, slot, end, most.unwrap_or(1), shape);
    call.emit_as_is();
    Ok(())
}

/// How members that were taken are replied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Members and scores in a row.
    Row,
    /// The same behind a head that is written already.
    Rest,
    /// Each pair in an array of its own.
    Pairs,
}

/// Replies with up to `most` members from an end and removes them; returns how many there were.
pub fn take(
    call: &mut Call<'_>,
    key: Key<'_>,
    slot: Slot,
    end: End,
    most: usize,
    shape: Shape,
) -> usize {
    let set = call.space.sorted_set(key, slot);
    let len = set.len();
    let taken = most.min(len);
    match shape {
        Shape::Row => call.reply.array(2 * taken),
        Shape::Rest => {}
        Shape::Pairs => call.reply.array(taken),
    }
    let ranks = if end == End::Min { 0..taken } else { len - taken..len };
    let form = if shape == Shape::Pairs { Form::Pairs } else { Form::Row };
    let row = Row { ranks: ranks.clone(), backward: end == End::Max, form };
    if row.is_large(call.reply, set) {
        row.put_rest(call, key);
    } else {
        row.write(call.reply, set);
    }
    remove_ranks(call, key, slot, ranks);
    taken
}

/// ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]
pub static ZMPOP: DataCommand = declare("zmpop", Group::SortedSet, AtLeast(4))
    .flags(WRITE)
    .keys(&[KeySpec::counted(1, 1, RW | ACCESS | DELETE)])
    .since("7.0.0")
    .complexity("O(K) + O(M*log(N)) with K keys, N members in the sorted set, and M to return.")
    .summary(
        "Takes members off an end of the first sorted set that there is, and returns its key with \
         them.",
    )
    .syntax("numkeys key [key ...] <MIN | MAX> [COUNT count]")
    .run(|call| {
        let taken = Taken::parse(call, 1)?;
        for key in call.keys() {
            if let Some(slot) = call.space.find_sorted_set(key)? {
                taken.give(call, key, slot);
                return Ok(());
            }
        }
        call.reply.null_array();
        Ok(())
    });

/// What ZMPOP takes: from which end, and how many at most.
#[derive(Clone, Copy)]
pub struct Taken {
    end: End,
    most: usize,
}

impl Taken {
    /// Reads `numkeys key [key ...] <MIN | MAX> [COUNT count]` from argument `first` on.
    pub fn parse(call: &Call<'_>, first: usize) -> Result<Taken, Error> {
        let (end, most) = end_and_most(call, first, End::parse)?;
        Ok(Taken { end, most })
    }

    /// Replies with the key and some members of it.
    pub fn give(self, call: &mut Call<'_>, key: Key<'_>, slot: Slot) {
        let Taken { end, most } = self;
        call.reply.array(2);
        call.reply.bulk(key.bytes);
        let taken = take(call, key, slot, end, most, Shape::Pairs);
        let mut digits = itoa::Buffer::new();
        let count = digits.format(taken).as_bytes();
        call.space.emit(|| [end.command(), key.bytes, count]);
    }
}

/// Replies with the key and one member of it, in a row.
pub fn give_one(call: &mut Call<'_>, key: Key<'_>, slot: Slot, end: End) {
    call.reply.array(3);
    call.reply.bulk(key.bytes);
    take(call, key, slot, end, 1, Shape::Rest);
    call.space.emit(|| [end.command(), key.bytes]);
}
