//! The requests with streams: one of a million entries, many of 160 for a group of consumers, one
//! that grows and one that is kept short.
//!
//! Entries of the fills have the ids 1-0, 1-1 and so on, whichever connection adds them: `1-*`
//! takes the next one. So a range can begin anywhere, and it is known what a group is given.

use super::strip::{Replies, Strip, bulk, key, space};

/// Entries that a range returns.
const RANGE: usize = 100;
/// Entries that a consumer gets, and acknowledges, at a time.
const JOBS: usize = 10;
/// Entries of each stream that has a group. Its requests are a part of one connection's, whatever
/// their number: twice 16 divide a lap.
const QUEUE: usize = 160;
/// The entries that a stream is kept at, about.
const CAPPED: &[u8] = b"10000";
/// What each entry is made of.
const FIELDS: [&[u8]; 4] = [b"field-0000000001", b"value-0000000001", b"field-2", b"value-2"];

/// What one request does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Makes an entry of the big stream.
    Make,
    /// Makes an entry of a stream that has a group, of each in turn.
    MakeQueues,
    /// Makes the groups.
    MakeGroups,
    Add,
    AddCapped,
    Read,
    Range,
    /// XREADGROUP, then XACK of what it gave; each counts as an operation.
    ReadGroup,
}

impl Action {
    /// What has to be done before each time, because this uses it up.
    pub fn prepared_by(self) -> Option<Action> {
        (self == Action::ReadGroup).then_some(Action::MakeGroups)
    }
}

fn big() -> [u8; 16] {
    key(space::STREAMS, usize::MAX >> 16)
}

/// Appends a request, or several, for each of `indices`.
pub fn render(action: Action, indices: &[usize], strip: &mut Strip) {
    let (big, grows, capped) =
        (big(), key(space::STREAMS, usize::MAX >> 17), key(space::STREAMS, usize::MAX >> 18));
    let queues = indices.len() / QUEUE;
    if action == Action::ReadGroup {
        indices.iter().filter(|index| **index < queues).for_each(|index| consume(*index, strip));
        return;
    }
    strip.replies = Replies::Kind(match action {
        Action::Read | Action::Range => b'*',
        Action::MakeGroups => b'+',
        _ => b'$',
    });
    for &index in indices {
        let from = format!("1-{}", index.min(indices.len().saturating_sub(RANGE + 1)));
        let from = from.as_bytes();
        match action {
            Action::Make => add(strip, &big, &[b"1-*"]),
            Action::MakeQueues => add(strip, &key(space::STREAMS, index % queues), &[b"1-*"]),
            Action::MakeGroups if index >= queues => {}
            Action::MakeGroups => {
                let key = key(space::STREAMS, index);
                strip.push(&[b"XGROUP", b"CREATE", &key, b"g", b"0"], b"");
            }
            Action::Add => add(strip, &grows, &[b"*"]),
            Action::AddCapped => add(strip, &capped, &[b"MAXLEN", b"~", CAPPED, b"*"]),
            Action::Read => {
                strip.push(&[b"XREAD", b"COUNT", b"100", b"STREAMS", &big, from], b"");
            }
            Action::Range => strip.push(&[b"XRANGE", &big, from, b"+", b"COUNT", b"100"], b""),
            Action::ReadGroup => unreachable!("its requests are pairs"),
        }
    }
}

/// An entry of two fields, whose id is the last of `options`.
fn add(strip: &mut Strip, key: &[u8], options: &[&[u8]]) {
    let args = [&[&b"XADD"[..], key], options, &FIELDS].concat();
    strip.push(&args, b"");
}

/// Reads a queue to its end, and acknowledges each lot.
fn consume(index: usize, strip: &mut Strip) {
    let key = key(space::STREAMS, index);
    let mut reply = Vec::new();
    for first in (0..QUEUE).step_by(JOBS) {
        let ids: Vec<String> = (first..first + JOBS).map(|n| format!("1-{n}")).collect();
        reply.clear();
        reply.extend_from_slice(b"*1\r\n*2\r\n");
        bulk(&mut reply, &key);
        reply.extend_from_slice(format!("*{JOBS}\r\n").as_bytes());
        for id in &ids {
            reply.extend_from_slice(b"*2\r\n");
            bulk(&mut reply, id.as_bytes());
            reply.extend_from_slice(b"*4\r\n");
            FIELDS.iter().for_each(|field| bulk(&mut reply, field));
        }
        let count = JOBS.to_string();
        let read: [&[u8]; 9] = [
            b"XREADGROUP",
            b"GROUP",
            b"g",
            b"c",
            b"COUNT",
            count.as_bytes(),
            b"STREAMS",
            &key,
            b">",
        ];
        strip.push(&read, &reply);
        let mut acknowledge: Vec<&[u8]> = vec![b"XACK", &key, b"g"];
        acknowledge.extend(ids.iter().map(String::as_bytes));
        strip.push(&acknowledge, format!(":{JOBS}\r\n").as_bytes());
    }
}

/// An entry of two fields of 16 bytes, whose names are the same in each.
fn add_small(strip: &mut Strip, stream: &[u8], index: usize) {
    let (one, other) = (key(space::MEMBERS, index), key(space::FIELDS, index));
    let names: [&[u8]; 2] = [b"first-field-name", b"other-field-name"];
    strip.push(&[b"XADD", stream, b"1-*", names[0], &one, names[1], &other], b"");
}

/// One stream of `count` entries: for the memory that they take.
pub fn big_strip(count: usize) -> Strip {
    let mut strip = Strip::with_replies();
    strip.replies = Replies::Kind(b'$');
    (0..count).for_each(|index| add_small(&mut strip, &big(), index));
    strip
}

/// Streams of a hundred entries each, filled in turn, `count` entries together.
pub fn turns_strip(count: usize) -> Strip {
    let mut strip = Strip::with_replies();
    strip.replies = Replies::Kind(b'$');
    let streams = count / super::memory::ENTRIES_OF_TURNS;
    (0..count).for_each(|index| {
        add_small(&mut strip, &key(space::STREAMS, index % streams), index);
    });
    strip
}
