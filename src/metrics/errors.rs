//! Error replies, counted for INFO: by their first word, and for the command that failed.
//!
//! A reply is looked at where it begins, so each is counted once: those inside a transaction's
//! reply when their command has run, the transaction itself only if it is refused as a whole.

use parking_lot::Mutex;
use redstart_engine::stats::Stats;
use std::collections::BTreeMap;

/// Words that scripts made up are counted one by one up to so many, and the others together.
const CODES_MAX: usize = 128;
/// A first word and the space behind it are looked for in so many bytes, as Redis does.
const CODE_BYTES_MAX: usize = 31;
/// What an error without a first word is counted as.
const GENERAL: &[u8] = b"ERR";
/// What stands for the words beyond [`CODES_MAX`].
const OVERFLOW: &[u8] = b"ERRORSTATS_OVERFLOW";
/// First words of the server's own errors, which are counted however many words scripts make up.
const OWN: [&[u8]; 18] = [
    b"ASK",
    b"BUSY",
    b"BUSYGROUP",
    b"BUSYKEY",
    b"CROSSSLOT",
    GENERAL,
    b"EXECABORT",
    b"LOADING",
    b"MISCONF",
    b"NOAUTH",
    b"NOPERM",
    b"NOPROTO",
    b"NOSCRIPT",
    b"NOTBUSY",
    b"OOM",
    b"UNKILLABLE",
    b"WRONGPASS",
    b"WRONGTYPE",
];

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
        let start = &text[..text.len().min(CODE_BYTES_MAX)];
        let code = start.iter().position(|byte| *byte == b' ').map_or(GENERAL, |end| &text[..end]);
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(code) {
            *count += 1;
        } else if counts.len() < CODES_MAX || OWN.contains(&code) {
            counts.insert(code.to_vec(), 1);
        } else {
            *counts.entry(OVERFLOW.to_vec()).or_default() += 1;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(replies: impl IntoIterator<Item = String>) -> BTreeMap<Vec<u8>, u64> {
        let errors = Errors::default();
        let stats = Stats::new(1);
        for reply in replies {
            errors.count(&stats, None, reply.as_bytes());
        }
        errors.all().into_iter().collect()
    }

    #[test]
    fn words_of_scripts_hide_none_of_the_servers_errors() {
        let made_up = (0..300).map(|number| format!("-W{number} x\r\n"));
        let own = ["-WRONGTYPE x\r\n", "-ERR x\r\n", "-ERR y\r\n"].map(str::to_owned);
        let counted = counted(made_up.chain(own));
        assert_eq!(counted.len(), CODES_MAX + 3);
        assert_eq!(counted[OVERFLOW], 300 - CODES_MAX as u64);
        assert_eq!((counted[&b"WRONGTYPE"[..]], counted[GENERAL]), (1, 2));
    }

    #[test]
    fn an_error_without_a_first_word_is_a_general_one() {
        let long = format!("-{} x\r\n", "A".repeat(CODE_BYTES_MAX));
        let counted = counted(["-word\r\n".to_owned(), long]);
        assert_eq!(counted, BTreeMap::from([(GENERAL.to_vec(), 2)]));
    }
}
