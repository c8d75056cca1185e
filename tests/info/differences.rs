//! What INFO says otherwise than Redis after the same work, and why.

/// How a field's values are compared; without an entry they are the same.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "a reason is for people")]
pub enum How {
    /// Both are about as large.
    Near,
    /// Both are more than nothing.
    Positive,
    /// Both look alike: numbers stand in the same places.
    Shape,
    /// They differ, and this is why.
    Otherwise(&'static str),
}

use How::*;

/// Fields and sections that are not told, and why.
pub const ABSENT: &[(&str, &str)] = &[
    ("eventloop_cycles", LOOP),
    ("eventloop_duration_sum", LOOP),
    ("eventloop_duration_cmd_sum", LOOP),
    ("instantaneous_eventloop_cycles_per_sec", LOOP),
    ("instantaneous_eventloop_duration_usec", LOOP),
    ("Keysizes", "no histogram of sizes is kept: every write would pay for it"),
    ("module", "Redis 8 comes with a module of vector sets"),
    ("cmdstat_config|resetstat", "a command is counted when it begins, and this one forgets it"),
];

const LOOP: &str = "there is no event loop: every worker has tasks";
const BUILD: &str = "another build of another program";
const PLACE: &str = "another process at another place";
const TIME: &str = "time passes";
const ALLOCATOR: &str = "mimalloc does not tell its active pages from others";
const POLLED: &str = "INFO is asked for until something is so";
const FORK: &str = "nothing is forked";
const WORKERS: &str = "every worker reads and writes; the first counts as the main thread";
const BUFFERS: &str = "input and output go through buffers of the worker";
const GROWTH: &str = "a table grows a segment at a time, and the old one is used again";

/// Fields that differ.
pub const DIFFERENT: &[(&str, How)] = &[
    // Server
    ("redis_version", Otherwise("`redis-version` sets it")),
    ("redis_build_id", Otherwise(BUILD)),
    ("gcc_version", Otherwise("as in Redis where it is not gcc that compiled it")),
    ("monotonic_clock", Otherwise(BUILD)),
    ("process_id", Otherwise(PLACE)),
    ("run_id", Otherwise(PLACE)),
    ("tcp_port", Otherwise(PLACE)),
    ("listener0", Shape),
    ("executable", Otherwise(PLACE)),
    ("server_time_usec", Near),
    ("uptime_in_seconds", Otherwise(TIME)),
    ("lru_clock", Near),
    ("io_threads_active", Otherwise(WORKERS)),
    // Clients
    ("client_recent_max_input_buffer", Otherwise(BUFFERS)),
    ("client_recent_max_output_buffer", Otherwise(BUFFERS)),
    // Memory
    ("used_memory", Near),
    ("used_memory_human", Near),
    ("used_memory_rss", Positive),
    ("used_memory_rss_human", Positive),
    ("used_memory_peak", Near),
    ("used_memory_peak_human", Near),
    ("used_memory_peak_time", Near),
    ("used_memory_peak_perc", Near),
    ("used_memory_overhead", Positive),
    ("used_memory_startup", Positive),
    ("used_memory_dataset", Near),
    ("used_memory_dataset_perc", Near),
    ("allocator_allocated", Positive),
    ("allocator_active", Positive),
    ("allocator_resident", Positive),
    ("allocator_frag_ratio", Positive),
    ("allocator_frag_bytes", Otherwise(ALLOCATOR)),
    ("allocator_rss_ratio", Positive),
    ("allocator_rss_bytes", Otherwise(ALLOCATOR)),
    ("rss_overhead_ratio", Positive),
    ("rss_overhead_bytes", Positive),
    ("mem_fragmentation_ratio", Positive),
    ("mem_fragmentation_bytes", Positive),
    ("used_memory_lua", Positive),
    ("used_memory_lua_human", Positive),
    ("used_memory_vm_eval", Positive),
    ("used_memory_vm_functions", Otherwise("functions run in the Lua states of scripts")),
    ("used_memory_vm_total", Positive),
    ("used_memory_vm_total_human", Positive),
    ("used_memory_scripts", Positive),
    ("used_memory_scripts_human", Positive),
    ("used_memory_scripts_eval", Near),
    ("used_memory_functions", Positive),
    ("mem_not_counted_for_evict", Otherwise("what there was at the start does not count")),
    ("mem_clients_normal", Otherwise(BUFFERS)),
    ("mem_aof_buffer", Otherwise(TIME)),
    ("mem_overhead_db_hashtable_rehashing", Otherwise(GROWTH)),
    ("mem_allocator", Otherwise(BUILD)),
    // Persistence
    ("rdb_last_save_time", Near),
    ("rdb_last_bgsave_time_sec", Near),
    ("rdb_last_cow_size", Otherwise(FORK)),
    ("aof_base_size", Otherwise("an empty base has a header")),
    ("aof_current_size", Near),
    ("aof_buffer_length", Otherwise(TIME)),
    ("aof_pending_bio_fsync", Otherwise(TIME)),
    // Threads
    ("io_thread_0", Shape),
    // Stats
    ("total_commands_processed", Near),
    ("total_net_input_bytes", Near),
    ("total_net_output_bytes", Otherwise(POLLED)),
    ("total_reads_processed", Positive),
    ("total_writes_processed", Positive),
    ("instantaneous_ops_per_sec", Otherwise(TIME)),
    ("instantaneous_input_kbps", Otherwise(TIME)),
    ("instantaneous_output_kbps", Otherwise(TIME)),
    ("expired_stale_perc", Otherwise("nothing is there past its deadline")),
    ("expire_cycle_cpu_milliseconds", Otherwise(TIME)),
    ("latest_fork_usec", Otherwise(FORK)),
    ("total_forks", Otherwise(FORK)),
    ("io_threaded_reads_processed", Otherwise(WORKERS)),
    ("io_threaded_writes_processed", Otherwise(WORKERS)),
    ("io_threaded_total_prefetch_batches", Otherwise("whatever is read together is prefetched")),
    ("io_threaded_total_prefetch_entries", Otherwise("whatever is read together is prefetched")),
    ("reply_buffer_shrinks", Otherwise(BUFFERS)),
    ("reply_buffer_expands", Otherwise(BUFFERS)),
    // Replication
    ("master_replid", Otherwise(PLACE)),
    ("master_repl_offset", Otherwise("nothing is replicated; `aof_records` counts the log's")),
    ("repl_backlog_size", Otherwise("Redis's default, which is not Valkey's")),
    // CPU
    ("used_cpu_sys", Otherwise(TIME)),
    ("used_cpu_user", Otherwise(TIME)),
    ("used_cpu_sys_children", Otherwise(FORK)),
    ("used_cpu_user_children", Otherwise(FORK)),
    ("used_cpu_sys_main_thread", Otherwise(TIME)),
    ("used_cpu_user_main_thread", Otherwise(TIME)),
    // Commandstats
    ("cmdstat_info", Otherwise(POLLED)),
];
