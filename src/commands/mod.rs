//! Session commands: those about the client, the server or the connection, one file a family.
//! Each is one static: its declaration, as the engine's commands have it, and its handler.

mod acl;
mod client;
mod cluster;
mod command;
mod config;
mod connection;
mod debug;
mod function;
mod latency;
#[cfg(test)]
mod markdown;
mod memory;
mod module;
mod persistence;
mod pubsub;
mod replication;
mod scripting;
mod server;
mod slowlog;
mod transaction;

use crate::session::handlers::{Handler, Handlers};
use redstart_engine::run::command::Declared;
use redstart_engine::spec::{self, Arity, Doc, Flags, Group, LOADING, Runnable, STALE};
use redstart_engine::{Command, Error, Registry};
use redstart_protocol::{Reply, parse_i64};

/// A session command: the declaration and, beside it, what runs it.
pub type SessionCommand = Runnable<Handler>;

/// All session commands, subcommands included.
fn all() -> impl Iterator<Item = &'static SessionCommand> {
    let families = [
        acl::COMMANDS,
        cluster::COMMANDS,
        connection::COMMANDS,
        client::COMMANDS,
        command::COMMANDS,
        config::COMMANDS,
        debug::COMMANDS,
        function::COMMANDS,
        latency::COMMANDS,
        memory::COMMANDS,
        module::COMMANDS,
        pubsub::COMMANDS,
        persistence::COMMANDS,
        replication::COMMANDS,
        scripting::COMMANDS,
        server::COMMANDS,
        slowlog::COMMANDS,
        transaction::COMMANDS,
    ];
    families.into_iter().flatten().copied()
}

/// Containers of session subcommands that do nothing without one.
fn containers() -> impl Iterator<Item = &'static Command> {
    [
        &acl::ACL,
        &client::CLIENT,
        &config::CONFIG,
        &function::FUNCTION,
        &pubsub::PUBSUB_COMMAND,
        &latency::LATENCY,
        &memory::MEMORY,
        &module::MODULE,
        &scripting::SCRIPT,
        &slowlog::SLOWLOG,
    ]
    .into_iter()
}

/// The declaration of a session command: those have no keys, and the session runs them.
const fn declare(
    name: &'static str,
    group: Group,
    arity: Arity,
    flags: Flags,
    doc: Doc,
) -> Command {
    Command { doc, ..spec::declare(name, group, arity).flags(flags) }
}

/// A container of subcommands: what its own declaration and theirs have in common.
#[derive(Clone, Copy)]
struct Container {
    name: &'static str,
    group: Group,
    since: &'static str,
}

impl Container {
    /// The container's own declaration: it does nothing without a subcommand.
    const fn declare(
        self,
        summary: &'static str,
        subcommands: &'static [&'static Command],
    ) -> Command {
        let Container { name, group, since } = self;
        let doc = Doc { since, complexity: "Depends on the subcommand.", summary, syntax: "" };
        declare(name, group, Arity::AtLeast(2), 0, doc).subcommands(subcommands)
    }

    /// For subcommands of another age.
    const fn since(self, since: &'static str) -> Container {
        Container { since, ..self }
    }

    /// The declaration of a subcommand that is as old as the container, and takes constant time.
    const fn sub(
        self,
        name: &'static str,
        arity: Arity,
        flags: Flags,
        summary: &'static str,
        syntax: &'static str,
    ) -> Command {
        let doc = Doc { since: self.since, complexity: "O(1)", summary, syntax };
        declare(name, self.group, arity, flags, doc)
    }
}

/// The declaration of a container's HELP.
const fn declare_help(group: Group, since: &'static str) -> Command {
    let summary = "Tells what the subcommands do.";
    let doc = Doc { since, complexity: "O(1)", summary, syntax: "" };
    declare("help", group, Arity::Exactly(2), LOADING | STALE, doc)
}

/// The whole command table: data commands, session commands, containers.
pub fn registry() -> Registry {
    let files = redstart_persistence::commands::COMMANDS.iter();
    let data = files.chain(memory::DATA_COMMANDS).map(|command| Declared::from(*command));
    let session = all().map(|command| &command.spec).chain(containers()).map(Declared::session);
    Registry::new(redstart_engine::commands::all().chain(data).chain(session))
}

/// The session commands' handlers, by command id.
pub fn handlers(registry: &Registry) -> Handlers {
    let handler = |command: &'static Command| {
        all().find(|session| std::ptr::eq(&session.spec, command)).map(|session| session.run)
    };
    registry.iter().map(|registered| handler(registered.command)).collect()
}

/// Answers a container's HELP: what is particular to it, within what all of them say.
fn help(out: &mut Reply, container: &str, lines: &[&str]) {
    let head = format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    out.array(lines.len() + 3);
    out.simple(&head);
    lines.iter().for_each(|line| out.simple(line));
    out.simple("HELP");
    out.simple("    Print this text.");
}

/// A time to wait, in milliseconds.
fn parse_timeout_ms(argument: &[u8]) -> Result<u64, Error> {
    let timeout_ms = parse_i64(argument).ok_or(Error::TIMEOUT_NOT_INTEGER)?;
    u64::try_from(timeout_ms).map_err(|_| Error::TIMEOUT_NEGATIVE)
}

/// What an argument says, compared in any case.
fn is(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}
