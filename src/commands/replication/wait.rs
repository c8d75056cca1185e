//! WAIT: a client waits until replicas have what it wrote.

use crate::commands::declare::{SessionCommand, parse_timeout_ms};
use crate::replication::replicas::wait::Wait;
use crate::session::Context;
use crate::session::blocked;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, Reply, parse_i64};

/// WAIT numreplicas timeout
pub static WAIT: SessionCommand = declare("wait", Group::Generic, Arity::Exactly(3))
    .flags(BLOCKING | WAITS)
    .since("3.0.0")
    .complexity("O(1)")
    .summary("Waits until so many replicas have what the client wrote, or the time is up.")
    .syntax("numreplicas timeout")
    .run(wait);

fn wait(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let replication = context.session.server.replication;
    if replication.is_replica() {
        return Err(Error::text(ON_REPLICA));
    }
    let wanted = parse_i64(&args[1]).ok_or(Error::NOT_INTEGER)?;
    let timeout_ms = parse_timeout_ms(&args[2], context.now)?;
    // What the client wrote was fed before this request ran.
    let offset = replication.changed();
    let having = move || replication.replicas.having(offset, false);
    // A transaction does not wait.
    if having() as i64 >= wanted || context.held.is_some() {
        context.session.out.integer(having() as i64);
        return Ok(());
    }
    let late = move |out: &mut Reply| out.integer(having() as i64);
    let waiter = blocked::wait_without_keys(context.session, timeout_ms, context.now, late);
    replication.await_acks(Wait { waiter, offset, wanted: wanted as usize, on_disk: false });
    Ok(())
}

const ON_REPLICA: &str = "ERR WAIT cannot be used with replica instances. Please also note that \
    since Redis 4.0 if a replica is configured to be writable (which is not the default) writes \
    to replicas are just local and are not propagated.";
