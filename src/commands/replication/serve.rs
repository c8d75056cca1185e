//! REPLCONF, PSYNC, SYNC: what a replica says to its master. With the last two its connection
//! leaves the worker (`src/replication/replicas`).

use crate::commands::declare::{SessionCommand, is};
use crate::replication::link::Phase;
use crate::replication::replicas::Ask;
use crate::server::Server;
use crate::session::Context;
use crate::system::log;
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
        if args.get(3).is_some_and(|word| is(word, "failover")) {
            take_over(context, &args[1])?;
        }
        follow(context, Ask::From(args[1].to_vec(), offset))
    });

/// SYNC
pub static SYNC: SessionCommand = declare("sync", Group::Server, Arity::Exactly(1))
    .flags(SYNCS)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Asks for all that there is, and all that changes.")
    .run(|context, _| follow(context, Ask::All));

/// The master hands over (FAILOVER): it asks its replica to be followed by it.
fn take_over(context: &mut Context<'_>, id: &[u8]) -> Result<(), Error> {
    let server = context.session.server;
    if !server.replication.is_replica() {
        return Err(Error::text("ERR PSYNC FAILOVER can't be sent to a master."));
    }
    if id != server.replication.ids().id {
        return Err(Error::text("ERR PSYNC FAILOVER replid must match my replid."));
    }
    log::notice("Failover request received: this replica becomes the master");
    server.link.leave();
    server.config.write().set_primary(None);
    Ok(())
}

const SYNCS: Flags = ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI;

fn follow(context: &mut Context<'_>, asks: Ask) -> Result<(), Error> {
    let session = &mut *context.session;
    let Server { replication, link, .. } = session.server;
    if replication.is_replica() && link.status().phase != Phase::Connected {
        let text = "NOMASTERLINK Can't SYNC while not connected with my master";
        return Err(Error::text(text));
    }
    session.leaves = Some(asks);
    session.closing = true;
    Ok(())
}
