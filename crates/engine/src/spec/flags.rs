//! What a command may do: the flags of its declaration.

/// Command flags, joined with `|`. First come those that COMMAND INFO lists ([`FLAG_NAMES`]); the
/// others are for the server itself, which compares no names of commands.
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
/// Needs all shards, whatever its keys are.
pub const WHOLE_KEYSPACE: Flags = 1 << 21;
/// Walks over the shards one at a time: the keyspace as a whole, at no single moment.
pub const WALKS: Flags = 1 << 22;
/// Some of its arguments make it need all shards: it has a `Find::Anywhere`.
pub const REACHES: Flags = 1 << 23;
/// It waits for other servers or disks, and not for keys: to ACL it is about connections.
pub const WAITS: Flags = 1 << 24;
/// Its replies are random or come in random order (a tip in COMMAND INFO).
pub const NONDETERMINISTIC: Flags = 1 << 25;
/// In the ACL category of dangerous commands although not for administrators.
pub const DANGEROUS: Flags = 1 << 26;
/// In the ACL category of administrators although others may use it.
pub const ADMIN_CATEGORY: Flags = 1 << 27;
/// Nearly always as quick as a [`FAST`] command.
pub const SHORT: Flags = 1 << 28;
/// A request with more arguments is never short, whatever its command.
pub const SHORT_ARGS_MAX: usize = 24;
/// Not shown to MONITOR, though Redis declares no [`SKIP_MONITOR`].
pub const UNSEEN: Flags = 1 << 30;

/// A subscriber may send it in RESP2, too, where replies and messages look alike.
pub const WHILE_SUBSCRIBED: Flags = 1 << 32;
/// Its replies are messages: CLIENT REPLY does not suppress them.
pub const REPLIES_ARE_PUSHED: Flags = 1 << 33;
/// Runs inside MULTI instead of being queued.
pub const IN_MULTI_AT_ONCE: Flags = 1 << 34;
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
/// Health checks send it: it is refused, as writes are, while the disk fails.
pub const HEALTH_CHECK: Flags = 1 << 41;
/// CLIENT CACHING stays in force for the command that follows it.
pub const KEEPS_CACHING: Flags = 1 << 42;
/// The word KEEPTTL among its options lets the key's deadline stay.
pub const TAKES_KEEPTTL: Flags = 1 << 43;
/// Its keyspace event has its own name, whatever its effect is.
pub const OWN_EVENT: Flags = 1 << 44;
/// It removes a key before it stores a value there, which is no keyspace event of its own; a list
/// that it stores so is `sortstore`.
pub const REPLACES: Flags = 1 << 45;
/// The removal of a key is the keyspace event `evicted`.
pub const EVICTS: Flags = 1 << 46;
/// The keyspace event of a key's deadline comes before the one of its value.
pub const TIME_FIRST: Flags = 1 << 47;
/// Its first argument is a channel that it publishes to.
pub const PUBLISHES: Flags = 1 << 48;
/// All its arguments are channels that the client wants to listen to.
pub const LISTENS: Flags = 1 << 49;
/// All its arguments are patterns of channels that the client wants to listen to.
pub const LISTENS_BY_PATTERN: Flags = 1 << 50;
/// It changes what the connection is, or what is sent over it: of no use where connections are
/// shared or hidden, as over HTTP.
pub const CONVERSES: Flags = 1 << 51;
/// It waits only if an option WAIT or BLOCK asks it to.
pub const WAITS_IF_ASKED: Flags = 1 << 53;

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
