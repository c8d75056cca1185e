//! `redstart`: reads its settings and serves, or runs one of its subcommands (`tools`): `redstart
//! ping` asks a server whether it serves, `redstart check` files whether they are whole, and so on.

mod access;
mod clients;
mod commands;
mod dispatch;
mod durability;
mod frontends;
mod memory;
mod metrics;
mod network;
mod notify;
mod replication;
mod report;
mod server;
mod session;
mod start;
mod system;
mod tls;
mod tools;

use crate::system::log;
use redstart_config::{Config, Setting};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: system::allocator::Mimalloc = system::allocator::Mimalloc;

fn main() -> ExitCode {
    end_on_panic();
    // Until the configuration says more.
    system::allocator::set_thrift(system::allocator::Thrift::Small);
    let lossy = |argument: OsString| argument.to_string_lossy().into_owned();
    let arguments: Vec<String> = std::env::args_os().skip(1).map(lossy).collect();
    if let Some(tool) = arguments.first().and_then(|first| tools::find(first)) {
        return (tool.run)(&arguments[1..]);
    }
    let config = redstart_config::load::from_arguments(std::env::args_os().skip(1));
    let served = prepare(&config).and_then(|()| start::serve(config));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::fatal(error);
            ExitCode::FAILURE
        }
    }
}

/// A panic ends the process once it is printed: a half-changed shard is never carried on from.
fn end_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::abort();
    }));
}

/// What has to be done before anything is served: the log, the working directory.
fn prepare(config: &Config) -> io::Result<()> {
    let dir = Path::new(OsStr::from_bytes(config.text(Setting::Dir)));
    std::env::set_current_dir(dir)
        .map_err(|error| tried(format_args!("Can't chdir to '{}'", dir.display()), "dir", error))?;
    let logfile = String::from_utf8_lossy(config.text(Setting::Logfile));
    if !logfile.is_empty() {
        log::to_file(&logfile).map_err(|error| {
            tried(format_args!("Can't open the log file '{logfile}'"), "logfile", error)
        })?;
    }
    let wanted = config.count(Setting::Maxclients) as u64;
    let reached = system::process::reserve_descriptors(wanted);
    if reached < wanted {
        log::tell(format_args!("The system has room for {reached} clients only (ulimit -n)"));
    }
    config.without_effect().iter().for_each(log::tell);
    Ok(())
}

/// An error that says what was tried, and what helps, beside what the system says.
fn tried(what: fmt::Arguments<'_>, setting: &str, error: io::Error) -> io::Error {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => format!("Make that folder, or name another one (`{setting}`)"),
        io::ErrorKind::PermissionDenied => {
            format!("Let this user in, run as another one, or name another place (`{setting}`)")
        }
        _ => format!("Name another place (`{setting}`)"),
    };
    let system = redstart_config::error::system_text(&error);
    io::Error::new(error.kind(), format!("{what}: {system}. {remedy}"))
}
