//! REPLICAOF, SLAVEOF: the server becomes the replica of another, or a master.

use crate::commands::declare::{SessionCommand, is};
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, parse_i64};

/// REPLICAOF host port | NO ONE
pub static REPLICAOF: SessionCommand = replica_of("replicaof", "5.0.0").run(become_replica);

/// SLAVEOF host port | NO ONE
pub static SLAVEOF: SessionCommand = replica_of("slaveof", "1.0.0").run(become_replica);

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
