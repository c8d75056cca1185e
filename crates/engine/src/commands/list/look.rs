//! Looking at lists: LLEN, LINDEX, LRANGE, LPOS.

use super::access::{read_list, write_element};
use super::arguments::{negatable, range, resolve};
use super::rest::Row;
use crate::commands::arguments::{count, integer};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::list::{End, ListRef};
use std::ops::ControlFlow;

/// LLEN key
pub static LLEN: DataCommand = declare("llen", Group::List, Exactly(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Counts the elements of a list.")
    .syntax("key")
    .run(|call| {
        let key = call.key(0);
        let len = read_list(&mut call.space, key)?.map_or(0, ListRef::len);
        call.reply.integer(len as i64);
        Ok(())
    });

/// LINDEX key index
pub static LINDEX: DataCommand = declare("lindex", Group::List, Exactly(3))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("1.0.0")
    .complexity("O(N/65536) with N elements up to the nearer end, and a walk of 8 KiB at most.")
    .summary("Returns the element at an index of a list.")
    .syntax("key index")
    .run(|call| {
        let (key, index) = (call.key(0), integer(call, 2));
        let Some(list) = read_list(&mut call.space, key)? else {
            call.reply.null();
            return Ok(());
        };
        match resolve(index?, list.len()).and_then(|index| list.get(index)) {
            Some(element) => write_element(call.reply, element),
            None => call.reply.null(),
        }
        Ok(())
    });

/// LRANGE key start stop
pub static LRANGE: DataCommand = declare("lrange", Group::List, Exactly(4))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("1.0.0")
    .complexity("O(S/65536+N) with S elements before the first and N elements to return.")
    .summary("Returns the elements of a list between two indices, both included.")
    .syntax("key start stop")
    .run(lrange);

fn lrange(call: &mut Call<'_>) -> Result<(), Error> {
    let (first, last) = (integer(call, 2)?, integer(call, 3)?);
    let key = call.key(0);
    let Some(list) = read_list(&mut call.space, key)? else {
        call.reply.array(0);
        return Ok(());
    };
    let (from, count) = range(first, last, list.len());
    call.reply.array(count);
    let row = Row { from, end: End::Head, count };
    if row.is_large(call.reply, list) {
        row.put_rest(call, key);
    } else {
        row.write(call.reply, list);
    }
    Ok(())
}

/// LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]
pub static LPOS: DataCommand = declare("lpos", Group::List, AtLeast(3))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("6.0.6")
    .complexity("O(N) with N elements to compare.")
    .summary("Tells at which indices of a list an element is.")
    .syntax("key element [RANK rank] [COUNT num-matches] [MAXLEN len]")
    .run(lpos);

/// What LPOS is to look for.
struct Search {
    from: End,
    /// Matches to pass over.
    skip: usize,
    /// How many matches to reply, as an array; without it one, and no array.
    most: Option<usize>,
    /// Elements to compare.
    compared_max: usize,
}

impl Search {
    fn parse(call: &Call<'_>) -> Result<Search, Error> {
        let unlimited = |number: usize| if number == 0 { usize::MAX } else { number };
        let mut search = Search { from: End::Head, skip: 0, most: None, compared_max: usize::MAX };
        let mut at = 3;
        while let Some(word) = call.args.get(at) {
            if at + 1 >= call.args.len() {
                return Err(Error::SYNTAX);
            }
            if word.eq_ignore_ascii_case(b"RANK") {
                let rank = negatable(call, at + 1)?;
                search.from = if rank < 0 { End::Tail } else { End::Head };
                let matches = rank.unsigned_abs() as usize;
                search.skip = matches.checked_sub(1).ok_or(Error::ZERO_RANK)?;
            } else if word.eq_ignore_ascii_case(b"COUNT") {
                search.most = Some(unlimited(count(call, at + 1, 0, Error::NEGATIVE_COUNT)?));
            } else if word.eq_ignore_ascii_case(b"MAXLEN") {
                search.compared_max = unlimited(count(call, at + 1, 0, Error::NEGATIVE_MAXLEN)?);
            } else {
                return Err(Error::SYNTAX);
            }
            at += 2;
        }
        Ok(search)
    }

    /// The indices of the matches, in the order of the search.
    fn matches(&self, list: ListRef<'_>, wanted: &[u8]) -> Vec<usize> {
        let (mut seen, mut skip) = (0, self.skip);
        let most = self.most.unwrap_or(1);
        let mut found = Vec::new();
        let first = if self.from == End::Head { 0 } else { list.len() - 1 };
        let _ = list.walk(first, self.from, |element| {
            if element.as_bytes() == wanted {
                match skip.checked_sub(1) {
                    Some(less) => skip = less,
                    None if self.from == End::Head => found.push(seen),
                    None => found.push(first - seen),
                }
            }
            seen += 1;
            let ends = seen >= self.compared_max || found.len() >= most;
            if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }
}

fn lpos(call: &mut Call<'_>) -> Result<(), Error> {
    let search = Search::parse(call)?;
    let (key, wanted) = (call.key(0), call.args.at(2));
    let list = read_list(&mut call.space, key)?;
    let found = list.map_or_else(Vec::new, |list| search.matches(list, wanted));
    if search.most.is_some() {
        call.reply.array(found.len());
        found.iter().for_each(|index| call.reply.integer(*index as i64));
    } else {
        match found.first() {
            Some(index) => call.reply.integer(*index as i64),
            None => call.reply.null(),
        }
    }
    Ok(())
}
