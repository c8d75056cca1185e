//! Which words the stream is in: all replicas get the same, so they are words that Redis 7.0
//! understands, as do all servers since.
//!
//! | what was done | words |
//! | --- | --- |
//! | what Redis 7.0 can do | the effect as it is |
//! | what newer servers can do | a script that tries the effect, and else does what the old ones can |
//! | what only Redstart can do | what others can of it, and the effect wrapped |
//!
//! A wrapped request is `REPLCONF capa TEXT`, which every server passes over; the text is
//! [`WRAPPED`] and the request. Redstart runs what is in it, and what the script would try.

use super::stream::{Unit, bulk, header};
use bytes::Bytes;
use redstart_engine::run::effect::Effect;

/// What a wrapped word begins with; behind it stands the word, as a request in RESP.
pub const WRAPPED: &[u8] = b"redstart ";

/// Adds the words of an effect.
pub fn add(effect: &Effect, to: &mut Unit) {
    let Effect { db, args } = effect;
    match &args[0][..] {
        b"TAG.ADD" | b"TAG.DROP" | b"LOCK.FENCE" | b"MEMCACHED.NOTE" | b"SPEXPIREAT"
        | b"SPERSIST" => wrap(effect, to),
        _ => {
            to.begin(*db, args.len());
            args.iter().for_each(|arg| to.argument(arg));
        }
    }
}

/// Adds an effect that only Redstart understands.
fn wrap(effect: &Effect, to: &mut Unit) {
    let mut text = WRAPPED.to_vec();
    header(b'*', effect.args.len(), &mut text);
    effect.args.iter().for_each(|arg| bulk(arg, &mut text));
    to.begin(effect.db, 3);
    for word in [Bytes::from_static(b"REPLCONF"), Bytes::from_static(b"capa"), text.into()] {
        to.argument(&word);
    }
}

/// The request that a capability of `REPLCONF capa` wraps, if it is none.
pub fn unwrap(capability: &[u8]) -> Option<&[u8]> {
    capability.strip_prefix(WRAPPED)
}
