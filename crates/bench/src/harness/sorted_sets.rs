//! The requests with sorted sets: one of a million members with random scores, one of a million
//! members with equal scores, and a million small ones.

use super::strip::{Replies, Strip, key, space};

/// Members of a small sorted set.
const SMALL_MEMBERS: usize = 10;
/// Members that a range returns.
const RANGE: usize = 100;
/// The indices of the members that are added and removed beside those of the fill.
const OTHERS: usize = 1 << 40;

/// What one request does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Makes, or moves, a member of the big set.
    Add,
    /// Adds a member that is not of the fill.
    AddOther,
    /// Removes it.
    RemoveOther,
    /// Gives a member another score.
    Rescore,
    Incr,
    Score,
    Rank,
    Count,
    PopMin,
    RangeByRank,
    RangeByScore,
    /// Makes a member of the set with equal scores.
    AddEqual,
    RangeByLex,
    /// Makes a set of ten members.
    MakeSmall,
    /// Gives a member of a small set another score.
    AddSmall,
    RangeSmall,
}

impl Action {
    /// What has to be done before each time, because this uses it up.
    pub fn prepared_by(self) -> Option<Action> {
        match self {
            Action::AddOther => Some(Action::RemoveOther),
            Action::RemoveOther => Some(Action::AddOther),
            Action::PopMin => Some(Action::Add),
            _ => None,
        }
    }
}

/// Appends a request for each of `indices`.
pub fn render(action: Action, indices: &[usize], strip: &mut Strip) {
    strip.replies = Replies::Kind(match action {
        Action::Incr | Action::Score => b'$',
        Action::PopMin | Action::RangeByRank | Action::RangeByScore => b'*',
        Action::RangeByLex | Action::RangeSmall => b'*',
        _ => b':',
    });
    let (big, equal) =
        (key(space::SORTED_SETS, usize::MAX >> 16), key(space::SORTED_SETS, usize::MAX >> 17));
    let count = indices.len();
    for &index in indices {
        let (member, other) = (member(index), self::member(index + OTHERS));
        let [score, second] = [score(index), self::score(index + OTHERS)];
        let small = key(space::SORTED_SETS, index);
        let (from, to) = (start(index, count), start(index, count) + RANGE - 1);
        let [from, to] = [from, to].map(|rank| rank.to_string());
        let mut push = |args: &[&[u8]]| strip.push(args, b"");
        match action {
            Action::Add => push(&[b"ZADD", &big, score.as_bytes(), &member]),
            Action::AddOther => push(&[b"ZADD", &big, second.as_bytes(), &other]),
            Action::RemoveOther => push(&[b"ZREM", &big, &other]),
            Action::Rescore => push(&[b"ZADD", &big, second.as_bytes(), &member]),
            Action::Incr => push(&[b"ZINCRBY", &big, b"1", &member]),
            Action::Score => push(&[b"ZSCORE", &big, &member]),
            Action::Rank => push(&[b"ZRANK", &big, &member]),
            Action::Count => push(&[b"ZCOUNT", &big, score.as_bytes(), b"+inf"]),
            Action::PopMin => push(&[b"ZPOPMIN", &big]),
            Action::RangeByRank => push(&[b"ZRANGE", &big, from.as_bytes(), to.as_bytes()]),
            Action::RangeByScore => push(&[
                b"ZRANGE",
                &big,
                score.as_bytes(),
                b"+inf",
                b"BYSCORE",
                b"LIMIT",
                b"0",
                b"100",
            ]),
            Action::AddEqual => push(&[b"ZADD", &equal, b"0", &member]),
            Action::RangeByLex => {
                let least = [b"[", &member[..]].concat();
                push(&[b"ZRANGE", &equal, &least, b"+", b"BYLEX", b"LIMIT", b"0", b"100"]);
            }
            Action::MakeSmall => make(strip, &small),
            Action::AddSmall => {
                let member = name(index % SMALL_MEMBERS);
                push(&[b"ZADD", &small, (index % 1000).to_string().as_bytes(), member.as_bytes()]);
            }
            Action::RangeSmall => push(&[b"ZRANGE", &small, b"0", b"-1"]),
        }
    }
}

fn member(index: usize) -> [u8; 16] {
    key(space::MEMBERS, index)
}

/// A score that looks random, with three decimals.
fn score(index: usize) -> String {
    let word = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
    format!("{}.{:03}", word / 1000 % 1_000_000_000, word % 1000)
}

/// A rank from which a range can begin.
fn start(index: usize, count: usize) -> usize {
    index.wrapping_mul(7919) % count.saturating_sub(RANGE).max(1)
}

fn name(index: usize) -> String {
    format!("member-{index:09}")
}

fn make(strip: &mut Strip, key: &[u8; 16]) {
    let pairs: Vec<(String, String)> =
        (0..SMALL_MEMBERS).map(|n| ((n * 300).to_string(), name(n))).collect();
    let mut args: Vec<&[u8]> = vec![b"ZADD", key];
    pairs.iter().for_each(|(score, name)| args.extend([score.as_bytes(), name.as_bytes()]));
    strip.push(&args, format!(":{SMALL_MEMBERS}\r\n").as_bytes());
}

/// `count` sorted sets of ten members of 16 bytes: for the memory that they take.
pub fn fill_strip(count: usize) -> Strip {
    let mut strip = Strip::with_replies();
    (0..count).for_each(|index| make(&mut strip, &key(space::SORTED_SETS, index)));
    strip
}

/// One sorted set of `count` members with random scores, and the key that makes it the only one.
pub fn big_strip(count: usize) -> Strip {
    let mut strip = Strip::with_replies();
    let indices: Vec<usize> = (0..count).collect();
    render(Action::Add, &indices, &mut strip);
    strip
}
