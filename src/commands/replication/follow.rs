//! REPLICAOF, SLAVEOF: the server becomes the replica of another, or a master.

use crate::commands::declare::{SessionCommand, is};
use crate::replication::MasterAddress;
use crate::session::{Context, blocked};
use crate::system::log;
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
        .summary("Makes the server the replica of another one, or a master.")
        .syntax("<host port | NO ONE>")
}

fn become_replica(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    // Sentinel sends it in a transaction, with nothing about keys.
    if context.held.as_ref().is_some_and(|held| !held.holds_none()) {
        return Err(Error::text("ERR a transaction holds what a master would change"));
    }
    // A master's stream has no say in who is followed.
    if context.session.master.is_some() {
        return Err(Error::text("ERR the master cannot change the role of a replica"));
    }
    let server = context.session.server;
    let by = &context.session.info.addr;
    if is(&args[1], "no") && is(&args[2], "one") {
        if server.replication.is_replica() {
            server.link.leave();
            server.config.write().set_primary(None);
            log::notice(format_args!("MASTER MODE enabled (user request from '{by}')"));
        }
        context.session.out.ok();
        return Ok(());
    }
    let port = parse_i64(&args[2]).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or_else(|| Error::text("ERR Invalid master port"))?;
    let host = String::from_utf8_lossy(&args[1]).into_owned();
    let master = MasterAddress { host, port };
    if server.replication.master_address().as_ref() == Some(&master) {
        context.session.out.simple("OK Already connected to specified master");
        return Ok(());
    }
    let MasterAddress { host, port } = &master;
    log::notice(format_args!("REPLICAOF {host}:{port} enabled (user request from '{by}')"));
    server.config.write().set_primary(Some((host, *port)));
    server.link.follow(master);
    // What they wait for, a master would give them.
    for client in server.clients.all() {
        let waiter = client.waiter.lock().clone();
        if let Some(waiter) = waiter {
            blocked::fail(&waiter, UNBLOCKED);
        }
    }
    context.session.out.ok();
    Ok(())
}

const UNBLOCKED: &str = "UNBLOCKED force unblock from blocking operation, instance state changed \
    (master -> replica?)";
