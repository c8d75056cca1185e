//! CONFIG: parameters at run time, and the counters' reset.

use crate::commands::declare::{Container, SessionCommand, declare_help, help};
use crate::durability::STILL_LOADING;
use crate::session::Context;
use redstart_config::{SetError, Setting};
use redstart_engine::spec::*;
use redstart_engine::{Command, Error};
use redstart_protocol::Args;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&GET, &SET, &RESETSTAT, &REWRITE, &HELP];

const CONTAINER: Container = Container { name: "config", group: Group::Server, since: "2.0.0" };

/// CONFIG subcommand
pub static CONFIG: Command = CONTAINER.declare(
    "Holds what is about the server's parameters.",
    &[&GET.spec, &SET.spec, &RESETSTAT.spec, &REWRITE.spec, &HELP.spec],
);

const GUARDED: Flags = ADMIN | NOSCRIPT | LOADING | STALE;

/// CONFIG GET parameter [parameter ...]
static GET: SessionCommand = declare("get", Group::Server, Arity::AtLeast(3))
    .flags(GUARDED)
    .since("2.0.0")
    .complexity("O(N) with N parameters asked for.")
    .summary("Returns the values of the parameters that fit a pattern.")
    .syntax("parameter [parameter ...]")
    .run(get);

fn get(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let patterns: Vec<&[u8]> = args.iter().skip(2).collect();
    let found = session.server.config.read().get(&patterns);
    session.out.map(found.len());
    for (name, value) in &found {
        session.out.bulk(name);
        session.out.bulk(value);
    }
    Ok(())
}

/// CONFIG SET parameter value [parameter value ...]
static SET: SessionCommand = declare("set", Group::Server, Arity::AtLeast(4))
    .flags(GUARDED)
    .since("2.0.0")
    .complexity("O(N) with N parameters.")
    .summary("Changes parameters, all of them or none.")
    .syntax("parameter value [parameter value ...]")
    .secrets(set_secrets)
    .run(set);

/// The values of parameters that are passwords.
fn set_secrets(args: Args<'_>) -> Vec<usize> {
    let is_password =
        |name: &[u8]| Setting::find(name).is_some_and(|(setting, _)| setting.param().sensitive);
    (2..args.len()).step_by(2).filter(|at| is_password(args.at(*at))).map(|at| at + 1).collect()
}

fn set(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    use redstart_config::Caller;
    let session = &mut *context.session;
    let words: Vec<&[u8]> = args.iter().skip(2).collect();
    let (pairs, []) = words.as_chunks::<2>() else { return Err(Error::SYNTAX) };
    let pairs: Vec<_> = pairs.iter().map(|[name, value]| (*name, *value)).collect();
    let caller = match session.info.addr.is_local() {
        true => Caller::Local,
        false => Caller::Remote,
    };
    let server = session.server;
    let refused = |error| match error {
        SetError::Loading => Error::text(STILL_LOADING),
        error => Error::text(format!("ERR {error}")),
    };
    if server.durability.is_loading() {
        server.config.read().check_while_loading(&pairs, caller).map_err(refused)?;
    }
    let changes = server.config.write().set_many(&pairs, caller).map_err(refused)?;
    if let Err(error) = crate::server::settings::take_on(server, &changes) {
        server.config.write().undo(changes);
        // What cannot be claimed again is claimed by the next save, or refused.
        let _ = server.durability.claim_as_configured();
        return Err(refused(error));
    }
    for line in changes.settings().filter_map(redstart_config::advice::without_effect) {
        crate::system::log::notice(line);
    }
    server.apply_config();
    let followed = server.durability.follow_config();
    followed.map_err(|error| Error::text(format!("ERR CONFIG SET failed - {error}")))?;
    session.out.ok();
    Ok(())
}

/// CONFIG RESETSTAT
static RESETSTAT: SessionCommand = CONTAINER
    .sub(
        "resetstat",
        Arity::Exactly(2),
        GUARDED,
        "Sets the counters that INFO tells back to zero.",
        "",
    )
    .run(|context, _| {
        context.session.server.reset_stats();
        context.session.out.ok();
        Ok(())
    });

/// CONFIG REWRITE
static REWRITE: SessionCommand = declare("rewrite", Group::Server, Arity::Exactly(2))
    .flags(GUARDED)
    .since("2.8.0")
    .complexity("O(N) with N lines of the file.")
    .summary("Brings the configuration file up to date.")
    .run(rewrite);

fn rewrite(context: &mut Context<'_>, _: Args<'_>) -> Result<(), Error> {
    let server = context.session.server;
    let config = server.config.read();
    let none = || Error::text("ERR The server is running without a config file");
    let path = config.file().ok_or_else(none)?;
    // Those of an ACL file are saved there.
    let users = match config.text(Setting::Aclfile) {
        [] => server.access.declarations(config.text(Setting::Requirepass)),
        _ => Vec::new(),
    };
    let written = redstart_config::rewrite::rewrite(&config, path, &users);
    written.map_err(|error| Error::text(format!("ERR Rewriting config file: {error}")))?;
    context.session.out.ok();
    Ok(())
}

/// CONFIG HELP
static HELP: SessionCommand = declare_help(Group::Server, "5.0.0").run(|context, _| {
    help(&mut context.session.out, "CONFIG", LINES);
    Ok(())
});

const LINES: &[&str] = &[
    "GET <pattern> [<pattern> ...]",
    "    Tell the parameters that fit a pattern, and their values.",
    "SET <parameter> <value> [<parameter> <value> ...]",
    "    Change parameters, all of them or none.",
    "RESETSTAT",
    "    Set the counters that INFO tells back to zero.",
    "REWRITE",
    "    Bring the configuration file up to date.",
];
