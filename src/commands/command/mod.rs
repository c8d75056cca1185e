//! COMMAND: the command table for clients. All of it is read from the declarations.

mod docs;
mod info;
mod keys;
mod tips;

use crate::commands::declare::{SessionCommand, declare_help, help, is};
use crate::session::Context;
use redstart_engine::glob::{Case, matches};
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::{self, *};
use redstart_engine::{Error, Registry};
use redstart_protocol::Args;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] =
    &[&COMMAND, &COUNT, &LIST, &INFO, &DOCS, &keys::GETKEYS, &keys::GETKEYSANDFLAGS, &HELP];

const OPEN: Flags = LOADING | STALE;

/// COMMAND [subcommand]
static COMMAND: SessionCommand = spec::declare("command", Group::Server, AtLeast(1))
    .flags(OPEN)
    .since("2.8.13")
    .complexity("O(N) with N commands.")
    .summary("Returns all commands.")
    .subcommands(&[
        &COUNT.spec,
        &LIST.spec,
        &INFO.spec,
        &DOCS.spec,
        &keys::GETKEYS.spec,
        &keys::GETKEYSANDFLAGS.spec,
        &HELP.spec,
    ])
    .run(|context, _| {
        all(context);
        Ok(())
    });

fn all(context: &mut Context<'_>) {
    let session = &mut *context.session;
    session.out.array(top(session.server.registry).count());
    for command in top(session.server.registry) {
        info::write(&mut session.out, command);
    }
}

/// Those that are not subcommands.
fn top(registry: &Registry) -> impl Iterator<Item = &Registered> {
    registry.visible_all().filter(|registered| registered.container.is_none())
}

/// COMMAND COUNT
static COUNT: SessionCommand = declare("count", Group::Server, Arity::Exactly(2))
    .flags(OPEN)
    .since("2.8.13")
    .complexity("O(1)")
    .summary("Returns how many commands there are.")
    .run(|context, _| {
        let session = &mut *context.session;
        session.out.integer(top(session.server.registry).count() as i64);
        Ok(())
    });

/// COMMAND LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]
static LIST: SessionCommand = declare("list", Group::Server, Arity::AtLeast(2))
    .flags(OPEN)
    .since("7.0.0")
    .complexity("O(N) with N commands.")
    .summary("Returns the names of all commands, or of some.")
    .syntax("[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]")
    .run(list);

fn list(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let registry = &session.server.registry;
    let names: Vec<String> = match args.len() {
        2 => registry.visible_all().map(Registered::full_name).collect(),
        5 if is(&args[2], "filterby") => {
            let value = &args[4];
            let chosen: &dyn Fn(&Registered) -> bool = match &args[3] {
                by if is(by, "module") => &|_| false,
                by if is(by, "aclcat") => &|found| {
                    let own = categories(found.command, found.container);
                    own.iter().any(|known| is(value, &known[1..]))
                },
                by if is(by, "pattern") => &|registered| {
                    matches(value, registered.full_name().as_bytes(), Case::Insensitive)
                },
                _ => return Err(Error::SYNTAX),
            };
            registry.visible_all().filter(|one| chosen(one)).map(Registered::full_name).collect()
        }
        _ => return Err(Error::SYNTAX),
    };
    session.out.array(names.len());
    names.iter().for_each(|name| session.out.bulk(name.as_bytes()));
    Ok(())
}

/// COMMAND INFO [command-name [command-name ...]]
static INFO: SessionCommand = declare("info", Group::Server, Arity::AtLeast(2))
    .flags(OPEN)
    .since("2.8.13")
    .complexity("O(N) with N commands.")
    .summary("Returns about commands what programs need to know.")
    .syntax("[command-name [command-name ...]]")
    .run(|context, args| {
        if args.len() == 2 {
            all(context);
            return Ok(());
        }
        let session = &mut *context.session;
        session.out.array(args.len() - 2);
        for name in args.iter().skip(2) {
            match session.server.registry.visible_full(name) {
                Some(command) => info::write(&mut session.out, command),
                None => session.out.null(),
            }
        }
        Ok(())
    });

/// COMMAND DOCS [command-name [command-name ...]]
static DOCS: SessionCommand = declare("docs", Group::Server, Arity::AtLeast(2))
    .flags(OPEN)
    .since("7.0.0")
    .complexity("O(N) with N commands.")
    .summary("Returns about commands what people need to know.")
    .syntax("[command-name [command-name ...]]")
    .run(|context, args| {
        let session = &mut *context.session;
        let registry = &session.server.registry;
        let chosen: Vec<&Registered> = match args.len() {
            2 => top(registry).collect(),
            _ => args.iter().skip(2).filter_map(|name| registry.visible_full(name)).collect(),
        };
        session.out.map(chosen.len());
        for registered in chosen {
            docs::write(&mut session.out, registered.command, registered.container);
        }
        Ok(())
    });

/// COMMAND HELP
static HELP: SessionCommand = declare_help(Group::Server, "5.0.0").run(|context, _| {
    help(&mut context.session.out, "COMMAND", LINES);
    Ok(())
});

const LINES: &[&str] = &[
    "(no subcommand)",
    "    Tell about all commands.",
    "COUNT",
    "    Tell how many commands there are.",
    "LIST [FILTERBY (MODULE <name> | ACLCAT <category> | PATTERN <pattern>)]",
    "    Tell the names of all commands, or of those that fit.",
    "INFO [<command-name> ...]",
    "    Tell arity, flags, keys and more of all commands, or of those named.",
    "DOCS [<command-name> ...]",
    "    Tell summary, arguments and more of all commands, or of those named.",
    "GETKEYS <full-command>",
    "    Tell which arguments of a command are keys.",
    "GETKEYSANDFLAGS <full-command>",
    "    Tell the same, and what is done with each.",
];
