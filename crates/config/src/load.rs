//! The configuration that the program is started with.

use crate::arguments::{self, CommandLine};
use crate::config::Config;
use crate::environment;
use crate::error::LoadError;
use crate::file::{self, Request};
use crate::table::Setting;
use std::ffi::OsString;

/// The configuration that the program's arguments ask for. Where they ask for something else, such
/// as the version, or are wrong, it prints what there is to say and ends the process.
pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Config {
    let request = match arguments::parse(arguments) {
        CommandLine::Serve(request) => request,
        CommandLine::Print(text) => {
            println!("{text}");
            std::process::exit(0)
        }
        CommandLine::Refuse(text) => {
            eprintln!("{text}");
            std::process::exit(1)
        }
    };
    let mut config = Config::new();
    match load(&mut config, &request) {
        Ok(()) => config,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1)
        }
    }
}

/// Reads the password of the environment, and then what was asked for.
fn load(config: &mut Config, request: &Request) -> Result<(), LoadError> {
    let nowhere = |reason: String| LoadError { place: None, reason: reason.into() };
    if let Some(password) = environment::password().map_err(nowhere)? {
        let set = config.load(Setting::Requirepass, vec![password]);
        set.map_err(|reason| LoadError { place: None, reason })?;
    }
    file::load(config, request, &mut std::io::stdin())
}
