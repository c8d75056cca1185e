//! The slow log: the last commands that took at least `slowlog-log-slower-than`, with their
//! arguments, cut to a size that can be kept.

use parking_lot::Mutex;
use redstart_config::{Config, Setting};
use redstart_engine::spec::REDACTED;
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
    /// Counts from zero, and is never used again.
    pub id: u64,
    /// When it ended, in seconds since 1970.
    pub unix_s: u64,
    /// How long it took, in microseconds.
    pub us: u64,
    /// Its arguments, cut.
    pub args: Vec<Vec<u8>>,
    /// Where its client was.
    pub addr: String,
    /// Its client's name.
    pub name: Vec<u8>,
}

/// The log, the newest first.
#[derive(Default)]
pub struct Slowlog {
    log: Mutex<Log>,
    len_max: AtomicUsize,
}

#[derive(Default)]
struct Log {
    next_id: u64,
    entries: VecDeque<Entry>,
}

impl Slowlog {
    /// Follows the configuration: older entries than `slowlog-max-len` allows go.
    pub fn configure(&self, config: &Config) {
        let len_max = config.count(Setting::SlowlogMaxLen);
        self.len_max.store(len_max, Relaxed);
        self.log.lock().entries.truncate(len_max);
    }

    /// Adds a command; the arguments at `secrets` are not shown.
    pub fn add(&self, us: u64, args: Args<'_>, secrets: &[usize], addr: String, name: Vec<u8>) {
        let args = shortened(args, secrets);
        let unix_s = crate::system::clock::wall_us() / 1_000_000;
        let Log { next_id, entries } = &mut *self.log.lock();
        entries.push_front(Entry { id: *next_id, unix_s, us, args, addr, name });
        *next_id += 1;
        entries.truncate(self.len_max.load(Relaxed));
    }

    /// The newest `count`.
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        self.log.lock().entries.iter().take(count).cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.log.lock().entries.len()
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.log.lock().entries.clear();
    }
}

fn shortened(args: Args<'_>, secrets: &[usize]) -> Vec<Vec<u8>> {
    let shown = if args.len() > ARGS_MAX { ARGS_MAX - 1 } else { args.len() };
    let kept = |at: usize| match secrets.contains(&at) {
        true => REDACTED.to_vec(),
        false => shortened_arg(args.at(at)),
    };
    let mut kept: Vec<Vec<u8>> = (0..shown).map(kept).collect();
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
