//! DEBUG: what test suites ask of a server. Off unless `enable-debug-command` says otherwise.

use super::{SessionCommand, declare, help, is};
use crate::config::Setting;
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, Protocol, Reply};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&DEBUG];

/// The longest sleep, in seconds: what lies beyond is a mistake.
const SLEEP_MAX_S: f64 = 1e9;

/// DEBUG subcommand [argument ...]
static DEBUG: SessionCommand = SessionCommand {
    spec: declare(
        "debug",
        Group::Server,
        Arity::AtLeast(2),
        ADMIN | NOSCRIPT | LOADING | STALE,
        Doc {
            since: "1.0.0",
            complexity: "Depends on the subcommand.",
            summary: "Holds what is for tests only.",
            syntax: "",
        },
    ),
    run: debug,
};

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
        (word, 2) if is(word, "help") => help(out, "DEBUG", LINES),
        (word, 3) if is(word, "sleep") => {
            let text = std::str::from_utf8(&args[2]).unwrap_or_default();
            let seconds = text.parse().unwrap_or(0.0f64).clamp(0.0, SLEEP_MAX_S);
            // It is meant to hold up whoever shares this worker.
            std::thread::sleep(Duration::from_secs_f64(seconds));
            out.ok();
        }
        (word, 3) if is(word, "set-active-expire") => {
            let waits = !args[2].starts_with(b"1");
            session.server.live.expiry_waits.store(waits, Relaxed);
            out.ok();
        }
        (word, 3) if is(word, "error") => out.error_bytes(&args[2]),
        (word, 3) if is(word, "protocol") => sample(out, &args[2])?,
        (word, _) => {
            let before = "ERR unknown subcommand or wrong number of arguments for '";
            let word = &word[..word.len().min(128)];
            return Err(Error::quoting(before, word, "'. Try DEBUG HELP."));
        }
    }
    Ok(())
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
        b"attrib" => out.bulk(b"The reply behind the attribute."),
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
            out.bulk(b"The reply behind the push.");
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
    "ERROR <text>",
    "    Answer with this error.",
    "PROTOCOL <type>",
    "    Answer with a value of this type: string, integer, double, bignum, null, array, set,",
    "    map, push, verbatim, true or false.",
    "SET-ACTIVE-EXPIRE (0|1)",
    "    Leave expired keys alone until they are asked for, or remove them in time.",
    "SLEEP <seconds>",
    "    Do nothing for so long; fractions are allowed.",
];
