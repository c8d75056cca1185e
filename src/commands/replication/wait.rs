//! WAIT: a client waits until replicas have what it wrote.

use crate::commands::declare::{SessionCommand, parse_timeout_ms};
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
