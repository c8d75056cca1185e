//! CLIENT UNBLOCK: ends another connection's wait.

use crate::commands::declare::{SessionCommand, is};
use crate::session::blocked;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, parse_i64};

use crate::session::Context;

/// CLIENT UNBLOCK client-id [TIMEOUT | ERROR]
pub static UNBLOCK: SessionCommand = declare("unblock", Group::Connection, Arity::AtLeast(3))
    .flags(NOSCRIPT | LOADING | STALE | ADMIN)
    .since("5.0.0")
    .complexity("O(log N) with N connections.")
    .summary("Ends the wait of a connection, as if its time were up or with an error.")
    .syntax("client-id [TIMEOUT | ERROR]")
    .run(unblock);

fn unblock(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    if args.len() > 4 {
        return Err(Error::subcommand_syntax("client", &args[1]));
    }
    let with_error = match args.get(3) {
        None => false,
        Some(how) if is(how, "timeout") => false,
        Some(how) if is(how, "error") => true,
        Some(_) => {
            return Err(Error::text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
    };
    let id = parse_i64(&args[2]).ok_or(Error::NOT_INTEGER)?;
    let session = &mut *context.session;
    let client = u64::try_from(id).ok().and_then(|id| session.server.clients.find(id));
    let waiter = client.and_then(|client| client.waiter.lock().clone());
    let ended = waiter.is_some_and(|waiter| match with_error {
        true => blocked::fail(&waiter, "UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        false => waiter.time_out(),
    });
    session.out.integer(i64::from(ended));
    Ok(())
}
