//! Whether two servers have the same: how many keys in each database, and the values of some of
//! them, drawn at random. Both change meanwhile, one a moment later: what differs is looked at
//! again.

use super::talk::Talk;
use redis_protocol::resp2::types::OwnedFrame;
use std::io::Result;
use std::time::Duration;

/// How often a key that differs is looked at, and how long is waited in between.
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);
/// By how much deadlines may differ, in milliseconds: they are asked for one after the other.
const SLACK_MS: i64 = 1000;

/// What a comparison has found.
#[derive(Debug, Default)]
pub struct Found {
    /// Keys that were compared.
    pub compared: u64,
    /// What differs, for people.
    pub differences: Vec<String>,
}

/// Compares how many keys there are, and `samples` of them.
///
/// # Errors
/// When one of both does not answer.
pub fn compare(from: &mut Talk, to: &mut Talk, samples: u64) -> Result<Found> {
    let mut found = Found::default();
    let databases = from.info("keyspace")?.databases();
    let all: u64 = databases.iter().map(|(_, keys)| keys).sum();
    for (db, keys) in databases {
        let words = ["SELECT".to_owned(), db.to_string()];
        from.ask(&words)?;
        to.ask(&words)?;
        // Each database by its share, and none by nothing.
        for _ in 0..(samples * keys).div_ceil(all.max(1)) {
            if let OwnedFrame::BulkString(key) = from.ask(&["RANDOMKEY"])? {
                found.compared += 1;
                if let Some(what) = differs(from, to, &key)? {
                    found
                        .differences
                        .push(format!("{} (database {db}): {what}", key.escape_ascii()));
                }
            }
        }
    }
    Ok(found)
}

/// The numbers of keys of both, once they are equal or do not become so.
///
/// # Errors
/// When one of both does not answer.
pub fn counts(from: &mut Talk, to: &mut Talk) -> Result<[Vec<(usize, u64)>; 2]> {
    let mut counts = [Vec::new(), Vec::new()];
    for _ in 0..LOOKS {
        counts = [from.info("keyspace")?.databases(), to.info("keyspace")?.databases()];
        if counts[0] == counts[1] {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(counts)
}

/// What differs of a key, if something does for long.
fn differs(from: &mut Talk, to: &mut Talk, key: &[u8]) -> Result<Option<String>> {
    let mut what = None;
    for _ in 0..LOOKS {
        what = differs_now(from, to, key)?;
        if what.is_none() {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(what)
}

fn differs_now(from: &mut Talk, to: &mut Talk, key: &[u8]) -> Result<Option<String>> {
    let (theirs, ours) = (from.text(&[b"TYPE", key])?, to.text(&[b"TYPE", key])?);
    if theirs != ours {
        return Ok(Some(format!("{theirs} there, {ours} here")));
    }
    let deadline = |talk: &mut Talk| match talk.ask(&[b"PTTL", key])? {
        OwnedFrame::Integer(ms) => Ok(ms),
        _ => Ok::<i64, std::io::Error>(-1),
    };
    let (at_theirs, at_ours) = (deadline(from)?, deadline(to)?);
    let is_without = |ms: i64| ms < 0;
    if is_without(at_theirs) != is_without(at_ours) || (at_theirs - at_ours).abs() > SLACK_MS {
        return Ok(Some(format!("{at_theirs} ms to live there, {at_ours} here")));
    }
    let (theirs, ours) = (value(from, &theirs, key)?, value(to, &theirs, key)?);
    Ok((theirs != ours).then(|| "its value".to_owned()))
}

/// A value, in an order that is the same everywhere.
fn value(talk: &mut Talk, kind: &str, key: &[u8]) -> Result<OwnedFrame> {
    let (words, pairs): (Vec<&[u8]>, usize) = match kind {
        "string" => (vec![b"GET", key], 0),
        "list" => (vec![b"LRANGE", key, b"0", b"-1"], 0),
        "set" => (vec![b"SMEMBERS", key], 1),
        "hash" => (vec![b"HGETALL", key], 2),
        "zset" => (vec![b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"], 0),
        "stream" => (vec![b"XRANGE", key, b"-", b"+"], 0),
        _ => (vec![b"EXISTS", key], 0),
    };
    Ok(match talk.ask_plainly(&words)? {
        OwnedFrame::Array(parts) if pairs > 0 => {
            let mut parts: Vec<Vec<OwnedFrame>> = parts.chunks(pairs).map(<[_]>::to_vec).collect();
            parts.sort_by_key(|part| format!("{part:?}"));
            OwnedFrame::Array(parts.concat())
        }
        reply => reply,
    })
}
