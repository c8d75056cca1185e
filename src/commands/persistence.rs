//! SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF, WAITAOF: what is kept on disk, and how safely.

use crate::commands::declare::{SessionCommand, is, parse_timeout_ms};
use crate::durability::{Begun, IfRewriting};
use crate::replication::replicas::wait::Wait;
use crate::session::Context;
use crate::session::blocked;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, Reply, parse_i64};

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&SAVE, &BGSAVE, &LASTSAVE, &BGREWRITEAOF, &WAITAOF];

/// SAVE
static SAVE: SessionCommand = declare("save", Group::Server, Arity::Exactly(1))
    .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI)
    .since("1.0.0")
    .complexity("O(N) with N keys in all databases.")
    .summary("Saves a snapshot and answers when it is safe on disk.")
    .run(save);

fn save(context: &mut Context<'_>, _: Args<'_>) -> Result<(), Error> {
    let server = context.session.server;
    if server.durability.is_saving() {
        return Err(Error::text(SAVES_ALREADY));
    }
    // It fails, instead of waiting, while a script holds shards for too long.
    drop(server.engine.keyspace.lock_all_unless_busy()?);
    server.durability.claim().map_err(failed)?;
    // The reason stands in the server's log.
    server.durability.save_now().map_err(|_| Error::text("ERR"))?;
    context.session.out.ok();
    Ok(())
}

const SAVES_ALREADY: &str = "ERR Background save already in progress";

/// BGSAVE [SCHEDULE]
static BGSAVE: SessionCommand = declare("bgsave", Group::Server, Arity::AtLeast(1))
    .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING)
    .since("1.0.0")
    .complexity("O(1); the snapshot is taken on a thread of its own.")
    .summary("Saves a snapshot in the background.")
    .syntax("[SCHEDULE]")
    .run(bgsave);

const OTHER_JOB: &str = "ERR Another child process is active (AOF?): can't BGSAVE right now. Use \
    BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.";

fn bgsave(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let if_rewriting = match args.len() {
        1 => IfRewriting::Refuse,
        2 if is(&args[1], "schedule") => IfRewriting::Schedule,
        _ => return Err(Error::SYNTAX),
    };
    let durability = context.session.server.durability;
    let begun = match context.held {
        Some(_) => durability.schedule_save(),
        None => durability.begin_save(if_rewriting).map_err(failed)?,
    };
    let text = match begun {
        Begun::Now => "Background saving started",
        Begun::Scheduled => "Background saving scheduled",
        Begun::Already => return Err(Error::text(SAVES_ALREADY)),
        Begun::Other => return Err(Error::text(OTHER_JOB)),
    };
    context.session.out.simple(text);
    Ok(())
}

fn failed(error: std::io::Error) -> Error {
    Error::text(format!("ERR {error}"))
}

/// LASTSAVE
static LASTSAVE: SessionCommand = declare("lastsave", Group::Server, Arity::Exactly(1))
    .flags(LOADING | STALE | FAST | DANGEROUS | ADMIN_CATEGORY)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Returns when the last snapshot was finished, in seconds since 1970.")
    .run(|context, _| {
        let at_s = context.session.server.durability.last_save_s();
        context.session.out.integer(at_s);
        Ok(())
    });

/// BGREWRITEAOF
static BGREWRITEAOF: SessionCommand = declare("bgrewriteaof", Group::Server, Arity::Exactly(1))
    .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING)
    .since("1.0.0")
    .complexity("O(1); the log is rewritten on a thread of its own.")
    .summary("Replaces the log by a snapshot and what follows it.")
    .run(bgrewriteaof);

fn bgrewriteaof(context: &mut Context<'_>, _: Args<'_>) -> Result<(), Error> {
    let durability = context.session.server.durability;
    let begun = match context.held {
        Some(_) => durability.schedule_rewrite(),
        None => durability.begin_rewrite().map_err(failed)?,
    };
    let text = match begun {
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
static WAITAOF: SessionCommand = declare("waitaof", Group::Generic, Arity::Exactly(4))
    .flags(BLOCKING | WAITS)
    .since("7.2.0")
    .complexity("O(1)")
    .summary("Waits until what the client wrote is safe on so many disks.")
    .syntax("numlocal numreplicas timeout")
    .run(wait_aof);

fn wait_aof(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let (durability, replication) = {
        let server = context.session.server;
        (server.durability, server.replication)
    };
    if replication.is_replica() {
        return Err(Error::text(ON_REPLICA));
    }
    let local = parse_i64(&args[1]).ok_or(Error::NOT_INTEGER)?;
    if !(0..=1).contains(&local) {
        return Err(Error::text("ERR value is out of range, value must between 0 and 1"));
    }
    let replicas = parse_i64(&args[2]).filter(|&count| count >= 0).ok_or(Error::NOT_POSITIVE)?;
    let timeout_ms = parse_timeout_ms(&args[3], context.now)?;
    if local > 0 && !durability.is_logging() {
        return Err(Error::text(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    // What the client wrote is in the log and the stream already: its units were ended before this
    // one.
    let (target, offset) = (durability.last_mark(), replication.changed());
    let on_replicas = move || replication.replicas.having(offset, true) as i64;
    let write = move |out: &mut Reply| {
        out.array(2);
        out.integer(i64::from(durability.is_safe(target)));
        out.integer(on_replicas());
    };
    let is_enough = on_replicas() >= replicas && (local == 0 || durability.is_safe(target));
    // A transaction holds locks, and does not wait.
    if is_enough || context.held.is_some() {
        write(&mut context.session.out);
        return Ok(());
    }
    let (session, now) = (&mut *context.session, context.now);
    let waiter = blocked::wait_without_keys(session, timeout_ms, now, write);
    tokio::spawn(async move {
        if local > 0 {
            durability.wait_until_safe(target, || waiter.is_waiting()).await;
        }
        if replicas == 0 {
            waiter.time_out();
        } else {
            let wanted = replicas as usize;
            replication.await_acks(Wait { waiter, offset, wanted, on_disk: true });
        }
    });
    Ok(())
}

const ON_REPLICA: &str = "ERR WAITAOF cannot be used with replica instances. Please also note that \
    writes to replicas are just local and are not propagated.";
