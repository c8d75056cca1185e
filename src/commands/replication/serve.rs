//! REPLCONF, PSYNC, SYNC: what a replica says that was pointed here. It would connect again at once
//! after any refusal but one, thousands of times a second: so all that it says of itself is
//! accepted, and then it learns that the link to the master is down, upon which it waits a second.

use crate::commands::declare::{SessionCommand, is};
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, parse_i64};

/// REPLCONF [option value ...]
pub static REPLCONF: SessionCommand = declare("replconf", Group::Server, Arity::AtLeast(1))
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
pub static PSYNC: SessionCommand = declare("psync", Group::Server, Arity::AtLeast(3))
    .flags(SYNCS)
    .since("2.8.0")
    .complexity("O(1)")
    .summary("Asks for all that changes; a replica is told to try again later.")
    .syntax("replicationid offset")
    .run(no_link);

/// SYNC
pub static SYNC: SessionCommand = declare("sync", Group::Server, Arity::Exactly(1))
    .flags(SYNCS)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Asks for all that changes; a replica is told to try again later.")
    .run(no_link);

const SYNCS: Flags = ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI;

fn no_link(_: &mut Context<'_>, _: Args<'_>) -> Result<(), Error> {
    Err(Error::text("NOMASTERLINK Redstart does not replicate: no replica can follow it"))
}
