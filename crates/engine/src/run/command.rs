//! Data commands: a declaration and, beside it, what runs it.

use crate::error::Error;
use crate::keyspace::waiters::Waiter;
use crate::run::call::Call;
use crate::spec::{Command, Runnable};

/// A data command's handler.
pub type DataRun = fn(&mut Call<'_>) -> Result<(), Error>;

/// Serves a waiter from its `n`th declared key, whose shard is locked. It looks whether there is
/// anything to give, claims the waiter, and only then changes something and replies. An error is a
/// reply: the waiter was claimed.
pub type Serve = fn(&mut Call<'_>, usize, &Waiter) -> Result<Served, Error>;

/// What became of a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// It was given something, or an error.
    Given,
    /// It still waits because there was nothing, or its wait ended otherwise.
    Nothing,
}

/// A data command.
pub type DataCommand = Runnable<DataRun>;

/// A data command that lets its client wait when it finds nothing.
pub type BlockingCommand = Runnable<BlockingRun>;

/// What runs a command that may wait.
#[derive(Clone, Copy)]
pub struct BlockingRun {
    /// The first try.
    pub run: DataRun,
    /// What serves the client later, if it waits.
    pub serve: Serve,
}

/// What runs a command of the table.
#[derive(Clone, Copy)]
pub enum Runner {
    /// The engine, under the locks of the command's keys. If the command may wait, there is also
    /// what serves the client that does.
    Data(DataRun, Option<Serve>),
    /// The client's session, without locks. The server keeps the handler, since the engine knows no
    /// clients. A container that has none wants a subcommand.
    Session,
}

/// A command for the table.
#[derive(Clone, Copy)]
pub struct Declared {
    /// The declaration.
    pub command: &'static Command,
    /// What runs it.
    pub runner: Runner,
}

impl Declared {
    /// A command that the session runs, or a container.
    pub fn session(command: &'static Command) -> Declared {
        Declared { command, runner: Runner::Session }
    }
}

impl From<&'static DataCommand> for Declared {
    fn from(command: &'static DataCommand) -> Declared {
        Declared { command: &command.spec, runner: Runner::Data(command.run, None) }
    }
}

impl From<&'static BlockingCommand> for Declared {
    fn from(command: &'static BlockingCommand) -> Declared {
        let BlockingRun { run, serve } = command.run;
        Declared { command: &command.spec, runner: Runner::Data(run, Some(serve)) }
    }
}
