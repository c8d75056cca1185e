//! The slow log: the last commands that took at least `slowlog-log-slower-than`, with what they
//! were asked, cut to a size that can be kept.

use parking_lot::Mutex;
use redstart_protocol::Args;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Arguments that are kept of a command at most; the last says how many more there were.
const ARGS_MAX: usize = 32;
/// Bytes that are kept of an argument at most.
const ARG_BYTES_MAX: usize = 128;

/// One slow command.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Counts from zero, and is never given again.
    pub id: u64,
    /// When it ended, in seconds since 1970.
    pub unix_s: u64,
    /// How long it took, in microseconds.
    pub us: u64,
    /// What it was asked.
    pub args: Vec<Vec<u8>>,
    /// Where its client was.
    pub addr: String,
    /// Its client's name.
    pub name: Vec<u8>,
}

/// The log, the newest first.
#[derive(Default)]
pub struct Slowlog {
    entries: Mutex<(u64, VecDeque<Entry>)>,
    len_max: AtomicUsize,
}

impl Slowlog {
    /// Sets how many are kept (`slowlog-max-len`); older ones go.
    pub fn set_len_max(&self, len_max: usize) {
        self.len_max.store(len_max, Relaxed);
        self.entries.lock().1.truncate(len_max);
    }

    /// Adds a command.
    pub fn add(&self, us: u64, args: Args<'_>, addr: String, name: Vec<u8>) {
        let args = shortened(args);
        let unix_s = crate::system::clock::wall_us() / 1_000_000;
        let mut log = self.entries.lock();
        let (next, entries) = &mut *log;
        entries.push_front(Entry { id: *next, unix_s, us, args, addr, name });
        *next += 1;
        entries.truncate(self.len_max.load(Relaxed));
    }

    /// The newest `count`.
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        self.entries.lock().1.iter().take(count).cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.lock().1.len()
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.entries.lock().1.clear();
    }
}

fn shortened(args: Args<'_>) -> Vec<Vec<u8>> {
    let shown = if args.len() > ARGS_MAX { ARGS_MAX - 1 } else { args.len() };
    let mut kept: Vec<Vec<u8>> = args.iter().take(shown).map(shortened_arg).collect();
    if shown < args.len() {
        kept.push(format!("... ({} more arguments)", args.len() - shown).into_bytes());
    }
    kept
}

fn shortened_arg(arg: &[u8]) -> Vec<u8> {
    let mut kept = arg[..arg.len().min(ARG_BYTES_MAX)].to_vec();
    if kept.len() < arg.len() {
        kept.extend(format!("... ({} more bytes)", arg.len() - kept.len()).bytes());
    }
    kept
}
