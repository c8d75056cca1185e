//! Session commands: those about the client, the server or the connection, one file a family.
//! Each is one static: its declaration, as the engine's commands have it, and its handler.

pub mod connection;

use crate::session::Context;
use redstart_engine::{Command, Error, Registry};
use redstart_protocol::Args;

/// A session command's handler.
pub type Handler = fn(&mut Context<'_>, Args<'_>) -> Result<(), Error>;

/// A session command: the declaration and, beside it, what runs it.
pub struct SessionCommand {
    /// The declaration; its `run` is `Run::Session`.
    pub spec: Command,
    /// The handler.
    pub run: Handler,
}

/// All session commands, subcommands included.
fn all() -> impl Iterator<Item = &'static SessionCommand> {
    connection::COMMANDS.iter().copied()
}

/// Containers of session subcommands.
fn containers() -> impl Iterator<Item = &'static Command> {
    std::iter::empty()
}

/// The whole command table: data commands, session commands, containers.
pub fn registry() -> Registry {
    let containers: Vec<_> = containers().collect();
    let is_sub = |spec: &Command| {
        containers.iter().any(|c| c.subcommands().iter().any(|sub| std::ptr::eq(*sub, spec)))
    };
    let session: Vec<_> = all().map(|command| &command.spec).filter(|spec| !is_sub(spec)).collect();
    let data = redstart_engine::commands::all();
    Registry::new(data.chain(session).chain(containers.iter().copied()))
}

/// The session commands' handlers, by command id.
pub struct Handlers(Vec<Option<Handler>>);

impl Handlers {
    /// Finds the handler of every session command in the registry.
    pub fn of(registry: &Registry) -> Handlers {
        let handler = |command: &'static Command| {
            all().find(|session| std::ptr::eq(&session.spec, command)).map(|session| session.run)
        };
        Handlers(registry.iter().map(|registered| handler(registered.command)).collect())
    }

    /// Runs the handler of a session command.
    pub fn run(&self, id: u16, context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let handler = self.0[id as usize].expect("every session command is listed with its handler");
        handler(context, args)
    }
}
