//! Settings that handlers need, set by CONFIG and read without a lock.

use crate::aging::Rule;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU16, AtomicU64, AtomicUsize, Ordering::Relaxed,
};

/// How full a block of a stream becomes.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// In bytes, as Redis counts them; zero is no limit.
    pub bytes: usize,
    /// In entries, removed ones among them; zero is no limit.
    pub entries: usize,
}

/// What a stream remembers of the messages of each producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamKeep {
    /// For how many seconds.
    pub duration_s: u64,
    /// How many messages.
    pub most: u64,
}

/// What clients call a command, and how it is declared.
pub type Rename = (Box<[u8]>, &'static str);

/// The engine's settings. Relaxed loads: a change is seen by the requests that follow.
#[derive(Debug)]
pub struct Options {
    databases: AtomicUsize,
    string_bytes_max: AtomicU64,
    hash_packed_fields_max: AtomicUsize,
    hash_packed_bytes_max: AtomicUsize,
    sorted_set_packed_members_max: AtomicUsize,
    sorted_set_packed_bytes_max: AtomicUsize,
    list_packed_max: AtomicI64,
    stream_block_bytes_max: AtomicUsize,
    stream_block_entries_max: AtomicUsize,
    stream_sent_seconds: AtomicU64,
    stream_sent_max: AtomicU64,
    set_integers_max: AtomicUsize,
    set_packed_members_max: AtomicUsize,
    set_packed_bytes_max: AtomicUsize,
    sketch_sparse_bytes_max: AtomicUsize,
    memcached_item_bytes_max: AtomicUsize,
    rdb_version: AtomicU16,
    compresses: AtomicBool,
    expires_actively: AtomicBool,
    aging: AtomicU64,
    keeps_ages: AtomicBool,
    /// What clients call commands, and how these are declared.
    renames: OnceLock<Vec<Rename>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            databases: AtomicUsize::new(16),
            string_bytes_max: AtomicU64::new(512 << 20),
            hash_packed_fields_max: AtomicUsize::new(512),
            hash_packed_bytes_max: AtomicUsize::new(64),
            sorted_set_packed_members_max: AtomicUsize::new(128),
            sorted_set_packed_bytes_max: AtomicUsize::new(64),
            list_packed_max: AtomicI64::new(-2),
            stream_block_bytes_max: AtomicUsize::new(4096),
            stream_block_entries_max: AtomicUsize::new(100),
            stream_sent_seconds: AtomicU64::new(100),
            stream_sent_max: AtomicU64::new(100),
            set_integers_max: AtomicUsize::new(512),
            set_packed_members_max: AtomicUsize::new(128),
            set_packed_bytes_max: AtomicUsize::new(64),
            sketch_sparse_bytes_max: AtomicUsize::new(3000),
            memcached_item_bytes_max: AtomicUsize::new(1 << 20),
            rdb_version: AtomicU16::new(10),
            compresses: AtomicBool::new(true),
            expires_actively: AtomicBool::new(true),
            aging: AtomicU64::new(Rule::Idle.pack()),
            keeps_ages: AtomicBool::new(false),
            renames: OnceLock::new(),
        }
    }
}

impl Options {
    /// What the ages of entries mean.
    #[inline]
    pub fn aging(&self) -> Rule {
        Rule::unpack(self.aging.load(Relaxed))
    }

    /// Sets what the ages of entries mean.
    pub fn set_aging(&self, rule: Rule) {
        self.aging.store(rule.pack(), Relaxed);
    }

    /// What ages mean, if snapshots keep them: only a policy of eviction that goes by them needs
    /// them after a start.
    pub fn kept_ages(&self) -> Option<Rule> {
        self.keeps_ages.load(Relaxed).then(|| self.aging())
    }

    /// Sets whether snapshots keep ages.
    pub fn set_keeps_ages(&self, keeps: bool) {
        self.keeps_ages.store(keeps, Relaxed);
    }

    /// Sets what clients call commands otherwise than they are declared, before the first request.
    pub fn set_renames(&self, renames: Vec<Rename>) {
        // They are set once.
        let _ = self.renames.set(renames);
    }

    /// What a client calls a command, as the log has to call it.
    pub fn declared_name<'a>(&self, called: &'a [u8]) -> &'a [u8] {
        let renames = self.renames.get().map_or(&[][..], |renames| renames);
        let known = renames.iter().find(|(name, _)| called.eq_ignore_ascii_case(name));
        known.map_or(called, |(_, declared)| declared.as_bytes())
    }

    /// The number of databases.
    pub fn databases(&self) -> usize {
        self.databases.load(Relaxed)
    }

    /// Sets the number of databases, before the first request.
    pub fn set_databases(&self, count: usize) {
        self.databases.store(count, Relaxed);
    }

    /// The longest string in bytes (`proto-max-bulk-len`).
    pub fn string_bytes_max(&self) -> u64 {
        self.string_bytes_max.load(Relaxed)
    }

    /// Sets the longest string in bytes.
    pub fn set_string_bytes_max(&self, bytes: u64) {
        self.string_bytes_max.store(bytes, Relaxed);
    }

    /// The most fields of a packed hash (`hash-max-listpack-entries`).
    pub fn hash_packed_fields_max(&self) -> usize {
        self.hash_packed_fields_max.load(Relaxed)
    }

    /// Sets the most fields of a packed hash.
    pub fn set_hash_packed_fields_max(&self, count: usize) {
        self.hash_packed_fields_max.store(count, Relaxed);
    }

    /// The longest field or value in a packed hash, in bytes (`hash-max-listpack-value`).
    pub fn hash_packed_bytes_max(&self) -> usize {
        self.hash_packed_bytes_max.load(Relaxed)
    }

    /// Sets the longest field or value in a packed hash, in bytes.
    pub fn set_hash_packed_bytes_max(&self, bytes: usize) {
        self.hash_packed_bytes_max.store(bytes, Relaxed);
    }

    /// The most members of a packed sorted set (`zset-max-listpack-entries`).
    pub fn sorted_set_packed_members_max(&self) -> usize {
        self.sorted_set_packed_members_max.load(Relaxed)
    }

    /// Sets the most members of a packed sorted set.
    pub fn set_sorted_set_packed_members_max(&self, count: usize) {
        self.sorted_set_packed_members_max.store(count, Relaxed);
    }

    /// The longest member of a packed sorted set, in bytes (`zset-max-listpack-value`).
    pub fn sorted_set_packed_bytes_max(&self) -> usize {
        self.sorted_set_packed_bytes_max.load(Relaxed)
    }

    /// Sets the longest member of a packed sorted set, in bytes.
    pub fn set_sorted_set_packed_bytes_max(&self, bytes: usize) {
        self.sorted_set_packed_bytes_max.store(bytes, Relaxed);
    }

    /// Up to where a list is packed (`list-max-listpack-size`): a number of elements, or when it
    /// is negative one of five sizes.
    pub fn list_packed_max(&self) -> i64 {
        self.list_packed_max.load(Relaxed)
    }

    /// Sets up to where a list is packed.
    pub fn set_list_packed_max(&self, setting: i64) {
        self.list_packed_max.store(setting, Relaxed);
    }

    /// How full a stream's block becomes (`stream-node-max-bytes`, `stream-node-max-entries`).
    #[inline]
    pub fn stream_limits(&self) -> StreamLimits {
        StreamLimits {
            bytes: self.stream_block_bytes_max.load(Relaxed),
            entries: self.stream_block_entries_max.load(Relaxed),
        }
    }

    /// Sets how full a stream's block becomes.
    pub fn set_stream_limits(&self, limits: StreamLimits) {
        self.stream_block_bytes_max.store(limits.bytes, Relaxed);
        self.stream_block_entries_max.store(limits.entries, Relaxed);
    }

    /// For how long, and how many, messages of a producer a new stream remembers
    /// (`stream-idmp-duration`, `stream-idmp-maxsize`).
    pub fn stream_keep(&self) -> StreamKeep {
        StreamKeep {
            duration_s: self.stream_sent_seconds.load(Relaxed),
            most: self.stream_sent_max.load(Relaxed),
        }
    }

    /// Sets what a new stream remembers of its producers.
    pub fn set_stream_keep(&self, keep: StreamKeep) {
        self.stream_sent_seconds.store(keep.duration_s, Relaxed);
        self.stream_sent_max.store(keep.most, Relaxed);
    }

    /// The most members of a set of packed integers (`set-max-intset-entries`).
    pub fn set_integers_max(&self) -> usize {
        self.set_integers_max.load(Relaxed)
    }

    /// Sets the most members of a set of packed integers.
    pub fn set_set_integers_max(&self, count: usize) {
        self.set_integers_max.store(count, Relaxed);
    }

    /// The most members of a packed set (`set-max-listpack-entries`).
    pub fn set_packed_members_max(&self) -> usize {
        self.set_packed_members_max.load(Relaxed)
    }

    /// Sets the most members of a packed set.
    pub fn set_set_packed_members_max(&self, count: usize) {
        self.set_packed_members_max.store(count, Relaxed);
    }

    /// The longest member of a packed set, in bytes (`set-max-listpack-value`).
    pub fn set_packed_bytes_max(&self) -> usize {
        self.set_packed_bytes_max.load(Relaxed)
    }

    /// Sets the longest member of a packed set, in bytes.
    pub fn set_set_packed_bytes_max(&self, bytes: usize) {
        self.set_packed_bytes_max.store(bytes, Relaxed);
    }

    /// The longest sparse HyperLogLog in bytes (`hll-sparse-max-bytes`).
    pub fn sketch_sparse_bytes_max(&self) -> usize {
        self.sketch_sparse_bytes_max.load(Relaxed)
    }

    /// Sets the longest sparse HyperLogLog.
    pub fn set_sketch_sparse_bytes_max(&self, bytes: usize) {
        self.sketch_sparse_bytes_max.store(bytes, Relaxed);
    }

    /// The largest item of the memcached port in bytes (`memcached-item-size-max`).
    pub fn memcached_item_bytes_max(&self) -> usize {
        self.memcached_item_bytes_max.load(Relaxed)
    }

    /// Sets the largest item of the memcached port.
    pub fn set_memcached_item_bytes_max(&self, bytes: usize) {
        self.memcached_item_bytes_max.store(bytes, Relaxed);
    }

    /// The version of Redis's or Valkey's format that DUMP writes (`rdb-version`).
    pub fn rdb_version(&self) -> u16 {
        self.rdb_version.load(Relaxed)
    }

    /// Sets the version of Redis's format.
    pub fn set_rdb_version(&self, version: u16) {
        self.rdb_version.store(version, Relaxed);
    }

    /// Whether strings in Redis's format are compressed (`rdbcompression`).
    pub fn compresses(&self) -> bool {
        self.compresses.load(Relaxed)
    }

    /// Sets whether strings are compressed.
    pub fn set_compresses(&self, compresses: bool) {
        self.compresses.store(compresses, Relaxed);
    }

    /// Whether expired keys are removed although no request comes upon them (DEBUG
    /// SET-ACTIVE-EXPIRE).
    pub fn expires_actively(&self) -> bool {
        self.expires_actively.load(Relaxed)
    }

    /// Sets whether expired keys are removed although no request comes upon them.
    pub fn set_expires_actively(&self, actively: bool) {
        self.expires_actively.store(actively, Relaxed);
    }
}
