//! The requests that take locks and release them as client libraries do, by a script that compares
//! the holder's token before it deletes the key.
//!
//! Before each measurement every lock is taken; then each is released once, and each release must
//! be answered with 1.

use super::client::Client;
use super::outcome::{Failure, Outcome};
use super::strip::{Strip, key, space, value};
use redis_protocol::resp2::types::OwnedFrame;
use sha1::{Digest, Sha1};

const RELEASE: &str = "local holder = redis.call('get', KEYS[1])
if not holder or holder ~= ARGV[1] then return 0 end
redis.call('del', KEYS[1])
return 1";

/// Bytes of a token.
pub const TOKEN_BYTES: usize = 32;

/// What one request does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Takes a lock.
    Take,
    /// Releases it by the script.
    Release,
}

fn digest() -> String {
    Sha1::digest(RELEASE).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lets the server know the script.
pub fn load(client: &mut Client) -> Outcome<()> {
    match client.ask(&[b"SCRIPT", b"LOAD", RELEASE.as_bytes()])? {
        OwnedFrame::BulkString(text) if text == digest().as_bytes() => Ok(()),
        other => Err(Failure(format!("SCRIPT LOAD was answered with {other:?}"))),
    }
}

/// Appends a request for each of `indices`.
pub fn render(action: Action, indices: &[usize], strip: &mut Strip) {
    let digest = digest();
    for &index in indices {
        let key = key(space::LOCKS, index);
        let token = value(&key, TOKEN_BYTES);
        match action {
            Action::Take => strip.push(&[b"SET", &key, &token, b"PX", b"3600000"], b"+OK\r\n"),
            Action::Release => {
                let args: [&[u8]; 5] = [b"EVALSHA", digest.as_bytes(), b"1", &key, &token];
                strip.push(&args, b":1\r\n");
            }
        }
    }
}
