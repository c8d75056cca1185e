//! A batch of requests is decoded, and what its keys will touch is fetched.

use crate::dispatch::worker::Worker;
use crate::session::Session;
use redstart_engine::KeyAt;
use redstart_protocol::memcached::{Decoded, MemcachedLimits};

/// Requests that are overlapped at most, and words beyond which a batch ends.
const BATCH_MAX: usize = 64;
const BATCH_WORDS: usize = 1024;
/// Words for which memory is kept between batches.
const WORDS_KEPT: usize = 16 * 1024;
/// Keys that are fetched ahead: more would push each other out of the cache.
const KEYS_AHEAD: usize = 256;

/// Decodes a batch and fetches what leads to its keys. Returns where it ends, or None when nothing
/// is whole.
pub fn decode(
    session: &mut Session,
    worker: &mut Worker,
    input: &mut [u8],
    from: usize,
) -> Option<usize> {
    let engine = session.server.engine;
    let limits = MemcachedLimits {
        item_bytes_max: engine.options.memcached_item_bytes_max(),
        authenticated: session.authenticated,
    };
    let most = if limits.authenticated { BATCH_MAX } else { 1 };
    let Worker { spans, keys, foreign, .. } = worker;
    spans.clear();
    keys.clear();
    foreign.clear();
    spans.shrink_to(WORDS_KEPT);
    keys.shrink_to(WORDS_KEPT);
    let decoder = session.memcached.as_mut()?;
    let mut at = from;
    while foreign.requests.len() < most && spans.len() < BATCH_WORDS && at < input.len() {
        match decoder.decode(input, at, spans, foreign, &limits) {
            Decoded::Until(end) => at = end,
            Decoded::Incomplete(wanted) => {
                session.wanted = wanted;
                break;
            }
            Decoded::Hopeless => {
                session.closing = foreign.requests.is_empty();
                break;
            }
        }
    }
    let keyspace = &engine.keyspace;
    for request in &foreign.requests {
        let first = request.args.start + 1;
        for (n, span) in spans.iter().skip(first).take(request.keys).enumerate() {
            let key = &input[span.start as usize..(span.start + span.len) as usize];
            let hash = keyspace.hasher().hash(key);
            keys.push(KeyAt { arg: n as u32 + 1, hash });
            keyspace.prefetch_shard(hash);
        }
    }
    if keys.len() > 1 {
        let ahead = &keys[..keys.len().min(KEYS_AHEAD)];
        ahead.iter().for_each(|key| keyspace.prefetch_bucket(0, key.hash));
        ahead.iter().for_each(|key| keyspace.prefetch_entry(0, key.hash));
    }
    (at > from).then_some(at)
}
