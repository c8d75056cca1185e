//! `redstart ping`: asks a server for PONG, for container health checks.

use super::link::{NO_SERVER, Silence, Target};
use clap::{ArgAction, CommandFactory, Parser};
use redis_protocol::resp2::types::OwnedFrame;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

/// Asks a server for PONG; fails if it does not come.
#[derive(Parser)]
#[command(
    name = "redstart ping",
    no_binary_name = true,
    disable_help_flag = true,
    after_help = "Examples:\n  redstart ping\n  redstart ping --port 7000\n  \
                  redstart ping --socket /run/redstart.sock\n  \
                  redstart ping --tls --host db.example --cacert ca.crt\n  \
                  REDISCLI_AUTH=SECRET redstart ping --host db.example"
)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// How long to wait, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    timeout_ms: u64,
    /// Print this.
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// What clap knows of the subcommand.
pub fn declared() -> clap::Command {
    Arguments::command()
}

/// Runs the subcommand.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    match ask(&arguments) {
        Ok(place) => {
            println!("PONG from {place}");
            ExitCode::SUCCESS
        }
        Err(Silence { place, reason }) => {
            eprintln!("redstart ping: no PONG from {place}: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Asks; returns where the answer came from.
fn ask(arguments: &Arguments) -> Result<String, Silence> {
    let timeout = Duration::from_millis(arguments.timeout_ms.max(1));
    let mut link = arguments.target.connect(timeout)?;
    let place = link.place().to_owned();
    let answer = link.call(&[b"PING"]).and_then(|reply| match reply {
        OwnedFrame::SimpleString(text) if text == b"PONG" => Ok(()),
        OwnedFrame::Error(text) => Err(io::Error::other(text)),
        _ => Err(io::Error::other(NO_SERVER)),
    });
    match answer {
        Ok(()) => Ok(place),
        Err(error) => Err(Silence { reason: link.plain(&error), place }),
    }
}
