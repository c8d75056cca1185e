//! DEBUG: what test suites ask of a server. Off unless `enable-debug-command` says otherwise.

mod data;

use crate::commands::declare::{SessionCommand, help, is};
use crate::dispatch::replay::Replayer;
use crate::durability::Reload;
use crate::session::Context;
use redstart_config::Setting;
use redstart_engine::Error;
use redstart_engine::glob::{self, Case};
use redstart_engine::spec::*;
use redstart_protocol::{Args, Protocol, Reply, parse_i64};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&DEBUG];

/// The longest sleep, in seconds: what lies beyond is a mistake.
const SLEEP_MAX_S: f64 = 1e9;

/// DEBUG subcommand [argument ...]
static DEBUG: SessionCommand = declare("debug", Group::Server, Arity::AtLeast(2))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SCRIPT_DEBUGGING)
    .since("1.0.0")
    .complexity("Depends on the subcommand.")
    .summary("Holds what is for tests only.")
    .run(debug);

fn debug(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let allowed = match session.server.config.read().choice(Setting::EnableDebugCommand) {
        "yes" => true,
        "local" => session.info.addr.is_local(),
        _ => false,
    };
    if !allowed {
        return Err(Error::text(NOT_ALLOWED));
    }
    let out = &mut session.out;
    match (&args[1], args.len()) {
        (word, 2) if is(word, "digest") => data::digest_all(context),
        (word, 2..) if is(word, "digest-value") => {
            data::digest_values(context, args.from(2).iter());
        }
        (word, 3 | 4) if is(word, "object") => return data::object(context, &args[2]),
        (word, 3..=5) if is(word, "populate") => return populate(context, args),
        (word, 3 | 4) if is(word, "htstats") => {
            let db = parse_i64(&args[2]).and_then(|db| usize::try_from(db).ok());
            let most = session.server.engine.options.databases();
            let db = db.filter(|db| *db < most);
            data::table_stats(context, db.ok_or_else(|| Error::text(OUT_OF_RANGE))?);
        }
        (word, 3 | 4) if is(word, "htstats-key") => return data::value_stats(context, &args[2]),
        (word, 4) if is(word, "stringmatch-len") => {
            let matches = glob::matches(&args[2], &args[3], Case::Sensitive);
            out.integer(matches.into());
        }
        (word, 3) if is(word, "log") => {
            crate::system::log::warning(format_args!(
                "DEBUG LOG: {}",
                String::from_utf8_lossy(&args[2])
            ));
            out.ok();
        }
        (word, 2..=4) if ACCEPTED.iter().any(|accepted| is(word, accepted)) => out.ok(),
        (word, 2..=4) if is(word, "reload") => return reload(context, args),
        (word, 2) if is(word, "loadaof") => return load_again(context, Reload::Log),
        (word, 2) if is(word, "jmap") => out.ok(),
        (word, _) if REFUSED.iter().any(|refused| is(word, refused)) => {
            return Err(Error::quoting("ERR DEBUG ", word, " is not supported"));
        }
        (word, 2) if is(word, "help") => help(out, "DEBUG", LINES),
        (word, 3) if is(word, "sleep") => {
            let text = std::str::from_utf8(&args[2]).unwrap_or_default();
            let seconds = text.parse().unwrap_or(0.0f64).clamp(0.0, SLEEP_MAX_S);
            // It is meant to hold up all clients of this worker.
            std::thread::sleep(Duration::from_secs_f64(seconds));
            out.ok();
        }
        (word, 3) if is(word, "set-active-expire") => {
            session.server.engine.options.set_expires_actively(args[2].starts_with(b"1"));
            out.ok();
        }
        (word, 3) if is(word, "set-disable-deny-scripts") => {
            let allowed = args[2].starts_with(b"1");
            session.server.scripts.debug_allowed.store(allowed, Relaxed);
            out.ok();
        }
        (word, 3) if is(word, "advance-clock") => return advance_clock(context, &args[2]),
        (word, 3) if is(word, "error") => out.error_bytes(&args[2]),
        (word, 3) if is(word, "protocol") => sample(out, &args[2])?,
        (word, _) => return Err(Error::subcommand_syntax("debug", word)),
    }
    Ok(())
}

/// What only steers Redis's own machinery: there is nothing here that it could change.
const ACCEPTED: [&str; 4] =
    ["quicklist-packed-threshold", "replybuffer", "pause-cron", "config-rewrite-force-all"];

/// What would end or harm the process.
const REFUSED: [&str; 7] =
    ["segfault", "panic", "assert", "oom", "restart", "crash-and-recover", "leak"];

/// DEBUG RELOAD [NOSAVE]
fn reload(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let mut what = Reload::Saved;
    for option in args.from(2).iter() {
        match option {
            word if is(word, "nosave") => what = Reload::Snapshot,
            word if is(word, "merge") || is(word, "noflush") => {
                return Err(Error::quoting("ERR DEBUG RELOAD ", word, " is not supported"));
            }
            _ => {
                return Err(Error::text(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    load_again(context, what)
}

fn load_again(context: &mut Context<'_>, what: Reload) -> Result<(), Error> {
    if context.held.is_some() {
        return Err(Error::text("ERR a transaction holds what would be loaded"));
    }
    let server = context.session.server;
    let handlers = context.session.handlers;
    let own = server.stats.iter().position(|stats| Arc::ptr_eq(stats, &context.local.stats));
    let own = own.expect("connections run on workers");
    let reload = || server.durability.reload(what, &mut Replayer::new(server, handlers));
    let loaded = server.pause.alone(&server.engine.keyspace, server.heartbeats, own, reload);
    let loaded = loaded.ok_or_else(|| Error::text("ERR somebody else loads already"))?;
    loaded.map_err(|error| {
        crate::system::log::warning(format_args!("Loading again failed: {error}"));
        Error::text(match what {
            Reload::Log => "ERR Error trying to load the AOF files, check server logs",
            _ => "ERR Error trying to load the RDB dump, check server logs",
        })
    })?;
    context.session.out.ok();
    Ok(())
}

const TOO_FAR: &str = "ERR the clock goes forward, by a hundred years at most";

/// Puts the clock forward by milliseconds.
fn advance_clock(context: &mut Context<'_>, by_ms: &[u8]) -> Result<(), Error> {
    let by_ms = parse_i64(by_ms).ok_or(Error::NOT_INTEGER)?;
    let clock = &context.session.server.clock;
    if !u64::try_from(by_ms).is_ok_and(|by_ms| clock.advance(by_ms)) {
        return Err(Error::text(TOO_FAR));
    }
    context.session.out.ok();
    Ok(())
}

const OUT_OF_RANGE: &str = "ERR Out of range database";

fn populate(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let count = parse_i64(&args[2]).ok_or(Error::NOT_INTEGER)?;
    let size = args.get(4).map(|size| parse_i64(size).ok_or(Error::NOT_INTEGER)).transpose()?;
    let size = size.and_then(|size| usize::try_from(size).ok());
    data::populate(context, count, args.get(3).unwrap_or(b"key"), size)
}

const NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is \
    set to \"local\", you can run it from a local connection, otherwise you need to set this \
    option in the configuration file, and then restart the server.";

/// Answers with a value of the type of this name.
fn sample(out: &mut Reply, kind: &[u8]) -> Result<(), Error> {
    match &kind.to_ascii_lowercase()[..] {
        b"string" => out.bulk(b"Hello World"),
        b"integer" => out.integer(12345),
        b"double" => out.double(f64::from(3141) / 1000.0),
        b"null" => out.null(),
        b"bignum" => out.big_number("1234567999999999999999999999999999999"),
        b"attrib" => {
            if out.protocol() == Protocol::Resp3 {
                out.attribute(1);
                out.bulk(b"key-popularity");
                out.array(2);
                out.bulk(b"key:123");
                out.integer(90);
            }
            out.bulk(b"Some real reply following the attribute");
        }
        b"array" => {
            out.array(3);
            (0..3).for_each(|n| out.integer(n));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|n| out.integer(n));
        }
        b"map" => {
            out.map(3);
            for n in 0..3 {
                out.integer(n);
                out.boolean(n == 1);
            }
        }
        b"push" if out.protocol() == Protocol::Resp3 => {
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.integer(42);
            out.bulk(b"Some real reply following the push reply");
        }
        b"push" => return Err(Error::text("ERR RESP2 is not supported by this command")),
        b"verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => out.boolean(true),
        b"false" => out.boolean(false),
        _ => return Err(Error::text(UNKNOWN_TYPE)),
    }
    Ok(())
}

const UNKNOWN_TYPE: &str = "ERR Wrong protocol type name. Please use one of the following: \
    string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false";

const LINES: &[&str] = &[
    "ADVANCE-CLOCK <milliseconds>",
    "    Put the server's clock forward: what would be over by then is over.",
    "DIGEST",
    "    Tell a number made of all keys and values, the same for the same data.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Tell such numbers of single values.",
    "ERROR <text>",
    "    Answer with this error.",
    "HTSTATS <dbid>",
    "    Tell how the table of a database is filled.",
    "HTSTATS-KEY <key>",
    "    Tell how a large value's table is filled.",
    "LOG <text>",
    "    Write a line to the server's log.",
    "OBJECT <key>",
    "    Tell what is known of a key beside its value.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Make so many keys.",
    "PROTOCOL <type>",
    "    Answer with a value of this type: string, integer, double, bignum, null, array, set,",
    "    map, push, verbatim, true or false.",
    "LOADAOF",
    "    Load the log again.",
    "RELOAD [NOSAVE]",
    "    Save a snapshot, unless told not to, and load it again.",
    "SET-ACTIVE-EXPIRE (0|1)",
    "    Leave expired keys alone until they are asked for, or remove them in time.",
    "SET-DISABLE-DENY-SCRIPTS (0|1)",
    "    Let scripts use DEBUG, or not.",
    "SLEEP <seconds>",
    "    Do nothing for so long; fractions are allowed.",
    "STRINGMATCH-LEN <pattern> <string>",
    "    Tell whether the pattern fits.",
];
