//! TIME, INFO, MONITOR, SHUTDOWN, LOLWUT: the server as a whole.

use crate::clients::client::MONITORS;
use crate::commands::declare::{SessionCommand, is};
use crate::durability::{Ending, FinalSave};
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, parse_i64};
use std::sync::atomic::Ordering::Relaxed;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&TIME, &INFO, &MONITOR, &SHUTDOWN, &LOLWUT];

/// TIME
static TIME: SessionCommand = declare("time", Group::Server, Arity::Exactly(1))
    .flags(LOADING | STALE | FAST)
    .since("2.6.0")
    .complexity("O(1)")
    .summary("Returns the time: seconds since 1970, and microseconds within.")
    .run(|context, _| {
        let now_us = context.session.server.clock.wall_us();
        let out = &mut context.session.out;
        out.array(2);
        out.bulk_integer((now_us / 1_000_000) as i64);
        out.bulk_integer((now_us % 1_000_000) as i64);
        Ok(())
    });

/// INFO [section [section ...]]
static INFO: SessionCommand = declare("info", Group::Server, Arity::AtLeast(1))
    .flags(LOADING | STALE | DANGEROUS | LISTS_KEYS)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Returns what the server is, does and has done.")
    .syntax("[section [section ...]]")
    .run(|context, args| {
        let text = crate::report::info::text(context, args.iter().skip(1))?;
        context.session.out.verbatim_owned("txt", text);
        Ok(())
    });

/// MONITOR
static MONITOR: SessionCommand = declare("monitor", Group::Server, Arity::Exactly(1))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | CONVERSES)
    .since("1.0.0")
    .complexity("O(1), and some for each command that anybody runs.")
    .summary("Shows the connection every command that the server runs.")
    .run(|context, _| {
        if context.held.is_some() {
            return Err(Error::MONITOR_DENIED);
        }
        let session = &mut *context.session;
        // Who watches already gets no second answer.
        if !std::mem::replace(&mut session.monitors, true) {
            session.out.ok();
            session.info.marks.fetch_or(MONITORS, Relaxed);
            session.server.monitors.add(&session.info);
        }
        Ok(())
    });

/// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]
static SHUTDOWN: SessionCommand = declare("shutdown", Group::Server, Arity::AtLeast(1))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY)
    .since("1.0.0")
    .complexity("O(N) with N keys when they are saved, O(1) otherwise.")
    .summary("Ends the server, after it has saved its data if it is to.")
    .syntax("[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]")
    .run(shutdown);

fn shutdown(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let (mut save, mut nosave, mut abort, mut now, mut force) = (false, false, false, false, false);
    for word in args.iter().skip(1) {
        match word {
            word if is(word, "save") => save = true,
            word if is(word, "nosave") => nosave = true,
            word if is(word, "abort") => abort = true,
            word if is(word, "now") => now = true,
            word if is(word, "force") => force = true,
            _ => return Err(Error::SYNTAX),
        }
    }
    if save && nosave || abort && (save || nosave || now || force) {
        return Err(Error::SYNTAX);
    }
    if abort {
        return Err(Error::text("ERR No shutdown in progress."));
    }
    let server = context.session.server;
    let busy = &server.engine.keyspace.busy;
    if !nosave && busy.is_set() {
        return Err(busy.error());
    }
    let save = match (save, nosave) {
        (true, _) => FinalSave::Always,
        (_, true) => FinalSave::Never,
        _ => FinalSave::AsConfigured,
    };
    crate::system::log::warning("User requested shutdown...");
    let ended = server.durability.shutdown(Ending { save, force });
    ended.map_err(|_| Error::text("ERR Errors trying to SHUTDOWN. Check logs."))?;
    context.session.closing = true;
    server.shutdown();
    Ok(())
}

/// LOLWUT [VERSION version]
static LOLWUT: SessionCommand = declare("lolwut", Group::Server, Arity::AtLeast(1))
    .flags(READONLY | FAST)
    .since("5.0.0")
    .complexity("O(1)")
    .summary("Draws something, and tells the version.")
    .syntax("[VERSION version]")
    .run(lolwut);

fn lolwut(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    if args.len() >= 3 && is(&args[1], "version") {
        parse_i64(&args[2]).ok_or(Error::NOT_INTEGER)?;
    }
    let session = &mut *context.session;
    let (own, redis) = (env!("CARGO_PKG_VERSION"), session.server.redis_version());
    let text = format!("{BIRD}\nRedstart {own}. Redis ver. {redis}\n");
    session.out.verbatim("txt", text.as_bytes());
    Ok(())
}

const BIRD: &str = r"
         __
     ___( o)>
     \ <_. )
  ~~~~`---'~~~~
";
