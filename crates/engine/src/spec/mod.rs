//! A command's declaration: everything that is said about it, once.
//!
//! Dispatch, the arity check, COMMAND and its subcommands, `docs/commands.md`, the shard locks and
//! (later) ACL categories and cluster slots all read this one static.

pub mod keys;
pub mod syntax;

use crate::error::Error;
use crate::run::call::Call;
use redstart_protocol::Args;

/// How many arguments a command takes, its name included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly so many.
    Exactly(u16),
    /// So many or more.
    AtLeast(u16),
}

impl Arity {
    /// Whether `count` arguments are acceptable.
    #[inline]
    pub fn accepts(self, count: usize) -> bool {
        match self {
            Arity::Exactly(n) => count == n as usize,
            Arity::AtLeast(n) => count >= n as usize,
        }
    }

    /// As COMMAND INFO tells it: negative for "or more".
    pub fn number(self) -> i64 {
        match self {
            Arity::Exactly(n) => n as i64,
            Arity::AtLeast(n) => -(n as i64),
        }
    }
}

/// The family of a command, as COMMAND DOCS groups it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Group {
    Bitmap,
    Cluster,
    Connection,
    Generic,
    Hash,
    List,
    PubSub,
    Scripting,
    Server,
    String,
    Transactions,
}

impl Group {
    /// The name in COMMAND DOCS.
    pub fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Cluster => "cluster",
            Group::Connection => "connection",
            Group::Generic => "generic",
            Group::Hash => "hash",
            Group::List => "list",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
            Group::Server => "server",
            Group::String => "string",
            Group::Transactions => "transactions",
        }
    }
}

/// Command flags, joined with `|`. First come those that COMMAND INFO lists, as [`FLAG_NAMES`] says;
/// the others are for the server itself, which compares no names of commands.
pub type Flags = u64;
/// May change keys.
pub const WRITE: Flags = 1 << 0;
/// Never changes keys.
pub const READONLY: Flags = 1 << 1;
/// May grow memory: refused when it is out.
pub const DENYOOM: Flags = 1 << 2;
/// For administrators.
pub const ADMIN: Flags = 1 << 3;
/// About publishing and subscribing.
pub const PUBSUB: Flags = 1 << 4;
/// Not from scripts.
pub const NOSCRIPT: Flags = 1 << 5;
/// May block.
pub const BLOCKING: Flags = 1 << 6;
/// Served while data is loaded.
pub const LOADING: Flags = 1 << 7;
/// Served by a replica with stale data.
pub const STALE: Flags = 1 << 8;
/// Not shown to MONITOR.
pub const SKIP_MONITOR: Flags = 1 << 9;
/// Not put in the slow log.
pub const SKIP_SLOWLOG: Flags = 1 << 10;
/// Constant or logarithmic time.
pub const FAST: Flags = 1 << 11;
/// Served before authentication.
pub const NO_AUTH: Flags = 1 << 12;
/// Not in a transaction that loads asynchronously.
pub const NO_ASYNC_LOADING: Flags = 1 << 13;
/// Its count of keys may be zero.
pub const NO_MANDATORY_KEYS: Flags = 1 << 14;
/// Not inside MULTI.
pub const NO_MULTI: Flags = 1 << 15;
/// Served while a script has run for too long.
pub const ALLOW_BUSY: Flags = 1 << 16;

/// May end up in the effect stream though not a write.
pub const MAY_REPLICATE: Flags = 1 << 20;
/// Reaches for all shards: keys cannot tell which.
pub const WHOLE_KEYSPACE: Flags = 1 << 21;
/// Walks over the shards one at a time: the keyspace as a whole, at no single moment.
pub const WALKS: Flags = 1 << 22;
/// Some of its arguments make it reach for all shards: it has a [`Find::Anywhere`].
pub const REACHES: Flags = 1 << 23;
/// May make the client wait, though not [`BLOCKING`] for Redis.
pub const WAITS: Flags = 1 << 24;
/// Its replies are random or come in random order (a tip in COMMAND INFO).
pub const NONDETERMINISTIC: Flags = 1 << 25;
/// In the ACL category of dangerous commands although not for administrators.
pub const DANGEROUS: Flags = 1 << 26;
/// In the ACL category of administrators although others may use it.
pub const ADMIN_CATEGORY: Flags = 1 << 27;
/// Nearly always as quick as a [`FAST`] command.
pub const SHORT: Flags = 1 << 28;
/// Its arguments may be passwords: the slow log leaves it out. [`Command::secrets`] says which.
pub const SECRET_ARGS: Flags = 1 << 29;
/// Not shown to MONITOR, which Redis does not declare.
pub const UNSEEN: Flags = 1 << 30;

/// A subscriber may say it in RESP2, too, where replies and messages look alike.
pub const WHILE_SUBSCRIBED: Flags = 1 << 32;
/// Its replies are messages: CLIENT REPLY does not keep them back.
pub const REPLIES_ARE_PUSHED: Flags = 1 << 33;
/// Runs inside MULTI instead of being queued.
pub const IN_MULTI_AT_ONCE: Flags = 1 << 34;
/// Ends a transaction, and so gives back the memory of what is queued.
pub const ENDS_MULTI: Flags = 1 << 35;
/// Runs what is queued, and is as much of a write as that.
pub const RUNS_QUEUE: Flags = 1 << 36;
/// Runs the script whose text it is given.
pub const RUNS_TEXT: Flags = 1 << 37;
/// Runs the script whose digest it is given.
pub const RUNS_DIGEST: Flags = 1 << 38;
/// Runs the function whose name it is given.
pub const RUNS_FUNCTION: Flags = 1 << 39;
/// Scripts may run it, though [`NOSCRIPT`], once DEBUG has allowed that.
pub const SCRIPT_DEBUGGING: Flags = 1 << 40;
/// Asks whether the server is well: refused, as writes are, while the disk fails.
pub const HEALTH_CHECK: Flags = 1 << 41;
/// What CLIENT CACHING has said still holds for the command behind it.
pub const KEEPS_CACHING: Flags = 1 << 42;
/// The word KEEPTTL among its options lets the key's deadline stay.
pub const TAKES_KEEPTTL: Flags = 1 << 43;

/// The flags that COMMAND INFO lists, in its order.
pub const FLAG_NAMES: &[(Flags, &str)] = &[
    (WRITE, "write"),
    (READONLY, "readonly"),
    (DENYOOM, "denyoom"),
    (ADMIN, "admin"),
    (PUBSUB, "pubsub"),
    (NOSCRIPT, "noscript"),
    (BLOCKING, "blocking"),
    (LOADING, "loading"),
    (STALE, "stale"),
    (SKIP_MONITOR, "skip_monitor"),
    (SKIP_SLOWLOG, "skip_slowlog"),
    (FAST, "fast"),
    (NO_AUTH, "no_auth"),
    (NO_ASYNC_LOADING, "no_async_loading"),
    (NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (NO_MULTI, "no_multi"),
    (ALLOW_BUSY, "allow_busy"),
];

/// What a command does with a key: key-spec flags, joined with `|`.
pub type Access = u16;
/// Reads only.
pub const RO: Access = 1 << 0;
/// Reads and writes.
pub const RW: Access = 1 << 1;
/// Overwrites without reading.
pub const OW: Access = 1 << 2;
/// Removes.
pub const RM: Access = 1 << 3;
/// The value, or a part of it, is returned or copied.
pub const ACCESS: Access = 1 << 4;
/// The value is changed, depending on what it was.
pub const UPDATE: Access = 1 << 5;
/// Data is added, nothing is lost.
pub const INSERT: Access = 1 << 6;
/// Content is deleted.
pub const DELETE: Access = 1 << 7;
/// The flags depend on the arguments.
pub const VARIABLE: Access = 1 << 8;

/// Not a key, but routed like one in a cluster: a shard channel.
pub const NOT_KEY: Access = 1 << 9;

/// The names of key-spec flags, in COMMAND's order.
pub const ACCESS_NAMES: &[(Access, &str)] = &[
    (RO, "RO"),
    (RW, "RW"),
    (OW, "OW"),
    (RM, "RM"),
    (ACCESS, "access"),
    (UPDATE, "update"),
    (INSERT, "insert"),
    (DELETE, "delete"),
    (NOT_KEY, "not_key"),
    (VARIABLE, "variable_flags"),
];

/// Where some of a command's keys are.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// Where to begin.
    pub begin: Begin,
    /// How to go on from there.
    pub find: Find,
    /// What is done with them.
    pub access: Access,
}

/// Where the keys of a spec begin.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// At an argument index.
    Index(u16),
    /// Behind a keyword, searched from an index (negative: from the end backwards).
    Keyword(&'static str, i16),
    /// Where a function finds it: COMMAND tells that it is unknown.
    Search(fn(Args<'_>) -> Option<usize>),
}

/// How many keys there are from the beginning on.
#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// Up to `last` (relative to the beginning; negative: from the end), every `step`th.
    Range {
        /// The last key, relative to the first when not negative, else from the end.
        last: i32,
        /// The distance between keys.
        step: u16,
    },
    /// The beginning is a count of keys, which follow `first` behind it, every `step`th.
    KeyNum {
        /// Where the first key is, relative to the count.
        first: u16,
        /// The distance between keys.
        step: u16,
    },
    /// Keys that no argument names, anywhere in the keyspace.
    Anywhere,
}

impl KeySpec {
    /// One key at an index.
    pub const fn at(index: u16, access: Access) -> KeySpec {
        KeySpec { begin: Begin::Index(index), find: Find::Range { last: 0, step: 1 }, access }
    }

    /// Every `step`th argument from an index to the last one.
    pub const fn from(index: u16, step: u16, access: Access) -> KeySpec {
        KeySpec { begin: Begin::Index(index), find: Find::Range { last: -1, step }, access }
    }

    /// A count at an index, then so many keys, every `step`th.
    pub const fn counted(index: u16, step: u16, access: Access) -> KeySpec {
        let find = Find::KeyNum { first: 1, step };
        KeySpec { begin: Begin::Index(index), find, access }
    }
}

/// What a person reads about a command.
#[derive(Clone, Copy, Debug)]
pub struct Doc {
    /// The Redis version that brought it.
    pub since: &'static str,
    /// Its cost.
    pub complexity: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its arguments, in the notation of Redis's command pages.
    pub syntax: &'static str,
}

/// A data command's handler.
pub type DataRun = fn(&mut Call<'_>) -> Result<(), Error>;

/// Who runs a command.
#[derive(Clone, Copy)]
pub enum Run {
    /// The engine, under the locks of the command's keys.
    Data(DataRun),
    /// The client's session, without locks. The server keeps the handler beside the declaration,
    /// since the engine knows no clients.
    Session,
    /// One of the subcommands.
    Subcommands(&'static [&'static Command]),
}

/// A command.
#[derive(Clone, Copy)]
pub struct Command {
    /// The name in lower case; a subcommand's own name only.
    pub name: &'static str,
    /// The family.
    pub group: Group,
    /// How many arguments it takes.
    pub arity: Arity,
    /// What it may do.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// What a person reads about it.
    pub doc: Doc,
    /// Who runs it.
    pub run: Run,
}

impl Command {
    /// The subcommands, if it is a container.
    pub fn subcommands(&self) -> &'static [&'static Command] {
        match self.run {
            Run::Subcommands(list) => list,
            _ => &[],
        }
    }

    /// The same command with more flags.
    pub const fn with(self, flags: Flags) -> Command {
        Command { flags: self.flags | flags, ..self }
    }

    /// Whether the command has one of the given flags.
    #[inline]
    pub fn is(&self, flag: Flags) -> bool {
        self.flags & flag != 0
    }
}
