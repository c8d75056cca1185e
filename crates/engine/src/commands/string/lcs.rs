//! LCS: the longest common subsequence of two strings.
//!
//! The limit is the one that Redis sets for the memory of the textbook table of lengths, so that
//! the same requests are refused. It also bounds how long the two keys' shards are held: some tens
//! of milliseconds, as the table is never made like that (`subsequence.rs`).

use super::subsequence::{Match, Table};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::Value;
use redstart_protocol::{Reply, parse_i64};

/// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]
pub static LCS: DataCommand = declare("lcs", Group::String, AtLeast(3))
    .flags(READONLY)
    .keys(&[KeySpec {
        begin: Begin::Index(1),
        find: Find::Range { last: 1, step: 1 },
        access: RO | ACCESS,
    }])
    .since("7.0.0")
    .complexity("O(N*M) where N and M are the lengths of the two strings.")
    .summary(
        "Returns the longest common subsequence of two strings, its length, or where \
         its parts lie.",
    )
    .syntax("key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]")
    .run(lcs);

#[derive(Default)]
struct Wanted {
    len: bool,
    ranges: bool,
    /// Shorter matches are left out of the ranges.
    match_len_min: u64,
    match_lens: bool,
}

impl Wanted {
    fn parse(call: &Call<'_>) -> Result<Wanted, Error> {
        let mut wanted = Wanted::default();
        let mut options = call.args.from(3).iter();
        while let Some(option) = options.next() {
            let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            if is("IDX") {
                wanted.ranges = true;
            } else if is("LEN") {
                wanted.len = true;
            } else if is("WITHMATCHLEN") {
                wanted.match_lens = true;
            } else if is("MINMATCHLEN") {
                let text = options.next().ok_or(Error::SYNTAX)?;
                let len = parse_i64(text).ok_or(Error::NOT_INTEGER)?;
                wanted.match_len_min = len.max(0) as u64;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        if wanted.ranges && wanted.len { Err(Error::LCS_BOTH) } else { Ok(wanted) }
    }
}

fn lcs(call: &mut Call<'_>) -> Result<(), Error> {
    let (a, b) = (call.key(0), call.key(1));
    let (a_len, b_len) = (string_len(call, a), string_len(call, b));
    let (a_len, b_len) = (a_len.ok_or(Error::LCS_TYPES)?, b_len.ok_or(Error::LCS_TYPES)?);
    let wanted = Wanted::parse(call)?;
    if a_len.max(b_len) >= u64::from(u32::MAX - 1) {
        return Err(Error::LCS_TOO_LONG);
    }
    let table_bytes = u128::from(a_len + 1) * u128::from(b_len + 1) * 4;
    if table_bytes > u128::from(call.options.string_bytes_max()) {
        return Err(Error::LCS_MEMORY);
    }
    let table = Table::new(text(call, a), text(call, b), !wanted.len)?;
    if wanted.len {
        call.reply.integer(i64::from(table.len));
        return Ok(());
    }
    let mut ranges = table.ranges();
    if wanted.ranges {
        ranges.retain(|range| u64::from(range.len) >= wanted.match_len_min);
        write_ranges(call.reply, &ranges, table.len, wanted.match_lens);
    } else {
        let parts = ranges.iter().rev().map(|range| table.text(range));
        call.reply.bulk(&parts.collect::<Vec<_>>().concat());
    }
    Ok(())
}

/// The length of a key's string, zero for a missing key, None for another type.
fn string_len(call: &mut Call<'_>, key: Key<'_>) -> Option<u64> {
    let value = call.space.read_string(key).ok()?;
    Some(value.map_or(0, |value| value.len() as u64))
}

/// The string of a key that was looked at; a missing one is empty.
fn text<'c>(call: &'c Call<'_>, key: Key<'_>) -> Value<'c> {
    call.space.peek(key).map_or(Value::Inline(b""), |entry| entry.value())
}

fn write_ranges(reply: &mut Reply, ranges: &[Match], len: u32, match_lens: bool) {
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(ranges.len());
    for range in ranges {
        reply.array(if match_lens { 3 } else { 2 });
        for first in [range.a, range.b] {
            reply.array(2);
            reply.integer(first as i64);
            reply.integer(first as i64 + i64::from(range.len) - 1);
        }
        if match_lens {
            reply.integer(i64::from(range.len));
        }
    }
    reply.bulk(b"len");
    reply.integer(i64::from(len));
}
