//! Replies about streams, in which some numbers are times: when a consumer was seen, for how long
//! an entry is pending. They are known by where they stand, and may differ a little; so may ids
//! that a server made of its own time. Everything else must be equal.

use crate::normalise::TOLERANCE_MS;
use crate::reply::Reply;

/// What stands before a time.
const NAMES: [&[u8]; 4] = [b"idle", b"inactive", b"seen-time", b"active-time"];
/// How a tree of ids is built, which depends on them.
const NODES: &[u8] = b"radix-tree-nodes";
/// An id of the last entry, which stands beside it.
const LAST: &[u8] = b"last-generated-id";
/// Times that a test run may happen in: 2020 to 2099.
const NOW_MS: std::ops::Range<u64> = 1_577_836_800_000..4_070_908_800_000;

/// Where a reply comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The command itself.
    Command,
    /// A script, which keeps no order in a map.
    Script,
}

/// Whether two replies are the same but for times.
pub fn same(from: From, one: &Reply, other: &Reply) -> bool {
    match (one, other) {
        (Reply::Aggregate(a, one), Reply::Aggregate(b, other)) => {
            a == b && one.len() == other.len() && are_same(from, *a == b'%', one, other)
        }
        (Reply::Bulk(one), Reply::Bulk(other)) => one == other || are_made_now(one, other),
        _ => one == other,
    }
}

fn are_same(from: From, is_map: bool, one: &[Reply], other: &[Reply]) -> bool {
    let names = |all: &[Reply]| {
        all.len().is_multiple_of(2)
            && all.iter().step_by(2).all(|name| matches!(name, Reply::Bulk(_)))
    };
    if (is_map || from == From::Script) && names(one) && names(other) && one.len() > 2 {
        let (one, other) = (by_name(one), by_name(other));
        return are_same_in_order(from, &one, &other);
    }
    if one.iter().chain(other).all(is_claimed) {
        // Of those that were given at once, none is the first.
        return are_same_in_order(from, &by_id(one), &by_id(other));
    }
    let (one, other): (Vec<_>, Vec<_>) = (one.iter().collect(), other.iter().collect());
    are_same_in_order(from, &one, &other)
}

fn are_same_in_order(from: From, one: &[&Reply], other: &[&Reply]) -> bool {
    let time = time_of_record(one).filter(|at| time_of_record(other) == Some(*at));
    let is_ours = last_id(one).zip(last_id(other)).is_some_and(|(a, b)| are_made_now(a, b));
    let is_same = |at: usize| {
        let name = at.checked_sub(1).map(|before| one[before]);
        let is_named =
            |names: &[&[u8]]| matches!(name, Some(Reply::Bulk(n)) if names.contains(&&n[..]));
        match (one[at], other[at]) {
            (Reply::Integer(x), Reply::Integer(y)) if time == Some(at) || is_named(&NAMES) => {
                x == y || (*x >= 0 && *y >= 0 && x.abs_diff(*y) <= TOLERANCE_MS as u64)
            }
            (Reply::Integer(_), Reply::Integer(_)) if is_ours && is_named(&[NODES]) => true,
            (x, y) => same(from, x, y),
        }
    };
    one.len() == other.len() && (0..one.len()).all(is_same)
}

/// Names and values, by their names.
fn by_name(all: &[Reply]) -> Vec<&Reply> {
    let mut pairs: Vec<&[Reply]> = all.chunks(2).collect();
    pairs.sort_by(|a, b| a[0].cmp(&b[0]));
    pairs.into_iter().flatten().collect()
}

fn by_id(all: &[Reply]) -> Vec<&Reply> {
    let mut all: Vec<&Reply> = all.iter().collect();
    all.sort_unstable();
    all
}

/// Whether this is an entry that XREADGROUP has claimed: id, fields, idle time, count.
fn is_claimed(reply: &Reply) -> bool {
    let Reply::Aggregate(_, parts) = reply else { return false };
    matches!(
        &parts[..],
        [Reply::Bulk(_), Reply::Aggregate(..), Reply::Integer(_), Reply::Integer(_)]
    )
}

/// Where the time stands in a record of a pending entry.
fn time_of_record(parts: &[&Reply]) -> Option<usize> {
    let is_id = |text: &[u8]| parse(text).is_some();
    match parts {
        [Reply::Bulk(id), _, Reply::Integer(_), Reply::Integer(_)] if is_id(id) => Some(2),
        [Reply::Bulk(id), Reply::Integer(_), Reply::Integer(_)] if is_id(id) => Some(1),
        _ => None,
    }
}

/// The last id, among what XINFO tells of a stream.
fn last_id<'a>(parts: &[&'a Reply]) -> Option<&'a [u8]> {
    parts.windows(2).find_map(|pair| match pair {
        [Reply::Bulk(name), Reply::Bulk(id)] if name == LAST => Some(&id[..]),
        _ => None,
    })
}

/// Whether both texts are ids of a moment of this run.
fn are_made_now(one: &[u8], other: &[u8]) -> bool {
    parse(one).zip(parse(other)).is_some_and(|(one, other)| {
        let are_now = NOW_MS.contains(&one) && NOW_MS.contains(&other);
        are_now && one.abs_diff(other) <= TOLERANCE_MS as u64
    })
}

/// The milliseconds of an id.
fn parse(text: &[u8]) -> Option<u64> {
    let (ms, seq) = std::str::from_utf8(text).ok()?.split_once('-')?;
    seq.parse::<u64>().ok().and(ms.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::decode;

    fn is_same(from: From, one: &str, other: &str) -> bool {
        let frame = |text: &str| decode(text.replace(' ', "\r\n").as_bytes()).unwrap();
        same(from, &frame(one), &frame(other))
    }

    #[test]
    fn times_of_records_and_consumers_are_near_each_other() {
        let command = From::Command;
        let pending = |idle: i64, count: i64| format!("*1 *4 $3 1-1 $1 c :{idle} :{count} ");
        assert!(is_same(command, &pending(0, 1), &pending(12, 1)));
        assert!(!is_same(command, &pending(0, 1), &pending(0, 2)));
        assert!(!is_same(command, &pending(0, 1), &pending(6000, 1)));
        assert!(is_same(command, "*2 $4 idle :3 ", "*2 $4 idle :4 "));
        assert!(!is_same(command, "*2 $8 inactive :-1 ", "*2 $8 inactive :0 "));
        assert!(!is_same(command, "*2 $7 pending :3 ", "*2 $7 pending :4 "));
    }

    #[test]
    fn ids_of_now_are_near_each_other() {
        let command = From::Command;
        assert!(is_same(command, "$15 1800000000000-0 ", "$15 1800000000003-1 "));
        assert!(!is_same(command, "$15 8000000000000-0 ", "$15 8000000000000-1 "));
        assert!(!is_same(command, "$3 1-1 ", "$3 1-2 "));
    }

    #[test]
    fn a_map_has_an_order_but_in_a_script() {
        let (one, other) = ("*4 $1 a :1 $1 b :2 ", "*4 $1 b :2 $1 a :1 ");
        assert!(!is_same(From::Command, one, other));
        assert!(is_same(From::Script, one, other));
        assert!(!is_same(From::Script, one, "*4 $1 b :1 $1 a :2 "));
    }
}
