//! PREFIX.STATS: what keys that begin alike bring and take.

use crate::commands::declare::SessionCommand;
use crate::report::prefixes::{Prefix, all};
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::keyspace::prefixes::{CAUSE_NAMES, CAUSES, TTLS};
use redstart_engine::spec::*;
use redstart_protocol::{Args, Reply};

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&PREFIX_STATS];

/// PREFIX.STATS [prefix]
static PREFIX_STATS: SessionCommand = declare("prefix.stats", Group::Cache, Arity::AtLeast(1))
    .flags(READONLY | LOADING | STALE | DANGEROUS | NONDETERMINISTIC | LISTS_KEYS)
    .since("0.1.0")
    .complexity("O(N) with N prefixes.")
    .summary("Tells how often keys with each prefix are found or not, why not, and what they take.")
    .syntax("[prefix]")
    .run(stats);

const OFF: &str = "ERR nothing is counted by prefix: see `stats-prefixes`";

/// What the time to live of keys is shown by: none, below a second, a minute, an hour, a day, a
/// week, and more.
const TTL_NAMES: [&str; TTLS] = ["none", "1s", "1m", "1h", "1d", "7d", "more"];

fn stats(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    if args.len() > 2 {
        return Err(Error::wrong_arity("prefix.stats"));
    }
    let session = &mut *context.session;
    let keyspace = &session.server.engine.keyspace;
    if !keyspace.prefixes.is_on() {
        return Err(Error::text(OFF));
    }
    let prefixes = all(keyspace, session.server.stats, context.local.reach.as_ref());
    match args.get(1) {
        None => {
            session.out.array(prefixes.len());
            prefixes.iter().for_each(|prefix| write(prefix, &mut session.out));
        }
        Some(name) => match prefixes.iter().find(|prefix| *prefix.name == *name) {
            Some(prefix) => write(prefix, &mut session.out),
            None => session.out.null(),
        },
    }
    Ok(())
}

fn write(prefix: &Prefix, out: &mut Reply) {
    let number = |out: &mut Reply, name: &str, value: u64| {
        out.bulk(name.as_bytes());
        out.integer(value as i64);
    };
    out.map(11);
    out.bulk(b"prefix");
    out.bulk(&prefix.name);
    number(out, "keys", prefix.content.keys);
    number(out, "bytes", prefix.content.bytes);
    number(out, "hits", prefix.hits);
    out.bulk(b"misses");
    out.map(CAUSES);
    for (name, count) in CAUSE_NAMES.iter().zip(prefix.misses) {
        number(out, name, count);
    }
    out.bulk(b"hit-rate");
    out.double(prefix.hit_rate());
    number(out, "bytes-in", prefix.bytes_in);
    number(out, "bytes-out", prefix.bytes_out);
    out.bulk(b"ttl");
    out.map(TTLS);
    for (name, count) in TTL_NAMES.iter().zip(prefix.content.ttls) {
        number(out, name, count);
    }
    for (name, percentage) in [("p50-usec", 50.0), ("p99-usec", 99.0)] {
        number(out, name, prefix.percentile_us(percentage).ceil() as u64);
    }
}
