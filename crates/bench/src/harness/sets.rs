//! The requests with sets: one of a million members, two of ten thousand that share half of them,
//! and a million small ones.

use super::strip::{Replies, Strip, key, space};

/// Members of a small set.
const SMALL_MEMBERS: usize = 10;
/// Members of each of two sets that are taken together.
const PAIR_MEMBERS: usize = 10_000;
/// The members of both, the shared ones counted once.
pub const PAIR_KEYS: usize = PAIR_MEMBERS / 2 * 3;
/// The indices of the members that are added and removed beside those of the fill.
const OTHERS: usize = 1 << 40;

/// What one request does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Makes a member of the big set.
    Add,
    /// Adds a member that is not of the fill.
    AddOther,
    /// Removes it.
    RemoveOther,
    Contains,
    Pop,
    /// Makes a member of one of two sets, or of both.
    AddPair,
    /// The same with integers.
    AddIntegerPair,
    Inter,
    Union,
    Diff,
    InterIntegers,
    /// Makes a set of ten members.
    MakeSmall,
    /// Adds a member to a small set, which mostly has it.
    AddSmall,
    ContainsSmall,
}

impl Action {
    /// What has to be done before each time, because this uses it up.
    pub fn prepared_by(self) -> Option<Action> {
        match self {
            Action::AddOther => Some(Action::RemoveOther),
            Action::RemoveOther => Some(Action::AddOther),
            Action::Pop => Some(Action::Add),
            _ => None,
        }
    }
}

/// Appends a request for each of `indices`.
pub fn render(action: Action, indices: &[usize], strip: &mut Strip) {
    strip.replies = Replies::Kind(match action {
        Action::Pop => b'$',
        Action::Inter | Action::Union | Action::Diff | Action::InterIntegers => b'*',
        _ => b':',
    });
    let big = key(space::SETS, usize::MAX >> 16);
    let pair = [17, 18].map(|shift| key(space::SETS, usize::MAX >> shift));
    let integers = [19, 20].map(|shift| key(space::SETS, usize::MAX >> shift));
    for &index in indices {
        let (member, other) = (member(index), self::member(index + OTHERS));
        let (small, number) = (key(space::SETS, index), (index * 7919).to_string());
        let name = name(index % (SMALL_MEMBERS + 1));
        let mut push = |args: &[&[u8]]| strip.push(args, b"");
        let mut both = |sets: &[[u8; 16]; 2], member: &[u8]| {
            if index < PAIR_MEMBERS {
                push(&[b"SADD", &sets[0], member]);
            }
            if index >= PAIR_KEYS - PAIR_MEMBERS {
                push(&[b"SADD", &sets[1], member]);
            }
        };
        match action {
            Action::Add => push(&[b"SADD", &big, &member]),
            Action::AddOther => push(&[b"SADD", &big, &other]),
            Action::RemoveOther => push(&[b"SREM", &big, &other]),
            Action::Contains => push(&[b"SISMEMBER", &big, &member]),
            Action::Pop => push(&[b"SPOP", &big]),
            Action::AddPair => both(&pair, &member),
            Action::AddIntegerPair => both(&integers, number.as_bytes()),
            Action::Inter => push(&[b"SINTER", &pair[0], &pair[1]]),
            Action::Union => push(&[b"SUNION", &pair[0], &pair[1]]),
            Action::Diff => push(&[b"SDIFF", &pair[0], &pair[1]]),
            Action::InterIntegers => push(&[b"SINTER", &integers[0], &integers[1]]),
            Action::MakeSmall => make(strip, &small),
            Action::AddSmall => push(&[b"SADD", &small, name.as_bytes()]),
            Action::ContainsSmall => push(&[b"SISMEMBER", &small, name.as_bytes()]),
        }
    }
}

fn member(index: usize) -> [u8; 16] {
    key(space::MEMBERS, index)
}

fn name(index: usize) -> String {
    format!("member-{index:09}")
}

fn make(strip: &mut Strip, key: &[u8; 16]) {
    let names: Vec<String> = (0..SMALL_MEMBERS).map(name).collect();
    let mut args: Vec<&[u8]> = vec![b"SADD", key];
    args.extend(names.iter().map(String::as_bytes));
    strip.push(&args, format!(":{SMALL_MEMBERS}\r\n").as_bytes());
}

/// `count` sets of ten members of 16 bytes: for the memory that they take.
pub fn fill_strip(count: usize) -> Strip {
    let mut strip = Strip::with_replies();
    (0..count).for_each(|index| make(&mut strip, &key(space::SETS, index)));
    strip
}

/// One set of `count` members.
pub fn big_strip(count: usize) -> Strip {
    let mut strip = Strip::with_replies();
    let indices: Vec<usize> = (0..count).collect();
    render(Action::Add, &indices, &mut strip);
    strip
}

/// One set of `count` integers.
pub fn integers_strip(count: usize) -> Strip {
    let mut strip = Strip::with_replies();
    strip.replies = Replies::Kind(b':');
    let set = key(space::SETS, usize::MAX >> 16);
    for index in 0..count {
        strip.push(&[b"SADD", &set, (index * 7919).to_string().as_bytes()], b"");
    }
    strip
}
