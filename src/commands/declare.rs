//! What declarations of session commands have in common.

use crate::session::handlers::Handler;
pub use redstart_engine::commands::help::{declare_help, help};
use redstart_engine::spec::{Arity, Flags, Group, Runnable, declare};
use redstart_engine::{Command, Error, Now};
use redstart_protocol::parse_i64;

/// A session command: the declaration and, beside it, what runs it.
pub type SessionCommand = Runnable<Handler>;

/// A container of subcommands: what its own declaration and theirs have in common.
#[derive(Clone, Copy)]
pub struct Container {
    /// The container's name.
    pub name: &'static str,
    /// The group of all its commands.
    pub group: Group,
    /// The version that brought it.
    pub since: &'static str,
}

impl Container {
    /// The container's own declaration: it does nothing without a subcommand.
    pub const fn declare(
        self,
        summary: &'static str,
        subcommands: &'static [&'static Command],
    ) -> Command {
        declare(self.name, self.group, Arity::AtLeast(2))
            .since(self.since)
            .complexity("Depends on the subcommand.")
            .summary(summary)
            .subcommands(subcommands)
    }

    /// For subcommands of another age.
    pub const fn since(self, since: &'static str) -> Container {
        Container { since, ..self }
    }

    /// The declaration of a subcommand that is as old as the container, and takes constant time.
    pub const fn sub(
        self,
        name: &'static str,
        arity: Arity,
        flags: Flags,
        summary: &'static str,
        syntax: &'static str,
    ) -> Command {
        declare(name, self.group, arity)
            .flags(flags)
            .since(self.since)
            .complexity("O(1)")
            .summary(summary)
            .syntax(syntax)
    }
}

/// A time to wait, in milliseconds.
///
/// # Errors
/// When the argument is no integer, negative, or ends behind every clock.
pub fn parse_timeout_ms(argument: &[u8], now: Now) -> Result<u64, Error> {
    let timeout_ms = parse_i64(argument).ok_or(Error::TIMEOUT_NOT_INTEGER)?;
    now.present().wall_ms.checked_add(timeout_ms).ok_or(Error::TIMEOUT_OUT_OF_RANGE)?;
    u64::try_from(timeout_ms).map_err(|_| Error::TIMEOUT_NEGATIVE)
}

/// What an argument says, compared in any case.
pub fn is(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}
