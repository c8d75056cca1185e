//! Which words the stream is in.

/// What a wrapped word begins with; behind it stands the word, as a request in RESP.
pub const WRAPPED: &[u8] = b"redstart ";

/// The request that a capability of `REPLCONF capa` wraps, if it is none.
pub fn unwrap(capability: &[u8]) -> Option<&[u8]> {
    capability.strip_prefix(WRAPPED)
}
