//! The section of memory. `report/usage.rs` says what the figures mean.

use super::{Facts, Lines, human};
use crate::report::usage::{percent, ratio, surplus};
use redstart_config::Setting;

pub fn memory(lines: &mut Lines, facts: &Facts) {
    in_use(lines, facts);
    allocator(lines, facts);
    scripts(lines, facts);
    limit(lines, facts);
    fragmentation(lines, facts);
    beside_data(lines, facts);
}

fn in_use(lines: &mut Lines, facts: &Facts) {
    let usage = &facts.usage;
    let (used, (peak, peak_s)) = (usage.used, usage.peak);
    lines.bytes("used_memory", used);
    lines.bytes("used_memory_rss", usage.resident());
    lines.bytes("used_memory_peak", peak);
    lines.put("used_memory_peak_time", peak_s);
    lines.put("used_memory_peak_perc", format_args!("{:.2}%", percent(used, peak)));
    lines.put("used_memory_overhead", usage.overhead());
    lines.put("used_memory_startup", usage.startup);
    lines.put("used_memory_dataset", usage.dataset());
    let share = percent(usage.dataset(), usage.net());
    lines.put("used_memory_dataset_perc", format_args!("{share:.2}%"));
}

/// mimalloc does not say which of its pages hold blocks: all that is resident counts as active.
fn allocator(lines: &mut Lines, facts: &Facts) {
    let heap = facts.usage.heap();
    lines.put("allocator_allocated", facts.usage.used);
    lines.put("allocator_active", heap);
    lines.put("allocator_resident", heap);
    lines.zeros(&["allocator_muzzy"]);
    if let Some(total) = facts.usage.process.machine_bytes {
        lines.bytes("total_system_memory", total);
    }
}

/// Functions run in the Lua states that scripts run in.
fn scripts(lines: &mut Lines, facts: &Facts) {
    let scripts = &facts.usage.scripts;
    lines.put("used_memory_lua", scripts.states_bytes);
    lines.put("used_memory_vm_eval", scripts.states_bytes);
    lines.put("used_memory_lua_human", human(scripts.states_bytes));
    lines.put("used_memory_scripts_eval", scripts.scripts_bytes);
    lines.put("number_of_cached_scripts", scripts.scripts);
    lines.put("number_of_functions", scripts.functions);
    lines.put("number_of_libraries", scripts.libraries);
    lines.zeros(&["used_memory_vm_functions"]);
    lines.bytes("used_memory_vm_total", scripts.states_bytes);
    lines.put("used_memory_functions", scripts.functions_bytes);
    lines.bytes("used_memory_scripts", scripts.kept_bytes());
}

fn limit(lines: &mut Lines, facts: &Facts) {
    let config = facts.server.config.read();
    lines.bytes("maxmemory", config.count(Setting::Maxmemory));
    lines.put("maxmemory_policy", config.choice(Setting::MaxmemoryPolicy));
}

fn fragmentation(lines: &mut Lines, facts: &Facts) {
    let usage = &facts.usage;
    let (used, heap, resident) = (usage.used, usage.heap(), usage.resident());
    let mut compare = |name: &str, one: usize, other: usize| {
        lines.put(&format!("{name}_ratio"), format_args!("{:.2}", ratio(one, other)));
        lines.put(&format!("{name}_bytes"), surplus(one, other));
    };
    compare("allocator_frag", heap, used);
    compare("allocator_rss", heap, heap);
    compare("rss_overhead", resident, heap);
    lines.put("mem_fragmentation_ratio", format_args!("{:.2}", ratio(resident, used)));
    lines.put("mem_fragmentation_bytes", surplus(resident, used));
}

fn beside_data(lines: &mut Lines, facts: &Facts) {
    let usage = &facts.usage;
    lines.put("mem_not_counted_for_evict", usage.not_counted());
    lines.zeros(&["mem_replication_backlog", "mem_total_replication_buffers"]);
    lines.zeros(&["mem_replica_full_sync_buffer", "mem_clients_slaves"]);
    lines.put("mem_clients_normal", usage.clients);
    lines.zeros(&["mem_cluster_slot_migration_output_buffer"]);
    lines.zeros(&["mem_cluster_slot_migration_input_buffer"]);
    lines.zeros(&["mem_cluster_slot_migration_input_buffer_peak", "mem_cluster_links"]);
    lines.put("mem_aof_buffer", usage.log);
    lines.put("mem_allocator", "mimalloc");
    lines.zeros(&["mem_overhead_db_hashtable_rehashing", "active_defrag_running"]);
    lines.put("lazyfree_pending_objects", facts.server.reclaimer.values_waiting());
    lines.put("lazyfreed_objects", facts.server.reclaimer.values_dropped());
}
