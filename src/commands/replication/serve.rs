//! REPLCONF, PSYNC, SYNC: what a replica says to its master. With the last two its connection
//! leaves the worker (`src/replication/replicas`).

use crate::commands::declare::{SessionCommand, is};
use crate::replication::replicas::Ask;
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, parse_i64};

/// REPLCONF [option value ...]
pub static REPLCONF: SessionCommand = declare("replconf", Group::Server, Arity::AtLeast(1))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY)
    .since("3.0.0")
    .complexity("O(1)")
    .summary("What a replica says of itself.")
    .syntax("[option value [option value ...]]")
    .run(replconf);

fn replconf(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    if let Some(master) = &mut context.session.master {
        master.asks |= args.get(1).is_some_and(|option| is(option, "getack"));
        return Ok(());
    }
    if args.len().is_multiple_of(2) {
        return Err(Error::SYNTAX);
    }
    for at in (1..args.len()).step_by(2) {
        let (option, value) = (&args[at], &args[at + 1]);
        if (is(option, "ack") || is(option, "getack")) && context.held.is_none() {
            // Nobody waits for a reply to these. A transaction has one reply a command, though.
            return Ok(());
        }
        context.session.said.get_or_insert_default().hear(option, value)?;
    }
    context.session.out.ok();
    Ok(())
}

/// PSYNC replicationid offset
pub static PSYNC: SessionCommand = declare("psync", Group::Server, Arity::AtLeast(3))
    .flags(SYNCS)
    .since("2.8.0")
    .complexity("O(1)")
    .summary("Asks for all that changes, from an offset of a stream on.")
    .syntax("replicationid offset")
    .run(|context, args| {
        let offset = parse_i64(&args[2]).ok_or(Error::NOT_INTEGER)?;
        follow(context, Ask::From(args[1].to_vec(), offset))
    });

/// SYNC
pub static SYNC: SessionCommand = declare("sync", Group::Server, Arity::Exactly(1))
    .flags(SYNCS)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Asks for all that there is, and all that changes.")
    .run(|context, _| follow(context, Ask::All));

const SYNCS: Flags = ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI;

fn follow(context: &mut Context<'_>, asks: Ask) -> Result<(), Error> {
    let session = &mut *context.session;
    session.leaves = Some(asks);
    session.closing = true;
    Ok(())
}
