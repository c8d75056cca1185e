//! What COMMAND replies and declarations do not hold: hints for proxies and clusters, notes on key
//! specs, and what has a newer name. The tips are Redis's; nothing in this server acts on them.

const ALL_SHARDS: &str = "request_policy:all_shards";
const ALL_NODES: &str = "request_policy:all_nodes";
const MULTI_SHARD: &str = "request_policy:multi_shard";
const ALL_SUCCEEDED: &str = "response_policy:all_succeeded";
const SUM: &str = "response_policy:agg_sum";
const LEAST: &str = "response_policy:agg_min";
const SPECIAL: &str = "response_policy:special";
const RANDOM: &str = "nondeterministic_output";
const RANDOM_ORDER: &str = "nondeterministic_output_order";

/// The tips of a command, by its full name.
pub fn of(name: &str) -> &'static [&'static str] {
    match name {
        "ping" | "flushall" | "flushdb" | "memory|purge" | "function|delete" | "function|flush"
        | "function|load" | "function|restore" => &[ALL_SHARDS, ALL_SUCCEEDED],
        "dbsize" => &[ALL_SHARDS, SUM],
        "wait" | "waitaof" => &[ALL_SHARDS, LEAST],
        "script|exists" => &[ALL_SHARDS, "response_policy:agg_logical_and"],
        "script|kill" | "function|kill" => &[ALL_SHARDS, "response_policy:one_succeeded"],
        "keys" => &[ALL_SHARDS, RANDOM_ORDER],
        "randomkey" => &[ALL_SHARDS, SPECIAL, RANDOM],
        "scan" => &[RANDOM, "request_policy:special", SPECIAL],
        "mget" => &[MULTI_SHARD],
        "mset" | "msetex" => &[MULTI_SHARD, ALL_SUCCEEDED],
        "del" | "unlink" | "exists" | "touch" => &[MULTI_SHARD, SUM],
        "acl|deluser" | "acl|save" | "acl|setuser" | "client|setinfo" | "client|setname"
        | "config|resetstat" | "config|rewrite" | "config|set" | "script|flush" | "script|load"
        | "slowlog|reset" => &[ALL_NODES, ALL_SUCCEEDED],
        "latency|reset" => &[ALL_NODES, SUM],
        "slowlog|len" => &[ALL_NODES, SUM, RANDOM],
        "slowlog|get" => &[ALL_NODES, RANDOM],
        "info" | "memory|doctor" | "memory|malloc-stats" | "memory|stats" | "function|stats" => {
            &[RANDOM, ALL_SHARDS, SPECIAL]
        }
        "latency|doctor" | "latency|graph" | "latency|histogram" | "latency|history"
        | "latency|latest" => &[RANDOM, ALL_NODES, SPECIAL],
        "command" | "command|list" | "command|info" | "command|docs" | "function|list"
        | "module|list" | "hgetall" | "hkeys" | "hvals" | "sdiff" | "sinter" | "smembers"
        | "sunion" => &[RANDOM_ORDER],
        "client|info" | "client|list" | "object|encoding" | "object|freq" | "object|idletime"
        | "object|refcount" | "dump" | "lastsave" | "migrate" | "pttl" | "time" | "ttl"
        | "httl" | "hpttl" | "hrandfield" | "hscan" | "spop" | "srandmember" | "sscan" | "xadd"
        | "xautoclaim" | "xclaim" | "xinfo|consumers" | "xpending" | "xtrim" | "zrandmember"
        | "zscan" => &[RANDOM],
        _ => &[],
    }
}

/// The note on a command's key spec.
pub fn note(name: &str, spec: usize) -> Option<&'static str> {
    match (name, spec) {
        ("set", 0) => Some("Read only with `GET`; without it, overwritten unseen."),
        ("xadd", 0) => Some("More than an insertion, for the trimming may remove entries."),
        ("getex", 0) => Some("The deadline may change, the value never does."),
        _ => None,
    }
}

/// Since when a command is replaced by a newer one, and by which.
pub fn replacement(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "getset" => Some(("6.2.0", "`SET` with `GET`")),
        "substr" => Some(("2.0.0", "`GETRANGE`")),
        _ => None,
    }
}
