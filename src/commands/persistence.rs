//! SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF, WAITAOF: what is kept, and how safely.

use super::{SessionCommand, declare, is};
use crate::persist::{self, Begun, Waited};
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, parse_i64};

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&SAVE, &BGSAVE, &LASTSAVE, &BGREWRITEAOF, &WAITAOF];

/// SAVE
static SAVE: SessionCommand = SessionCommand {
    spec: declare(
        "save",
        Group::Server,
        Arity::Exactly(1),
        ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI,
        Doc {
            since: "1.0.0",
            complexity: "O(N) with N keys in all databases.",
            summary: "Saves a snapshot and answers when it is safe on disk.",
            syntax: "",
        },
    ),
    run: save,
};

fn save(context: &mut Context<'_>, _: Args<'_>) -> Result<(), Error> {
    let server = context.session.server;
    if persist::is_saving(server) {
        return Err(Error::text("ERR Background save already in progress"));
    }
    // The reason stands in the server's log.
    persist::save_now(server).map_err(|_| Error::text("ERR"))?;
    context.session.out.ok();
    Ok(())
}

/// BGSAVE [SCHEDULE]
static BGSAVE: SessionCommand = SessionCommand {
    spec: declare(
        "bgsave",
        Group::Server,
        Arity::AtLeast(1),
        ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
        Doc {
            since: "1.0.0",
            complexity: "O(1); the snapshot is taken on a thread of its own.",
            summary: "Saves a snapshot in the background.",
            syntax: "[SCHEDULE]",
        },
    ),
    run: bgsave,
};

const OTHER_JOB: &str = "ERR Another child process is active (AOF?): can't BGSAVE right now. Use \
    BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.";

fn bgsave(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let schedule = match args.len() {
        1 => false,
        2 if is(&args[1], "schedule") => true,
        _ => return Err(Error::SYNTAX),
    };
    let begun = persist::begin_save(context.session.server, schedule);
    let text = match begun.map_err(failed)? {
        Begun::Now => "Background saving started",
        Begun::Scheduled => "Background saving scheduled",
        Begun::Already => return Err(Error::text("ERR Background save already in progress")),
        Begun::Other => return Err(Error::text(OTHER_JOB)),
    };
    context.session.out.simple(text);
    Ok(())
}

fn failed(error: std::io::Error) -> Error {
    Error::text(format!("ERR {error}"))
}

/// LASTSAVE
static LASTSAVE: SessionCommand = SessionCommand {
    spec: declare(
        "lastsave",
        Group::Server,
        Arity::Exactly(1),
        LOADING | STALE | FAST | DANGEROUS,
        Doc {
            since: "1.0.0",
            complexity: "O(1)",
            summary: "Tells when the last snapshot was finished, in seconds since 1970.",
            syntax: "",
        },
    ),
    run: |context, _| {
        let at_s = persist::last_save_s(context.session.server);
        context.session.out.integer(at_s);
        Ok(())
    },
};

/// BGREWRITEAOF
static BGREWRITEAOF: SessionCommand = SessionCommand {
    spec: declare(
        "bgrewriteaof",
        Group::Server,
        Arity::Exactly(1),
        ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
        Doc {
            since: "1.0.0",
            complexity: "O(1); the log is rewritten on a thread of its own.",
            summary: "Replaces the log by a snapshot and what follows it.",
            syntax: "",
        },
    ),
    run: bgrewriteaof,
};

fn bgrewriteaof(context: &mut Context<'_>, _: Args<'_>) -> Result<(), Error> {
    let text = match persist::begin_rewrite(context.session.server).map_err(failed)? {
        Begun::Now => "Background append only file rewriting started",
        Begun::Scheduled => "Background append only file rewriting scheduled",
        Begun::Already | Begun::Other => {
            return Err(Error::text(
                "ERR Background append only file rewriting already in progress",
            ));
        }
    };
    context.session.out.simple(text);
    Ok(())
}

/// WAITAOF numlocal numreplicas timeout
static WAITAOF: SessionCommand = SessionCommand {
    spec: declare(
        "waitaof",
        Group::Generic,
        Arity::Exactly(4),
        BLOCKING | NOSCRIPT,
        Doc {
            since: "7.2.0",
            complexity: "O(1)",
            summary: "Waits until what the client wrote is safe on so many disks.",
            syntax: "numlocal numreplicas timeout",
        },
    ),
    run: wait_aof,
};

fn wait_aof(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let number = |at: usize| parse_i64(&args[at]).ok_or(Error::NOT_INTEGER);
    let (local, replicas, timeout_ms) = (number(1)?, number(2)?, number(3)?);
    if !(0..=1).contains(&local) || replicas < 0 {
        return Err(Error::text("ERR value is out of range, value must between 0 and 1"));
    }
    if timeout_ms < 0 {
        return Err(Error::text("ERR timeout is negative"));
    }
    // A transaction holds locks, and does not wait.
    let safe = match persist::wait_for_log(context.session.server, context.held.is_some()) {
        Waited::Safe => 1,
        Waited::Failed => 0,
        Waited::NoLog if local > 0 => {
            return Err(Error::text(
                "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
            ));
        }
        Waited::NoLog => 0,
    };
    let out = &mut context.session.out;
    out.array(2);
    out.integer(safe);
    out.integer(0);
    Ok(())
}
