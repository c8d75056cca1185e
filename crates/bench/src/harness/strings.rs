//! The requests with strings: GET and SET, counters, MSET and MGET, and the lock cycle.

use super::strip::{Replies, Strip, bulk, key, space, value};

/// Keys of one MSET or MGET.
const KEYS_PER_MULTI: usize = 10;

/// What one request does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    Get,
    Set,
    Incr,
    Mset,
    Mget,
    /// `SET key value NX PX 30000`, then `DEL key`; each counts as an operation.
    LockCycle,
}

/// Appends a request, or several, for each of `indices`; values have `value_bytes` bytes.
pub fn render(action: Action, value_bytes: usize, indices: &[usize], strip: &mut Strip) {
    let strings = indices.iter().map(|&index| key(space::STRINGS, index));
    let mut reply = Vec::new();
    match action {
        Action::Get => strings.for_each(|key| {
            reply.clear();
            bulk(&mut reply, &value(&key, value_bytes));
            strip.push(&[b"GET", &key], &reply);
        }),
        Action::Set => strings.for_each(|key| {
            strip.push(&[b"SET", &key, &value(&key, value_bytes)], b"+OK\r\n");
        }),
        Action::Incr => {
            strip.replies = Replies::Kind(b':');
            indices.iter().map(|&index| key(space::COUNTERS, index)).for_each(|key| {
                strip.push(&[b"INCR", &key], b"");
            });
        }
        Action::Mset | Action::Mget => render_multi(action, value_bytes, indices, strip),
        Action::LockCycle => indices.iter().for_each(|&index| {
            let key = key(space::LOCKS, index);
            strip.push(&[b"SET", &key, &value(&key, 32), b"NX", b"PX", b"30000"], b"+OK\r\n");
            strip.push(&[b"DEL", &key], b":1\r\n");
        }),
    }
}

fn render_multi(action: Action, value_bytes: usize, indices: &[usize], strip: &mut Strip) {
    let mut reply = Vec::new();
    for chosen in indices.chunks_exact(KEYS_PER_MULTI) {
        let keys: Vec<_> = chosen.iter().map(|&index| key(space::STRINGS, index)).collect();
        let values: Vec<_> = keys.iter().map(|key| value(key, value_bytes)).collect();
        let mut args: Vec<&[u8]> = Vec::with_capacity(1 + 2 * KEYS_PER_MULTI);
        reply.clear();
        if action == Action::Mset {
            args.push(b"MSET");
            keys.iter().zip(&values).for_each(|(key, value)| args.extend([&key[..], value]));
            reply.extend_from_slice(b"+OK\r\n");
        } else {
            args.push(b"MGET");
            args.extend(keys.iter().map(|key| &key[..]));
            reply.extend_from_slice(format!("*{KEYS_PER_MULTI}\r\n").as_bytes());
            values.iter().for_each(|value| bulk(&mut reply, value));
        }
        strip.push(&args, &reply);
    }
}
