//! ROLE, WAIT, REPLICAOF, SLAVEOF: what clients ask a server that has no replicas and is none.

use crate::commands::declare::{SessionCommand, is, parse_timeout_ms};
use crate::session::Context;
use crate::session::blocked;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, Reply, parse_i64};

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&ROLE, &WAIT, &REPLICAOF, &SLAVEOF];

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
    .flags(NOSCRIPT | WAITS)
    .since("3.0.0")
    .complexity("O(1)")
    .summary("Waits until so many replicas have what the client wrote, or the time is up.")
    .syntax("numreplicas timeout")
    .run(wait);

fn wait(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let wanted = parse_i64(&args[1]).ok_or(Error::NOT_INTEGER)?;
    let timeout_ms = parse_timeout_ms(&args[2])?;
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
