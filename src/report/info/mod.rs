//! INFO: one function a section, each line a field of Redis's with a value of ours.
//!
//! Counters are summed over the workers. Where Redis has a field of what there is not here
//! (replicas, forks, a cluster), it says that there is none; `tests/info.rs` has the list.

mod counts;
mod memory;
mod replica;
mod server;

use crate::report::usage::Usage;
use crate::server::Server;
use crate::session::Context;
use redstart_engine::keyspace::LockedShards;
use redstart_engine::run::worker_state::Reach;
use redstart_engine::{Error, Now};
use std::fmt::Write;
use std::sync::Arc;

/// A section: its name, its title, whether it is printed by default, and what is in it.
struct Section {
    name: &'static str,
    title: &'static str,
    default: bool,
    write: fn(&mut Lines, &Facts),
}

const fn section(
    name: &'static str,
    title: &'static str,
    write: fn(&mut Lines, &Facts),
) -> Section {
    Section { name, title, default: true, write }
}

/// In the order in which they are printed.
static SECTIONS: &[Section] = &[
    section("server", "Server", server::server),
    section("clients", "Clients", server::clients),
    section("memory", "Memory", memory::memory),
    section("persistence", "Persistence", persistence),
    section("threads", "Threads", server::threads),
    section("tls", "TLS", server::tls),
    section("stats", "Stats", counts::stats),
    section("replication", "Replication", server::replication),
    section("cpu", "CPU", server::cpu),
    section("hotkeys", "Hotkeys", |_, _| {}),
    section("modules", "Modules", |_, _| {}),
    Section { default: false, ..section("commandstats", "Commandstats", counts::command_stats) },
    section("errorstats", "Errorstats", counts::error_stats),
    Section { default: false, ..section("latencystats", "Latencystats", counts::latency_stats) },
    section("cluster", "Cluster", |lines, _| lines.put("cluster_enabled", 0)),
    section("keyspace", "Keyspace", counts::keyspace),
    section("quotas", "Quotas", counts::quotas),
    Section { default: false, ..section("prefixes", "Prefixes", counts::prefixes) },
];

/// What the sections are made of.
struct Facts {
    server: &'static Server,
    now: Now,
    usage: Usage,
    /// The keys whose names the client may know; None where all.
    reach: Option<Arc<dyn Reach>>,
}

/// The text as it grows.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to memory does not fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    /// A field whose name a client may have made up: nothing in it is taken for the end of a name,
    /// of a line, or for a section.
    fn put_named(&mut self, name: &str, value: impl std::fmt::Display) {
        self.put(&name.replace(['#', ':', '\n', '\r'], "_"), value);
    }

    /// A path, which may have the end of a line in it.
    fn put_path(&mut self, name: &str, path: &std::path::Path) {
        self.put(name, path.to_string_lossy().replace(['\n', '\r'], "_"));
    }

    /// What Redis counts and there is none of.
    fn zeros(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.put(name, 0));
    }

    /// A count of bytes, and the same for people.
    fn bytes(&mut self, name: &str, bytes: usize) {
        self.put(name, bytes);
        self.put(&format!("{name}_human"), human(bytes));
    }
}

/// About how long the text of the default sections is, in bytes.
const TEXT_BYTES: usize = 6 * 1024;

/// The text of the sections that are named, in any case; of the default ones if there are none.
///
/// # Errors
/// When a script holds what it looks at for too long.
pub fn text<'a>(
    context: &mut Context<'_>,
    names: impl Iterator<Item = &'a [u8]>,
) -> Result<String, Error> {
    let client = (context.held.as_deref_mut(), context.local.reach.clone());
    sections(context.session.server, context.now, client, names)
}

/// The same, for whoever asks: a transaction holds all shards, and a user may not read all keys.
///
/// # Errors
/// When a script holds what it looks at for too long.
pub fn sections<'a>(
    server: &'static Server,
    now: Now,
    (held, reach): (Option<&mut LockedShards>, Option<Arc<dyn Reach>>),
    names: impl Iterator<Item = &'a [u8]>,
) -> Result<String, Error> {
    let names: Vec<Vec<u8>> = names.map(<[u8]>::to_ascii_lowercase).collect();
    let named = |name: &str| names.iter().any(|given| given == name.as_bytes());
    let default = names.is_empty() || named("default");
    let all = named("all") || named("everything");
    let facts = Facts { server, now, usage: Usage::of(server, held)?, reach };
    let mut lines = Lines(String::with_capacity(TEXT_BYTES));
    for section in SECTIONS {
        if all || default && section.default || named(section.name) {
            // Redis has no such sections.
            let prefixes = &server.engine.keyspace.prefixes;
            if section.name == "tls" && server.tls.current().is_none()
                || section.name == "prefixes" && !prefixes.is_on()
                || section.name == "quotas" && server.engine.keyspace.quotas().is_none()
            {
                continue;
            }
            if !lines.0.is_empty() {
                lines.0 += "\r\n";
            }
            lines.0 += &format!("# {}\r\n", section.title);
            (section.write)(&mut lines, &facts);
        }
    }
    Ok(lines.0)
}

fn persistence(lines: &mut Lines, facts: &Facts) {
    for (name, value) in facts.server.durability.info_fields() {
        lines.put(name, value);
    }
}

/// A count of bytes as Redis shows it to people.
fn human(bytes: usize) -> String {
    let units = [(1usize << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match units.iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.2}{unit}", bytes as f64 / *size as f64),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn bytes_for_people() {
        let shown = [0, 1023, 1024, 990_312, 25_276_510_208].map(human);
        assert_eq!(shown, ["0B", "1023B", "1.00K", "967.10K", "23.54G"]);
    }
}
