//! REPLICAOF, SLAVEOF: the server becomes the replica of another, or a master.

use crate::commands::declare::{SessionCommand, is};
use crate::replication::MasterAddress;
use crate::session::Context;
use crate::session::role::RoleChange;
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
    // A master's stream has no say in who is followed.
    if context.session.master.is_some() {
        return Err(Error::text("ERR the master cannot change the role of a replica"));
    }
    let server = context.session.server;
    if is(&args[1], "no") && is(&args[2], "one") {
        if server.replication.is_replica() {
            server.config.write().set_primary(None);
            change(context, RoleChange::Lead);
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
    server.config.write().set_primary(Some((&master.host, port)));
    change(context, RoleChange::Follow(master));
    context.session.out.ok();
    Ok(())
}

/// Changes the role, behind the transaction if there is one.
fn change(context: &mut Context<'_>, change: RoleChange) {
    match context.held {
        None => context.session.change_role(change),
        Some(_) => context.session.role_change = Some(change),
    }
}
