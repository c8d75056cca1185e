//! The subcommands of the command line, such as `redstart check`. None of them is a server.

pub mod check;
pub mod command_line;
pub mod convert;
mod duplicate_keys;
mod facts;
mod file;
mod for_load;
mod link;
pub mod migrate;
pub mod ping;
mod repair;
pub mod report;
mod show;
pub mod top;

use std::process::ExitCode;

/// A subcommand.
pub struct Tool {
    /// What it is called.
    pub name: &'static str,
    /// Does it, with the arguments behind its name.
    pub run: fn(&[String]) -> ExitCode,
    /// What clap knows of it.
    pub declared: fn() -> clap::Command,
}

/// Every subcommand, in the order of the manual.
pub static TOOLS: &[Tool] = &[
    Tool { name: "ping", run: ping::run, declared: ping::declared },
    Tool { name: "top", run: top::run, declared: top::declared },
    Tool { name: "report", run: report::run, declared: report::declared },
    Tool { name: "check", run: check::run, declared: check::declared },
    Tool { name: "convert", run: convert::run, declared: convert::declared },
    Tool { name: "migrate", run: migrate::run, declared: migrate::declared },
    Tool {
        name: "completions",
        run: command_line::complete,
        declared: command_line::declared_completions,
    },
    Tool { name: "man", run: command_line::write_manuals, declared: command_line::declared_man },
];

/// The subcommand of a name.
pub fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}
