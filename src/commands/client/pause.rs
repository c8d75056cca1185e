//! CLIENT PAUSE and CLIENT UNPAUSE: commands wait for a while, all of them or those that may write.

use super::CONTAINER;
use crate::clients::pause::PauseMode;
use crate::commands::declare::{SessionCommand, is, parse_timeout_ms};
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::Args;

/// Three hundred years.
const LONGEST_MS: u64 = 300 * 365 * 86_400_000;

const FLAGS: Flags = NOSCRIPT | LOADING | STALE | ADMIN;

/// CLIENT PAUSE timeout [WRITE | ALL]
pub static PAUSE: SessionCommand = CONTAINER
    .since("3.0.0")
    .sub(
        "pause",
        Arity::AtLeast(3),
        FLAGS,
        "Lets all commands, or those that may write, wait for so many milliseconds.",
        "timeout [WRITE | ALL]",
    )
    .run(pause);

fn pause(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let mode = match args.get(3) {
        _ if args.len() > 4 => return Err(Error::subcommand_syntax("client", &args[1])),
        None => PauseMode::All,
        Some(word) if is(word, "all") => PauseMode::All,
        Some(word) if is(word, "write") => PauseMode::Write,
        Some(_) => return Err(Error::text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let timeout_ms = parse_timeout_ms(&args[2], context.now)?;
    let server = context.session.server;
    let end_ms = match timeout_ms {
        0 => 0,
        // No client could end a pause that lasts for ever.
        ms if ms > LONGEST_MS => return Err(Error::text("ERR timeout is out of range")),
        ms => context.now.mono_ms + ms,
    };
    server.pause.begin(&server.engine.keyspace, mode, end_ms);
    context.session.out.ok();
    Ok(())
}

/// CLIENT UNPAUSE
pub static UNPAUSE: SessionCommand = declare("unpause", Group::Connection, Arity::Exactly(2))
    .flags(FLAGS)
    .since("6.2.0")
    .complexity("O(N) with N paused connections.")
    .summary("Ends a pause: what waits goes on.")
    .run(|context, _| {
        let server = context.session.server;
        server.pause.end(&server.engine.keyspace);
        context.session.out.ok();
        Ok(())
    });
