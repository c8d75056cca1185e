//! CLUSTER, READONLY, READWRITE, ASKING: they say that the server is in no cluster, by which
//! clients notice.

use crate::commands::declare::SessionCommand;
use redstart_engine::Error;
use redstart_engine::spec::*;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&CLUSTER, &READONLY_COMMAND, &READWRITE, &ASKING];

const fn disabled(
    name: &'static str,
    arity: Arity,
    flags: Flags,
    since: &'static str,
    syntax: &'static str,
) -> SessionCommand {
    declare(name, Group::Cluster, arity)
        .flags(flags)
        .since(since)
        .complexity("O(1)")
        .summary("Answers that the server is in no cluster.")
        .syntax(syntax)
        .run(|_, _| Err(Error::CLUSTER_DISABLED))
}

/// CLUSTER subcommand [argument ...]
static CLUSTER: SessionCommand =
    disabled("cluster", Arity::AtLeast(2), 0, "3.0.0", "subcommand [argument [argument ...]]");

/// READONLY
static READONLY_COMMAND: SessionCommand =
    disabled("readonly", Arity::Exactly(1), LOADING | STALE | FAST, "3.0.0", "");

/// READWRITE
static READWRITE: SessionCommand =
    disabled("readwrite", Arity::Exactly(1), LOADING | STALE | FAST, "3.0.0", "");

/// ASKING
static ASKING: SessionCommand = disabled("asking", Arity::Exactly(1), FAST, "3.0.0", "");
