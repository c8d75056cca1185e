//! What each parameter that has an effect means, in a sentence, for people who look at the
//! dashboard or at `docs/parameters.md`.

use crate::advice;
use crate::table::{Effect, Setting};

/// What a parameter means, or why it has no effect.
pub fn of(setting: Setting) -> String {
    match setting.param().effect {
        Effect::Honoured => honoured(setting).to_owned(),
        Effect::Refused(reason) => format!("Only its default: {reason}."),
        Effect::None => {
            let line = advice::without_effect(setting).unwrap_or_default();
            match line.split_once(": ") {
                Some((_, advice)) => format!("No effect: {advice}."),
                None => "No effect.".to_owned(),
            }
        }
    }
}

/// The default of a parameter as redis.conf has it; in words where it depends on the machine.
pub fn default(setting: Setting) -> &'static str {
    match setting {
        Setting::Threads => "one for each core",
        Setting::Dir => "the folder that the server is started in",
        _ => setting.param().default,
    }
}

/// One line for each; an empty one where there is none.
fn honoured(setting: Setting) -> &'static str {
    MEANINGS.iter().find(|(known, _)| *known == setting).map_or("", |(_, text)| text)
}

use Setting::*;

#[rustfmt::skip]
static MEANINGS: &[(Setting, &str)] = &[
    (AclPubsubDefault, "Whether new users may use all channels, or none."),
    (Aclfile, "The file that users are loaded from and saved to."),
    (AcllogMaxLen, "How many refusals ACL LOG keeps."),
    (AofLoadTruncated, "Whether a log whose end is broken off is loaded up to there."),
    (Appenddirname, "The folder of the log, inside `dir`."),
    (Appendfilename, "What the names of the log's files begin with."),
    (Appendfsync, "When the log must be on the disk: before each reply, once a second, or never."),
    (Appendonly, "Whether each change is written to a log, to be replayed at the next start."),
    (AuthFailureBurst, "Failed logins from one address before refusals come later and later."),
    (AutoAofRewriteMinSize, "A log smaller than this is not rewritten by itself, in bytes."),
    (AutoAofRewritePercentage, "By how much the log grows before it is rewritten; 0 is never."),
    (Bind, "The addresses to listen at; one after `-` may be missing."),
    (BusyReplyThreshold, "After how many milliseconds of a script other clients are told BUSY."),
    (ClientOutputBufferLimit, "How much each kind of client may leave unread before it is closed."),
    (ClientOutputTotalLimit, "How much all clients together may leave unread."),
    (ClientQueryBufferLimit, "How large a client's unfinished requests may get, in bytes."),
    (Databases, "The number of databases."),
    (Dbfilename, "The name of the snapshot, which ends in `.redstart` in place of `.rdb`."),
    (Dir, "The folder that snapshots and the log are kept in."),
    (EnableDebugCommand, "Who may use DEBUG: nobody, everybody, or clients on this machine."),
    (EnableProtectedConfigs, "Who may change `dir` and other protected parameters."),
    (HashMaxListpackEntries, "Hashes with at most so many fields are kept packed."),
    (HashMaxListpackValue, "Hashes whose fields and values are at most so long are kept packed."),
    (HllSparseMaxBytes, "HyperLogLogs up to this size are kept in the small form."),
    (HttpBind, "The addresses to listen at for HTTP; this machine alone by default."),
    (HttpHosts, "Names, beside addresses and localhost, that browsers may know the server by."),
    (EncryptionKeyFile, "The file of the keys that data files are encrypted with."),
    (EncryptionPlainFiles, "Whether plain files are read though there is a key."),
    (HttpPort, "The port of the dashboard, /metrics and /health; 0 is none."),
    (LatencyMonitorThreshold, "From how many milliseconds on LATENCY notes events; 0 is never."),
    (LatencyTracking, "Whether each command has a histogram of its durations."),
    (LatencyTrackingInfoPercentiles, "The percentiles of durations that INFO latencystats shows."),
    (LfuDecayTime, "Minutes without use after which a key counts as less popular."),
    (LfuLogFactor, "How many uses it takes to count as popular: the more the larger."),
    (ListMaxListpackSize, "How large a list's node may get: elements, or -1 to -5 for 4 to 64 kB."),
    (Logfile, "The file of the server's own log; none is standard output."),
    (Loglevel, "How much the server logs, from all (debug) to nothing."),
    (Maxclients, "The most clients at a time."),
    (Maxmemory, "How much memory data may take before keys are evicted; 0 is no limit."),
    (MaxmemoryClients, "How much memory all clients together may take; 0 is no limit."),
    (MaxmemoryPolicy, "Which keys go once `maxmemory` is reached; noeviction refuses writes."),
    (MaxmemorySamples, "How many keys are compared to find the one that goes."),
    (MinReplicasMaxLag, "After how many silent seconds a replica counts no more for that."),
    (MinReplicasToWrite, "How many replicas there must be, or writes are refused; 0 is no number."),
    (NotifyKeyspaceEvents, "Letters for changes of keys that are published, such as `KEA`."),
    (Pidfile, "The file that holds the process's number."),
    (Port, "The port for clients; 0 is none."),
    (ProtectedMode, "Whether other machines are refused while there is no password."),
    (MemcachedItemSizeMax, "How long a value from the memcached port may be, in bytes."),
    (MemcachedPort, "The port for clients of memcached; 0 is none."),
    (ProtoMaxBulkLen, "How long a string may be, in bytes."),
    (RdbKeySaveDelay, "Microseconds to wait for each key that is saved; for tests."),
    (RdbVersion, "Which version of Redis's file format DUMP writes."),
    (Rdbcompression, "Whether strings are compressed in files."),
    (RedisVersion, "The version of Redis that clients are told."),
    (Masterauth, "The password that this server says to its master."),
    (Masteruser, "The user that this server is at its master; without one, the default."),
    (ReplBacklogSize, "How much of the stream of changes is kept for replicas whose link broke."),
    (ReplBacklogTtl, "For how many seconds it is kept when there is no replica; 0 is for ever."),
    (ReplDisklessSync, "Whether a full sync goes straight to the replicas, and not by a file."),
    (ReplDisklessSyncDelay, "For how many seconds a full sync waits for more replicas."),
    (ReplDisklessSyncMaxReplicas, "With how many it waits no more; 0 is no number."),
    (ReplPingReplicaPeriod, "How often replicas are pinged, in seconds."),
    (ReplTimeout, "After how many silent seconds a master, or a replica, counts as gone."),
    (ReplicaAnnounceIp, "The address that a replica says is its own."),
    (ReplicaAnnouncePort, "The port that a replica says is its own; 0 is `port`."),
    (ReplicaAnnounced, "Whether Sentinel lists this replica."),
    (ReplicaIgnoreMaxmemory, "Whether a replica evicts nothing by itself."),
    (ReplicaPriority, "Which replica Sentinel prefers, the lowest first; 0 is never."),
    (ReplicaReadOnly, "Whether clients of a replica may only read."),
    (ReplicaServeStaleData, "Whether a replica answers while its master is not there."),
    (Replicaof, "The master that this server follows: its host and port."),
    (Requirepass, "The password of the user `default`."),
    (Sandbox, "Whether the process keeps itself from files and ports that it does not need."),
    (Save, "Pairs of seconds and changes after which a snapshot is saved; \"\" is never."),
    (SetMaxIntsetEntries, "Sets of at most so many integers are kept packed."),
    (SetMaxListpackEntries, "Sets with at most so many members are kept packed."),
    (SetMaxListpackValue, "Sets whose members are at most so long are kept packed."),
    (ShutdownOnSigint, "What Ctrl-C does: save or not, and whether at any rate."),
    (ShutdownOnSigterm, "What the end by the system does: save or not, and whether at any rate."),
    (ShutdownTimeout, "For how many seconds the end waits for replicas to get the rest."),
    (SlowlogLogSlowerThan, "Microseconds from which on a command is slow; -1 is never."),
    (SlowlogMaxLen, "How many commands the slow log keeps."),
    (StopWritesOnBgsaveError, "Whether writes are refused after a snapshot has failed."),
    (StreamIdmpDuration, "For how many seconds a stream knows the ids of its producers' entries."),
    (StreamIdmpMaxsize, "How many ids of each producer's entries a stream knows."),
    (StreamNodeMaxBytes, "How large a block of a stream may get, in bytes."),
    (StreamNodeMaxEntries, "How many entries a block of a stream may have."),
    (Supervised, "Which supervisor (systemd, upstart) is told that the server is ready."),
    (TcpBacklog, "How many connections may wait to be accepted."),
    (TcpKeepalive, "After how many idle seconds it is asked whether a client is still there."),
    (StatsPrefixes, "A separator (`:`) or beginnings of keys that PREFIX.STATS counts by."),
    (Threads, "The threads that serve clients; one for each core by default."),
    (Timeout, "After how many idle seconds a client is closed; 0 is never."),
    (TlsAuthClients, "Whether clients must have a certificate."),
    (TlsAuthClientsUser, "Whether a client is the user that its certificate names."),
    (TlsCaCertDir, "A folder of authorities that clients' certificates may be from."),
    (TlsCaCertFile, "A file of authorities that clients' certificates may be from."),
    (TlsCertFile, "The server's certificate."),
    (TlsCiphers, "The ciphers of TLS 1.2."),
    (TlsCiphersuites, "The ciphers of TLS 1.3."),
    (TlsKeyFile, "The key of the server's certificate."),
    (TlsKeyFilePass, "The password that the key in `tls-key-file` is encrypted with."),
    (TlsReplication, "Whether the master is reached over TLS, and believed by `tls-ca-cert-file`."),
    (TlsClientCertFile, "The certificate that a master is shown; without one, `tls-cert-file`."),
    (TlsClientKeyFile, "The key of `tls-client-cert-file`."),
    (TlsPort, "The port for clients over TLS; 0 is none."),
    (TlsPreferServerCiphers, "Whether the server's order of ciphers counts."),
    (TlsProtocols, "The versions of TLS."),
    (TlsSessionCacheSize, "How many sessions of TLS are kept to go on with."),
    (TlsSessionCacheTimeout, "For how many seconds a session of TLS is kept."),
    (TlsSessionCaching, "Whether sessions of TLS are kept at all."),
    (TrackingTableMaxKeys, "How many keys are known that clients keep copies of."),
    (Unixsocket, "The path of the socket for clients on this machine."),
    (Unixsocketperm, "The permissions of `unixsocket`, in octal."),
    (ZsetMaxListpackEntries, "Sorted sets with at most so many members are kept packed."),
    (ZsetMaxListpackValue, "Sorted sets whose members are at most so long are kept packed."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::TABLE;

    #[test]
    fn every_parameter_that_has_an_effect_has_a_meaning() {
        for (setting, param) in TABLE {
            assert!(!of(*setting).is_empty(), "{} has none", param.name);
        }
        assert!(MEANINGS.iter().all(|(_, text)| text.ends_with('.')));
    }
}
