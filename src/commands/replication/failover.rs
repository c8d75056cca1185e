//! FAILOVER: the server hands over to one of its replicas.

use crate::commands::declare::{SessionCommand, is};
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, parse_i64};

/// FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]
pub static FAILOVER: SessionCommand = declare("failover", Group::Server, Arity::AtLeast(1))
    .flags(ADMIN | NOSCRIPT | STALE)
    .since("6.2.0")
    .complexity("O(1)")
    .summary("Hands over to a replica; refused, as nothing does so here.")
    .syntax("[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]")
    .run(fail_over);

fn fail_over(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    if args.len() == 2 && is(&args[1], "abort") {
        return Err(Error::text("ERR No failover in progress."));
    }
    let (mut at, mut has_target, mut has_timeout, mut is_forced) = (1, false, false, false);
    while at < args.len() {
        match args.len() - at {
            2.. if is(&args[at], "timeout") && !has_timeout => {
                match parse_i64(&args[at + 1]).ok_or(Error::NOT_INTEGER)? {
                    1.. => (at, has_timeout) = (at + 2, true),
                    _ => return Err(Error::text("ERR FAILOVER timeout must be greater than 0")),
                }
            }
            3.. if is(&args[at], "to") && !has_target => {
                parse_i64(&args[at + 2]).ok_or(Error::NOT_INTEGER)?;
                (at, has_target) = (at + 3, true);
            }
            _ if is(&args[at], "force") && !is_forced => (at, is_forced) = (at + 1, true),
            _ => return Err(Error::SYNTAX),
        }
    }
    Err(Error::text(match context.session.server.replication.replicas.len() {
        0 => "ERR FAILOVER requires connected replicas.",
        _ => NOT_BY_ITSELF,
    }))
}

const NOT_BY_ITSELF: &str = "ERR Redstart does not hand over by itself: send REPLICAOF NO ONE to \
    the replica, and then REPLICAOF to this server";
