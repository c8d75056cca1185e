//! MEMORY: what takes how much of it.

use crate::commands::declare::{Container, SessionCommand, declare_help, help, is};
use crate::report::usage::{Usage, percent, ratio, surplus};
use crate::session::Context;
use crate::system::process::Process;
use redstart_engine::spec::*;
use redstart_engine::storage::timed_table::SLOT_BYTES;
use redstart_engine::{Call, Command, DataCommand, Error};
use redstart_protocol::{Args, parse_i64};

/// The session commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&DOCTOR, &HELP, &MALLOC_STATS, &PURGE, &STATS];

/// The data commands of this file.
pub static DATA_COMMANDS: &[&DataCommand] = &[&USAGE];

const CONTAINER: Container = Container { name: "memory", group: Group::Server, since: "4.0.0" };

/// MEMORY subcommand
pub static MEMORY: Command = CONTAINER.declare(
    "Holds what is about memory.",
    &[&DOCTOR.spec, &HELP.spec, &MALLOC_STATS.spec, &PURGE.spec, &STATS.spec, &USAGE.spec],
);

/// MEMORY USAGE key [SAMPLES count]
static USAGE: DataCommand = declare("usage", Group::Server, AtLeast(3))
    .flags(READONLY)
    .keys(&[KeySpec::at(2, RO)])
    .since("4.0.0")
    .complexity("O(1): every value knows its size.")
    .summary("Returns the bytes that a key and its value take.")
    .syntax("key [SAMPLES count]")
    .run(usage);

fn usage(call: &mut Call<'_>) -> Result<(), Error> {
    let mut at = 3;
    while at < call.args.len() {
        match call.args.get(at + 1) {
            Some(count) if is(&call.args[at], "samples") => {
                // Accepted and not needed: nothing is estimated.
                match parse_i64(count) {
                    None => return Err(Error::NOT_INTEGER),
                    Some(..=-1) => return Err(Error::SYNTAX),
                    Some(0..) => at += 2,
                }
            }
            _ => return Err(Error::SYNTAX),
        }
    }
    let key = call.key(0);
    match call.space.find(key) {
        Some(slot) => {
            let bytes = call.space.entry(key, slot).allocated() + SLOT_BYTES;
            call.reply.integer(bytes as i64);
        }
        None => call.reply.null(),
    }
    Ok(())
}

/// MEMORY STATS
static STATS: SessionCommand = CONTAINER
    .sub("stats", Arity::Exactly(2), 0, "Returns where the memory has gone.", "")
    .run(stats);

/// A figure of MEMORY STATS.
#[derive(Clone, Copy)]
enum Figure {
    Count(i64),
    Ratio(f64),
    Db { main: usize, expires: usize },
}

fn stats(context: &mut Context<'_>, _: Args<'_>) -> Result<(), Error> {
    let server = context.session.server;
    let usage = Usage::of(server, context.held.as_deref_mut())?;
    let figures = figures(&usage);
    let out = &mut context.session.out;
    out.map(figures.len());
    for (name, figure) in figures {
        out.bulk(name.as_bytes());
        match figure {
            Figure::Count(count) => out.integer(count),
            Figure::Ratio(ratio) => out.double(ratio),
            Figure::Db { main, expires } => {
                out.map(2);
                out.bulk(b"overhead.hashtable.main");
                out.integer(main as i64);
                out.bulk(b"overhead.hashtable.expires");
                out.integer(expires as i64);
            }
        }
    }
    Ok(())
}

/// The figures, in order.
fn figures(usage: &Usage) -> Vec<(String, Figure)> {
    use Figure::{Count, Db, Ratio};
    let (used, heap, resident) = (usage.used, usage.heap(), usage.resident());
    let keys = usage.totals.keys();
    let (main, expires) = usage
        .totals
        .dbs
        .iter()
        .fold((0, 0), |(main, expires), db| (main + db.main_bytes, expires + db.expires_bytes));
    let mut figures = Vec::new();
    let mut put = |name: &str, figure| figures.push((name.to_owned(), figure));
    let bytes = |bytes: usize| Count(bytes as i64);
    put("peak.allocated", bytes(usage.peak.0));
    put("total.allocated", bytes(used));
    put("startup.allocated", bytes(usage.startup));
    put("replication.backlog", Count(0));
    put("replica.fullsync.buffer", Count(0));
    put("clients.slaves", Count(0));
    put("clients.normal", bytes(usage.clients));
    put("cluster.links", Count(0));
    put("aof.buffer", bytes(usage.log));
    put("lua.caches", bytes(usage.scripts.scripts_bytes));
    put("functions.caches", bytes(usage.scripts.functions_bytes));
    put("script.VMs", bytes(usage.scripts.states_bytes));
    for (index, db) in usage.totals.dbs.iter().enumerate().filter(|(_, db)| db.keys > 0) {
        put(&format!("db.{index}"), Db { main: db.main_bytes, expires: db.expires_bytes });
    }
    put("overhead.db.hashtable.lut", bytes(main + expires));
    // A table grows a segment at a time: nothing is ever hashed anew beside the old.
    put("overhead.db.hashtable.rehashing", Count(0));
    put("overhead.total", bytes(usage.overhead()));
    put("db.dict.rehashing.count", Count(0));
    put("keys.count", bytes(keys));
    put("keys.bytes-per-key", bytes(usage.net().checked_div(keys).unwrap_or(0)));
    put("dataset.bytes", bytes(usage.dataset()));
    put("dataset.percentage", Ratio(percent(usage.dataset(), usage.net())));
    put("peak.percentage", Ratio(percent(used, usage.peak.0)));
    put("allocator.allocated", bytes(used));
    put("allocator.active", bytes(heap));
    put("allocator.resident", bytes(heap));
    put("allocator.muzzy", Count(0));
    let mut compare = |name: &str, ratio_of: &str, one, other| {
        put(&format!("{name}{ratio_of}"), Ratio(ratio(one, other)));
        put(&format!("{name}.bytes"), Count(surplus(one, other)));
    };
    compare("allocator-fragmentation", ".ratio", heap, used);
    compare("allocator-rss", ".ratio", heap, heap);
    compare("rss-overhead", ".ratio", resident, heap);
    compare("fragmentation", "", resident, used);
    figures
}

/// Below this, in bytes, nothing is worth telling.
const LITTLE: usize = 5 << 20;

/// MEMORY DOCTOR
static DOCTOR: SessionCommand = CONTAINER
    .sub("doctor", Arity::Exactly(2), 0, "Returns whether memory is used well.", "")
    .run(|context, _| {
        let usage = Usage::of(context.session.server, context.held.as_deref_mut())?;
        let (used, resident) = (usage.used, usage.resident());
        let text = if usage.net() < LITTLE {
            "There is too little data to tell anything about its use of memory.".to_owned()
        } else if resident > used + used / 2 {
            format!(
                "The process holds {:.1} times the memory that is in use. After much was deleted \
                 MEMORY PURGE may give some of it back.",
                ratio(resident, used)
            )
        } else if usage.clients > used / 4 {
            "Clients' buffers take more than a quarter of the memory: look at CLIENT LIST for \
             those that do not read their replies."
                .to_owned()
        } else {
            "Nothing is wrong with the use of memory.".to_owned()
        };
        context.session.out.verbatim("txt", text.as_bytes());
        Ok(())
    });

/// MEMORY MALLOC-STATS
static MALLOC_STATS: SessionCommand = CONTAINER
    .sub("malloc-stats", Arity::Exactly(2), 0, "Returns what the allocator knows.", "")
    .run(|context, _| {
        let resident = Process::now().resident_bytes.unwrap_or(0);
        let text = format!("The allocator is mimalloc; the process holds {resident} bytes.\n");
        context.session.out.verbatim("txt", text.as_bytes());
        Ok(())
    });

/// MEMORY PURGE
static PURGE: SessionCommand = CONTAINER
    .sub("purge", Arity::Exactly(2), 0, "Gives memory that is not used back to the system.", "")
    .run(|context, _| {
        crate::system::allocator::purge();
        context.session.out.ok();
        Ok(())
    });

/// MEMORY HELP
static HELP: SessionCommand = declare_help(Group::Server, "4.0.0").run(|context, _| {
    help(&mut context.session.out, "MEMORY", LINES);
    Ok(())
});

const LINES: &[&str] = &[
    "DOCTOR",
    "    Tell whether memory is used well.",
    "MALLOC-STATS",
    "    Tell what the allocator knows.",
    "PURGE",
    "    Give memory that is not used back to the system.",
    "STATS",
    "    Tell where the memory has gone.",
    "USAGE <key> [SAMPLES <count>]",
    "    Tell the bytes that a key and its value take.",
];
