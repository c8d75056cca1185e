//! Error replies, counted for INFO: by their first word, and for the command that failed.
//!
//! A reply is looked at where it begins, so each is counted once: those inside a transaction's
//! reply when their command has run, the transaction itself only if it is refused as a whole.

use crate::server::Server;
use redstart_engine::stats::Stats;

/// Different first words that are counted: clients make them up, too.
const CODES_MAX: usize = 128;

/// Counts a reply if it is an error. `failed` is the command, and whether it ran before it failed.
#[cold]
pub fn count(server: &Server, stats: &Stats, failed: Option<(u16, bool)>, reply: &[u8]) {
    let Some(text) = reply.strip_prefix(b"-") else { return };
    stats.error_replies.add(1);
    if let Some((id, has_run)) = failed {
        let times = &stats.times[id as usize];
        if has_run { times.failed.add(1) } else { times.rejected.add(1) }
    }
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\r');
    let code = text.split(is_end).next().unwrap_or_default();
    let mut errors = server.errors.lock();
    if let Some(count) = errors.get_mut(code) {
        *count += 1;
    } else if errors.len() < CODES_MAX {
        errors.insert(code.to_vec(), 1);
    }
}
