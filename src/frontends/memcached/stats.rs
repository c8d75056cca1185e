//! `stats`: what is counted, by memcached's names. Counters are those of INFO, so clients of both
//! protocols are in them.

use super::others::VERSION;
use crate::server::Server;
use crate::session::Session;
use redstart_config::Setting;
use redstart_engine::Now;
use redstart_engine::keyspace::totals::Totals;
use redstart_engine::stats::{Counter, Stats};
use redstart_protocol::Args;
use redstart_protocol::memcached::words;
use std::fmt::Display;
use std::sync::atomic::Ordering::Relaxed;

/// Lines of names and values.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, name: &str, value: impl Display) {
        self.0 += &format!("STAT {name} {value}\r\n");
    }
}

/// Writes the statistics that a request asks for.
pub fn write(session: &mut Session, args: Args<'_>, now: Now) {
    let server = session.server;
    let mut lines = Lines::default();
    match args.get(1) {
        None => general(&mut lines, server, now),
        Some(b"settings") => settings(&mut lines, server),
        Some(b"items") => items(&mut lines, server),
        Some(b"slabs") => slabs(&mut lines, server),
        Some(b"sizes") => lines.put("sizes_status", "disabled"),
        Some(b"conns") => {}
        Some(b"reset") => {
            server.reset_stats();
            return session.out.raw(b"RESET\r\n");
        }
        Some(b"detail") => return session.out.raw(detail(args.get(2)).as_bytes()),
        // No class of sizes has anything in it.
        Some(b"cachedump") if args.len() < 4 => {
            return session.out.raw(b"CLIENT_ERROR bad command line\r\n");
        }
        Some(b"cachedump") => {}
        Some(_) => {
            session.out.raw(words::ERROR.as_bytes());
            return session.out.raw(b"\r\n");
        }
    }
    session.out.raw(lines.0.as_bytes());
    session.out.raw(b"END\r\n");
}

fn detail(word: Option<&[u8]>) -> &'static str {
    match word {
        Some(b"on" | b"off") => "OK\r\n",
        Some(b"dump") => "END\r\n",
        _ => "CLIENT_ERROR usage: stats detail on|off|dump\r\n",
    }
}

fn sum(server: &Server, field: fn(&Stats) -> &Counter) -> u64 {
    server.stats.iter().map(|stats| field(stats).value()).sum()
}

/// How often commands of Redis's names were run.
fn calls(server: &Server, names: &[&str]) -> u64 {
    let id = |name: &&str| server.registry.get(name.as_bytes()).map(|found| found.id);
    let of = |id: u16| -> u64 {
        server.stats.iter().map(|stats| stats.calls[usize::from(id)].value()).sum()
    };
    names.iter().filter_map(id).map(of).sum()
}

/// The keys of database 0, and the bytes that all entries take; nothing while a script holds them.
fn held(server: &Server) -> (usize, usize) {
    let totals = Totals::of(&server.engine.keyspace, None).unwrap_or_default();
    (totals.dbs.first().map_or(0, |db| db.keys), totals.used_bytes)
}

fn general(lines: &mut Lines, server: &Server, now: Now) {
    let (items, bytes) = held(server);
    lines.put("pid", std::process::id());
    lines.put("uptime", server.clock.uptime().as_secs());
    lines.put("time", now.wall_ms / 1000);
    lines.put("version", VERSION);
    lines.put("redstart_version", env!("CARGO_PKG_VERSION"));
    lines.put("pointer_size", usize::BITS);
    lines.put("max_connections", server.clients.admission.clients_max());
    lines.put("curr_connections", server.clients.len());
    lines.put("total_connections", server.clients.accepted.load(Relaxed));
    lines.put("rejected_connections", server.clients.rejected.load(Relaxed));
    let gets = ["get", "mget", "getex"];
    lines.put("cmd_get", calls(server, &gets));
    lines.put("cmd_set", calls(server, &["set", "append"]));
    lines.put("cmd_flush", calls(server, &["flushdb", "flushall"]));
    lines.put("cmd_touch", calls(server, &["expire", "getex"]));
    lines.put("get_hits", sum(server, |stats| &stats.keyspace_hits));
    lines.put("get_misses", sum(server, |stats| &stats.keyspace_misses));
    lines.put("get_expired", sum(server, |stats| &stats.expired_keys));
    lines.put("bytes_read", sum(server, |stats| &stats.net_input_bytes));
    lines.put("bytes_written", sum(server, |stats| &stats.net_output_bytes));
    let limit = server.config.read().count(Setting::Maxmemory);
    lines.put("limit_maxbytes", limit);
    lines.put("threads", server.stats.len());
    lines.put("bytes", bytes);
    lines.put("curr_items", items);
    lines.put("total_items", calls(server, &["set", "append", "incrby"]));
    lines.put("evictions", sum(server, |stats| &stats.evicted_keys));
}

fn settings(lines: &mut Lines, server: &Server) {
    let config = server.config.read();
    lines.put("maxbytes", config.count(Setting::Maxmemory));
    lines.put("maxconns", server.clients.admission.clients_max());
    lines.put("tcpport", config.integer(Setting::MemcachedPort));
    lines.put("udpport", 0);
    lines.put("verbosity", 0);
    let evicts = config.choice(Setting::MaxmemoryPolicy) != "noeviction";
    lines.put("evictions", if evicts { "on" } else { "off" });
    lines.put("num_threads", server.stats.len());
    lines.put("cas_enabled", "yes");
    lines.put("flush_enabled", "yes");
    lines.put("binding_protocol", "ascii");
    lines.put("item_size_max", config.count(Setting::MemcachedItemSizeMax));
}

/// There are no classes of sizes: all items are of one.
fn items(lines: &mut Lines, server: &Server) {
    let (items, bytes) = held(server);
    if items > 0 {
        lines.put("items:1:number", items);
        lines.put("items:1:mem_requested", bytes);
        lines.put("items:1:evicted", sum(server, |stats| &stats.evicted_keys));
    }
}

fn slabs(lines: &mut Lines, server: &Server) {
    let (items, bytes) = held(server);
    if items > 0 {
        lines.put("1:used_chunks", items);
        lines.put("1:mem_requested", bytes);
    }
    lines.put("active_slabs", u8::from(items > 0));
    lines.put("total_malloced", bytes);
}
