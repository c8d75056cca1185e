//! LCS: the longest common subsequence of two strings.
//!
//! The textbook table of lengths, of which only what the walk back needs is kept: one bit a cell
//! that says whether the longer rest lies above or to the left, a thirty-second of the table of
//! 32-bit lengths. The limit is the one that Redis sets for that whole table, so that the same
//! requests are refused; it also bounds how long the two keys' shards are held.

use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
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
    let (a, b) = (text(call, a), text(call, b));
    let table = Table::new(&a, &b, !wanted.len)?;
    if wanted.len {
        call.reply.integer(i64::from(table.len));
    } else if wanted.ranges {
        let mut ranges = table.ranges(&a, &b);
        ranges.retain(|range| u64::from(range.len) >= wanted.match_len_min);
        write_ranges(call.reply, &ranges, table.len, wanted.match_lens);
    } else {
        let ranges = table.ranges(&a, &b);
        let parts = ranges.iter().rev().map(|range| &a[range.a..range.a + range.len as usize]);
        call.reply.bulk(&parts.collect::<Vec<_>>().concat());
    }
    Ok(())
}

/// The length of a key's string, zero for a missing key, None for another type.
fn string_len(call: &mut Call<'_>, key: Key<'_>) -> Option<u64> {
    let value = call.space.read_string(key).ok()?;
    Some(value.map_or(0, |value| value.len() as u64))
}

fn text(call: &mut Call<'_>, key: Key<'_>) -> Vec<u8> {
    let Some(slot) = call.space.find(key) else { return Vec::new() };
    call.space.entry(key, slot).value().to_vec()
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

/// Equal bytes, one behind the other in both strings.
struct Match {
    /// Where they begin in the first string.
    a: usize,
    /// And in the second.
    b: usize,
    len: u32,
}

/// What remains of the table of lengths.
struct Table {
    /// The length of the longest common subsequence.
    len: u32,
    /// For each pair of prefixes, whether the walk back drops the first one's last byte. Without
    /// meaning where the two end in the same byte.
    up: Vec<u64>,
    width: usize,
}

impl Table {
    /// Fills the table row by row; the bits are kept only if they are wanted.
    fn new(a: &[u8], b: &[u8], keeps: bool) -> Result<Table, Error> {
        let mut up = Vec::new();
        if keeps {
            let words = (a.len() * b.len()).div_ceil(64);
            up.try_reserve_exact(words).map_err(|_| out_of_memory())?;
            up.resize(words, 0);
        }
        let mut row: Vec<u32> = Vec::new();
        row.try_reserve_exact(b.len()).map_err(|_| out_of_memory())?;
        row.resize(b.len(), 0);
        for (i, x) in a.iter().enumerate() {
            let (mut diagonal, mut left) = (0, 0);
            for (j, (y, cell)) in b.iter().zip(&mut row).enumerate() {
                let above = *cell;
                if x == y {
                    left = diagonal + 1;
                } else if above > left {
                    left = above;
                    if keeps {
                        let at = i * b.len() + j;
                        up[at / 64] |= 1 << (at % 64);
                    }
                }
                (*cell, diagonal) = (left, above);
            }
        }
        Ok(Table { len: row.last().copied().unwrap_or(0), up, width: b.len() })
    }

    /// The matches of one longest common subsequence, the last one first: the same that Redis
    /// chooses among several, since it walks back in the same way.
    fn ranges(&self, a: &[u8], b: &[u8]) -> Vec<Match> {
        let mut ranges: Vec<Match> = Vec::new();
        let (mut i, mut j) = (a.len(), b.len());
        let mut goes_on = false;
        while i > 0 && j > 0 {
            let at = (i - 1) * self.width + j - 1;
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                match ranges.last_mut() {
                    Some(range) if goes_on => {
                        *range = Match { a: i, b: j, len: range.len + 1 };
                    }
                    _ => ranges.push(Match { a: i, b: j, len: 1 }),
                }
                goes_on = true;
            } else {
                goes_on = false;
                if self.up[at / 64] >> (at % 64) & 1 == 1 {
                    i -= 1;
                } else {
                    j -= 1;
                }
            }
        }
        ranges
    }
}

fn out_of_memory() -> Error {
    Error::text("ERR Insufficient memory, failed allocating transient memory for LCS")
}
