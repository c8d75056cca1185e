//! Error replies, counted for INFO: by their first word, and for the command that failed.
//!
//! A reply is looked at where it begins, so each is counted once: those inside a transaction's
//! reply when their command has run, the transaction itself only if it is refused as a whole.

use parking_lot::Mutex;
use redstart_engine::stats::Stats;
use std::collections::BTreeMap;

/// Different first words that are counted: clients can make up words, too.
const CODES_MAX: usize = 128;

/// Error replies by their first word.
#[derive(Default)]
pub struct Errors(Mutex<BTreeMap<Vec<u8>, u64>>);

/// The command that an error is the reply to, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It ran, and then failed.
    Ran(u16),
    /// It was refused before it ran.
    Rejected(u16),
}

impl Errors {
    /// Counts a reply if it is an error.
    #[cold]
    pub fn count(&self, stats: &Stats, failed: Option<Failed>, reply: &[u8]) {
        let Some(text) = reply.strip_prefix(b"-") else { return };
        stats.error_replies.add(1);
        match failed {
            Some(Failed::Ran(id)) => stats.times[id as usize].failed.add(1),
            Some(Failed::Rejected(id)) => stats.times[id as usize].rejected.add(1),
            None => {}
        }
        let is_end = |byte: &u8| matches!(byte, b' ' | b'\r');
        let code = text.split(is_end).next().unwrap_or_default();
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(code) {
            *count += 1;
        } else if counts.len() < CODES_MAX {
            counts.insert(code.to_vec(), 1);
        }
    }

    /// All first words, and how often each was replied.
    pub fn all(&self) -> Vec<(Vec<u8>, u64)> {
        self.0.lock().iter().map(|(code, count)| (code.clone(), *count)).collect()
    }

    /// Sets all counts back to zero.
    pub fn reset(&self) {
        self.0.lock().clear();
    }
}
