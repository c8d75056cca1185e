//! The requests with lists: the two ends of a queue, a range of a hundred elements, and the middle
//! of a list of a million.

use super::strip::{Replies, Slices, Strip, bulk, key, space, value};

/// Bytes of an element.
pub const VALUE_BYTES: usize = 16;
/// Elements of a list that is counted as small.
pub const ELEMENTS: usize = 10;
/// Elements of the long list, which is pushed to in requests of `PER_PUSH`.
pub const LONG: usize = 1_000_000;
pub const PER_PUSH: usize = 100;
/// How far from the middle of the long list is asked.
const AROUND: usize = 1000;

/// What one request does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Pushes to the queue.
    Push,
    /// Takes from the other end of the queue.
    Rpop,
    /// Pushes a hundred elements to the long list.
    MakeLong,
    /// Reads its first hundred elements.
    Range,
    /// Reads an element near its middle.
    Index,
    /// Overwrites one.
    Set,
}

/// Appends a request for each of `indices`.
pub fn render(action: Action, indices: &[usize], strip: &mut Strip) {
    let queue = key(space::LISTS, 0);
    let long = key(space::LISTS, 1);
    let text = value(&long, VALUE_BYTES);
    let mut element = Vec::new();
    bulk(&mut element, &text);
    strip.replies = match action {
        Action::Push | Action::MakeLong => Replies::Kind(b':'),
        Action::Rpop => Replies::Kind(b'$'),
        _ => Replies::Exact(Slices::default()),
    };
    for &index in indices {
        match action {
            Action::Push => strip.push(&[b"LPUSH", &queue, &key(space::STRINGS, index)], b""),
            Action::Rpop => strip.push(&[b"RPOP", &queue], b""),
            Action::MakeLong => {
                let mut args: Vec<&[u8]> = vec![b"RPUSH", &long];
                args.resize(2 + PER_PUSH, &text);
                strip.push(&args, b"");
            }
            Action::Range => {
                let mut reply = b"*100\r\n".to_vec();
                (0..100).for_each(|_| reply.extend_from_slice(&element));
                strip.push(&[b"LRANGE", &long, b"0", b"99"], &reply);
            }
            Action::Index => {
                strip.push(&[b"LINDEX", &long, near_middle(index).as_bytes()], &element)
            }
            Action::Set => {
                strip.push(&[b"LSET", &long, near_middle(index).as_bytes(), &text], b"+OK\r\n");
            }
        }
    }
}

fn near_middle(index: usize) -> String {
    (LONG / 2 - AROUND + index % (2 * AROUND)).to_string()
}

/// `count` lists of ten elements of 16 bytes: for the memory that they take.
pub fn fill_strip(count: usize) -> Strip {
    let mut strip = Strip::with_replies();
    for index in 0..count {
        let key = key(space::LISTS, index);
        let text = value(&key, VALUE_BYTES);
        let mut args: Vec<&[u8]> = vec![b"RPUSH", &key];
        args.resize(2 + ELEMENTS, &text);
        strip.push(&args, format!(":{ELEMENTS}\r\n").as_bytes());
    }
    strip
}
