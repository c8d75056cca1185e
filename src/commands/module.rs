//! MODULE: there are none, and none can be loaded.

use super::{SessionCommand, declare, help};
use redstart_engine::spec::*;
use redstart_engine::{Command, Error};

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&LIST, &LOAD, &LOADEX, &UNLOAD, &HELP];

/// MODULE subcommand
pub static MODULE: Command = Command {
    name: "module",
    group: Group::Server,
    arity: Arity::AtLeast(2),
    flags: 0,
    keys: &[],
    doc: Doc {
        since: "4.0.0",
        complexity: "Depends on the subcommand.",
        summary: "Holds what is about modules, which Redstart has not.",
        syntax: "",
    },
    run: Run::Subcommands(&[&LIST.spec, &LOAD.spec, &LOADEX.spec, &UNLOAD.spec, &HELP.spec]),
};

const GUARDED: Flags = ADMIN | NOSCRIPT;

const fn subcommand(
    name: &'static str,
    arity: Arity,
    flags: Flags,
    summary: &'static str,
    syntax: &'static str,
) -> Command {
    let doc = Doc { since: "4.0.0", complexity: "O(1)", summary, syntax };
    declare(name, Group::Server, arity, flags, doc)
}

/// MODULE LIST
static LIST: SessionCommand = SessionCommand {
    spec: subcommand("list", Arity::Exactly(2), GUARDED, "Tells the modules: none.", ""),
    run: |context, _| {
        context.session.out.array(0);
        Ok(())
    },
};

const fn refused(name: &'static str, arity: Arity, syntax: &'static str) -> SessionCommand {
    let flags = GUARDED | NO_ASYNC_LOADING;
    let spec = subcommand(name, arity, flags, "Refused: there are no modules.", syntax);
    SessionCommand { spec, run: |_, _| Err(Error::MODULES_REFUSED) }
}

/// MODULE LOAD path [argument ...]
static LOAD: SessionCommand = refused("load", Arity::AtLeast(3), "path [arg [arg ...]]");

/// MODULE LOADEX path [argument ...]
static LOADEX: SessionCommand = refused(
    "loadex",
    Arity::AtLeast(3),
    "path [CONFIG name value [CONFIG name value ...]] [ARGS args [args ...]]",
);

/// MODULE UNLOAD name
static UNLOAD: SessionCommand = refused("unload", Arity::Exactly(3), "name");

/// MODULE HELP
static HELP: SessionCommand = SessionCommand {
    spec: subcommand("help", Arity::Exactly(2), LOADING | STALE, "Tells the subcommands.", ""),
    run: |context, _| {
        let out = &mut context.session.out;
        help(out, "MODULE", &["LIST", "    Tell the modules, which are none."]);
        Ok(())
    },
};
