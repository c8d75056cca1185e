//! ACL LOG: what was refused. What is refused again within a minute is counted, not noted again.

use std::collections::VecDeque;

/// Within this time the same refusal is one entry, in milliseconds.
const SAME_MS: u64 = 60_000;
/// So many of the latest entries are looked through for the same one.
const LOOKED_THROUGH: usize = 10;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A database.
    Database,
    /// A command.
    Command,
    /// A key.
    Key,
    /// A channel.
    Channel,
    /// A name with a password.
    Login,
    /// A user's name in a certificate.
    Certificate,
}

/// Where it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A request.
    Request,
    /// A transaction, at queueing or in EXEC.
    Transaction,
    /// A script.
    Script,
}

impl Refused {
    /// The word of ACL LOG.
    pub fn name(self) -> &'static str {
        match self {
            Refused::Database => "database",
            Refused::Command => "command",
            Refused::Key => "key",
            Refused::Channel => "channel",
            Refused::Login => "auth",
            Refused::Certificate => "tls-cert",
        }
    }
}

impl Place {
    /// The word of ACL LOG.
    pub fn name(self) -> &'static str {
        match self {
            Place::Request => "toplevel",
            Place::Transaction => "multi",
            Place::Script => "lua",
        }
    }
}

/// A refusal, and how often there was one like it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was refused.
    pub refused: Refused,
    /// Where.
    pub place: Place,
    /// The command, the key, the channel, or the command that gave the password.
    pub object: Vec<u8>,
    /// The user.
    pub user: Vec<u8>,
    /// The client's line of CLIENT LIST, the last time.
    pub client: Vec<u8>,
    /// How often.
    pub count: u64,
    /// Counts entries from zero.
    pub id: u64,
    /// When the first time, in milliseconds of wall time.
    pub first_ms: u64,
    /// When the last time.
    pub last_ms: u64,
}

/// The entries, the latest first.
#[derive(Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl Log {
    /// Notes a refusal; `len_max` is how many entries are kept.
    pub fn note(&mut self, mut entry: Entry, len_max: usize) {
        if len_max == 0 {
            return self.entries.clear();
        }
        let is_same = |known: &Entry| {
            known.refused == entry.refused
                && known.place == entry.place
                && entry.last_ms.abs_diff(known.last_ms) <= SAME_MS
                && known.object == entry.object
                && known.user == entry.user
        };
        let known = self.entries.iter().take(LOOKED_THROUGH).position(is_same);
        if let Some(mut known) = known.and_then(|at| self.entries.remove(at)) {
            known.client = entry.client;
            known.last_ms = entry.last_ms;
            known.count += 1;
            return self.entries.push_front(known);
        }
        entry.id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(entry);
        self.entries.truncate(len_max);
    }

    /// The latest entries.
    pub fn latest(&self, count: usize) -> Vec<Entry> {
        self.entries.iter().take(count).cloned().collect()
    }

    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}
