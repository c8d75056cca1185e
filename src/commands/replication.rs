//! ROLE, WAIT, REPLICAOF, SLAVEOF, FAILOVER, MIGRATE: what clients ask a server that has no
//! replicas and is none. And REPLCONF, PSYNC, SYNC: what a replica says that was pointed here. It
//! would connect again at once after any refusal but one, thousands of times a second: so all that
//! it says of itself is accepted, and then it learns that the link to the master is down, upon
//! which it waits a second.

use crate::commands::declare::{SessionCommand, is, parse_timeout_ms};
use crate::session::Context;
use crate::session::blocked;
use redstart_engine::spec::*;
use redstart_engine::{DataCommand, Error};
use redstart_protocol::{Args, Reply, parse_i64};

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] =
    &[&ROLE, &WAIT, &REPLICAOF, &SLAVEOF, &FAILOVER, &REPLCONF, &PSYNC, &SYNC];

/// The data commands of this file.
pub static DATA_COMMANDS: &[&DataCommand] = &[&MIGRATE];

/// ROLE
static ROLE: SessionCommand = declare("role", Group::Server, Arity::Exactly(1))
    .flags(NOSCRIPT | LOADING | STALE | FAST | DANGEROUS | ADMIN_CATEGORY)
    .since("2.8.12")
    .complexity("O(1)")
    .summary("Returns that the server is a master, its offset and its replicas: none.")
    .run(|context, _| {
        let out = &mut context.session.out;
        out.array(3);
        out.bulk(b"master");
        out.integer(0);
        out.array(0);
        Ok(())
    });

/// WAIT numreplicas timeout
static WAIT: SessionCommand = declare("wait", Group::Generic, Arity::Exactly(3))
    .flags(BLOCKING | WAITS)
    .since("3.0.0")
    .complexity("O(1)")
    .summary("Waits until so many replicas have what the client wrote, or the time is up.")
    .syntax("numreplicas timeout")
    .run(wait);

fn wait(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let wanted = parse_i64(&args[1]).ok_or(Error::NOT_INTEGER)?;
    let timeout_ms = parse_timeout_ms(&args[2], context.now)?;
    // A transaction does not wait.
    if wanted <= 0 || context.held.is_some() {
        context.session.out.integer(0);
        return Ok(());
    }
    let late = |out: &mut Reply| out.integer(0);
    blocked::wait_without_keys(context.session, timeout_ms, context.now, late);
    Ok(())
}

/// REPLICAOF host port | NO ONE
static REPLICAOF: SessionCommand = replica_of("replicaof", "5.0.0").run(become_replica);

/// SLAVEOF host port | NO ONE
static SLAVEOF: SessionCommand = replica_of("slaveof", "1.0.0").run(become_replica);

const fn replica_of(name: &'static str, since: &'static str) -> redstart_engine::Command {
    declare(name, Group::Server, Arity::Exactly(3))
        .flags(ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING)
        .since(since)
        .complexity("O(1)")
        .summary("NO ONE leaves the server the master that it is; replication is not there.")
        .syntax("<host port | NO ONE>")
}

fn become_replica(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    if is(&args[1], "no") && is(&args[2], "one") {
        context.session.out.ok();
        return Ok(());
    }
    match parse_i64(&args[2]) {
        Some(0..=65535) => Err(Error::text("ERR Redstart does not replicate")),
        _ => Err(Error::text("ERR Invalid master port")),
    }
}

/// FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]
static FAILOVER: SessionCommand = declare("failover", Group::Server, Arity::AtLeast(1))
    .flags(ADMIN | NOSCRIPT | STALE)
    .since("6.2.0")
    .complexity("O(1)")
    .summary("Hands over to a replica; there is none.")
    .syntax("[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]")
    .run(fail_over);

fn fail_over(_: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    if args.len() == 2 && is(&args[1], "abort") {
        return Err(Error::text("ERR No failover in progress."));
    }
    let (mut at, mut has_target, mut has_timeout, mut is_forced) = (1, false, false, false);
    while at < args.len() {
        match args.len() - at {
            2.. if is(&args[at], "timeout") && !has_timeout => {
                match parse_i64(&args[at + 1]).ok_or(Error::NOT_INTEGER)? {
                    1.. => (at, has_timeout) = (at + 2, true),
                    _ => return Err(Error::text("ERR FAILOVER timeout must be greater than 0")),
                }
            }
            3.. if is(&args[at], "to") && !has_target => {
                parse_i64(&args[at + 2]).ok_or(Error::NOT_INTEGER)?;
                (at, has_target) = (at + 3, true);
            }
            _ if is(&args[at], "force") && !is_forced => (at, is_forced) = (at + 1, true),
            _ => return Err(Error::SYNTAX),
        }
    }
    Err(Error::text("ERR FAILOVER requires connected replicas."))
}

/// MIGRATE host port <key | ""> destination-db timeout ...
static MIGRATE: DataCommand = declare("migrate", Group::Generic, Arity::AtLeast(6))
    .flags(WRITE | NONDETERMINISTIC | DANGEROUS)
    .keys(&[
        KeySpec {
            begin: Begin::IndexIf(3, |args| keys_word(args).is_none()),
            find: Find::Range { last: 0, step: 1 },
            access: RW | ACCESS | DELETE,
        },
        KeySpec {
            begin: Begin::Option("KEYS", -2, keys_of),
            find: Find::Range { last: -1, step: 1 },
            access: RW | ACCESS | DELETE | INCOMPLETE,
        },
    ])
    .since("2.6.0")
    .complexity("O(1): it is refused.")
    .summary("Moves keys to another server; refused, as nothing here connects to others.")
    .syntax(
        "host port <key | \"\"> destination-db timeout [COPY] [REPLACE] \
         [AUTH password | AUTH2 username password] [KEYS key [key ...]]",
    )
    .run(|_| {
        let text = "ERR Redstart does not connect to other servers: DUMP here and RESTORE there";
        Err(Error::text(text))
    });

/// Where MIGRATE has the word behind which keys follow, if any do.
fn keys_word(args: Args<'_>) -> Option<usize> {
    let mut at = 6;
    while at + 1 < args.len() {
        at += match &args[at] {
            word if is(word, "keys") => return Some(at),
            word if is(word, "auth") => 2,
            word if is(word, "auth2") => 3,
            _ => 1,
        };
    }
    None
}

/// Where MIGRATE's several keys begin; nowhere beside a key that stands alone.
fn keys_of(args: Args<'_>) -> Option<usize> {
    keys_word(args).filter(|_| args[3].is_empty()).map(|at| at + 1)
}

/// REPLCONF [option value ...]
static REPLCONF: SessionCommand = declare("replconf", Group::Server, Arity::AtLeast(1))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY)
    .since("3.0.0")
    .complexity("O(1)")
    .summary("What a replica says of itself; there are none, so nothing comes of it.")
    .syntax("[option value [option value ...]]")
    .run(replconf);

/// What replicas of Redis and Valkey say of themselves.
const SAID_OF_ITSELF: [&str; 9] = [
    "ip-address",
    "capa",
    "version",
    "rdb-filter-only",
    "rdb-channel",
    "rdb-no-compress",
    "main-ch-client-id",
    "set-rdb-client-id",
    "set-cluster-node-id",
];

fn replconf(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    if args.len().is_multiple_of(2) {
        return Err(Error::SYNTAX);
    }
    for at in (1..args.len()).step_by(2) {
        let (option, value) = (&args[at], &args[at + 1]);
        if is(option, "listening-port") || is(option, "rdb-only") {
            parse_i64(value).ok_or(Error::NOT_INTEGER)?;
        } else if (is(option, "ack") || is(option, "getack")) && context.held.is_none() {
            // Nobody waits for a reply to these. A transaction has one reply a command, though.
            return Ok(());
        } else if !SAID_OF_ITSELF.iter().any(|known| is(option, known)) {
            let name = String::from_utf8_lossy(option);
            return Err(Error::text(format!("ERR Unrecognized REPLCONF option: {name}")));
        }
    }
    context.session.out.ok();
    Ok(())
}

/// PSYNC replicationid offset
static PSYNC: SessionCommand = declare("psync", Group::Server, Arity::AtLeast(3))
    .flags(SYNCS)
    .since("2.8.0")
    .complexity("O(1)")
    .summary("Asks for all that changes; a replica is told to try again later.")
    .syntax("replicationid offset")
    .run(no_link);

/// SYNC
static SYNC: SessionCommand = declare("sync", Group::Server, Arity::Exactly(1))
    .flags(SYNCS)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Asks for all that changes; a replica is told to try again later.")
    .run(no_link);

const SYNCS: Flags = ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI;

fn no_link(_: &mut Context<'_>, _: Args<'_>) -> Result<(), Error> {
    Err(Error::text("NOMASTERLINK Redstart does not replicate: no replica can follow it"))
}
