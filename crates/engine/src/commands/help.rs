//! HELP of a container of subcommands, of the engine or of the server.

use crate::spec::{Command, Exactly, Group, LOADING, STALE, declare};
use redstart_protocol::Reply;

/// The declaration of a container's HELP.
pub const fn declare_help(group: Group, since: &'static str) -> Command {
    declare("help", group, Exactly(2))
        .flags(LOADING | STALE)
        .since(since)
        .complexity("O(1)")
        .summary("Tells what the subcommands do.")
}

/// Answers a container's HELP: what is particular to it, within what all of them say.
pub fn help(out: &mut Reply, container: &str, lines: &[&str]) {
    let head = format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    out.array(lines.len() + 3);
    out.simple(&head);
    lines.iter().for_each(|line| out.simple(line));
    out.simple("HELP");
    out.simple("    Print this text.");
}
