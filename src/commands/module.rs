//! MODULE: there are none, and none can be loaded.

use crate::commands::declare::{Container, SessionCommand, declare_help, help};
use redstart_engine::spec::*;
use redstart_engine::{Command, Error};

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&LIST, &LOAD, &LOADEX, &UNLOAD, &HELP];

const CONTAINER: Container = Container { name: "module", group: Group::Server, since: "4.0.0" };

/// MODULE subcommand
pub static MODULE: Command = CONTAINER.declare(
    "Holds what is about modules, which Redstart has not.",
    &[&LIST.spec, &LOAD.spec, &LOADEX.spec, &UNLOAD.spec, &HELP.spec],
);

const GUARDED: Flags = ADMIN | NOSCRIPT;

/// MODULE LIST
static LIST: SessionCommand = CONTAINER
    .sub("list", Arity::Exactly(2), GUARDED, "Returns the modules: none.", "")
    .run(|context, _| {
        context.session.out.array(0);
        Ok(())
    });

const fn refused(name: &'static str, arity: Arity, syntax: &'static str) -> SessionCommand {
    let flags = GUARDED | NO_ASYNC_LOADING;
    CONTAINER
        .sub(name, arity, flags, "Refused: there are no modules.", syntax)
        .run(|_, _| Err(Error::MODULES_REFUSED))
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
static HELP: SessionCommand = declare_help(Group::Server, "4.0.0").run(|context, _| {
    let out = &mut context.session.out;
    help(out, "MODULE", &["LIST", "    Tell the modules, which are none."]);
    Ok(())
});
