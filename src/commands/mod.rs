//! Session commands: those about the client, the server or the connection, one file a family.
//! Each is one static: its declaration, as the engine's commands have it, and its handler.

mod acl;
mod client;
mod cluster;
mod command;
mod config;
mod connection;
mod debug;
mod declare;
mod function;
mod himport;
mod latency;
#[cfg(test)]
mod markdown;
mod memory;
mod module;
mod persistence;
mod prefix;
mod pubsub;
mod replication;
mod scripting;
mod server;
mod slowlog;
mod transaction;

pub use crate::commands::connection::authenticate;
use crate::commands::declare::SessionCommand;
use crate::session::handlers::Handlers;
use redstart_engine::run::command::Declared;
use redstart_engine::{Command, Registry};

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
        himport::COMMANDS,
        latency::COMMANDS,
        memory::COMMANDS,
        module::COMMANDS,
        pubsub::COMMANDS,
        persistence::COMMANDS,
        prefix::COMMANDS,
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
        &himport::HIMPORT,
        &pubsub::PUBSUB_COMMAND,
        &latency::LATENCY,
        &memory::MEMORY,
        &module::MODULE,
        &scripting::SCRIPT,
        &slowlog::SLOWLOG,
    ]
    .into_iter()
}

/// The whole command table: data commands, session commands, containers.
pub fn registry() -> Registry {
    let files = redstart_persistence::commands::COMMANDS.iter();
    let data = files
        .chain(memory::DATA_COMMANDS)
        .chain(replication::DATA_COMMANDS)
        .map(|command| Declared::from(*command));
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
