//! Every parameter, once: its names, its kind, its default, whether it can change at run time, and
//! whether it has an effect. The reader of redis.conf, the command line, CONFIG GET and CONFIG SET
//! all stand on this table.
//!
//! It holds what Redis 7.0 to 8.6 and Valkey 9.1 know, and some of our own: `threads`,
//! `redis-version`, `rdb-version`, `client-output-total-limit`, `auth-failure-burst`, `http-port`,
//! `http-bind`, `http-hosts`, `encryption-key-file`, `encryption-plain-files`, `sandbox`,
//! `stats-prefixes`, `quota`, `memcached-port` and `memcached-item-size-max`. A
//! parameter without effect is accepted, so that a redis.conf or valkey.conf as it is starts the
//! server. One that promises what the server cannot do (a cluster) is refused unless it has its
//! default.

use crate::check::{
    any, is_directory_name, is_file_name, is_host_name, is_locale, is_node_address, is_node_name,
    is_prefix_rule, is_title, is_version,
};
use crate::kind::Kind;

/// The bounds of C's integer types, which Redis's error texts name.
const INT: i128 = i32::MAX as i128;
const INT_MIN: i128 = i32::MIN as i128;
const UINT: i128 = u32::MAX as i128;
const LONG: i128 = i64::MAX as i128;
const ULONG: i128 = u64::MAX as i128;
const MIB: i128 = 1 << 20;

const NO_CLUSTER: &str = "cluster mode is not supported";
const NO_LOG_FORMAT: &str = "the log has one format";
const NO_MPTCP: &str = "multipath TCP is not supported";
const NO_RDMA: &str = "RDMA is not supported";
const NO_SOCKET_GROUP: &str = "the group of the socket is the process's";
const NO_SYSLOG: &str = "the system log is not supported";

/// One parameter.
pub struct Param {
    /// Its name, in lower case.
    pub name: &'static str,
    /// Its older name, which CONFIG GET lists too.
    pub alias: Option<&'static str>,
    /// What its values are.
    pub kind: Kind,
    /// Its default, as it would be written in redis.conf.
    pub default: &'static str,
    /// Can be set at start only.
    pub immutable: bool,
    /// Can be changed at run time only as `enable-protected-configs` allows.
    pub protected: bool,
    /// Cannot be changed while data is being loaded.
    pub fixed_while_loading: bool,
    /// Its value is a secret, not to be logged.
    pub sensitive: bool,
    /// CONFIG GET lists it only by its exact name.
    pub hidden: bool,
    /// What setting it does.
    pub effect: Effect,
}

/// What setting a parameter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What its name says.
    Honoured,
    /// Nothing.
    None,
    /// Only the default is accepted, for this reason.
    Refused(&'static str),
}

const fn param(name: &'static str, default: &'static str, kind: Kind) -> Param {
    Param {
        name,
        alias: None,
        kind,
        default,
        immutable: false,
        protected: false,
        fixed_while_loading: false,
        sensitive: false,
        hidden: false,
        effect: Effect::Honoured,
    }
}

impl Param {
    const fn alias(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    const fn immutable(self) -> Self {
        Self { immutable: true, ..self }
    }

    const fn protected(self) -> Self {
        Self { protected: true, ..self }
    }

    const fn fixed_while_loading(self) -> Self {
        Self { fixed_while_loading: true, ..self }
    }

    const fn sensitive(self) -> Self {
        Self { sensitive: true, ..self }
    }

    const fn hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    const fn without_effect(self) -> Self {
        Self { effect: Effect::None, ..self }
    }

    const fn refused(self, reason: &'static str) -> Self {
        Self { effect: Effect::Refused(reason), ..self }
    }
}

impl Setting {
    /// Its line of the table.
    pub fn param(self) -> &'static Param {
        &TABLE[self as usize].1
    }

    /// Finds a parameter by its name or its alias, in any case, and the one of the two that it was.
    pub fn find(name: &[u8]) -> Option<(Self, &'static str)> {
        TABLE.iter().find_map(|(setting, param)| {
            let names = [Some(param.name), param.alias];
            let mut names = names.into_iter().flatten();
            let known = names.find(|known| name.eq_ignore_ascii_case(known.as_bytes()))?;
            Some((*setting, known))
        })
    }
}

macro_rules! parameters {
    ($($setting:ident = $param:expr;)*) => {
        /// A parameter by name, the key to its value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Setting {
            $(
                #[doc = concat!("The parameter `", stringify!($setting), "`, declared below.")]
                $setting,
            )*
        }

        /// Every parameter; a setting is an index into it.
        pub static TABLE: &[(Setting, Param)] = {
            use Kind::*;
            &[$((Setting::$setting, $param)),*]
        };
    };
}

parameters! {
    AclPubsubDefault = param("acl-pubsub-default", "resetchannels", Choice(&[
        "allchannels", "resetchannels",
    ]));
    Aclfile = param("aclfile", "", Text(any)).immutable();
    AcllogMaxLen = param("acllog-max-len", "128", Integer(0, LONG));
    ActiveDefragCycleMax = param("active-defrag-cycle-max", "25", Integer(1, 99)).without_effect();
    ActiveDefragCycleMin = param("active-defrag-cycle-min", "1", Integer(1, 99)).without_effect();
    ActiveDefragCycleUs = param("active-defrag-cycle-us", "500", Integer(0, 100_000))
        .without_effect();
    ActiveDefragIgnoreBytes = param("active-defrag-ignore-bytes", "104857600", Memory(1, LONG))
        .without_effect();
    ActiveDefragMaxScanFields = param("active-defrag-max-scan-fields", "1000", Integer(1, LONG))
        .without_effect();
    ActiveDefragThresholdLower = param("active-defrag-threshold-lower", "10", Integer(0, 1000))
        .without_effect();
    ActiveDefragThresholdUpper = param("active-defrag-threshold-upper", "100", Integer(0, 1000))
        .without_effect();
    ActiveExpireEffort = param("active-expire-effort", "1", Integer(1, 10)).without_effect();
    Activedefrag = param("activedefrag", "no", YesNo).without_effect();
    Activerehashing = param("activerehashing", "yes", YesNo).without_effect();
    AlwaysShowLogo = param("always-show-logo", "no", YesNo).immutable().without_effect();
    AofDisableAutoGc = param("aof-disable-auto-gc", "no", YesNo).without_effect();
    AofLoadCorruptTailMaxSize = param("aof-load-corrupt-tail-max-size", "0", Integer(0, LONG))
        .without_effect();
    AofLoadTruncated = param("aof-load-truncated", "yes", YesNo);
    AofRewriteCpulist = param("aof-rewrite-cpulist", "", Text(any))
        .alias("aof_rewrite_cpulist").immutable().without_effect();
    AofRewriteIncrementalFsync = param("aof-rewrite-incremental-fsync", "yes", YesNo)
        .without_effect();
    AofTimestampEnabled = param("aof-timestamp-enabled", "no", YesNo).without_effect();
    AofUseRdbPreamble = param("aof-use-rdb-preamble", "yes", YesNo).without_effect();
    Appenddirname = param("appenddirname", "appendonlydir", Text(is_directory_name)).immutable();
    Appendfilename = param("appendfilename", "appendonly.aof", Text(is_file_name)).immutable();
    Appendfsync = param("appendfsync", "everysec", Choice(&["everysec", "always", "no"]));
    Appendonly = param("appendonly", "no", YesNo);
    AuthFailureBurst = param("auth-failure-burst", "100", Integer(0, INT));
    AutoAofRewriteMinSize = param("auto-aof-rewrite-min-size", "67108864", Memory(0, LONG));
    AutoAofRewritePercentage = param("auto-aof-rewrite-percentage", "100", Integer(0, INT));
    AvailabilityZone = param("availability-zone", "", Text(any)).without_effect();
    BgsaveCpulist = param("bgsave-cpulist", "", Text(any))
        .alias("bgsave_cpulist").immutable().without_effect();
    Bind = param("bind", "* -::*", Addresses);
    BindSourceAddr = param("bind-source-addr", "", Text(any)).without_effect();
    BioCpulist = param("bio-cpulist", "", Text(any))
        .alias("bio_cpulist").immutable().without_effect();
    BusyReplyThreshold = param("busy-reply-threshold", "5000", Integer(0, LONG))
        .alias("lua-time-limit");
    ClientOutputBufferLimit = param(
        "client-output-buffer-limit",
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        OutputLimits,
    );
    ClientOutputTotalLimit = param("client-output-total-limit", "1%", MemoryOrPercent);
    ClientQueryBufferLimit = param("client-query-buffer-limit", "1073741824", Memory(MIB, LONG));
    ClusterAllowPubsubshardWhenDown = param("cluster-allow-pubsubshard-when-down", "yes", YesNo)
        .without_effect();
    ClusterAllowReadsWhenDown = param("cluster-allow-reads-when-down", "no", YesNo)
        .without_effect();
    ClusterAllowReplicaMigration = param("cluster-allow-replica-migration", "yes", YesNo)
        .without_effect();
    ClusterAnnounceBusPort = param("cluster-announce-bus-port", "0", Integer(0, 65_535))
        .without_effect();
    ClusterAnnounceClientIpv4 = param("cluster-announce-client-ipv4", "", Text(any))
        .without_effect();
    ClusterAnnounceClientIpv6 = param("cluster-announce-client-ipv6", "", Text(any))
        .without_effect();
    ClusterAnnounceClientPort = param("cluster-announce-client-port", "0", Integer(0, 65_535))
        .without_effect();
    ClusterAnnounceClientTlsPort =
        param("cluster-announce-client-tls-port", "0", Integer(0, 65_535)).without_effect();
    ClusterAnnounceHostname = param("cluster-announce-hostname", "", Text(is_host_name))
        .without_effect();
    ClusterAnnounceHumanNodename = param("cluster-announce-human-nodename", "", Text(is_node_name))
        .without_effect();
    ClusterAnnounceIp = param("cluster-announce-ip", "", Text(is_node_address)).without_effect();
    ClusterAnnouncePort = param("cluster-announce-port", "0", Integer(0, 65_535)).without_effect();
    ClusterAnnounceTlsPort = param("cluster-announce-tls-port", "0", Integer(0, 65_535))
        .without_effect();
    ClusterBlacklistTtl = param("cluster-blacklist-ttl", "60", Integer(INT_MIN, LONG))
        .without_effect();
    ClusterCompatibilitySampleRatio =
        param("cluster-compatibility-sample-ratio", "0", Integer(0, 100)).without_effect();
    ClusterConfigFile = param("cluster-config-file", "nodes.conf", Text(any))
        .immutable().without_effect();
    ClusterConfigSaveBehavior = param("cluster-config-save-behavior", "sync", Choice(&[
        "sync", "best-effort",
    ])).without_effect();
    ClusterDatabases = param("cluster-databases", "1", Integer(1, INT))
        .immutable().without_effect();
    ClusterEnabled = param("cluster-enabled", "no", YesNo).immutable().refused(NO_CLUSTER);
    ClusterLinkSendbufLimit = param("cluster-link-sendbuf-limit", "0", Memory(0, ULONG))
        .without_effect();
    ClusterManualFailoverTimeout = param("cluster-manual-failover-timeout", "5000", Integer(1, INT))
        .without_effect();
    ClusterMigrationBarrier = param("cluster-migration-barrier", "1", Integer(0, INT))
        .without_effect();
    ClusterNodeTimeout = param("cluster-node-timeout", "15000", Integer(0, LONG)).without_effect();
    ClusterPort = param("cluster-port", "0", Integer(0, 65_535)).immutable().without_effect();
    ClusterPreferredEndpointType = param("cluster-preferred-endpoint-type", "ip", Choice(&[
        "ip", "hostname", "unknown-endpoint",
    ])).without_effect();
    ClusterReplicaNoFailover = param("cluster-replica-no-failover", "no", YesNo)
        .alias("cluster-slave-no-failover").without_effect();
    ClusterReplicaValidityFactor = param("cluster-replica-validity-factor", "10", Integer(0, INT))
        .alias("cluster-slave-validity-factor").without_effect();
    ClusterRequireFullCoverage = param("cluster-require-full-coverage", "yes", YesNo)
        .without_effect();
    ClusterSlotMigrationHandoffMaxLagBytes =
        param("cluster-slot-migration-handoff-max-lag-bytes", "1048576", Memory(0, LONG))
            .without_effect();
    ClusterSlotMigrationLogMaxLen =
        param("cluster-slot-migration-log-max-len", "1000", Integer(0, LONG)).without_effect();
    ClusterSlotMigrationWritePauseTimeout =
        param("cluster-slot-migration-write-pause-timeout", "10000", Integer(0, LONG))
            .without_effect();
    ClusterSlotStatsEnabled = param("cluster-slot-stats-enabled", "no", Flags(&[
        "no", "yes", "cpu", "net", "mem",
    ])).without_effect();
    CommandlogLargeReplyMaxLen = param("commandlog-large-reply-max-len", "128", Integer(0, LONG))
        .without_effect();
    CommandlogLargeRequestMaxLen =
        param("commandlog-large-request-max-len", "128", Integer(0, LONG)).without_effect();
    CommandlogReplyLargerThan = param("commandlog-reply-larger-than", "1048576", Integer(-1, LONG))
        .without_effect();
    CommandlogRequestLargerThan =
        param("commandlog-request-larger-than", "1048576", Integer(-1, LONG)).without_effect();
    CrashLogEnabled = param("crash-log-enabled", "yes", YesNo).without_effect();
    CrashMemcheckEnabled = param("crash-memcheck-enabled", "yes", YesNo).without_effect();
    Daemonize = param("daemonize", "no", YesNo).immutable().without_effect();
    Databases = param("databases", "16", Integer(1, INT)).immutable();
    Dbfilename = param("dbfilename", "dump.rdb", Text(is_file_name)).protected();
    Dir = param("dir", "", Directory).protected().fixed_while_loading();
    DisableThp = param("disable-thp", "yes", YesNo).immutable().without_effect();
    DualChannelReplicationEnabled = param("dual-channel-replication-enabled", "no", YesNo)
        .without_effect();
    DynamicHz = param("dynamic-hz", "yes", YesNo).without_effect();
    EnableDebugCommand = param("enable-debug-command", "no", Choice(&["no", "yes", "local"]))
        .immutable();
    EnableModuleCommand = param("enable-module-command", "no", Choice(&["no", "yes", "local"]))
        .immutable().without_effect();
    EnableProtectedConfigs = param("enable-protected-configs", "no", Choice(&[
        "no", "yes", "local",
    ])).immutable();
    EncryptionKeyFile = param("encryption-key-file", "", Text(any));
    EncryptionPlainFiles = param("encryption-plain-files", "no", YesNo);
    ExtendedRedisCompatibility = param("extended-redis-compatibility", "no", YesNo)
        .without_effect();
    HashMaxListpackEntries = param("hash-max-listpack-entries", "512", Integer(0, LONG))
        .alias("hash-max-ziplist-entries");
    HashMaxListpackValue = param("hash-max-listpack-value", "64", Memory(0, LONG))
        .alias("hash-max-ziplist-value");
    HashSeed = param("hash-seed", "", Text(any)).immutable().without_effect();
    HideUserDataFromLog = param("hide-user-data-from-log", "no", YesNo).without_effect();
    HllSparseMaxBytes = param("hll-sparse-max-bytes", "3000", Memory(0, LONG));
    HttpBind = param("http-bind", "127.0.0.1 -::1", Addresses).immutable();
    HttpHosts = param("http-hosts", "", Text(any)).immutable();
    HttpPort = param("http-port", "0", Integer(0, 65_535)).immutable();
    Hz = param("hz", "10", Hertz).without_effect();
    IgnoreWarnings = param("ignore-warnings", "", Text(any)).without_effect();
    ImportMode = param("import-mode", "no", YesNo).without_effect();
    IoThreads = param("io-threads", "1", Integer(1, 128)).immutable().without_effect();
    IoThreadsDoReads = param("io-threads-do-reads", "no", YesNo).immutable().without_effect();
    JemallocBgThread = param("jemalloc-bg-thread", "yes", YesNo).without_effect();
    KeyLoadDelay = param("key-load-delay", "0", Integer(INT_MIN, INT)).hidden().without_effect();
    KeyMemoryHistograms = param("key-memory-histograms", "no", YesNo).without_effect();
    LatencyMonitorThreshold = param("latency-monitor-threshold", "0", Integer(0, LONG));
    LatencyTracking = param("latency-tracking", "yes", YesNo);
    LatencyTrackingInfoPercentiles =
        param("latency-tracking-info-percentiles", "50 99 99.9", Percentiles);
    LazyfreeLazyEviction = param("lazyfree-lazy-eviction", "no", YesNo).without_effect();
    LazyfreeLazyExpire = param("lazyfree-lazy-expire", "no", YesNo).without_effect();
    LazyfreeLazyServerDel = param("lazyfree-lazy-server-del", "no", YesNo).without_effect();
    LazyfreeLazyUserDel = param("lazyfree-lazy-user-del", "no", YesNo).without_effect();
    LazyfreeLazyUserFlush = param("lazyfree-lazy-user-flush", "no", YesNo).without_effect();
    LfuDecayTime = param("lfu-decay-time", "1", Integer(0, INT));
    LfuLogFactor = param("lfu-log-factor", "10", Integer(0, INT));
    ListCompressDepth = param("list-compress-depth", "0", Integer(0, INT))
        .without_effect();
    ListMaxListpackSize = param("list-max-listpack-size", "-2", Integer(INT_MIN, INT))
        .alias("list-max-ziplist-size");
    LoadingProcessEventsIntervalBytes =
        param("loading-process-events-interval-bytes", "2097152", Integer(1024, INT))
            .hidden().without_effect();
    LocaleCollate = param("locale-collate", "", Text(is_locale)).without_effect();
    LogFormat = param("log-format", "legacy", Choice(&["legacy", "logfmt", "json"]))
        .refused(NO_LOG_FORMAT);
    LogTimestampFormat = param("log-timestamp-format", "legacy", Choice(&[
        "legacy", "iso8601", "milliseconds",
    ])).refused(NO_LOG_FORMAT);
    Logfile = param("logfile", "", Text(any)).immutable();
    Loglevel = param("loglevel", "notice", Choice(&[
        "debug", "verbose", "notice", "warning", "nothing",
    ]));
    Lookahead = param("lookahead", "16", Integer(1, INT)).without_effect();
    LuaEnableDeprecatedApi = param("lua-enable-deprecated-api", "no", YesNo)
        .hidden().immutable().without_effect();
    Masterauth = param("masterauth", "", Text(any))
        .alias("primaryauth").sensitive();
    Masteruser = param("masteruser", "", Text(any))
        .alias("primaryuser").sensitive();
    MaxNewConnectionsPerCycle = param("max-new-connections-per-cycle", "10", Integer(1, 1000))
        .without_effect();
    MaxNewTlsConnectionsPerCycle = param("max-new-tls-connections-per-cycle", "1", Integer(1, 1000))
        .without_effect();
    Maxclients = param("maxclients", "10000", Integer(1, UINT));
    Maxmemory = param("maxmemory", "0", Memory(0, ULONG));
    MaxmemoryClients = param("maxmemory-clients", "0", MemoryOrPercent);
    MaxmemoryEvictionTenacity = param("maxmemory-eviction-tenacity", "10", Integer(0, 100))
        .without_effect();
    MaxmemoryPolicy = param("maxmemory-policy", "noeviction", Choice(&[
        "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "volatile-lrm",
        "allkeys-lru", "allkeys-lfu", "allkeys-random", "allkeys-lrm", "noeviction",
        "volatile-tinylfu", "allkeys-tinylfu",
    ]));
    MaxmemorySamples = param("maxmemory-samples", "5", Integer(1, 64));
    MemcachedItemSizeMax = param("memcached-item-size-max", "1mb", Memory(1024, 512 * MIB));
    MemcachedPort = param("memcached-port", "0", Integer(0, 65_535));
    MinReplicasMaxLag = param("min-replicas-max-lag", "10", Integer(0, INT))
        .alias("min-slaves-max-lag");
    MinReplicasToWrite = param("min-replicas-to-write", "0", Integer(0, INT))
        .alias("min-slaves-to-write");
    Mptcp = param("mptcp", "no", YesNo).immutable().refused(NO_MPTCP);
    NoAppendfsyncOnRewrite = param("no-appendfsync-on-rewrite", "no", YesNo).without_effect();
    NotifyKeyspaceEvents = param("notify-keyspace-events", "", Events);
    OomScoreAdj = param("oom-score-adj", "no", Choice(&["no", "yes", "relative=yes", "absolute"]))
        .without_effect();
    OomScoreAdjValues = param("oom-score-adj-values", "0 200 800", OomScores).without_effect();
    Pidfile = param("pidfile", "", Text(any)).immutable();
    Port = param("port", "6379", Integer(0, 65_535));
    PrefetchBatchMaxSize = param("prefetch-batch-max-size", "16", Integer(0, 128)).without_effect();
    ProcTitleTemplate =
        param("proc-title-template", "{title} {listen-addr} {server-mode}", Text(is_title))
            .without_effect();
    PropagationErrorBehavior = param("propagation-error-behavior", "ignore", Choice(&[
        "ignore", "panic", "panic-on-replicas",
    ])).without_effect();
    ProtectedMode = param("protected-mode", "yes", YesNo);
    ProtoMaxBulkLen = param("proto-max-bulk-len", "536870912", Memory(MIB, LONG));
    RdbDelSyncFiles = param("rdb-del-sync-files", "no", YesNo).without_effect();
    RdbKeySaveDelay = param("rdb-key-save-delay", "0", Integer(INT_MIN, INT))
        .hidden();
    RdbSaveIncrementalFsync = param("rdb-save-incremental-fsync", "yes", YesNo).without_effect();
    RdbVersion = param("rdb-version", "10", Choice(&["10", "11", "12", "13", "80"]));
    RdbVersionCheck = param("rdb-version-check", "strict", Choice(&["strict", "relaxed"]))
        .without_effect();
    Rdbchecksum = param("rdbchecksum", "yes", YesNo).immutable()
        .without_effect();
    Rdbcompression = param("rdbcompression", "yes", YesNo);
    RdmaBind = param("rdma-bind", "", Text(any)).refused(NO_RDMA);
    RdmaCompletionVector = param("rdma-completion-vector", "-1", Integer(INT_MIN, INT))
        .immutable().without_effect();
    RdmaPort = param("rdma-port", "0", Integer(0, 65_535)).refused(NO_RDMA);
    RdmaRxSize = param("rdma-rx-size", "1048576", Memory(65_536, LONG))
        .immutable().without_effect();
    RedisVersion = param("redis-version", "8.6.3", Text(is_version));
    ReplBacklogSize = param("repl-backlog-size", "1048576", Memory(1, LONG));
    ReplBacklogTtl = param("repl-backlog-ttl", "3600", Integer(0, LONG));
    ReplDisableTcpNodelay = param("repl-disable-tcp-nodelay", "no", YesNo).without_effect();
    ReplDisklessLoad = param("repl-diskless-load", "disabled", Choice(&[
        "disabled", "on-empty-db", "swapdb", "flushdb", "~flush-before-load",
    ])).fixed_while_loading().without_effect();
    ReplDisklessSync = param("repl-diskless-sync", "yes", YesNo);
    ReplDisklessSyncDelay = param("repl-diskless-sync-delay", "5", Integer(0, INT));
    ReplDisklessSyncMaxReplicas = param("repl-diskless-sync-max-replicas", "0", Integer(0, INT));
    ReplMptcp = param("repl-mptcp", "no", YesNo).immutable().without_effect();
    ReplPingReplicaPeriod = param("repl-ping-replica-period", "10", Integer(1, INT))
        .alias("repl-ping-slave-period");
    ReplTimeout = param("repl-timeout", "60", Integer(1, INT));
    ReplicaAnnounceIp = param("replica-announce-ip", "", Text(any))
        .alias("slave-announce-ip");
    ReplicaAnnouncePort = param("replica-announce-port", "0", Integer(0, 65_535))
        .alias("slave-announce-port");
    ReplicaAnnounced = param("replica-announced", "yes", YesNo);
    ReplicaFullSyncBufferLimit = param("replica-full-sync-buffer-limit", "0", Memory(0, LONG))
        .without_effect();
    ReplicaIgnoreDiskWriteErrors = param("replica-ignore-disk-write-errors", "no", YesNo)
        .without_effect();
    ReplicaIgnoreMaxmemory = param("replica-ignore-maxmemory", "yes", YesNo)
        .alias("slave-ignore-maxmemory");
    ReplicaLazyFlush = param("replica-lazy-flush", "no", YesNo)
        .alias("slave-lazy-flush").without_effect();
    ReplicaPriority = param("replica-priority", "100", Integer(0, INT))
        .alias("slave-priority");
    ReplicaReadOnly = param("replica-read-only", "yes", YesNo)
        .alias("slave-read-only");
    ReplicaServeStaleData = param("replica-serve-stale-data", "yes", YesNo)
        .alias("slave-serve-stale-data");
    Replicaof = param("replicaof", "", Primary)
        .alias("slaveof").immutable();
    Requirepass = param("requirepass", "", Text(any)).sensitive();
    Sandbox = param("sandbox", "no", YesNo).immutable();
    SanitizeDumpPayload = param("sanitize-dump-payload", "no", Choice(&["no", "yes", "clients"]))
        .without_effect();
    Save = param("save", "3600 1 300 100 60 10000", Save);
    ServerCpulist = param("server-cpulist", "", Text(any))
        .alias("server_cpulist").immutable().without_effect();
    SetMaxIntsetEntries = param("set-max-intset-entries", "512", Integer(0, LONG));
    SetMaxListpackEntries = param("set-max-listpack-entries", "128", Integer(0, LONG));
    SetMaxListpackValue = param("set-max-listpack-value", "64", Integer(0, LONG));
    SetProcTitle = param("set-proc-title", "yes", YesNo).immutable().without_effect();
    ShutdownOnSigint = param("shutdown-on-sigint", "default", Flags(&[
        "default", "save", "nosave", "now", "force",
    ]));
    ShutdownOnSigterm = param("shutdown-on-sigterm", "default", Flags(&[
        "default", "save", "nosave", "now", "force",
    ]));
    ShutdownTimeout = param("shutdown-timeout", "10", Integer(0, INT));
    SlotMigrationMaxFailoverReplBytes =
        param("slot-migration-max-failover-repl-bytes", "0", Memory(-1, LONG)).without_effect();
    SlowlogLogSlowerThan = param("slowlog-log-slower-than", "10000", Integer(-1, LONG))
        .alias("commandlog-execution-slower-than");
    SlowlogMaxLen = param("slowlog-max-len", "128", Integer(0, LONG))
        .alias("commandlog-slow-execution-max-len");
    SocketMarkId = param("socket-mark-id", "0", Integer(0, UINT)).immutable().without_effect();
    StatsPrefixes = param("stats-prefixes", "", Text(is_prefix_rule));
    StopWritesOnBgsaveError = param("stop-writes-on-bgsave-error", "yes", YesNo);
    StreamIdmpDuration = param("stream-idmp-duration", "100", Integer(1, 86_400));
    StreamIdmpMaxsize = param("stream-idmp-maxsize", "100", Integer(1, 10_000));
    StreamNodeMaxBytes = param("stream-node-max-bytes", "4096", Memory(0, LONG));
    StreamNodeMaxEntries = param("stream-node-max-entries", "100", Integer(0, LONG));
    Supervised = param("supervised", "no", Choice(&["upstart", "systemd", "auto", "no"]))
        .immutable();
    SyslogEnabled = param("syslog-enabled", "no", YesNo).immutable().refused(NO_SYSLOG);
    SyslogFacility = param("syslog-facility", "local0", Choice(&[
        "user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    ])).immutable().without_effect();
    SyslogIdent = param("syslog-ident", "redis", Text(any)).immutable().without_effect();
    TcpBacklog = param("tcp-backlog", "511", Integer(0, INT)).immutable();
    TcpKeepalive = param("tcp-keepalive", "300", Integer(0, INT));
    Threads = param("threads", "1", Integer(1, 1024)).immutable();
    Timeout = param("timeout", "0", Integer(0, INT));
    TlsAuthClients = param("tls-auth-clients", "yes", Choice(&["no", "yes", "optional"]));
    TlsAuthClientsUser = param("tls-auth-clients-user", "off", Choice(&["CN", "off", "~URI"]));
    TlsAutoReloadInterval = param("tls-auto-reload-interval", "0", Integer(0, INT))
        .without_effect();
    TlsCaCertDir = param("tls-ca-cert-dir", "", Text(any));
    TlsCaCertFile = param("tls-ca-cert-file", "", Text(any));
    TlsCertFile = param("tls-cert-file", "", Text(any));
    TlsCiphers = param("tls-ciphers", "", Text(any));
    TlsCiphersuites = param("tls-ciphersuites", "", Text(any));
    TlsClientCertFile = param("tls-client-cert-file", "", Text(any));
    TlsClientKeyFile = param("tls-client-key-file", "", Text(any));
    TlsClientKeyFilePass = param("tls-client-key-file-pass", "", Text(any))
        .sensitive().without_effect();
    TlsCluster = param("tls-cluster", "no", YesNo).refused(NO_CLUSTER);
    TlsDhParamsFile = param("tls-dh-params-file", "", Text(any)).without_effect();
    TlsKeyFile = param("tls-key-file", "", Text(any));
    TlsKeyFilePass = param("tls-key-file-pass", "", Text(any)).sensitive();
    TlsPort = param("tls-port", "0", Integer(0, 65_535));
    TlsPreferServerCiphers = param("tls-prefer-server-ciphers", "no", YesNo);
    TlsProtocols = param("tls-protocols", "", Text(any));
    TlsReplication = param("tls-replication", "no", YesNo);
    TlsSessionCacheSize = param("tls-session-cache-size", "20480", Integer(0, INT));
    TlsSessionCacheTimeout = param("tls-session-cache-timeout", "300", Integer(0, INT));
    TlsSessionCaching = param("tls-session-caching", "yes", YesNo);
    TrackingTableMaxKeys = param("tracking-table-max-keys", "1000000", Integer(0, LONG));
    Unixsocket = param("unixsocket", "", Text(any)).immutable();
    Unixsocketgroup = param("unixsocketgroup", "", Text(any)).immutable().refused(NO_SOCKET_GROUP);
    Unixsocketperm = param("unixsocketperm", "0", Octal(0o777)).immutable();
    UseExitOnPanic = param("use-exit-on-panic", "no", YesNo).hidden().without_effect();
    VsetForceSingleThreadedExecution = param("vset-force-single-threaded-execution", "no", YesNo)
        .without_effect();
    WatchdogPeriod = param("watchdog-period", "0", Integer(0, INT)).hidden().without_effect();
    ZsetMaxListpackEntries = param("zset-max-listpack-entries", "128", Integer(0, LONG))
        .alias("zset-max-ziplist-entries");
    ZsetMaxListpackValue = param("zset-max-listpack-value", "64", Memory(0, LONG))
        .alias("zset-max-ziplist-value");
}
