//! What will be run: which groups, on which servers, how much and for how long. The command line
//! makes it (`cli.rs`).

use clap::ValueEnum;
use std::path::PathBuf;
use std::time::Duration;

/// What can be chosen with `--only`, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Group {
    /// GET and SET at pipeline 1, 16 and 64
    Strings,
    /// INCR, MSET, MGET and the lock cycle
    Commands,
    /// What GET and SET add to what the kernel costs
    Floor,
    /// GET and SET of 1 KiB and 16 KiB
    Large,
    /// HSET, HGET, HGETALL and HINCRBY
    Hashes,
    /// LPUSH, RPOP, LRANGE, and LINDEX and LSET in the middle
    Lists,
    /// Sets of a million members, two of ten thousand taken together, and small ones
    Sets,
    /// Sorted sets of a million members, and small ones
    SortedSets,
    /// XADD, XREAD, XRANGE, and a group of consumers
    Streams,
    /// Bits of 100 million, bitmaps of 64 MB, and HyperLogLogs
    Bitmaps,
    /// A lock's release by script, also with two workers
    Scripts,
    /// find, match, gmatch and gsub in scripts
    Patterns,
    /// PUBLISH to a hundred subscribers
    Publish,
    /// Resident bytes per key
    Memory,
    /// The longest wait while the keyspace grows
    Stall,
    /// SET where each evicts
    Eviction,
    /// What leases, tags and statistics by prefix cost
    Toolkit,
    /// The memcached port beside memcached
    Memcached,
    /// How late expired keys are removed
    Expiry,
    /// Two workers against one
    Workers,
    /// The longest wait while a value of ten million elements is made, read and deleted
    Big,
    /// SET with an append-only log, synced every second and always
    Log,
    /// A snapshot under full write load, and loading it
    Snapshot,
    /// How many requests of a cache are hits, at equal bytes; only if it is named
    Hits,
    /// 1, 2, 4 ... workers on as many cores; only if it is named
    Scale,
    /// GET and SET over TLS, and handshakes
    Tls,
    /// What encrypted files cost: SET with the log, and SAVE
    Encryption,
}

impl Plan {
    /// The server that ratios compare with.
    pub fn peer(&self) -> &str {
        &self.servers[PEER].name
    }
}

impl Group {
    /// Whether it takes so long, or so many cores, that it is run for itself.
    pub fn has_own_page(&self) -> bool {
        matches!(self, Group::Hits | Group::Scale)
    }

    /// Whether it is a part of the throughput tables.
    pub fn is_throughput(&self) -> bool {
        use Group::{Bitmaps, Commands, Hashes, Large, Lists, Scripts, Sets, SortedSets};
        use Group::{Streams, Strings};
        let of_values = matches!(self, Hashes | Lists | Sets | SortedSets | Streams | Bitmaps);
        of_values || matches!(self, Strings | Commands | Large | Scripts)
    }
}

/// What will be run.
pub struct Plan {
    pub quick: bool,
    pub groups: Vec<Group>,
    pub rounds: usize,
    pub timing: Timing,
    pub connections: usize,
    /// The peer first, then Redstart, then the others.
    pub servers: Vec<ServerSpec>,
    pub write: Option<PathBuf>,
    /// Keys of each memory fill.
    pub fills: Vec<usize>,
    /// Keys inserted while the probe watches.
    pub stall_keys: usize,
    /// Keys with a deadline, and how long these are spread.
    pub expiry_keys: usize,
    pub expiry_spread: Duration,
    /// Elements of a big value.
    pub big_elements: usize,
    /// Keys of a snapshot.
    pub snapshot_keys: usize,
}

/// The place of the server that ratios compare with in `Plan::servers`.
pub const PEER: usize = 0;
/// The place of Redstart.
pub const REDSTART: usize = 1;

/// A server that can be started.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    pub name: String,
    /// Program and arguments; `{port}` and `{threads}` stand for the numbers.
    pub command: Vec<String>,
    /// Whether it keeps memory that it has once had; see [`ServerSpec::keeping_memory`].
    pub keeps_memory: bool,
    /// How it is asked whether it is there.
    pub talk: Talk,
}

/// What a server is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    Resp,
    Memcached,
}

impl ServerSpec {
    /// A server that speaks RESP.
    pub fn new(name: &str, command: Vec<String>) -> Self {
        Self { name: name.into(), command, keeps_memory: false, talk: Talk::Resp }
    }

    /// The same, asked in another protocol.
    pub fn talking(self, talk: Talk) -> Self {
        Self { talk, ..self }
    }

    /// The same with other settings.
    pub fn with(&self, settings: &[&str]) -> Self {
        let mut spec = self.clone();
        spec.command.extend(settings.iter().map(ToString::to_string));
        spec
    }

    /// The same, but never giving memory back to the system, so that what is freed and taken again
    /// costs nothing outside the server. Known to allocators by their own variables.
    pub fn keeping_memory(&self) -> Self {
        Self { keeps_memory: true, ..self.clone() }
    }

    /// Whether the number of threads can be chosen.
    pub fn takes_threads(&self) -> bool {
        self.command.iter().any(|word| word.contains("{threads}"))
    }
}

/// The phases of a load that ends by time.
#[derive(Clone, Copy)]
pub struct Timing {
    pub warm_up: Duration,
    pub measured: Duration,
}
