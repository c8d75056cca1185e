//! What to do instead of setting a parameter that has no effect.

use crate::config::Config;
use crate::table::{Effect, Setting, TABLE};

/// The beginning of a name, and what to do instead; the first that fits counts. The end of a name
/// is meant where a star stands in front.
const INSTEAD: &[(&str, &str)] = &[
    ("*cpulist", "start the server with taskset, or in a cgroup"),
    ("io-threads", "use `threads`"),
    ("daemonize", "run the server under a supervisor (systemd, Docker), or with `&`"),
    ("set-proc-title", "the process keeps its name"),
    ("proc-title", "the process keeps its name"),
    ("oom-score-adj", "set it in the supervisor (systemd: OOMScoreAdjust=)"),
    ("syslog-", "use `logfile`, or the log of the supervisor"),
    ("lazyfree-", "what is large is always freed beside other work"),
    ("active-defrag", "memory is not moved; MEMORY PURGE gives back what is free"),
    ("activedefrag", "memory is not moved; MEMORY PURGE gives back what is free"),
    ("activerehashing", "tables grow a little at a time"),
    ("active-expire-effort", "keys go within milliseconds of their deadline"),
    ("hz", "keys go within milliseconds of their deadline"),
    ("dynamic-hz", "keys go within milliseconds of their deadline"),
    ("jemalloc-", "the allocator is mimalloc"),
    ("aof-", "the log is of our own format"),
    ("no-appendfsync-on-rewrite", "a rewrite does not hold up the log"),
    ("rdb-", "snapshots are of our own format"),
    ("commandlog-", "slow commands are noted (SLOWLOG), large ones are not"),
    ("cluster-", "there is no cluster"),
    ("slot-migration-", "there is no cluster"),
    ("repl-disable-tcp-nodelay", "what gathers within a millisecond is sent at once"),
    ("repl-diskless-load", "a replica has the whole snapshot before it drops what it had"),
    ("repl-mptcp", "connections are plain TCP"),
    ("replica-", "it says how Redis itself works"),
    ("dual-channel-", "a full sync and the stream share a connection"),
    ("tls-client-", "the key must be readable without a password"),
    ("tls-dh-params-file", "keys are exchanged on elliptic curves only"),
    ("tls-auto-reload-interval", "set `tls-cert-file` again to read its files anew"),
    ("always-show-logo", "there is no logo"),
    ("availability-zone", "it is told to nobody"),
    ("bind-source-addr", "a master is reached from any address"),
    ("crash-", "a panic prints what it is, and ends the process"),
    ("use-exit-on-panic", "a panic prints what it is, and ends the process"),
    ("disable-thp", "memory comes in small pages, which become huge ones in the background"),
    ("enable-module-command", "there are no modules"),
    ("extended-redis-compatibility", "`redis-version` is what clients are told"),
    ("hash-seed", "tables have a random seed"),
    ("hide-user-data-from-log", "commands and values are not logged"),
    ("ignore-warnings", "what it would pass over is not looked for"),
    ("import-mode", "keys go by their deadlines, always"),
    ("key-load-delay", "it is for Redis's own tests"),
    ("key-memory-histograms", "`redstart report` shows how large keys are"),
    ("list-compress-depth", "lists are not compressed"),
    ("loading-process-events", "clients are answered beside the loading"),
    ("locale-collate", "texts are compared by their bytes"),
    ("lookahead", "up to 64 requests are run as a batch"),
    ("prefetch-batch-max-size", "up to 64 requests are run as a batch"),
    ("lua-enable-deprecated-api", "scripts run on Luau"),
    ("max-new-", "one thread accepts connections and does nothing else"),
    ("maxmemory-eviction-tenacity", "room is made before a command runs"),
    ("propagation-error-behavior", "there is no such choice"),
    ("rdbchecksum", "files always have checksums"),
    ("rdma-", "RDMA is not supported"),
    ("sanitize-dump-payload", "what RESTORE is given is always checked"),
    ("socket-mark-id", "sockets are not marked"),
    ("vset-", "there are no vector sets"),
    ("watchdog-period", "SLOWLOG and LATENCY tell what is slow"),
];

/// What to do instead of setting a parameter that has no effect, if there is anything to say.
fn instead(name: &str) -> Option<&'static str> {
    let fits = |pattern: &str| match pattern.strip_prefix('*') {
        Some(end) => name.ends_with(end),
        None => name.starts_with(pattern),
    };
    INSTEAD.iter().find(|(pattern, _)| fits(pattern)).map(|(_, advice)| *advice)
}

/// A line that says that setting this parameter has no effect, and what to do instead; none if it
/// has one.
pub fn without_effect(setting: Setting) -> Option<String> {
    let param = setting.param();
    (param.effect == Effect::None).then(|| match instead(param.name) {
        Some(advice) => format!("{} has no effect: {advice}", param.name),
        None => format!("{} has no effect", param.name),
    })
}

impl Config {
    /// A line for each parameter that was set, to something else than its default, and has no
    /// effect.
    pub fn without_effect(&self) -> Vec<String> {
        let is_set = |setting: &Setting| {
            self.was_set(*setting) && self.value(*setting) != self.default_of(*setting)
        };
        let set = TABLE.iter().map(|(setting, _)| *setting).filter(is_set);
        set.filter_map(without_effect).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Caller;

    #[test]
    fn what_has_no_effect_is_told_once_set() {
        let mut config = Config::new();
        assert_eq!(config.without_effect(), [""; 0]);
        let pairs: [(&[u8], &[u8]); 4] = [
            (b"hz", b"10"),
            (b"activedefrag", b"yes"),
            (b"timeout", b"5"),
            (b"crash-log-enabled", b"no"),
        ];
        config.set_many(&pairs, Caller::Local).expect("all of them can be set");
        let told = [
            "activedefrag has no effect: memory is not moved; MEMORY PURGE gives back what is free",
            "crash-log-enabled has no effect: a panic prints what it is, and ends the process",
        ];
        assert_eq!(config.without_effect(), told);
        assert_eq!(without_effect(Setting::Timeout), None);
        let threads = "io-threads has no effect: use `threads`";
        assert_eq!(without_effect(Setting::IoThreads).as_deref(), Some(threads));
    }

    #[test]
    fn every_parameter_without_effect_has_a_reason() {
        let lines = TABLE.iter().filter_map(|(setting, _)| without_effect(*setting));
        let without: Vec<String> = lines.filter(|line| !line.contains(": ")).collect();
        assert_eq!(without, [""; 0]);
    }

    #[test]
    fn every_advice_is_about_a_parameter() {
        for (pattern, _) in INSTEAD {
            let pattern = pattern.trim_start_matches('*');
            let fits = |(_, param): &&(Setting, crate::table::Param)| {
                param.effect == Effect::None && param.name.contains(pattern)
            };
            assert!(TABLE.iter().any(|entry| fits(&entry)), "{pattern}");
        }
    }
}
