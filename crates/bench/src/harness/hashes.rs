//! The requests with hashes: a million small ones, one of a million fields, and hashes of ten
//! fields that are read whole.

use super::strip::{Replies, Strip, bulk, key, space, value};

/// Fields of the hashes that are read whole.
pub const FIELDS: usize = 10;
/// Fields of a small hash.
const SMALL_FIELDS: usize = 4;
/// Bytes of a field's value.
pub const VALUE_BYTES: usize = 16;

/// What one request does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Makes a small hash.
    MakeSmall,
    /// Overwrites a field of a small hash.
    Set,
    Get,
    /// Counts in a field of its own of a small hash.
    Incr,
    /// Makes a hash of ten fields.
    MakeTen,
    /// Reads it whole.
    GetAll,
    /// Overwrites, or makes, a field of the one big hash.
    SetBig,
    GetBig,
}

/// Appends a request for each of `indices`.
pub fn render(action: Action, indices: &[usize], strip: &mut Strip) {
    if action == Action::SetBig || action == Action::Incr {
        // Whether the field is new, or how often it was counted, is not known.
        strip.replies = Replies::Kind(b':');
    }
    let big = key(space::HASHES, usize::MAX >> 16);
    let mut reply = Vec::new();
    for &index in indices {
        let key = key(space::HASHES, index);
        let text = value(&key, VALUE_BYTES);
        match action {
            Action::MakeSmall => make(strip, SMALL_FIELDS, &key),
            Action::MakeTen => make(strip, FIELDS, &key),
            Action::Set => {
                let field = format!("f{}", index % SMALL_FIELDS);
                strip.push(&[b"HSET", &key, field.as_bytes(), &text], b":0\r\n");
            }
            Action::Get => {
                reply.clear();
                bulk(&mut reply, &text);
                let field = format!("f{}", index % SMALL_FIELDS);
                strip.push(&[b"HGET", &key, field.as_bytes()], &reply);
            }
            Action::Incr => strip.push(&[b"HINCRBY", &key, b"count", b"1"], b""),
            Action::GetAll => {
                reply.clear();
                reply.extend_from_slice(format!("*{}\r\n", 2 * FIELDS).as_bytes());
                for field in 0..FIELDS {
                    bulk(&mut reply, format!("f{field}").as_bytes());
                    bulk(&mut reply, &text);
                }
                strip.push(&[b"HGETALL", &key], &reply);
            }
            Action::SetBig => strip.push(&[b"HSET", &big, &field(index), &text], b""),
            Action::GetBig => {
                reply.clear();
                bulk(&mut reply, &text);
                strip.push(&[b"HGET", &big, &field(index)], &reply);
            }
        }
    }
}

fn field(index: usize) -> [u8; 16] {
    key(space::FIELDS, index)
}

/// A new hash whose `fields` fields all have the same value.
fn make(strip: &mut Strip, fields: usize, key: &[u8; 16]) {
    let text = value(key, VALUE_BYTES);
    let names: Vec<String> = (0..fields).map(|field| format!("f{field}")).collect();
    let mut args: Vec<&[u8]> = vec![b"HSET", key];
    names.iter().for_each(|name| args.extend([name.as_bytes(), &text]));
    strip.push(&args, format!(":{fields}\r\n").as_bytes());
}

/// `count` hashes of ten fields with values of 16 bytes: for the memory that they take.
pub fn fill_strip(count: usize) -> Strip {
    let mut strip = Strip::with_replies();
    (0..count).for_each(|index| make(&mut strip, FIELDS, &key(space::HASHES, index)));
    strip
}
